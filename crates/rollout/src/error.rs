//! What can go wrong with a rollout, named by what the caller can do about it.

use std::io;
use std::path::{Path, PathBuf};

use loomd_base::ThreadId;

/// Everything that this crate reports.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused; `source` says why.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried (`read`, `write to`, …).
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// The operating system's words.
        source: io::Error,
    },
    /// A new thread's file is there already.
    #[error("rollout {} exists already", .0.display())]
    Exists(PathBuf),
    /// No line says whose thread it is, so the file cannot be used at all.
    #[error("rollout {} has no session metadata", .0.display())]
    NoMeta(PathBuf),
    /// Another process, or another part of this one, has the thread loaded. The
    /// text is the reference's (0.169.0).
    #[error("thread {0} already has an active writer")]
    Locked(ThreadId),
    /// While nothing ran in this thread, another process wrote to its rollout. What is
    /// loaded here is out of date; loading it anew helps.
    #[error("thread {0} was continued by another program; unload it and resume it again")]
    WrittenByAnother(ThreadId),
    /// Another process sits on the lock that guards the writers' locks.
    #[error("timed out waiting for {}", .0.display())]
    LockBusy(PathBuf),
    /// The thread continues another file that is gone. The text is the reference's.
    #[error("invalid paginated history lineage for {base}: missing source rollout")]
    MissingBase {
        /// Id of the file (a thread's or a segment's) that is not there.
        base: String,
    },
    /// The files that the thread continues form a circle or a very long chain.
    #[error("history lineage of {} is longer than {max} files", path.display())]
    LineageTooLong {
        /// The file whose lineage was followed.
        path: PathBuf,
        /// The limit.
        max: usize,
    },
    /// A fork or a revert names a turn that the thread does not have.
    #[error("turn not found: {0}")]
    NoTurn(String),
    /// A fork's last turn still runs.
    #[error("turn {0} is in progress")]
    TurnInProgress(String),
    /// What a thread keeps beside its rollout is not understood.
    #[error("{} is not understood: {reason}", path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Writing needs a home folder for the lock and the journal, and the file lies in none.
    #[error("rollout {} lies in no home folder", .0.display())]
    OutsideHome(PathBuf),
}

/// The crate's result.
pub type Result<T> = std::result::Result<T, Error>;

/// For `map_err`: puts an operating system's refusal beside what was tried.
pub(crate) fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_path_buf();
    move |source| Error::Io {
        action,
        path,
        source,
    }
}
