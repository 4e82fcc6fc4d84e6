//! What ends the commands when the server is killed with SIGKILL.
//!
//! The kernel then kills the shells (see `sys`), but not what they started. So one
//! small shell, started with the first command and shared by the whole server, holds
//! the reading end of a pipe, is told each process group that comes and goes, and
//! when the pipe ends, which is when the server is gone, however it went, kills the
//! groups that are left and everything that bears a tag of the server (see
//! [`super::tag`]). A command may kill it, knowingly or not (`pkill sh`): each command
//! that starts looks whether it is there, and starts another one.
//!
//! It is a help of last resort: if it cannot be started, commands run all the same and
//! a warning is logged.

use std::collections::BTreeSet;
use std::io::{self, PipeWriter, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::Pid;

use super::tag;

/// Reads `+ group` and `- group`, one a line; kills what is left at the end. Its first
/// argument is what the tags of the server begin with, its second a pattern for the rest
/// of their digits. What it kills it looks for again, until nothing is found that runs.
const SCRIPT: &str = r#"
trap '' HUP INT QUIT TERM
groups=' '
while read -r change group; do
    case $change in
        +) groups="$groups$group " ;;
        -) groups="${groups%% $group *} ${groups#* $group }" ;;
    esac
done
for group in $groups; do
    kill -s KILL -- "-$group"
done
[ -n "$1" ] || exit 0
looks=0
while [ "$looks" -lt 100 ]; do
    looks=$((looks + 1))
    found=
    for folder in /proc/[0-9]*; do
        while read -r first second third soft hard rest; do
            [ "$second $third" = 'file locks' ] || continue
            case "$soft $hard" in
                $1$2' '* | *' '$1$2) ;;
                *) break ;;
            esac
            read -r stat < "$folder/stat" || break
            case ${stat##*) } in
                [ZX]*) break ;;
            esac
            kill -s KILL "${folder#/proc/}" && found=1
            break
        done < "$folder/limits"
    done
    [ -n "$found" ] || exit 0
done
"#;

/// The guardian of this process, and what one that takes its place has to be told.
static GUARDIAN: Mutex<State> = Mutex::new(State {
    running: None,
    failed: false,
    groups: BTreeSet::new(),
});

struct State {
    running: Option<Running>,
    /// It could not be started; it is not tried again.
    failed: bool,
    /// The ids of the groups that there are.
    groups: BTreeSet<i32>,
}

struct Running {
    shell: Child,
    pipe: PipeWriter,
}

/// Tells the guardian of a group that began.
pub(super) fn began(group: Pid) {
    let mut state = state();
    state.ensure();
    let group = group.as_raw_nonzero().get();
    state.groups.insert(group);
    state.tell('+', group);
}

/// Tells the guardian of a group that ended. To be called while the group's id is still
/// taken, and once for each that began.
pub(super) fn ended(group: Pid) {
    let mut state = state();
    let group = group.as_raw_nonzero().get();
    state.groups.remove(&group);
    state.tell('-', group);
}

fn state() -> MutexGuard<'static, State> {
    // Held for a write to a pipe that takes it or fails, and to start a shell.
    GUARDIAN.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    /// Starts a guardian if there is none, and tells it all groups.
    fn ensure(&mut self) {
        if let Some(running) = &mut self.running
            && matches!(running.shell.try_wait(), Ok(None))
        {
            return;
        }
        if self.failed {
            return;
        }
        match Running::start() {
            Ok(running) => self.running = Some(running),
            Err(error) => {
                tracing::warn!(%error, "no guardian for commands");
                self.running = None;
                self.failed = true;
            }
        }
        for group in &self.groups {
            self.tell('+', *group);
        }
    }

    fn tell(&self, change: char, group: i32) {
        let Some(running) = &self.running else {
            return;
        };
        // One write, which a pipe never splits at this length.
        let line = format!("{change} {group}\n");
        if let Err(error) = (&running.pipe).write_all(line.as_bytes()) {
            tracing::debug!(%error, "the guardian of commands does not listen");
        }
    }
}

impl Running {
    fn start() -> io::Result<Self> {
        let (theirs, ours) = io::pipe()?;
        // A guardian that was stopped must not hold up the server.
        fcntl_setfl(&ours, fcntl_getfl(&ours)? | OFlags::NONBLOCK)?;
        let shell = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "loomd-guardian"])
            .arg(tag::prefix().unwrap_or_default())
            .arg("?".repeat(tag::DIGITS_BEHIND_PREFIX))
            .env_clear()
            .current_dir("/")
            // What ends the server from its terminal must not end the guardian first.
            .process_group(0)
            .stdin(theirs)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self { shell, pipe: ours })
    }
}
