//! turn/start.

use std::path::PathBuf;
use std::sync::Arc;

use loomd_events::{HistoryItem, ThreadEvent, ToolContext, TurnContext, TurnStart};
use loomd_protocol::{Turn, TurnItemsView, TurnStatus, WarningNotification};

use crate::thread::{Cx, Thread};
use crate::turn::{ActiveTurn, Step};
use crate::{Action, Reply, ReplyTo, TurnRequest, UserMessage, context, items};

/// Characters of the first user message that lists show.
const PREVIEW_CHARS_MAX: usize = 1024;

impl Thread {
    /// Starts a turn and its first request. While a turn runs, the message steers it
    /// instead and the answer names the running turn.
    pub(crate) fn on_start_turn(&mut self, cx: Cx<'_>, reply: ReplyTo, request: TurnRequest) {
        if self.active.is_some() {
            return self.steer_instead(cx, reply, request);
        }
        self.apply_settings(cx, request.settings);
        if let Some(message) = request.model.warning.clone() {
            let notification = WarningNotification {
                thread_id: Some(self.wire_id()),
                message,
            };
            self.event(cx, ThreadEvent::Warning(notification));
        }
        let id: Arc<str> = cx.ids.v7().to_string().into();
        let turn = new_turn(&id);
        self.reply(reply, Reply::Turn(Box::new(turn.clone())));

        let first = !self.materialized || self.info.preview.is_empty();
        self.materialized = true;
        self.failed = false;
        let context_window = request.model.context_window;
        self.active = Some(ActiveTurn {
            turn: Turn {
                started_at: Some(cx.now.wall_s()),
                ..turn
            },
            id: id.clone(),
            started: cx.now,
            context: Arc::new(self.tool_context(&id)),
            model: request.model,
            output_schema: request.output_schema,
            step: Step::default(),
            steers: Vec::new(),
            interrupts: Vec::new(),
            diff: None,
            broken_attempts: 0,
        });
        self.announce_status();
        self.tell_turn_start(cx, context_window);
        for item in context::news(&self.told, &request.context, cx.ids) {
            self.remember(cx, Some(id.clone()), item);
        }
        self.told = request.context;
        self.info.recency_at = Some(cx.now.wall_s());
        if first {
            self.info.preview = preview(&request.message);
        }
        self.act(Action::SummaryChanged);
        self.take_up(cx, request.message);
        self.ask_model(cx);
    }

    fn steer_instead(&mut self, cx: Cx<'_>, reply: ReplyTo, request: TurnRequest) {
        self.apply_settings(cx, request.settings);
        match self.queue_steer(request.message) {
            Ok(()) => {
                let running = self.active.as_ref().map(|active| Turn {
                    items: Vec::new(),
                    items_view: TurnItemsView::NotLoaded,
                    ..active.turn.clone()
                });
                if let Some(turn) = running {
                    self.reply(reply, Reply::Turn(Box::new(turn)));
                }
            }
            Err(refusal) => self.refuse(reply, refusal),
        }
    }

    fn tell_turn_start(&mut self, cx: Cx<'_>, model_context_window: Option<i64>) {
        let Some(active) = &self.active else { return };
        let turn = Turn {
            items: Vec::new(),
            items_view: TurnItemsView::NotLoaded,
            ..active.turn.clone()
        };
        let context = TurnContext {
            turn_id: active.id.clone(),
            cwd: active.context.cwd.clone(),
            approval_policy: self.settings.approval_policy.clone(),
            sandbox_policy: self.settings.sandbox_policy.clone(),
            model: self.settings.model.clone(),
            effort: self.settings.effort.as_ref().map(ToString::to_string),
            summary: self.settings.summary.map(|mode| mode.as_str().to_owned()),
        };
        let start = TurnStart {
            turn,
            model_context_window,
        };
        self.event(cx, ThreadEvent::TurnStarted(Box::new(start)));
        self.event(cx, ThreadEvent::TurnContext(Box::new(context)));
    }

    /// Makes a user message part of the turn: an item for clients, an entry for the model.
    pub(crate) fn take_up(&mut self, cx: Cx<'_>, message: UserMessage) {
        let Some(turn_id) = self.active.as_ref().map(|active| active.id.clone()) else {
            return;
        };
        if !message.parts.is_empty() {
            let entry =
                HistoryItem::message(&format!("msg_{}", cx.ids.v7()), "user", &message.parts);
            self.remember(cx, Some(turn_id.clone()), entry);
        }
        let item = items::user_message(cx.ids.v7().to_string(), message.client_id, message.content);
        self.item_started(cx, &turn_id, item.clone());
        self.item_completed(cx, &turn_id, item);
    }

    fn tool_context(&self, turn_id: &Arc<str>) -> ToolContext {
        ToolContext {
            thread_id: self.id,
            session_id: self.session_id,
            turn_id: turn_id.clone(),
            cwd: PathBuf::from(self.settings.cwd.as_str()),
            approval_policy: self.settings.approval_policy.clone(),
            sandbox_policy: self.settings.sandbox_policy.clone(),
        }
    }
}

fn new_turn(id: &Arc<str>) -> Turn {
    Turn {
        id: id.to_string(),
        root_turn_id: Some(id.to_string()),
        items: Vec::new(),
        items_view: TurnItemsView::NotLoaded,
        status: TurnStatus::InProgress,
        error: None,
        started_at: None,
        completed_at: None,
        duration_ms: None,
    }
}

fn preview(message: &UserMessage) -> String {
    let text = items::plain_text(&message.content);
    text.chars().take(PREVIEW_CHARS_MAX).collect()
}
