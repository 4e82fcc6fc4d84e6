//! Installs clients at their pinned versions through the ordinary clients of npm and PyPI.
//!
//! A stamp beside an installation says what was installed, so a second call does nothing and a changed pin installs
//! anew. No registry is named: whatever npm and pip are configured to use is used.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::Client;
use crate::repository;

/// The file that says what an installed folder holds.
const STAMP: &str = ".installed";

/// `clients/pins.toml`.
#[derive(Deserialize)]
struct Pins {
    /// Folder in the cache → package.
    npm: BTreeMap<String, NpmPin>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct NpmPin {
    package: String,
    version: String,
    /// Whether its optional dependencies, which carry a program per platform, are wanted.
    platform_binary: bool,
}

/// Makes sure that a client and the Python of the drivers are installed in the cache.
pub(super) fn ensure(client: Client, cache: &Path) -> Result<()> {
    python(cache)?;
    match client {
        Client::Python => Ok(()),
        Client::Tui | Client::Tui131 | Client::TypeScript => npm(client.name(), cache),
    }
}

/// The program for this platform inside an installed package: `vendor/PLATFORM/bin/codex`
/// of one of its optional dependencies.
pub(super) fn program(folder: &Path) -> Result<PathBuf> {
    let packages = folder.join("node_modules/@openai");
    for package in fs::read_dir(&packages)? {
        let Ok(platforms) = fs::read_dir(package?.path().join("vendor")) else {
            continue;
        };
        for platform in platforms {
            let program = platform?.path().join("bin/codex");
            if program.is_file() {
                return Ok(program);
            }
        }
    }
    bail!("no program for this platform below {}", packages.display())
}

/// Installs the virtual environment that runs the drivers and holds the Python SDK.
fn python(cache: &Path) -> Result<()> {
    let requirements = repository().join("clients/requirements.txt");
    let wanted = fs::read_to_string(&requirements)?;
    let folder = cache.join("python");
    install(&folder, &wanted, || {
        eprintln!("installing the Python SDK and the terminal driver …");
        call(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        call(
            Command::new(folder.join("bin/python"))
                .args([
                    "-m",
                    "pip",
                    "install",
                    "--quiet",
                    "--no-deps",
                    "--disable-pip-version-check",
                ])
                .arg("--requirement")
                .arg(&requirements),
        )
    })
}

/// Installs one package of `pins.toml` into a folder of its own.
fn npm(name: &str, cache: &Path) -> Result<()> {
    let mut pins = read_pins()?;
    let pin = pins
        .npm
        .remove(name)
        .with_context(|| format!("pins.toml names no npm.{name}"))?;
    let folder = cache.join(name);
    let wanted = format!("{}@{}", pin.package, pin.version);
    install(&folder, &wanted, || {
        eprintln!("installing {wanted} …");
        fs::create_dir_all(&folder)?;
        let mut npm = Command::new("npm");
        npm.args([
            "install",
            "--no-save",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            "--loglevel=error",
        ]);
        if !pin.platform_binary {
            npm.arg("--omit=optional");
        }
        call(npm.arg("--prefix").arg(&folder).arg(&wanted))
    })
}

fn read_pins() -> Result<Pins> {
    let path = repository().join("clients/pins.toml");
    let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("parse {}", path.display()))
}

/// Runs `action` on an emptied folder unless its stamp says that `wanted` is installed there.
fn install(folder: &Path, wanted: &str, action: impl FnOnce() -> Result<()>) -> Result<()> {
    let stamp = folder.join(STAMP);
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("remove {}", folder.display()))?;
    }
    action()?;
    fs::write(&stamp, wanted).with_context(|| format!("write {}", stamp.display()))
}

/// Runs a command with its stdout sent to stderr, where progress belongs.
fn call(command: &mut Command) -> Result<()> {
    let output = command
        .output()
        .with_context(|| format!("start {command:?}"))?;
    if !output.status.success() {
        bail!(
            "{command:?} ended with {}:\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_npm_client_is_pinned_to_one_version() {
        let pins = read_pins().expect("pins.toml parses");
        for client in [Client::Tui, Client::Tui131, Client::TypeScript] {
            let pin = pins.npm.get(client.name()).expect("the client is pinned");
            assert!(
                pin.version
                    .split('.')
                    .all(|part| part.parse::<u32>().is_ok()),
                "{} is not an exact version",
                pin.version
            );
        }
    }

    #[test]
    fn every_python_requirement_is_pinned() {
        let text = fs::read_to_string(repository().join("clients/requirements.txt"))
            .expect("the file is readable");
        for line in text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            assert!(line.contains("=="), "{line} is not pinned");
        }
    }
}
