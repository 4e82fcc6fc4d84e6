//! Turns that no client starts: of what waits in the queue, and for the goal.
//!
//! The thread goes on when a turn has ended, when something was queued or a goal set
//! while it was idle, and behind the answer to a resume. It does not while an interrupt
//! holds it up: the user said stop, and the next turn that anybody starts says go on.
//! The queue comes before the goal, and a client's turn before both.

use super::start_turn::Opening;
use crate::thread::{Cx, Thread};
use crate::{Action, Ground, Refusal};

impl Thread {
    /// If there is something to do, asks for what a turn starts from.
    pub(crate) fn go_on(&mut self) {
        if self.has_work() {
            self.prepare();
        }
    }

    /// Whether a turn is to begin by itself. Nothing begins in a thread that no client
    /// has seen since it was loaded.
    fn has_work(&self) -> bool {
        self.active.is_none()
            && !self.closing
            && !self.held
            && self.is_announced()
            && (!self.kept.queue.is_empty() || self.goal_wants_a_turn())
    }

    pub(crate) fn prepare(&mut self) {
        if !self.preparing {
            self.preparing = true;
            self.act(Action::Prepare);
        }
    }

    /// What was asked for is here. A client may have been faster, so it is looked at
    /// once more.
    pub(crate) fn on_prepared(&mut self, cx: Cx<'_>, ground: Ground) {
        self.preparing = false;
        if let Some((reply, id)) = self.start_asked.take() {
            let queued = if self.active.is_some() {
                Err(Refusal::TurnActive)
            } else {
                self.take_queued(id.as_deref())
            };
            return match queued {
                Ok(queued) => {
                    let opening = Opening::Queued(Box::new(queued));
                    self.begin_turn(cx, Some(reply), opening, None, ground);
                }
                Err(refusal) => self.refuse(reply, refusal),
            };
        }
        if !self.has_work() {
            return;
        }
        let opening = match self.take_queued(None) {
            Ok(queued) => Opening::Queued(Box::new(queued)),
            Err(_) => Opening::Goal,
        };
        self.begin_turn(cx, None, opening, None, ground);
    }

    /// Refuses what waits for its ground: the thread closes.
    pub(crate) fn refuse_start(&mut self) {
        if let Some((reply, _)) = self.start_asked.take() {
            let thread_id = self.wire_id();
            self.refuse(reply, Refusal::Closing { thread_id });
        }
    }

    /// Writes down what the thread keeps beside its history.
    pub(crate) fn keep(&mut self) {
        if !self.info.ephemeral {
            let kept = Box::new(self.kept.stored());
            self.act(Action::Keep(kept));
        }
    }
}
