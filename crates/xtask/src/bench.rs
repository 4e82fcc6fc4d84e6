//! `cargo xtask bench`: loomd beside the reference, measured in one run.
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
    let server = match &args.server {
        Some(path) => path.clone(),
        None => clients::built("loomd").context("no built server; build one in release mode")?,
    };
    let mock = match &args.mock {
        Some(command) => command.clone(),
        None => clients::built("mock-model")
            .context("no built mock model; build loomd-testkit in release mode")?
            .display()
            .to_string(),
    };
    let mut measure = Command::new("python3");
    measure
        .arg(repository().join("clients/bench/measure.py"))
        .arg("--server")
        .arg(server)
        .args(["--mock", &mock])
        .arg("--folder")
        .arg(repository().join(".cache/bench"))
        .args(["--runs", &args.runs.to_string()]);
    if !args.alone {
        let reference = match &args.reference {
            Some(path) => path.clone(),
            None => clients::reference()?,
        };
        measure.arg("--reference").arg(reference);
    }
    let status = measure.status().context("python3 does not start")?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
