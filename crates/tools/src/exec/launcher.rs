//! The thread that starts processes.
//!
//! One thread for the whole server, started with the first command and kept for good:
//! the kernel sends a child's parent-death signal when the thread that forked it ends,
//! so no worker or blocking thread, which may end at any time, may fork. It also keeps
//! fork and exec (about a millisecond) off the async workers.

use std::io;
use std::process::{Child, Command};
use std::sync::LazyLock;

use rustix::process::{Signal, getpid, kill_process_group};
use tokio::sync::{mpsc, oneshot};

use super::sys;

/// Commands that may wait for the thread; further ones wait for room.
const QUEUE_LENGTH: usize = 64;

/// A process to start.
struct Job {
    command: Command,
    tty: bool,
    reply: oneshot::Sender<io::Result<Child>>,
}

/// The way to the thread; `None` if the system would not start one.
static LAUNCHER: LazyLock<Option<mpsc::Sender<Job>>> = LazyLock::new(|| {
    let (jobs, queue) = mpsc::channel(QUEUE_LENGTH);
    std::thread::Builder::new()
        .name("loomd-launcher".to_owned())
        .spawn(move || serve(queue))
        .ok()?;
    Some(jobs)
});

/// Starts a process in a session of its own.
///
/// # Errors
/// What the system says about the program, the folder or the resources.
pub(super) async fn launch(command: Command, tty: bool) -> io::Result<Child> {
    let gone = || io::Error::other("the thread that starts processes is gone");
    let (reply, answer) = oneshot::channel();
    let job = Job {
        command,
        tty,
        reply,
    };
    let jobs = LAUNCHER.as_ref().ok_or_else(gone)?;
    jobs.send(job).await.map_err(|_| gone())?;
    answer.await.map_err(|_| gone())?
}

fn serve(mut queue: mpsc::Receiver<Job>) {
    let server = getpid();
    while let Some(job) = queue.blocking_recv() {
        let Job {
            mut command,
            tty,
            reply,
        } = job;
        sys::prepare(&mut command, server, tty);
        let started = command.spawn();
        // Our copies of the child's descriptors, without which its output never ends.
        drop(command);
        if let Err(Ok(mut unwanted)) = reply.send(started) {
            // Nobody waits for it any more.
            let group = rustix::process::Pid::from_child(&unwanted);
            let _ = kill_process_group(group, Signal::KILL);
            let _ = unwanted.wait();
        }
    }
}
