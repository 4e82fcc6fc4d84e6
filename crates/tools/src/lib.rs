//! The tool runners: what happens when a model calls a tool.
//!
//! A [`Toolbox`] belongs to one loaded thread. It takes calls, answers each with
//! events, and owns the processes they start. It knows neither the thread's rules nor
//! any client.
//!
//! - `exec`: `exec_command` and `write_stdin`.
//! - [`one_off`]: commands that a client runs without a thread.
//! - [`patch`]: `apply_patch`, also when typed into the shell; its pure part is public.
//! - `update_plan`, `image` (`view_image`).
//! - `confine`, `globs`: what a policy, a profile and grants let a program touch.
//! - `gate`: asked before a command or patch runs.
//! - `approval`: asks the user where the gate says so.
//! - `user_input`, `permissions`: the model asks the user; [`Grants`] is what came of it.
//!
//! Invariants: a call is answered exactly once, or never if it was cancelled; an item
//! that started completes, unless the toolbox is shut down; every process is reaped
//! and its group ended with it; what left the group ends with the toolbox; memory is bounded whatever a command prints.
//! Deliberately absent: MCP, subagents, hosted tools.

mod approval;
mod call;
mod confine;
mod exec;
mod gate;
mod globs;
mod grants;
mod image;
pub mod one_off;
pub mod patch;
mod permissions;
mod registry;
mod shared;
mod sink;
mod specs;
mod toolbox;
mod update_plan;
mod user_input;

/// The functions that the sandbox's helper can run confined, for
/// [`loomd_sandbox::helper_main`].
pub const HELPER_TASKS: &[loomd_sandbox::Task] = &[patch::confined::TASK];

pub use confine::{Bounds, Confinement, Site, bounds, network_variable};
pub use exec::env::{EnvironmentPolicy, Inherit, ShellEnvironment};
pub use exec::orphans::reap_orphans;
pub use exec::streams::TerminalSize;
pub use exec::tag::Owner;
pub use exec::text::OutputLimit;
pub use grants::Grants;
pub use sink::TurnEvent;
pub use specs::Offer;
pub use toolbox::{BackgroundTerminal, SHUTDOWN_TIME_MAX, Toolbox, ToolboxOptions};
