//! Ends what a run left behind.
//!
//! Everything a run starts carries the run's mark in its environment, however deep it was started; on Linux that can be
//! read back, so nothing is ended but what the run began. Elsewhere nothing is found and nothing is ended.

use std::{fs, thread, time::Duration};

use rustix::process::{Pid, Signal, kill_process};

/// How often to look again before a process counts as left over: those that were told to end need a moment.
const LOOKS: u32 = 20;

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// Kills every process whose environment holds `mark` and that does not end by itself; returns their command lines.
pub(super) fn end_marked(mark: &str) -> Vec<String> {
    let mut left = marked(mark);
    for _ in 0..LOOKS {
        if left.is_empty() {
            break;
        }
        thread::sleep(PAUSE);
        left = marked(mark);
    }
    kill(left)
}

/// Kills processes and returns their command lines.
fn kill(processes: Vec<i32>) -> Vec<String> {
    processes
        .into_iter()
        .map(|pid| {
            let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            if let Some(pid) = Pid::from_raw(pid) {
                // It may have ended meanwhile, which is as good.
                let _ = kill_process(pid, Signal::KILL);
            }
            let words = String::from_utf8_lossy(&command).replace('\0', " ");
            format!("{pid} {}", words.trim_end())
        })
        .collect()
}

/// The processes whose environment holds `mark` as one of its entries.
fn marked(mark: &str) -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| {
            // A process of somebody else, or one that has just ended, cannot be read: it is not ours.
            fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environ| {
                environ
                    .split(|byte| *byte == 0)
                    .any(|entry| entry == mark.as_bytes())
            })
        })
        .collect()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        process::{Child, Command, Stdio},
    };

    use super::*;

    /// A process that runs until it is killed. It has echoed a byte when this returns: a process that is just being
    /// executed has no environment to read yet.
    fn running(value: &str) -> Child {
        let mut child = Command::new("cat")
            .env("LOOMD_SWEEP_TEST", value)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("cat starts");
        let mut echoed = [0];
        let stdin = child.stdin.as_mut().expect("stdin is a pipe");
        stdin.write_all(b"x").expect("cat reads");
        let stdout = child.stdout.as_mut().expect("stdout is a pipe");
        stdout.read_exact(&mut echoed).expect("cat echoes");
        child
    }

    #[test]
    fn kills_what_carries_the_mark_and_nothing_else() {
        let (mut ours, mut other) = (running("ours"), running("other"));
        let ended = kill(marked("LOOMD_SWEEP_TEST=ours"));
        assert_eq!(ended, [format!("{} cat", ours.id())]);
        assert!(!ours.wait().expect("ours ended").success());
        assert!(other.try_wait().expect("other can be asked").is_none());
        other.kill().expect("other ran on");
        other.wait().expect("other ended");
    }
}
