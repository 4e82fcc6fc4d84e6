//! Why an operation on files failed.

use std::io;
use std::path::PathBuf;

/// Why an operation on files failed. The texts are the reference's, seen on 0.169.0, but
/// for [`FileError::ListingTooLarge`], which it does not know.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// A folder, a pipe or a device where a regular file is needed.
    #[error("path `{}` is not a file", .0.display())]
    NotAFile(PathBuf),
    /// The file has more bytes than `limit`.
    #[error("file is too large to read: limit is {limit} bytes")]
    TooLarge {
        /// In bytes.
        limit: u64,
    },
    /// The names in a folder take more bytes than `limit`.
    #[error("directory is too large to list: limit is {limit} bytes of names")]
    ListingTooLarge {
        /// In bytes.
        limit: usize,
    },
    /// A folder is copied only when that was asked for.
    #[error("fs/copy requires recursive: true when sourcePath is a directory")]
    NotRecursive,
    /// The copy would be part of what is copied.
    #[error("fs/copy cannot copy a directory to itself or one of its descendants")]
    IntoItself,
    /// A pipe, a socket or a device.
    #[error("fs/copy only supports regular files, directories, and symlinks")]
    OtherKind,
    /// The operating system's own text.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl FileError {
    /// Whether the request is at fault rather than the machine.
    #[must_use]
    pub fn is_of_request(&self) -> bool {
        match self {
            // A path with a NUL in it never reaches the operating system.
            Self::Io(error) => error.kind() == io::ErrorKind::InvalidInput,
            Self::NotAFile(_)
            | Self::TooLarge { .. }
            | Self::ListingTooLarge { .. }
            | Self::NotRecursive
            | Self::IntoItself
            | Self::OtherKind => true,
        }
    }
}

/// The result of an operation on files.
pub type FileResult<T> = Result<T, FileError>;
