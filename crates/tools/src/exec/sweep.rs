//! Kills what is left of a command or of an owner, wherever it went; see [`super::tag`].

use std::fs::File;
use std::io::Read as _;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::tag::Scope;

/// Looks at all processes. What is killed is gone within a few, and so is what forks
/// meanwhile; what is not after so many is told in the log.
const ROUNDS_MAX: usize = 200;
/// Between two looks: what was killed takes a moment to go.
const PAUSE: Duration = Duration::from_millis(2);
/// Bytes of `/proc/PID/limits` that matter; the whole of it is about 1,300 long.
const LIMITS_BYTES: u64 = 4096;

/// Kills every process of a scope until none runs any more. Blocking: a look takes some
/// ten microseconds a process of the machine.
pub(crate) fn kill_all(scope: Scope) {
    for _ in 0..ROUNDS_MAX {
        let mut any = false;
        for pid in processes().filter(|pid| belongs(*pid, scope) && runs(*pid)) {
            any = true;
            kill(pid, scope);
        }
        if !any {
            return;
        }
        std::thread::sleep(PAUSE);
    }
    tracing::warn!(?scope, "processes could not be killed");
}

fn kill(pid: Pid, scope: Scope) {
    // The handle comes first: if the id goes to a stranger meanwhile, the second look sees
    // the stranger, or the signal goes to nobody.
    if let Ok(handle) = pidfd_open(pid, PidfdFlags::empty())
        && belongs(pid, scope)
    {
        // It may be gone, or another user's.
        let _ = pidfd_send_signal(handle, Signal::KILL);
    }
}

/// All processes of the machine.
pub(crate) fn processes() -> impl Iterator<Item = Pid> {
    std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| Pid::from_raw(entry.ok()?.file_name().to_str()?.parse().ok()?))
}

fn belongs(pid: Pid, scope: Scope) -> bool {
    let mut text = String::new();
    let read = File::open(format!("/proc/{pid}/limits"))
        .and_then(|file| file.take(LIMITS_BYTES).read_to_string(&mut text));
    read.is_ok()
        && text
            .lines()
            .find_map(|line| line.strip_prefix("Max file locks"))
            .is_some_and(|limits| {
                let mut limits = limits.split_whitespace().take(2);
                limits.any(|limit| scope.has(limit))
            })
}

/// Whether it is more than an entry that waits to be reaped.
fn runs(pid: Pid) -> bool {
    super::stat::of(pid).is_some_and(|stat| stat.runs)
}
