//! thread/resume: the snapshot and the subscription are one step.

use loomd_base::ConnectionId;
use loomd_protocol::{
    DeprecationNoticeNotification, ServerNotification, ThreadHistoryMode,
    ThreadTokenUsageUpdatedNotification, WarningNotification,
};

use crate::thread::Thread;
use crate::{Action, Audience, Refusal, Reply, ReplyTo, ResumeRequest};

impl Thread {
    /// Subscribes, then answers, in the order that clients rely on: a new status of a
    /// thread that was just loaded, the answer, the token usage (to this client, if
    /// it asked for turns or the thread was just loaded), the goal snapshot, the questions
    /// that are open, and only then what the thread does by itself.
    pub(crate) fn on_resume(&mut self, reply: ReplyTo, request: ResumeRequest) {
        let caller = Audience::One(request.connection);
        // Nobody was told of the thread since it was loaded.
        let is_cold = !self.is_announced();
        if request.with_turns
            && self.info.history_mode == ThreadHistoryMode::Paginated
            && !self.info.ephemeral
        {
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
        if let Err(refusal) = self.may_resume() {
            return self.refuse(reply, refusal);
        }
        if !request.observe {
            self.touch();
        }
        if let Some(message) = self.notice.take() {
            let notification = WarningNotification {
                thread_id: Some(self.wire_id()),
                message,
            };
            self.notify(caller, ServerNotification::Warning(notification));
        }
        self.announce_status();
        if request.observe {
            self.observe(request.connection);
        } else {
            self.subscribe(request.connection);
        }
        let mut view = if request.with_turns {
            self.view()
        } else {
            self.view_within(request.page)
        };
        // The events behind the answer go on from where the client is.
        view.seq = request.replay_after.unwrap_or(view.seq);
        self.reply(reply, Reply::View(Box::new(view)));
        if let Some(after) = request.replay_after {
            let connection = request.connection;
            self.act(Action::Replay { connection, after });
        }
        if request.with_turns || is_cold {
            self.tell_usage_to(request.connection);
        }
        self.tell_goal_as_it_is();
        if !request.observe {
            self.ask_again(request.connection);
            self.go_on();
        }
    }

    /// What keeps nothing on disk cannot be resumed, even while it is loaded.
    fn may_resume(&self) -> Result<(), Refusal> {
        if self.materialized && !self.info.ephemeral {
            return Ok(());
        }
        let is_paginated = self.info.history_mode == ThreadHistoryMode::Paginated;
        if is_paginated && !self.info.ephemeral {
            return Err(Refusal::NoTurnsToList);
        }
        Err(Refusal::NoRollout {
            thread_id: self.wire_id(),
        })
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
