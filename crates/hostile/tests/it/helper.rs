//! That nothing gets out of the sandbox's own helper, as user 0 and as somebody else.

use std::process::Command;

/// Somebody whom no process of a usual machine belongs to.
const SOMEBODY: &str = "65533";

/// Cases that must be held at least, so that a machine on which most of them are skipped
/// does not pass for one on which they are held.
const HELD_MIN: usize = 100;

#[track_caller]
fn nothing_escapes(args: &[&str]) {
    let output = Command::new(env!("CARGO_BIN_EXE_loomd-hostile"))
        .args(args)
        .output()
        .expect("it runs");
    let table = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{table}");
    let held = table.lines().filter(|line| line.contains("| held |"));
    assert!(held.count() >= HELD_MIN, "{table}");
}

#[test]
fn nothing_escapes_from_whoever_runs_the_tests() {
    nothing_escapes(&[]);
    // One after the other: some cases must run alone. Only user 0 can become another.
    if rustix::process::getuid().is_root() {
        nothing_escapes(&["--as", SOMEBODY]);
    }
}
