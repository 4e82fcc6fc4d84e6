//! The ways to run an attempt: with nothing around it, and by the sandbox's own helper.
//!
//! Another ground, such as a server that is asked for a command, implements [`Ground`]:
//! it runs the script that [`argv`] gives in `Lab::work`, with `Lab::variables` as its
//! environment, confined as `Lab::policy` has it, and gives what it printed. It leaves
//! out (by an error of the kind `Unsupported`) what its interface cannot say, such as a
//! descriptor that is left open.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, PipeReader, Read as _};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use loomd_base::{Clock as _, SystemClock};
use loomd_sandbox::{Guard, Job, STATUS_BYTES_MAX, Sandbox, What, verdict};

use crate::case::{Case, Script, Way};
use crate::lab::Lab;
use crate::sys;

/// How long an attempt may take.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);
/// How long the end of its output is waited for, once it ended or was killed. Survivors
/// may hold it open for ever.
const OUTPUT_LIMIT: Duration = Duration::from_millis(150);
/// How much of its output is kept.
const OUTPUT_MAX: usize = 64 * 1024;

/// A way to run an attempt.
pub trait Ground: Sync {
    /// Runs a script in the lab and gives what it printed. Whether it succeeded does not
    /// matter.
    ///
    /// # Errors
    /// When it cannot be run at all; of the kind `Unsupported` if never on this ground.
    fn play(&self, lab: &mut Lab, case: &Case, script: Script) -> io::Result<String>;
}

/// The command line of a script. Its last part marks its processes.
///
/// # Errors
/// Of the kind `Unsupported` if it is no program.
pub fn argv(script: Script, nonce: &str) -> io::Result<Vec<OsString>> {
    let [program, first, second, text] = match script {
        Script::Bash(text) => [
            "/bin/bash",
            "--norc",
            "-c",
            &format!("echo began; {{ {text}\n}} 2>/dev/null"),
        ]
        .map(str::to_owned),
        Script::Python(text) => {
            let text = format!("{}{text}", include_str!("prelude.py"));
            ["/usr/bin/python3", "-IS", "-c", &text].map(str::to_owned)
        }
        Script::Turn(_) => return Err(unsupported("only a model does this")),
    };
    let all = [program, first, second, text, nonce.to_owned()];
    Ok(all.map(OsString::from).into())
}

/// The error for what a ground cannot do.
pub(crate) fn unsupported(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, why)
}

/// Nothing around the attempt.
pub struct Unconfined;

impl Ground for Unconfined {
    fn play(&self, lab: &mut Lab, case: &Case, script: Script) -> io::Result<String> {
        let mut argv = argv(script, &lab.nonce)?.into_iter();
        let mut command = Command::new(argv.next().unwrap_or_default());
        command.args(argv).current_dir(&lab.work);
        if case.way == Way::Terminal {
            sys::own_terminal(&mut command);
        }
        run(command, lab, case, || Ok(()))
    }
}

/// The helper of `loomd-sandbox`.
pub struct Helper {
    program: PathBuf,
    sandbox: Sandbox,
}

impl Helper {
    /// With a program that can be the helper.
    #[must_use]
    pub fn new(program: PathBuf) -> Self {
        Self {
            sandbox: Sandbox::with_helper(program.clone(), Arc::new(SystemClock::default())),
            program,
        }
    }
}

impl Ground for Helper {
    fn play(&self, lab: &mut Lab, case: &Case, script: Script) -> io::Result<String> {
        let (policy, argv) = (lab.policy(), argv(script, &lab.nonce)?);
        let folder = lab.work.clone();
        let job = Job {
            what: What::Program(&argv),
            folder: &folder,
            terminal: case.way == Way::Terminal,
        };
        let confined = self.sandbox.command(&policy, &job);
        let mut confined = confined.map_err(io::Error::other)?;
        let (status, mut guard) = (confined.status.take(), confined.guard);
        let beside = (case.way == Way::Beside).then(|| Self::new(self.program.clone()));
        let output = run(confined.command, lab, case, || {
            started(&mut guard, status)?;
            if let Some(beside) = beside {
                let argv = ["/bin/true".into()];
                let what = What::Program(&argv);
                let other = beside.sandbox.command(&policy, &Job { what, ..job });
                let mut other = other.map_err(io::Error::other)?;
                let mut child = other.command.spawn()?;
                started(&mut other.guard, other.status.take())?;
                child.wait()?;
            }
            Ok(())
        });
        drop(guard);
        output
    }
}

/// Waits until the program runs.
fn started(guard: &mut Guard, status: Option<PipeReader>) -> io::Result<()> {
    guard.started();
    let mut told = Vec::new();
    if let Some(status) = status {
        status.take(STATUS_BYTES_MAX).read_to_end(&mut told)?;
    }
    verdict(&told).map_err(io::Error::other)
}

/// Runs a command to its end, or as far as the case has it; `started` is called once it
/// runs.
fn run(
    mut command: Command,
    lab: &mut Lab,
    case: &Case,
    started: impl FnOnce() -> io::Result<()>,
) -> io::Result<String> {
    let stdin = match case.way {
        Way::Plain | Way::Killed | Way::Beside => Stdio::null(),
        Way::ReadsOutside => File::open(lab.top.join("outside/file"))?.into(),
        Way::Terminal => {
            let (terminal, inner) = Terminal::open()?;
            lab.terminal = Some(terminal);
            inner.into()
        }
    };
    if case.way != Way::Terminal {
        use std::os::unix::process::CommandExt as _;
        command.process_group(lab.group());
    }
    let mut child = command
        .env_clear()
        .envs(lab.variables.iter().cloned())
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    // Its ends of the pipes to the helper are to be closed.
    drop(command);
    let lines = child.stdout.take().map(read);
    let outcome = started().and_then(|()| {
        let lines = lines.as_ref();
        let mut output = String::new();
        if case.way == Way::Killed {
            while let Some(Ok(Some(part))) = lines.map(|lines| lines.recv_timeout(LIMIT)) {
                output.push_str(&part);
                if output.contains("ready\n") {
                    break;
                }
            }
            child.kill()?;
        }
        wait(&mut child)?;
        let clock = SystemClock::default();
        let ended = clock.now().mono;
        let left = || (ended + OUTPUT_LIMIT).saturating_sub(clock.now().mono);
        while let Some(Ok(Some(part))) = lines.map(|lines| lines.recv_timeout(left())) {
            if output.len() < OUTPUT_MAX {
                output.push_str(&part);
            }
        }
        Ok(output)
    });
    if outcome.is_err() {
        let _ = child.kill();
        let _ = child.wait();
    }
    outcome
}

/// Waits for the end; kills what takes too long.
fn wait(child: &mut Child) -> io::Result<()> {
    const STEP: Duration = Duration::from_millis(2);
    let mut left = LIMIT;
    while child.try_wait()?.is_none() {
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        thread::sleep(STEP);
        left = left.saturating_sub(STEP);
    }
    Ok(())
}

/// Reads in a thread of its own, in parts; `None` is the end.
fn read(mut from: impl io::Read + Send + 'static) -> mpsc::Receiver<Option<String>> {
    let (tell, told) = mpsc::sync_channel(16);
    thread::spawn(move || {
        let mut buffer = [0; 8192];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            let part = String::from_utf8_lossy(buffer.get(..length).unwrap_or(&[])).into_owned();
            // Also when nobody listens any more: the writer must not be held up.
            let _ = tell.try_send(Some(part));
        }
        let _ = tell.send(None);
    });
    told
}

/// The outside of a terminal.
pub struct Terminal {
    _outer: OwnedFd,
    name: PathBuf,
}

impl Terminal {
    /// Gives also the end that the program gets.
    fn open() -> io::Result<(Self, OwnedFd)> {
        use rustix::fs::{Mode, OFlags, open};
        use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let outer = openpt(flags)?;
        grantpt(&outer)?;
        unlockpt(&outer)?;
        let name = PathBuf::from(ptsname(&outer, Vec::new())?.to_string_lossy().into_owned());
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let inner = open(&name, flags, Mode::empty())?;
        let terminal = Self {
            _outer: outer,
            name,
        };
        Ok((terminal, inner))
    }

    /// Whether there is something to read that nobody at the terminal typed.
    pub(crate) fn has_input(&self) -> bool {
        use rustix::fs::{Mode, OFlags, open};
        let flags = OFlags::RDONLY | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        open(&self.name, flags, Mode::empty())
            .is_ok_and(|fd| rustix::io::read(fd, &mut [0; 64]).is_ok_and(|length| length > 0))
    }
}
