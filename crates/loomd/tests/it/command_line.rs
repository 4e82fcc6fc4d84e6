//! What is refused, with which words and which exit code.

use crate::bench::{Bench, code, stderr, stdout};

/// Runs and gives exit code and standard error.
fn refused(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Bench::new().run(arguments, "");
    assert_eq!(stdout(&output), "", "{arguments:?}");
    (code(&output), stderr(&output))
}

#[test]
fn the_version_starts_with_that_of_the_protocol() {
    let output = Bench::new().run(&["--version"], "");
    assert_eq!(code(&output), Some(0));
    assert!(stdout(&output).starts_with("codex-cli 0.169.0 (loomd "));
}

#[test]
fn arguments_that_are_none_end_with_2() {
    for arguments in [
        &["app-server", "--listen", "http://x"][..],
        &["app-server", "--listen", "ws://localhost:1"],
        &["app-server", "--bogus"],
        &["app-server", "--ws-auth", "bogus"],
        &["exec", "--sandbox", "zzz", "hi"],
        &["no-such-command"],
        &["app-server", "generate-ts"],
    ] {
        let (code, text) = refused(arguments);
        assert_eq!(code, Some(2), "{arguments:?}: {text}");
        assert!(text.starts_with("error: "), "{text}");
    }
}

#[test]
fn what_cannot_be_done_ends_with_1_and_says_why() {
    for (arguments, expected) in [
        (
            &["app-server", "--listen", "off"][..],
            "Error: no transport configured; use --listen or enable remote control\n",
        ),
        (
            &["app-server", "--listen", "ws://0.0.0.0:0"],
            "Error: refusing to start non-loopback websocket listener 0.0.0.0:0 without auth; configure `--ws-auth capability-token` or `--ws-auth signed-bearer-token`\n",
        ),
        (
            &["app-server", "--ws-issuer", "x"],
            "Error: websocket auth flags require `--ws-auth capability-token` or `--ws-auth signed-bearer-token`\n",
        ),
        (
            &["app-server", "-c", "model"],
            "Error: cannot use `-c model`\n\nCaused by:\n    override `model` has no `=`; write key=value\n",
        ),
        (
            &["app-server", "proxy", "--sock", "/nonexistent"],
            "Error: failed to connect to socket at /nonexistent\n\nCaused by:\n    No such file or directory (os error 2)\n",
        ),
        (
            &["exec", "resume"],
            "Error: which thread? Give its id or its name, or --last for the latest\n",
        ),
    ] {
        let (code, text) = refused(arguments);
        assert_eq!(code, Some(1), "{arguments:?}: {text}");
        assert_eq!(text, expected, "{arguments:?}");
    }
}

#[test]
fn settings_are_accepted_before_and_behind_the_subcommand() {
    let bench = Bench::new();
    let output = bench.run(
        &["-c", "a=1", "app-server", "--config", "web_search=\"live\""],
        "",
    );
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
}

#[test]
fn writes_completions_and_the_manual() {
    let bench = Bench::new();
    for shell in ["bash", "zsh", "fish"] {
        let output = bench.run(&["completions", shell], "");
        assert_eq!(code(&output), Some(0));
        assert!(stdout(&output).contains("app-server"), "{shell}");
    }
    let output = bench.run(&["man"], "");
    assert!(stdout(&output).starts_with(".ie"), "{}", stdout(&output));
}
