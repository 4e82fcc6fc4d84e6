//! Actions as lines: what matters of each, short enough to read a scenario at a glance.

use std::sync::Arc;
use std::time::Duration;

use loomd_events::{AskOutcome, CallProgress, HistoryItem, MessagePart, ThreadEvent};
use loomd_protocol::{
    AbsolutePathBuf, ApprovalsReviewer, AskForApproval, CollaborationMode, FileUpdateChange,
    ItemKind, ModeKind, MultiAgentMode, SandboxPolicy, SessionSource, Settings, Thread as Info,
    ThreadHistoryMode, ThreadItem, ThreadSettings, ThreadStatus, Turn,
};
use loomd_thread::{Action, Audience, Origin, Reply, ThreadSetup};

use crate::script::thread_id;

/// A thread with a 30 minute unload delay.
pub(crate) fn setup(stored: bool) -> ThreadSetup {
    let cwd = AbsolutePathBuf::new("/w").expect("an absolute path");
    ThreadSetup {
        id: thread_id(),
        session_id: thread_id(),
        origin: if stored {
            Origin::Stored
        } else {
            Origin::Fresh
        },
        info: info(cwd.clone()),
        file_rules: None,
        settings: ThreadSettings {
            disabled_plugin_ids: Vec::new(),
            cwd,
            environments: None,
            approval_policy: AskForApproval::Never,
            approvals_reviewer: ApprovalsReviewer::User,
            sandbox_policy: SandboxPolicy::DangerFullAccess,
            active_permission_profile: None,
            model: "m1".to_owned(),
            model_provider: "mock".to_owned(),
            service_tier: None,
            effort: None,
            summary: None,
            collaboration_mode: CollaborationMode {
                mode: ModeKind::Default,
                settings: Settings {
                    model: "m1".to_owned(),
                    reasoning_effort: None,
                    developer_instructions: None,
                },
            },
            multi_agent_mode: MultiAgentMode::default(),
            personality: None,
        },
        base_instructions: HistoryItem::message("base", "developer", &[MessagePart::text("base")]),
        turns: Vec::new(),
        history: Vec::new(),
        token_usage: None,
        last_seq: if stored { 7 } else { 0 },
        read_revision: "first".to_owned(),
        unload_delay: Some(Duration::from_secs(30 * 60)),
        background_delay: Duration::from_secs(45 * 60),
        kept: loomd_thread::Kept::default(),
        awaiting: None,
    }
}

fn kept(state: &loomd_events::StoredState) -> String {
    let goal = state.goal.as_ref().map_or_else(
        || "no goal".to_owned(),
        |goal| {
            format!(
                "goal \"{}\" {} {} tokens {} ms",
                goal.objective,
                word(&goal.status),
                goal.tokens_used,
                goal.time_used_ms
            )
        },
    );
    let waiting = state.waiting.as_ref().map_or_else(String::new, |turn| {
        let calls = turn.calls.iter().map(|waiting| {
            let progress = match &waiting.progress {
                CallProgress::Asked { item, .. } => match item {
                    Some(item) => format!("asked with item {}", item.id),
                    None => "asked".to_owned(),
                },
                CallProgress::Running => "running".to_owned(),
                CallProgress::Done { .. } => "done".to_owned(),
            };
            format!("{} {progress}", waiting.call.call_id)
        });
        let calls: Vec<String> = calls.collect();
        let messages = match turn.messages.len() {
            0 => String::new(),
            count => format!(" and {count} messages"),
        };
        format!(
            ", turn {} waits [{}]{messages}",
            short(&turn.turn_id),
            calls.join(", ")
        )
    });
    format!("{goal}, queue [{}]{waiting}", queue(&state.queue))
}

fn queue(queue: &[loomd_protocol::QueuedSubmission]) -> String {
    let ids: Vec<&str> = queue
        .iter()
        .map(|queued| queued.client_user_message_id.as_str())
        .collect();
    ids.join(", ")
}

fn word(value: &impl serde::Serialize) -> String {
    let json = serde_json::to_value(value).expect("plain data");
    json.as_str().unwrap_or_default().to_owned()
}

fn goal(goal: &loomd_protocol::ThreadGoal) -> String {
    format!(
        "\"{}\" {} budget {:?} used {} in {} s",
        goal.objective,
        word(&goal.status),
        goal.token_budget,
        goal.tokens_used,
        goal.time_used_seconds
    )
}

fn info(cwd: AbsolutePathBuf) -> Info {
    Info {
        id: thread_id().to_string(),
        environments: None,
        extra: None,
        session_id: thread_id().to_string(),
        forked_from_id: None,
        attached_to_thread_id: None,
        parent_thread_id: None,
        preview: String::new(),
        ephemeral: false,
        section: None,
        section_entered_at: None,
        project_id: None,
        history_mode: ThreadHistoryMode::Paginated,
        model_provider: "mock".to_owned(),
        model: Some("m1".to_owned()),
        reasoning_effort: None,
        created_at: 0,
        updated_at: 0,
        recency_at: None,
        status: ThreadStatus::Idle,
        path: None,
        cwd,
        cli_version: "0".to_owned(),
        originator: None,
        source: SessionSource::Vscode,
        can_accept_direct_input: Some(true),
        thread_source: None,
        agent_nickname: None,
        agent_role: None,
        git_info: None,
        name: None,
        daybreak_enabled: None,
        turns: Vec::new(),
    }
}

/// The stream and the turn of a model request.
pub(crate) fn model_start(action: &Action) -> Option<(u64, Arc<str>)> {
    match action {
        Action::StartModel(start) => Some((start.generation, start.turn_id.clone())),
        _ => None,
    }
}

fn audience(audience: Audience) -> String {
    match audience {
        Audience::Everyone => "everyone".to_owned(),
        Audience::Subscribers => "subscribers".to_owned(),
        Audience::One(connection) => format!("connection {}", connection.0),
    }
}

pub(crate) fn action(action: &Action) -> String {
    match action {
        Action::Reply { to, result } => match &**result {
            Ok(reply) => format!("reply {}: {}", to.0, self::reply(reply)),
            Err(refusal) => format!("reply {}: error: {refusal}", to.0),
        },
        Action::Event(event) => format!("event {}: {}", event.seq, self::event(&event.event)),
        Action::Notify { to, notification } => {
            let audience = audience(*to);
            let status = match &**notification {
                loomd_protocol::ServerNotification::ThreadStatusChanged(changed) => {
                    format!(" {}", status(&changed.status))
                }
                loomd_protocol::ServerNotification::ThreadGoalUpdated(updated) => {
                    let by = updated.turn_id.as_ref().map_or("", |_| " by the turn");
                    format!(" {}{by}", goal(&updated.goal))
                }
                _ => String::new(),
            };
            format!("tell {audience}: {}{status}", notification.method())
        }
        Action::Subscribe {
            connection,
            observes,
        } => {
            let verb = if *observes { "observe" } else { "subscribe" };
            format!("{verb} {}", connection.0)
        }
        Action::Replay { connection, after } => {
            format!("replay to {} what followed {after}", connection.0)
        }
        Action::Unsubscribe(connection) => format!("unsubscribe {}", connection.0),
        Action::StartModel(start) => format!(
            "ask the model (stream {}, {} entries)",
            start.generation,
            start.input.len()
        ),
        Action::CancelModel { generation } => format!("cancel stream {generation}"),
        Action::StartTool { call, .. } => format!("start tool {} {}", call.name, call.call_id),
        Action::TakeUpTool(taken) => format!(
            "take up tool {} {} (item {}), {}",
            taken.call.name,
            taken.call.call_id,
            taken.item.as_ref().map_or("none", |item| &*item.id),
            self::outcome(&taken.outcome)
        ),
        Action::StartShell {
            item_id,
            command,
            time,
            ..
        } => format!("run \"{command}\" as {item_id} for at most {time:?}"),
        Action::CancelTools { .. } => "cancel the turn's tools".to_owned(),
        Action::Ask { id, to, request } => {
            format!("ask {} (request {id}): {}", audience(*to), request.method())
        }
        Action::DropAsk { id } => format!("drop request {id}"),
        Action::AnswerTool { key, outcome } => {
            format!("question {} {}", key.0, self::outcome(outcome))
        }
        Action::SetTimer(Some(at)) => format!("timer at {}s", at.as_secs()),
        Action::SetTimer(None) => "no timer".to_owned(),
        Action::Prepare => "prepare a turn".to_owned(),
        Action::Keep(state) => format!("keep {}", kept(state)),
        Action::SummaryChanged => "summary changed".to_owned(),
        Action::Unload => "unload".to_owned(),
    }
}

fn outcome(outcome: &AskOutcome) -> String {
    match outcome {
        AskOutcome::Answered(answer) => {
            let json = serde_json::to_string(answer).expect("plain data");
            format!("answered: {json}")
        }
        AskOutcome::Failed { reason } => format!("failed: {reason}"),
    }
}

fn reply(reply: &Reply) -> String {
    match reply {
        Reply::Goal(None) => "no goal".to_owned(),
        Reply::Goal(Some(shown)) => format!("goal {}", goal(shown)),
        Reply::Queued(submission) => {
            format!(
                "queued {} {}",
                submission.id, submission.client_user_message_id
            )
        }
        Reply::Queue(waiting) => format!("queue [{}]", queue(waiting)),
        Reply::Removed(removed) => format!("removed: {removed}"),
        Reply::View(view) => format!(
            "view {} at {} [{}]",
            status(&view.thread.status),
            view.seq,
            view.turns
                .iter()
                .map(|turn| self::turn(turn))
                .collect::<Vec<_>>()
                .join("; ")
        ),
        Reply::Turn(turn) => format!("turn {}", short(&turn.id)),
        Reply::Steered { turn_id } => format!("steered {}", short(turn_id)),
        Reply::Unsubscribed(status) => format!("{status:?}"),
        Reply::ReadState(state) => format!("read state {:?}", state.first_unread.is_some()),
        Reply::Done => "done".to_owned(),
    }
}

fn event(event: &ThreadEvent) -> String {
    match event {
        ThreadEvent::TurnStarted(start) => format!("turn {} started", short(&start.turn.id)),
        ThreadEvent::TurnContext(context) => format!("turn context: model {}", context.model),
        ThreadEvent::HistoryAppended { item, .. } => format!("history {}", item.json.get()),
        ThreadEvent::ItemStarted(note) => format!("started {}", item(&note.item)),
        ThreadEvent::ItemCompleted(note) => format!("completed {}", item(&note.item)),
        ThreadEvent::AgentMessageDelta(note) => format!("delta {} {:?}", note.item_id, note.delta),
        ThreadEvent::CommandOutputDelta(note) => {
            format!("output {} {:?}", note.item_id, note.delta)
        }
        ThreadEvent::PatchUpdated(note) => {
            let change = |change: &FileUpdateChange| format!("{} {:?}", change.path, change.diff);
            let changes: Vec<String> = note.changes.iter().map(change).collect();
            format!("patch {}: {}", note.item_id, changes.join(", "))
        }
        ThreadEvent::TurnDiff(note) => format!("diff {}", note.diff),
        ThreadEvent::TokenUsage(note) => format!("tokens {}", note.token_usage.total.total_tokens),
        ThreadEvent::RateLimits(_) => "rate limits".to_owned(),
        ThreadEvent::Error(note) => {
            format!("error {:?} retry={}", note.error.message, note.will_retry)
        }
        ThreadEvent::Warning(note) => format!("warning {:?}", note.message),
        ThreadEvent::Settings(note, _) => format!("settings: model {}", note.thread_settings.model),
        ThreadEvent::TurnEnded { turn, reason } => {
            format!("turn ended {reason:?}: {}", self::turn(turn))
        }
        ThreadEvent::ReasoningSummaryPartAdded(_)
        | ThreadEvent::ReasoningSummaryTextDelta(_)
        | ThreadEvent::ReasoningTextDelta(_)
        | ThreadEvent::TerminalInteraction(_)
        | ThreadEvent::TurnPlan(_) => format!("{event:?}"),
    }
}

fn item(item: &ThreadItem) -> String {
    match &item.kind {
        ItemKind::AgentMessage(message) => format!("agentMessage {} {:?}", item.id, message.text),
        ItemKind::CommandExecution(command) => {
            format!("commandExecution {} {:?}", item.id, command.status)
        }
        ItemKind::UserMessage(_) => format!("userMessage {}", short(&item.id)),
        other => format!("{} {}", other.name(), item.id),
    }
}

fn turn(turn: &Turn) -> String {
    let items: Vec<String> = turn.items.iter().map(item).collect();
    format!(
        "{} {:?}: {}",
        short(&turn.id),
        turn.status,
        items.join(", ")
    )
}

fn status(status: &ThreadStatus) -> String {
    match status {
        ThreadStatus::NotLoaded => "notLoaded".to_owned(),
        ThreadStatus::Idle => "idle".to_owned(),
        ThreadStatus::SystemError => "systemError".to_owned(),
        ThreadStatus::Active { active_flags } if active_flags.is_empty() => "active".to_owned(),
        ThreadStatus::Active { active_flags } => format!("active {active_flags:?}"),
    }
}

/// The counted part of an id.
fn short(id: &str) -> &str {
    id.rsplit('-').next().unwrap_or(id).trim_start_matches('0')
}
