//! Forks and reverts.

use loomd_base::ThreadId;
use loomd_events::SessionMeta;
use loomd_rollout::{Cut, Error, Fork, Writer, fork_in_memory, layout, read, read_meta};

use crate::support::{Script, T0, fixture_home, history, meta, outline, started, thread};

const FORK: &str = "01a2058c-b170-72b2-8a55-8e4efcc66200";

fn fork_meta() -> SessionMeta {
    let id: ThreadId = FORK.parse().unwrap();
    SessionMeta {
        id,
        session_id: id,
        created_ms: T0 + 60_000,
        forked_from_id: Some(thread()),
        ..meta()
    }
}

/// Three turns, the last one running.
fn source(home: &std::path::Path) -> (Writer, Script) {
    let mut script = Script::default();
    let mut writer = Writer::create(home, &meta()).unwrap();
    writer.append(&script.whole_turn("t1")).unwrap();
    writer.append(&script.whole_turn("t2")).unwrap();
    let running = [started("t3"), history("t3", "user", "ask t3")];
    writer
        .append(&running.map(|event| script.number(event)))
        .unwrap();
    (writer, script)
}

fn texts(items: &[loomd_events::HistoryItem]) -> String {
    items.iter().map(|item| item.json.get()).collect()
}

#[test]
fn a_fork_of_a_running_thread_takes_all_with_the_last_turn_interrupted() {
    let home = tempfile::tempdir().unwrap();
    let (writer, _) = source(home.path());
    let meta = fork_meta();
    let fork = Fork {
        source: writer.path(),
        cut: &Cut::Whole,
        meta: &meta,
    };
    let (forked, snapshot) = Writer::fork(home.path(), &fork).unwrap();
    let original = read(writer.path()).unwrap();
    assert_eq!(snapshot.turns, original.turns);
    assert_eq!(snapshot.history, original.history);
    assert_eq!(snapshot.meta, meta);
    assert_eq!(snapshot.last_seq, 0);
    assert_eq!(snapshot.token_usage, original.token_usage);
    assert_eq!(read(forked.path()).unwrap(), snapshot);
    assert_eq!(read_meta(forked.path()).unwrap().preview, "ask t1");
}

#[test]
fn a_fork_ends_with_the_turn_it_names() {
    let home = tempfile::tempdir().unwrap();
    let (writer, _) = source(home.path());
    let meta = fork_meta();
    let mut fork = Fork {
        source: writer.path(),
        cut: &Cut::Through("t1".to_owned()),
        meta: &meta,
    };
    let (forked, snapshot) = Writer::fork(home.path(), &fork).unwrap();
    assert_eq!(
        outline(&snapshot.turns).lines().next(),
        Some("t1 Completed")
    );
    assert_eq!(snapshot.turns.len(), 1);
    assert!(texts(&snapshot.history).contains("ask t1"));
    assert!(!texts(&snapshot.history).contains("ask t2"));
    drop(forked);
    let running = Cut::Through("t3".to_owned());
    fork.cut = &running;
    let refused = Writer::fork(home.path(), &fork).unwrap_err();
    assert!(matches!(refused, Error::TurnInProgress(turn) if turn == "t3"));
    let unknown = [Cut::Through("t9".to_owned()), Cut::Before("t9".to_owned())];
    for cut in &unknown {
        fork.cut = cut;
        let refused = Writer::fork(home.path(), &fork).unwrap_err();
        assert!(matches!(refused, Error::NoTurn(turn) if turn == "t9"));
    }
}

#[test]
fn a_fork_ends_before_the_turn_it_names() {
    let home = tempfile::tempdir().unwrap();
    let (writer, _) = source(home.path());
    let meta = fork_meta();
    for (turn, left) in [("t3", 2), ("t2", 1), ("t1", 0)] {
        let cut = Cut::Before(turn.to_owned());
        let fork = Fork {
            source: writer.path(),
            cut: &cut,
            meta: &meta,
        };
        let (forked, snapshot) = Writer::fork(home.path(), &fork).unwrap();
        assert_eq!(snapshot.turns.len(), left, "before {turn}");
        assert!(!texts(&snapshot.history).contains(&format!("ask {turn}")));
        // In memory it is the same thread, and nothing is written.
        let path = forked.path().to_owned();
        drop(forked);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(fork_in_memory(&fork).unwrap(), snapshot);
        assert!(!path.exists());
    }
}

#[test]
fn a_fork_of_a_reference_s_thread_needs_no_other_file() {
    for (version, source_id) in [
        ("0.131.0", "01a2058c-b60e-78d2-9b0d-d067a35340b4"),
        ("0.131.0", "01a2058c-bfbd-7bc1-9035-15ea32ea7b0d"),
        ("0.169.0", "01a2058c-b170-72b2-8a55-8e4efcc6621b"),
        ("0.169.0", "01a20590-b07e-7aa1-b82c-12c25b15f67d"),
    ] {
        let home = fixture_home(version);
        let id: ThreadId = source_id.parse().unwrap();
        let path = layout::find(home.path(), id).unwrap().unwrap().path;
        let meta = fork_meta();
        let fork = Fork {
            source: &path,
            cut: &Cut::Whole,
            meta: &meta,
        };
        let original = read(&path).unwrap();
        let (forked, snapshot) = Writer::fork(home.path(), &fork).unwrap();
        std::fs::remove_dir_all(home.path().join("sessions/2026/11/22"))
            .and_then(|()| std::fs::create_dir_all(forked.path().parent().unwrap()))
            .unwrap();
        assert_eq!(snapshot.turns, original.turns, "{source_id}");
        assert_eq!(snapshot.history, original.history, "{source_id}");
        assert_eq!(snapshot.token_usage, original.token_usage, "{source_id}");
    }
}

#[test]
fn a_revert_takes_turns_back_and_keeps_them_in_the_file() {
    let home = tempfile::tempdir().unwrap();
    let (writer, script) = source(home.path());
    let path = writer.path().to_path_buf();
    drop(writer);
    let before = std::fs::read(&path).unwrap();
    let (mut writer, snapshot) = Writer::revert(&path, "t2", T0 + 60_000).unwrap();
    assert_eq!(snapshot.turns.len(), 1);
    assert_eq!(
        snapshot.last_seq,
        script.seq + 2,
        "the interrupt and the revert"
    );
    assert!(texts(&snapshot.history).contains("ask t1"));
    assert!(!texts(&snapshot.history).contains("ask t2"));
    assert!(std::fs::read(&path).unwrap().starts_with(&before));
    let mut more = Script {
        seq: snapshot.last_seq,
    };
    writer.append(&more.whole_turn("t4")).unwrap();
    drop(writer);
    let turns = outline(&read(&path).unwrap().turns);
    let heads: Vec<_> = turns
        .lines()
        .filter(|line| !line.starts_with(' '))
        .collect();
    assert_eq!(heads, ["t1 Completed", "t4 Completed"]);
    let gone = Writer::revert(&path, "t2", T0).unwrap_err();
    assert!(matches!(gone, Error::NoTurn(turn) if turn == "t2"));
}

#[test]
fn a_revert_before_a_compaction_brings_the_old_history_back() {
    let home = fixture_home("0.169.0");
    let id: ThreadId = "01a2058c-a773-7973-b6d6-7d17797aa558".parse().unwrap();
    let path = layout::find(home.path(), id).unwrap().unwrap().path;
    let whole = read(&path).unwrap();
    assert!(!texts(&whole.history).contains("function_call"));
    let second = whole.turns[1].id.clone();
    let (_, snapshot) = Writer::revert(&path, &second, T0).unwrap();
    assert_eq!(snapshot.turns, whole.turns[..1]);
    let history = texts(&snapshot.history);
    assert!(history.contains("function_call"), "{history}");
    assert!(history.contains("all done"), "{history}");
    assert!(!history.contains("summary of the work so far"), "{history}");
}
