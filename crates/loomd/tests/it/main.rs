//! The program from outside: arguments, streams, signals, exit codes.
//!
//! Each test starts the real binary with a home folder of its own and the offline
//! model, and waits for what it says or for its end, never for a time.
#![expect(
    clippy::unwrap_used,
    reason = "a helper that cannot go on fails its test, as the test itself would"
)]

mod bench;
mod command_line;
mod demo;
mod exec;
mod hesitant;
mod kill;
mod leftovers;
mod socket;
mod stdio;
mod waiting;
