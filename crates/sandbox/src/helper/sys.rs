//! System calls of the helper that no safe library offers.
//!
//! The helper has one thread, so what a fork leaves behind is whole.

#![expect(
    unsafe_code,
    reason = "fork, signals and mount attributes have no safe wrapper; each use says why it is sound"
)]

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};

/// Takes a descriptor over that the server left open for the helper.
pub(super) fn inherited(number: RawFd) -> io::Result<OwnedFd> {
    if number <= libc::STDERR_FILENO {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: whether it is open is asked at once, and nobody else in this process has
    // taken it over: the numbers come from the server, one for each use.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    fcntl_getfd(borrowed)?;
    fcntl_setfd(borrowed, FdFlags::CLOEXEC)?;
    // SAFETY: it is open, as was just seen.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Which side of a fork this is.
pub(super) enum Fork {
    /// The parent, with the child's process id.
    Parent(libc::pid_t),
    /// The child.
    Child,
}

/// Splits the process.
pub(super) fn fork() -> io::Result<Fork> {
    // SAFETY: the process has one thread, so the child has all there is.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Fork::Child),
        child => Ok(Fork::Parent(child)),
    }
}

/// Makes new namespaces.
pub(super) fn unshare(flags: i32) -> io::Result<()> {
    // SAFETY: file descriptors stay shared, which is all the safe code here relies on.
    check(unsafe { libc::unshare(flags) }.into()).map(drop)
}

/// Leaves the session keyring of the server for a new one.
pub(super) fn new_keyring() {
    // SAFETY: no memory is passed. A kernel without keyrings has nothing to leave.
    unsafe {
        libc::syscall(
            libc::SYS_keyctl,
            libc::KEYCTL_JOIN_SESSION_KEYRING,
            std::ptr::null::<libc::c_char>(),
        );
    }
}

/// Sets attributes of the mount at `path`, or of the one that `fd` stands for if `path`
/// is empty; with `deep` of all mounts below too.
pub(super) fn set_mount_attributes(
    fd: RawFd,
    path: &Path,
    attributes: u64,
    deep: bool,
) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let attributes = libc::mount_attr {
        attr_set: attributes,
        attr_clr: 0,
        propagation: 0,
        userns_fd: 0,
    };
    let mut flags = libc::AT_EMPTY_PATH;
    if deep {
        flags |= libc::AT_RECURSIVE;
    }
    // SAFETY: both pointers are to values that outlive the call, and the length is that
    // of the structure.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            fd,
            path.as_ptr(),
            flags,
            std::ptr::from_ref(&attributes),
            size_of::<libc::mount_attr>(),
        )
    };
    check(done).map(drop)
}

/// Blocks every signal, so that they are only taken by [`next_signal`].
pub(super) fn block_signals() {
    set_mask(&all_signals());
}

/// Blocks none any more, for the program, which inherits it.
pub(super) fn unblock_signals() {
    // SAFETY: a set of signals is plain numbers, and is filled before it is used.
    let none = unsafe {
        let mut none = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        none
    };
    set_mask(&none);
}

fn set_mask(mask: &libc::sigset_t) {
    // SAFETY: the set is initialised, and nothing is written back.
    unsafe {
        libc::sigprocmask(libc::SIG_SETMASK, mask, std::ptr::null_mut());
    }
}

/// Waits for the next signal.
pub(super) fn next_signal() -> io::Result<i32> {
    let all = all_signals();
    // SAFETY: the set is initialised; no details are asked for.
    check(unsafe { libc::sigwaitinfo(&raw const all, std::ptr::null_mut()) }.into())
        .and_then(|signal| i32::try_from(signal).map_err(io::Error::other))
}

fn all_signals() -> libc::sigset_t {
    // SAFETY: a set of signals is plain numbers, and is filled before it is used.
    unsafe {
        let mut all = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        all
    }
}

/// Sends a signal to a process group, or to the process if the group is not there yet.
pub(super) fn pass_on(process: libc::pid_t, signal: i32) {
    // SAFETY: no memory is passed.
    unsafe {
        if libc::kill(-process, signal) == -1 {
            libc::kill(process, signal);
        }
    }
}

/// Closes every descriptor but `keep`.
pub(super) fn close_all_but(keep: &OwnedFd) {
    let keep = keep.as_raw_fd().unsigned_abs();
    // SAFETY: the caller uses no other descriptor from here on.
    unsafe {
        if keep > 0 {
            libc::close_range(0, keep - 1, 0);
        }
        libc::close_range(keep + 1, u32::MAX, 0);
    }
}

/// Closes every descriptor above the standard streams but those in `keep`.
pub(super) fn close_above_streams(keep: &[&OwnedFd]) {
    let mut keep: Vec<u32> = keep
        .iter()
        .map(|fd| fd.as_raw_fd().unsigned_abs())
        .collect();
    keep.sort_unstable();
    let mut from = libc::STDERR_FILENO.unsigned_abs() + 1;
    for fd in keep.into_iter().chain([u32::MAX]) {
        if fd > from {
            // SAFETY: nothing was opened yet but the standard streams and what is kept.
            unsafe {
                libc::close_range(from, fd - 1, 0);
            }
        }
        from = fd.saturating_add(1);
    }
}

/// Puts `file` in the place of a standard stream.
pub(super) fn replace_stream(stream: RawFd, file: OwnedFd) -> io::Result<()> {
    // SAFETY: the standard streams are nobody's own, and both are open.
    check(unsafe { libc::dup2(file.as_raw_fd(), stream) }.into()).map(drop)
}

/// A standard stream.
pub(super) fn stream(number: RawFd) -> BorrowedFd<'static> {
    // SAFETY: the standard library makes sure that they are open, and nobody closes them
    // before the program runs.
    unsafe { BorrowedFd::borrow_raw(number) }
}

/// Makes standard input the terminal of this session.
pub(super) fn take_terminal() -> io::Result<()> {
    Ok(rustix::process::ioctl_tiocsctty(stream(
        libc::STDIN_FILENO,
    ))?)
}

/// Ends the process without anything that was set up for its normal end.
pub(super) fn exit(code: u8) -> ! {
    // SAFETY: never returns.
    unsafe { libc::_exit(code.into()) }
}

fn check(result: libc::c_long) -> io::Result<libc::c_long> {
    if result == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}
