//! `loomd demo`: it works on a machine with nothing on it, and says so truly.

use std::fs;

use crate::bench::{Bench, code, stderr, stdout};

#[test]
fn shows_the_main_job_in_80_plain_columns_and_ends_with_0() {
    let bench = Bench::new();
    let folder = bench.work().join("demo");
    let dir = folder.display().to_string();
    let output = bench.run(&["demo", "--fast", "--dir", &dir], "");
    let text = stdout(&output);
    assert_eq!(code(&output), Some(0), "{text}{}", stderr(&output));
    assert!(!text.contains('\u{1b}'), "{text}");
    for line in text.lines().filter(|line| !line.contains(&dir)) {
        assert!(line.chars().count() <= 80, "{line}");
    }
    for expected in ["| hello, world", "| hello, loomd", "[x] Check it", "turn 2"] {
        assert!(text.contains(expected), "{expected} is missing in {text}");
    }
    let made = fs::read_to_string(folder.join("work/greet.sh")).unwrap();
    assert!(made.contains("name=${1:-world}"), "{made}");
}

#[test]
fn refuses_a_folder_that_exists() {
    let bench = Bench::new();
    let dir = bench.work().display().to_string();
    let output = bench.run(&["demo", "--dir", &dir], "");
    assert_eq!(code(&output), Some(1));
    assert!(
        stderr(&output).contains("cannot make"),
        "{}",
        stderr(&output)
    );
}
