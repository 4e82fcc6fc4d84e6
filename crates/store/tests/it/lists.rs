//! What a list shows, in which order, page by page.

use std::path::PathBuf;

use loomd_protocol::{GitInfo, SessionSource, SortDirection, SubAgentSource, ThreadSourceKind};
use loomd_store::{Error, Index, ListQuery, SortKey};

use crate::support::{T0, id, numbers, row};

fn ask(index: &Index, change: impl FnOnce(&mut ListQuery)) -> Vec<u64> {
    let mut query = ListQuery::default();
    change(&mut query);
    numbers(&index.list(&query).unwrap().rows)
}

fn filled(count: u64) -> (tempfile::TempDir, Index) {
    let home = tempfile::tempdir().unwrap();
    let index = Index::open(home.path());
    for number in 1..=count {
        index.upsert(&row(number)).unwrap();
    }
    (home, index)
}

#[test]
fn a_row_comes_back_as_it_was_written() {
    let (_home, index) = filled(0);
    let mut whole = row(1);
    whole.name = Some("Named".to_owned());
    whole.source = SessionSource::SubAgent(SubAgentSource::ThreadSpawn {
        parent_thread_id: id(9).to_string(),
        depth: 1,
        agent_path: None,
        agent_nickname: Some("Nick".to_owned()),
        agent_role: Some("worker".to_owned()),
    });
    whole.thread_source = Some("subagent".to_owned());
    whole.effort = Some("high".to_owned());
    whole.git = Some(GitInfo {
        sha: Some("abc".to_owned()),
        branch: None,
        origin_url: None,
    });
    whole.parent_thread_id = Some(id(9));
    whole.forked_from_id = Some(id(8));
    whole.agent_nickname = Some("Nick".to_owned());
    whole.agent_role = Some("worker".to_owned());
    index.upsert(&whole).unwrap();
    assert_eq!(index.get(id(1)).unwrap(), Some(whole.clone()));
    assert_eq!(index.get(id(2)).unwrap(), None);

    // A later writing that knows less takes nothing away.
    let mut less = whole.clone();
    less.name = None;
    less.git = None;
    less.model = None;
    index.upsert(&less).unwrap();
    assert_eq!(index.get(id(1)).unwrap(), Some(whole));
}

#[test]
fn threads_without_a_user_message_archived_ones_and_other_sources_are_not_listed() {
    let (_home, index) = filled(3);
    let mut silent = row(4);
    silent.has_user_message = false;
    let mut archived = row(5);
    archived.archived = true;
    let mut exec = row(6);
    exec.source = SessionSource::Exec;
    let mut atlas = row(7);
    atlas.source = SessionSource::Custom("atlas".to_owned());
    let mut other = row(8);
    other.source = SessionSource::Custom("other".to_owned());
    for row in [silent, archived, exec, atlas, other] {
        index.upsert(&row).unwrap();
    }
    assert_eq!(ask(&index, |_| {}), [7, 3, 2, 1]);
    assert_eq!(ask(&index, |query| query.archived = true), [5]);
    let exec = |query: &mut ListQuery| query.source_kinds = vec![ThreadSourceKind::Exec];
    assert_eq!(ask(&index, exec), [6]);
}

#[test]
fn subagents_are_found_by_kind_parent_and_ancestor() {
    let (_home, index) = filled(1);
    for (number, parent) in [(2, 1), (3, 2), (4, 9)] {
        let mut child = row(number);
        child.source = SessionSource::SubAgent(SubAgentSource::ThreadSpawn {
            parent_thread_id: id(parent).to_string(),
            depth: 1,
            agent_path: None,
            agent_nickname: None,
            agent_role: None,
        });
        child.parent_thread_id = Some(id(parent));
        index.upsert(&child).unwrap();
    }
    let agents = |query: &mut ListQuery| query.source_kinds = vec![ThreadSourceKind::SubAgent];
    assert_eq!(ask(&index, agents), [4, 3, 2]);
    let spawned = vec![ThreadSourceKind::SubAgentThreadSpawn];
    let children = ask(&index, |query| {
        query.source_kinds.clone_from(&spawned);
        query.parent_thread_id = Some(id(1));
    });
    assert_eq!(children, [2]);
    let below = ask(&index, |query| {
        query.source_kinds = spawned;
        query.ancestor_thread_id = Some(id(1));
    });
    assert_eq!(below, [3, 2]);
}

#[test]
fn filters_by_provider_folder_client_and_exclusion() {
    let (_home, index) = filled(2);
    let mut other = row(3);
    other.model_provider = "openai".to_owned();
    other.cwd = PathBuf::from("/elsewhere/");
    other.originator = "tui".to_owned();
    let mut silent = row(4);
    silent.model_provider = String::new();
    index.upsert(&other).unwrap();
    index.upsert(&silent).unwrap();
    let provider = |query: &mut ListQuery| query.model_providers = vec!["openai".to_owned()];
    assert_eq!(ask(&index, provider), [4, 3]);
    let folder = |query: &mut ListQuery| {
        query.cwds = vec![PathBuf::from("/elsewhere"), PathBuf::from("/x/../nowhere")];
    };
    assert_eq!(ask(&index, folder), [3]);
    let client = |query: &mut ListQuery| query.originators = vec!["tui".to_owned()];
    assert_eq!(ask(&index, client), [3]);
    assert_eq!(
        ask(&index, |query| query.excluded = vec![id(4), id(1)]),
        [3, 2]
    );
}

#[test]
fn a_search_term_matches_name_and_preview_letter_by_letter() {
    let (_home, index) = filled(2);
    index.set_name(id(1), Some("Zebra 100%")).unwrap();
    let search = |term: &str| ask(&index, |query| query.search_term = Some(term.to_owned()));
    assert_eq!(search("ask"), [2, 1]);
    assert_eq!(search("ASK"), [0u64; 0]);
    assert_eq!(search("Zebra"), [1]);
    assert_eq!(search("%"), [1]);
    assert_eq!(search("_"), [0u64; 0]);
    assert_eq!(search(""), [2, 1]);
    index.set_name(id(1), None).unwrap();
    assert_eq!(search("Zebra"), [0u64; 0]);
}

#[test]
fn pages_follow_each_other_without_a_gap_in_every_order() {
    let (_home, index) = filled(7);
    for number in 1..=7 {
        let mut row = row(number);
        // Threads 3 to 5 share all their times.
        if (3..=5).contains(&number) {
            row.created_ms = T0 + 3000;
        }
        row.updated_ms = row.created_ms + 250;
        row.recency_ms = 10 * T0 - row.created_ms;
        index.upsert(&row).unwrap();
    }
    for sort_key in [SortKey::CreatedAt, SortKey::UpdatedAt, SortKey::RecencyAt] {
        for direction in [SortDirection::Asc, SortDirection::Desc] {
            let mut query = ListQuery {
                sort_key,
                direction,
                limit: Some(2),
                ..ListQuery::default()
            };
            let mut found = Vec::new();
            loop {
                let page = index.list(&query).unwrap();
                found.extend(numbers(&page.rows));
                query.cursor = page.next_cursor;
                if query.cursor.is_none() {
                    break;
                }
            }
            let mut expected: Vec<u64> = match sort_key {
                SortKey::CreatedAt | SortKey::UpdatedAt => vec![1, 2, 3, 4, 5, 6, 7],
                SortKey::RecencyAt => vec![7, 6, 3, 4, 5, 2, 1],
            };
            if direction == SortDirection::Desc {
                expected.reverse();
            }
            assert_eq!(found, expected, "{sort_key:?} {direction:?}");
        }
    }
}

#[test]
fn the_way_back_from_a_page_includes_its_first_thread() {
    let (_home, index) = filled(5);
    let mut query = ListQuery {
        limit: Some(2),
        ..ListQuery::default()
    };
    let first = index.list(&query).unwrap();
    assert_eq!(numbers(&first.rows), [5, 4]);
    assert_eq!(
        first.next_cursor,
        Some(format!("2026-11-22T10:00:04Z|{}", id(4)))
    );
    query.cursor = first.next_cursor;
    let second = index.list(&query).unwrap();
    assert_eq!(numbers(&second.rows), [3, 2]);
    assert_eq!(
        second.backwards_cursor.as_deref(),
        Some("2026-11-22T10:00:02.999Z")
    );
    query.cursor = second.backwards_cursor;
    query.direction = SortDirection::Asc;
    assert_eq!(numbers(&index.list(&query).unwrap().rows), [3, 4]);
}

#[test]
fn an_empty_page_has_no_cursors_and_a_bad_cursor_is_named() {
    let (_home, index) = filled(0);
    let page = index.list(&ListQuery::default()).unwrap();
    assert_eq!((page.next_cursor, page.backwards_cursor), (None, None));
    let bad = ListQuery {
        cursor: Some("nonsense".to_owned()),
        ..ListQuery::default()
    };
    let refused = index.list(&bad).unwrap_err();
    assert!(matches!(refused, Error::InvalidCursor(_)));
    assert_eq!(refused.to_string(), "invalid cursor: nonsense");
}

#[test]
fn a_page_has_25_threads_by_default_100_at_most_and_1_at_least() {
    let (_home, index) = filled(120);
    let count = |limit| ask(&index, |query| query.limit = limit).len();
    assert_eq!(count(None), 25);
    assert_eq!(count(Some(1000)), 100);
    assert_eq!(count(Some(0)), 1);
}

#[test]
fn a_thread_moves_between_lists_and_can_be_forgotten() {
    let (_home, index) = filled(2);
    let to = PathBuf::from("/h/archived_sessions/1.jsonl");
    index.set_archived(id(1), true, &to).unwrap();
    assert_eq!(ask(&index, |_| {}), [2]);
    assert_eq!(ask(&index, |query| query.archived = true), [1]);
    assert_eq!(index.get(id(1)).unwrap().unwrap().path, to);
    index.remove(id(2)).unwrap();
    assert_eq!(ask(&index, |_| {}), [0u64; 0]);
}
