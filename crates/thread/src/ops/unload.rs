//! thread/unload: an owner wants the memory back now.

use crate::thread::Thread;
use crate::{Refusal, Reply, ReplyTo};

impl Thread {
    /// Unloads the thread as its unload clock would, but now. What runs is never ended
    /// by it; `force` is for clients that watch, and for what would be lost.
    pub(crate) fn on_unload(&mut self, reply: ReplyTo, force: bool) {
        let thread_id = self.wire_id();
        if self.active.is_some() || self.preparing {
            return self.refuse(reply, Refusal::UnloadActive { thread_id });
        }
        if !force && self.is_watched() {
            return self.refuse(reply, Refusal::UnloadWatched { thread_id });
        }
        if !force && (self.info.ephemeral || !self.materialized) {
            return self.refuse(reply, Refusal::UnloadLoses { thread_id });
        }
        self.reply(reply, Reply::Done);
        self.unload();
    }
}
