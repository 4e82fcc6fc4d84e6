//! One writer per thread, across processes.
//!
//! Whoever has a thread loaded holds an exclusive `flock` on
//! `thread-writer-locks/<thread id>.lock` and removes the file when it unloads;
//! creating and removing happens under a lock on `.coordination.lock` in the same
//! folder, so that nobody locks a file that was just removed (seen on 0.169.0 by its
//! locks and by holding each of them; 0.131.0 takes none).

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use loomd_base::ThreadId;

use crate::error::{Error, Result, io_error};

const FOLDER: &str = "thread-writer-locks";
const COORDINATION: &str = ".coordination.lock";

/// How long a short lock of another process is waited for. The reference waits 30
/// seconds; its own holds are a few file operations long.
pub const WAIT_MAX: Duration = Duration::from_secs(5);
/// Pause between two tries.
const WAIT_STEP: Duration = Duration::from_millis(5);

/// The right to write a thread's rollout; given back when dropped.
#[derive(Debug)]
pub struct WriterLock {
    path: PathBuf,
    /// Holds the lock as long as it is open.
    _file: File,
}

impl WriterLock {
    /// Takes the right to write `thread`.
    ///
    /// # Errors
    /// [`Error::Locked`] when somebody has it, [`Error::LockBusy`] when the
    /// coordination lock cannot be had within [`WAIT_MAX`].
    pub fn take(home: &Path, thread: ThreadId) -> Result<Self> {
        let folder = home.join(FOLDER);
        fs::create_dir_all(&folder).map_err(io_error("create", &folder))?;
        let _coordination = wait_for(&folder.join(COORDINATION))?;
        let path = folder.join(format!("{thread}.lock"));
        let file = open(&path)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { path, _file: file }),
            Err(TryLockError::WouldBlock) => Err(Error::Locked(thread)),
            Err(TryLockError::Error(source)) => Err(io_error("lock", &path)(source)),
        }
    }
}

impl Drop for WriterLock {
    fn drop(&mut self) {
        // A lock file that stays behind is harmless, so this waits for nobody.
        let coordination = self.path.with_file_name(COORDINATION);
        if let Ok(file) = open(&coordination)
            && file.try_lock().is_ok()
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::debug!(%error, "writer lock file stays behind");
        }
    }
}

/// Waits for a lock that others hold only briefly.
pub(crate) fn wait_for(path: &Path) -> Result<File> {
    let file = open(path)?;
    let tries = WAIT_MAX.as_millis() / WAIT_STEP.as_millis();
    for _ in 0..tries {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => std::thread::sleep(WAIT_STEP),
            Err(TryLockError::Error(source)) => return Err(io_error("lock", path)(source)),
        }
    }
    Err(Error::LockBusy(path.to_path_buf()))
}

fn open(path: &Path) -> Result<File> {
    let opened: io::Result<File> = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path);
    opened.map_err(io_error("open", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "01a20591-c7df-7c90-85fa-162b8fa0bd59";

    #[test]
    fn refuses_a_second_writer_and_lets_go_when_dropped() {
        let home = tempfile::tempdir().unwrap();
        let thread: ThreadId = A.parse().unwrap();
        let held = WriterLock::take(home.path(), thread).unwrap();
        let refused = WriterLock::take(home.path(), thread).unwrap_err();
        assert_eq!(
            refused.to_string(),
            format!("thread {A} already has an active writer")
        );
        let path = home.path().join(FOLDER).join(format!("{A}.lock"));
        assert!(path.exists());
        drop(held);
        assert!(!path.exists());
        WriterLock::take(home.path(), thread).unwrap();
    }

    #[test]
    fn a_lock_file_left_behind_by_a_dead_process_is_taken_over() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join(FOLDER);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("{A}.lock")), "").unwrap();
        WriterLock::take(home.path(), A.parse().unwrap()).unwrap();
    }
}
