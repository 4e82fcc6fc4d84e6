//! What of a thread the user has not read.
//!
//! A turn that completes makes the thread unread from that turn on, if it was read; a
//! client that shows it marks it read again. Each change has a new revision, and a
//! client must name the one it knows, so that two clients do not undo each other.

use loomd_protocol::{
    ServerNotification, ThreadReadStateChangedNotification, ThreadReadStateOperation,
    ThreadUnreadPosition,
};

use crate::thread::{Cx, Thread};
use crate::{Audience, Refusal, Reply, ReplyTo};

impl Thread {
    pub(crate) fn on_update_read_state(
        &mut self,
        cx: Cx<'_>,
        reply: ReplyTo,
        expected_revision: &str,
        operation: ThreadReadStateOperation,
    ) {
        if expected_revision != self.read_state.revision {
            let current = self.read_state.clone();
            return self.refuse(reply, Refusal::ReadStateConflict { current });
        }
        let first_unread = match operation {
            ThreadReadStateOperation::Read => None,
            ThreadReadStateOperation::Unread => self.turns.last().map(|turn| turn.id.clone()),
        };
        self.set_first_unread(cx, first_unread);
        let state = self.read_state.clone();
        self.reply(reply, Reply::ReadState(state));
    }

    /// A turn has completed and nobody has marked it read yet.
    pub(crate) fn turn_is_unread(&mut self, cx: Cx<'_>, turn_id: String) {
        if self.read_state.first_unread.is_none() {
            self.set_first_unread(cx, Some(turn_id));
        }
    }

    fn set_first_unread(&mut self, cx: Cx<'_>, turn_id: Option<String>) {
        self.read_state.first_unread =
            turn_id.map(|turn_id| ThreadUnreadPosition::Turn { turn_id });
        self.read_state.revision = cx.ids.v4().to_string();
        let notification = ThreadReadStateChangedNotification {
            thread_id: self.wire_id(),
            read_state: self.read_state.clone(),
        };
        self.notify(
            Audience::Subscribers,
            ServerNotification::ThreadReadStateChanged(notification),
        );
    }
}
