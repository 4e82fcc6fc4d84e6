//! `cargo xtask bench` and `cargo xtask compare`: loomd beside the reference in one run,
//! by what it costs and by what clients see.
//!
//! Installs the reference (the pinned package that also brings the terminal UI), then
//! hands over to `clients/bench/measure.py`, which prints one table with ratios. Here
//! are only the programs and where their folders lie.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::clients;
use crate::repository;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Program to measure [default: target/release/loomd]
    #[arg(long, value_name = "PATH")]
    server: Option<PathBuf>,

    /// Program to measure it beside [default: the pinned reference]
    #[arg(long, value_name = "PATH")]
    reference: Option<PathBuf>,

    /// Measure loomd alone
    #[arg(long, conflicts_with = "reference")]
    alone: bool,

    /// Command line of the mock model [default: target/release/mock-model]
    #[arg(long, value_name = "COMMAND")]
    mock: Option<String>,

    /// How often each start is measured; the median is shown
    #[arg(long, default_value_t = 5)]
    runs: u32,
}

/// Measures and prints. Fails when something cannot be measured, not when a target is
/// missed: figures depend on the machine.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let mut measure = script("measure.py", args.server.clone(), args.mock.clone())?;
    measure.args(["--runs", &args.runs.to_string()]);
    if !args.alone {
        measure
            .arg("--reference")
            .arg(reference(args.reference.clone())?);
    }
    finish(measure)
}

#[derive(clap::Args)]
pub(crate) struct CompareArgs {
    /// Program to compare [default: target/release/loomd]
    #[arg(long, value_name = "PATH")]
    server: Option<PathBuf>,

    /// Program to compare it with [default: the pinned reference]
    #[arg(long, value_name = "PATH")]
    reference: Option<PathBuf>,

    /// Command line of the mock model [default: target/release/mock-model]
    #[arg(long, value_name = "COMMAND")]
    mock: Option<String>,
}

/// Plays one scenario on both servers. Fails on a difference that is not a known one.
pub(crate) fn compare(args: CompareArgs) -> Result<ExitCode> {
    let mut compare = script("compare.py", args.server, args.mock)?;
    compare.arg("--reference").arg(reference(args.reference)?);
    finish(compare)
}

fn reference(named: Option<PathBuf>) -> Result<PathBuf> {
    named.map_or_else(clients::reference, Ok)
}

/// A script of `clients/bench/` with what both scripts are told.
fn script(name: &str, server: Option<PathBuf>, mock: Option<String>) -> Result<Command> {
    let server = server
        .or_else(|| clients::built("loomd"))
        .context("no built server; build one in release mode")?;
    let mock = mock
        .or_else(|| clients::built("mock-model").map(|path| path.display().to_string()))
        .context("no built mock model; build loomd-testkit in release mode")?;
    let mut command = Command::new("python3");
    command
        .arg(repository().join("clients/bench").join(name))
        .arg("--server")
        .arg(server)
        .args(["--mock", &mock])
        .arg("--folder")
        .arg(repository().join(".cache/bench"));
    Ok(command)
}

fn finish(mut script: Command) -> Result<ExitCode> {
    let status = script.status().context("python3 does not start")?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
