//! thread/shellCommand: a command of the user's, in a turn of its own or in the one that
//! runs.
//!
//! The turn does not end before its commands have. What a command printed becomes a
//! message for the model, which is not asked because of it.

use std::sync::Arc;

use loomd_events::{HistoryItem, MessagePart, ToolOutput};
use loomd_protocol::{CommandExecutionStatus, ItemKind};

use super::start_turn::Opening;
use crate::thread::{Cx, Thread};
use crate::{Action, Refusal, Reply, ReplyTo, ShellRequest};

/// Commands of the user's that may run in one thread at once.
pub const SHELLS_MAX: usize = 16;

/// What the model reads of a command that the user interrupted.
const ABORTED: &str = "command aborted by user";

impl Thread {
    pub(crate) fn on_shell(&mut self, cx: Cx<'_>, reply: ReplyTo, request: ShellRequest) {
        let running = self.active.as_ref().map_or(0, |turn| turn.shells.len());
        if running >= SHELLS_MAX {
            return self.refuse(reply, Refusal::TooManyShells { max: SHELLS_MAX });
        }
        self.reply(reply, Reply::Done);
        if self.active.is_none() {
            self.begin_turn(cx, None, Opening::Shell, None, request.ground);
        }
        let item_id = cx.ids.v4().to_string();
        let Some(active) = &mut self.active else {
            return;
        };
        active
            .shells
            .insert(item_id.clone(), request.command.clone());
        let context = Arc::clone(&active.context);
        self.act(Action::StartShell {
            context,
            item_id,
            command: request.command,
            time: request.time,
        });
    }

    /// Whether a running command of this turn is the user's.
    pub(crate) fn is_shell(&self, turn_id: &Arc<str>, item_id: &str) -> bool {
        self.active
            .as_ref()
            .is_some_and(|turn| turn.id == *turn_id && turn.shells.contains_key(item_id))
    }

    pub(crate) fn on_shell_ended(&mut self, cx: Cx<'_>, turn_id: &Arc<str>, output: &ToolOutput) {
        if let Some(active) = &mut self.active {
            active.shells.remove(&output.call_id);
        }
        let text = output.output.as_str().unwrap_or_default();
        self.remember_shell(cx, turn_id, text.to_owned());
        self.step_on(cx);
    }

    /// Ends the user's commands with their turn: clients see them end, and the model reads
    /// that they were aborted.
    pub(crate) fn abort_shells(&mut self, cx: Cx<'_>) {
        let Some(active) = &mut self.active else {
            return;
        };
        let turn_id = active.id.clone();
        for (item_id, script) in std::mem::take(&mut active.shells) {
            let Some(mut item) = self.item_mut(&turn_id, &item_id).map(|item| item.clone()) else {
                continue; // it had not begun
            };
            let ItemKind::CommandExecution(command) = &mut item.kind else {
                continue;
            };
            command.status = CommandExecutionStatus::Failed;
            command.exit_code = Some(-1);
            command
                .aggregated_output
                .get_or_insert_default()
                .push_str(ABORTED);
            let started_ms = item.started_at_ms.unwrap_or(cx.now.wall_ms);
            command.duration_ms = Some(cx.now.wall_ms.saturating_sub(started_ms).max(0));
            let text = format!(
                "<user_shell_command>\n<command>\n{script}\n</command>\n<result>\n{ABORTED}\n</result>\n\
                 </user_shell_command>"
            );
            self.item_completed(cx, &turn_id, item);
            self.remember_shell(cx, &turn_id, text);
        }
    }

    fn remember_shell(&mut self, cx: Cx<'_>, turn_id: &Arc<str>, text: String) {
        let id = format!("msg_{}", cx.ids.v7());
        let entry = HistoryItem::message(&id, "user", &[MessagePart::text(text)]);
        self.remember(cx, Some(turn_id.clone()), entry);
    }
}
