//! What happened to a thread.
//!
//! One enum for all four consumers. The rollout reads the variants that are
//! history, the read model those that change a summary, subscribers those with a
//! notification, analytics the item and turn lifecycle.

use std::path::PathBuf;
use std::sync::Arc;

use loomd_base::ThreadId;
use loomd_protocol::{
    AccountRateLimitsUpdatedNotification, ActivePermissionProfile, AgentMessageDeltaNotification,
    AskForApproval, CommandExecutionOutputDeltaNotification, ErrorNotification,
    FileChangePatchUpdatedNotification, GitInfo, ItemCompletedNotification,
    ItemStartedNotification, ReasoningSummaryPartAddedNotification,
    ReasoningSummaryTextDeltaNotification, ReasoningTextDeltaNotification, SandboxPolicy,
    SessionSource, TerminalInteractionNotification, ThreadSettingsUpdatedNotification,
    ThreadTokenUsage, ThreadTokenUsageUpdatedNotification, Turn, TurnDiffUpdatedNotification,
    TurnPlanUpdatedNotification, WarningNotification,
};

use crate::{FileRules, HistoryItem};

/// An event with its place in its thread.
#[derive(Debug, Clone, PartialEq)]
pub struct Sequenced {
    /// Number of the event in its thread: gapless, from 1.
    pub seq: u64,
    /// When it happened, Unix milliseconds.
    pub at_ms: i64,
    /// What happened.
    pub event: ThreadEvent,
}

/// What happened to a thread.
#[derive(Debug, Clone, PartialEq)]
pub enum ThreadEvent {
    /// A turn began. Comes before everything else of the turn.
    TurnStarted(Box<TurnStart>),
    /// The settings a turn runs with, for the rollout.
    TurnContext(Box<TurnContext>),
    /// An entry was added to the model's history.
    HistoryAppended {
        /// The turn it belongs to, if any.
        turn_id: Option<Arc<str>>,
        /// The entry.
        item: HistoryItem,
    },
    /// An item began.
    ItemStarted(ItemStartedNotification),
    /// An item ended; what a client sees of it from now on is this.
    ItemCompleted(ItemCompletedNotification),
    /// A piece of an agent message.
    AgentMessageDelta(AgentMessageDeltaNotification),
    /// A part of a reasoning summary begins.
    ReasoningSummaryPartAdded(ReasoningSummaryPartAddedNotification),
    /// A piece of a reasoning summary.
    ReasoningSummaryTextDelta(ReasoningSummaryTextDeltaNotification),
    /// A piece of raw reasoning.
    ReasoningTextDelta(ReasoningTextDeltaNotification),
    /// A piece of a command's output.
    CommandOutputDelta(CommandExecutionOutputDeltaNotification),
    /// Input to a running command.
    TerminalInteraction(TerminalInteractionNotification),
    /// What a patch that the model still writes is going to change.
    PatchUpdated(FileChangePatchUpdatedNotification),
    /// The turn's diff changed.
    TurnDiff(TurnDiffUpdatedNotification),
    /// The turn's plan changed.
    TurnPlan(TurnPlanUpdatedNotification),
    /// A model response reported its tokens.
    TokenUsage(ThreadTokenUsageUpdatedNotification),
    /// What is known of rate limits.
    RateLimits(AccountRateLimitsUpdatedNotification),
    /// Something went wrong in a turn; it may be retried.
    Error(ErrorNotification),
    /// Something the user should know.
    Warning(WarningNotification),
    /// The thread's settings changed; with the rules about files that go with them, which clients are
    /// not shown.
    Settings(ThreadSettingsUpdatedNotification, Option<Arc<FileRules>>),
    /// A turn ended. Comes after everything of the turn but the late ends of
    /// background commands.
    TurnEnded {
        /// The turn with its items (the wire gets a summary of them).
        turn: Box<Turn>,
        /// How it ended, for the rollout.
        reason: TurnEndReason,
    },
}

/// How a turn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TurnEndReason {
    /// The model had nothing more to do.
    Completed,
    /// An error ended it.
    Failed,
    /// A client or the thread's end interrupted it.
    Interrupted,
}

/// What the rollout needs of a turn's start.
#[derive(Debug, Clone, PartialEq)]
pub struct TurnStart {
    /// The turn as announced.
    pub turn: Turn,
    /// Tokens that the model can see, where known.
    pub model_context_window: Option<i64>,
}

/// The settings a turn runs with, as rollouts keep them.
#[derive(Debug, Clone, PartialEq)]
pub struct TurnContext {
    /// The turn.
    pub turn_id: Arc<str>,
    /// Its working folder.
    pub cwd: PathBuf,
    /// When the user is asked.
    pub approval_policy: AskForApproval,
    /// What commands may touch.
    pub sandbox_policy: SandboxPolicy,
    /// The permission profile that says so, if one does.
    pub profile: Option<ActivePermissionProfile>,
    /// What commands may touch of files, where that is more than the policy says.
    pub file_rules: Option<Arc<FileRules>>,
    /// The model's slug.
    pub model: String,
    /// Reasoning effort as on the wire, if set.
    pub effort: Option<String>,
    /// Reasoning summary mode as on the wire, if set.
    pub summary: Option<String>,
}

/// What the first line of a rollout says.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionMeta {
    /// The thread's id.
    pub id: ThreadId,
    /// The root thread's id.
    pub session_id: ThreadId,
    /// When the thread was started, Unix milliseconds.
    pub created_ms: i64,
    /// Working folder at the start.
    pub cwd: PathBuf,
    /// The client's name at the start.
    pub originator: String,
    /// Version of the program that wrote it (the protocol version loomd speaks).
    pub cli_version: String,
    /// What kind of client started it.
    pub source: SessionSource,
    /// `user`, `subagent`, …, where known.
    pub thread_source: Option<String>,
    /// Id of the provider in the configuration.
    pub model_provider: String,
    /// The base instructions the thread runs with.
    pub base_instructions: Option<Arc<str>>,
    /// State of the working folder's repository.
    pub git: Option<GitInfo>,
    /// The thread it was forked from.
    pub forked_from_id: Option<ThreadId>,
    /// The thread that started it as a subagent.
    pub parent_thread_id: Option<ThreadId>,
}

/// All that a rollout tells about a thread: what a loaded thread starts from and
/// what a read of a stored one answers from.
#[derive(Debug, Clone, PartialEq)]
pub struct ThreadSnapshot {
    /// The first line.
    pub meta: SessionMeta,
    /// Turns with their items, oldest first. A turn that was open when the writer
    /// died is `interrupted`.
    pub turns: Vec<Turn>,
    /// The turn that waits for answers and goes on, where it was opened for that. It is not
    /// among `turns`, and its calls without output have none in `history`.
    pub open_turn: Option<Turn>,
    /// The model's history after the last compaction, normalised (calls without
    /// output have one that says `aborted`, orphan outputs are gone).
    pub history: Vec<HistoryItem>,
    /// The last known token usage and the turn it belongs to.
    pub token_usage: Option<(String, ThreadTokenUsage)>,
    /// The last turn's settings.
    pub last_context: Option<TurnContext>,
    /// The last event number that was stored, 0 where none was.
    pub last_seq: u64,
    /// Time of the last line, Unix milliseconds.
    pub updated_ms: i64,
    /// First user message, for lists; cut at 1,024 characters.
    pub preview: String,
}
