//! The read model: an index of all threads in SQLite, for lists.
//!
//! [`Index`] answers `thread/list` and finds a thread's file by its id without looking
//! into the folders; [`Index::refresh`] compares it with the files and reads only the
//! heads that changed. The files come in through [`Source`], because this crate knows
//! no rollout.
//!
//! Invariants: everything here can be thrown away and built again from the files; a
//! database that is torn, locked, older or newer never stops anybody (see
//! [`Warning`]); opening costs nothing until the first question. All calls block: run
//! them where blocking is allowed.
//! Deliberately absent: being the truth about anything, search in contents.

mod cursor;
mod error;
mod index;
mod query;
mod refresh;
mod row;
mod schema;

pub use error::{Error, Result, Warning};
pub use index::Index;
pub use query::{LIMIT_DEFAULT, LIMIT_MAX, ListQuery, Page, SortKey};
pub use refresh::{RefreshReport, SeenFile, Source, SourceError};
pub use row::ThreadRow;
