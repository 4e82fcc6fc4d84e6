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
    /// Also plays so many rounds of random traffic against a real server under paused time
    #[arg(long, default_value_t = 0)]
    traffic: u32,
}

/// What the exploration compares after each input.
const CHECKED: [&str; 9] = [
    "each command is answered once, and as the reference model says",
    "event numbers have no gap",
    "an item starts and completes at most once",
    "each subscriber knows what a listener from the beginning knows",
    "the status that was told is the one that follows from the state",
    "questions are resolved once, and late answers and streams change nothing",
    "an unneeded thread has its unload timer, a needed one is never unloaded",
    "commands in the background have a clock of their own",
    "what waits in the queue is on disk until it is a turn, once, and never behind the user's stop",
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
    if args.traffic == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    traffic(args)
}

/// Random traffic of three clients on three threads a round, with pauses of up to an hour.
fn traffic(args: &Args) -> Result<ExitCode> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .current_dir(repository())
        .env("LOOMD_TRAFFIC_RUNS", args.traffic.to_string())
        .args(["test", "-p", "loomd-server", "--test", "it"]);
    if args.release {
        cargo.arg("--release");
    }
    cargo.args(["under_paused_time", "--", "--nocapture"]);
    let output = cargo.output().context("cargo does not start")?;
    let said = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        // The last seed is the one that failed.
        eprintln!("{}{said}", String::from_utf8_lossy(&output.stderr));
        return Ok(ExitCode::FAILURE);
    }
    let rounds = said.lines().filter(|line| line.contains("seed ")).count();
    println!(
        "random traffic: {rounds} rounds under paused time, each request answered within 10 s, \
         no thread stuck, no accepted turn lost"
    );
    Ok(ExitCode::SUCCESS)
}
