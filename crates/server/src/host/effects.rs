//! Performs what the core wants. The only place that starts model streams and tools.

use std::time::Duration;

use loomd_events::{Sequenced, ThreadEvent};
use loomd_thread::{Action, Audience, Input, ModelStart};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::actor::{Actor, Ending, Stream};
use super::residency::Budget;
use crate::errors::ApiError;

impl Actor {
    /// Performs actions in order. Their events go to the rollout in one write, before
    /// anything is sent: what is answered or told is on disk, whenever the server is
    /// killed.
    pub(super) fn perform(&mut self, actions: Vec<Action>) {
        let mut events: Vec<Sequenced> = Vec::new();
        let mut rest: Vec<(usize, Action)> = Vec::new();
        for action in actions {
            if let Action::Event(event) = action {
                events.push(event);
            } else {
                rest.push((events.len(), action));
            }
        }
        let written = self.record(&events);
        let mut told = 0;
        let mut events = events.into_iter();
        for (before, action) in rest {
            self.tell(events.by_ref().take(before - told));
            told = before;
            self.perform_one(action);
        }
        self.tell(events);
        // What comes of a failure has later numbers than these events.
        if let Some(reason) = self.not_kept.take() {
            tracing::error!(thread = %self.id, reason, "state of the thread not written");
            self.feed([Input::KeepFailed { reason }]);
        }
        if let Err(reason) = written {
            tracing::error!(thread = %self.id, reason, "rollout not written");
            self.feed([Input::RolloutFailed { reason }]);
        }
        if std::mem::take(&mut self.prepare) {
            let ground = self
                .surroundings
                .ground(self.core.settings(), self.core.file_rules());
            self.feed([Input::Prepared(Box::new(ground))]);
        }
        if self.core.is_quiet() {
            self.recorder.rest();
        }
        self.shared.set_status(self.core.shown_status());
        self.account();
    }

    /// Keeps the thread's account, and looks at everybody's when there is one thread
    /// more that could make room.
    fn account(&self) {
        let bytes = self.recorder.bytes_at_rest();
        let could_go = self.core.may_make_room() && bytes.is_some();
        let left_at_ms = could_go.then(|| self.server.clock.now().wall_ms);
        if self.shared.footprint.note(bytes, left_at_ms) {
            self.server.registry.keep_within(Budget::of(&self.config));
        }
    }

    fn perform_one(&mut self, action: Action) {
        match action {
            Action::Event(event) => self.tell([event]),
            Action::Reply { to, result } => {
                if let Some(responder) = self.replies.remove(&to) {
                    responder.answer((*result).map_err(ApiError::from));
                }
            }
            Action::Notify { to, notification } => {
                let now_ms = self.server.clock.now().wall_ms;
                match to {
                    Audience::Everyone => self.fanout.to_everyone(&notification, now_ms),
                    Audience::Subscribers => self.fanout.to_subscribers(&notification, now_ms),
                    Audience::One(connection) => {
                        self.fanout.to_one(connection, &notification, now_ms);
                    }
                }
            }
            Action::Subscribe {
                connection,
                observes,
            } => {
                let seq = self.core.last_seq();
                self.fanout.subscribe(connection, observes, seq);
            }
            Action::Replay { connection, after } => self.fanout.replay(connection, after),
            Action::Unsubscribe(connection) => self.fanout.unsubscribe(connection),
            Action::StartModel(start) => self.start_model(*start),
            Action::CancelModel { generation } => {
                let named = |stream: &mut Stream| stream.generation == generation;
                if let Some(stream) = self.stream.take_if(named) {
                    stream.cancel.cancel();
                }
            }
            Action::StartTool { context, call } => self.toolbox.start(context, call),
            Action::TakeUpTool(taken) => {
                self.toolbox
                    .take_up(taken.context, taken.call, taken.item, taken.outcome);
            }
            Action::StartShell {
                context,
                item_id,
                command,
                time,
            } => self.toolbox.start_for_user(context, item_id, command, time),
            Action::CancelTools { turn_id } => self.toolbox.cancel_turn(&turn_id),
            Action::Ask { id, to, request } => {
                self.server.registry.asked(id, self.id);
                self.fanout.ask(id, to, &request);
            }
            Action::DropAsk { id } => self.server.registry.forget_ask(id),
            Action::AnswerTool { key, outcome } => self.toolbox.settle(key, outcome),
            Action::SetTimer(deadline) => {
                let now = self.server.clock.now().mono;
                self.timer = deadline.map(|at| instant_in(at.saturating_sub(now)));
            }
            Action::Prepare => self.prepare = true,
            Action::Keep(state) => self.not_kept = self.recorder.keep(&state).err(),
            Action::SummaryChanged => {
                let summary = self.core.summary();
                self.recorder
                    .summary_changed(self.core.is_materialized(), summary);
            }
            Action::Unload => self.ending = Some(Ending::Unload),
        }
    }

    fn record(&mut self, events: &[Sequenced]) -> Result<(), String> {
        if events.is_empty() {
            return Ok(());
        }
        self.recorder.record(self.core.is_materialized(), events)
    }

    /// Sends events that were written.
    fn tell(&mut self, events: impl IntoIterator<Item = Sequenced>) {
        let now_ms = self.server.clock.now().wall_ms;
        for event in events {
            self.fanout.event(&event, now_ms);
            if let ThreadEvent::TurnEnded { turn, .. } = &event.event {
                self.toolbox.end_turn(&turn.id);
            }
        }
    }

    fn start_model(&mut self, start: ModelStart) {
        let cancel = CancellationToken::new();
        let generation = start.generation;
        let request = self.identity.request(start, self.toolbox.specs());
        let events = self.model.stream(request, cancel.clone());
        self.stream = Some(Stream {
            generation,
            events,
            cancel,
        });
    }
}

/// Far timers are cut to a day; the core looks at the clock again when it fires.
fn instant_in(delay: Duration) -> Instant {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    Instant::now() + delay.min(DAY)
}
