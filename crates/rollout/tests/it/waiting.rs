//! A turn that waits for an answer stays open when its file is opened again.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use loomd_events::{
    CallProgress, FileRules, Sequenced, StoredState, ThreadEvent, ToolCall, ToolPayload,
    WaitingCall, WaitingTurn,
};
use loomd_protocol::{
    AskForApproval, ItemStartedNotification, SandboxPolicy, ServerRequestParams, TurnStatus,
};
use loomd_rollout::{Writer, read};
use serde_json::json;

use crate::support::{
    Script, T0, THREAD, call, completed, history, meta, outline, running, started, thread, user,
};

fn waiting(turn: &str) -> WaitingTurn {
    let item = running(turn);
    let params = json!({"threadId": THREAD, "turnId": turn, "itemId": item.id, "startedAtMs": T0});
    let params = serde_json::value::to_raw_value(&params).unwrap();
    let method = "item/commandExecution/requestApproval";
    let request = ServerRequestParams::parse(method, &params)
        .unwrap()
        .unwrap();
    let call = ToolCall {
        call_id: item.id.clone(),
        name: "exec_command".to_owned(),
        namespace: None,
        payload: ToolPayload::Function {
            arguments: "{}".to_owned(),
        },
    };
    WaitingTurn {
        turn_id: turn.to_owned(),
        cwd: PathBuf::from("/w"),
        approval_policy: AskForApproval::Untrusted,
        sandbox_policy: SandboxPolicy::DangerFullAccess,
        file_rules: FileRules::of_policy(&SandboxPolicy::ReadOnly {
            network_access: false,
        }),
        plan_mode: false,
        output_schema: None,
        for_goal: false,
        calls: vec![WaitingCall {
            call,
            progress: CallProgress::Asked {
                item: Some(Box::new(item)),
                request: Arc::new(request),
            },
        }],
        usage: None,
        messages: Vec::new(),
    }
}

/// A thread with a turn that waits, left by a server that was killed.
fn killed(home: &Path, more: Vec<ThreadEvent>) -> PathBuf {
    let mut script = Script::default();
    let mut writer = Writer::create(home, &meta()).unwrap();
    let begun = ThreadEvent::ItemStarted(ItemStartedNotification {
        item: running("t1"),
        thread_id: THREAD.to_owned(),
        turn_id: "t1".to_owned(),
        started_at_ms: T0,
    });
    let events = [
        started("t1"),
        history("t1", "user", "ask"),
        completed("t1", user("t1", "ask")),
        call("t1"),
        begun,
    ];
    let events = events.into_iter().chain(more);
    let events: Vec<Sequenced> = events.map(|event| script.number(event)).collect();
    writer.append(&events).unwrap();
    writer.partial(&events).unwrap();
    let path = writer.path().to_path_buf();
    let journal = home.join(format!("loomd/inflight/{THREAD}.jsonl"));
    let kept = fs::read(&journal).ok();
    drop(writer);
    if let Some(kept) = kept {
        fs::write(journal, kept).unwrap();
    }
    path
}

#[test]
fn it_stays_open_however_often_the_server_is_killed() {
    let home = tempfile::tempdir().unwrap();
    let path = killed(home.path(), Vec::new());
    let before = fs::read(&path).unwrap();
    let waiting = waiting("t1");
    for _ in 0..3 {
        let (writer, snapshot) = Writer::open_waiting(&path, T0, Some(&waiting)).unwrap();
        assert!(snapshot.turns.is_empty());
        let turn = snapshot.open_turn.expect("the open turn");
        assert_eq!((&*turn.id, turn.status), ("t1", TurnStatus::InProgress));
        assert_eq!(turn.items.len(), 2);
        let open = snapshot.history.last().unwrap().json.get();
        assert!(open.contains("function_call\""), "no output yet: {open}");
        assert_eq!(fs::read(&path).unwrap(), before, "nothing is written");
        drop(writer);
    }
    // To a reader it is what it would be without the note.
    let shown = read(&path).unwrap().turns;
    assert_eq!(shown[0].status, TurnStatus::Interrupted);
    assert_eq!(outline(&shown).lines().count(), 3);
    let (_, opened) = Writer::open(&path, T0).unwrap();
    assert_eq!(opened.open_turn, None);
    assert_eq!(opened.turns, shown);
}

#[test]
fn a_note_that_does_not_fit_the_file_is_void() {
    let output = |call_id: &str| ThreadEvent::HistoryAppended {
        turn_id: Some("t1".into()),
        item: loomd_events::HistoryItem::call_output("o", call_id, false, &"done"),
    };
    let item = running("t1");
    let strange = ThreadEvent::HistoryAppended {
        turn_id: Some("t1".into()),
        item: loomd_events::HistoryItem::from_raw(
            serde_json::value::to_raw_value(
                &json!({"type": "function_call", "call_id": "strange", "name": "x", "arguments": ""}),
            )
            .unwrap(),
        )
        .unwrap(),
    };
    for (more, note) in [
        // Of another turn.
        (Vec::new(), waiting("t0")),
        // The call has its output, or the file a call that the note does not know.
        (vec![output(&item.id)], waiting("t1")),
        (vec![strange], waiting("t1")),
        // Another program went on with the thread.
        (vec![started("t2")], waiting("t1")),
    ] {
        let home = tempfile::tempdir().unwrap();
        let path = killed(home.path(), more);
        let (_, snapshot) = Writer::open_waiting(&path, T0, Some(&note)).unwrap();
        assert_eq!(snapshot.open_turn, None);
        assert_eq!(snapshot.turns[0].status, TurnStatus::Interrupted);
    }
}

#[test]
fn a_note_goes_by_its_text_and_one_that_is_not_understood_costs_nothing_else() {
    let home = tempfile::tempdir().unwrap();
    let state = StoredState {
        memory_disabled: true,
        waiting: Some(Box::new(waiting("t1"))),
        ..StoredState::default()
    };
    let care = loomd_base::Care::QUICK;
    loomd_rollout::write_state(home.path(), thread(), &state, care).unwrap();
    let read = loomd_rollout::read_state(home.path(), thread()).unwrap();
    assert_eq!(read, state);
    let path = home
        .path()
        .join(format!("loomd/thread_state/{THREAD}.json"));
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("requestApproval", "somethingNew")).unwrap();
    let read = loomd_rollout::read_state(home.path(), thread()).unwrap();
    assert_eq!(read.waiting, None);
    assert!(read.memory_disabled);
}
