//! The line by which the helper tells why a program did not come to run. No line, and
//! the end of the pipe, means that it runs.

use std::io;
use std::os::fd::OwnedFd;

use serde::{Deserialize, Serialize};

/// Bytes of a status that are read at most.
pub(crate) const STATUS_BYTES_MAX: u64 = 64 * 1024;

/// The step in which the program itself is started.
pub(crate) const START: &str = "start the program";

/// Why a program did not come to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    /// What was to be done, as it stands behind "cannot".
    pub(crate) step: String,
    /// The number of the system's error, if it was one.
    pub(crate) errno: Option<i32>,
    /// The error's text.
    pub(crate) text: String,
}

impl Failure {
    pub(crate) fn new(step: impl Into<String>, error: &io::Error) -> Self {
        Self {
            step: step.into(),
            errno: error.raw_os_error(),
            text: error.to_string(),
        }
    }

    /// Tells it to the server. If that cannot be told, the helper's exit code is all
    /// that is left.
    pub(crate) fn tell(&self, status: &OwnedFd) {
        if let Ok(line) = serde_json::to_vec(self) {
            let _unheard = rustix::io::write(status, &line);
        }
    }

    /// Whether it was the program that could not be started, in a sandbox that stands.
    pub(crate) fn is_start(&self) -> bool {
        self.step == START
    }
}
