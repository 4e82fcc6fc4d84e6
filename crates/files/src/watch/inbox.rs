//! What the operating system says has changed, until the task takes it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use notify::event::ModifyKind;
use notify::{Event, EventKind};
use tokio::sync::Notify;

/// Paths that may wait. Beyond it they are forgotten, and that they were is remembered.
const PATHS_MAX: usize = 65_536;

/// Changes that wait.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) paths: BTreeSet<PathBuf>,
    /// Those that came, went or moved.
    pub(super) moved: BTreeSet<PathBuf>,
    /// There was more than is known of.
    pub(super) lost: bool,
}

/// A box between the thread of the source and the task.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    // Held to put a few paths in or to take all out.
    changes: Mutex<Changes>,
    filled: Notify,
}

impl Inbox {
    /// For the source's thread; never waits for the task.
    pub(super) fn put(&self, event: notify::Result<Event>) {
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Err(error) => {
                tracing::warn!(%error, "changes of files were lost");
                changes.lost = true;
            }
            Ok(event) => {
                changes.lost |= event.need_rescan();
                let moves = match event.kind {
                    // Reading changes nothing.
                    EventKind::Access(_) => return,
                    EventKind::Create(_)
                    | EventKind::Remove(_)
                    | EventKind::Modify(ModifyKind::Name(_)) => true,
                    EventKind::Any | EventKind::Modify(_) | EventKind::Other => false,
                };
                if moves {
                    changes.moved.extend(event.paths.iter().cloned());
                }
                changes.paths.extend(event.paths);
            }
        }
        if changes.paths.len() > PATHS_MAX {
            *changes = Changes {
                lost: true,
                ..Changes::default()
            };
        }
        drop(changes);
        self.filled.notify_one();
    }

    /// Waits until there is something. It may be gone again.
    pub(super) async fn filled(&self) {
        self.filled.notified().await;
    }

    pub(super) fn take(&self) -> Changes {
        std::mem::take(&mut *self.changes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
