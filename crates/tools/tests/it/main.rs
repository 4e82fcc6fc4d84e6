//! The toolbox with real files and real, short processes.
//!
//! Nothing waits for time: commands wait for input or for a pipe, tests for events.

mod asks;
mod confined;
mod exec;
mod leaving;
mod life;
mod patch;
mod storm;
mod support;
mod tools;
