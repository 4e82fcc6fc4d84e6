//! thread/resume: the snapshot and the subscription are one step.

use loomd_base::ConnectionId;
use loomd_protocol::{
    DeprecationNoticeNotification, ServerNotification, ThreadGoalClearedNotification,
    ThreadTokenUsageUpdatedNotification,
};

use crate::thread::Thread;
use crate::{Audience, Reply, ReplyTo, ResumeRequest};

impl Thread {
    /// Subscribes, then answers, in the order that clients rely on: a new status of a
    /// thread that was just loaded, the answer, the token usage (to this client, if
    /// it asked for turns), the goal snapshot, the questions that are open.
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
        self.reply(reply, Reply::View(Box::new(view)));
        if request.with_turns {
            self.tell_usage_to(request.connection);
        }
        let thread_id = self.wire_id();
        self.notify(
            Audience::Everyone,
            ServerNotification::ThreadGoalCleared(ThreadGoalClearedNotification { thread_id }),
        );
        self.ask_again(request.connection);
    }

    /// Tells one client the tokens so far, if they are known.
    pub(crate) fn tell_usage_to(&mut self, connection: ConnectionId) {
        self.tell_usage_so_far(Audience::One(connection));
    }

    pub(crate) fn tell_usage_so_far(&mut self, audience: Audience) {
        let Some((turn_id, token_usage)) = self.token_usage.clone() else {
            return;
        };
        let notification = ThreadTokenUsageUpdatedNotification {
            thread_id: self.wire_id(),
            turn_id,
            token_usage,
        };
        self.notify(
            audience,
            ServerNotification::ThreadTokenUsageUpdated(notification),
        );
    }
}
