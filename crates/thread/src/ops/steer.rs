//! turn/steer: input for the turn that runs.

use crate::thread::{Cx, QUEUED_STEERS_MAX, Thread};
use crate::{Refusal, Reply, ReplyTo, UserMessage};

impl Thread {
    pub(crate) fn on_steer(
        &mut self,
        cx: Cx<'_>,
        reply: ReplyTo,
        expected: &str,
        message: UserMessage,
    ) {
        let Some(active) = &self.active else {
            return self.refuse(reply, Refusal::NoTurnToSteer);
        };
        if expected.is_empty() {
            return self.refuse(reply, Refusal::EmptyExpectedTurn);
        }
        if expected != active.turn.id {
            let refusal = Refusal::SteerMismatch {
                expected: expected.to_owned(),
                found: active.turn.id.clone(),
            };
            return self.refuse(reply, refusal);
        }
        if message.content.is_empty() {
            return self.refuse(reply, Refusal::EmptyInput);
        }
        let turn_id = active.turn.id.clone();
        match self.queue_steer(message) {
            Ok(()) => {
                self.reply(reply, Reply::Steered { turn_id });
                // A turn that only waits for a command of the user's takes it up now.
                self.step_on(cx);
            }
            Err(refusal) => self.refuse(reply, refusal),
        }
    }

    /// Keeps a message for the next request of the running turn.
    pub(crate) fn queue_steer(&mut self, message: UserMessage) -> Result<(), Refusal> {
        let Some(active) = &mut self.active else {
            return Err(Refusal::NoTurnToSteer);
        };
        if active.steers.len() >= QUEUED_STEERS_MAX {
            return Err(Refusal::TooManySteers {
                max: QUEUED_STEERS_MAX,
            });
        }
        active.steers.push(message);
        self.waiting_changed = true;
        Ok(())
    }
}
