//! The index follows the files.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use loomd_store::{FileRow, Index, ListQuery, Refreshed, ThreadRow};

use super::{id, numbers, row};

/// Files whose content is the thread's preview; an empty one has no user message yet.
struct Folder {
    root: tempfile::TempDir,
    files: BTreeMap<u32, (FileRow, String)>,
    names: BTreeMap<loomd_base::ThreadId, String>,
    read: RefCell<Vec<u32>>,
}

impl Folder {
    fn new() -> Self {
        Self {
            root: tempfile::tempdir().expect("a folder"),
            files: BTreeMap::new(),
            names: BTreeMap::new(),
            read: RefCell::default(),
        }
    }

    fn put(&mut self, n: u32, words: &str, mtime_ms: i64) {
        let path = self.root.path().join(format!("{n}.jsonl"));
        fs::write(&path, words).expect("a file");
        let file = FileRow {
            id: id(n),
            path,
            archived: false,
            mtime_ms,
            size: words.len() as u64,
        };
        self.files.insert(n, (file, words.to_owned()));
    }

    fn refresh(&self, index: &Index) -> Refreshed {
        let files = self.files.values().map(|(file, _)| file.clone());
        index
            .refresh(files, &self.names, |file| self.head(file))
            .expect("a refresh")
    }

    fn head(&self, file: &FileRow) -> Option<ThreadRow> {
        let mut files = self.files.iter();
        let (n, (_, words)) = files.find(|(_, (known, _))| known == file)?;
        self.read.borrow_mut().push(*n);
        let mut found = row(*n);
        found.file = file.clone();
        found.thread.preview.clone_from(words);
        found.updated_ms = file.mtime_ms;
        found.recency_ms = file.mtime_ms;
        found.listed = !words.is_empty();
        (words != "garbage").then_some(found)
    }

    /// Which heads were read since the last question.
    fn read(&self) -> Vec<u32> {
        std::mem::take(&mut self.read.borrow_mut())
    }
}

fn listed(index: &Index) -> Vec<String> {
    numbers(index, &ListQuery::default()).0
}

fn get(index: &Index, n: u32) -> loomd_protocol::Thread {
    index.get(id(n)).expect("a read").expect("a thread")
}

#[test]
fn reads_new_files_and_nothing_a_second_time() {
    let home = tempfile::tempdir().expect("a folder");
    let index = Index::new(home.path());
    let mut folder = Folder::new();
    for n in 1..=600 {
        folder.put(n, &format!("words {n}"), 5000);
    }
    assert_eq!(folder.refresh(&index).read, 600);
    assert_eq!(get(&index, 7).preview, "words 7");
    assert_eq!(get(&index, 7).updated_at, 5);
    assert_eq!(folder.refresh(&index), Refreshed::default());
    assert_eq!(folder.read().len(), 600);
}

#[test]
fn reads_a_head_again_only_where_it_can_say_more() {
    let home = tempfile::tempdir().expect("a folder");
    let index = Index::new(home.path());
    let mut folder = Folder::new();
    folder.put(1, "first words", 1000);
    folder.put(2, "", 1000);
    folder.put(3, "a long file", 1000);
    folder.refresh(&index);
    assert_eq!(listed(&index), ["a long file", "first words"]);
    folder.read();

    folder.put(1, "first words and more", 2000);
    folder.put(2, "at last", 2000);
    folder.put(3, "short", 2000);
    let done = folder.refresh(&index);
    assert_eq!(folder.read(), [2, 3]);
    assert_eq!((done.read, done.touched), (2, 1));
    assert_eq!(listed(&index), ["short", "at last", "first words"]);
    assert_eq!(get(&index, 1).updated_at, 2);
}

#[test]
fn follows_files_that_move_and_forgets_those_that_are_gone() {
    let home = tempfile::tempdir().expect("a folder");
    let index = Index::new(home.path());
    let mut folder = Folder::new();
    for n in 1..=3 {
        folder.put(n, "words", 1000);
    }
    folder.refresh(&index);
    folder.read();
    let (file, _) = folder.files.get_mut(&1).expect("put above");
    let archive = folder.root.path().join("archive");
    fs::create_dir(&archive).expect("a folder");
    let to = archive.join("1.jsonl");
    fs::rename(&file.path, &to).expect("a move");
    file.path.clone_from(&to);
    file.archived = true;
    let (gone, _) = folder.files.remove(&2).expect("put above");
    fs::remove_file(gone.path).expect("a removal");
    // The third is there, but where no list looks.
    folder.files.remove(&3);

    let done = folder.refresh(&index);
    assert_eq!((done.touched, done.removed, done.read), (1, 1, 0));
    assert_eq!(get(&index, 1).path, to.to_str().map(str::to_owned));
    let archived = ListQuery {
        archived: true,
        ..ListQuery::default()
    };
    assert_eq!(numbers(&index, &archived).0, ["words"]);
    assert_eq!(index.get(id(2)).expect("a read"), None);
    assert_eq!(listed(&index), ["words"]);
}

#[test]
fn a_file_that_says_no_thread_is_read_again_only_when_it_changes() {
    let home = tempfile::tempdir().expect("a folder");
    let index = Index::new(home.path());
    let mut folder = Folder::new();
    folder.put(1, "garbage", 1000);
    for read in [vec![1], vec![]] {
        assert_eq!(folder.refresh(&index).unreadable, 1);
        assert_eq!(folder.read(), read);
    }
    folder.put(1, "words", 2000);
    folder.refresh(&index);
    assert_eq!(listed(&index), ["words"]);
}

#[test]
fn writes_names_when_they_change_and_when_threads_come() {
    let home = tempfile::tempdir().expect("a folder");
    let index = Index::new(home.path());
    let mut folder = Folder::new();
    folder.names = BTreeMap::from([(id(1), "One".to_owned()), (id(2), "Two".to_owned())]);
    folder.put(1, "words", 1000);
    folder.refresh(&index);
    assert_eq!(get(&index, 1).name.as_deref(), Some("One"));
    folder.put(2, "words", 1000);
    folder.refresh(&index);
    assert_eq!(get(&index, 2).name.as_deref(), Some("Two"));
    folder.names.insert(id(1), "Renamed".to_owned());
    folder.refresh(&index);
    assert_eq!(get(&index, 1).name.as_deref(), Some("Renamed"));
}

#[test]
fn a_loaded_thread_s_row_outlives_a_refresh() {
    let home = tempfile::tempdir().expect("a folder");
    let index = Index::new(home.path());
    let mut folder = Folder::new();
    folder.put(1, "old words", 9000);
    let mut live = row(1);
    live.file = FileRow {
        mtime_ms: 0,
        size: 0,
        ..folder.files[&1].0.clone()
    };
    live.thread.model = Some("newest".to_owned());
    index.upsert(&live).expect("a row is written");
    folder.refresh(&index);
    assert!(folder.read().is_empty(), "its head is known");
    assert_eq!(get(&index, 1).model.as_deref(), Some("newest"));
    assert_eq!(get(&index, 1).updated_at, 1);
    folder.put(1, "old words and more", 10_000);
    folder.refresh(&index);
    assert_eq!(get(&index, 1).updated_at, 10);
}

#[test]
fn a_rebuilt_index_shows_the_same() {
    let home = tempfile::tempdir().expect("a folder");
    let mut folder = Folder::new();
    for n in 1..=20 {
        folder.put(n, "words", i64::from(n) * 1000);
    }
    folder.names.insert(id(3), "Three".to_owned());
    let all = |home: &Path| {
        let index = Index::new(home);
        folder.refresh(&index);
        index.list(&ListQuery::default()).expect("a page")
    };
    let first = all(home.path());
    fs::remove_dir_all(home.path().join("loomd")).expect("a removal");
    assert_eq!(all(home.path()), first);
}
