//! The rules files on the disk, read again when they change.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use loomd_base::{FileStamp, is_absent, read_text};

use crate::amend::{AmendError, Amended, append_allow};
use crate::error::RuleError;
use crate::reader::{FileRules, TEXT_BYTES_MAX, read_rules};
use crate::rules::Rules;

/// Rules files of one folder that are read; a folder with more of them is a fault.
pub const FILES_MAX: usize = 256;
/// Sets of folders whose rules are remembered. When there are more, all are forgotten
/// and read again.
const SNAPSHOTS_MAX: usize = 64;

/// Gives out the rules that count now, and adds to them. One for the process, so that a
/// rule that is added counts for every thread at once. Its functions block on the disk.
#[derive(Debug)]
pub struct RuleStore {
    folder: PathBuf,
    /// Guards the map alone and is not held while files are read.
    snapshots: Mutex<BTreeMap<Vec<PathBuf>, Snapshot>>,
}

#[derive(Debug, Clone)]
struct Snapshot {
    stamps: Stamps,
    rules: Arc<Rules>,
}

/// The files of some folders in order, with their states.
type Stamps = Vec<(PathBuf, Result<FileStamp, String>)>;

impl RuleStore {
    /// The rules below the home folder `home`. Nothing is read yet.
    pub fn new(home: &Path) -> Self {
        Self {
            folder: home.join("rules"),
            snapshots: Mutex::default(),
        }
    }

    /// The file that [`allow`](Self::allow) adds to.
    pub fn default_file(&self) -> PathBuf {
        self.folder.join("default.rules")
    }

    /// The rules as the files are now: the user's, then those in `rules` below each of
    /// `config_folders`. These are the folders of the other layers of configuration, as
    /// 0.169.0 reads them: `/etc/codex`, and of a *trusted* project the `.codex` folders
    /// from its root down to the folder of the thread. The same snapshot is given out until a file changes; looking costs one listing per folder
    /// and one look per file. Never fails: see [`Rules::errors`].
    pub fn rules(&self, config_folders: &[PathBuf]) -> Arc<Rules> {
        let folders = std::iter::once(self.folder.clone())
            .chain(config_folders.iter().map(|folder| folder.join("rules")));
        let mut stamps = Stamps::new();
        for folder in folders {
            look(&folder, &mut stamps);
        }
        if let Some(known) = self.lock().get(config_folders)
            && known.stamps == stamps
        {
            return known.rules.clone();
        }
        let rules = Arc::new(read(&stamps));
        let mut snapshots = self.lock();
        if snapshots.len() >= SNAPSHOTS_MAX && !snapshots.contains_key(config_folders) {
            snapshots.clear();
        }
        let snapshot = Snapshot {
            stamps,
            rules: rules.clone(),
        };
        snapshots.insert(config_folders.to_vec(), snapshot);
        rules
    }

    /// Allows the commands that begin with `prefix` from now on, by a line in
    /// [`default_file`](Self::default_file). It counts from the next call of
    /// [`rules`](Self::rules) on, unless some rules file has a fault.
    ///
    /// # Errors
    /// See [`AmendError`]; nothing changes then.
    pub fn allow(&self, prefix: &[String]) -> Result<Amended, AmendError> {
        let amended = append_allow(&self.default_file(), prefix);
        // Its own writing must not hide in one tick of the clock.
        self.lock().clear();
        amended
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Vec<PathBuf>, Snapshot>> {
        self.snapshots
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds the rules files of a folder to `found`, in the order of their names. Files in
/// folders below it do not count, hidden ones do (0.169.0). Links are followed, which
/// 0.169.0 does not: what they forbid should not be overlooked.
fn look(folder: &Path, found: &mut Stamps) {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if is_absent(&error) => return,
        Err(error) => return found.push((folder.to_owned(), Err(error.to_string()))),
    };
    let mut paths = Vec::new();
    for entry in entries {
        match entry {
            Ok(entry) => paths.push(entry.path()),
            Err(error) => found.push((folder.to_owned(), Err(error.to_string()))),
        }
    }
    paths.retain(|path| is_rules_file(path));
    paths.sort();
    if paths.len() > FILES_MAX {
        let message = format!("expected at most {FILES_MAX} rules files in a folder");
        found.push((folder.to_owned(), Err(message)));
        paths.truncate(FILES_MAX);
    }
    for path in paths {
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(metadata) => found.push((path, Ok(FileStamp::of(&metadata)))),
            // It was there a moment ago, or it is a link to nowhere.
            Err(error) => found.push((path, Err(error.to_string()))),
        }
    }
}

fn is_rules_file(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == "rules")
}

fn read(stamps: &Stamps) -> Rules {
    let mut files: Vec<(&Path, FileRules)> = Vec::new();
    let mut errors = Vec::new();
    for (path, stamp) in stamps {
        let text = match stamp {
            Ok(_) => read_text(path, TEXT_BYTES_MAX).map_err(|error| error.to_string()),
            Err(message) => Err(message.clone()),
        };
        match text {
            Ok(text) => files.push((path, read_rules(&text))),
            Err(message) => errors.push(RuleError {
                path: path.clone(),
                span: None,
                message: format!("failed to read rules: {message}"),
            }),
        }
    }
    Rules::assemble(files.iter().map(|(path, file)| (*path, file)), errors)
}

#[cfg(test)]
mod tests;
