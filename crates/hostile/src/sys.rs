//! System calls that no safe library offers.

#![expect(
    unsafe_code,
    reason = "signal masks, and a function between fork and exec, have no safe wrapper"
)]

use std::os::fd::BorrowedFd;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// Blocks every signal that can be, for this thread and those it starts.
pub(crate) fn block_signals() {
    // SAFETY: the set is filled before it is used, and nothing is written back.
    unsafe {
        let mut all = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const all, std::ptr::null_mut());
    }
}

/// Blocks the signal that the cases send to the server.
pub(crate) fn block_server_signal() {
    // SAFETY: as above.
    unsafe {
        let mut one = std::mem::zeroed();
        libc::sigemptyset(&raw mut one);
        libc::sigaddset(&raw mut one, libc::SIGUSR2);
        libc::sigprocmask(libc::SIG_BLOCK, &raw const one, std::ptr::null_mut());
    }
}

/// Takes the signal that the cases send to the server, if it came.
pub(crate) fn took_server_signal() -> bool {
    // SAFETY: the set is filled before it is used; no details are asked for.
    unsafe {
        let mut one = std::mem::zeroed();
        libc::sigemptyset(&raw mut one);
        libc::sigaddset(&raw mut one, libc::SIGUSR2);
        let now = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        libc::sigtimedwait(&raw const one, std::ptr::null_mut(), &raw const now) == libc::SIGUSR2
    }
}

/// Has the command start in a session of its own, with its standard input as terminal.
pub(crate) fn own_terminal(command: &mut Command) {
    // SAFETY: the function makes system calls only.
    unsafe {
        command.pre_exec(|| {
            rustix::process::setsid()?;
            rustix::process::ioctl_tiocsctty(BorrowedFd::borrow_raw(0))?;
            Ok(())
        });
    }
}
