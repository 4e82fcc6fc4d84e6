//! A command line taken apart into what rules are asked about.

use crate::inner::inner_commands;
use crate::path::base_name;
use crate::words::simple_commands;

/// Shells whose scripts are taken apart, by the name of their program.
const PARSED_SHELLS: [&str; 3] = ["bash", "sh", "zsh"];

/// A command line as a process gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    commands: Vec<Vec<String>>,
    whole: bool,
    seen: Vec<Vec<String>>,
}

impl CommandLine {
    /// Takes `argv` apart. `SHELL -c SCRIPT` and `SHELL -lc SCRIPT` of bash, sh and zsh
    /// become the simple commands of the script, if all of its words are literal.
    /// Everything else is one command.
    pub fn new(argv: &[String]) -> Self {
        let script = match argv {
            [shell, flag, script]
                if PARSED_SHELLS.contains(&base_name(shell)) && (flag == "-c" || flag == "-lc") =>
            {
                simple_commands(script)
            }
            _ => None,
        };
        let whole = script.is_none();
        let commands: Vec<Vec<String>> = match script {
            Some(commands) => commands.into_iter().map(|simple| simple.words).collect(),
            None => vec![argv.to_vec()],
        };
        // The shell of a literal script is nothing that a rule is about: it would be met
        // by every command.
        let seen = commands
            .iter()
            .flat_map(|command| inner_commands(command))
            .collect();
        Self {
            commands,
            whole,
            seen,
        }
    }

    /// The commands that together make up the command line; what loosens must hold for
    /// each of them.
    pub fn commands(&self) -> &[Vec<String>] {
        &self.commands
    }

    /// Whether the command line counts as one command: it is no script, or a script that
    /// is more than literal commands.
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// Every command that can be seen in the command line, also in loops, substitutions
    /// and behind `sudo` and its like; what tightens needs to hold for only one of them.
    pub(crate) fn seen(&self) -> &[Vec<String>] {
        &self.seen
    }
}
