//! `loomd completions SHELL`.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::cli::Cli;

const EXAMPLES: &str = "\
Examples:
  loomd completions bash > /etc/bash_completion.d/loomd
  loomd completions zsh > \"${fpath[1]}/_loomd\"
  loomd completions fish > ~/.config/fish/completions/loomd.fish";

/// Flags of `loomd completions`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CompletionsArgs {
    /// The shell that is to complete
    #[arg(default_value = "bash")]
    shell: Shell,
}

/// Runs `loomd completions`.
pub(crate) fn run(args: &CompletionsArgs) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "loomd", &mut script);
    std::io::stdout()
        .write_all(&script)
        .context("cannot write to standard output")?;
    Ok(ExitCode::SUCCESS)
}
