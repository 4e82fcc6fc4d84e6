//! The first process of the namespace: confines itself, starts the program, passes
//! signals on to it, reaps, and ends with it.

use std::io::{self, PipeReader};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{
    DumpableBehavior, Pid, Signal, WaitOptions, set_dumpable_behavior,
    set_parent_process_death_signal, setsid, wait,
};

use super::outer::exit_code;
use super::{FAILED, Job, filter, landlock, mounts, privileges, streams, sys};
use crate::spec::Spec;
use crate::status::{Failure, START};

/// Runs the job; gives the program's exit code. `outer` ends when the outer process does.
pub(super) fn run(job: Job<'_>, outer: PipeReader) -> u8 {
    if let Err(failure) = confine(&job.spec, &outer) {
        failure.tell(&job.status);
        return FAILED;
    }
    match sys::fork() {
        Err(error) => {
            Failure::new("start a process", &error).tell(&job.status);
            FAILED
        }
        Ok(sys::Fork::Child) => become_program(job),
        Ok(sys::Fork::Parent(program)) => {
            // Otherwise the server would wait for the end of the status for ever.
            drop(job.status);
            serve(program)
        }
    }
}

/// Does what is left to do in namespaces that somebody else made, and becomes the program.
pub(super) fn run_inside(job: Job<'_>) -> ! {
    sys::new_keyring();
    let confined = enter(&job.spec)
        .and_then(|()| privileges::have_none())
        .and_then(|()| restrict(&job.spec));
    match confined {
        Ok(()) => become_program(job),
        Err(failure) => {
            failure.tell(&job.status);
            sys::exit(FAILED)
        }
    }
}

fn confine(spec: &Spec, outer: &PipeReader) -> Result<(), Failure> {
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| Failure::new("be ended with the server", &error.into()))?;
    if is_gone(outer) {
        sys::exit(FAILED);
    }
    mounts::set_up(spec)?;
    enter(spec)?;
    privileges::give_up()?;
    restrict(spec)?;
    // Otherwise the program could trace this process, and take its promise back to end
    // with the server. With the next program that is run this ends.
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(|error| Failure::new("be closed to the program", &error.into()))
}

/// Takes its place in what is mounted.
fn enter(spec: &Spec) -> Result<(), Failure> {
    streams::open_again();
    std::env::set_current_dir(&spec.folder).map_err(|error| Failure::new(START, &error))
}

/// Raises the walls that are not made of mounts.
fn restrict(spec: &Spec) -> Result<(), Failure> {
    landlock::restrict(spec)?;
    filter::apply(spec.network)
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

/// Becomes the program, or runs the task in its place.
fn become_program(job: Job<'_>) -> ! {
    sys::unblock_signals();
    let prepared = setsid()
        .map_err(io::Error::from)
        .and_then(|_| match job.spec.terminal {
            true => sys::take_terminal(),
            false => Ok(()),
        });
    let error = match (prepared, &job.spec.task) {
        (Err(error), _) => error,
        (Ok(()), Some(name)) => match job.tasks.iter().find(|(known, _)| known == name) {
            Some((_, task)) => {
                drop(job.status);
                sys::exit(task())
            }
            None => io::ErrorKind::Unsupported.into(),
        },
        (Ok(()), None) => match job.argv.split_first() {
            Some((program, args)) => Command::new(program).args(args).exec(),
            None => io::ErrorKind::InvalidInput.into(),
        },
    };
    Failure::new(START, &error).tell(&job.status);
    sys::exit(FAILED)
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
