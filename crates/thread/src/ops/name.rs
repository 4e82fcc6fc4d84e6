//! thread/name/set.

use loomd_protocol::{ServerNotification, ThreadNameUpdatedNotification};

use crate::thread::Thread;
use crate::{Action, Audience, Refusal, Reply, ReplyTo};

impl Thread {
    pub(crate) fn on_set_name(&mut self, reply: ReplyTo, name: &str) {
        let name = name.trim();
        if name.is_empty() {
            return self.refuse(reply, Refusal::EmptyName);
        }
        if let Err(refusal) = self.may_have_metadata() {
            return self.refuse(reply, refusal);
        }
        self.materialized = true;
        self.info.name = Some(name.to_owned());
        self.act(Action::SummaryChanged);
        self.reply(reply, Reply::Done);
        let notification = ThreadNameUpdatedNotification {
            thread_id: self.wire_id(),
            thread_name: Some(name.to_owned()),
        };
        self.notify(
            Audience::Everyone,
            ServerNotification::ThreadNameUpdated(notification),
        );
    }
}
