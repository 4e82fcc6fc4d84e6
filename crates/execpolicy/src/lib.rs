//! What is known about a command before it runs: the commands of its script, and whether
//! one of them is known to be dangerous. Pure.

mod danger;
mod inner;
mod path;
mod rough;
mod words;

pub use danger::forces_removal;
pub use rough::rough_commands;
pub use words::{Simple, simple_commands};
