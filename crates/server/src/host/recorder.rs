//! What a thread leaves on disk: its rollout, its name, its line in the lists.

use std::path::PathBuf;
use std::sync::Arc;

use loomd_base::Care;
use loomd_events::{Sequenced, SessionMeta, StoredState, ThreadEvent};
use loomd_protocol::Thread;
use loomd_rollout::Writer;

use crate::Server;
use crate::assemble::Assembly;
use crate::library::live_row;

/// Keeps one thread's files.
pub(super) struct Recorder {
    server: Arc<Server>,
    meta: SessionMeta,
    /// None until the thread has something to keep, and for ever in an ephemeral one.
    writer: Option<Writer>,
    ephemeral: bool,
    /// The name as it was written last.
    name: Option<String>,
}

impl Recorder {
    /// For a new thread: nothing is written before its first event.
    pub(super) fn fresh(server: &Arc<Server>, assembly: &Assembly) -> Self {
        Self {
            server: Arc::clone(server),
            meta: assembly.meta.clone(),
            writer: None,
            ephemeral: assembly.ephemeral,
            name: None,
        }
    }

    /// For a thread whose rollout is open.
    pub(super) fn stored(server: &Arc<Server>, assembly: &Assembly, writer: Writer) -> Self {
        Self {
            writer: Some(writer),
            name: assembly.setup.info.name.clone(),
            ..Self::fresh(server, assembly)
        }
    }

    /// Hands events to the operating system. What an event is not history of costs
    /// nothing.
    pub(super) fn record(
        &mut self,
        materialized: bool,
        events: &[Sequenced],
    ) -> Result<(), String> {
        if self.ephemeral {
            return Ok(());
        }
        if let (None, true) = (&self.writer, materialized) {
            let writer = Writer::create(&self.server.home, &self.meta);
            self.writer = Some(writer.map_err(|error| chain(&error))?);
        }
        match &mut self.writer {
            Some(writer) => {
                writer.append(events).map_err(|error| chain(&error))?;
                writer.partial(events).map_err(|error| chain(&error))?;
                if events.iter().any(ends_a_turn) {
                    sync_aside(writer);
                }
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Lists show the thread anew; a changed name is written down.
    pub(super) fn summary_changed(&mut self, materialized: bool, thread: Thread) {
        if self.ephemeral {
            return;
        }
        if let Err(reason) = self.record(materialized, &[]) {
            tracing::error!(thread = %self.meta.id, reason, "rollout not made");
        }
        if self.name != thread.name {
            self.name.clone_from(&thread.name);
            if let Some(name) = &thread.name {
                let now_ms = self.server.clock.now().wall_ms;
                if let Err(error) = self.server.library.set_name(self.meta.id, name, now_ms) {
                    tracing::error!(thread = %self.meta.id, ?error, "name not written");
                }
            }
        }
        if let Some(row) = live_row(self.meta.id, thread, self.meta.created_ms) {
            self.server.library.note(row);
        }
    }

    /// Writes down what the thread keeps beside its history.
    pub(super) fn keep(&self, state: &StoredState) -> Result<(), String> {
        loomd_rollout::write_state(&self.server.home, self.meta.id, state, Care::QUICK)
            .map_err(|error| chain(&error))
    }

    /// Where the rollout lies, if there is one already.
    pub(super) fn path(&self) -> Option<PathBuf> {
        self.writer.as_ref().map(|writer| writer.path().to_owned())
    }

    /// Bytes of the rollout, if there is one and nothing runs in the thread.
    pub(super) fn bytes_at_rest(&self) -> Option<u64> {
        self.writer.as_ref().and_then(Writer::bytes_at_rest)
    }

    /// Goes on with a rollout that was opened anew.
    pub(super) fn reopened(&mut self, writer: Writer) {
        self.writer = Some(writer);
    }

    /// Nothing runs in the thread: it holds no file and no lock until something does.
    pub(super) fn rest(&mut self) {
        if let Some(writer) = &mut self.writer
            && let Err(error) = writer.rest()
        {
            tracing::warn!(thread = %self.meta.id, %error, "rollout stays open");
        }
    }

    /// The thread is about to be dropped: everything is to be on the disk itself, and of a
    /// thread that never came to a rollout nothing is left.
    pub(super) fn finish(&mut self, materialized: bool) {
        if !materialized
            && let Err(error) = loomd_rollout::remove_state(&self.server.home, self.meta.id)
        {
            tracing::warn!(thread = %self.meta.id, %error, "state of a lost thread stays");
        }
        if let Some(writer) = self.writer.take() {
            sync_aside(&writer);
        }
    }
}

fn ends_a_turn(event: &Sequenced) -> bool {
    matches!(event.event, ThreadEvent::TurnEnded { .. })
}

/// Brings what was written to the disk itself, without anybody waiting for it: a
/// killed server loses nothing that was written, only a machine that loses power does.
fn sync_aside(writer: &Writer) {
    let Some(handle) = writer.sync_handle() else {
        return;
    };
    std::mem::drop(tokio::task::spawn_blocking(move || {
        if let Err(error) = handle.sync() {
            tracing::error!(%error, "rollout not synced");
        }
    }));
}

/// An error with its causes, for logs and for the client whose turn it fails.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
