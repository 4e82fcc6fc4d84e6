//! Writes threads with the crate's writer, to be opened with another program.
//!
//! - `rollout write HOME CWD THREAD PROVIDER < turns.json`: a new thread; the input is a
//!   list of turns as the protocol shows them (`thread/read`). A turn that is
//!   `inProgress` is left open, as a killed program leaves it.
//! - `rollout open FILE`: opens for writing, which repairs, and prints the turns.
//! - `rollout read FILE`: prints the turns.
//! - `rollout fork FILE NEW_THREAD`, `rollout revert FILE TURN`.
//!
//! The commands that write print the path of the file.

#![expect(clippy::print_stdout, reason = "an example talks to its user")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use loomd_events::{
    HistoryItem, MessagePart, Sequenced, SessionMeta, ThreadEvent, ThreadSnapshot, TurnContext,
    TurnEndReason, TurnStart,
};
use loomd_protocol::{
    AskForApproval, ItemCompletedNotification, ItemKind, SandboxPolicy, SessionSource, Turn,
    TurnStatus, UserInput,
};
use loomd_rollout::{Fork, Writer, layout};

type Failure = Box<dyn Error>;

/// A time for lines that are written now.
const NOW_MS: i64 = 1_795_400_000_000;

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match *args.as_slice() {
        ["write", home, cwd, thread, provider] => write(Path::new(home), cwd, thread, provider),
        ["open", file] => print_turns(&Writer::open(Path::new(file), NOW_MS)?.1),
        ["read", file] => print_turns(&loomd_rollout::read(Path::new(file))?),
        ["fork", file, thread] => fork(Path::new(file), thread),
        ["revert", file, turn] => {
            let (writer, _) = Writer::revert(Path::new(file), turn, NOW_MS)?;
            println!("{}", writer.path().display());
            Ok(())
        }
        _ => Err("see the head of the example for its arguments".into()),
    }
}

fn print_turns(snapshot: &ThreadSnapshot) -> Result<(), Failure> {
    println!("{}", serde_json::to_string(&snapshot.turns)?);
    Ok(())
}

fn fork(file: &Path, thread: &str) -> Result<(), Failure> {
    let home = layout::home_of(file).ok_or("the file lies in no home")?;
    let mut meta = loomd_rollout::read(file)?.meta;
    meta.forked_from_id = Some(meta.id);
    meta.id = thread.parse()?;
    meta.session_id = meta.id;
    meta.created_ms = NOW_MS;
    let fork = Fork {
        source: file,
        cut: &loomd_rollout::Cut::Whole,
        meta: &meta,
    };
    let (writer, _) = Writer::fork(home, &fork)?;
    println!("{}", writer.path().display());
    Ok(())
}

fn write(home: &Path, cwd: &str, thread: &str, provider: &str) -> Result<(), Failure> {
    let turns: Vec<Turn> = serde_json::from_reader(std::io::stdin())?;
    let first = turns.first().and_then(|turn| turn.started_at);
    let created_ms = first.map_or(NOW_MS, |seconds| seconds * 1000);
    let id = thread.parse()?;
    let meta = SessionMeta {
        id,
        session_id: id,
        created_ms,
        cwd: PathBuf::from(cwd),
        originator: "loomd".to_owned(),
        cli_version: "0.169.0".to_owned(),
        source: SessionSource::Vscode,
        thread_source: None,
        model_provider: provider.to_owned(),
        base_instructions: None,
        git: None,
        forked_from_id: None,
        parent_thread_id: None,
    };
    let mut writer = Writer::create(home, &meta)?;
    let mut seq = 0;
    for turn in turns {
        let mut events = vec![];
        for event in events_of(turn, thread, cwd) {
            seq += 1;
            let at_ms = created_ms + i64::try_from(seq)?;
            events.push(Sequenced { seq, at_ms, event });
        }
        writer.append(&events)?;
    }
    writer.sync_handle().expect("an awake writer").sync()?;
    println!("{}", writer.path().display());
    Ok(())
}

fn events_of(turn: Turn, thread: &str, cwd: &str) -> Vec<ThreadEvent> {
    let mut bare = turn.clone();
    bare.items.clear();
    let mut events = vec![
        ThreadEvent::TurnStarted(Box::new(TurnStart {
            turn: bare,
            model_context_window: Some(258_400),
        })),
        ThreadEvent::TurnContext(Box::new(TurnContext {
            turn_id: Arc::from(turn.id.as_str()),
            cwd: PathBuf::from(cwd),
            approval_policy: AskForApproval::Never,
            profile: None,
            file_rules: None,
            sandbox_policy: SandboxPolicy::WorkspaceWrite {
                network_access: true,
                writable_roots: Vec::new(),
                exclude_tmpdir_env_var: false,
                exclude_slash_tmp: true,
            },
            model: "mock-model".to_owned(),
            effort: Some("high".to_owned()),
            summary: None,
        })),
    ];
    for item in &turn.items {
        events.extend(
            words_of(&item.kind, &item.id).map(|item| ThreadEvent::HistoryAppended {
                turn_id: Some(Arc::from(turn.id.as_str())),
                item,
            }),
        );
        events.push(ThreadEvent::ItemCompleted(ItemCompletedNotification {
            completed_at_ms: item.completed_at_ms.unwrap_or_default(),
            item: item.clone(),
            thread_id: thread.to_owned(),
            turn_id: turn.id.clone(),
            content_token_count: None,
        }));
    }
    let reason = match turn.status {
        TurnStatus::Completed => TurnEndReason::Completed,
        TurnStatus::Failed => TurnEndReason::Failed,
        TurnStatus::Interrupted => TurnEndReason::Interrupted,
        TurnStatus::InProgress => return events,
    };
    let turn = Box::new(turn);
    events.push(ThreadEvent::TurnEnded { turn, reason });
    events
}

/// What the model remembers of an item: messages only.
fn words_of(kind: &ItemKind, id: &str) -> Option<HistoryItem> {
    if let ItemKind::UserMessage(user) = kind {
        let texts = user.content.iter().filter_map(|input| {
            if let UserInput::Text { text, .. } = input {
                Some(MessagePart::text(text.clone()))
            } else {
                None
            }
        });
        let parts: Vec<_> = texts.collect();
        return Some(HistoryItem::message(&format!("msg_{id}"), "user", &parts));
    }
    let ItemKind::AgentMessage(agent) = kind else {
        return None;
    };
    let text = agent.text.clone();
    let parts = [MessagePart::OutputText { text }];
    Some(HistoryItem::message(id, "assistant", &parts))
}
