//! Empty folders that hold the place of protected names that are not there.
//!
//! A mount needs something to be mounted on. So while a confined program runs, a
//! protected name that does not exist is an empty folder, which the program sees
//! read-only and which goes again with the last program that needs it. A folder that
//! somebody filled meanwhile stays. After a kill an empty folder can be left; it is
//! taken over, and removed, by the next program that needs it.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The mode by which an empty folder is known as a placeholder.
const MODE: u32 = 0o555;

/// How many need each placeholder, and the folder, opened and locked: another server on
/// the same folders must not remove it.
#[derive(Debug, Default)]
pub(crate) struct Placeholders(Mutex<BTreeMap<PathBuf, (usize, File)>>);

/// The need for some placeholders; they go when it is dropped, if nobody else needs them.
#[derive(Debug)]
pub(crate) struct Held {
    paths: Vec<PathBuf>,
    of: Arc<Placeholders>,
}

impl Placeholders {
    /// Makes folders in these places, or shares those that are there. A place that this
    /// user may not write is left alone: the program may not either.
    ///
    /// # Errors
    /// When one cannot be made and nothing else is there; none is left then.
    pub(crate) fn hold(self: &Arc<Self>, paths: &[PathBuf]) -> io::Result<Held> {
        let mut held = Held {
            paths: Vec::with_capacity(paths.len()),
            of: Arc::clone(self),
        };
        for path in paths {
            let mut counts = self.lock();
            if let Some((count, folder)) = counts.get_mut(path)
                && is_at(folder, path)
            {
                *count += 1;
            } else if let Some(folder) = make(path)? {
                // One that somebody removed meanwhile is needed no less.
                let count = counts.get(path).map_or(0, |(count, _)| *count);
                counts.insert(path.clone(), (count + 1, folder));
            } else {
                continue;
            }
            drop(counts);
            held.paths.push(path.clone());
        }
        Ok(held)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<PathBuf, (usize, File)>> {
        // A count is never left half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes a placeholder, or takes over one that is there; gives it, locked. `None` if
/// somebody's own is in its place.
fn make(path: &Path) -> io::Result<Option<File>> {
    /// Others may remove it between two steps, but not for ever.
    const TRIES: usize = 100;
    for _ in 0..TRIES {
        match DirBuilder::new().mode(MODE).create(path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if !is_placeholder(path) {
                    return Ok(None);
                }
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
                ) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(error),
        }
        let Ok(folder) = File::open(path) else {
            continue;
        };
        // Waits only for who is about to remove it. A file system without locks leaves
        // it to luck that two servers do not meet.
        let _ = folder.lock_shared();
        if is_at(&folder, path) {
            return Ok(Some(folder));
        }
    }
    Err(io::ErrorKind::ResourceBusy.into())
}

/// Whether an opened folder is the one at a path.
fn is_at(folder: &File, path: &Path) -> bool {
    let (Ok(opened), Ok(there)) = (folder.metadata(), fs::symlink_metadata(path)) else {
        return false;
    };
    (opened.dev(), opened.ino()) == (there.dev(), there.ino())
}

/// Whether a folder is an empty one that was left behind.
pub(crate) fn is_placeholder(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir() && meta.mode() & 0o7777 == MODE)
        && fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
}

impl Drop for Held {
    fn drop(&mut self) {
        for path in &self.paths {
            let mut counts = self.of.lock();
            let Some((count, _)) = counts.get_mut(path) else {
                continue;
            };
            *count -= 1;
            if *count == 0
                && let Some((_, folder)) = counts.remove(path)
            {
                let is_needed = matches!(folder.try_lock(), Err(TryLockError::WouldBlock));
                // One that is not empty is somebody's own by now.
                if !is_needed && is_at(&folder, path) {
                    let _ = fs::remove_dir(path);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placeholder_lasts_as_long_as_somebody_needs_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path().join(".git");
        let all = Arc::new(Placeholders::default());
        let hold = || all.hold(std::slice::from_ref(&place)).expect("held");
        let (first, second) = (hold(), hold());
        drop(first);
        assert!(is_placeholder(&place));
        drop(second);
        assert!(!place.exists());
    }

    #[test]
    fn a_placeholder_that_another_server_needs_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path().join(".git");
        let hold = |all: &Arc<Placeholders>| all.hold(std::slice::from_ref(&place)).expect("held");
        let (one, other) = (Arc::default(), Arc::default());
        let (first, second) = (hold(&one), hold(&other));
        drop(first);
        assert!(is_placeholder(&place));
        drop(second);
        assert!(!place.exists());
    }

    #[test]
    fn what_somebody_made_of_it_stays_and_what_was_left_goes() {
        let folder = tempfile::tempdir().expect("a folder");
        let (git, left) = (folder.path().join(".git"), folder.path().join(".aws"));
        fs::create_dir(folder.path().join(".codex")).expect("made");
        DirBuilder::new().mode(MODE).create(&left).expect("made");
        let all = Arc::new(Placeholders::default());
        let paths = [git.clone(), left.clone(), folder.path().join(".codex")];
        let held = all.hold(&paths).expect("held");
        fs::set_permissions(&git, std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .expect("set");
        fs::write(git.join("HEAD"), "x").expect("written");
        drop(held);
        assert!(git.join("HEAD").exists());
        assert!(!left.exists());
        assert!(folder.path().join(".codex").exists());
    }
}
