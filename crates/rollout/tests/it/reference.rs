//! Files that the reference wrote read as the reference itself reads them.
//!
//! The fixtures are recorded threads (prose of the program cut out) and beside each
//! the turns that `thread/read` answered.

use loomd_base::ThreadId;
use loomd_protocol::SessionSource;
use loomd_rollout::{HistoryMode, layout, read, read_meta};
use serde_json::Value;

use crate::support::{fixture_home, outline};

const PAGINATED: &str = "01a2058c-a773-7973-b6d6-7d17797aa558";
const PAGINATED_FORK: &str = "01a2058c-b170-72b2-8a55-8e4efcc6621b";
const REVERTED: &str = "01a20590-b07e-7aa1-b82c-12c25b15f67d";
const LEGACY: &str = "01a2058c-b60e-78d2-9b0d-d067a35340b4";
const LEGACY_FORK: &str = "01a2058c-bfbd-7bc1-9035-15ea32ea7b0d";

fn load(version: &str, thread: &str) -> loomd_events::ThreadSnapshot {
    let home = fixture_home(version);
    let id: ThreadId = thread.parse().unwrap();
    let found = layout::find(home.path(), id).unwrap().unwrap();
    read(&found.path).unwrap()
}

/// The turns that the reference showed.
fn shown(version: &str, thread: &str) -> Vec<Value> {
    let folder = env!("CARGO_MANIFEST_DIR");
    let path = format!("{folder}/tests/fixtures/{version}/{thread}.turns.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn ours(version: &str, thread: &str) -> Vec<Value> {
    let snapshot = load(version, thread);
    snapshot
        .turns
        .iter()
        .map(|turn| serde_json::to_value(turn).unwrap())
        .collect()
}

/// Leaves of `ours` only the members that `theirs` has, so that a version with fewer
/// members can be compared. Members that are not in `ours` stay missing.
fn only_known(ours: &mut Value, theirs: &Value) {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            ours.retain(|key, _| theirs.contains_key(key));
            for (key, value) in ours.iter_mut() {
                only_known(value, &theirs[key.as_str()]);
            }
        }
        (Value::Array(ours), Value::Array(theirs)) => {
            for (ours, theirs) in ours.iter_mut().zip(theirs) {
                only_known(ours, theirs);
            }
        }
        _ => {}
    }
}

#[test]
fn reads_a_paginated_thread_as_its_writer_does() {
    assert_eq!(ours("0.169.0", PAGINATED), shown("0.169.0", PAGINATED));
}

#[test]
fn reads_a_fork_by_reference_with_what_it_continues() {
    let ours = ours("0.169.0", PAGINATED_FORK);
    assert_eq!(ours, shown("0.169.0", PAGINATED_FORK));
}

#[test]
fn reads_a_reverted_thread_without_the_turns_taken_back() {
    // Five more turns failed after the reference was asked.
    let mut ours = ours("0.169.0", REVERTED);
    assert_eq!(ours.len(), 3 + 5);
    assert!(ours[3..].iter().all(|turn| turn["status"] == "failed"));
    ours.truncate(3);
    assert_eq!(ours, shown("0.169.0", REVERTED));
}

#[test]
fn reads_legacy_threads_as_their_writer_does() {
    for thread in [LEGACY, LEGACY_FORK] {
        let theirs = shown("0.131.0", thread);
        let mut ours = ours("0.131.0", thread);
        assert_eq!(ours.len(), theirs.len());
        for (ours, theirs) in ours.iter_mut().zip(&theirs) {
            only_known(ours, theirs);
        }
        assert_eq!(ours, theirs);
    }
}

#[test]
fn the_model_sees_the_compacted_history_and_what_came_after() {
    for (version, thread) in [("0.169.0", PAGINATED), ("0.131.0", LEGACY)] {
        let snapshot = load(version, thread);
        let text: String = snapshot
            .history
            .iter()
            .map(|item| item.json.get().to_owned() + "\n")
            .collect();
        assert!(text.contains("summary of the work so far"));
        assert!(text.contains("after compaction"));
        assert!(!text.contains("function_call"), "{text}");
        assert!(!text.contains("passthrough"), "{text}");
        let (turn, usage) = snapshot.token_usage.unwrap();
        assert_eq!(turn, snapshot.turns.last().unwrap().id);
        assert_eq!(usage.total.total_tokens, 910);
        let context = snapshot.last_context.unwrap();
        assert_eq!(context.model, "mock-model");
        assert_eq!(&*context.turn_id, turn);
        assert_eq!(snapshot.last_seq, 0);
        assert_eq!(snapshot.meta.source, SessionSource::Vscode);
        assert_eq!(snapshot.meta.cwd.to_str(), Some("/project"));
        assert!(snapshot.preview.starts_with("first\n@@ "));
    }
}

#[test]
fn a_list_shows_the_first_message_of_the_thread_that_was_forked() {
    let home = fixture_home("0.169.0");
    for (thread, forked) in [(PAGINATED, None), (PAGINATED_FORK, Some(PAGINATED))] {
        let id: ThreadId = thread.parse().unwrap();
        let path = layout::find(home.path(), id).unwrap().unwrap().path;
        let summary = read_meta(&path).unwrap();
        assert!(summary.preview.starts_with("first\n@@ "), "{summary:?}");
        assert!(summary.has_user_message);
        assert_eq!(summary.mode, HistoryMode::Paginated);
        assert_eq!(summary.model.as_deref(), Some("mock-model"));
        let forked = forked.map(|id| id.parse().unwrap());
        assert_eq!(summary.meta.forked_from_id, forked);
    }
}

#[test]
fn a_fork_whose_source_is_gone_is_an_error_in_the_reference_s_words() {
    let home = fixture_home("0.169.0");
    layout::remove(home.path(), PAGINATED.parse().unwrap()).unwrap();
    let fork: ThreadId = PAGINATED_FORK.parse().unwrap();
    let path = layout::find(home.path(), fork).unwrap().unwrap().path;
    assert_eq!(
        read(&path).unwrap_err().to_string(),
        format!("invalid paginated history lineage for {PAGINATED}: missing source rollout")
    );
    // A list still shows it, by its own words.
    assert_eq!(read_meta(&path).unwrap().preview, "in the fork");
}

#[test]
fn an_archived_thread_reads_the_same() {
    let home = fixture_home("0.131.0");
    let id: ThreadId = LEGACY.parse().unwrap();
    let live = read(&layout::find(home.path(), id).unwrap().unwrap().path).unwrap();
    let archived = layout::archive(home.path(), id).unwrap().unwrap();
    assert_eq!(
        outline(&read(&archived).unwrap().turns),
        outline(&live.turns)
    );
}
