//! Writing a whole file.
//!
//! A file that exists is written in place. Its links, mode, owner and whatever else hangs on
//! it stay, a file that is mounted alone can be written, and who watches the folder sees no
//! second file; a file that is moved into its place would lose all of that. The price is that
//! a process that is killed in the middle leaves a mixture. What fills disks is asked for
//! before the first byte changes, so that "no space left" leaves the old content.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::Path;

use crate::error::{FileError, FileResult};
use crate::read::without_waiting;

/// Makes `bytes` the content of a regular file, or of what a link leads to. A file that is
/// not there is made, and is not there afterwards either when it cannot be filled. Folders
/// are not made.
///
/// # Errors
/// The file cannot be made or written, or is no regular file.
pub fn write(path: &Path, bytes: &[u8]) -> FileResult<()> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => {}
        Ok(metadata) if metadata.is_dir() => {
            return Err(io::Error::from(rustix::io::Errno::ISDIR).into());
        }
        Ok(_) => return Err(FileError::NotAFile(path.to_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return match create(path, bytes) {
                // Somebody was faster, or the path is a link to where nothing is yet.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => fill(path, bytes),
                created => Ok(created?),
            };
        }
        Err(error) => return Err(error.into()),
    }
    fill(path, bytes)
}

fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    let written = reserve(&file, bytes.len()).and_then(|()| file.write_all(bytes));
    written.inspect_err(|_| {
        if let Err(error) = fs::remove_file(path) {
            tracing::debug!(%error, "a file that could not be filled stays");
        }
    })
}

fn fill(path: &Path, bytes: &[u8]) -> FileResult<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    let mut file = without_waiting(&mut options).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(FileError::NotAFile(path.to_owned()));
    }
    reserve(&file, bytes.len())?;
    file.write_all(bytes)?;
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    // Files below /proc have no length; cutting them is refused and not needed.
    if file.metadata()?.len() != length {
        file.set_len(length)?;
    }
    Ok(())
}

/// Has the disk set space aside, where it can, without a change that anybody sees.
fn reserve(file: &File, bytes: usize) -> io::Result<()> {
    use rustix::io::Errno;
    let length = u64::try_from(bytes).unwrap_or(u64::MAX);
    if length == 0 {
        return Ok(());
    }
    let keep = rustix::fs::FallocateFlags::KEEP_SIZE;
    match rustix::fs::fallocate(file, keep, 0, length) {
        Err(error @ (Errno::NOSPC | Errno::DQUOT | Errno::FBIG)) => Err(error.into()),
        // A file system that cannot do it is written to all the same.
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn a_file_keeps_its_links_and_its_mode() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        fs::write(path("file"), "long before").expect("written");
        fs::set_permissions(path("file"), fs::Permissions::from_mode(0o751)).expect("a mode");
        fs::hard_link(path("file"), path("hard")).expect("a link");
        symlink("file", path("soft")).expect("a link");
        write(&path("soft"), b"new").expect("written");
        assert_eq!(fs::read(path("hard")).expect("read"), b"new");
        let metadata = fs::metadata(path("file")).expect("there");
        assert_eq!(metadata.permissions().mode() & 0o777, 0o751);
        assert_eq!(metadata.nlink(), 2);
        assert!(path("soft").is_symlink());
        let left: Vec<_> = fs::read_dir(folder.path()).expect("listed").collect();
        assert_eq!(left.len(), 3, "nothing is left beside it");
    }

    #[test]
    fn a_link_to_nowhere_gets_its_target() {
        let folder = tempfile::tempdir().expect("a folder");
        symlink("target", folder.path().join("link")).expect("a link");
        write(&folder.path().join("link"), b"x").expect("written");
        assert_eq!(fs::read(folder.path().join("target")).expect("read"), b"x");
    }

    #[test]
    fn a_full_disk_leaves_what_was_there() {
        // More than any file may have: refused like a disk that is full.
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        fs::write(&path, "before").expect("written");
        let file = OpenOptions::new().write(true).open(&path).expect("open");
        let error = reserve(&file, usize::MAX >> 1).expect_err("refused");
        assert!(
            [ErrorKind::StorageFull, ErrorKind::FileTooLarge].contains(&error.kind()),
            "{error}"
        );
        assert_eq!(fs::read(&path).expect("read"), b"before");
    }

    #[test]
    fn pipes_are_refused_and_not_waited_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .expect("a pipe");
        for error in [
            write(&path, b"x").expect_err("refused"),
            crate::Reading::open(&path).expect_err("refused"),
        ] {
            assert!(matches!(error, FileError::NotAFile(_)), "{error}");
        }
    }
}
