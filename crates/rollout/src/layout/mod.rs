//! Where rollouts lie in the home folder and how they are found again.
//!
//! `sessions/YYYY/MM/DD/rollout-<time>-<thread id>.jsonl` for live threads,
//! `archived_sessions/` (flat, older programs nested) for archived ones. A thread
//! that was reverted by the reference has several files, its *segments*:
//! `…-<thread id>_<segment id>.jsonl` continues an earlier one, and the segment
//! with the greatest id (a UUIDv7, so the latest) is the live one (seen on 0.169.0).
//!
//! Invariants: nothing here reads the inside of a rollout; a search never fails on
//! a folder that is not there. Deliberately absent: a cache.

mod find;
mod name;
mod names;
mod shift;

pub(crate) use find::find_segment;
pub use find::{FileStamp, Found, find, scan};
pub use name::{RolloutName, date_folder, file_name, home_of, parse};
pub use names::{NAME_LINE_BYTES_MAX, append_name, read_names};
pub use shift::{archive, file_ids, remove, unarchive};

/// Folder of live threads, in the home folder.
pub const SESSIONS: &str = "sessions";
/// Folder of archived threads, in the home folder.
pub const ARCHIVED: &str = "archived_sessions";
