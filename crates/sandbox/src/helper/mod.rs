//! The helper: a process that confines itself and then becomes the program.
//!
//! The server starts it in place of the program. It makes namespaces of its own, mounts
//! what may be seen and written, gives up every privilege, and runs the program as a
//! child of the first process of the new process namespace. So there are three:
//!
//! ```text
//! server ── outer (waits, passes the exit code on)
//!             └── first (process 1 of the namespace: reaps, passes signals on)
//!                   └── program (a session of its own)
//! ```
//!
//! Whatever ends the outer one ends the first one, and the kernel ends everything in the
//! namespace with that: nothing the program started can outlive it.
//!
//! If any step fails nothing runs, and the server is told which step it was.

mod filter;
mod first;
mod landlock;
mod mounts;
mod outer;
mod privileges;
mod streams;
mod sys;

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::process::ExitCode;

use crate::backend::INSIDE;
use crate::spec::Spec;
use crate::status::Failure;

/// A function that the helper can run confined, by name, instead of a program. It gives
/// the exit code.
pub type Task = (&'static str, fn() -> u8);

/// The exit code of a helper that could not do its work; nobody should see it, since the
/// server goes by the status.
const FAILED: u8 = 125;

/// Runs the helper.
pub(crate) fn run(tasks: &[Task]) -> ExitCode {
    let mut args = std::env::args_os().skip(1).peekable();
    let is_inside = args.next_if(|first| first == INSIDE).is_some();
    let (Some(spec), Some(status)) = (args.next(), args.next()) else {
        return ExitCode::from(FAILED);
    };
    let (Some(spec), Some(status)) = (inherited(&spec), inherited(&status)) else {
        return ExitCode::from(FAILED);
    };
    // Whatever else the server, or who started it, left open is not the program's.
    sys::close_above_streams(&[&spec, &status]);
    let argv: Vec<OsString> = args.collect();
    let spec = match read_spec(spec) {
        Ok(spec) => spec,
        Err(error) => {
            Failure::new("read what to do", &error).tell(&status);
            return ExitCode::from(FAILED);
        }
    };
    let job = Job {
        spec,
        argv,
        tasks,
        status,
    };
    if is_inside {
        first::run_inside(job);
    }
    ExitCode::from(outer::run(job))
}

/// What the helper has to do.
struct Job<'a> {
    spec: Spec,
    argv: Vec<OsString>,
    tasks: &'a [Task],
    status: OwnedFd,
}

fn inherited(arg: &OsString) -> Option<OwnedFd> {
    let number = arg.to_str()?.parse().ok()?;
    sys::inherited(number).ok()
}

fn read_spec(fd: OwnedFd) -> io::Result<Spec> {
    let file = std::fs::File::from(fd);
    serde_json::from_reader(io::BufReader::new(file)).map_err(io::Error::other)
}
