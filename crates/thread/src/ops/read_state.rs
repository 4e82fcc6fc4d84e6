//! What of a thread the user has not read.
//!
//! A turn that completes or fails makes the thread unread from that turn on, if it was read; a
//! client that shows it marks it read again. Each change has a new revision, and a
//! client must name the one it knows, so that two clients do not undo each other.

use loomd_protocol::{
    ItemKind, ServerNotification, ThreadItem, ThreadReadStateChangedNotification,
    ThreadReadStateOperation, ThreadUnreadPosition, Turn,
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
            ThreadReadStateOperation::Unread => self.turns.last().map(|turn| {
                let turn_id = turn.id.clone();
                ThreadUnreadPosition::Turn { turn_id }
            }),
        };
        self.set_first_unread(cx, first_unread);
        let state = self.read_state.clone();
        self.reply(reply, Reply::ReadState(state));
    }

    /// A turn has completed or failed. What was unread before stays the first.
    /// A thread that keeps nothing has nothing to come back to, and is never unread.
    pub(crate) fn turn_is_unread(&mut self, cx: Cx<'_>, turn_id: String) {
        if self.info.ephemeral {
            return;
        }
        let first = self.read_state.first_unread.take();
        self.set_first_unread(cx, first.or(Some(ThreadUnreadPosition::Turn { turn_id })));
    }

    /// Whether a completed turn has an answer, and the thread does not work on by itself
    /// towards its goal (seen on 0.169.0).
    pub(crate) fn leaves_something_to_read(&self, turn: &Turn) -> bool {
        let is_answer = |item: &ThreadItem| {
            let ItemKind::AgentMessage(message) = &item.kind else {
                return false;
            };
            !message.text.is_empty()
        };
        turn.items.iter().any(is_answer) && !self.goal_wants_a_turn()
    }

    pub(crate) fn set_first_unread(&mut self, cx: Cx<'_>, position: Option<ThreadUnreadPosition>) {
        self.read_state.first_unread = position;
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
