//! That nothing gets out of the sandbox's own helper and out of a server, as user 0 and as
//! somebody else.

use std::path::PathBuf;
use std::process::Command;

/// Somebody whom no process of a usual machine belongs to.
const SOMEBODY: &str = "65533";

/// The server plays one of so many cases that the helper plays; `cargo xtask sandbox` has
/// it play all.
const EVERY: &str = "6";

/// Cases that must be held at least on each ground, so that a machine on which most of
/// them are skipped does not pass for one on which they are held.
const HELD_MIN: [(&str, usize); 6] = [
    ("helper", 100),
    ("command/exec", 20),
    ("model's command", 20),
    ("model's patch, nobody asked", 30),
    ("model's patch, declined", 30),
    ("model's patch, one granted", 5),
];

/// The server's program. Built here, since the crate's own tests do not need it built.
fn server() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_BIN_EXE_loomd-hostile"));
    let folder = folder.parent().expect("a folder of built programs");
    let mut command = Command::new(env!("CARGO"));
    command
        .args(["build", "--quiet", "--package", "loomd", "--bin", "loomd"])
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    if let Some(target) = folder.parent() {
        command.env("CARGO_TARGET_DIR", target);
    }
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    let status = command.status().expect("cargo");
    assert!(status.success(), "the server cannot be built");
    folder.join("loomd")
}

#[track_caller]
fn nothing_escapes(args: &[&str]) {
    let output = Command::new(env!("CARGO_BIN_EXE_loomd-hostile"))
        .args(args)
        .args(["--every", EVERY, "--server"])
        .arg(server())
        .output()
        .expect("it runs");
    let table = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{table}");
    for (ground, min) in HELD_MIN {
        let sum = table
            .lines()
            .find(|line| line.starts_with("user ") && line.contains(&format!(", {ground}: ")));
        let held = sum
            .and_then(|line| {
                line.split(' ')
                    .zip(line.split(' ').skip(1))
                    .find(|(_, word)| *word == "held,")
            })
            .and_then(|(count, _)| count.parse::<usize>().ok());
        assert!(held >= Some(min), "{ground}: {table}");
    }
}

#[test]
fn nothing_escapes_from_whoever_runs_the_tests() {
    nothing_escapes(&[]);
    // One after the other: some cases must run alone. Only user 0 can become another.
    if rustix::process::getuid().is_root() {
        nothing_escapes(&["--as", SOMEBODY]);
    }
}
