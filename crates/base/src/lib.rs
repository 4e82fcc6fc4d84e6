//! What every crate may use: ids, clocks, tasks with a kind, files read within a limit
//! and replaced in one step.
//!
//! Nothing here knows the domain: no thread rules, no protocol types, no file formats.
//! Time, ids and randomness enter the rest of the program through [`Clock`] and
//! [`IdSource`] only, so that a test can fix them.

mod clock;
mod dice;
mod ids;
mod replace;
pub mod tasks;
mod text_file;

pub use clock::{Clock, FixedClock, Now, SystemClock};
pub use dice::Dice;
pub use ids::{ConnectionId, CountedIds, IdSource, InvalidThreadId, SystemIds, ThreadId};
pub use replace::{Care, replace};
pub use text_file::{FileStamp, is_absent, read_text};
