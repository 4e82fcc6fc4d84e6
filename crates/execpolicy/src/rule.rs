//! Rules: what a line of a rules file says.

use crate::error::Position;
use crate::path::{base_name, is_of_the_system};

/// What a rule does with the commands that it matches. The order is that of severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Decision {
    /// They run outside of the sandbox, unasked.
    Allow,
    /// The user is asked.
    Prompt,
    /// They do not run.
    Forbidden,
}

impl Decision {
    /// The word of a rules file for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Prompt => "prompt",
            Self::Forbidden => "forbidden",
        }
    }
}

/// One place of a pattern: the words that match there, at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token(pub Vec<String>);

impl Token {
    fn matches(&self, word: &str) -> bool {
        self.0.iter().any(|alternative| alternative == word)
    }
}

/// Commands that begin with certain words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrefixRule {
    /// What the first words must be; at least one place.
    pub pattern: Vec<Token>,
    /// What becomes of the commands.
    pub decision: Decision,
    /// Why, for users and models.
    pub justification: Option<String>,
    /// Where the rule begins in its file.
    pub position: Position,
}

/// How a rule met a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meeting {
    /// Word for word.
    Exact,
    /// A path, met by the name of its program alone. `trusted` says that the path is one
    /// that may stand for the name where something is loosened.
    ByName { trusted: bool },
}

impl PrefixRule {
    /// Whether the rule matches `command`, and how.
    pub(crate) fn meets(&self, command: &[String], hosts: &Hosts) -> Option<Meeting> {
        let (first, rest) = self.pattern.split_first()?;
        let (program, args) = command.split_first()?;
        let follows = args.len() >= rest.len()
            && rest
                .iter()
                .zip(args)
                .all(|(token, word)| token.matches(word));
        if !follows {
            return None;
        }
        if first.matches(program) {
            return Some(Meeting::Exact);
        }
        let name = base_name(program);
        if name == program || !first.matches(name) {
            return None;
        }
        hosts.stands_for(program, name)
    }
}

/// Where the programs of certain names are: `host_executable`. A later definition takes
/// the place of an earlier one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hosts(std::collections::BTreeMap<String, Vec<String>>);

impl Hosts {
    pub(crate) fn define(&mut self, name: String, paths: Vec<String>) {
        self.0.insert(name, paths);
    }

    pub(crate) fn extend(&mut self, other: &Self) {
        self.0.extend(other.0.clone());
    }

    /// Whether the path `program` stands for the bare `name` in a rule.
    ///
    /// As 0.169.0 has it, every path does for a name without a definition, and only the
    /// listed ones for a name with one. Two things are stricter here: without a
    /// definition only a program of the system may be allowed so (a file of that name in
    /// a workspace is not), and a relative path, which may be any of the listed ones, is
    /// met by what forbids and not by what allows.
    fn stands_for(&self, program: &str, name: &str) -> Option<Meeting> {
        let trusted = match self.0.get(name) {
            Some(paths) => {
                let listed = paths.iter().any(|path| path == program);
                if !listed && program.starts_with('/') {
                    return None;
                }
                listed
            }
            None => is_of_the_system(program),
        };
        Some(Meeting::ByName { trusted })
    }
}

/// How a host is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkProtocol {
    /// Plain HTTP.
    Http,
    /// HTTPS, by a tunnel through the proxy.
    Https,
    /// SOCKS5, streams.
    Socks5Tcp,
    /// SOCKS5, datagrams.
    Socks5Udp,
}

/// Connections to one host. Read and kept; nothing enforces them yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkRule {
    /// A host name in lower case or an IP address, without port.
    pub host: String,
    /// How it is reached.
    pub protocol: NetworkProtocol,
    /// What becomes of the connection.
    pub decision: Decision,
    /// Why, for users and models.
    pub justification: Option<String>,
    /// Where the rule begins in its file.
    pub position: Position,
}
