//! What every crate may use: ids, clocks, tasks with a kind.
//!
//! Nothing here knows the domain: no thread rules, no protocol types, no files.
//! Time, ids and randomness enter the rest of the program through [`Clock`] and
//! [`IdSource`] only, so that a test can fix them.

mod clock;
mod ids;
pub mod tasks;

pub use clock::{Clock, FixedClock, Now, SystemClock};
pub use ids::{ConnectionId, CountedIds, IdSource, InvalidThreadId, SystemIds, ThreadId};
