//! Spawned tasks that say what they are.
//!
//! Every task has a [`Kind`], and the kind says what a panic in it means: one
//! request or one thread ends, never the server. A panic is logged here with the
//! kind's name; the owner notices by the closed channel or the join handle.

use std::future::Future;

use tokio::task::JoinHandle;

/// What a task is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Accepts connections; its end ends the listener.
    Listener,
    /// Reads, serves or writes one connection; its end ends that connection.
    Connection,
    /// Answers one request; a panic is answered as an internal error.
    Request,
    /// Owns one loaded thread; a panic turns the thread into `systemError`.
    ThreadActor,
    /// Reads one model stream; its end is reported to the thread that asked.
    ModelStream,
    /// Runs one tool call; its end is reported to the thread that asked.
    Tool,
    /// Work nobody waits for (index refresh, clean-up); a failure is logged only.
    Background,
}

/// Spawns `future` on the current runtime.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that spawns"
)]
pub fn spawn<F>(kind: Kind, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tracing::trace!(?kind, "task spawned");
    tokio::spawn(future)
}
