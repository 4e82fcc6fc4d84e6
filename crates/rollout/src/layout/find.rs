//! Searching the folders: one thread by its id, or all of them.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use loomd_base::ThreadId;
use uuid::Uuid;

use super::name::{RolloutName, parse};
use super::{ARCHIVED, SESSIONS};

/// Folders below `sessions/` and `archived_sessions/` are followed this deep
/// (`YYYY/MM/DD`); what lies deeper is not a rollout.
const DEPTH_MAX: usize = 3;

/// A thread's live file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The file.
    pub path: PathBuf,
    /// Whether it lies in `archived_sessions/`.
    pub archived: bool,
}

/// A file as the folders show it, without looking inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileStamp {
    /// The thread, by the file's name.
    pub thread: ThreadId,
    /// The file.
    pub path: PathBuf,
    /// Whether it lies in `archived_sessions/`.
    pub archived: bool,
    /// Time of the last write, Unix milliseconds.
    pub mtime_ms: i64,
    /// Bytes.
    pub size: u64,
}

/// Finds a thread's live file: newest date folders first, then files lying directly
/// in `sessions/`, then the archive. Reads names only.
///
/// # Errors
/// When a folder that is there cannot be read.
pub fn find(home: &Path, thread: ThreadId) -> io::Result<Option<Found>> {
    let is_ours = |name: &RolloutName| name.thread == thread;
    for (root, archived) in [(SESSIONS, false), (ARCHIVED, true)] {
        let found = newest_first(&home.join(root), DEPTH_MAX, &mut |folder| {
            Ok(files(folder)?
                .into_iter()
                .filter(|(name, _)| is_ours(name))
                .max_by_key(|(name, _)| name.segment)
                .map(|(_, path)| path))
        })?;
        if let Some(path) = found {
            return Ok(Some(Found { path, archived }));
        }
    }
    Ok(None)
}

/// Finds the file of a segment: the first file of the thread with this id, or the
/// later one with this segment id.
pub(crate) fn find_segment(home: &Path, id: Uuid) -> io::Result<Option<PathBuf>> {
    let is_it = |name: &RolloutName| match name.segment {
        None => name.thread.0 == id,
        Some(segment) => segment == id,
    };
    for root in [SESSIONS, ARCHIVED] {
        let found = newest_first(&home.join(root), DEPTH_MAX, &mut |folder| {
            Ok(files(folder)?
                .into_iter()
                .find(|(name, _)| is_it(name))
                .map(|(_, path)| path))
        })?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// All threads that a list may show: each thread's live file, archived ones too.
/// Files lying directly in `sessions/` are left out, as the reference does; a file
/// that vanishes meanwhile as well.
///
/// # Errors
/// When a folder that is there cannot be read.
pub fn scan(home: &Path) -> io::Result<impl Iterator<Item = FileStamp> + use<>> {
    let mut live: HashMap<ThreadId, (Option<Uuid>, PathBuf, bool)> = HashMap::new();
    for (root, archived) in [(ARCHIVED, true), (SESSIONS, false)] {
        let root = home.join(root);
        newest_first(&root, DEPTH_MAX, &mut |folder| {
            if !archived && folder == root {
                return Ok(None);
            }
            for (name, path) in files(folder)? {
                let candidate = (name.segment, path, archived);
                let known = live.entry(name.thread).or_insert_with(|| candidate.clone());
                // A live file wins over an archived one, a later segment over an earlier.
                if (!archived, candidate.0) > (!known.2, known.0) {
                    *known = candidate;
                }
            }
            Ok(None::<()>)
        })?;
    }
    Ok(live
        .into_iter()
        .filter_map(|(thread, (_, path, archived))| stamp(thread, path, archived)))
}

/// All files of a thread below a folder, in no order.
pub(super) fn segments(root: &Path, thread: ThreadId) -> io::Result<Vec<(RolloutName, PathBuf)>> {
    let mut found = Vec::new();
    newest_first(root, DEPTH_MAX, &mut |folder| {
        found.extend(
            files(folder)?
                .into_iter()
                .filter(|(name, _)| name.thread == thread),
        );
        Ok(None::<()>)
    })?;
    Ok(found)
}

fn stamp(thread: ThreadId, path: PathBuf, archived: bool) -> Option<FileStamp> {
    let metadata = fs::metadata(&path).ok()?;
    let mtime = metadata.modified().ok()?;
    let since = mtime.duration_since(UNIX_EPOCH).unwrap_or_default();
    Some(FileStamp {
        thread,
        path,
        archived,
        mtime_ms: i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        size: metadata.len(),
    })
}

/// The rollouts of a folder, in no order.
fn files(folder: &Path) -> io::Result<Vec<(RolloutName, PathBuf)>> {
    let mut found = Vec::new();
    for entry in entries(folder)? {
        let entry = entry?;
        if let Some(name) = entry.file_name().to_str().and_then(parse) {
            found.push((name, entry.path()));
        }
    }
    Ok(found)
}

/// Visits a folder's folders with the greatest names first, then the folder itself,
/// until `visit` returns something.
fn newest_first<T>(
    folder: &Path,
    depth: usize,
    visit: &mut impl FnMut(&Path) -> io::Result<Option<T>>,
) -> io::Result<Option<T>> {
    if depth > 0 {
        let mut folders = Vec::new();
        for entry in entries(folder)? {
            let entry = entry?;
            let is_number = entry
                .file_name()
                .to_str()
                .is_some_and(|name| !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit()));
            if is_number {
                folders.push(entry.path());
            }
        }
        folders.sort_unstable();
        for inner in folders.iter().rev() {
            if let Some(found) = newest_first(inner, depth - 1, visit)? {
                return Ok(Some(found));
            }
        }
    }
    visit(folder)
}

/// A folder's entries; none where there is no such folder.
fn entries(folder: &Path) -> io::Result<impl Iterator<Item = io::Result<fs::DirEntry>>> {
    match fs::read_dir(folder) {
        Ok(entries) => Ok(Some(entries).into_iter().flatten()),
        Err(e)
            if matches!(
                e.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(None.into_iter().flatten())
        }
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "01a20591-c7df-7c90-85fa-162b8fa0bd59";
    const SEGMENT: &str = "01a20591-c971-7702-bdb7-303175039b9e";

    fn put(home: &Path, path: &str) -> PathBuf {
        let path = home.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "x\n").unwrap();
        path
    }

    #[test]
    fn finds_nothing_in_an_empty_home() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(find(home.path(), A.parse().unwrap()).unwrap(), None);
        assert_eq!(scan(home.path()).unwrap().count(), 0);
    }

    #[test]
    fn finds_a_thread_in_any_date_folder_and_in_both_archives() {
        for (place, archived) in [
            ("sessions/2026/11/22", false),
            ("sessions/2020/01/01", false),
            ("sessions", false),
            ("archived_sessions", true),
            ("archived_sessions/2026/11/22", true),
        ] {
            let home = tempfile::tempdir().unwrap();
            let path = put(
                home.path(),
                &format!("{place}/rollout-2026-11-22T23-17-13-{A}.jsonl"),
            );
            put(home.path(), "sessions/2026/11/23/notes.txt");
            let found = find(home.path(), A.parse().unwrap()).unwrap();
            assert_eq!(
                found,
                Some(Found {
                    path: path.clone(),
                    archived
                })
            );
            let segment = find_segment(home.path(), Uuid::parse_str(A).unwrap()).unwrap();
            assert_eq!(segment, Some(path));
        }
    }

    #[test]
    fn takes_the_latest_segment_as_the_live_file() {
        let home = tempfile::tempdir().unwrap();
        let first = put(
            home.path(),
            &format!("sessions/2026/11/22/rollout-2026-11-22T23-17-13-{A}.jsonl"),
        );
        let second = put(
            home.path(),
            &format!("sessions/2026/11/22/rollout-2026-11-22T23-17-14-{A}_{SEGMENT}.jsonl"),
        );
        let found = find(home.path(), A.parse().unwrap()).unwrap().unwrap();
        assert_eq!(found.path, second);
        let listed: Vec<_> = scan(home.path()).unwrap().map(|file| file.path).collect();
        assert_eq!(listed, [second]);
        let base = find_segment(home.path(), Uuid::parse_str(A).unwrap()).unwrap();
        assert_eq!(base, Some(first));
    }

    #[test]
    fn lists_archived_threads_but_not_files_directly_in_sessions() {
        let home = tempfile::tempdir().unwrap();
        put(
            home.path(),
            &format!("sessions/rollout-2026-11-22T23-17-13-{A}.jsonl"),
        );
        put(
            home.path(),
            &format!("archived_sessions/rollout-2026-11-22T23-17-13-{SEGMENT}.jsonl"),
        );
        let listed: Vec<_> = scan(home.path()).unwrap().collect();
        assert_eq!(listed.len(), 1);
        assert!(listed[0].archived);
        assert_eq!(listed[0].size, 2);
        assert!(listed[0].mtime_ms > 0);
    }
}
