//! The crate's only unsafe code: what a child does between fork and exec, and the
//! registration of a descriptor with the runtime.

#![expect(
    unsafe_code,
    reason = "both promises are the caller's: system calls only after fork, and one descriptor for the whole registration"
)]

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::process::{
    Pid, Resource, Rlimit, Signal, getppid, ioctl_tiocsctty, set_parent_process_death_signal,
    setrlimit, setsid,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Registers a descriptor with the runtime.
///
/// # Errors
/// When the runtime can take no more.
pub(super) fn watch(fd: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` is open, names the same descriptor as long as it lives, and
    // is moved into the registration.
    let watched = unsafe { AsyncFd::register_with_interest(fd, interest) };
    watched.map_err(io::Error::from)
}

/// Gives the child a limit on file locks, which has no effect but to be handed on. Where the
/// system refuses it, the child runs without.
pub(super) fn limit_file_locks(command: &mut Command, limit: Rlimit) {
    let before_exec = move || -> io::Result<()> {
        let _ = setrlimit(Resource::Locks, limit);
        Ok(())
    };
    // SAFETY: one system call, see below.
    unsafe {
        command.pre_exec(before_exec);
    }
}

/// Makes the child the leader of a session and of a process group of its own, so that
/// all it starts can be ended together and nothing of it reaches the server's
/// terminal; and has the kernel kill it if the server dies first. With `tty` its
/// standard input becomes the session's terminal.
///
/// `server` is the server's process id. The death signal comes when the *thread* that
/// forks ends, therefore only a thread that lives as long as the server may spawn.
pub(super) fn prepare(command: &mut Command, server: Pid, tty: bool) {
    let before_exec = move || -> io::Result<()> {
        setsid()?;
        if tty {
            // SAFETY: descriptor 0 is open here: the standard library put the
            // terminal there before it calls this function.
            ioctl_tiocsctty(unsafe { BorrowedFd::borrow_raw(0) })?;
        }
        set_parent_process_death_signal(Some(Signal::KILL))?;
        if getppid() != Some(server) {
            // The server died before the line above: nobody would kill this child.
            return Err(io::Error::from_raw_os_error(
                rustix::io::Errno::SRCH.raw_os_error(),
            ));
        }
        Ok(())
    };
    // SAFETY: the function makes system calls only: it allocates nothing, takes no
    // lock and touches no memory that another thread may hold locked.
    unsafe {
        command.pre_exec(before_exec);
    }
}
