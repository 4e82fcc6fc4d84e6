//! turn/start.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use loomd_events::{HistoryItem, ThreadEvent, ToolContext, TurnContext, TurnStart};
use loomd_protocol::{ModeKind, Turn, TurnItemsView, TurnStatus, WarningNotification};

use crate::thread::{Cx, Thread};
use crate::turn::{ActiveTurn, Step};
use crate::{
    Action, Ground, Queued, Reply, ReplyTo, SharedJson, TurnRequest, UserMessage, context, items,
};

/// Characters of the first user message that lists show.
const PREVIEW_CHARS_MAX: usize = 1024;

/// What a turn begins with.
pub(crate) enum Opening {
    /// A client's message.
    Message(Box<UserMessage>),
    /// What waited in the queue.
    Queued(Box<Queued>),
    /// The thread's goal.
    Goal,
    /// A command of the user's: the model is not asked.
    Shell,
}

impl Thread {
    /// Starts a turn and its first request. While a turn runs, the message steers it
    /// instead and the answer names the running turn.
    pub(crate) fn on_start_turn(&mut self, cx: Cx<'_>, reply: ReplyTo, request: TurnRequest) {
        if self.active.is_some() {
            return self.steer_instead(cx, reply, request);
        }
        self.apply_settings(cx, request.settings);
        let opening = Opening::Message(Box::new(request.message));
        self.begin_turn(
            cx,
            Some(reply),
            opening,
            request.output_schema,
            request.ground,
        );
    }

    /// Begins a turn and its first request. No other runs.
    pub(crate) fn begin_turn(
        &mut self,
        cx: Cx<'_>,
        reply: Option<ReplyTo>,
        opening: Opening,
        output_schema: Option<SharedJson>,
        ground: Ground,
    ) {
        if let Some(message) = ground.model.warning.clone() {
            let notification = WarningNotification {
                thread_id: Some(self.wire_id()),
                message,
            };
            self.event(cx, ThreadEvent::Warning(notification));
        }
        let id: Arc<str> = cx.ids.v7().to_string().into();
        let turn = new_turn(&id);
        if let Some(reply) = reply {
            self.reply(reply, Reply::Turn(Box::new(turn.clone())));
        }
        self.materialized = true;
        self.failed = false;
        let context_window = ground.model.context_window;
        let goal_since = self.goal_is_active().then_some(cx.now.mono);
        if matches!(opening, Opening::Queued(_)) {
            self.tell_queue();
        }
        self.active = Some(ActiveTurn {
            turn: Turn {
                started_at: Some(cx.now.wall_s()),
                ..turn
            },
            id: id.clone(),
            started: cx.now,
            context: Arc::new(self.tool_context(&id)),
            model: ground.model,
            output_schema,
            step: Step::default(),
            steers: Vec::new(),
            interrupts: Vec::new(),
            diff: None,
            shells: BTreeMap::new(),
            asked: false,
            for_goal: matches!(opening, Opening::Goal),
            called: false,
            goal_since,
            broken_attempts: 0,
            plan_mode: self.is_in_plan_mode(),
            taken_up: false,
        });
        self.announce_status();
        self.tell_turn_start(cx, context_window);
        for item in context::news(&self.told, &ground.context, cx.ids) {
            self.remember(cx, Some(id.clone()), item);
        }
        self.told = ground.context;
        self.info.recency_at = Some(cx.now.wall_s());
        match opening {
            Opening::Message(message) => self.open_with(cx, *message),
            Opening::Queued(queued) => {
                self.open_with(cx, queued.into_message());
                // It is in the rollout now, so it need not wait any more.
                self.keep();
            }
            Opening::Shell => {
                self.act(Action::SummaryChanged);
                // It has no request to wait for.
                if let Some(active) = &mut self.active {
                    active.step.responded = true;
                    active.step.told = true;
                }
                return;
            }
            Opening::Goal => {
                self.held = false;
                self.act(Action::SummaryChanged);
                if let Some(item) = self.goal_message(cx) {
                    self.remember(cx, Some(id), item);
                }
            }
        }
        self.ask_model(cx);
    }

    fn open_with(&mut self, cx: Cx<'_>, message: UserMessage) {
        if self.info.preview.is_empty() {
            self.info.preview = preview(&message);
        }
        self.act(Action::SummaryChanged);
        self.take_up(cx, message);
    }

    fn steer_instead(&mut self, cx: Cx<'_>, reply: ReplyTo, request: TurnRequest) {
        self.apply_settings(cx, request.settings);
        match self.queue_steer(request.message) {
            Ok(()) => {
                let running = self.running_turn();
                if let Some(turn) = running {
                    self.reply(reply, Reply::Turn(Box::new(turn)));
                }
                self.step_on(cx);
            }
            Err(refusal) => self.refuse(reply, refusal),
        }
    }

    /// The running turn as clients are told of it.
    fn running_turn(&self) -> Option<Turn> {
        self.active.as_ref().map(|active| Turn {
            items: Vec::new(),
            items_view: TurnItemsView::NotLoaded,
            ..active.turn.clone()
        })
    }

    fn tell_turn_start(&mut self, cx: Cx<'_>, model_context_window: Option<i64>) {
        let (Some(active), Some(turn)) = (&self.active, self.running_turn()) else {
            return;
        };
        let context = TurnContext {
            turn_id: active.id.clone(),
            cwd: active.context.cwd.clone(),
            approval_policy: self.settings.approval_policy.clone(),
            sandbox_policy: self.settings.sandbox_policy.clone(),
            profile: self.settings.active_permission_profile.clone(),
            file_rules: self.file_rules.clone(),
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
        // Whoever writes wants the thread to work.
        self.held = false;
        if !message.parts.is_empty() {
            let entry =
                HistoryItem::message(&format!("msg_{}", cx.ids.v7()), "user", &message.parts);
            self.remember(cx, Some(turn_id.clone()), entry);
        }
        let item_id = message.item_id.unwrap_or_else(|| cx.ids.v7().to_string());
        let item = items::user_message(item_id, message.client_id, message.content);
        self.item_started(cx, &turn_id, item.clone());
        self.item_completed(cx, &turn_id, item);
    }

    fn is_in_plan_mode(&self) -> bool {
        self.settings.collaboration_mode.mode == ModeKind::Plan
    }

    fn tool_context(&self, turn_id: &Arc<str>) -> ToolContext {
        ToolContext {
            thread_id: self.id,
            session_id: self.session_id,
            turn_id: turn_id.clone(),
            cwd: PathBuf::from(self.settings.cwd.as_str()),
            approval_policy: self.settings.approval_policy.clone(),
            sandbox_policy: self.settings.sandbox_policy.clone(),
            file_rules: self.file_rules.clone(),
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
