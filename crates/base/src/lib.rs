//! What every crate may use: ids, clocks, tasks with a kind, files replaced in one step.
//!
//! Nothing here knows the domain: no thread rules, no protocol types, no file formats.
//! Time, ids and randomness enter the rest of the program through [`Clock`] and
//! [`IdSource`] only, so that a test can fix them.

mod clock;
mod dice;
mod ids;
mod replace;
pub mod tasks;

pub use clock::{Clock, FixedClock, Now, SystemClock};
pub use dice::Dice;
pub use ids::{ConnectionId, CountedIds, IdSource, InvalidThreadId, SystemIds, ThreadId};
pub use replace::{Care, replace};
