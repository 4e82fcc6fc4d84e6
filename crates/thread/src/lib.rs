//! The pure core of a thread: what happens, in which order, and who is told.
//!
//! A [`Thread`] takes one [`Input`] at a time and returns the [`Action`]s it wants,
//! in order. It holds all that is true of a loaded thread: its settings, the
//! model's history, its turns, its subscribers, the running turn.
//!
//! Invariants
//! - One input at a time; between two inputs the state is whole. A subscriber's
//!   snapshot is taken in the same input that subscribes it, so the next event
//!   continues exactly where the snapshot ends.
//! - Every command is answered exactly once, with [`Action::Reply`], in this input
//!   or (interrupt) when the turn it waits for has ended.
//! - Event numbers are gapless and rise by one.
//! - An item that was announced as started is completed at most once; what comes
//!   late from a cancelled model stream is recognised by its generation and dropped.
//! - At most one turn runs.
//!
//! Deliberately absent: a runtime, a clock, files, sockets, randomness. The shell
//! performs the actions and feeds results back as inputs.

mod action;
mod context;
mod input;
mod items;
mod kept;
mod ops;
mod patch_stream;
mod refusal;
mod sampling;
mod thread;
mod turn;
mod view;

pub use action::{Action, Audience, ModelStart, Newest, Reply, TakeUp, View};
pub use context::{ContextPart, ContextRole};
pub use input::{
    Command, GitPatch, GoalPatch, Ground, Input, MetadataPatch, ModelFacts, Permissions, Queued,
    ReplyTo, ResumeRequest, SettingsPatch, SharedJson, ShellRequest, TurnRequest, TurnWindow,
    UserMessage,
};
pub use kept::Kept;
pub use ops::goal::{IDLE_CONTINUATIONS_MAX, OBJECTIVE_CHARS_MAX};
pub use ops::metadata::shown_git;
pub use ops::queue::{QUEUE_BYTES_MAX, QUEUE_MAX};
pub use ops::reload::{RevertFrom, Rewound};
pub use ops::settings::{patched, patched_rules};
pub use ops::shell::SHELLS_MAX;
pub use ops::wait::Awaiting;
pub use refusal::Refusal;
pub use thread::{Origin, QUEUED_STEERS_MAX, Thread, ThreadSetup};
