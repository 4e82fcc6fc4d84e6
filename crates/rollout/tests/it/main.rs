//! Tests of the rollout crate from outside.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod crash;
mod forks;
mod garbage;
mod reference;
mod support;
mod unfinished;
mod waiting;
mod writing;
