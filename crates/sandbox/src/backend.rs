//! The seam between what is asked of a sandbox and how a system does it.

use std::ffi::{OsStr, OsString};
use std::io::{self, PipeReader};
use std::path::Path;
use std::process::Command;

use thiserror::Error;

use crate::policy::Policy;
use crate::status::Failure;

/// Something to run confined.
#[derive(Debug, Clone, Copy)]
pub struct Job<'a> {
    /// What runs.
    pub what: What<'a>,
    /// Working folder.
    pub folder: &'a Path,
    /// Whether standard input is a terminal that becomes the program's own.
    pub terminal: bool,
}

/// What runs confined.
#[derive(Debug, Clone, Copy)]
pub enum What<'a> {
    /// A program and its arguments; one without a slash is looked for on the `PATH` of
    /// the environment that the command is given.
    Program(&'a [OsString]),
    /// A function of the helper, by name. See [`crate::helper_main`].
    Task(&'a str),
}

/// Why something does not run confined. Nothing runs unconfined in its place.
#[derive(Debug, Error)]
pub enum Error {
    /// This system or machine cannot confine it.
    #[error("the sandbox cannot be set up: {0}")]
    Unavailable(String),
    /// The program could not be started.
    #[error("{0}")]
    Start(#[from] io::Error),
}

/// A command that will confine itself before the program runs.
pub struct Confined {
    /// To be given its environment and its standard streams, and started.
    pub command: Command,
    /// What must stay until the program ended.
    pub guard: Guard,
    /// Where the helper tells that it could not do its work; ends without a byte when
    /// the program runs. `None` where the system tells in another way.
    pub status: Option<PipeReader>,
}

/// What a confined program needs to stay as it is until it ended.
#[derive(Default)]
pub struct Guard {
    pub(crate) _held: Option<crate::placeholder::Held>,
    pub(crate) fds: Vec<std::os::fd::OwnedFd>,
}

impl Guard {
    /// Closes what only the start needed. To be called once the command is started.
    pub fn started(&mut self) {
        self.fds.clear();
    }
}

/// How a system confines.
pub(crate) trait Backend: Send + Sync {
    /// Prepares a command. Blocking.
    fn command(&self, policy: &Policy, job: &Job<'_>) -> Result<Confined, Error>;

    /// Told when something ran unconfined, which may have changed what a policy means.
    fn unconfined_ran(&self) {}
}

/// What a status, read to its end, says.
///
/// # Errors
/// Why the program does not run.
pub fn verdict(status: &[u8]) -> Result<(), Error> {
    if status.is_empty() {
        return Ok(());
    }
    let failure: Failure = serde_json::from_slice(status)
        .map_err(|_| Error::Unavailable("the helper broke off".to_owned()))?;
    match failure.errno {
        Some(errno) if failure.is_start() => Err(io::Error::from_raw_os_error(errno).into()),
        _ => {
            let hint = if is_refused(&failure) { HINT } else { "" };
            let text = format!("cannot {}: {}{hint}", failure.step, failure.text);
            Err(Error::Unavailable(text))
        }
    }
}

/// The steps that kernels and containers refuse.
pub(crate) const NAMESPACES: &str = "make namespaces";
/// The same where namespaces are allowed, and then nothing inside.
pub(crate) const MOUNTS_APART: &str = "keep mounts apart";

/// Whether it is this machine that lets no ordinary program make namespaces.
pub(crate) fn is_refused(failure: &Failure) -> bool {
    failure.step == NAMESPACES || failure.step == MOUNTS_APART
}

/// What can be done where namespaces are refused.
const HINT: &str = ". This machine, or the container around it, lets no ordinary program make \
                    user namespaces (look at the settings kernel.unprivileged_userns_clone, \
                    kernel.apparmor_restrict_unprivileged_userns, user.max_user_namespaces, and \
                    at the seccomp profile of the container). Allow them, or install bubblewrap, \
                    or, if the machine as a whole may be changed freely, choose the sandbox `danger-full-access`";

/// The answer of a system that loomd cannot confine programs on.
#[cfg(not(any(target_os = "linux", target_os = "macos")))]
pub(crate) struct Unsupported;

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
impl Backend for Unsupported {
    fn command(&self, _policy: &Policy, _job: &Job<'_>) -> Result<Confined, Error> {
        Err(Error::Unavailable(format!(
            "loomd has no sandbox for {}. Choose the sandbox `danger-full-access` where the \
             machine may be changed freely, or put a sandbox around the server and choose \
             `externalSandbox`",
            std::env::consts::OS
        )))
    }
}

/// The name by which the helper knows that it is meant.
pub(crate) const HELPER_NAME: &str = "loomd-sandbox";

/// The first argument of a helper that finds itself in namespaces already.
pub(crate) const INSIDE: &str = "--loomd-sandbox-inside";

/// Whether a process with this name and first argument is the helper.
pub(crate) fn is_helper(name: &OsStr, first: Option<&OsStr>) -> bool {
    Path::new(name).file_name() == Some(OsStr::new(HELPER_NAME))
        || first == Some(OsStr::new(INSIDE))
}
