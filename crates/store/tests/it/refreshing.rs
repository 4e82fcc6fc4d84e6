//! The index follows the files.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use loomd_base::ThreadId;
use loomd_store::{Index, ListQuery, RefreshReport, SeenFile, Source, SourceError, ThreadRow};

use crate::support::{id, numbers, row};

/// Files whose content is `<number> <words>`; no words means no user message yet.
struct Folder {
    root: tempfile::TempDir,
    files: BTreeMap<u64, (SeenFile, String)>,
    names: HashMap<ThreadId, String>,
    read: RefCell<Vec<u64>>,
}

impl Folder {
    fn new() -> Self {
        Self {
            root: tempfile::tempdir().unwrap(),
            files: BTreeMap::new(),
            names: HashMap::new(),
            read: RefCell::default(),
        }
    }

    fn put(&mut self, number: u64, words: &str, mtime_ms: i64) {
        let path = self.root.path().join(format!("{number}.jsonl"));
        fs::write(&path, words).unwrap();
        let file = SeenFile {
            thread: id(number),
            path,
            archived: false,
            mtime_ms,
            size: words.len() as u64,
        };
        self.files.insert(number, (file, words.to_owned()));
    }

    fn remove(&mut self, number: u64) {
        let (file, _) = self.files.remove(&number).unwrap();
        fs::remove_file(file.path).unwrap();
    }

    fn read(&self) -> Vec<u64> {
        std::mem::take(&mut self.read.borrow_mut())
    }
}

impl Source for Folder {
    fn files(&self) -> Result<Vec<SeenFile>, SourceError> {
        Ok(self.files.values().map(|(file, _)| file.clone()).collect())
    }

    fn read(&self, file: &SeenFile) -> Result<ThreadRow, SourceError> {
        let (number, (_, words)) = self
            .files
            .iter()
            .find(|(_, (known, _))| known.path == file.path)
            .unwrap();
        self.read.borrow_mut().push(*number);
        if words == "garbage" {
            return Err("no thread".into());
        }
        let mut row = row(*number);
        row.preview.clone_from(words);
        row.has_user_message = !words.is_empty();
        Ok(row)
    }

    fn names_stamp(&self) -> String {
        let mut names: Vec<_> = self.names.iter().collect();
        names.sort_unstable();
        format!("{names:?}")
    }

    fn names(&self) -> Result<HashMap<ThreadId, String>, SourceError> {
        Ok(self.names.clone())
    }
}

fn listed(index: &Index) -> Vec<u64> {
    numbers(&index.list(&ListQuery::default()).unwrap().rows)
}

fn get(index: &Index, number: u64) -> ThreadRow {
    index.get(id(number)).unwrap().unwrap()
}

#[test]
fn reads_new_files_and_nothing_a_second_time() {
    let home = tempfile::tempdir().unwrap();
    let index = Index::open(home.path());
    let mut folder = Folder::new();
    for number in 1..=300 {
        folder.put(number, "words", 5);
    }
    let report = index.refresh(&folder).unwrap();
    assert_eq!((report.seen, report.read), (300, 300));
    assert_eq!(get(&index, 7).preview, "words");
    assert_eq!(get(&index, 7).updated_ms, 5);
    assert_eq!(get(&index, 7).path, folder.files[&7].0.path);
    folder.read();
    let report = index.refresh(&folder).unwrap();
    assert_eq!(
        report,
        RefreshReport {
            seen: 300,
            ..RefreshReport::default()
        }
    );
    assert_eq!(folder.read(), [0u64; 0]);
}

#[test]
fn reads_the_head_again_only_where_it_can_say_more() {
    let home = tempfile::tempdir().unwrap();
    let index = Index::open(home.path());
    let mut folder = Folder::new();
    folder.put(1, "first words", 1);
    folder.put(2, "", 1);
    folder.put(3, "a long file", 1);
    index.refresh(&folder).unwrap();
    assert_eq!(listed(&index), [3, 1]);
    folder.read();

    folder.put(1, "first words and more", 2);
    folder.put(2, "at last", 2);
    folder.put(3, "short", 2);
    let report = index.refresh(&folder).unwrap();
    assert_eq!(folder.read(), [2, 3]);
    assert_eq!((report.read, report.touched), (2, 1));
    assert_eq!(get(&index, 1).preview, "first words");
    assert_eq!(get(&index, 1).updated_ms, 2);
    assert_eq!(get(&index, 3).preview, "short");
    assert_eq!(listed(&index), [3, 2, 1]);
}

#[test]
fn follows_files_that_move_and_forgets_those_that_are_gone() {
    let home = tempfile::tempdir().unwrap();
    let index = Index::open(home.path());
    let mut folder = Folder::new();
    folder.put(1, "one", 1);
    folder.put(2, "two", 1);
    index.refresh(&folder).unwrap();
    folder.read();
    let archive = folder.root.path().join("archive");
    fs::create_dir(&archive).unwrap();
    let (file, _) = folder.files.get_mut(&1).unwrap();
    let to: PathBuf = archive.join("1.jsonl");
    fs::rename(&file.path, &to).unwrap();
    file.path.clone_from(&to);
    file.archived = true;
    folder.remove(2);
    let report = index.refresh(&folder).unwrap();
    assert_eq!((report.touched, report.removed), (1, 1));
    assert_eq!(folder.read(), [0u64; 0]);
    assert_eq!(listed(&index), [0u64; 0]);
    assert!(get(&index, 1).archived);
    assert_eq!(get(&index, 1).path, to);
}

#[test]
fn a_thread_whose_file_is_there_but_not_seen_is_kept() {
    let home = tempfile::tempdir().unwrap();
    let index = Index::open(home.path());
    let mut hidden = row(1);
    hidden.path = home.path().join("hidden.jsonl");
    fs::write(&hidden.path, "x").unwrap();
    index.upsert(&hidden).unwrap();
    index.refresh(&Folder::new()).unwrap();
    assert_eq!(listed(&index), [1]);
}

#[test]
fn a_file_that_says_no_thread_is_read_again_only_when_it_changes() {
    let home = tempfile::tempdir().unwrap();
    let index = Index::open(home.path());
    let mut folder = Folder::new();
    folder.put(1, "garbage", 1);
    assert_eq!(index.refresh(&folder).unwrap().unreadable, 1);
    assert_eq!(folder.read(), [1]);
    assert_eq!(index.refresh(&folder).unwrap().unreadable, 1);
    assert_eq!(folder.read(), [0u64; 0]);
    folder.put(1, "words now", 2);
    assert_eq!(index.refresh(&folder).unwrap().read, 1);
    assert_eq!(listed(&index), [1]);
}

#[test]
fn takes_over_names_when_they_change_and_when_threads_come() {
    let home = tempfile::tempdir().unwrap();
    let index = Index::open(home.path());
    let mut folder = Folder::new();
    folder.put(1, "one", 1);
    folder.names.insert(id(1), "First".to_owned());
    folder.names.insert(id(2), "Second".to_owned());
    assert!(index.refresh(&folder).unwrap().names_read);
    assert!(!index.refresh(&folder).unwrap().names_read);
    assert_eq!(get(&index, 1).name.as_deref(), Some("First"));
    folder.put(2, "two", 1);
    index.refresh(&folder).unwrap();
    assert_eq!(get(&index, 2).name.as_deref(), Some("Second"));
    folder.names.remove(&id(1));
    folder.names.insert(id(2), "Renamed".to_owned());
    index.refresh(&folder).unwrap();
    assert_eq!(get(&index, 1).name, None);
    assert_eq!(get(&index, 2).name.as_deref(), Some("Renamed"));
}

#[test]
fn a_live_thread_s_row_outlives_a_refresh() {
    let home = tempfile::tempdir().unwrap();
    let index = Index::open(home.path());
    let mut folder = Folder::new();
    folder.put(1, "old words", 9);
    let mut live = row(1);
    live.path.clone_from(&folder.files[&1].0.path);
    live.model = Some("newest".to_owned());
    index.upsert(&live).unwrap();
    index.refresh(&folder).unwrap();
    assert_eq!(folder.read(), [0u64; 0], "its head is known");
    let after = get(&index, 1);
    assert_eq!(after.model.as_deref(), Some("newest"));
    assert_eq!(after.preview, live.preview);
    assert_eq!(after.updated_ms, 9);
}

#[test]
fn a_rebuilt_index_shows_the_same() {
    let home = tempfile::tempdir().unwrap();
    let mut folder = Folder::new();
    for number in 1..=20 {
        folder.put(number, "words", i64::try_from(number).unwrap());
    }
    folder.names.insert(id(3), "Three".to_owned());
    let all = |home: &Path| {
        let index = Index::open(home);
        index.refresh(&folder).unwrap();
        index.list(&ListQuery::default()).unwrap()
    };
    let first = all(home.path());
    fs::remove_dir_all(home.path().join("loomd")).unwrap();
    assert_eq!(all(home.path()), first);
}
