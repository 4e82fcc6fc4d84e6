//! The first process of the namespace: confines itself, starts the program, passes
//! signals on to it, reaps, and ends with it.

use std::io::{self, PipeReader};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, Signal, WaitOptions, set_parent_process_death_signal, setsid, wait};

use super::outer::exit_code;
use super::{FAILED, Job, filter, landlock, mounts, privileges, sys};
use crate::status::{Failure, START};

/// Runs the job; gives the program's exit code. `outer` ends when the outer process does.
pub(super) fn run(job: Job<'_>, outer: PipeReader) -> u8 {
    match confine_and_start(&job, &outer) {
        Ok(program) => {
            // Otherwise the server would wait for the end of the status for ever.
            drop(job.status);
            serve(program)
        }
        Err(failure) => {
            failure.tell(&job.status);
            FAILED
        }
    }
}

fn confine_and_start(job: &Job<'_>, outer: &PipeReader) -> Result<libc::pid_t, Failure> {
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| Failure::new("be ended with the server", &error.into()))?;
    if is_gone(outer) {
        sys::exit(FAILED);
    }
    mounts::set_up(&job.spec)?;
    std::env::set_current_dir(&job.spec.folder).map_err(|error| Failure::new(START, &error))?;
    privileges::give_up()?;
    landlock::restrict(&job.spec)?;
    filter::apply(job.spec.network)?;
    match sys::fork() {
        Err(error) => Err(Failure::new("start a process", &error)),
        Ok(sys::Fork::Parent(program)) => Ok(program),
        Ok(sys::Fork::Child) => {
            let failure = become_program(job);
            failure.tell(&job.status);
            sys::exit(FAILED)
        }
    }
}

/// Whether the outer process ended before its death could have been signalled.
fn is_gone(outer: &PipeReader) -> bool {
    let mut fds = [PollFd::new(outer, PollFlags::empty())];
    let now = rustix::time::Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    poll(&mut fds, Some(&now)).is_ok_and(|ready| ready > 0)
}

/// Becomes the program; comes back only if that fails.
fn become_program(job: &Job<'_>) -> Failure {
    let prepared = setsid()
        .map_err(io::Error::from)
        .and_then(|_| match job.spec.terminal {
            true => sys::take_terminal(),
            false => Ok(()),
        });
    if let Err(error) = prepared {
        return Failure::new(START, &error);
    }
    if let Some(name) = &job.spec.task {
        let Some((_, task)) = job.tasks.iter().find(|(known, _)| known == name) else {
            return Failure::new(START, &io::ErrorKind::Unsupported.into());
        };
        let _ = rustix::io::fcntl_setfd(&job.status, rustix::io::FdFlags::CLOEXEC);
        sys::exit(task());
    }
    let Some((program, args)) = job.argv.split_first() else {
        return Failure::new(START, &io::ErrorKind::InvalidInput.into());
    };
    // The standard library gives the program an empty signal mask.
    let error = Command::new(program).args(args).exec();
    Failure::new(START, &error)
}

/// Passes signals on and reaps until the program ends; gives its exit code. The kernel
/// ends whatever else is left.
fn serve(program: libc::pid_t) -> u8 {
    loop {
        match sys::next_signal() {
            Ok(libc::SIGCHLD) => {
                if let Some(code) = reap(program) {
                    return code;
                }
            }
            Ok(signal) => sys::pass_on(program, signal),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return FAILED,
        }
    }
}

/// Reaps what ended; gives the program's exit code if it was among it.
fn reap(program: libc::pid_t) -> Option<u8> {
    let mut code = None;
    while let Ok(Some((ended, status))) = wait(WaitOptions::NOHANG) {
        if Some(ended) == Pid::from_raw(program) {
            code = exit_code(status);
        }
    }
    code
}
