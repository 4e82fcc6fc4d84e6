//! Reads rules files: the part of Starlark that they are written in.
//!
//! Understood: calls of `prefix_rule`, `network_rule` and `host_executable` with named
//! or positional arguments, strings in every spelling but formatted ones, lists,
//! numbers, `True`, `False`, `None`, `+` of strings and of lists, constants, `pass`,
//! comments. Everything else of Starlark (`for`, `def`, `if`, `load`, …) is told as a
//! fault: what is not understood must not be skipped.
//!
//! Reading stops at the first fault. The rules before it are kept, so that the caller can
//! go on obeying those among them that restrict.

mod builtin;
mod lexer;
mod parser;
mod render;

pub use render::{render_allow, render_string};

use crate::error::Fault;
use crate::rule::{Hosts, NetworkRule, PrefixRule};

/// Characters of a rules file beyond which it is refused.
pub const TEXT_BYTES_MAX: u64 = 1024 * 1024;

/// What a text of rules says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileRules {
    /// Its rules for commands, in order.
    pub prefix_rules: Vec<PrefixRule>,
    /// Its rules for connections, in order.
    pub network_rules: Vec<NetworkRule>,
    /// Where programs are.
    pub hosts: Hosts,
    /// What is wrong with it; the rules above are then those before the fault, or all
    /// where an example is what is wrong.
    pub fault: Option<Fault>,
}

/// Reads the text of a rules file. Never fails: see [`FileRules::fault`].
pub fn read_rules(text: &str) -> FileRules {
    let mut rules = FileRules::default();
    let result = parser::run(text, &mut rules);
    rules.fault = result.err();
    rules
}

#[cfg(test)]
mod tests;
