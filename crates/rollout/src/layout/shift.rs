//! Moving a thread's files between the live folders and the archive, and removing them.
//!
//! All segments of a thread move together (seen on 0.169.0). The caller holds the
//! thread's writer lock or knows that it is not loaded.

use std::fs;
use std::path::{Path, PathBuf};

use loomd_base::ThreadId;

use super::find::segments;
use super::{ARCHIVED, SESSIONS};
use crate::error::{Result, io_error};

/// Moves a thread's files to `archived_sessions/` and returns where its live file is
/// now. `None` when the thread has no live file.
///
/// # Errors
/// When a file cannot be moved; files that were moved before stay moved, and a
/// second call moves the rest.
pub fn archive(home: &Path, thread: ThreadId) -> Result<Option<PathBuf>> {
    shift(home, thread, SESSIONS, |_| home.join(ARCHIVED))
}

/// Moves a thread's files back to the date folder of their names and returns where
/// its live file is now. `None` when the thread is not archived.
///
/// # Errors
/// As for [`archive`].
pub fn unarchive(home: &Path, thread: ThreadId) -> Result<Option<PathBuf>> {
    shift(home, thread, ARCHIVED, |folder| {
        home.join(SESSIONS).join(folder)
    })
}

/// Removes all files of a thread, archived or not, and says whether there were any.
/// Does not look whether another thread continues one of them.
///
/// # Errors
/// When a file cannot be removed.
pub fn remove(home: &Path, thread: ThreadId) -> Result<bool> {
    let mut any = false;
    for root in [SESSIONS, ARCHIVED] {
        let root = home.join(root);
        for (_, path) in segments(&root, thread).map_err(io_error("read", &root))? {
            fs::remove_file(&path).map_err(io_error("remove", &path))?;
            any = true;
        }
    }
    Ok(any)
}

/// The ids by which other files say that they continue one of this thread's: its own,
/// and those of its later segments.
///
/// # Errors
/// When the folders cannot be read.
pub fn file_ids(home: &Path, thread: ThreadId) -> Result<Vec<String>> {
    let mut ids = vec![thread.to_string()];
    for root in [SESSIONS, ARCHIVED] {
        let root = home.join(root);
        let found = segments(&root, thread).map_err(io_error("read", &root))?;
        ids.extend(
            found
                .iter()
                .filter_map(|(name, _)| Some(name.segment?.to_string())),
        );
    }
    Ok(ids)
}

fn shift(
    home: &Path,
    thread: ThreadId,
    from: &str,
    to: impl Fn(&Path) -> PathBuf,
) -> Result<Option<PathBuf>> {
    let root = home.join(from);
    let mut found = segments(&root, thread).map_err(io_error("read", &root))?;
    found.sort_by_key(|(name, _)| name.segment);
    let mut live = None;
    for (name, path) in found {
        let folder = to(&name.date_folder());
        fs::create_dir_all(&folder).map_err(io_error("create", &folder))?;
        let target = path.file_name().map(|file| folder.join(file));
        let target = target.expect("a found rollout has a file name");
        fs::rename(&path, &target).map_err(io_error("move", &path))?;
        live = Some(target);
    }
    Ok(live)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::{Found, find};

    const A: &str = "01a20591-c7df-7c90-85fa-162b8fa0bd59";
    const SEGMENT: &str = "01a20591-c971-7702-bdb7-303175039b9e";

    #[test]
    fn archives_and_unarchives_all_segments() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path();
        let thread: ThreadId = A.parse().unwrap();
        let first = format!("rollout-2026-11-22T23-17-13-{A}.jsonl");
        let second = format!("rollout-2026-11-23T23-17-13-{A}_{SEGMENT}.jsonl");
        for (folder, name) in [("22", &first), ("23", &second)] {
            let folder = home.join("sessions/2026/11").join(folder);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(name), "").unwrap();
        }
        let archived = archive(home, thread).unwrap();
        assert_eq!(archived, Some(home.join("archived_sessions").join(&second)));
        assert!(home.join("archived_sessions").join(&first).exists());
        assert_eq!(archive(home, thread).unwrap(), None);

        let live = unarchive(home, thread).unwrap().unwrap();
        assert_eq!(live, home.join("sessions/2026/11/23").join(&second));
        assert_eq!(
            find(home, thread).unwrap(),
            Some(Found {
                path: live,
                archived: false
            })
        );
        assert_eq!(unarchive(home, thread).unwrap(), None);

        assert_eq!(file_ids(home, thread).unwrap(), [A, SEGMENT]);
        assert!(remove(home, thread).unwrap());
        assert!(!remove(home, thread).unwrap());
        assert_eq!(find(home, thread).unwrap(), None);
    }
}
