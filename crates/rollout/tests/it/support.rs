//! A thread's events, made by hand.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use loomd_base::ThreadId;
use loomd_events::{
    HistoryItem, MessagePart, Sequenced, SessionMeta, ThreadEvent, TurnContext, TurnEndReason,
    TurnStart,
};
use loomd_protocol::{
    AgentMessageItem, AskForApproval, CommandAction, CommandExecutionItem, CommandExecutionSource,
    CommandExecutionStatus, FileChangeItem, FileUpdateChange, ItemCompletedNotification, ItemKind,
    ItemStartedNotification, PatchApplyStatus, PatchChangeKind, SandboxPolicy, SessionSource,
    ThreadItem, ThreadTokenUsage, ThreadTokenUsageUpdatedNotification, TokenUsageBreakdown, Turn,
    TurnError, TurnItemsView, TurnStatus, UserInput, UserMessageItem,
};

/// When the thread begins: 2026-11-22T23:17:13.810Z.
pub(crate) const T0: i64 = 1_795_389_433_810;
pub(crate) const THREAD: &str = "01a2058c-a773-7973-b6d6-7d17797aa558";

pub(crate) fn thread() -> ThreadId {
    THREAD.parse().unwrap()
}

pub(crate) fn meta() -> SessionMeta {
    SessionMeta {
        id: thread(),
        session_id: thread(),
        created_ms: T0,
        cwd: PathBuf::from("/project"),
        originator: "tests".to_owned(),
        cli_version: "0.169.0".to_owned(),
        source: SessionSource::Vscode,
        thread_source: None,
        model_provider: "mock".to_owned(),
        base_instructions: Some("be brief".into()),
        git: None,
        forked_from_id: None,
        parent_thread_id: None,
    }
}

/// Numbers events and stamps them, one millisecond apart.
#[derive(Default)]
pub(crate) struct Script {
    pub(crate) seq: u64,
}

impl Script {
    pub(crate) fn number(&mut self, event: ThreadEvent) -> Sequenced {
        self.seq += 1;
        Sequenced {
            seq: self.seq,
            at_ms: T0 + i64::try_from(self.seq).unwrap(),
            event,
        }
    }

    /// A turn: the user asks, the model thinks, runs a command, patches, answers.
    pub(crate) fn whole_turn(&mut self, id: &str) -> Vec<Sequenced> {
        let ask = format!("ask {id}");
        let answer = format!("answer {id}");
        let items = [
            user(id, &ask),
            reasoning(id),
            command(id),
            patch(id),
            agent(id, &answer),
        ];
        let mut events = vec![started(id), context(id), history(id, "user", &ask)];
        events.push(ThreadEvent::ItemStarted(ItemStartedNotification {
            item: items[0].clone(),
            thread_id: THREAD.to_owned(),
            turn_id: id.to_owned(),
            started_at_ms: T0,
        }));
        events.extend(items.iter().map(|item| completed(id, item.clone())));
        events.push(call(id));
        events.push(output(id));
        events.push(history(id, "assistant", &answer));
        events.push(usage(id));
        events.push(ended(id, items.to_vec(), TurnEndReason::Completed));
        events.into_iter().map(|event| self.number(event)).collect()
    }
}

pub(crate) fn turn(id: &str) -> Turn {
    Turn {
        id: id.to_owned(),
        root_turn_id: Some(id.to_owned()),
        items: Vec::new(),
        items_view: TurnItemsView::Full,
        status: TurnStatus::InProgress,
        error: None,
        started_at: Some(T0 / 1000),
        completed_at: None,
        duration_ms: None,
    }
}

pub(crate) fn started(id: &str) -> ThreadEvent {
    ThreadEvent::TurnStarted(Box::new(TurnStart {
        turn: turn(id),
        model_context_window: Some(258_400),
    }))
}

pub(crate) fn turn_context(id: &str) -> TurnContext {
    TurnContext {
        turn_id: Arc::from(id),
        cwd: PathBuf::from("/project"),
        approval_policy: AskForApproval::Never,
        sandbox_policy: SandboxPolicy::DangerFullAccess,
        profile: None,
        file_rules: None,
        model: "mock-model".to_owned(),
        effort: None,
        summary: Some("auto".to_owned()),
    }
}

pub(crate) fn context(id: &str) -> ThreadEvent {
    ThreadEvent::TurnContext(Box::new(turn_context(id)))
}

pub(crate) fn history(turn: &str, role: &str, text: &str) -> ThreadEvent {
    let part = if role == "assistant" {
        MessagePart::OutputText {
            text: text.to_owned(),
        }
    } else {
        MessagePart::text(text)
    };
    ThreadEvent::HistoryAppended {
        turn_id: Some(Arc::from(turn)),
        item: HistoryItem::message(&format!("msg_{turn}_{role}"), role, &[part]),
    }
}

fn raw_history(turn: &str, json: String) -> ThreadEvent {
    let raw = serde_json::value::RawValue::from_string(json).unwrap();
    ThreadEvent::HistoryAppended {
        turn_id: Some(Arc::from(turn)),
        item: HistoryItem::from_raw(raw).unwrap(),
    }
}

pub(crate) fn call(turn: &str) -> ThreadEvent {
    raw_history(
        turn,
        format!(
            r#"{{"type":"function_call","name":"exec_command","arguments":"{{}}","call_id":"call_{turn}"}}"#
        ),
    )
}

fn output(turn: &str) -> ThreadEvent {
    raw_history(
        turn,
        format!(r#"{{"type":"function_call_output","call_id":"call_{turn}","output":"hi"}}"#),
    )
}

pub(crate) fn user(turn: &str, text: &str) -> ThreadItem {
    item(
        format!("user_{turn}"),
        ItemKind::UserMessage(UserMessageItem {
            client_id: None,
            content: vec![UserInput::Text {
                text: text.to_owned(),
                text_elements: Vec::new(),
            }],
        }),
    )
}

fn reasoning(turn: &str) -> ThreadItem {
    item(
        format!("rs_{turn}"),
        ItemKind::Reasoning {
            summary: vec!["hmm".to_owned(), "well".to_owned()],
            content: Vec::new(),
        },
    )
}

pub(crate) fn command(turn: &str) -> ThreadItem {
    item(
        format!("call_{turn}"),
        ItemKind::CommandExecution(CommandExecutionItem {
            plugin_id: None,
            script_path: None,
            command: "/bin/bash -lc 'echo hi; false'".to_owned(),
            cwd: "/project/with space".to_owned(),
            process_id: Some("7".to_owned()),
            source: CommandExecutionSource::UnifiedExecStartup,
            status: CommandExecutionStatus::Failed,
            command_actions: vec![CommandAction::Unknown {
                command: "echo hi; false".to_owned(),
            }],
            aggregated_output: Some("hi\n".to_owned()),
            exit_code: Some(1),
            duration_ms: Some(335),
        }),
    )
}

fn patch(turn: &str) -> ThreadItem {
    item(
        format!("patch_{turn}"),
        ItemKind::FileChange(FileChangeItem {
            changes: vec![FileUpdateChange {
                path: "/project/new.txt".to_owned(),
                kind: PatchChangeKind::Add,
                diff: "hello\n".to_owned(),
            }],
            status: PatchApplyStatus::Completed,
        }),
    )
}

pub(crate) fn agent(turn: &str, text: &str) -> ThreadItem {
    item(
        format!("msg_{turn}"),
        ItemKind::AgentMessage(AgentMessageItem {
            text: text.to_owned(),
            ..AgentMessageItem::default()
        }),
    )
}

fn item(id: String, kind: ItemKind) -> ThreadItem {
    let mut item = ThreadItem::new(id, kind);
    item.set_times(Some(T0), Some(T0 + 1));
    item
}

pub(crate) fn completed(turn: &str, item: ThreadItem) -> ThreadEvent {
    ThreadEvent::ItemCompleted(ItemCompletedNotification {
        item,
        thread_id: THREAD.to_owned(),
        turn_id: turn.to_owned(),
        content_token_count: None,
        completed_at_ms: T0 + 1,
    })
}

pub(crate) fn token_usage(total: i64) -> ThreadTokenUsage {
    let breakdown = TokenUsageBreakdown {
        total_tokens: total,
        input_tokens: 100,
        cached_input_tokens: 20,
        cache_write_input_tokens: 0,
        output_tokens: 30,
        reasoning_output_tokens: 5,
    };
    ThreadTokenUsage {
        total: breakdown.clone(),
        last: breakdown,
        model_context_window: Some(258_400),
    }
}

fn usage(turn: &str) -> ThreadEvent {
    ThreadEvent::TokenUsage(ThreadTokenUsageUpdatedNotification {
        thread_id: THREAD.to_owned(),
        turn_id: turn.to_owned(),
        token_usage: token_usage(130),
    })
}

pub(crate) fn ended(id: &str, items: Vec<ThreadItem>, reason: TurnEndReason) -> ThreadEvent {
    let mut turn = turn(id);
    turn.items = items;
    turn.completed_at = Some(T0 / 1000 + 1);
    turn.duration_ms = Some(1084);
    turn.status = match reason {
        TurnEndReason::Completed => TurnStatus::Completed,
        TurnEndReason::Failed => TurnStatus::Failed,
        TurnEndReason::Interrupted => TurnStatus::Interrupted,
    };
    turn.error = (reason == TurnEndReason::Failed).then(|| TurnError {
        message: "the model failed".to_owned(),
        codex_error_info: Some(loomd_protocol::CodexErrorInfo::HttpConnectionFailed {
            http_status_code: Some(401),
        }),
        additional_details: Some("it said no".to_owned()),
        misalignment: None,
    });
    ThreadEvent::TurnEnded {
        turn: Box::new(turn),
        reason,
    }
}

/// A thread's turns, one line each turn and item.
pub(crate) fn outline(turns: &[Turn]) -> String {
    let mut text = String::new();
    for turn in turns {
        text.push_str(&format!("{} {:?}\n", turn.id, turn.status));
        for item in &turn.items {
            text.push_str(&format!(
                "  {} {}{}\n",
                item.id,
                item.kind_name(),
                said(item)
            ));
        }
    }
    text
}

/// The words of an item, for the kinds that the tests look into.
fn said(item: &ThreadItem) -> String {
    if let ItemKind::AgentMessage(agent) = &item.kind {
        format!(": {}", agent.text)
    } else if let ItemKind::Reasoning { summary, content } = &item.kind {
        format!(": {summary:?} {content:?}")
    } else if let ItemKind::CommandExecution(command) = &item.kind {
        let output = &command.aggregated_output;
        format!(": {} {:?} {output:?}", command.command, command.status)
    } else if let ItemKind::UserMessage(user) = &item.kind
        && let Some(UserInput::Text { text, .. }) = user.content.first()
    {
        format!(": {text}")
    } else {
        String::new()
    }
}

/// Copies the reference's files into a home of their own.
pub(crate) fn fixture_home(version: &str) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let from = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(version)
        .join("sessions/2026/11/22");
    let to = home.path().join("sessions/2026/11/22");
    std::fs::create_dir_all(&to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
    home
}

/// A command as it begins.
pub(crate) fn running(turn: &str) -> ThreadItem {
    let mut item = command(turn);
    item.completed_at_ms = None;
    if let ItemKind::CommandExecution(command) = &mut item.kind {
        command.status = CommandExecutionStatus::InProgress;
        command.aggregated_output = None;
        command.exit_code = None;
        command.duration_ms = None;
    }
    item
}
