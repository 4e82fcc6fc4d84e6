//! What a program reads from and prints to: pipes or a terminal, and our ends of them.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Command, Stdio};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::sys;

/// What a program reads from and prints to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Streams {
    /// Its input is empty, its output and errors are one pipe.
    Merged,
    /// Its output and its errors have a pipe each; so has its input, or it is empty.
    Pipes {
        /// Whether something can be written to it.
        input: bool,
    },
    /// A terminal.
    Terminal(TerminalSize),
}

/// The size of a terminal in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TerminalSize {
    /// Lines.
    pub rows: u16,
    /// Characters in a line.
    pub cols: u16,
}

impl Default for TerminalSize {
    /// 24 lines of 80 characters, as in the reference.
    fn default() -> Self {
        Self { rows: 24, cols: 80 }
    }
}

impl TerminalSize {
    pub(super) fn apply(self, terminal: impl AsFd) -> io::Result<()> {
        let size = Winsize {
            ws_row: self.rows,
            ws_col: self.cols,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        Ok(tcsetwinsize(terminal, size)?)
    }
}

/// Our ends of a program's streams.
pub(super) struct Ends {
    pub(super) output: AsyncFd<OwnedFd>,
    pub(super) errors: Option<AsyncFd<OwnedFd>>,
    pub(super) input: Option<AsyncFd<OwnedFd>>,
}

impl Ends {
    /// Opens the streams and gives their other ends to the command.
    pub(super) fn open(streams: Streams, command: &mut Command) -> io::Result<Self> {
        let ours = |fd: OwnedFd, interest| {
            fcntl_setfl(&fd, fcntl_getfl(&fd)? | OFlags::NONBLOCK)?;
            sys::watch(fd, interest)
        };
        if let Streams::Terminal(size) = streams {
            let (terminal, theirs) = terminal(size)?;
            command
                .stdin(theirs.try_clone()?)
                .stdout(theirs.try_clone()?)
                .stderr(theirs);
            return Ok(Self {
                output: ours(terminal, Interest::READABLE | Interest::WRITABLE)?,
                errors: None,
                input: None,
            });
        }
        let (output, theirs) = io::pipe()?;
        command.stdout(theirs.try_clone()?);
        let errors = if streams == Streams::Merged {
            command.stderr(theirs);
            None
        } else {
            let (errors, theirs) = io::pipe()?;
            command.stderr(theirs);
            Some(ours(errors.into(), Interest::READABLE)?)
        };
        let input = if (streams == Streams::Pipes { input: true }) {
            let (theirs, input) = io::pipe()?;
            command.stdin(theirs);
            Some(ours(input.into(), Interest::WRITABLE)?)
        } else {
            command.stdin(Stdio::null());
            None
        };
        Ok(Self {
            output: ours(output.into(), Interest::READABLE)?,
            errors,
            input,
        })
    }
}

/// A new terminal: our side, and the side of the program.
fn terminal(size: TerminalSize) -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let ours = openpt(flags)?;
    grantpt(&ours)?;
    unlockpt(&ours)?;
    size.apply(&ours)?;
    let theirs = ioctl_tiocgptpeer(&ours, flags)?;
    Ok((ours, theirs))
}
