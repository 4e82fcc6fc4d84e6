//! Programs that try to get out of the sandbox, and what sees whether they did.
//!
//! Each [`Case`] is played twice: with nothing around it, where it must succeed (else it
//! proves nothing on this machine and is skipped), and confined, where it must not. What
//! says so is an [`Oracle`](case::Oracle) that looks from outside.
//!
//! - `case`, `cases`: the cases, as data.
//! - `lab`: the folders, sockets and processes that a case is played in.
//! - `ground`: the ways to run an attempt. A new one is an implementation of [`Ground`];
//!   [`play`] takes any.
//! - `server`: a running server; `command_exec`, `model_tool`: the grounds that it is.
//! - `play`: one case on all grounds; `report`: all of them, and the table.

pub mod case;
mod cases;
pub mod command_exec;
pub mod ground;
pub mod lab;
pub mod model_tool;
mod outside;
pub mod play;
pub mod report;
pub mod server;
mod sys;
pub mod victim;

pub use case::Case;
pub use cases::{all, granted_patches, patches};
pub use ground::Ground;
pub use play::play;
