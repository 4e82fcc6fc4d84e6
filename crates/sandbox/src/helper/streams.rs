//! Opens the standard streams again, inside.
//!
//! A descriptor that was opened outside goes on meaning the mount outside, where a file
//! can be written: what a program reads from, be it `/dev/null`, could so be given
//! another mode, other times, and other attributes.

use std::fs;
use std::os::fd::RawFd;
use std::os::unix::fs::FileTypeExt as _;

use rustix::fs::{Mode, OFlags, fcntl_getfl, fstat, open};

use super::sys;

/// Opens again what has the same name inside and outside. What has none, as pipes,
/// stays; so does what may not be opened so inside, which the server gave on purpose.
pub(super) fn open_again() {
    for stream in [libc::STDIN_FILENO, libc::STDOUT_FILENO, libc::STDERR_FILENO] {
        let _stays = open_one(stream);
    }
}

fn open_one(stream: RawFd) -> Option<()> {
    let fd = sys::stream(stream);
    let path = fs::read_link(format!("/proc/self/fd/{stream}")).ok()?;
    let kind = fs::symlink_metadata(&path).ok()?.file_type();
    // Opening others may wait, or do something.
    if !kind.is_file() && !kind.is_dir() && !kind.is_char_device() {
        return None;
    }
    let access = OFlags::ACCMODE | OFlags::APPEND | OFlags::NONBLOCK;
    let flags = fcntl_getfl(fd).ok()? & access;
    let flags = flags | OFlags::NOCTTY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let again = open(&path, flags, Mode::empty()).ok()?;
    let (old, new) = (fstat(fd).ok()?, fstat(&again).ok()?);
    if (old.st_dev, old.st_ino) != (new.st_dev, new.st_ino) {
        return None;
    }
    if let Ok(offset) = rustix::fs::tell(fd) {
        rustix::fs::seek(&again, rustix::fs::SeekFrom::Start(offset)).ok()?;
    }
    sys::replace_stream(stream, again).ok()
}
