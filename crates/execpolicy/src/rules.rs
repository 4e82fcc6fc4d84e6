//! The rules that count at some moment, and what they say about a command.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::broad::is_too_broad;
use crate::command::CommandLine;
use crate::danger::forces_removal;
use crate::error::{Position, RuleError};
use crate::reader::FileRules;
use crate::rule::{Decision, Hosts, Meeting, NetworkRule, PrefixRule};
use crate::safe::is_known_safe;

/// What a model reads whose command a rule wants asked about where the policy is `never`
/// (0.169.0).
pub const NEVER_ASKED: &str = "approval required by policy, but AskForApproval is set to Never";

/// All rules that count. Immutable: share it by `Arc`.
///
/// Invariant: while a file has a fault, no rule allows anything. What the file would have
/// forbidden is not known then, so nothing may be loosened; what other files forbid, and
/// the file itself before its fault, goes on being forbidden. (0.169.0 drops all rules of
/// all files then, the forbidding ones as well.)
#[derive(Debug, Default)]
pub struct Rules {
    rules: Vec<(PrefixRule, Arc<Path>)>,
    hosts: Hosts,
    network: Vec<NetworkRule>,
    errors: Vec<RuleError>,
}

/// Where a rule stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its file.
    pub path: PathBuf,
    /// Where in the file.
    pub position: Position,
}

/// The rule that decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// What it wants.
    pub decision: Decision,
    /// The words of the command that it met; a path that it met by its name is told by
    /// the name.
    pub prefix: Vec<String>,
    /// Why, in the rule's own words.
    pub justification: Option<String>,
    /// Where it stands.
    pub place: Place,
}

impl Cause {
    /// Why `command_line` does not run, as a model reads it (0.169.0).
    pub fn refusal(&self, command_line: &str) -> String {
        match &self.justification {
            Some(reason) => format!("`{command_line}` rejected: {reason}"),
            None => {
                let prefix = shlex::try_join(self.prefix.iter().map(String::as_str))
                    .unwrap_or_else(|_| self.prefix.join(" "));
                format!(
                    "`{command_line}` rejected: policy forbids commands starting with `{prefix}`"
                )
            }
        }
    }

    /// Why `command_line` is asked about, as a user reads it (0.169.0).
    pub fn question(&self, command_line: &str) -> String {
        match &self.justification {
            Some(reason) => format!("`{command_line}` requires approval: {reason}"),
            None => format!("`{command_line}` requires approval by policy"),
        }
    }
}

/// What the rules want.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ruling {
    /// A rule forbids a part of it.
    Forbidden(Cause),
    /// A rule wants the user asked, and none forbids.
    Prompt(Cause),
    /// A rule allows each of its commands: it may run outside of the sandbox, unasked.
    Allowed,
    /// Some commands have no rule: the policy of the thread decides.
    Open,
}

/// What is known of a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// What the rules want.
    pub ruling: Ruling,
    /// The commands that no rule allows, in order. A script that is not literal is one.
    pub open: Vec<Vec<String>>,
    whole: bool,
}

/// What made a command line ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// It forces a removal; only that part needs the user's word.
    ForRemovals,
    /// The policy asks about everything, or the command wants out of the sandbox.
    ForAll,
}

impl Judgement {
    /// Whether each command without a rule is known to change nothing.
    pub fn is_known_safe(&self) -> bool {
        self.open.iter().all(|command| is_known_safe(command))
    }

    /// Whether a command without a rule forces a removal.
    pub fn forces_removal(&self) -> bool {
        self.open.iter().any(|command| forces_removal(command))
    }

    /// The prefix to offer the user as one to allow from now on. `wanted` is what the
    /// model asks for; it is offered if it is not too broad and would settle this
    /// command line. Else it is the first command that needs the user's word, whole.
    /// Nothing is offered where a rule made the command ask, since rules that allow do
    /// not outweigh it, or where the prefix would be too broad.
    pub fn proposal(&self, wanted: Option<&[String]>, asked: Asked) -> Option<Vec<String>> {
        if self.ruling != Ruling::Open {
            return None;
        }
        let mut needy = self
            .open
            .iter()
            .filter(|command| asked == Asked::ForAll || forces_removal(command));
        if let Some(wanted) = wanted
            && !self.whole
            && !is_too_broad(wanted)
            && needy.clone().all(|command| command.starts_with(wanted))
        {
            return Some(wanted.to_vec());
        }
        needy.next().filter(|first| !is_too_broad(first)).cloned()
    }
}

impl Rules {
    /// Puts files together, in their order.
    pub(crate) fn assemble<'a>(
        files: impl IntoIterator<Item = (&'a Path, &'a FileRules)>,
        mut errors: Vec<RuleError>,
    ) -> Self {
        let mut rules = Self::default();
        for (path, file) in files {
            let shared: Arc<Path> = path.into();
            let of_the_file = file.prefix_rules.iter().cloned();
            rules
                .rules
                .extend(of_the_file.map(|rule| (rule, shared.clone())));
            rules.network.extend(file.network_rules.iter().cloned());
            rules.hosts.extend(&file.hosts);
            errors.extend(file.fault.iter().map(|fault| RuleError {
                path: path.to_owned(),
                span: Some(fault.span),
                message: fault.message.clone(),
            }));
        }
        if !errors.is_empty() {
            rules
                .rules
                .retain(|(rule, _)| rule.decision != Decision::Allow);
            rules
                .network
                .retain(|rule| rule.decision != Decision::Allow);
            // A list of paths can only narrow what a rule forbids.
            rules.hosts = Hosts::default();
        }
        rules.errors = errors;
        rules
    }

    /// Why some rules do not count. Not empty means that nothing is allowed by a rule.
    pub fn errors(&self) -> &[RuleError] {
        &self.errors
    }

    /// How many rules about commands count.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether no rule about commands counts.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The rules for connections.
    pub fn network(&self) -> &[NetworkRule] {
        &self.network
    }

    /// Judges a command line. The most severe rule of all its commands counts. A rule
    /// that forbids or asks counts wherever its command can be seen; one that allows
    /// only for a whole command of a literal script.
    pub fn judge(&self, line: &CommandLine) -> Judgement {
        let mut strongest: Option<Cause> = None;
        for command in line.commands().iter().chain(line.seen()) {
            for (rule, path) in &self.rules {
                if rule.decision == Decision::Allow {
                    continue;
                }
                let Some(meeting) = rule.meets(command, &self.hosts) else {
                    continue;
                };
                let length = rule.pattern.len();
                // Among equals the longest prefix speaks, then the last rule.
                if strongest.as_ref().is_none_or(|cause| {
                    (cause.decision, cause.prefix.len()) <= (rule.decision, length)
                }) {
                    strongest = Some(cause(rule, path, command, meeting));
                }
            }
        }
        let open: Vec<Vec<String>> = line
            .commands()
            .iter()
            .filter(|command| !self.allows(command))
            .cloned()
            .collect();
        let ruling = match strongest {
            Some(cause) if cause.decision == Decision::Forbidden => Ruling::Forbidden(cause),
            Some(cause) => Ruling::Prompt(cause),
            None if open.is_empty() => Ruling::Allowed,
            None => Ruling::Open,
        };
        Judgement {
            ruling,
            open,
            whole: line.is_whole(),
        }
    }

    fn allows(&self, command: &[String]) -> bool {
        self.rules.iter().any(|(rule, _)| {
            rule.decision == Decision::Allow
                && match rule.meets(command, &self.hosts) {
                    Some(Meeting::Exact) => true,
                    Some(Meeting::ByName { trusted }) => trusted,
                    None => false,
                }
        })
    }
}

fn cause(rule: &PrefixRule, path: &Path, command: &[String], meeting: Meeting) -> Cause {
    let mut prefix = command[..rule.pattern.len()].to_vec();
    if let (Meeting::ByName { .. }, Some(program)) = (meeting, prefix.first_mut()) {
        *program = crate::path::base_name(program).to_owned();
    }
    Cause {
        decision: rule.decision,
        prefix,
        justification: rule.justification.clone(),
        place: Place {
            path: path.to_owned(),
            position: rule.position,
        },
    }
}

#[cfg(test)]
mod tests;
