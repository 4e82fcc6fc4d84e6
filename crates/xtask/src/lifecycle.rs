//! `cargo xtask lifecycle`: the exploration of the thread's lifecycle, with what it
//! covered.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::repository;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Build the tests optimised
    #[arg(long)]
    release: bool,
}

/// What the exploration compares after each input.
const CHECKED: [&str; 7] = [
    "each command is answered once, and as the reference model says",
    "event numbers have no gap",
    "an item starts and completes at most once",
    "each subscriber knows what a listener from the beginning knows",
    "the status that was told is the one that follows from the state",
    "questions are resolved once, and late answers and streams change nothing",
    "an unneeded thread has its unload timer, a needed one is never unloaded",
];

/// Runs the exploration and prints what it covered. Fails when the exploration fails.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .current_dir(repository())
        .args(["test", "-p", "loomd-thread", "--test", "it"]);
    if args.release {
        cargo.arg("--release");
    }
    cargo.args(["explore", "--", "--nocapture"]);
    let output = cargo.output().context("cargo does not start")?;
    let said = String::from_utf8_lossy(&output.stderr);
    for line in said
        .lines()
        .filter_map(|line| line.strip_prefix("lifecycle: "))
    {
        println!("{line}");
    }
    if !output.status.success() {
        eprintln!("{said}{}", String::from_utf8_lossy(&output.stdout));
        return Ok(ExitCode::FAILURE);
    }
    println!("Checked after each input:");
    for invariant in CHECKED {
        println!("- {invariant}");
    }
    Ok(ExitCode::SUCCESS)
}
