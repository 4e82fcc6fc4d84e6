//! The rollout file: the truth about a thread, in the reference's on-disk form, so
//! that both programs resume each other's threads.
//!
//! - [`layout`]: file names and folders; finding, listing, archiving, thread names.
//! - [`read`], [`read_meta`], [`decode()`]: a file into a thread, or into a line of a list.
//! - [`Writer`]: events into a file; opening one again after any crash.
//! - [`read_state`], [`write_state`]: what a thread keeps beside its history.
//! - [`WriterLock`]: one writer per thread, respected by the reference too.
//!
//! loomd writes the *hybrid* form: paginated lines with ordinals for 0.169.0, and
//! beside each item its legacy event (its shadow) for 0.131.0. Two members of loomd's
//! own stand in the envelope, which both versions ignore: `seq`, the event's number,
//! and `shadow`.
//!
//! Invariants: a rollout is only ever appended to, whole lines at a time; whatever was
//! appended before a crash is read after it; no input makes a reader panic.
//! Deliberately absent: queries over many threads (crate `store`), caching, async.

mod context;
mod decode;
mod encode;
mod error;
mod event;
mod fork;
mod history;
mod inflight;
mod item;
pub mod layout;
mod legacy;
mod line;
pub mod lock;
mod meta;
mod preview;
mod profile;
mod read;
mod search;
mod state;
mod time;
mod writer;

pub use decode::Report;
pub use error::{Error, Result};
pub use fork::{Cut, Fork, fork_in_memory};
pub use inflight::{JOURNAL_BYTES_MAX, OUTPUT_BYTES_MAX};
pub use line::LINE_BYTES_MAX;
pub use lock::WriterLock;
pub use meta::HistoryMode;
pub use preview::PREVIEW_CHARS_MAX;
pub use read::{HEAD_BYTES_MAX, LINEAGE_MAX, Summary, decode, read, read_meta};
pub use search::{any_message, message_text};
pub use state::{read_state, remove_state, set_state_aside, threads_with_state, write_state};
pub use writer::{SyncHandle, Writer};
