//! The index from outside: what lists show, how it follows the files, and what becomes
//! of a file of no use.

mod damage;
mod refreshing;

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
        continues: None,
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
        search_term: Some("Plan".to_owned()),
        ..ListQuery::default()
    };
    assert_eq!(numbers(&index, &named).0, ["prompt 2"]);
    for nothing in ["plan", "%", "_"] {
        let term = ListQuery {
            search_term: Some(nothing.to_owned()),
            ..ListQuery::default()
        };
        assert!(numbers(&index, &term).0.is_empty(), "{nothing}");
    }
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
fn equal_times_are_told_apart_by_id_in_both_directions() {
    let home = tempfile::tempdir().expect("a folder");
    let index = Index::new(home.path());
    for n in 1..=5 {
        let mut same = row(n);
        same.updated_ms = 7_250;
        index.upsert(&same).expect("a row is written");
    }
    for (direction, expected) in [
        (Direction::Ascending, ["1", "2", "3", "4", "5"]),
        (Direction::Descending, ["5", "4", "3", "2", "1"]),
    ] {
        let mut query = ListQuery {
            sort_key: SortKey::Updated,
            direction,
            limit: Some(2),
            ..ListQuery::default()
        };
        let mut seen = Vec::new();
        loop {
            let (page, next, _) = numbers(&index, &query);
            seen.extend(page);
            query.cursor = next;
            if query.cursor.is_none() {
                break;
            }
        }
        let expected = expected.map(|n| format!("prompt {n}"));
        assert_eq!(seen, expected);
    }
}

#[test]
fn a_thread_without_a_provider_belongs_to_every_one() {
    let home = tempfile::tempdir().expect("a folder");
    let index = filled(home.path(), 1);
    let mut silent = row(2);
    silent.thread.model_provider = String::new();
    index.upsert(&silent).expect("a row is written");
    let mut query = ListQuery {
        providers: vec!["other".to_owned()],
        ..ListQuery::default()
    };
    assert_eq!(numbers(&index, &query).0, ["prompt 2"]);
    query.providers = vec!["mock".to_owned()];
    assert_eq!(numbers(&index, &query).0, ["prompt 2", "prompt 1"]);
}

#[test]
fn a_page_has_25_threads_by_default_100_at_most_and_1_at_least() {
    let home = tempfile::tempdir().expect("a folder");
    let index = filled(home.path(), 110);
    let count = |limit| {
        let query = ListQuery {
            limit,
            ..ListQuery::default()
        };
        numbers(&index, &query).0.len()
    };
    assert_eq!(
        [count(None), count(Some(1000)), count(Some(0))],
        [25, 100, 1]
    );
}

#[test]
fn descendants_come_parents_first_and_a_circle_ends() {
    let home = tempfile::tempdir().expect("a folder");
    let index = Index::new(home.path());
    // 2 and 3 are of 1, 4 is of 2, and 5 and 6 are of each other.
    for (n, parent) in [(1, None), (4, Some(2)), (3, Some(1)), (2, Some(1))] {
        child(&index, n, parent);
    }
    for (n, parent) in [(5, 6), (6, 5)] {
        child(&index, n, Some(parent));
    }
    let below = |n| index.descendants(id(n)).expect("ids");
    assert_eq!(below(1), [id(2), id(3), id(4)]);
    assert_eq!(below(4), []);
    assert_eq!(below(5), [id(6)]);
    let query = ListQuery {
        ancestor: Some(id(1).to_string()),
        direction: Direction::Ascending,
        ..ListQuery::default()
    };
    assert_eq!(
        numbers(&index, &query).0,
        ["prompt 2", "prompt 3", "prompt 4"]
    );
    let query = ListQuery {
        parent: Some(id(1).to_string()),
        ..query
    };
    assert_eq!(numbers(&index, &query).0, ["prompt 2", "prompt 3"]);
}

fn child(index: &Index, n: u32, parent: Option<u32>) {
    let mut row = row(n);
    row.thread.parent_thread_id = parent.map(|parent| id(parent).to_string());
    index.upsert(&row).expect("a row is written");
}

#[test]
fn it_is_known_what_another_file_continues_also_when_its_thread_is_told_anew() {
    let home = tempfile::tempdir().expect("a folder");
    let index = filled(home.path(), 3);
    let continues = ThreadRow {
        continues: Some(id(1).to_string()),
        ..row(2)
    };
    index.upsert(&continues).expect("a row is written");
    index.upsert(&row(2)).expect("a row is written");
    let is_continued = |n, files: &[String]| index.is_continued(id(n), files).expect("read");
    assert!(is_continued(1, &["other".to_owned(), id(1).to_string()]));
    assert!(!is_continued(3, &[id(3).to_string()]));
    // What continues itself is no reason to keep it.
    assert!(!is_continued(2, &[id(1).to_string()]));
}
