//! What ends the commands when the server is killed with SIGKILL.
//!
//! The kernel then kills the shells (see `sys`), but not what they started. So one
//! small shell, started with the first command and shared by the whole server, holds
//! the reading end of a pipe, is told each process group that comes and goes, and
//! kills what is left when the pipe ends, which is when the server is gone, however it
//! went. It is a help of last resort: if it cannot be started or is killed itself,
//! commands run all the same and a warning is logged.

use std::io::{self, PipeWriter, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::Pid;

/// Reads `+ group` and `- group`, one a line; kills the groups that are left at the end.
const SCRIPT: &str = r#"
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
"#;

/// The way to the guardian; `None` if there is none.
static GUARDIAN: LazyLock<Option<PipeWriter>> = LazyLock::new(|| {
    start()
        .inspect_err(|error| tracing::warn!(%error, "no guardian for commands"))
        .ok()
});

fn start() -> io::Result<PipeWriter> {
    let (theirs, ours) = io::pipe()?;
    // A guardian that was stopped must not hold up the server.
    fcntl_setfl(&ours, fcntl_getfl(&ours)? | OFlags::NONBLOCK)?;
    Command::new("/bin/sh")
        .args(["-c", SCRIPT])
        .env_clear()
        .current_dir("/")
        // What ends the server from its terminal must not end the guardian first.
        .process_group(0)
        .stdin(theirs)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    Ok(ours)
}

/// Tells the guardian of a group that began.
pub(super) fn began(group: Pid) {
    tell('+', group);
}

/// Tells the guardian of a group that ended. To be called while the group's id is still
/// taken, and once for each that began.
pub(super) fn ended(group: Pid) {
    tell('-', group);
}

fn tell(change: char, group: Pid) {
    let Some(mut pipe) = GUARDIAN.as_ref() else {
        return;
    };
    // One write, which a pipe never splits at this length.
    let line = format!("{change} {group}\n");
    if let Err(error) = pipe.write_all(line.as_bytes()) {
        tracing::warn!(%error, "the guardian of commands does not listen");
    }
}
