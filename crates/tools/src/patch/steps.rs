//! The steps that a patch is written in, each with what undoes it.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, OFlags};

use super::disk;
use super::plan::Content;

/// A step that was done, or begun.
pub(super) enum Done {
    /// Folders made for a file, outermost first.
    Folders(Vec<PathBuf>),
    /// A file that was not there.
    Made(PathBuf),
    /// A file that was.
    Written {
        path: PathBuf,
        old: Content,
        mode: Permissions,
    },
    /// A link removed, which pointed there.
    Unlinked(PathBuf, PathBuf),
    /// A file removed. Open, so that one with further names gets this one back.
    Removed {
        path: PathBuf,
        file: File,
        old: Content,
        mode: Permissions,
    },
}

/// Opens a file that is there and a regular one, never waiting for a pipe.
pub(super) fn open(path: &Path, write: bool) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = OpenOptions::new()
        .read(true)
        .write(write)
        .custom_flags(i32::try_from(flags.bits()).unwrap_or_default())
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a file"));
    }
    Ok(file)
}

/// Writes `new`, where the plan found `old`.
pub(super) fn write_file(
    path: &Path,
    old: Option<&Content>,
    new: &str,
    done: &mut Vec<Done>,
) -> Result<(), String> {
    let failure = || format!("Failed to write file {}", path.display());
    make_folders(path, done).map_err(|_| failure())?;
    let file = match old {
        // What could not be read before could not be put back: a folder, a pipe, a file
        // without the right to read, a link to nowhere. None of them is replaced here.
        None => {
            let file = File::create_new(path).map_err(|_| failure())?;
            done.push(Done::Made(path.to_owned()));
            file
        }
        Some(old) => {
            let file = open(path, true).map_err(|_| failure())?;
            let mode = file.metadata().map_err(|_| failure())?.permissions();
            if !holds(&file, old) {
                return Err(changed(path));
            }
            done.push(Done::Written {
                path: path.to_owned(),
                old: old.clone(),
                mode,
            });
            file
        }
    };
    fill(&file, new.as_bytes()).map_err(|_| failure())
}

/// Removes a file in which the plan found `old`, or the link to it.
pub(super) fn remove_file(path: &Path, old: &str, done: &mut Vec<Done>) -> Result<(), String> {
    let failed = |_: io::Error| format!("Failed to delete file {}", path.display());
    let file = open(path, false).map_err(failed)?;
    let old = Content::Text(old.to_owned());
    if !holds(&file, &old) {
        return Err(changed(path));
    }
    let step = match fs::read_link(path) {
        Ok(target) => Done::Unlinked(path.to_owned(), target),
        Err(_) => Done::Removed {
            path: path.to_owned(),
            mode: file.metadata().map_err(failed)?.permissions(),
            file,
            old,
        },
    };
    fs::remove_file(path).map_err(failed)?;
    done.push(step);
    Ok(())
}

/// Puts one file back after the process that wrote it ended somewhere in the middle.
pub(super) fn put_back(path: &Path, old: Option<&Content>, new: &str) -> io::Result<()> {
    let file = match open(path, true) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return old.map_or(Ok(()), |old| fill(&File::create_new(path)?, old.as_bytes()));
        }
        Err(error) => return Err(error),
    };
    let now = disk::content(&file)?;
    match old {
        Some(old) if now == old.as_bytes() => Ok(()),
        // Also the undoing may have been cut short.
        Some(old)
            if is_mixed(&now, old.as_bytes(), new.as_bytes())
                || is_mixed(&now, new.as_bytes(), old.as_bytes()) =>
        {
            fill(&file, old.as_bytes())
        }
        // It was made, and filled as far as it got.
        None if new.as_bytes().starts_with(&now) => fs::remove_file(path),
        Some(_) | None => Err(io::Error::other("somebody else wrote it")),
    }
}

/// Whether [`fill`] may have left this between `before` and `after`: a beginning of the one,
/// and behind it the rest of the other.
fn is_mixed(now: &[u8], before: &[u8], after: &[u8]) -> bool {
    let written = now.iter().zip(after).take_while(|(a, b)| a == b).count();
    if now.len() != before.len() {
        return now == after || (now.len() > before.len() && written == now.len());
    }
    let rest = now.iter().rev().zip(before.iter().rev());
    written + rest.take_while(|(a, b)| a == b).count() >= now.len()
}

fn changed(path: &Path) -> String {
    let path = path.display();
    format!("Failed to write file {path}: it has changed since the patch was checked")
}

fn holds(file: &File, old: &Content) -> bool {
    disk::content(file).is_ok_and(|now| now == old.as_bytes())
}

/// Gives a file this content. Its old content goes only as far as the new one came.
fn fill(mut file: &File, bytes: &[u8]) -> io::Result<()> {
    reserve(file, bytes.len() as u64)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(bytes)?;
    file.set_len(bytes.len() as u64)
}

/// Bytes from which on room is asked for before: it costs as much as writing a small file,
/// and what was overwritten in part is put back into the room it still has.
#[cfg(target_os = "linux")]
const RESERVED_FROM: u64 = 64 * 1024;

/// Asks for the room that a long content will take. Changes nothing that can be read.
#[cfg(target_os = "linux")]
fn reserve(file: &File, len: u64) -> io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    use rustix::io::Errno;

    if len < RESERVED_FROM {
        return Ok(());
    }
    match fallocate(file, FallocateFlags::KEEP_SIZE, 0, len) {
        Err(error @ (Errno::NOSPC | Errno::DQUOT | Errno::FBIG)) => {
            // Some of it may have been given.
            let _ = file.set_len(file.metadata()?.len());
            Err(error.into())
        }
        // Not every file system can; then the write itself will tell.
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(not(target_os = "linux"))]
fn reserve(_: &File, _: u64) -> io::Result<()> {
    Ok(())
}

fn make_folders(path: &Path, done: &mut Vec<Done>) -> io::Result<()> {
    let mut missing: Vec<PathBuf> = path
        .ancestors()
        .skip(1)
        .take_while(|folder| !folder.exists())
        .map(Path::to_owned)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    missing.reverse();
    let innermost = missing.last().cloned().unwrap_or_default();
    done.push(Done::Folders(missing));
    fs::create_dir_all(innermost)
}

impl Done {
    /// Undoes it. Those after it must be undone already.
    pub(super) fn undo(self) -> io::Result<()> {
        match self {
            Self::Folders(made) => {
                for folder in made.iter().rev() {
                    if folder.exists() {
                        fs::remove_dir(folder)?;
                    }
                }
                Ok(())
            }
            Self::Made(path) => fs::remove_file(path),
            Self::Written { path, old, mode } => {
                // What was writable then may have become a file that is not.
                let file = open(&path, true)?;
                fill(&file, old.as_bytes())?;
                file.set_permissions(mode)
            }
            Self::Unlinked(path, target) => std::os::unix::fs::symlink(target, path),
            Self::Removed {
                path,
                file,
                old,
                mode,
            } => {
                if revive(&file, &path).is_ok() {
                    return Ok(());
                }
                let file = File::create_new(path)?;
                fill(&file, old.as_bytes())?;
                file.set_permissions(mode)
            }
        }
    }
}

/// Gives an open file a name again. The system does that only for one that has another.
fn revive(file: &File, path: &Path) -> io::Result<()> {
    let open = format!("/proc/self/fd/{}", file.as_raw_fd());
    rustix::fs::linkat(CWD, open, CWD, path, AtFlags::SYMLINK_FOLLOW)?;
    Ok(())
}
