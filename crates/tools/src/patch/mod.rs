//! `apply_patch`: the patch language, its application and the diffs it leaves.
//!
//! [`parse`], [`plan`] and [`update`] are pure and decide everything; [`disk`] reads
//! and writes, in [`steps`] that can be undone. A patch is checked whole before the first
//! byte is written, and what was written is undone if a later write fails.

pub(crate) mod confined;
pub(crate) mod diff;
pub(crate) mod disk;
pub(crate) mod heredoc;
pub mod parse;
pub mod plan;
mod runner;
mod seek;
mod steps;
pub(crate) mod turn_diff;
pub mod update;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod storm;

pub(crate) use runner::{PatchCall, Patcher};

/// The grammar that the model API holds freeform patches to.
pub(crate) const GRAMMAR: &str = include_str!("grammar.lark");
