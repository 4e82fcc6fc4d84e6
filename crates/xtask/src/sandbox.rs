//! `cargo xtask sandbox`: programs that try to get out of the sandbox, and what came of
//! each. Fails if one got out.

use std::process::{Command, ExitCode};

use anyhow::{Context as _, ensure};

/// The cases are a program of their own, so that this one needs nothing of the product.
const PACKAGE: &str = "loomd-hostile";

/// Somebody whom no process of a usual machine belongs to.
const SOMEBODY: &str = "65533";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only cases with one of these words in their category or name.
    words: Vec<String>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let cases = |user: Option<&str>| -> anyhow::Result<bool> {
        let mut command = Command::new(&cargo);
        command
            .args(["run", "--quiet", "--locked", "--package", PACKAGE, "--"])
            .current_dir(crate::repository());
        if let Some(user) = user {
            command.args(["--as", user]);
        }
        let status = command.args(&args.words).status();
        Ok(status.context("cannot run cargo")?.success())
    };
    let mut all_held = cases(None)?;
    if rustix::process::getuid().is_root() {
        all_held &= cases(Some(SOMEBODY))?;
    } else {
        println!("Run as user 0 too for the cases that only user 0 can do unconfined.");
    }
    ensure!(all_held, "something got out of the sandbox");
    Ok(ExitCode::SUCCESS)
}
