//! Everything that can happen to a thread.

use std::sync::Arc;
use std::time::Duration;

use loomd_base::ConnectionId;
use loomd_events::{FileRules, HistoryItem, MessagePart, ModelEvent, ToolEvent};
use loomd_protocol::{
    AbsolutePathBuf, ActivePermissionProfile, ApprovalsReviewer, AskForApproval, CollaborationMode,
    GitInfo, Personality, QueuedSubmission, ReasoningEffort, ReasoningSummary, SandboxPolicy,
    ThreadGoalStatus, ThreadReadStateOperation, TurnItemsView, UserInput,
};
use serde_json::value::RawValue;

use crate::ContextPart;

/// Names a reply that the shell owes; given by the shell, returned in
/// [`crate::Action::Reply`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReplyTo(pub u64);

/// Something that happened.
#[derive(Debug)]
pub enum Input {
    /// A client wants something.
    Command {
        /// Where the answer goes.
        reply: ReplyTo,
        /// What it wants.
        command: Command,
    },
    /// A model stream said something.
    Model {
        /// The stream, as named in [`crate::ModelStart`].
        generation: u64,
        /// What it said.
        event: ModelEvent,
    },
    /// A tool said something.
    Tool {
        /// The turn that made the call.
        turn_id: Arc<str>,
        /// What it said.
        event: ToolEvent,
    },
    /// A client answered a question.
    Answer {
        /// The id of the request, see [`crate::Action::Ask`].
        id: i64,
        /// Its result, or what the client refused it with.
        answer: Result<SharedJson, String>,
    },
    /// A client's connection is gone.
    ConnectionClosed(ConnectionId),
    /// The time that was set with [`crate::Action::SetTimer`] has come.
    TimerFired,
    /// Other threads need the room: unload, if nobody watches and nothing runs.
    RoomNeeded,
    /// What a turn starts from, as asked for with [`crate::Action::Prepare`].
    Prepared(Box<Ground>),
    /// What the thread keeps beside its history could not be written.
    KeepFailed {
        /// The operating system's words.
        reason: String,
    },
    /// The rollout could not be written; the running turn cannot go on.
    RolloutFailed {
        /// The operating system's words.
        reason: String,
    },
}

/// What a client, or the server for it, wants of a thread.
#[derive(Debug)]
pub enum Command {
    /// The thread was just started for this connection.
    Start {
        /// The connection to subscribe.
        connection: ConnectionId,
        /// Tell the token usage it begins with (a fork whose turns were asked for).
        with_usage: bool,
    },
    /// Subscribe and tell where the thread stands.
    Resume(ResumeRequest),
    /// Stop telling this connection.
    Unsubscribe(ConnectionId),
    /// Start a turn, or steer the running one.
    StartTurn(Box<TurnRequest>),
    /// Add to the running turn.
    Steer {
        /// The turn the client believes to be running.
        expected_turn_id: String,
        /// What to add.
        message: UserMessage,
    },
    /// End the running turn.
    Interrupt {
        /// The turn, or empty for whatever is starting.
        turn_id: String,
    },
    /// Tell where the thread stands, without subscribing.
    View {
        /// With all its turns.
        turns: bool,
    },
    /// Mark the thread read or unread.
    UpdateReadState {
        /// The read state the client knows.
        expected_revision: String,
        /// Read, or unread from the last turn on.
        operation: ThreadReadStateOperation,
    },
    /// Give the thread a name.
    SetName(String),
    /// Change settings for later turns.
    UpdateSettings(Box<SettingsPatch>),
    /// Change what is known of the thread.
    UpdateMetadata(Box<MetadataPatch>),
    /// Take the thread out of what is remembered between threads, or back in.
    SetMemoryMode {
        /// Out.
        disabled: bool,
    },
    /// Set a goal, or change it.
    SetGoal(Box<GoalPatch>),
    /// Tell the goal.
    GetGoal,
    /// Give the goal up.
    ClearGoal,
    /// Add to what waits to become a turn.
    Enqueue(Box<Queued>),
    /// Tell what waits.
    ListQueue,
    /// Change what waits.
    UpdateQueued(Box<Queued>),
    /// Take something out of what waits.
    Dequeue {
        /// Which.
        id: String,
    },
    /// Put what waits in another order.
    ReorderQueue {
        /// All of it, each once.
        ids: Vec<String>,
    },
    /// Start a turn of what waits.
    StartQueued {
        /// Which; the first one if not said.
        id: Option<String>,
    },
    /// Run a command of the user's.
    Shell(Box<ShellRequest>),
    /// Add entries to the model's history without a turn.
    Inject(Vec<HistoryItem>),
    /// Turns were taken back and this core was made of what is left; tell so.
    Reverted {
        /// Without the status changes of a reload.
        quietly: bool,
    },
    /// Unload now, if nothing runs.
    Unload {
        /// Although clients watch, or though the thread has nothing on disk.
        force: bool,
    },
    /// End the running turn, take no more commands.
    Close,
}

/// A resume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResumeRequest {
    /// The connection to subscribe.
    pub connection: ConnectionId,
    /// Whether the client gets all turns in the answer, and with them the token usage.
    pub with_turns: bool,
    /// The page of turns that comes with the answer.
    pub page: Option<TurnWindow>,
    /// The client has every event up to this number, and the shell has all that follow:
    /// they are sent behind the answer.
    pub replay_after: Option<u64>,
    /// Watch without keeping the thread loaded and without being asked anything.
    pub observe: bool,
}

/// Some of a thread's turns, counted from one end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TurnWindow {
    /// How many at most.
    pub count: usize,
    /// From the newest back; else from the oldest on.
    pub newest_first: bool,
    /// Which items of them are looked at; a view may hold fewer of a running turn.
    pub items: TurnItemsView,
}

/// A message from the user, in the client's words and in the model's.
#[derive(Debug, Clone, PartialEq)]
pub struct UserMessage {
    /// The client's own id of the message, echoed as `clientId`.
    pub client_id: Option<String>,
    /// As the client sent it.
    pub content: Vec<UserInput>,
    /// As the model gets it (files read, images encoded).
    pub parts: Vec<MessagePart>,
    /// The id of its item; a fresh one if not given.
    pub item_id: Option<String>,
}

/// What waits to become a turn.
#[derive(Debug, Clone, PartialEq)]
pub struct Queued {
    /// As clients see it.
    pub submission: QueuedSubmission,
    /// Its input as the model gets it.
    pub parts: Vec<MessagePart>,
}

/// A change of what is known of a thread; `None` leaves a part as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MetadataPatch {
    /// Where it stands in git.
    pub git: Option<GitPatch>,
    /// A choice of the client's that it reads back.
    pub daybreak: Option<bool>,
}

/// A change of where a thread stands in git; `Some(None)` clears a part.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GitPatch {
    /// The commit.
    pub sha: Option<Option<String>>,
    /// The branch.
    pub branch: Option<Option<String>>,
    /// Where it was cloned from.
    pub origin_url: Option<Option<String>>,
}

impl GitPatch {
    /// What it leads to.
    #[must_use]
    pub fn applied(self, old: Option<&GitInfo>) -> GitInfo {
        let mut git = old.cloned().unwrap_or_default();
        if let Some(sha) = self.sha {
            git.sha = sha;
        }
        if let Some(branch) = self.branch {
            git.branch = branch;
        }
        if let Some(origin_url) = self.origin_url {
            git.origin_url = origin_url;
        }
        git
    }
}

/// A change of the goal; `None` leaves a part as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GoalPatch {
    /// What to work towards.
    pub objective: Option<String>,
    /// Whether to.
    pub status: Option<ThreadGoalStatus>,
    /// Tokens it may use; `Some(None)` takes the budget away.
    pub token_budget: Option<Option<i64>>,
}

/// What is known of the model that a turn runs with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelFacts {
    /// Tokens of context that are shown as the window, where known.
    pub context_window: Option<i64>,
    /// Whether several calls may come in one response.
    pub parallel_tool_calls: bool,
    /// Whether clients are told of a patch while the model writes it.
    pub streams_patches: bool,
    /// Answer length hint (`low`, `medium`, `high`), if configured.
    pub verbosity: Option<String>,
    /// Said to subscribers before each turn, for instance that the model is unknown.
    pub warning: Option<String>,
}

/// What the machine and the configuration say when a turn starts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ground {
    /// What the model should know of the surroundings now.
    pub context: Vec<ContextPart>,
    /// What is known of the model.
    pub model: ModelFacts,
}

/// All that a turn starts from.
#[derive(Debug, Clone, PartialEq)]
pub struct TurnRequest {
    /// The user's message.
    pub message: UserMessage,
    /// Settings to change, for this and later turns.
    pub settings: SettingsPatch,
    /// JSON schema of the final answer, for this turn only.
    pub output_schema: Option<SharedJson>,
    /// What it finds around it.
    pub ground: Ground,
}

/// A command of the user's.
#[derive(Debug, Clone, PartialEq)]
pub struct ShellRequest {
    /// In the language of the user's shell.
    pub command: String,
    /// How long it may run.
    pub time: Duration,
    /// What its turn finds around it, if it makes one.
    pub ground: Ground,
}

/// JSON text that is shared and compared as text.
#[derive(Debug, Clone)]
pub struct SharedJson(pub Arc<RawValue>);

impl PartialEq for SharedJson {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}

/// What a permission profile says.
#[derive(Debug, Clone, PartialEq)]
pub struct Permissions {
    /// The profile.
    pub profile: ActivePermissionProfile,
    /// The policy that comes nearest to it, for clients.
    pub sandbox_policy: SandboxPolicy,
    /// What it says of files beyond that.
    pub file_rules: Option<Arc<FileRules>>,
}

/// Settings to change; `None` leaves a setting as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SettingsPatch {
    /// The model's slug.
    pub model: Option<String>,
    /// Reasoning effort.
    pub effort: Option<ReasoningEffort>,
    /// Reasoning summary mode.
    pub summary: Option<ReasoningSummary>,
    /// Service tier.
    pub service_tier: Option<String>,
    /// When the user is asked.
    pub approval_policy: Option<AskForApproval>,
    /// Who is asked.
    pub approvals_reviewer: Option<ApprovalsReviewer>,
    /// What commands may touch.
    pub sandbox_policy: Option<SandboxPolicy>,
    /// The name of a permission profile. Whoever passes the patch on looks it up and fills
    /// [`Self::permissions`] in.
    pub profile: Option<String>,
    /// What commands may touch, as a permission profile says.
    pub permissions: Option<Permissions>,
    /// Working folder.
    pub cwd: Option<AbsolutePathBuf>,
    /// Manner of speaking.
    pub personality: Option<Personality>,
    /// Default or plan mode.
    pub collaboration_mode: Option<CollaborationMode>,
}
