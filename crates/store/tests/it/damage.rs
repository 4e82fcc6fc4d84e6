//! A file in any state stops nobody.

use std::fs;
use std::path::{Path, PathBuf};

use loomd_store::{Index, ListQuery};
use rusqlite::Connection;

use super::{filled, id, numbers, row};

fn index_file(home: &Path) -> PathBuf {
    let folder = home.join("loomd");
    fs::create_dir_all(&folder).expect("a folder");
    folder.join("index.sqlite")
}

fn works(home: &Path) {
    let index = filled(home, 1);
    assert_eq!(numbers(&index, &ListQuery::default()).0, ["prompt 1"]);
}

#[test]
fn making_an_index_touches_nothing() {
    let home = tempfile::tempdir().expect("a folder");
    let _index = Index::new(home.path());
    assert_eq!(fs::read_dir(home.path()).expect("a folder").count(), 0);
}

#[test]
fn what_was_written_is_there_for_the_next_process_and_for_another_one() {
    let home = tempfile::tempdir().expect("a folder");
    let first = filled(home.path(), 1);
    let second = Index::new(home.path());
    second.upsert(&row(2)).expect("a row is written");
    for index in [&first, &second, &Index::new(home.path())] {
        assert_eq!(
            numbers(index, &ListQuery::default()).0,
            ["prompt 2", "prompt 1"]
        );
    }
}

#[test]
fn a_file_of_no_use_is_set_aside_and_made_anew() {
    let home = tempfile::tempdir().expect("a folder");
    let file = index_file(home.path());
    fs::write(&file, "not a database at all, not even close").expect("a file");
    works(home.path());
    let aside = file.with_extension("sqlite.damaged");
    assert!(
        fs::read_to_string(aside)
            .expect("a file")
            .starts_with("not a")
    );
}

#[test]
fn a_file_of_another_form_is_made_anew() {
    for version in [1, 999] {
        let home = tempfile::tempdir().expect("a folder");
        let other = Connection::open(index_file(home.path())).expect("a database");
        other
            .execute_batch(&format!(
                "CREATE TABLE threads (x); PRAGMA user_version = {version};"
            ))
            .expect("a table");
        drop(other);
        works(home.path());
    }
}

#[test]
fn a_file_torn_anywhere_works_again_at_once() {
    let home = tempfile::tempdir().expect("a folder");
    let file = index_file(home.path());
    filled(home.path(), 150).close();
    let whole = fs::read(&file).expect("a file");
    const PAGE: usize = 4096;
    for at in (0..whole.len()).step_by(PAGE) {
        let rest = &whole[(at + PAGE).min(whole.len())..];
        for torn in [
            whole[..at].to_vec(),
            [&whole[..at], &[0x5a; PAGE], rest].concat(),
        ] {
            fs::write(&file, torn).expect("a file");
            let index = Index::new(home.path());
            index.list(&ListQuery::default()).expect("a page");
            index.upsert(&row(1)).expect("a row is written");
            assert!(index.get(id(1)).expect("a read").is_some(), "torn at {at}");
        }
    }
}

#[test]
fn a_file_that_another_program_sits_on_is_done_without() {
    let home = tempfile::tempdir().expect("a folder");
    let file = index_file(home.path());
    let holder = Connection::open(&file).expect("a database");
    holder
        .execute_batch("CREATE TABLE t (x); BEGIN EXCLUSIVE;")
        .expect("a lock");
    works(home.path());
    assert!(file.exists(), "it is not ours to move");
}

#[test]
fn a_home_that_cannot_be_written_gets_an_index_in_memory() {
    works(Path::new("/proc/nowhere"));
}
