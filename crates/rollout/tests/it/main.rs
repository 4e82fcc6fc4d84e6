//! Tests of the rollout crate from outside.

mod crash;
mod forks;
mod garbage;
mod reference;
mod support;
mod unfinished;
mod writing;
