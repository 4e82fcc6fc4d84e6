//! `cargo xtask clients`: the drop-in promise, checked by the clients people really use.
//!
//! Installs the clients (`install`), starts one driver of `clients/drive/` after the other, passes their lines on, and
//! counts them. What is checked stands in the drivers; here are only the order of things and the promise that no process
//! outlives the run (`sweep`). Deliberately absent: building the server, and any knowledge of the protocol.

mod install;
mod sweep;

use std::{
    env, fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf, absolute},
    process::{Command, ExitCode, Stdio},
};

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::repository;

/// Names the run in the environment of everything it starts, so that what is left over can be found.
const RUN_MARK: &str = "LOOMD_CLIENTS_RUN";

/// Where the clients are installed instead of `.cache/clients`.
const CACHE_VARIABLE: &str = "LOOMD_CLIENTS_CACHE";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Program to test [default: target/release/loomd, else target/debug/loomd]
    #[arg(long, value_name = "PATH")]
    server: Option<PathBuf>,

    /// Command line of the mock model [default: target/release/mock-model, else target/debug/mock-model]
    #[arg(long, value_name = "COMMAND")]
    mock: Option<String>,

    /// Run these clients only
    #[arg(long, value_enum, value_name = "CLIENT")]
    only: Vec<Client>,

    /// Write the screens of the terminal UIs to this file
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,

    /// Write what clients and server say to each other to this folder, one JSON line per message
    #[arg(long, value_name = "DIR")]
    wire: Option<PathBuf>,

    /// Keep the folder of every run, not only of a failed one
    #[arg(long)]
    keep: bool,
}

/// A client with a driver.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Client {
    /// The terminal UI 0.169, over WebSocket and over a Unix socket
    Tui,
    /// The terminal UI 0.131
    Tui131,
    /// The Python SDK, over stdio
    Python,
    /// The TypeScript SDK, which runs `exec`
    #[value(name = "typescript")]
    TypeScript,
}

impl Client {
    const ALL: [Self; 4] = [Self::Tui, Self::Tui131, Self::Python, Self::TypeScript];

    /// The name in reports and on the command line.
    fn name(self) -> &'static str {
        match self {
            Self::Tui => "tui",
            Self::Tui131 => "tui131",
            Self::Python => "python",
            Self::TypeScript => "typescript",
        }
    }

    /// The driver's file in `clients/drive`.
    fn driver(self) -> &'static str {
        match self {
            Self::Tui => "tui.py",
            Self::Tui131 => "tui131.py",
            Self::Python => "python_sdk.py",
            Self::TypeScript => "typescript.py",
        }
    }
}

/// What every driver of one run is told.
struct Setup {
    server: PathBuf,
    mock: String,
    cache: PathBuf,
    record: Option<PathBuf>,
    wire: Option<PathBuf>,
    keep: bool,
}

/// How many checks held.
#[derive(Default)]
struct Tally {
    passed: usize,
    failed: usize,
}

/// Runs the chosen clients; fails when a check fails or nothing could be checked.
pub(crate) fn run(args: Args) -> Result<ExitCode> {
    let setup = Setup::new(&args)?;
    let chosen = Client::ALL
        .into_iter()
        .filter(|client| args.only.is_empty() || args.only.contains(client));
    let mut tally = Tally::default();
    for client in chosen {
        install::ensure(client, &setup.cache)?;
        drive(client, &setup, &mut tally)?;
    }
    println!("{} passed, {} failed", tally.passed, tally.failed);
    Ok(if tally.failed == 0 && tally.passed > 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

impl Setup {
    fn new(args: &Args) -> Result<Self> {
        let server = match &args.server {
            Some(path) => path.clone(),
            None => {
                built("loomd").context("no built server; build one, or name one by --server")?
            }
        };
        let mock = match &args.mock {
            Some(command) => command.clone(),
            None => {
                let path = built("mock-model")
                    .context("no built mock model; run `cargo build -p loomd-testkit --bins`, or name one by --mock")?;
                shell_word(&path)
            }
        };
        let cache = cache_folder()?;
        let record = args.record.as_ref().map(absolute).transpose()?;
        if let Some(file) = &record {
            fs::write(file, "").with_context(|| format!("write {}", file.display()))?;
        }
        Ok(Self {
            server: absolute(server)?,
            mock,
            cache: absolute(cache)?,
            record,
            wire: args.wire.as_ref().map(absolute).transpose()?,
            keep: args.keep,
        })
    }
}

/// Where the clients are installed; made if it is not there.
fn cache_folder() -> Result<PathBuf> {
    let cache = env::var_os(CACHE_VARIABLE)
        .map_or_else(|| repository().join(".cache/clients"), PathBuf::from);
    fs::create_dir_all(&cache).with_context(|| format!("create {}", cache.display()))?;
    Ok(cache)
}

/// The reference's own program, installed if need be: the terminal UI's package brings it.
pub(crate) fn reference() -> Result<PathBuf> {
    let cache = cache_folder()?;
    install::ensure(Client::Tui, &cache)?;
    install::program(&cache.join(Client::Tui.name()))
}

/// The newest kind of build of a program that exists: release before debug.
pub(crate) fn built(program: &str) -> Option<PathBuf> {
    let target =
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from);
    ["release", "debug"]
        .into_iter()
        .map(|profile| target.join(profile).join(program))
        .find(|path| path.is_file())
}

/// A path as one word of a shell command line, which is how the drivers read `--mock`.
fn shell_word(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

/// Runs one driver in a fresh folder and counts its lines.
fn drive(client: Client, setup: &Setup, tally: &mut Tally) -> Result<()> {
    let name = client.name();
    let mark = format!("{name}-{}", std::process::id());
    let folder = setup.cache.join(format!("run-{mark}"));
    let drivers = repository().join("clients/drive");
    let mut command = Command::new(setup.cache.join("python/bin/python"));
    command
        .arg(drivers.join(client.driver()))
        .arg("--server")
        .arg(&setup.server)
        .arg("--mock")
        .arg(&setup.mock)
        .arg("--cache")
        .arg(&setup.cache)
        .arg("--run")
        .arg(&folder)
        .env(RUN_MARK, &mark)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    for (flag, path) in [("--record", &setup.record), ("--wire", &setup.wire)] {
        if let Some(path) = path {
            command.arg(flag).arg(path);
        }
    }
    let failed_before = tally.failed;
    let mut driver = command.spawn().context("start a driver")?;
    let output = driver.stdout.take().expect("stdout is piped");
    for line in BufReader::new(output).lines() {
        tally.take(&line?);
    }
    let status = driver.wait()?;
    let leftovers = sweep::end_marked(&format!("{RUN_MARK}={mark}"));
    if leftovers.is_empty() {
        tally.take(&format!("ok {name}: no process is left over"));
    } else {
        tally.take(&format!("FAILED {name}: no process is left over"));
        for process in leftovers {
            println!("    still ran: {process}");
        }
    }
    if !status.success() && tally.failed == failed_before {
        tally.take(&format!("FAILED {name}: the driver works ({status})"));
    }
    if tally.failed == failed_before && !setup.keep {
        fs::remove_dir_all(&folder).with_context(|| format!("remove {}", folder.display()))?;
    } else {
        eprintln!("what the run wrote is in {}", folder.display());
    }
    Ok(())
}

impl Tally {
    /// Prints a line of a driver and counts it, if it reports a check.
    fn take(&mut self, line: &str) {
        println!("{line}");
        if line.starts_with("ok ") {
            self.passed += 1;
        } else if line.starts_with("FAILED ") {
            self.failed += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_reports_and_not_their_details() {
        let mut tally = Tally::default();
        for line in [
            "ok tui: starts",
            "FAILED tui: types",
            "    ok this is a screen",
            "okay",
        ] {
            tally.take(line);
        }
        assert_eq!((tally.passed, tally.failed), (1, 1));
    }

    #[test]
    fn every_client_has_its_driver() {
        for client in Client::ALL {
            let path = repository().join("clients/drive").join(client.driver());
            assert!(path.is_file(), "no {}", path.display());
        }
    }

    #[test]
    fn quotes_a_path_with_blanks_and_quotes() {
        assert_eq!(shell_word(Path::new("/a b/it's")), r"'/a b/it'\''s'");
    }
}
