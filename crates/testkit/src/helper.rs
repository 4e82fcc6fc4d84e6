//! The sandbox's helper for servers in the test's own process, which cannot be one itself.

use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

/// The helper. Built with the crate's tests; asked for again here, since a test may be run
/// without them.
pub(crate) fn helper() -> PathBuf {
    static HELPER: LazyLock<PathBuf> = LazyLock::new(build);
    HELPER.clone()
}

fn build() -> PathBuf {
    let test = std::env::current_exe().expect("a running test");
    let folder = test
        .parent()
        .and_then(|deps| deps.parent())
        .expect("a folder of built programs")
        .to_owned();
    let mut command = Command::new(env!("CARGO"));
    command
        .args([
            "build",
            "--quiet",
            "--package",
            "loomd-tools",
            "--bin",
            "loomd-helper",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    if let Some(target) = folder.parent() {
        command.env("CARGO_TARGET_DIR", target);
    }
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    let status = command.status().expect("cargo");
    assert!(status.success(), "the helper cannot be built");
    folder.join("loomd-helper")
}
