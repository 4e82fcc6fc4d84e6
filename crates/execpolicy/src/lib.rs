//! What is known about a command before it runs: rules that users wrote, and the forms
//! of commands that are known to be safe or dangerous.
//!
//! ```text
//! rules files ─▶ reader ─▶ FileRules ─▶ RuleStore ─▶ Rules (a snapshot, shared by Arc)
//! argv ─▶ CommandLine ─────────────────────────────▶ Rules::judge ─▶ Judgement
//! ```
//!
//! Invariants
//! - What loosens (a rule that allows, a command that is known to be safe) is only
//!   believed of whole literal commands; what tightens counts wherever it can be seen.
//! - A rule that allows never outweighs one that forbids or asks.
//! - A rules file that is not understood loosens nothing; see [`Rules`].
//!
//! Where this is stricter than 0.169.0, whose answers the tables of the tests hold:
//! - Rules that forbid or ask count in every command that can be seen (`git push 2>&1`,
//!   `sudo git push`, loops, substitutions), there only in scripts that are literal.
//! - A rule that allows a bare name does not allow a file of that name in a workspace.
//! - A rule that allows a path does not outweigh one that forbids the name.
//! - A broken file takes away what is allowed, there also what is forbidden.
//! - `rm -f` is seen behind more programs ([`forces_removal`]), more prefixes count as too
//!   broad ([`is_too_broad`]), and `uniq IN OUT` is not known to be safe.
//! - Rules files are read again when they change, there when a thread starts; files that
//!   are links are read, there passed over.
//!
//! Only [`RuleStore`] touches the disk; it blocks while it does. Deliberately absent:
//! the policy of a thread, sandboxes, asking. Callers put these together with a
//! [`Judgement`]. Nothing enforces rules for connections yet; they are read and kept.

mod amend;
mod broad;
mod command;
mod danger;
mod error;
mod inner;
mod path;
mod reader;
mod rough;
mod rule;
mod rules;
mod safe;
mod store;
mod words;

pub use amend::{AmendError, Amended};
pub use broad::is_too_broad;
pub use command::CommandLine;
pub use danger::forces_removal;
pub use error::{Fault, Position, RuleError, Span};
pub use reader::{FileRules, TEXT_BYTES_MAX, read_rules, render_allow, render_string};
pub use rough::rough_commands;
pub use rule::{Decision, Hosts, NetworkProtocol, NetworkRule, PrefixRule, Token};
pub use rules::{Asked, Cause, Judgement, NEVER_ASKED, Place, Rules, Ruling};
pub use safe::is_known_safe;
pub use store::{FILES_MAX, RuleStore};
pub use words::{Simple, simple_commands};
