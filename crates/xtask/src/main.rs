//! Developer commands: `cargo xtask COMMAND`.
//!
//! One file per command; this one only reads the command line. Nothing here is needed to build the product.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "these commands talk to the person at the terminal"
)]

mod bench;
mod clients;
mod lifecycle;
mod sandbox;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Developer commands of loomd")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install pinned official clients and drive them against a built server.
    Clients(clients::Args),
    /// Explore the orders of events in a thread and print what was covered.
    Lifecycle(lifecycle::Args),
    /// Try to get out of the sandbox, also by a server, and print what came of it.
    Sandbox(sandbox::Args),
    /// Measure loomd beside the reference and print ratios.
    Bench(bench::Args),
    /// Play a scenario on loomd and on the reference, and compare what a client sees.
    Compare(bench::CompareArgs),
}

fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().command {
        Command::Clients(args) => clients::run(args),
        Command::Sandbox(args) => sandbox::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Lifecycle(args) => lifecycle::run(&args),
        Command::Compare(args) => bench::compare(args),
    }
}

/// The root of the repository.
fn repository() -> &'static std::path::Path {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("this crate lives two folders below the root")
}
