//! One child process: its output, its input, its end.
//!
//! A process is always reaped, by [`Process::reap`] or when the value is dropped, and
//! everything in its group is killed with it. Signals go out only while the leader is
//! not reaped, so that they never hit a stranger that got the same id. Nothing here
//! has a thread: output and end are waited for by descriptor.
//!
//! A descendant that makes a session of its own (`setsid`) survives the end that a process
//! comes to by itself, as in the reference, and ends with the process's owner; see [`super::tag`]
//! for how it is found then. If the server is killed, the kernel kills the leader and the
//! [`guardian`] the rest.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{Pid, PidfdFlags, Signal, kill_process, kill_process_group, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio_util::sync::CancellationToken;

use loomd_sandbox::Guard;

use super::streams::{Ends, Streams, TerminalSize};
use super::tag::Tag;
use super::work::Work;
use super::{guardian, launcher, stat, sweep, sys};
use crate::confine::Confinement;

/// A program to run.
pub(crate) struct Program {
    /// Program and arguments. A program without a slash is looked for in the search
    /// path of its own environment.
    pub(crate) argv: Vec<OsString>,
    /// Working folder.
    pub(crate) folder: PathBuf,
    /// The whole environment.
    pub(crate) environment: Vec<(OsString, OsString)>,
    /// What it reads from and prints to.
    pub(crate) streams: Streams,
    /// What confines it, if anything does.
    pub(crate) confinement: Option<Confinement>,
    /// What it and its descendants are known by.
    pub(crate) tag: Option<Tag>,
}

/// A running process, or one that ended and is not reaped yet.
pub(crate) struct Process {
    child: Child,
    group: Arc<Group>,
    /// Readable once the process ended.
    end: AsyncFd<OwnedFd>,
    /// The reading end of the output's pipe, or our side of the terminal.
    output: AsyncFd<OwnedFd>,
    /// The same for its errors, where they are apart.
    errors: Option<AsyncFd<OwnedFd>>,
    /// The writing end of its input; none with a terminal.
    input: Option<AsyncFd<OwnedFd>>,
    tty: bool,
    tag: Option<Tag>,
    /// What its sandbox needs as long as it runs.
    _guard: Option<Guard>,
}

impl Process {
    /// Starts a program.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) async fn start(program: Program) -> io::Result<Self> {
        let tty = matches!(program.streams, Streams::Terminal(_));
        let (streams, environment) = (program.streams, program.environment);
        let work = match program.confinement {
            None => Work::plain(&program.argv, &program.folder, tty)?,
            Some(confinement) => {
                Work::confined(confinement, program.argv, program.folder, tty).await?
            }
        };
        let Work {
            mut command,
            takes_terminal,
            confined,
        } = work;
        command.env_clear().envs(environment);
        if let Some(tag) = program.tag {
            tag.put_on(&mut command);
        }
        // Registered before the start: what can fail should fail without a child.
        let ends = Ends::open(streams, &mut command)?;
        let mut child = launcher::launch(command, takes_terminal).await?;
        let pid = Pid::from_child(&child);
        let end = pidfd_open(pid, PidfdFlags::empty())
            .map_err(io::Error::from)
            .and_then(|fd| sys::watch(fd, Interest::READABLE));
        guardian::began(pid);
        match end {
            Ok(end) => {
                let mut process = Self {
                    child,
                    group: Arc::new(Group::new(pid)),
                    end,
                    output: ends.output,
                    errors: ends.errors,
                    input: ends.input,
                    tty,
                    tag: program.tag,
                    _guard: None,
                };
                if let Some(confined) = confined {
                    // If it does not run, dropping the process ends what is there of it.
                    process._guard = Some(confined.started().await?);
                }
                Ok(process)
            }
            Err(error) => {
                let _ = kill_process_group(pid, Signal::KILL);
                guardian::ended(pid);
                let _ = child.wait();
                Err(error)
            }
        }
    }

    /// The handle by which others end it.
    pub(crate) fn group(&self) -> &Arc<Group> {
        &self.group
    }

    /// Whether it has a terminal.
    pub(crate) fn has_terminal(&self) -> bool {
        self.tty
    }

    /// Kills what is left of it outside of its group while it is not reaped: all of its
    /// session, and with `everywhere` also what left that. For a program with a terminal, whose
    /// shell may have put jobs in groups of their own, and for one whose end was asked for.
    pub(crate) async fn kill_rest(&self, everywhere: bool) {
        let leader = self.group.pid();
        let scope = self.tag.filter(|_| everywhere).map(Tag::scope);
        let killing = move || {
            kill_session(leader);
            if let Some(scope) = scope {
                sweep::kill_all(scope);
            }
        };
        let _ = tokio::task::spawn_blocking(killing).await;
    }

    /// Waits until it ended. It is not reaped by this.
    pub(crate) async fn ended(&self) {
        // An error of the descriptor would be the end of all knowledge about the
        // process; it counts as its end, and reaping then waits for the real one.
        let _ = self.end.readable().await;
    }

    /// Gives its terminal another size.
    ///
    /// # Errors
    /// It has no terminal, or that is gone.
    pub(crate) fn resize(&self, size: TerminalSize) -> io::Result<()> {
        if !self.tty {
            return Err(io::Error::other("process is not attached to a PTY"));
        }
        size.apply(&self.output)
    }

    /// Reads output that is there, waiting for some. `Ok(0)` is the end of it.
    pub(crate) async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        read(&self.output, buffer).await
    }

    /// The same for what it prints to its standard error. Without a pipe of its own that
    /// never comes.
    pub(crate) async fn read_errors(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match &self.errors {
            Some(errors) => read(errors, buffer).await,
            None => std::future::pending().await,
        }
    }

    /// Writes to its input or terminal, waiting until that takes some.
    pub(crate) async fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let input = match &self.input {
            Some(input) => input,
            None if self.tty => &self.output,
            None => return Err(io::ErrorKind::BrokenPipe.into()),
        };
        loop {
            let mut ready = input.writable().await?;
            match rustix::io::write(input, bytes) {
                Err(rustix::io::Errno::AGAIN) => {}
                done => return Ok(done?),
            }
            if ready.ready().is_write_closed() {
                // Nobody reads any more. That stays ready for ever, so waiting again
                // would not wait.
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            ready.clear_ready();
        }
    }

    /// Ends its input. A terminal has no end: there it is the program that ends the
    /// reading, at a character that is written to it.
    pub(crate) fn close_input(&mut self) {
        self.input = None;
    }

    /// Kills what is left of the group, reaps the process and gives its exit code: that
    /// of a shell, 128 and the signal's number for one that a signal ended; −1 if it
    /// was ended by [`Group::end`]. Waits for the process if it runs.
    pub(crate) fn reap(&mut self) -> i32 {
        // As long as the leader is not reaped, the group is surely ours.
        self.group.signal(Signal::KILL);
        let mut reaped = self.group.lock();
        guardian::ended(self.group.leader);
        let status = self.child.wait();
        *reaped = true;
        drop(reaped);
        self.group.reaped.cancel();
        if self.group.is_ending() {
            return -1;
        }
        status.map_or(-1, code)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.group.reaped.is_cancelled() {
            self.reap();
        }
    }
}

fn code(status: ExitStatus) -> i32 {
    status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .unwrap_or(-1)
}

/// Kills everything in the session of `leader`, which must not be reaped yet: also what
/// a shell with job control put in groups of its own. Blocking.
fn kill_session(leader: u32) {
    /// Something may begin while the list is read, but not often.
    const ROUNDS: usize = 4;
    for _ in 0..ROUNDS {
        let members = session_members(leader);
        if members.is_empty() {
            return;
        }
        for member in members {
            let _ = kill_process(member, Signal::KILL);
        }
    }
}

/// The processes of a session that run, without its leader.
fn session_members(leader: u32) -> Vec<Pid> {
    let in_session = |pid: Pid| stat::of(pid).is_some_and(|of| of.runs && of.session == leader);
    sweep::processes()
        .filter(|pid| pid.as_raw_nonzero().get().unsigned_abs() != leader && in_session(*pid))
        .collect()
}

async fn read(stream: &AsyncFd<OwnedFd>, buffer: &mut [u8]) -> io::Result<usize> {
    let read = stream
        .async_io(Interest::READABLE, |fd| {
            Ok(rustix::io::read(fd, &mut *buffer)?)
        })
        .await;
    match read {
        // A terminal says so when its last user is gone.
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) => Ok(0),
        other => other,
    }
}

/// The handle by which a process and all it started are signalled and ended, from
/// anywhere and without waiting.
pub(crate) struct Group {
    leader: Pid,
    /// Whether the leader is reaped. Held while a signal goes out, so that none goes
    /// out after.
    reaped_flag: Mutex<bool>,
    ending: AtomicBool,
    /// Cancelled when somebody asked for the end.
    end_asked: CancellationToken,
    /// Cancelled when the leader is reaped.
    reaped: CancellationToken,
}

impl Group {
    fn new(leader: Pid) -> Self {
        Self {
            leader,
            reaped_flag: Mutex::new(false),
            ending: AtomicBool::new(false),
            end_asked: CancellationToken::new(),
            reaped: CancellationToken::new(),
        }
    }

    /// The process id of the leader, and the id of the group.
    pub(crate) fn pid(&self) -> u32 {
        self.leader.as_raw_nonzero().get().unsigned_abs()
    }

    /// Asks everything in the group to end. Whoever drives the process kills what does
    /// not obey.
    pub(crate) fn end(&self) {
        self.ending.store(true, Ordering::SeqCst);
        self.signal(Signal::TERM);
        self.end_asked.cancel();
    }

    /// Kills everything in the group.
    pub(crate) fn kill(&self) {
        self.ending.store(true, Ordering::SeqCst);
        self.signal(Signal::KILL);
        self.end_asked.cancel();
    }

    /// Sends a signal to everything in the group, if there still is one.
    pub(crate) fn signal(&self, signal: Signal) {
        let reaped = self.lock();
        if !*reaped {
            // It fails when only the unreaped leader is left, which is no harm.
            let _ = kill_process_group(self.leader, signal);
        }
    }

    /// Whether somebody asked for the end.
    pub(crate) fn is_ending(&self) -> bool {
        self.ending.load(Ordering::SeqCst)
    }

    /// Waits until somebody asks for the end.
    pub(crate) async fn end_asked(&self) {
        self.end_asked.cancelled().await;
    }

    /// Waits until the leader is reaped.
    pub(crate) async fn reaped(&self) {
        self.reaped.cancelled().await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, bool> {
        // A flag cannot be left half written.
        self.reaped_flag
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
