//! Named gates that a test opens to let a scripted stream go on.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

/// Gates that may be open; beyond it none is opened any more. Tests use a handful.
const OPEN_GATES_MAX: usize = 10_000;

/// Gates by name: shut until opened once. Waiting keeps no memory.
#[derive(Debug, Default)]
pub(super) struct Gates {
    open: Mutex<BTreeSet<String>>,
    opened: Notify,
}

impl Gates {
    pub(super) fn open(&self, name: &str) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() < OPEN_GATES_MAX {
            open.insert(name.to_owned());
        }
        drop(open);
        self.opened.notify_waiters();
    }

    pub(super) async fn wait(&self, name: &str) {
        loop {
            // Registered before the look, so that an opening between the two is heard.
            let opened = self.opened.notified();
            if self.is_open(name) {
                return;
            }
            opened.await;
        }
    }

    fn is_open(&self, name: &str) -> bool {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.contains(name)
    }
}
