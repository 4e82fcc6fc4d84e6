//! The outer process: makes the namespaces, and waits for what runs in them.

use std::fs;
use std::io;

use rustix::process::{Pid, WaitOptions, WaitStatus, getgid, getuid, waitpid};

use super::{FAILED, Job, first, sys};
use crate::backend::NAMESPACES;
use crate::status::Failure;

/// Runs the job; gives the program's exit code, 128 and the number for a signal.
pub(super) fn run(job: Job<'_>) -> u8 {
    // The server signals the whole group; the first process passes it on, and this one
    // must live to tell the program's end.
    sys::block_signals();
    sys::new_keyring();
    if let Err(failure) = enter(job.spec.network) {
        failure.tell(&job.status);
        return FAILED;
    }
    // Closed by our end, however it comes: the first process must not outlive us.
    let (watched, held) = match io::pipe() {
        Ok(pipe) => pipe,
        Err(error) => {
            Failure::new("make a pipe", &error).tell(&job.status);
            return FAILED;
        }
    };
    match sys::fork() {
        Err(error) => {
            Failure::new("start a process", &error).tell(&job.status);
            FAILED
        }
        Ok(sys::Fork::Child) => {
            drop(held);
            first::run(job, watched)
        }
        Ok(sys::Fork::Parent(child)) => {
            drop(watched);
            // Above all the program's output, which would never end otherwise.
            let held = held.into();
            sys::close_all_but(&held);
            // Not by returning: that would close again what is closed already.
            sys::exit(wait(child))
        }
    }
}

/// Makes the namespaces, in which this user is the only one.
fn enter(network: bool) -> Result<(), Failure> {
    let (uid, gid) = (getuid().as_raw(), getgid().as_raw());
    let mut namespaces = libc::CLONE_NEWUSER
        | libc::CLONE_NEWNS
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWCGROUP;
    if !network {
        namespaces |= libc::CLONE_NEWNET;
    }
    sys::unshare(namespaces).map_err(|error| Failure::new(NAMESPACES, &error))?;
    let write = |name: &str, text: String| {
        fs::write(format!("/proc/self/{name}"), text)
            .map_err(|error| Failure::new(format!("write {name}"), &error))
    };
    write("setgroups", "deny".to_owned())?;
    write("uid_map", format!("{uid} {uid} 1"))?;
    write("gid_map", format!("{gid} {gid} 1"))
}

fn wait(child: libc::pid_t) -> u8 {
    loop {
        match waitpid(Pid::from_raw(child), WaitOptions::empty()) {
            Ok(Some((_, status))) => {
                if let Some(code) = exit_code(status) {
                    return code;
                }
            }
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return FAILED,
        }
    }
}

/// The exit code of a process that ended.
pub(super) fn exit_code(status: WaitStatus) -> Option<u8> {
    let code = status
        .exit_status()
        .or_else(|| status.terminating_signal().map(|signal| 128 + signal))?;
    u8::try_from(code & 0xff).ok()
}
