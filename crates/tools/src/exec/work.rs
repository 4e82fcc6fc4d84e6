//! A program as the launcher gets it: as it is, or as the helper that confines itself and
//! then becomes the program.

use std::ffi::OsString;
use std::io::{self, PipeReader};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use loomd_sandbox::{Error, Guard, STATUS_BYTES_MAX, verdict};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use tokio::io::Interest;
use tokio::time::timeout;

use super::sys;
use crate::confine::Confinement;

/// How long a helper may take until its program runs.
const START_TIME_MAX: Duration = Duration::from_secs(30);

/// What is started.
pub(super) struct Work {
    /// Without environment and streams.
    pub(super) command: Command,
    /// Whether the terminal becomes that of the command's own session. A helper leaves
    /// that to its program.
    pub(super) takes_terminal: bool,
    /// What there is beside the command if it is confined.
    pub(super) confined: Option<Confined>,
}

/// What there is to a confined command.
pub(super) struct Confined {
    guard: Guard,
    status: Option<PipeReader>,
}

impl Work {
    /// The program as it is.
    ///
    /// # Errors
    /// The command line is empty.
    pub(super) fn plain(argv: &[OsString], folder: &Path, terminal: bool) -> io::Result<Self> {
        let (name, args) = argv
            .split_first()
            .ok_or_else(|| io::Error::other("no program"))?;
        let mut command = Command::new(name);
        command.args(args).current_dir(folder);
        Ok(Self {
            command,
            takes_terminal: terminal,
            confined: None,
        })
    }

    /// The program, confined.
    ///
    /// # Errors
    /// It cannot be confined here.
    pub(super) async fn confined(
        confinement: Confinement,
        argv: Vec<OsString>,
        folder: PathBuf,
        terminal: bool,
    ) -> io::Result<Self> {
        let prepare = move || confinement.program(&argv, &folder, terminal);
        let confined = tokio::task::spawn_blocking(prepare)
            .await
            .map_err(io::Error::other)?
            .map_err(as_io)?;
        Ok(Self {
            command: confined.command,
            takes_terminal: false,
            confined: Some(Confined {
                guard: confined.guard,
                status: confined.status,
            }),
        })
    }
}

impl Confined {
    /// Waits until the program runs, and gives what must stay until it ended. To be called
    /// when the command is started.
    ///
    /// # Errors
    /// Why it does not run.
    pub(super) async fn started(mut self) -> io::Result<Guard> {
        self.guard.started();
        if let Some(status) = self.status.take() {
            let told = timeout(START_TIME_MAX, read_to_end(status.into()));
            let told = told.await.map_err(|_| io::ErrorKind::TimedOut)??;
            verdict(&told).map_err(as_io)?;
        }
        Ok(self.guard)
    }
}

async fn read_to_end(pipe: OwnedFd) -> io::Result<Vec<u8>> {
    fcntl_setfl(&pipe, fcntl_getfl(&pipe)? | OFlags::NONBLOCK)?;
    let pipe = sys::watch(pipe, Interest::READABLE)?;
    let most = usize::try_from(STATUS_BYTES_MAX).unwrap_or(usize::MAX);
    let mut all = Vec::new();
    let mut chunk = [0; 1024];
    while all.len() < most {
        let read = |fd: &OwnedFd| Ok(rustix::io::read(fd, &mut chunk)?);
        match pipe.async_io(Interest::READABLE, read).await? {
            0 => break,
            count => all.extend_from_slice(&chunk[..count]),
        }
    }
    Ok(all)
}

/// The error of a program that did not start.
pub(crate) fn as_io(error: Error) -> io::Error {
    match error {
        Error::Start(error) => error,
        unavailable @ Error::Unavailable(_) => io::Error::other(unavailable),
    }
}
