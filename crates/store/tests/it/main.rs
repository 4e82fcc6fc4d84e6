//! The index from outside: what lists show, and what becomes of a file of no use.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use loomd_base::ThreadId;
use loomd_protocol::Thread;
use loomd_store::{Direction, FileRow, Index, ListQuery, SortKey, ThreadRow};
use uuid::Uuid;

fn id(n: u32) -> ThreadId {
    ThreadId(Uuid::from_u128(
        0x0190_0000_0000_7000_8000_0000_0000_0000 | u128::from(n),
    ))
}

fn thread(n: u32) -> Thread {
    serde_json::from_value(serde_json::json!({
        "id": id(n).to_string(), "sessionId": id(n).to_string(), "preview": format!("prompt {n}"),
        "ephemeral": false, "modelProvider": "mock", "createdAt": n, "updatedAt": n,
        "status": {"type": "notLoaded"}, "cwd": "/w", "cliVersion": "0", "source": "vscode", "turns": [],
    }))
    .expect("a thread")
}

fn file(n: u32) -> FileRow {
    FileRow {
        id: id(n),
        path: PathBuf::from(format!("/home/rollout-{n}.jsonl")),
        archived: false,
        mtime_ms: i64::from(n),
        size: 10,
    }
}

fn row(n: u32) -> ThreadRow {
    ThreadRow {
        file: file(n),
        thread: thread(n),
        created_ms: i64::from(n) * 1000,
        updated_ms: i64::from(n) * 1000,
        recency_ms: i64::from(n) * 1000,
        listed: true,
        source_kind: "vscode",
    }
}

fn filled(home: &Path, count: u32) -> Index {
    let index = Index::new(home);
    for n in 1..=count {
        index.upsert(&row(n)).expect("a row is written");
    }
    index
}

fn numbers(index: &Index, query: &ListQuery) -> (Vec<String>, Option<String>, Option<String>) {
    let page = index.list(query).expect("a page");
    let previews = page
        .threads
        .iter()
        .map(|(_, thread)| thread.preview.clone())
        .collect();
    (previews, page.next_cursor, page.backwards_cursor)
}

#[test]
fn pages_follow_each_other_without_gap_or_repeat() {
    let home = tempfile::tempdir().expect("a folder");
    let index = filled(home.path(), 7);
    let mut query = ListQuery {
        limit: Some(3),
        ..ListQuery::default()
    };
    let mut seen = Vec::new();
    loop {
        let (page, next, _) = numbers(&index, &query);
        seen.extend(page);
        match next {
            Some(cursor) => query.cursor = Some(cursor),
            None => break,
        }
    }
    let expected: Vec<String> = (1..=7).rev().map(|n| format!("prompt {n}")).collect();
    assert_eq!(seen, expected);
}

#[test]
fn turning_round_begins_with_the_anchor() {
    let home = tempfile::tempdir().expect("a folder");
    let index = filled(home.path(), 5);
    let query = ListQuery {
        limit: Some(2),
        ..ListQuery::default()
    };
    let (_, next, _) = numbers(&index, &query);
    let (second, _, backwards) = numbers(
        &index,
        &ListQuery {
            cursor: next,
            ..query.clone()
        },
    );
    assert_eq!(second, ["prompt 3", "prompt 2"]);
    let (back, _, _) = numbers(
        &index,
        &ListQuery {
            cursor: backwards,
            direction: Direction::Ascending,
            ..query
        },
    );
    assert_eq!(back, ["prompt 3", "prompt 4"]);
}

#[test]
fn filters_leave_out_what_was_not_asked_for() {
    let home = tempfile::tempdir().expect("a folder");
    let index = filled(home.path(), 3);
    let mut hidden = row(4);
    hidden.listed = false;
    index.upsert(&hidden).expect("a row is written");
    let mut exec = row(5);
    exec.source_kind = "exec";
    index.upsert(&exec).expect("a row is written");
    let mut archived = row(6);
    archived.file.archived = true;
    index.upsert(&archived).expect("a row is written");
    index
        .set_name(id(2), "The Plan")
        .expect("a name is written");

    let kinds = ListQuery {
        source_kinds: vec!["vscode"],
        ..ListQuery::default()
    };
    assert_eq!(
        numbers(&index, &kinds).0,
        ["prompt 3", "prompt 2", "prompt 1"]
    );
    let named = ListQuery {
        search_term: Some("plan".to_owned()),
        ..ListQuery::default()
    };
    assert_eq!(numbers(&index, &named).0, ["prompt 2"]);
    let archive = ListQuery {
        archived: true,
        ..ListQuery::default()
    };
    assert_eq!(numbers(&index, &archive).0, ["prompt 6"]);
    let elsewhere = ListQuery {
        cwds: vec!["/elsewhere".to_owned()],
        ..ListQuery::default()
    };
    assert!(numbers(&index, &elsewhere).0.is_empty());
    let by_recency = ListQuery {
        sort_key: SortKey::Recency,
        direction: Direction::Ascending,
        limit: Some(0),
        ..ListQuery::default()
    };
    assert_eq!(numbers(&index, &by_recency).0, ["prompt 1"]);
    let error = index
        .list(&ListQuery {
            cursor: Some("zz".to_owned()),
            ..ListQuery::default()
        })
        .expect_err("a bad cursor");
    assert_eq!(error.to_string(), "invalid cursor: zz");
}

#[test]
fn a_refresh_reads_only_what_changed_and_forgets_what_is_gone() {
    let home = tempfile::tempdir().expect("a folder");
    let index = Index::new(home.path());
    let names = BTreeMap::from([(id(2), "second".to_owned())]);
    let number = |file: &FileRow| u32::try_from(file.mtime_ms % 100).expect("a small number");
    let refresh = |files: Vec<FileRow>| {
        index
            .refresh(files.into_iter(), &names, |file| {
                Some(ThreadRow {
                    file: file.clone(),
                    ..row(number(file))
                })
            })
            .expect("a refresh")
    };
    assert_eq!(refresh((1..=3).map(file).collect()).read, 3);
    assert_eq!(refresh((1..=3).map(file).collect()).read, 0);
    let mut touched = file(3);
    touched.mtime_ms = 103;
    let done = refresh(vec![file(2), touched]);
    assert_eq!((done.read, done.removed), (1, 1));
    let second = index.get(id(2)).expect("a read").expect("a thread");
    assert_eq!(second.name.as_deref(), Some("second"));
    assert_eq!(index.get(id(1)).expect("a read"), None);
}

#[test]
fn a_file_of_no_use_is_set_aside_and_made_anew() {
    let home = tempfile::tempdir().expect("a folder");
    let folder = home.path().join("loomd");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(
        folder.join("index.sqlite"),
        b"not a database at all, not even close",
    )
    .expect("a file");
    let index = filled(home.path(), 1);
    assert_eq!(numbers(&index, &ListQuery::default()).0, ["prompt 1"]);
    assert!(folder.join("index.sqlite.damaged").exists());
}

#[test]
fn a_home_that_cannot_be_written_gets_an_index_in_memory() {
    let index = filled(Path::new("/proc/nowhere"), 1);
    assert_eq!(numbers(&index, &ListQuery::default()).0, ["prompt 1"]);
}
