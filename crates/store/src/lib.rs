//! The index of threads: an SQLite file that lists and searches them.
//!
//! The rollouts are the truth; the index holds nothing that they (and the names file)
//! do not say, and is rebuilt from them whenever it is missing, of another version or
//! damaged. So no error in here may stop a server: opening falls back to an index in
//! memory, and what a caller loses by an error is a list, never a thread.
//!
//! Invariants
//! - A row stands for one rollout file, and knows the file's size and time of change,
//!   so that a refresh reads only what changed.
//! - Cursors name a time and an id, never a row number: a page stays right when rows
//!   come and go between two pages.
//!
//! Deliberately absent: reading rollouts (the caller hands in what they say) and the
//! status of threads (that is the registry's).

mod cursor;
mod file;
mod index;
mod list;
mod refresh;
mod row;

pub use cursor::InvalidCursor;
pub use index::{DESCENDANTS_MAX, Index};
pub use list::{Direction, ListQuery, PAGE_DEFAULT, PAGE_MAX, Page, SortKey};
pub use refresh::Refreshed;
pub use row::{FileRow, ThreadRow};

/// Why the index could not do something.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// SQLite refused.
    #[error("failed to use the index of threads")]
    Sqlite(#[from] rusqlite::Error),
    /// A row that should be a thread is not.
    #[error("failed to read a row of the index")]
    Row(#[from] serde_json::Error),
    /// The client's cursor is none of ours.
    #[error(transparent)]
    Cursor(#[from] InvalidCursor),
}
