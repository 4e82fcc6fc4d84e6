//! Reading a whole file.

use std::fs::{self, File, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::error::{FileError, FileResult};

/// Bytes of the largest file that is read. As base64 in an answer they make a message of
/// just below 64 MiB, the largest that the server's own transports take: what can be read
/// can be written back.
pub const READ_BYTES_MAX: u64 = 47 * 1024 * 1024;
/// What a file counts that says it is empty, as those below `/proc` do.
const UNKNOWN_BYTES: u64 = 64 * 1024;

/// A file that is open for reading.
#[derive(Debug)]
pub struct Reading {
    file: File,
    bytes: u64,
}

impl Reading {
    /// Opens a regular file, or what a link leads to. Does not wait for the other end of
    /// a pipe.
    ///
    /// # Errors
    /// It is not there, is no regular file, is too large, or may not be read.
    pub fn open(path: &Path) -> FileResult<Self> {
        // Looked at before it is opened, because opening a device can do something.
        if !fs::metadata(path)?.is_file() {
            return Err(FileError::NotAFile(path.to_owned()));
        }
        let file = without_waiting(OpenOptions::new().read(true)).open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(FileError::NotAFile(path.to_owned()));
        }
        if metadata.len() > READ_BYTES_MAX {
            return Err(too_large());
        }
        Ok(Self {
            file,
            bytes: metadata.len(),
        })
    }

    /// How many bytes it is expected to have.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.max(UNKNOWN_BYTES)
    }

    /// Reads it to the end.
    ///
    /// # Errors
    /// Reading fails, or the file has meanwhile grown too large.
    pub fn read(self) -> FileResult<Vec<u8>> {
        let mut bytes = Vec::with_capacity(usize::try_from(self.bytes).unwrap_or(0));
        self.file.take(READ_BYTES_MAX + 1).read_to_end(&mut bytes)?;
        if u64::try_from(bytes.len()).is_ok_and(|read| read <= READ_BYTES_MAX) {
            return Ok(bytes);
        }
        Err(too_large())
    }
}

fn too_large() -> FileError {
    FileError::TooLarge {
        limit: READ_BYTES_MAX,
    }
}

/// Opening a pipe would otherwise wait for its other end, for good.
pub(crate) fn without_waiting(options: &mut OpenOptions) -> &mut OpenOptions {
    let flags = rustix::fs::OFlags::NONBLOCK.bits();
    options.custom_flags(i32::try_from(flags).unwrap_or(0))
}
