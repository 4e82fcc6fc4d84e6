//! Runs programs that can touch no more than a policy allows.
//!
//! A [`Sandbox`] turns a [`Policy`] and a [`Job`] into a command that confines itself
//! before the program runs, or into an [`Error`] that says why it cannot. Never is there
//! a fallback to less.
//!
//! - `policy`: what may be touched; also answers what a path would mean.
//! - `rules`: what the paths of a policy stand for on this disk, and keeping it so.
//! - `survey`, `way`, `placeholder`: what is in the writable folders that must not be written.
//! - `namespaces` and `helper` (Linux): mounts, namespaces, Landlock, seccomp.
//! - `bubblewrap` (Linux): the same where only that program may make namespaces.
//! - `trial`: whether the machine can do it at all.
//! - `seatbelt` (macOS): the system's own sandbox, by a policy text.
//!
//! The helper is this program again, under another name: whoever uses the crate calls
//! [`is_helper_call`] first in `main`, and then [`helper_main`].
//! Deliberately absent: whether something needs a sandbox, and who is asked.

mod backend;
#[cfg(target_os = "linux")]
mod bubblewrap;
#[cfg(target_os = "linux")]
mod helper;
#[cfg(target_os = "linux")]
mod namespaces;
mod placeholder;
mod policy;
#[cfg(target_os = "linux")]
mod rules;
mod seatbelt;
mod spec;
mod status;
mod survey;
mod trial;
mod way;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use loomd_base::Clock;

use crate::backend::Backend;
pub use crate::backend::{Confined, Error, Guard, Job, What, verdict};
#[cfg(target_os = "linux")]
pub use crate::helper::Task;
pub use crate::policy::{PROTECTED, Policy, Root, RootKind, real_target};

/// Bytes of a status that say something; more are not read.
pub const STATUS_BYTES_MAX: u64 = status::STATUS_BYTES_MAX;

/// The running program, also after its file was replaced by a newer one. Only looked at on
/// Linux.
const THIS_PROGRAM: &str = "/proc/self/exe";

/// Confines programs. One for the whole process: it remembers what it found in folders.
pub struct Sandbox {
    backend: Box<dyn Backend>,
}

impl Sandbox {
    /// A sandbox whose helper is the running program.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self::with_helper(PathBuf::from(THIS_PROGRAM), clock)
    }

    /// A sandbox with a helper of its own, for programs that are not called through
    /// [`is_helper_call`], as tests are. Only Linux needs one.
    #[must_use]
    pub fn with_helper(helper: PathBuf, clock: Arc<dyn Clock>) -> Self {
        Self {
            backend: backend_of(helper, clock),
        }
    }

    /// The same with bubblewrap doing what it can, also where it is not needed.
    #[cfg(target_os = "linux")]
    #[must_use]
    pub fn with_bubblewrap(helper: PathBuf, bubblewrap: PathBuf, clock: Arc<dyn Clock>) -> Self {
        let way = namespaces::Way::Bubblewrap(bubblewrap);
        Self {
            backend: Box::new(namespaces::Namespaces::new(helper, clock).going(way)),
        }
    }

    /// Prepares a command that confines itself. Blocking: it looks through the writable
    /// folders now and then.
    ///
    /// # Errors
    /// When the machine cannot confine anything.
    pub fn command(&self, policy: &Policy, job: &Job<'_>) -> Result<Confined, Error> {
        self.backend.command(policy, job)
    }

    /// Runs a program that does nothing, confined as much as can be. Blocking.
    ///
    /// # Errors
    /// When this machine cannot confine programs, with what refused.
    pub fn try_out(&self) -> Result<(), Error> {
        trial::run(self)
    }

    /// To be called when something ran unconfined: what is known of the folders may not
    /// hold any more.
    pub fn unconfined_ran(&self) {
        self.backend.unconfined_ran();
    }
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sandbox").finish_non_exhaustive()
    }
}

#[cfg(target_os = "linux")]
fn backend_of(helper: PathBuf, clock: Arc<dyn Clock>) -> Box<dyn Backend> {
    Box::new(namespaces::Namespaces::new(helper, clock))
}

#[cfg(target_os = "macos")]
fn backend_of(_helper: PathBuf, _clock: Arc<dyn Clock>) -> Box<dyn Backend> {
    Box::new(seatbelt::Seatbelt)
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn backend_of(_helper: PathBuf, _clock: Arc<dyn Clock>) -> Box<dyn Backend> {
    Box::new(backend::Unsupported)
}

/// Whether this process was started as the helper. To be asked first in `main`, before
/// anything starts a thread.
#[must_use]
pub fn is_helper_call() -> bool {
    let mut args = std::env::args_os();
    let (name, first) = (args.next(), args.next());
    name.is_some_and(|name| backend::is_helper(&name, first.as_deref()))
}

/// Runs the helper; `tasks` are the functions that can run confined.
#[cfg(target_os = "linux")]
#[must_use]
pub fn helper_main(tasks: &[Task]) -> ExitCode {
    helper::run(tasks)
}

/// A function that the helper can run confined, by name.
#[cfg(not(target_os = "linux"))]
pub type Task = (&'static str, fn() -> u8);

/// There is no helper on this system.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn helper_main(_tasks: &[Task]) -> ExitCode {
    ExitCode::FAILURE
}
