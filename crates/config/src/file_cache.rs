//! Files of the configuration, read once per change.
//!
//! Loading happens at every thread start, so a file is read and parsed only when
//! its [`FileStamp`] differs from the last look.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use loomd_base::{FileStamp, is_absent, read_text};

use crate::error::ConfigError;
use crate::layer::Content;

/// A configuration or instruction file longer than this is refused.
const FILE_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Files remembered; when more are asked for, all are forgotten and read again.
const FILES_MAX: usize = 64;

/// A text file as it was at some moment. Its text may hold keys, hence no debug output.
pub(crate) struct TextFile {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
    content: OnceLock<Result<Arc<Content>, ConfigError>>,
}

impl TextFile {
    /// The file as TOML; `make` turns the table into what is kept of it.
    pub(crate) fn content(
        &self,
        make: impl FnOnce(toml::Table) -> Content,
    ) -> Result<Arc<Content>, ConfigError> {
        self.content
            .get_or_init(|| match toml::from_str(&self.text) {
                Ok(table) => Ok(Arc::new(make(table))),
                Err(error) => Err(ConfigError::in_file(&self.path, &self.text, &error)),
            })
            .clone()
    }
}

/// The files read so far. The lock guards the map alone and is not held while a
/// file is read.
#[derive(Default)]
pub(crate) struct FileCache {
    files: Mutex<BTreeMap<PathBuf, (FileStamp, Arc<TextFile>)>>,
}

impl FileCache {
    /// The file at `path`, or nothing if there is none. `what` names its purpose in
    /// an error.
    pub(crate) fn get(
        &self,
        path: &Path,
        what: &'static str,
    ) -> Result<Option<Arc<TextFile>>, ConfigError> {
        let unreadable = |error: io::Error| ConfigError::Unreadable {
            what,
            path: path.to_owned(),
            message: error.to_string(),
        };
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(unreadable(error)),
        };
        let stamp = FileStamp::of(&metadata);
        if let Some(file) = self.known(path, &stamp) {
            return Ok(Some(file));
        }
        let text = read_text(path, FILE_BYTES_MAX).map_err(unreadable)?;
        let file = Arc::new(TextFile {
            path: path.to_owned(),
            text,
            content: OnceLock::new(),
        });
        self.remember(stamp, &file);
        Ok(Some(file))
    }

    fn known(&self, path: &Path, stamp: &FileStamp) -> Option<Arc<TextFile>> {
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, file) = files.get(path)?;
        (known == stamp).then(|| file.clone())
    }

    fn remember(&self, stamp: FileStamp, file: &Arc<TextFile>) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if files.len() >= FILES_MAX && !files.contains_key(&file.path) {
            files.clear();
        }
        files.insert(file.path.clone(), (stamp, file.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_home::TestHome;

    #[test]
    fn an_unchanged_file_is_read_once_and_a_replaced_one_again() {
        let home = TestHome::new();
        let path = home.write("a.toml", "x = 1");
        let cache = FileCache::default();
        let first = cache
            .get(&path, "test file")
            .expect("readable")
            .expect("there");
        let again = cache
            .get(&path, "test file")
            .expect("readable")
            .expect("there");
        assert!(Arc::ptr_eq(&first, &again));

        let other = home.write("b.toml", "x = 2");
        fs::rename(other, &path).expect("renaming works");
        let changed = cache
            .get(&path, "test file")
            .expect("readable")
            .expect("there");
        assert_eq!(changed.text, "x = 2");
    }

    #[test]
    fn a_missing_file_is_nothing_and_a_folder_is_an_error() {
        let home = TestHome::new();
        let cache = FileCache::default();
        assert!(
            cache
                .get(&home.path("none"), "test file")
                .expect("no error")
                .is_none()
        );
        let under_a_file = home.write("f", "").join("x");
        assert!(
            cache
                .get(&under_a_file, "test file")
                .expect("no error")
                .is_none()
        );
        let error = cache
            .get(&home.path("."), "test file")
            .err()
            .expect("a folder is no file");
        assert!(error.to_string().ends_with("not a regular file"), "{error}");
    }

    #[test]
    fn text_that_is_not_utf8_is_an_error() {
        let home = TestHome::new();
        let path = home.path("bad");
        fs::write(&path, b"a = \"\xff\"").expect("writing works");
        let error = FileCache::default()
            .get(&path, "test file")
            .err()
            .expect("not UTF-8");
        assert!(error.to_string().contains("invalid utf-8"), "{error}");
    }

    #[test]
    fn the_number_of_files_kept_is_bounded() {
        let home = TestHome::new();
        let cache = FileCache::default();
        for index in 0..=FILES_MAX {
            let path = home.write(&format!("{index}.toml"), "");
            cache.get(&path, "test file").expect("readable");
        }
        let kept = cache.files.lock().expect("not poisoned").len();
        assert_eq!(kept, 1);
    }
}
