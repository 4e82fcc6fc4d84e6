//! What threads keep beside their rollouts: `loomd/thread_state/<thread id>.json`.
//!
//! A file is replaced in one step and is there only while it says something. It does
//! not move when the thread is archived. loomd's own: the reference keeps the same
//! facts in databases (`goals_1.sqlite`, `queue_1.sqlite`) that are not touched here.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use loomd_base::{Care, ThreadId};
use loomd_events::StoredState;

use crate::error::{Error, Result, io_error};

/// Folder of these files, in the home folder.
const FOLDER: &str = "loomd/thread_state";

/// Bytes of a file that is read; a larger one is not ours.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// What a thread keeps; nothing, if it has no file.
///
/// # Errors
/// When the file cannot be read or understood. It is left as it is.
pub fn read_state(home: &Path, thread: ThreadId) -> Result<StoredState> {
    let path = path_of(home, thread);
    let size = match fs::metadata(&path) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(StoredState::default()),
        Err(error) => return Err(io_error("read", &path)(error)),
    };
    if size > FILE_BYTES_MAX {
        let reason = format!("it has {size} bytes, more than {FILE_BYTES_MAX}");
        return Err(Error::State { path, reason });
    }
    let text = fs::read(&path).map_err(io_error("read", &path))?;
    serde_json::from_slice(&text).map_err(|error| Error::State {
        path,
        reason: error.to_string(),
    })
}

/// Writes what a thread keeps, in one step; removes its file if that is nothing.
///
/// # Errors
/// When the file cannot be written; what was there stays.
pub fn write_state(home: &Path, thread: ThreadId, state: &StoredState, care: Care) -> Result<()> {
    if *state == StoredState::default() {
        return remove_state(home, thread);
    }
    let path = path_of(home, thread);
    let text = serde_json::to_string(state).expect("plain structs always serialise");
    loomd_base::replace(&path, &text, care).map_err(io_error("write to", &path))
}

/// Removes what a thread keeps.
///
/// # Errors
/// When there is a file that cannot be removed.
pub fn remove_state(home: &Path, thread: ThreadId) -> Result<()> {
    let path = path_of(home, thread);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(io_error("remove", &path)(error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Puts a file that is not understood out of the way, so that nothing overwrites it, and
/// says where it is now.
///
/// # Errors
/// When it cannot be moved.
pub fn set_state_aside(home: &Path, thread: ThreadId) -> Result<PathBuf> {
    let path = path_of(home, thread);
    let aside = path.with_extension("damaged");
    fs::rename(&path, &aside).map_err(io_error("move", &path))?;
    Ok(aside)
}

/// The threads that keep something, so that whoever looks at many need not ask for each.
///
/// # Errors
/// When the folder is there and cannot be read.
pub fn threads_with_state(home: &Path) -> Result<BTreeSet<ThreadId>> {
    let folder = home.join(FOLDER);
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(error) => return Err(io_error("read", &folder)(error)),
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    Ok(names
        .filter_map(|name| name.strip_suffix(".json")?.parse().ok())
        .collect())
}

fn path_of(home: &Path, thread: ThreadId) -> PathBuf {
    home.join(FOLDER).join(format!("{thread}.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "01a20591-c7df-7c90-85fa-162b8fa0bd59";

    #[test]
    fn a_file_is_there_only_while_it_says_something() {
        let home = tempfile::tempdir().unwrap();
        let (home, thread) = (home.path(), A.parse().unwrap());
        let nothing = StoredState::default();
        assert_eq!(read_state(home, thread).unwrap(), nothing);
        let kept = StoredState {
            memory_disabled: true,
            ..StoredState::default()
        };
        write_state(home, thread, &kept, Care::PRIVATE).unwrap();
        assert_eq!(read_state(home, thread).unwrap(), kept);
        assert_eq!(threads_with_state(home).unwrap(), BTreeSet::from([thread]));
        write_state(home, thread, &nothing, Care::QUICK).unwrap();
        assert!(!path_of(home, thread).exists());
        remove_state(home, thread).unwrap();
        assert_eq!(threads_with_state(home).unwrap(), BTreeSet::new());
    }

    #[test]
    fn a_file_that_is_not_understood_is_an_error_and_stays() {
        let home = tempfile::tempdir().unwrap();
        let (home, thread) = (home.path(), A.parse().unwrap());
        let path = path_of(home, thread);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "{\"queue\":5}").unwrap();
        let error = read_state(home, thread).unwrap_err().to_string();
        assert!(error.contains("invalid type: integer `5`"), "{error}");
        let aside = set_state_aside(home, thread).unwrap();
        assert_eq!(fs::read_to_string(&aside).unwrap(), "{\"queue\":5}");
        assert_eq!(read_state(home, thread).unwrap(), StoredState::default());
    }
}
