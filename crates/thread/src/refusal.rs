//! Why a command is refused. The texts are the reference's, since clients show and
//! some match them.

use loomd_protocol::ThreadReadState;

/// Why a command is refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// Steering without a running turn.
    #[error("no active turn to steer")]
    NoTurnToSteer,
    /// Steering a turn that is not the running one.
    #[error("expected active turn id `{expected}` but found `{found}`")]
    SteerMismatch {
        /// What the client named.
        expected: String,
        /// The running turn.
        found: String,
    },
    /// Steering without naming a turn.
    #[error("expectedTurnId must not be empty")]
    EmptyExpectedTurn,
    /// Steering with nothing.
    #[error("input must not be empty")]
    EmptyInput,
    /// Interrupting without a running turn.
    #[error("no active turn to interrupt")]
    NoTurnToInterrupt,
    /// Interrupting a turn that is not the running one.
    #[error("expected active turn id {expected} but found {found}")]
    InterruptMismatch {
        /// What the client named.
        expected: String,
        /// The running turn.
        found: String,
    },
    /// A name of blanks.
    #[error("thread name must not be empty")]
    EmptyName,
    /// Unloading in mid-turn.
    #[error("thread {thread_id} is active and cannot be unloaded; interrupt its turn first")]
    UnloadActive {
        /// The thread.
        thread_id: String,
    },
    /// Unloading what others watch.
    #[error("thread {thread_id} is watched; pass `force: true` to unload it all the same")]
    UnloadWatched {
        /// The thread.
        thread_id: String,
    },
    /// Unloading what is not on disk.
    #[error(
        "thread {thread_id} is not on disk and would be lost; pass `force: true` to unload it all the same"
    )]
    UnloadLoses {
        /// The thread.
        thread_id: String,
    },
    /// Naming, or describing, a thread that keeps nothing.
    #[error("ephemeral thread does not support metadata updates: {thread_id}")]
    EphemeralMetadata {
        /// The thread.
        thread_id: String,
    },
    /// Resuming, or forking, what has no rollout.
    #[error("no rollout found for thread id {thread_id}")]
    NoRollout {
        /// The thread.
        thread_id: String,
    },
    /// The turns of a thread that never had one.
    #[error("list_turns is not supported yet")]
    NoTurnsToList,
    /// Reverting to a turn that is not there.
    #[error("turn not found: {turn_id}")]
    NoSuchTurn {
        /// What the client named.
        turn_id: String,
    },
    /// Reverting a thread that keeps nothing.
    #[error("ephemeral threads do not support thread/revert")]
    EphemeralRevert,
    /// Reverting a thread of the older form.
    #[error("thread/revert only supports paginated threads")]
    LegacyRevert,
    /// Rolling back no turns.
    #[error("numTurns must be >= 1")]
    EmptyRollback,
    /// Rolling back a thread that keeps nothing, or nothing yet.
    #[error("thread rollback requires persisted thread history")]
    RollbackWithoutRollout,
    /// Rolling back in mid-turn.
    #[error("Cannot rollback while a turn is in progress.")]
    RollbackInTurn,
    /// A goal of a thread that keeps nothing.
    #[error("ephemeral thread does not support goals: {thread_id}")]
    EphemeralGoal {
        /// The thread.
        thread_id: String,
    },
    /// A goal of blanks.
    #[error("goal objective must not be empty")]
    EmptyObjective,
    /// A goal that is a book.
    #[error("goal objective must be at most {max} characters")]
    LongObjective {
        /// The limit.
        max: usize,
    },
    /// A budget of nothing.
    #[error("goal budgets must be positive when provided")]
    BudgetNotPositive,
    /// Changing a goal that is not there.
    #[error("cannot update goal for thread {thread_id}: no goal exists")]
    NoGoal {
        /// The thread.
        thread_id: String,
    },
    /// A queue of a thread that keeps nothing.
    #[error("ephemeral thread does not support queued submissions: {thread_id}")]
    EphemeralQueue {
        /// The thread.
        thread_id: String,
    },
    /// Queueing nothing.
    #[error("only user input can be added to the user-message queue")]
    EmptyQueued,
    /// More waits than is kept.
    #[error("the queue is full (at most {max} submissions of {max_bytes} bytes in all)")]
    QueueFull {
        /// The limit of their number.
        max: usize,
        /// The limit of their size.
        max_bytes: usize,
    },
    /// Naming what does not wait.
    #[error("queued submission not found: {id}")]
    NotQueued {
        /// What the client named.
        id: String,
    },
    /// An order that leaves something out, or has it twice.
    #[error("queue reorder must include every queued submission exactly once")]
    QueueOrder,
    /// Starting what waits where nothing does.
    #[error("queue is empty")]
    QueueEmpty,
    /// Starting what waits in mid-turn.
    #[error("thread already has an active or pending turn")]
    TurnActive,
    /// Starting what waits in a thread that nobody has resumed.
    #[error("resume the thread before starting a queued message")]
    QueueNotResumed,
    /// More commands of the user's run than are run at once.
    #[error("too many shell commands run in this thread (at most {max}); wait for one to end")]
    TooManyShells {
        /// The limit.
        max: usize,
    },
    /// The thread is being unloaded, archived or deleted.
    #[error("thread {thread_id} is closing; retry after the thread is closed")]
    Closing {
        /// The thread.
        thread_id: String,
    },
    /// More input waits for the model than is kept.
    #[error(
        "too many steers wait for the model (at most {max}); retry when the turn has taken them up"
    )]
    TooManySteers {
        /// The limit.
        max: usize,
    },
    /// The client's read state is not the current one.
    #[error("read state changed")]
    ReadStateConflict {
        /// The current one.
        current: ThreadReadState,
    },
    /// The rollout cannot be written.
    #[error("failed to write the thread's rollout: {reason}")]
    Storage {
        /// The operating system's words.
        reason: String,
    },
}
