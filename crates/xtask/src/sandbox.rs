//! `cargo xtask sandbox`: programs and patches that try to get out of the sandbox, by its
//! own way to start a program and by a server, and what came of each. Fails if one got out.

use std::process::{Command, ExitCode};

use anyhow::{Context as _, ensure};

/// The cases are a program of their own, so that this one needs nothing of the product.
const PACKAGE: &str = "loomd-hostile";

/// The server that is tried.
const SERVER: &str = "loomd";

/// Somebody whom no process of a usual machine belongs to.
const SOMEBODY: &str = "65533";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only cases with one of these words in their category or name.
    words: Vec<String>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(&cargo)
        .args([
            "build",
            "--quiet",
            "--locked",
            "--package",
            SERVER,
            "--bin",
            SERVER,
        ])
        .current_dir(crate::repository())
        .status();
    ensure!(
        built.context("cannot run cargo")?.success(),
        "the server cannot be built"
    );
    let xtask = std::env::current_exe().context("this program's own path is not known")?;
    let server = xtask.with_file_name(SERVER);
    let cases = |user: Option<&str>| -> anyhow::Result<bool> {
        let mut command = Command::new(&cargo);
        command
            .args(["run", "--quiet", "--locked", "--package", PACKAGE, "--"])
            .current_dir(crate::repository());
        if let Some(user) = user {
            command.args(["--as", user]);
        }
        command.arg("--server").arg(&server);
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
