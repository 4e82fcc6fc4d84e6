//! Orphans of commands come to this process and are reaped.
//!
//! A descendant that outlives its parent is given to the nearest ancestor that asked for
//! such children, or to the machine's first process, which in a container often does not
//! reap. This process asks for them. A child that has a session other than this process's,
//! and that the launcher did not start, can only be such an orphan: commands are always in
//! sessions of their own, and nothing joins a session from outside. So what the runtime or the
//! standard library wait for is never taken from them, provided that whoever starts a process
//! in another way leaves it in this process's session.
//!
//! Limit: the kernel gives orphans to the process's first thread, so that thread has to live,
//! and a kernel without `/proc/PID/task/TID/children` gets no such process at all.

use std::io;

use rustix::process::{Pid, WaitId, WaitIdOptions, getpid, set_child_subreaper, waitid};
use tokio::signal::unix::{SignalKind, signal};

use super::stat;

/// Makes this process the one that orphans of its commands come to, and reaps them for as
/// long as the future is polled. To be run once in a process, beside everything else.
///
/// # Errors
/// The machine cannot do it; then orphans go where they went before.
pub async fn reap_orphans() -> io::Result<()> {
    let mut ended = signal(SignalKind::child())?;
    children()?;
    set_child_subreaper(Some(getpid()))?;
    // One signal may stand for many children, so each looks at all.
    while ended.recv().await.is_some() {
        for orphan in children()?
            .into_iter()
            .filter(|child| is_dead_orphan(*child))
        {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
            let _ = waitid(WaitId::Pid(orphan), options);
        }
    }
    Ok(())
}

/// The children of the first thread. The launcher's are not among them.
fn children() -> io::Result<Vec<Pid>> {
    let own = getpid();
    let text = std::fs::read_to_string(format!("/proc/self/task/{own}/children"))?;
    let ids = text.split_whitespace().filter_map(|id| id.parse().ok());
    Ok(ids.filter_map(Pid::from_raw).collect())
}

fn is_dead_orphan(child: Pid) -> bool {
    // Read from where the child's is: the session may be one that has no number here.
    let own = stat::of(getpid()).map(|own| own.session);
    stat::of(child).is_some_and(|stat| !stat.runs && own.is_some_and(|own| stat.session != own))
}
