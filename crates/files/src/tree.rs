//! Folders, and what is known of a path.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::{FileError, FileResult};

/// Bytes of names that one listing may hold: some hundred thousand entries, and an answer
/// that a connection takes.
pub const LISTING_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What is known of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata {
    /// It is a folder, or leads to one.
    pub is_directory: bool,
    /// It is a regular file, or leads to one.
    pub is_file: bool,
    /// It is a symbolic link itself.
    pub is_symlink: bool,
    /// Unix milliseconds; 0 when the file system does not say.
    pub created_ms: i64,
    /// Unix milliseconds; 0 when the file system does not say.
    pub modified_ms: i64,
}

/// One entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name; what is no UTF-8 in it is replaced.
    pub name: String,
    /// It is a folder, or leads to one.
    pub is_directory: bool,
    /// It is a regular file, or leads to one.
    pub is_file: bool,
}

/// What is known of a path; of a link, of what it leads to.
///
/// # Errors
/// It is not there, or leads to where nothing is.
pub fn metadata(path: &Path) -> FileResult<Metadata> {
    let metadata = fs::metadata(path)?;
    Ok(Metadata {
        is_directory: metadata.is_dir(),
        is_file: metadata.is_file(),
        is_symlink: fs::symlink_metadata(path)?.is_symlink(),
        created_ms: metadata.created().map_or(0, unix_ms),
        modified_ms: metadata.modified().map_or(0, unix_ms),
    })
}

fn unix_ms(time: SystemTime) -> i64 {
    let ms = |span: std::time::Duration| i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => ms(since),
        Err(before) => -ms(before.duration()),
    }
}

/// What is in a folder, in the order of the file system. As in the reference, links that
/// lead nowhere are left out.
///
/// # Errors
/// It is no folder, cannot be read, or has too many names.
pub fn list_directory(path: &Path) -> FileResult<Vec<Entry>> {
    let mut entries = Vec::new();
    let mut bytes: usize = 0;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let kind = match entry.file_type() {
            Ok(kind) if !kind.is_symlink() => kind,
            _ => match fs::metadata(entry.path()) {
                Ok(metadata) => metadata.file_type(),
                Err(_) => continue,
            },
        };
        let name = entry.file_name().to_string_lossy().into_owned();
        bytes = bytes.saturating_add(name.len());
        if bytes > LISTING_BYTES_MAX {
            return Err(FileError::ListingTooLarge {
                limit: LISTING_BYTES_MAX,
            });
        }
        entries.push(Entry {
            name,
            is_directory: kind.is_dir(),
            is_file: kind.is_file(),
        });
    }
    Ok(entries)
}

/// Makes a folder; with `recursive` also those above it, and then it may be there already.
///
/// # Errors
/// It cannot be made.
pub fn create_directory(path: &Path, recursive: bool) -> FileResult<()> {
    if recursive {
        fs::create_dir_all(path)?;
    } else {
        fs::create_dir(path)?;
    }
    Ok(())
}

/// Removes a file, a link, or a folder: with `recursive` whatever is in it. With `force` it
/// need not be there. What a link leads to stays.
///
/// # Errors
/// It cannot be removed; of a folder a part may then be gone.
pub fn remove(path: &Path, recursive: bool, force: bool) -> FileResult<()> {
    let removed = fs::symlink_metadata(path).and_then(|metadata| {
        if !metadata.is_dir() {
            fs::remove_file(path)
        } else if recursive {
            fs::remove_dir_all(path)
        } else {
            fs::remove_dir(path)
        }
    });
    match removed {
        Err(error) if force && error.kind() == ErrorKind::NotFound => Ok(()),
        removed => Ok(removed?),
    }
}
