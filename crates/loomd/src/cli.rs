//! The command line as a whole; each subcommand's flags stand with the subcommand.

use clap::{Parser, Subcommand};

use crate::settings::SettingFlags;
use crate::{app_server, completions, demo, doctor, exec, threads};

/// What `--version` prints behind the name. Clients take the first `x.y.z` they find
/// for the version of the protocol, so loomd's own comes second.
const VERSION: &str = concat!("0.169.0 (loomd ", env!("CARGO_PKG_VERSION"), ")");

/// The name that clients expect in front of the version.
const VERSION_NAME: &str = "codex-cli";

const ABOUT: &str = "An open, self-hosted app-server for coding agents";

const LONG_ABOUT: &str = "\
loomd runs coding agents for other programs: editors, terminals, scripts, SDKs.
It speaks the protocol of `codex app-server`, so a client of that program works
with loomd in its place, with the same home folder and the same threads.";

const EXAMPLES: &str = "\
Examples:
  loomd demo                             see it work: offline, no key, one minute
  loomd exec \"explain this repository\"   one task, answer on standard output
  loomd app-server                       serve one client on stdin and stdout
  loomd app-server --listen unix://      serve many clients on the local socket
  loomd threads                          what has been done before
  loomd doctor                           is everything in place?

The home folder is $LOOMD_HOME, else $CODEX_HOME, else ~/.codex; its config.toml
names the model and the provider. RUST_LOG=debug shows what goes on, on standard
error; LOG_FORMAT=json makes that machine-readable.";

/// The arguments of the process.
#[derive(Debug, Parser)]
#[command(
    name = "loomd",
    bin_name = "loomd",
    display_name = VERSION_NAME,
    version = VERSION,
    about = ABOUT,
    long_about = LONG_ABOUT,
    after_help = EXAMPLES,
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 100
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) settings: SettingFlags,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do. A comment here becomes the help of the subcommand, in place of what its
/// own flags say; so those with more to say have none.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    AppServer(Box<app_server::AppServerArgs>),
    #[command(visible_alias = "e")]
    Exec(Box<exec::ExecArgs>),
    /// Show the whole of it at work, offline, in a temporary folder
    Demo(demo::DemoArgs),
    /// List the threads stored in the home folder
    Threads(threads::ThreadsArgs),
    /// Check home folder, configuration, provider, sandbox, rules and stored threads
    Doctor(doctor::DoctorArgs),
    /// Print the completion script of a shell
    #[command(visible_alias = "completion")]
    Completions(completions::CompletionsArgs),
    /// Print the manual page, for `man -l -`
    Man,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use clap::error::ErrorKind;

    use super::*;

    #[test]
    fn the_definition_of_the_flags_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_first_version_is_that_of_the_protocol() {
        let shown = Cli::try_parse_from(["loomd", "--version"]).unwrap_err();
        assert_eq!(shown.kind(), ErrorKind::DisplayVersion);
        let own = env!("CARGO_PKG_VERSION");
        let expected = format!(
            "codex-cli {} (loomd {own})\n",
            loomd_server::PROTOCOL_VERSION
        );
        assert_eq!(shown.to_string(), expected);
    }

    #[test]
    fn help_fits_a_terminal_of_80_columns() {
        for words in [&["loomd", "--help"][..], &["loomd", "app-server", "--help"]] {
            let help = Cli::try_parse_from(words).unwrap_err().to_string();
            for line in help.lines() {
                assert!(line.chars().count() <= 100, "too wide: {line}");
            }
        }
    }
}
