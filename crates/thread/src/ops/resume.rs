//! thread/resume: the snapshot and the subscription are one step.

use loomd_protocol::{
    DeprecationNoticeNotification, ServerNotification, ThreadGoalClearedNotification,
    ThreadTokenUsageUpdatedNotification,
};

use crate::thread::Thread;
use crate::{Audience, Reply, ReplyTo, ResumeRequest};

impl Thread {
    /// Subscribes, then answers, in the order that clients rely on: a new status of a
    /// thread that was just loaded, the answer, the token usage (to this client, if
    /// it asked for turns), the goal snapshot.
    pub(crate) fn on_resume(&mut self, reply: ReplyTo, request: ResumeRequest) {
        let caller = Audience::One(request.connection);
        self.touch();
        if request.with_turns {
            self.notify(
                caller,
                ServerNotification::DeprecationNotice(DeprecationNoticeNotification {
                    summary: "Full-history hydration is deprecated; use `excludeTurns: true`, \
                              then page with `thread/turns/list` and `thread/items/list`."
                        .to_owned(),
                    details: None,
                }),
            );
        }
        self.announce_status();
        self.subscribe(request.connection);
        let view = self.view();
        let usage = view.token_usage.clone();
        self.reply(reply, Reply::View(Box::new(view)));
        if let (true, Some((turn_id, token_usage))) = (request.with_turns, usage) {
            let thread_id = self.wire_id();
            self.notify(
                caller,
                ServerNotification::ThreadTokenUsageUpdated(ThreadTokenUsageUpdatedNotification {
                    thread_id,
                    turn_id,
                    token_usage,
                }),
            );
        }
        let thread_id = self.wire_id();
        self.notify(
            Audience::Everyone,
            ServerNotification::ThreadGoalCleared(ThreadGoalClearedNotification { thread_id }),
        );
    }
}
