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
