//! thread/start and thread/unsubscribe.

use loomd_base::ConnectionId;
use loomd_protocol::{ServerNotification, ThreadStartedNotification, ThreadUnsubscribeStatus};

use crate::thread::Thread;
use crate::{Action, Audience, Reply, ReplyTo};

impl Thread {
    /// Subscribes the connection that made the thread, answers it, tells it the tokens
    /// that a fork begins with, then tells everyone.
    pub(crate) fn on_start(&mut self, reply: ReplyTo, connection: ConnectionId, usage: bool) {
        self.subscribe(connection);
        let view = Box::new(self.view());
        let thread = view.thread.clone();
        self.reply(reply, Reply::View(view));
        if usage {
            self.tell_usage_to(connection);
        }
        self.notify(
            Audience::Everyone,
            ServerNotification::ThreadStarted(ThreadStartedNotification { thread }),
        );
    }

    pub(crate) fn on_unsubscribe(&mut self, reply: ReplyTo, connection: ConnectionId) {
        // The answer stands before whatever an unload delay of zero brings.
        let status = if self.is_subscribed(connection) {
            ThreadUnsubscribeStatus::Unsubscribed
        } else {
            ThreadUnsubscribeStatus::NotSubscribed
        };
        self.act(Action::Reply {
            to: reply,
            result: Box::new(Ok(Reply::Unsubscribed(status))),
        });
        self.unsubscribe(connection);
    }
}
