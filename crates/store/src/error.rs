//! What can go wrong with the index, named by what the caller can do about it.

use std::path::PathBuf;

use crate::refresh::SourceError;

/// Everything that this crate reports.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database refused. The index is of no use for this call, the files are.
    #[error("cannot {action} the thread index")]
    Sqlite {
        /// What was tried.
        action: &'static str,
        /// The database's words.
        source: rusqlite::Error,
    },
    /// The client's cursor is none of ours. The text is the reference's (0.169.0).
    #[error("invalid cursor: {0}")]
    InvalidCursor(String),
    /// The files could not be listed.
    #[error("cannot list the thread files")]
    Source(#[source] SourceError),
}

/// The crate's result.
pub type Result<T> = std::result::Result<T, Error>;

/// For `map_err`: puts the database's refusal beside what was tried.
pub(crate) fn sqlite(action: &'static str) -> impl FnOnce(rusqlite::Error) -> Error {
    move |source| Error::Sqlite { action, source }
}

/// What was wrong with the database file when it was opened. The index works all the
/// same; it is empty until the next refresh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// The file was torn or no database; it was moved aside and a new one made.
    MovedAside {
        /// Where the old file is now.
        to: PathBuf,
        /// What was wrong.
        reason: String,
    },
    /// The file has an older form and was emptied.
    Rebuilt {
        /// The form it had.
        version: i64,
    },
    /// The file cannot be used (a newer program's, locked, or in a folder that cannot be
    /// written to); the index lives in memory until the end of the process.
    InMemory {
        /// Why.
        reason: String,
    },
}
