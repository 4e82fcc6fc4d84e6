//! turn/interrupt, and the end of a turn from outside.

use loomd_events::{HistoryItem, MessagePart, ThreadEvent, ToolOutput, TurnEndReason};
use loomd_protocol::{TurnError, TurnStatus, WarningNotification};

use crate::thread::{Cx, Thread};
use crate::{Action, Refusal, Reply, ReplyTo};

/// What the model is told about an interrupted turn, in a user-role message with
/// this tag.
const TURN_ABORTED: &str = "<turn_aborted>\n\
    The user stopped this turn deliberately. Commands that were running have been ended and may \
    have done part of their work; background sessions may still be running. Check the state of \
    files before relying on it.\n\
    </turn_aborted>";

impl Thread {
    pub(crate) fn on_interrupt(&mut self, cx: Cx<'_>, reply: ReplyTo, turn_id: &str) {
        let Some(active) = &mut self.active else {
            // An empty id means whatever is starting up; nothing is, and that is fine.
            return if turn_id.is_empty() {
                self.reply(reply, Reply::Done);
            } else {
                self.refuse(reply, Refusal::NoTurnToInterrupt);
            };
        };
        if !turn_id.is_empty() && turn_id != active.turn.id {
            let refusal = Refusal::InterruptMismatch {
                expected: turn_id.to_owned(),
                found: active.turn.id.clone(),
            };
            return self.refuse(reply, refusal);
        }
        active.interrupts.push(reply);
        self.interrupt_turn(cx);
    }

    /// Ends the running turn, if there is one, as interrupted.
    pub(crate) fn interrupt_turn(&mut self, cx: Cx<'_>) {
        if self.active.is_none() {
            return;
        }
        self.cut_short(cx);
        let turn_id = self.active.as_ref().map(|active| active.id.clone());
        let marker = HistoryItem::message(
            &format!("msg_{}", cx.ids.v7()),
            "user",
            &[MessagePart::text(TURN_ABORTED)],
        );
        self.remember(cx, turn_id, marker);
        self.end_turn(
            cx,
            TurnStatus::Interrupted,
            TurnEndReason::Interrupted,
            None,
        );
    }

    /// Ends the running turn because of an error.
    pub(crate) fn fail_turn(&mut self, cx: Cx<'_>, error: TurnError) {
        if self.active.is_none() {
            return;
        }
        self.cut_short(cx);
        self.end_turn(cx, TurnStatus::Failed, TurnEndReason::Failed, Some(error));
    }

    pub(crate) fn on_rollout_failed(&mut self, cx: Cx<'_>, reason: &str) {
        let refusal = Refusal::Storage {
            reason: reason.to_owned(),
        };
        self.fail_turn(cx, TurnError::message(refusal.to_string()));
        self.failed = true;
        self.announce_status();
    }

    /// The thread goes on with what it has in memory.
    pub(crate) fn on_keep_failed(&mut self, cx: Cx<'_>, reason: &str) {
        let notification = WarningNotification {
            thread_id: Some(self.wire_id()),
            message: format!(
                "The goal, the queue and the open questions of this thread could not be written \
                 and would be lost at a restart: {reason}"
            ),
        };
        self.event(cx, ThreadEvent::Warning(notification));
    }

    /// Cancels the stream and the calls. What a client has seen of a streaming
    /// message stays; calls without an output get one that says they were aborted.
    fn cut_short(&mut self, cx: Cx<'_>) {
        let Some(active) = &mut self.active else {
            return;
        };
        let turn_id = active.id.clone();
        let generation = active.step.generation;
        // From now on nothing that this stream says is heard.
        active.step.generation = 0;
        let running = active.step.calls.iter().any(|call| call.output.is_none());
        for call in &mut active.step.calls {
            if call.output.is_none() {
                let seconds = cx.now.mono.saturating_sub(call.started.mono).as_secs_f64();
                let custom = call.call.is_custom();
                // Either as in the reference.
                let output = match custom {
                    true => format!("aborted by user after {seconds:.1}s"),
                    false => format!("Wall time: {seconds:.1} seconds\naborted by user"),
                };
                call.output = Some(ToolOutput {
                    call_id: call.call.call_id.clone(),
                    custom,
                    output: output.into(),
                });
            }
        }
        let running = running || !active.shells.is_empty();
        self.act(Action::CancelModel { generation });
        self.abort_shells(cx);
        if running {
            self.act(Action::CancelTools { turn_id });
        }
        self.finish_streaming(cx);
        self.record_outputs(cx);
        self.tell_usage(cx);
    }
}
