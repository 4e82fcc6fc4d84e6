//! Runs the lifecycle scenarios in `scenarios/` against the pure core.
//!
//! A scenario is a text file. A line that begins with `>` is an input, a line that
//! begins with `+` moves the clock (`+90s`, `+5ms`), `#` is a comment. Every action
//! the core wants is one line that begins with `<`, in order, below its input.
//! `UPDATE_EXPECT=1` rewrites the `<` lines; the inputs are the test.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a scenario names what it shows and leaves the rest to the fallback"
)]

mod explore;
mod render;
mod script;

use std::path::PathBuf;

use expect_test::expect_file;

#[test]
fn every_scenario_goes_as_written() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .expect("the scenarios folder exists")
        .map(|entry| entry.expect("a readable folder entry").path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "scenario"))
        .collect();
    files.sort();
    assert!(files.len() >= 10, "scenarios are missing from {folder:?}");
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a readable scenario");
        let played = script::play(&text);
        expect_file![&file].assert_eq(&played);
    }
}
