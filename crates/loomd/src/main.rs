//! The `loomd` program: command line in, exit code out.
//!
//! Each subcommand is a module of its own; what they share is here beside them:
//! the settings flags, the process environment, logging, the runtime, signals and
//! a client for the server within this process. Deliberately absent: rules. What a
//! thread does is decided in the libraries, and this program asks them over the
//! same protocol as every other client.

mod app_server;
mod cli;
mod client;
mod completions;
mod console;
mod demo;
mod doctor;
mod exec;
mod logging;
mod manual;
mod memory;
mod process;
mod settings;
mod signals;
mod threads;
mod transcript;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};

fn main() -> ExitCode {
    // This program is also the helper of its own sandbox, which must stay a single thread.
    if loomd_sandbox::is_helper_call() {
        return loomd_sandbox::helper_main(loomd_tools::HELPER_TASKS);
    }
    memory::limit();
    let cli = Cli::parse();
    match run(cli) {
        Ok(code) => code,
        // Whoever read the output has seen enough (`loomd threads | head -1`).
        Err(error) if process::is_broken_pipe(&error) => ExitCode::FAILURE,
        Err(error) => {
            // Nothing can be done about a standard error that is closed.
            let _unseen = writeln!(std::io::stderr(), "{}", process::error_text(&error));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let environment = process::environment()?;
    logging::start(&environment);
    match cli.command {
        Command::AppServer(args) => app_server::run(*args, &cli.settings, environment),
        Command::Exec(args) => exec::run(*args, &cli.settings, environment),
        Command::Demo(args) => demo::run(&args, environment),
        Command::Threads(args) => threads::run(&args, &cli.settings, environment),
        Command::Doctor(args) => doctor::run(&args, &cli.settings, &environment),
        Command::Completions(args) => completions::run(&args),
        Command::Man => manual::run(),
    }
}
