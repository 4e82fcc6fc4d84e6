//! Watching files and folders for their clients.
//!
//! All watches of a process share one source of changes of the operating system, which is
//! there while there are watches: one descriptor and one thread, whatever their number. One
//! task owns them all. What changed is collected for [`COLLECTED_FOR`] from the first change
//! on and then told at once, in the order of the paths.
//!
//! A folder is watched with its direct children. A file is watched through its folder, so
//! that a file that is replaced, or removed and made again, stays watched; what is not there
//! is watched through the nearest folder that is, until it comes.
//!
//! Limits: [`WATCHES_MAX`] a connection, [`CHANGES_MAX`] paths in one message. Beyond those,
//! and when the operating system has lost count, the watched path itself is told: look again.

mod hub;
mod inbox;
mod place;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use loomd_base::ConnectionId;
use loomd_base::tasks::{Kind, spawn};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use hub::Hub;
use inbox::Inbox;

/// How long changes are collected. That of the reference, seen on 0.169.0.
pub const COLLECTED_FOR: Duration = Duration::from_millis(200);
/// Watches that one connection may have.
pub const WATCHES_MAX: usize = 1000;
/// Paths in one message.
pub const CHANGES_MAX: usize = 10_000;
/// Requests that may wait for the task; whoever comes later waits outside.
const COMMANDS_MAX: usize = 64;

/// Why a path is not watched.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The connection has a watch of this id.
    #[error("watchId already exists: {0}")]
    Exists(String),
    /// The connection has [`WATCHES_MAX`].
    #[error("too many watches: limit is {WATCHES_MAX} per connection")]
    TooMany,
    /// The operating system does not watch it.
    #[error("{0}")]
    System(String),
    /// The task has ended over a mistake in it; the next watch starts another.
    #[error("file watching has failed")]
    Failed,
}

/// Whether a message was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// It was.
    Taken,
    /// Who reads it lags; the changes are kept and told later.
    Later,
}

/// Tells which paths have changed.
pub type Tell = Box<dyn Fn(&BTreeSet<PathBuf>) -> Told + Send>;

/// What identifies a watch.
type Key = (ConnectionId, String);

enum Command {
    Watch {
        key: Key,
        path: PathBuf,
        tell: Tell,
        done: oneshot::Sender<Result<(), WatchError>>,
    },
    Unwatch {
        key: Key,
        done: oneshot::Sender<()>,
    },
    Closed {
        owner: ConnectionId,
        done: oneshot::Sender<()>,
    },
}

/// The watches of a process.
#[derive(Default)]
pub struct Watches {
    // The way to the task; held to copy it. The task is started by the first watch.
    task: Mutex<Option<mpsc::Sender<Command>>>,
}

impl Watches {
    /// Watches a path, absolute and plain. What changes from now on is told.
    ///
    /// # Errors
    /// See [`WatchError`].
    pub async fn watch(
        &self,
        owner: ConnectionId,
        id: String,
        path: PathBuf,
        tell: Tell,
    ) -> Result<(), WatchError> {
        // A path that does not answer holds up whoever asked for it, and not the task.
        let looked_at = path.clone();
        let look = tokio::task::spawn_blocking(move || place::find(&looked_at));
        look.await.map_err(|_| WatchError::Failed)?;
        let (done, answer) = oneshot::channel();
        let command = Command::Watch {
            key: (owner, id),
            path,
            tell,
            done,
        };
        let task = self.started();
        task.send(command).await.map_err(|_| WatchError::Failed)?;
        answer.await.map_err(|_| WatchError::Failed)?
    }

    /// Ends a watch, if there is one. It tells nothing more when this has returned.
    pub async fn unwatch(&self, owner: ConnectionId, id: String) {
        let (done, answer) = oneshot::channel();
        let key = (owner, id);
        self.order(Command::Unwatch { key, done }, answer).await;
    }

    /// Ends all watches of a connection.
    pub async fn connection_closed(&self, owner: ConnectionId) {
        let (done, answer) = oneshot::channel();
        self.order(Command::Closed { owner, done }, answer).await;
    }

    async fn order(&self, command: Command, answer: oneshot::Receiver<()>) {
        let task = self.lock().clone();
        // Without a task there are no watches.
        if let Some(task) = task
            && task.send(command).await.is_ok()
        {
            drop(answer.await);
        }
    }

    fn started(&self) -> mpsc::Sender<Command> {
        let mut task = self.lock();
        if let Some(running) = task.as_ref().filter(|running| !running.is_closed()) {
            return running.clone();
        }
        let (sender, commands) = mpsc::channel(COMMANDS_MAX);
        spawn(Kind::Background, serve(commands));
        *task = Some(sender.clone());
        sender
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<mpsc::Sender<Command>>> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn serve(mut commands: mpsc::Receiver<Command>) {
    let inbox = Arc::new(Inbox::default());
    let mut hub = Hub::new(Arc::clone(&inbox));
    loop {
        let due = hub.due();
        let next = async {
            match due {
                Some(due) => tokio::time::sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        let step = tokio::select! {
            biased;
            command = commands.recv() => match command {
                Some(command) => Step::Obey(command),
                None => return,
            },
            () = inbox.filled() => Step::Sort,
            () = next => {
                hub.tell_due(Instant::now());
                continue;
            }
        };
        let now = Instant::now();
        let taken = tokio::task::spawn_blocking(move || {
            match step {
                Step::Obey(command) => obey(&mut hub, command),
                Step::Sort => hub.sort(now),
            }
            hub
        });
        match taken.await {
            Ok(back) => hub = back,
            Err(_) => {
                tracing::error!("the task of the file watches panicked; all watches are lost");
                return;
            }
        }
    }
}

enum Step {
    Obey(Command),
    Sort,
}

/// Whoever waits for the answer may have left; the order is carried out all the same.
fn obey(hub: &mut Hub, command: Command) {
    match command {
        Command::Watch {
            key,
            path,
            tell,
            done,
        } => {
            done.send(hub.watch(key, path, tell)).ok();
        }
        Command::Unwatch { key, done } => {
            hub.unwatch(&key);
            done.send(()).ok();
        }
        Command::Closed { owner, done } => {
            hub.connection_closed(owner);
            done.send(()).ok();
        }
    }
}

#[cfg(test)]
mod tests;
