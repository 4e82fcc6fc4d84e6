//! Text files that people write: read in full, within a limit, and again when they change.

use std::fs::{self, Metadata};
use std::io::{self, Read as _};
use std::path::Path;

/// What tells one state of a file from another: its device, inode, size and times.
///
/// A file that is replaced by renaming (as careful editors do) always has a new inode. A
/// program that rewrites it in place with the same length within one tick of the file
/// system's clock goes unnoticed until the next write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileStamp {
    size: u64,
    #[cfg(unix)]
    identity: (u64, u64),
    #[cfg(unix)]
    times: [(i64, i64); 2],
    #[cfg(not(unix))]
    modified: Option<std::time::SystemTime>,
}

impl FileStamp {
    /// The state that `metadata` tells of.
    #[cfg(unix)]
    pub fn of(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        Self {
            size: metadata.len(),
            identity: (metadata.dev(), metadata.ino()),
            times: [
                (metadata.mtime(), metadata.mtime_nsec()),
                (metadata.ctime(), metadata.ctime_nsec()),
            ],
        }
    }

    /// The state that `metadata` tells of.
    #[cfg(not(unix))]
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            size: metadata.len(),
            modified: metadata.modified().ok(),
        }
    }
}

/// Whether there is no file. A path below something that is no folder is as absent as one
/// that does not exist.
pub fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// The text of the file at `path`.
///
/// # Errors
/// When it cannot be read, is no regular file (a pipe would never end), is longer than
/// `bytes_max`, or is not UTF-8.
pub fn read_text(path: &Path, bytes_max: u64) -> io::Result<String> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut bytes = Vec::new();
    fs::File::open(path)?
        .take(bytes_max.saturating_add(1))
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        return Err(io::Error::other(format!("longer than {bytes_max} bytes")));
    }
    String::from_utf8(bytes).map_err(|error| io::Error::other(error.utf8_error().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_text_within_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let absent = read_text(&path, 4).unwrap_err();
        assert!(is_absent(&absent));
        for (bytes, expected) in [
            (&b"four"[..], Ok("four")),
            (&b"fives"[..], Err("longer than 4 bytes")),
            (
                &b"a\xff"[..],
                Err("invalid utf-8 sequence of 1 bytes from index 1"),
            ),
        ] {
            fs::write(&path, bytes).unwrap();
            let read = read_text(&path, 4).map_err(|error| error.to_string());
            assert_eq!(read.as_deref().map_err(String::as_str), expected);
        }
        assert!(is_absent(&read_text(&path.join("b"), 4).unwrap_err()));
        let folder = read_text(folder.path(), 4).unwrap_err();
        assert_eq!(folder.to_string(), "not a regular file");
    }

    #[test]
    fn a_replaced_file_has_another_stamp() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let stamp = || FileStamp::of(&fs::metadata(&path).unwrap());
        fs::write(&path, "x").unwrap();
        let first = stamp();
        assert_eq!(first, stamp());
        let other = folder.path().join("b");
        fs::write(&other, "y").unwrap();
        fs::rename(other, &path).unwrap();
        assert_ne!(first, stamp());
    }
}
