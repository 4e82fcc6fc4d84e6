//! Everything a thread can want.

use std::sync::Arc;
use std::time::Duration;

use loomd_base::ConnectionId;
use loomd_events::{AskKey, AskOutcome, Sequenced, StoredState, ToolCall, ToolContext};
use loomd_protocol::{
    QueuedSubmission, ServerNotification, ServerRequestParams, ThreadGoal, ThreadItem,
    ThreadReadState, ThreadSettings, ThreadTokenUsage, ThreadUnsubscribeStatus, Turn,
};
use serde_json::value::RawValue;

use crate::{ModelFacts, Refusal, ReplyTo, SharedJson};

/// Something the shell must do. Actions are performed in the order given; what is
/// written to the rollout is handed to the operating system before anything that
/// stands after it is sent.
#[expect(
    clippy::large_enum_variant,
    reason = "events are the common case, and are moved twice before they are gone"
)]
#[derive(Debug, PartialEq)]
pub enum Action {
    /// Answer a command.
    Reply {
        /// Which one.
        to: ReplyTo,
        /// The answer.
        result: Box<Result<Reply, Refusal>>,
    },
    /// Hand an event to the rollout, the read model, the subscribers and analytics.
    Event(Sequenced),
    /// Tell clients something that is not part of the thread's numbered history.
    Notify {
        /// Whom.
        to: Audience,
        /// What.
        notification: Box<ServerNotification>,
    },
    /// From here on, this connection gets the thread's events.
    Subscribe {
        /// Which one.
        connection: ConnectionId,
        /// It is not asked anything.
        observes: bool,
    },
    /// Send a connection again what clients see of the events that followed one.
    Replay {
        /// To whom.
        connection: ConnectionId,
        /// The number of the last event it has.
        after: u64,
    },
    /// From here on, it does not.
    Unsubscribe(ConnectionId),
    /// Ask the model.
    StartModel(Box<ModelStart>),
    /// Give up on a model stream.
    CancelModel {
        /// Which one.
        generation: u64,
    },
    /// Run a tool.
    StartTool {
        /// Where and under which rules.
        context: Arc<ToolContext>,
        /// What to run.
        call: ToolCall,
    },
    /// Run a tool anew whose question was asked before the server was started and is
    /// answered now.
    TakeUpTool(Box<TakeUp>),
    /// Run a command of the user's; what it says is told like what a tool says, and
    /// finishes with the text that the model is to read.
    StartShell {
        /// Where.
        context: Arc<ToolContext>,
        /// The id of its item.
        item_id: String,
        /// In the language of the user's shell.
        command: String,
        /// How long it may run.
        time: Duration,
    },
    /// End the running calls of a turn.
    CancelTools {
        /// The turn.
        turn_id: Arc<str>,
    },
    /// Ask clients; their answers come as [`crate::Input::Answer`] with this id.
    Ask {
        /// The id of the request.
        id: i64,
        /// Whom.
        to: Audience,
        /// What.
        request: Arc<ServerRequestParams>,
    },
    /// A question is not open any more, though nobody answered it.
    DropAsk {
        /// The id of the request.
        id: i64,
    },
    /// Give a tool the outcome of its question.
    AnswerTool {
        /// The question.
        key: AskKey,
        /// What came of it.
        outcome: AskOutcome,
    },
    /// Feed [`crate::Input::TimerFired`] at this monotonic time; replaces an earlier
    /// one, `None` clears it.
    SetTimer(Option<Duration>),
    /// Feed [`crate::Input::Prepared`]: a turn is to start that no command brought.
    Prepare,
    /// Write down what the thread keeps beside its history.
    Keep(Box<StoredState>),
    /// The summary that lists show has changed.
    SummaryChanged,
    /// Nobody watches and nothing runs: unload the thread.
    Unload,
}

/// A call that goes on with the answer to what it asked before the server was started.
#[derive(Debug, PartialEq)]
pub struct TakeUp {
    /// Where and under which rules.
    pub context: Arc<ToolContext>,
    /// What to run.
    pub call: ToolCall,
    /// The item that began with the question.
    pub item: Option<ThreadItem>,
    /// What came of the question.
    pub outcome: AskOutcome,
}

/// Who is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Every initialised connection.
    Everyone,
    /// The thread's subscribers.
    Subscribers,
    /// One connection.
    One(ConnectionId),
}

/// The answer to a command.
#[derive(Debug, PartialEq)]
pub enum Reply {
    /// To start, resume and view: where the thread stands.
    View(Box<View>),
    /// To turn/start: the turn as accepted, or the running one that was steered.
    Turn(Box<Turn>),
    /// To turn/steer: the running turn.
    Steered {
        /// The turn.
        turn_id: String,
    },
    /// To a change of the read state: the new one.
    ReadState(ThreadReadState),
    /// To setting and getting a goal: as it is now.
    Goal(Option<Box<ThreadGoal>>),
    /// To adding to what waits, and to changing it: what waits now.
    Queued(Box<QueuedSubmission>),
    /// To listing what waits: the next one first.
    Queue(Vec<QueuedSubmission>),
    /// To what takes something away: whether it was there.
    Removed(bool),
    /// To unsubscribe.
    Unsubscribed(ThreadUnsubscribeStatus),
    /// It is done.
    Done,
}

/// Each command has one kind of answer; these take it out of the enum. `None` means
/// that the core answered with another kind, which is a fault of the core.
impl Reply {
    /// The answer to start, resume and view.
    #[must_use]
    pub fn into_view(self) -> Option<Box<View>> {
        if let Self::View(view) = self {
            Some(view)
        } else {
            None
        }
    }

    /// The answer to turn/start.
    #[must_use]
    pub fn into_turn(self) -> Option<Box<Turn>> {
        if let Self::Turn(turn) = self {
            Some(turn)
        } else {
            None
        }
    }

    /// The answer to turn/steer: the id of the turn.
    #[must_use]
    pub fn into_steered(self) -> Option<String> {
        if let Self::Steered { turn_id } = self {
            Some(turn_id)
        } else {
            None
        }
    }

    /// The answer to setting and getting a goal.
    #[must_use]
    pub fn into_goal(self) -> Option<Option<ThreadGoal>> {
        if let Self::Goal(goal) = self {
            Some(goal.map(|goal| *goal))
        } else {
            None
        }
    }

    /// The answer to adding to what waits, and to changing it.
    #[must_use]
    pub fn into_queued(self) -> Option<QueuedSubmission> {
        if let Self::Queued(submission) = self {
            Some(*submission)
        } else {
            None
        }
    }

    /// The answer to listing what waits.
    #[must_use]
    pub fn into_queue(self) -> Option<Vec<QueuedSubmission>> {
        if let Self::Queue(queue) = self {
            Some(queue)
        } else {
            None
        }
    }

    /// The answer to what takes something away.
    #[must_use]
    pub fn into_removed(self) -> Option<bool> {
        if let Self::Removed(removed) = self {
            Some(removed)
        } else {
            None
        }
    }

    /// The answer to a change of the read state.
    #[must_use]
    pub fn into_read_state(self) -> Option<ThreadReadState> {
        if let Self::ReadState(state) = self {
            Some(state)
        } else {
            None
        }
    }
}

/// Where a thread stands between two events.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// The thread without its turns.
    pub thread: loomd_protocol::Thread,
    /// Its settings.
    pub settings: ThreadSettings,
    /// All turns with all items, oldest first; the running one is last. In the answer
    /// to a resume only those that were asked for.
    pub turns: Vec<Arc<Turn>>,
    /// The newest turn and the newest item of all, whatever `turns` holds.
    pub newest: Newest,
    /// Tokens so far and the turn that reported them last.
    pub token_usage: Option<(String, ThreadTokenUsage)>,
    /// What of it the user has not read.
    pub read_state: ThreadReadState,
    /// Number of the last event that the view contains.
    pub seq: u64,
    /// Whether the thread has a rollout.
    pub materialized: bool,
}

/// The ids from which a client pages back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Newest {
    /// The newest turn.
    pub turn_id: Option<String>,
    /// The newest item, behind its turn.
    pub item: Option<(String, String)>,
}

/// One request to the model.
#[derive(Debug, Clone)]
pub struct ModelStart {
    /// Names the stream in later inputs.
    pub generation: u64,
    /// The turn that asks.
    pub turn_id: Arc<str>,
    /// The model's history, in order.
    pub input: Vec<Arc<RawValue>>,
    /// Settings of the turn.
    pub settings: Arc<ThreadSettings>,
    /// What is known of the model.
    pub model: ModelFacts,
    /// JSON schema of the final answer.
    pub output_schema: Option<SharedJson>,
    /// When the turn began, Unix milliseconds.
    pub turn_started_ms: i64,
}

impl PartialEq for ModelStart {
    fn eq(&self, other: &Self) -> bool {
        self.generation == other.generation
            && self.turn_id == other.turn_id
            && self
                .input
                .iter()
                .map(|json| json.get())
                .eq(other.input.iter().map(|json| json.get()))
    }
}
