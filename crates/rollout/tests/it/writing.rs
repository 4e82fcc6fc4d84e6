//! What the writer writes, the reader reads; and what stands in the file.

use std::fs;
use std::path::Path;

use expect_test::expect;
use loomd_events::{ThreadEvent, TurnEndReason};
use loomd_rollout::{Error, Writer, layout, read, read_meta};

use crate::support::{
    Script, T0, THREAD, agent, command, completed, context, ended, history, meta, outline, started,
    thread, token_usage, turn_context, user,
};

#[test]
fn reads_back_what_was_appended() {
    let home = tempfile::tempdir().unwrap();
    let mut script = Script::default();
    let mut writer = Writer::create(home.path(), &meta()).unwrap();
    let first = script.whole_turn("t1");
    writer.append(&first).unwrap();
    writer.append(&script.whole_turn("t2")).unwrap();
    writer
        .sync_handle()
        .expect("an awake writer")
        .sync()
        .unwrap();

    let snapshot = read(writer.path()).unwrap();
    assert_eq!(snapshot.meta, meta());
    let ThreadEvent::TurnEnded { turn, .. } = &first.last().unwrap().event else {
        panic!("a turn ends with its end");
    };
    assert_eq!(snapshot.turns[0], **turn);
    assert_eq!(snapshot.turns.len(), 2);
    assert_eq!(snapshot.history.len(), 8);
    assert_eq!(
        snapshot.token_usage,
        Some(("t2".to_owned(), token_usage(130)))
    );
    assert_eq!(snapshot.last_context, Some(turn_context("t2")));
    assert_eq!(snapshot.last_seq, script.seq);
    assert_eq!(snapshot.updated_ms, T0 + i64::try_from(script.seq).unwrap());
    assert_eq!(snapshot.preview, "ask t1");
}

#[test]
fn a_failed_turn_keeps_its_error() {
    let home = tempfile::tempdir().unwrap();
    let mut script = Script::default();
    let mut writer = Writer::create(home.path(), &meta()).unwrap();
    let end = ended("t1", Vec::new(), TurnEndReason::Failed);
    let events = [started("t1"), end.clone()].map(|event| script.number(event));
    writer.append(&events).unwrap();
    let ThreadEvent::TurnEnded { turn, .. } = end else {
        panic!("made above");
    };
    assert_eq!(read(writer.path()).unwrap().turns, [*turn]);
}

#[test]
fn writes_the_hybrid_form() {
    let home = tempfile::tempdir().unwrap();
    let mut script = Script::default();
    let mut writer = Writer::create(home.path(), &meta()).unwrap();
    let events = [
        started("t1"),
        context("t1"),
        history("t1", "user", "hello"),
        completed("t1", user("t1", "hello")),
        completed("t1", command("t1")),
        completed("t1", agent("t1", "bye")),
        ended("t1", vec![agent("t1", "bye")], TurnEndReason::Completed),
    ]
    .map(|event| script.number(event));
    writer.append(&events).unwrap();
    let text = fs::read_to_string(writer.path()).unwrap();
    expect![[r#"
        {"timestamp":"2026-11-22T23:17:13.810Z","ordinal":0,"type":"session_meta","payload":{"id":"01a2058c-a773-7973-b6d6-7d17797aa558","session_id":"01a2058c-a773-7973-b6d6-7d17797aa558","timestamp":"2026-11-22T23:17:13.810Z","cwd":"/project","originator":"tests","cli_version":"0.169.0","source":"vscode","model_provider":"mock","base_instructions":{"text":"be brief"},"history_mode":"paginated"}}
        {"timestamp":"2026-11-22T23:17:13.811Z","ordinal":1,"seq":1,"type":"event_msg","payload":{"type":"task_started","turn_id":"t1","root_turn_id":"t1","started_at":1795389433,"model_context_window":258400,"collaboration_mode_kind":"default"}}
        {"timestamp":"2026-11-22T23:17:13.812Z","ordinal":2,"seq":2,"type":"turn_context","payload":{"turn_id":"t1","root_turn_id":"t1","cwd":"/project","approval_policy":"never","sandbox_policy":{"type":"danger-full-access"},"permission_profile":{"type":"disabled"},"model":"mock-model","summary":"auto"}}
        {"timestamp":"2026-11-22T23:17:13.813Z","ordinal":3,"seq":3,"type":"response_item","payload":{"type":"message","id":"msg_t1_user","role":"user","content":[{"type":"input_text","text":"hello"}]}}
        {"timestamp":"2026-11-22T23:17:13.814Z","ordinal":4,"seq":4,"type":"event_msg","payload":{"type":"item_completed","thread_id":"01a2058c-a773-7973-b6d6-7d17797aa558","turn_id":"t1","item":{"type":"UserMessage","id":"user_t1","content":[{"type":"text","text":"hello","text_elements":[]}]},"started_at_ms":1795389433810,"completed_at_ms":1795389433811}}
        {"timestamp":"2026-11-22T23:17:13.814Z","ordinal":5,"shadow":true,"type":"event_msg","payload":{"type":"user_message","message":"hello","images":[],"local_images":[],"text_elements":[]}}
        {"timestamp":"2026-11-22T23:17:13.815Z","ordinal":6,"seq":5,"type":"event_msg","payload":{"type":"item_completed","thread_id":"01a2058c-a773-7973-b6d6-7d17797aa558","turn_id":"t1","item":{"type":"CommandExecution","id":"call_t1","process_id":"7","command":["/bin/bash","-lc","echo hi; false"],"cwd":"file:///project/with%20space","parsed_cmd":[{"type":"unknown","cmd":"echo hi; false"}],"source":"unified_exec_startup","status":"failed","aggregated_output":"hi\n","exit_code":1,"duration":{"secs":0,"nanos":335000000}},"started_at_ms":1795389433810,"completed_at_ms":1795389433811}}
        {"timestamp":"2026-11-22T23:17:13.816Z","ordinal":7,"seq":6,"type":"event_msg","payload":{"type":"item_completed","thread_id":"01a2058c-a773-7973-b6d6-7d17797aa558","turn_id":"t1","item":{"type":"AgentMessage","id":"msg_t1","content":[{"type":"Text","text":"bye"}]},"started_at_ms":1795389433810,"completed_at_ms":1795389433811}}
        {"timestamp":"2026-11-22T23:17:13.816Z","ordinal":8,"shadow":true,"type":"event_msg","payload":{"type":"agent_message","message":"bye","phase":null,"memory_citation":null}}
        {"timestamp":"2026-11-22T23:17:13.817Z","ordinal":9,"seq":7,"type":"event_msg","payload":{"type":"task_complete","turn_id":"t1","root_turn_id":"t1","last_agent_message":"bye","started_at":1795389433,"completed_at":1795389434,"duration_ms":1084}}
    "#]]
    .assert_eq(&text);
}

#[test]
fn an_event_that_is_not_history_writes_nothing() {
    let home = tempfile::tempdir().unwrap();
    let mut writer = Writer::create(home.path(), &meta()).unwrap();
    let before = fs::metadata(writer.path()).unwrap().len();
    let delta = ThreadEvent::AgentMessageDelta(loomd_protocol::AgentMessageDeltaNotification {
        thread_id: THREAD.to_owned(),
        turn_id: "t1".to_owned(),
        item_id: "m".to_owned(),
        delta: "x".to_owned(),
    });
    writer.append(&[Script::default().number(delta)]).unwrap();
    writer.append(&[]).unwrap();
    assert_eq!(fs::metadata(writer.path()).unwrap().len(), before);
}

#[test]
fn refuses_an_existing_file_and_a_second_writer() {
    let home = tempfile::tempdir().unwrap();
    let writer = Writer::create(home.path(), &meta()).unwrap();
    let path = writer.path().to_path_buf();
    let locked = format!("thread {THREAD} already has an active writer");
    assert_eq!(Writer::open(&path, T0).unwrap_err().to_string(), locked);
    assert_eq!(
        Writer::create(home.path(), &meta())
            .unwrap_err()
            .to_string(),
        locked
    );
    drop(writer);
    assert!(matches!(
        Writer::create(home.path(), &meta()),
        Err(Error::Exists(_))
    ));
    Writer::open(&path, T0).unwrap();
}

#[test]
fn puts_the_file_where_it_is_found() {
    let home = tempfile::tempdir().unwrap();
    let writer = Writer::create(home.path(), &meta()).unwrap();
    let expected = format!("sessions/2026/11/22/rollout-2026-11-22T23-17-13-{THREAD}.jsonl");
    assert_eq!(writer.path(), home.path().join(expected));
    let found = layout::find(home.path(), thread()).unwrap().unwrap();
    assert_eq!(found.path, writer.path());
}

#[test]
fn opens_a_file_and_goes_on_with_its_ordinals() {
    let home = tempfile::tempdir().unwrap();
    let mut script = Script::default();
    let mut writer = Writer::create(home.path(), &meta()).unwrap();
    writer.append(&script.whole_turn("t1")).unwrap();
    let path = writer.path().to_path_buf();
    drop(writer);
    let (mut writer, snapshot) = Writer::open(&path, T0).unwrap();
    assert_eq!(snapshot.last_seq, script.seq);
    writer.append(&script.whole_turn("t2")).unwrap();
    assert_eq!(
        ordinals(&path),
        (0..ordinals(&path).len() as u64).collect::<Vec<_>>()
    );
    assert_eq!(read(&path).unwrap().turns.len(), 2);
}

pub(crate) fn ordinals(path: &Path) -> Vec<u64> {
    fs::read_to_string(path)
        .unwrap()
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|line| line["ordinal"].as_u64())
        .collect()
}

#[test]
fn a_legacy_file_stays_legacy_and_shows_commands_of_ours() {
    let home = crate::support::fixture_home("0.131.0");
    let thread = "01a2058c-b60e-78d2-9b0d-d067a35340b4".parse().unwrap();
    let path = layout::find(home.path(), thread).unwrap().unwrap().path;
    let (mut writer, before) = Writer::open(&path, T0).unwrap();
    let mut script = Script::default();
    writer.append(&script.whole_turn("t1")).unwrap();
    let after = read(&path).unwrap();
    assert!(ordinals(&path).is_empty());
    assert_eq!(after.turns.len(), before.turns.len() + 1);
    expect![[r#"
        t1 Completed
          user_t1 userMessage: ask t1
          rs_t1 reasoning: ["hmm", "well"] []
          call_t1 commandExecution: /bin/bash -lc 'echo hi; false' Failed Some("hi\n")
          patch_t1 fileChange
          msg_t1 agentMessage: answer t1
    "#]]
    .assert_eq(&outline(&after.turns[before.turns.len()..]));
}

#[test]
fn repairs_a_file_that_an_older_program_appended_to() {
    let home = tempfile::tempdir().unwrap();
    let mut script = Script::default();
    let mut writer = Writer::create(home.path(), &meta()).unwrap();
    writer.append(&script.whole_turn("t1")).unwrap();
    let path = writer.path().to_path_buf();
    drop(writer);
    let foreign = [
        r#""event_msg","payload":{"type":"task_started","turn_id":"old"}"#,
        r#""response_item","payload":{"type":"message","role":"user","content":[{"type":"input_text","text":"q"}]}"#,
        r#""event_msg","payload":{"type":"user_message","message":"q","images":[],"local_images":[],"text_elements":[]}"#,
        r#""event_msg","payload":{"type":"agent_reasoning","text":"r"}"#,
        r#""event_msg","payload":{"type":"agent_message","message":"a"}"#,
        r#""event_msg","payload":{"type":"task_complete","turn_id":"old","last_agent_message":"a"}"#,
    ];
    let mut text = fs::read_to_string(&path).unwrap();
    for line in foreign {
        text.push_str(&format!(
            "{{\"timestamp\":\"2026-11-22T23:18:00.000Z\",\"type\":{line}}}\n"
        ));
    }
    fs::write(&path, &text).unwrap();

    let before = read(&path).unwrap();
    let (writer, opened) = Writer::open(&path, T0).unwrap();
    drop(writer);
    let after = read(&path).unwrap();
    assert_eq!(outline(&opened.turns), outline(&before.turns));
    assert_eq!(outline(&after.turns), outline(&before.turns));
    assert_eq!(after.history, before.history);
    let repaired = fs::read_to_string(&path).unwrap();
    assert!(repaired.starts_with(&text), "a repair only appends");
    let last: serde_json::Value = serde_json::from_str(repaired.lines().last().unwrap()).unwrap();
    assert!(last["ordinal"].is_u64());
    expect![[r#"
        old Completed
          item-1 userMessage: q
          item-2 reasoning: ["r"] []
          item-3 agentMessage: a
    "#]]
    .assert_eq(&outline(&after.turns[1..]));

    // A second opening finds nothing to repair.
    drop(Writer::open(&path, T0).unwrap());
    assert_eq!(fs::read_to_string(&path).unwrap(), repaired);
}

#[test]
fn a_list_reads_the_head_alone() {
    let home = tempfile::tempdir().unwrap();
    let mut script = Script::default();
    let mut writer = Writer::create(home.path(), &meta()).unwrap();
    assert!(!read_meta(writer.path()).unwrap().has_user_message);
    writer.append(&script.whole_turn("t1")).unwrap();
    let summary = read_meta(writer.path()).unwrap();
    assert_eq!(summary.meta, meta());
    assert_eq!(summary.preview, "ask t1");
    assert_eq!(summary.model.as_deref(), Some("mock-model"));
}

#[test]
fn a_writer_at_rest_holds_nothing_and_goes_on_where_it_was() {
    let home = tempfile::tempdir().unwrap();
    let mut script = Script::default();
    let mut writer = Writer::create(home.path(), &meta()).unwrap();
    writer.append(&script.whole_turn("t1")).unwrap();
    writer.rest().unwrap();
    assert!(writer.sync_handle().is_none());

    // Somebody else may look and leave it as it is.
    let (other, snapshot) = Writer::open(writer.path(), T0).unwrap();
    assert_eq!(snapshot.turns.len(), 1);
    let refused = writer.append(&script.whole_turn("t2")).unwrap_err();
    assert!(matches!(refused, Error::Locked(_)), "{refused}");
    drop(other);

    writer.append(&script.whole_turn("t3")).unwrap();
    assert_eq!(read(writer.path()).unwrap().turns.len(), 2);
}

#[test]
fn a_writer_at_rest_does_not_write_behind_what_another_wrote() {
    let home = tempfile::tempdir().unwrap();
    let mut script = Script::default();
    let mut writer = Writer::create(home.path(), &meta()).unwrap();
    writer.append(&script.whole_turn("t1")).unwrap();
    writer.rest().unwrap();
    let (mut other, _) = Writer::open(writer.path(), T0).unwrap();
    other.append(&script.whole_turn("t2")).unwrap();
    drop(other);
    let whole = fs::read(writer.path()).unwrap();

    for _ in 0..2 {
        let refused = writer.append(&script.whole_turn("t3")).unwrap_err();
        assert!(matches!(refused, Error::WrittenByAnother(_)), "{refused}");
    }
    assert_eq!(fs::read(writer.path()).unwrap(), whole);
}
