//! A database in any state stops nobody.

use std::fs;

use loomd_store::{Index, ListQuery, Warning};
use rusqlite::Connection;

use crate::support::{id, index_path, row};

fn works(index: &Index) {
    index.upsert(&row(1)).unwrap();
    assert_eq!(index.list(&ListQuery::default()).unwrap().rows.len(), 1);
}

#[test]
fn opening_touches_nothing() {
    let home = tempfile::tempdir().unwrap();
    let index = Index::open(home.path());
    assert!(!index_path(home.path()).exists());
    drop(index);
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
}

#[test]
fn what_was_written_is_there_for_the_next_process() {
    let home = tempfile::tempdir().unwrap();
    works(&Index::open(home.path()));
    let index = Index::open(home.path());
    assert_eq!(index.get(id(1)).unwrap(), Some(row(1)));
    assert_eq!(index.take_warning(), None);
}

#[test]
fn two_processes_share_it() {
    let home = tempfile::tempdir().unwrap();
    let (one, two) = (Index::open(home.path()), Index::open(home.path()));
    one.upsert(&row(1)).unwrap();
    two.upsert(&row(2)).unwrap();
    assert_eq!(one.get(id(2)).unwrap(), Some(row(2)));
}

#[test]
fn a_file_that_is_no_database_is_moved_aside() {
    let home = tempfile::tempdir().unwrap();
    let path = index_path(home.path());
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, "this is no database, only text. ".repeat(64)).unwrap();
    let index = Index::open(home.path());
    works(&index);
    let Some(Warning::MovedAside { to, .. }) = index.take_warning() else {
        panic!("it was moved aside");
    };
    assert!(fs::read_to_string(to).unwrap().starts_with("this is no"));
    assert_eq!(index.take_warning(), None);
}

#[test]
fn a_database_torn_anywhere_works_again() {
    let home = tempfile::tempdir().unwrap();
    let path = index_path(home.path());
    {
        let index = Index::open(home.path());
        for number in 1..200 {
            index.upsert(&row(number)).unwrap();
        }
    }
    let whole = fs::read(&path).unwrap();
    let step = 4096;
    for at in (0..whole.len()).step_by(step) {
        for torn in [
            whole[..at].to_vec(),
            [
                &whole[..at],
                &vec![0x5a; step],
                &whole[(at + step).min(whole.len())..],
            ]
            .concat(),
        ] {
            fs::write(&path, torn).unwrap();
            let index = Index::open(home.path());
            // The damage may show only when the page is needed.
            let _rows = index.list(&ListQuery::default()).unwrap();
            index.upsert(&row(1)).unwrap();
            assert!(index.get(id(1)).unwrap().is_some(), "torn at {at}");
        }
    }
}

#[test]
fn an_older_form_is_emptied() {
    let home = tempfile::tempdir().unwrap();
    let path = index_path(home.path());
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let old = Connection::open(&path).unwrap();
    old.execute_batch(
        "CREATE TABLE threads (id TEXT, \"odd name\" TEXT); CREATE TABLE \"a b\" (x);",
    )
    .unwrap();
    drop(old);
    let index = Index::open(home.path());
    works(&index);
    assert_eq!(index.take_warning(), Some(Warning::Rebuilt { version: 0 }));
}

#[test]
fn a_newer_form_is_left_alone() {
    let home = tempfile::tempdir().unwrap();
    let path = index_path(home.path());
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let newer = Connection::open(&path).unwrap();
    newer
        .execute_batch("CREATE TABLE t (x); PRAGMA user_version = 999;")
        .unwrap();
    drop(newer);
    let before = fs::read(&path).unwrap();
    let index = Index::open(home.path());
    works(&index);
    assert!(matches!(
        index.take_warning(),
        Some(Warning::InMemory { .. })
    ));
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_locked_database_is_done_without() {
    let home = tempfile::tempdir().unwrap();
    let path = index_path(home.path());
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let holder = Connection::open(&path).unwrap();
    holder
        .execute_batch("CREATE TABLE t (x); BEGIN EXCLUSIVE;")
        .unwrap();
    let index = Index::open(home.path());
    works(&index);
    assert!(matches!(
        index.take_warning(),
        Some(Warning::InMemory { .. })
    ));
}

#[test]
fn a_folder_that_cannot_be_made_is_done_without() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("loomd"), "a file, not a folder").unwrap();
    let index = Index::open(home.path());
    works(&index);
    assert!(matches!(
        index.take_warning(),
        Some(Warning::InMemory { .. })
    ));
}
