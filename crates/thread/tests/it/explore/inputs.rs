//! The alphabet of the exploration.

/// One thing that can happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Letter {
    /// The thread was made for this connection; only ever first.
    Start(u64),
    Resume(u64),
    Unsubscribe(u64),
    /// The connection closes.
    Gone(u64),
    StartTurn,
    Steer,
    Interrupt,
    View,
    Close,
    /// The last turn is taken back.
    Revert,
    /// The model begins a message and says a piece of it.
    Says,
    /// The model calls a command.
    Call,
    Completed,
    ModelFailed,
    /// Every stream but the present one speaks up once more.
    LateModel,
    /// The command asks for approval.
    Ask,
    Answer,
    /// An answer to a question that was settled before.
    LateAnswer,
    CommandStarts,
    CommandEnds,
    /// The unload delay passes, and the timer fires if it is set.
    Timer,
    /// A third of the delay passes, and a timer fires that nobody set for now.
    EarlyTimer,
    RolloutFails,
    /// Other threads need the room.
    RoomNeeded,
    /// A client adds to the queue.
    Queue,
    /// A client wants a turn of what waits.
    QueueStart,
    /// What a turn starts from is there, as the thread asked for.
    Prepared,
}

/// The letters that decide about turns which begin by themselves.
pub(super) const QUEUE_ALPHABET: [Letter; 15] = [
    Letter::Queue,
    Letter::QueueStart,
    Letter::Prepared,
    Letter::StartTurn,
    Letter::Completed,
    Letter::ModelFailed,
    Letter::Interrupt,
    Letter::Resume(2),
    Letter::Unsubscribe(1),
    Letter::Gone(2),
    Letter::Close,
    Letter::Revert,
    Letter::Timer,
    Letter::RoomNeeded,
    Letter::RolloutFails,
];

/// All but [`Letter::Start`].
pub(super) const ALPHABET: [Letter; 26] = [
    Letter::Resume(1),
    Letter::Resume(2),
    Letter::Unsubscribe(1),
    Letter::Unsubscribe(2),
    Letter::Gone(1),
    Letter::Gone(2),
    Letter::StartTurn,
    Letter::Steer,
    Letter::Interrupt,
    Letter::View,
    Letter::Close,
    Letter::Revert,
    Letter::Says,
    Letter::Call,
    Letter::Completed,
    Letter::ModelFailed,
    Letter::LateModel,
    Letter::Ask,
    Letter::Answer,
    Letter::LateAnswer,
    Letter::CommandStarts,
    Letter::CommandEnds,
    Letter::Timer,
    Letter::EarlyTimer,
    Letter::RolloutFails,
    Letter::RoomNeeded,
];
