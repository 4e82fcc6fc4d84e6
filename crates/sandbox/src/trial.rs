//! Whether this machine can confine programs, found out by doing it.

use std::ffi::OsString;
use std::io::Read as _;
use std::path::Path;
use std::process::Stdio;

use crate::backend::{Error, Job, What, verdict};
use crate::policy::Policy;
use crate::{STATUS_BYTES_MAX, Sandbox};

/// The program that does nothing.
const NOTHING: &str = "true";

pub(crate) fn run(sandbox: &Sandbox) -> Result<(), Error> {
    let argv = [OsString::from(NOTHING)];
    let job = Job {
        what: What::Program(&argv),
        folder: Path::new("/"),
        terminal: false,
    };
    let mut confined = sandbox.command(&Policy::default(), &job)?;
    let mut child = confined
        .command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    confined.guard.started();
    let mut told = Vec::new();
    let read = match confined.status {
        Some(status) => status.take(STATUS_BYTES_MAX).read_to_end(&mut told),
        None => Ok(0),
    };
    let ended = child.wait()?;
    read?;
    verdict(&told)?;
    if ended.success() {
        return Ok(());
    }
    Err(Error::Unavailable(format!(
        "`{NOTHING}` ended with {ended} in it"
    )))
}
