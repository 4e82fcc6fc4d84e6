//! Sampling: what a model stream and the tools say becomes items, history and the
//! next request.

use std::sync::Arc;

use loomd_events::{
    HistoryItem, ModelEvent, ModelFailure, OutputItem, OutputKind, ThreadEvent, ToolEvent,
    ToolOutput, TurnEndReason,
};
use loomd_protocol::{
    AgentMessageDeltaNotification, CodexErrorInfo, CommandExecutionOutputDeltaNotification,
    ErrorNotification, ItemCompletedNotification, ItemStartedNotification,
    ReasoningSummaryPartAddedNotification, ReasoningSummaryTextDeltaNotification,
    ReasoningTextDeltaNotification, TerminalInteractionNotification, ThreadItem, ThreadTokenUsage,
    ThreadTokenUsageUpdatedNotification, TokenUsageBreakdown, Turn, TurnDiffUpdatedNotification,
    TurnError, TurnItemsView, TurnPlanUpdatedNotification, TurnStatus, WarningNotification,
};

use crate::ops::ask;
use crate::ops::goal::GoalTool;
use crate::thread::{Cx, Thread};
use crate::turn::{PendingCall, Step, put_item};
use crate::{Action, ModelStart, Reply, items};

impl Thread {
    // Asking.

    /// Takes up what waits and sends the next request.
    pub(crate) fn ask_model(&mut self, cx: Cx<'_>) {
        let steers = match &mut self.active {
            Some(active) => std::mem::take(&mut active.steers),
            None => return,
        };
        for message in steers {
            self.take_up(cx, message);
        }
        let generation = self.next_generation();
        let input = self.model_input();
        let settings = Arc::clone(&self.settings);
        let goal = self.kept.goal.as_ref().filter(|_| self.goal_is_active());
        let goal = goal.map(|goal| goal.id.clone());
        let Some(active) = &mut self.active else {
            return;
        };
        active.asked = true;
        active.step = Step {
            goal,
            ..Step::new(generation)
        };
        let start = ModelStart {
            generation,
            turn_id: active.id.clone(),
            input,
            settings,
            model: active.model.clone(),
            output_schema: active.output_schema.clone(),
            turn_started_ms: active.started.wall_ms,
        };
        self.act(Action::StartModel(Box::new(start)));
    }

    // What the model says.

    pub(crate) fn on_model(&mut self, cx: Cx<'_>, generation: u64, event: ModelEvent) {
        let Some(turn_id) = self
            .active
            .as_ref()
            .filter(|active| active.step.generation == generation)
            .map(|active| active.id.clone())
        else {
            return; // late: the turn is over or another request is under way
        };
        match event {
            ModelEvent::ItemAdded(item) => self.on_item_added(cx, &turn_id, item.kind),
            ModelEvent::TextDelta { item_id, delta } => {
                self.on_text_delta(cx, &turn_id, item_id, delta);
            }
            ModelEvent::SummaryPartAdded { item_id, index } => {
                let Some(item) = self.streaming(&item_id) else {
                    return;
                };
                items::add_summary_part(item, index);
                let notification = ReasoningSummaryPartAddedNotification {
                    thread_id: self.wire_id(),
                    turn_id: turn_id.to_string(),
                    item_id,
                    summary_index: index,
                };
                self.event(cx, ThreadEvent::ReasoningSummaryPartAdded(notification));
            }
            ModelEvent::SummaryDelta {
                item_id,
                index,
                delta,
            } => {
                let Some(item) = self.streaming(&item_id) else {
                    return;
                };
                items::push_summary(item, index, &delta);
                let notification = ReasoningSummaryTextDeltaNotification {
                    thread_id: self.wire_id(),
                    turn_id: turn_id.to_string(),
                    item_id,
                    delta,
                    summary_index: index,
                };
                self.event(cx, ThreadEvent::ReasoningSummaryTextDelta(notification));
            }
            ModelEvent::ReasoningDelta {
                item_id,
                index,
                delta,
            } => {
                let Some(item) = self.streaming(&item_id) else {
                    return;
                };
                items::push_reasoning(item, index, &delta);
                let notification = ReasoningTextDeltaNotification {
                    thread_id: self.wire_id(),
                    turn_id: turn_id.to_string(),
                    item_id,
                    delta,
                    content_index: index,
                };
                self.event(cx, ThreadEvent::ReasoningTextDelta(notification));
            }
            ModelEvent::CallInput {
                call_id,
                name,
                delta,
            } => self.on_call_input(cx, &turn_id, call_id, &name, &delta),
            ModelEvent::ItemDone(item) => self.on_item_done(cx, &turn_id, item),
            ModelEvent::RateLimits(snapshot) => {
                if let Some(active) = &mut self.active {
                    active.step.rate_limits = Some(snapshot);
                }
            }
            ModelEvent::Rerouted { model } => {
                let notification = WarningNotification {
                    thread_id: Some(self.wire_id()),
                    message: format!("The provider answers with the model `{model}`."),
                };
                self.event(cx, ThreadEvent::Warning(notification));
            }
            ModelEvent::Retrying {
                attempt,
                max,
                failure,
            } => self.on_retrying(cx, &turn_id, attempt, max, failure),
            ModelEvent::Completed {
                response_id: _,
                usage,
                end_turn,
            } => self.on_completed(cx, usage, end_turn),
            ModelEvent::Failed(failure) => self.fail_turn(cx, turn_error(failure)),
        }
    }

    /// The item that a piece belongs to. A piece of what is done, or never began, is not
    /// told: what clients put together would not be what the history holds.
    fn streaming(&mut self, item_id: &str) -> Option<&mut ThreadItem> {
        let streaming = &mut self.active.as_mut()?.step.streaming;
        streaming.iter_mut().rev().find(|item| item.id() == item_id)
    }

    fn on_item_added(&mut self, cx: Cx<'_>, turn_id: &Arc<str>, kind: OutputKind) {
        let item = match kind {
            OutputKind::Message { id, phase, .. } => items::agent_message(id, String::new(), phase),
            OutputKind::Reasoning { id, .. } => items::reasoning(id, Vec::new(), Vec::new()),
            OutputKind::WebSearch { id, action } => {
                let item = items::web_search(id, action.as_ref());
                return self.item_started(cx, turn_id, item);
            }
            OutputKind::Call(_) | OutputKind::Other => return,
        };
        if let Some(notification) = self.begin_item(cx, turn_id, item) {
            // A streaming item is kept apart until it is done: it is shown in
            // snapshots, and void if the stream breaks.
            if let Some(active) = &mut self.active {
                active.step.streaming.push(notification.item.clone());
            }
            self.event(cx, ThreadEvent::ItemStarted(notification));
        }
    }

    fn on_text_delta(&mut self, cx: Cx<'_>, turn_id: &Arc<str>, item_id: String, delta: String) {
        let Some(item) = self.streaming(&item_id) else {
            return;
        };
        items::push_text(item, &delta);
        let notification = AgentMessageDeltaNotification {
            thread_id: self.wire_id(),
            turn_id: turn_id.to_string(),
            item_id,
            delta,
        };
        self.event(cx, ThreadEvent::AgentMessageDelta(notification));
    }

    fn on_item_done(&mut self, cx: Cx<'_>, turn_id: &Arc<str>, output: OutputItem) {
        if let Some(active) = &mut self.active {
            active.step.recorded = true;
        }
        let item = match output.kind {
            OutputKind::Message { id, text, phase } => Some(items::agent_message(id, text, phase)),
            OutputKind::Reasoning {
                id,
                summary,
                content,
            } => Some(items::reasoning(id, summary, content)),
            OutputKind::WebSearch { id, action } => Some(items::web_search(id, action.as_ref())),
            OutputKind::Call(call) => {
                self.end_patch_stream(cx, turn_id, &call.call_id);
                self.remember(cx, Some(turn_id.clone()), output.history);
                return self.start_call(cx, call);
            }
            OutputKind::Other => None,
        };
        if let Some(item) = item {
            if let Some(active) = &mut self.active {
                let streaming = &mut active.step.streaming;
                streaming.retain(|begun| begun.id() != item.id());
            }
            if !self.open_items.contains_key(item.id()) {
                let begun = items::begun(&item);
                if let Some(notification) = self.begin_item(cx, turn_id, begun) {
                    self.event(cx, ThreadEvent::ItemStarted(notification));
                }
            }
            self.item_completed(cx, turn_id, item);
        }
        self.remember(cx, Some(turn_id.clone()), output.history);
    }

    fn start_call(&mut self, cx: Cx<'_>, call: loomd_events::ToolCall) {
        let Some(active) = &mut self.active else {
            return;
        };
        active.step.calls.push(PendingCall {
            call: call.clone(),
            started: cx.now,
            questions: 0,
            output: None,
        });
        let plan_mode = active.plan_mode;
        let turn_id = active.id.clone();
        self.waiting_changed = true;
        if let Some(tool) = GoalTool::of(&call) {
            let output = self.goal_call(cx, tool, &call);
            return self.on_tool_finished(cx, &turn_id, output);
        }
        if let (false, Some(output)) = (plan_mode, ask::unavailable(&call)) {
            return self.on_tool_finished(cx, &turn_id, output);
        }
        let Some(active) = &mut self.active else {
            return;
        };
        active.called = true;
        let context = Arc::clone(&active.context);
        self.act(Action::StartTool { context, call });
    }

    fn on_retrying(
        &mut self,
        cx: Cx<'_>,
        turn_id: &Arc<str>,
        attempt: u32,
        max: u32,
        failure: ModelFailure,
    ) {
        let Some(active) = &mut self.active else {
            return;
        };
        // What was streamed of this attempt but not finished is void.
        for item in std::mem::take(&mut active.step.streaming) {
            self.open_items.remove(item.id());
        }
        active.step.patches.clear();
        let recorded = active.step.recorded;
        if recorded {
            active.broken_attempts += 1;
            if max > 0 && active.broken_attempts > max {
                return self.fail_turn(cx, turn_error(failure));
            }
        }
        let attempt = attempt.max(active.broken_attempts);
        let notification = ErrorNotification {
            thread_id: self.wire_id(),
            turn_id: turn_id.to_string(),
            will_retry: true,
            error: TurnError {
                codex_error_info: Some(disconnected(&failure.info)),
                additional_details: Some(failure.message),
                ..TurnError::message(match max {
                    0 => "Reconnecting... waiting for network".to_owned(),
                    max => format!("Reconnecting... {attempt}/{max}"),
                })
            },
        };
        self.event(cx, ThreadEvent::Error(notification));
        if recorded {
            // The request that the stream would repeat lacks what has become
            // history meanwhile. So the stream is given up, and the thread asks
            // again by itself once the calls are done.
            if let Some(active) = &mut self.active {
                let generation = active.step.generation;
                active.step.broken = true;
                self.act(Action::CancelModel { generation });
            }
            self.step_on(cx);
        }
    }

    fn on_completed(
        &mut self,
        cx: Cx<'_>,
        usage: Option<TokenUsageBreakdown>,
        end_turn: Option<bool>,
    ) {
        self.finish_streaming(cx);
        if let Some(last) = &usage {
            self.count_goal_tokens(last);
        }
        let total = usage.map(|last| self.add_usage(last));
        let Some(active) = &mut self.active else {
            return;
        };
        active.step.responded = true;
        active.step.wants_more = end_turn == Some(false);
        active.step.usage = total;
        self.waiting_changed = true;
        active.broken_attempts = 0;
        self.step_on(cx);
    }

    /// Completes items that the model began and never finished, with what was shown.
    pub(crate) fn finish_streaming(&mut self, cx: Cx<'_>) {
        let Some(active) = &mut self.active else {
            return;
        };
        let turn_id = active.id.clone();
        for item in std::mem::take(&mut active.step.streaming) {
            self.item_completed(cx, &turn_id, item);
        }
    }

    fn add_usage(&mut self, last: TokenUsageBreakdown) -> ThreadTokenUsage {
        let mut total = self
            .token_usage
            .as_ref()
            .map_or(TokenUsageBreakdown::ZERO, |(_, usage)| usage.total.clone());
        total.add(&last);
        let (window, turn_id) = self
            .active
            .as_ref()
            .map_or((None, String::new()), |active| {
                (active.model.context_window, active.turn.id.clone())
            });
        let usage = ThreadTokenUsage {
            total,
            last,
            model_context_window: window,
        };
        self.token_usage = Some((turn_id, usage.clone()));
        usage
    }

    // What the tools say.

    pub(crate) fn on_tool(&mut self, cx: Cx<'_>, turn_id: &Arc<str>, event: ToolEvent) {
        let thread_id = self.wire_id();
        match event {
            ToolEvent::ItemStarted(item) => self.item_started(cx, turn_id, item),
            ToolEvent::OutputDelta { item_id, delta } => {
                // An item that was ended without waiting for its tool has no more to say.
                if !self.open_items.contains_key(&item_id) {
                    return;
                }
                // Whoever joins now gets it with the item, not as a delta.
                if let Some(item) = self.item_mut(turn_id, &item_id) {
                    items::push_output(item, &delta);
                }
                let notification = CommandExecutionOutputDeltaNotification {
                    thread_id,
                    turn_id: turn_id.to_string(),
                    item_id,
                    delta,
                };
                self.event(cx, ThreadEvent::CommandOutputDelta(notification));
            }
            ToolEvent::TerminalInteraction {
                item_id,
                process_id,
                stdin,
            } => {
                let notification = TerminalInteractionNotification {
                    thread_id,
                    turn_id: turn_id.to_string(),
                    item_id,
                    process_id,
                    stdin,
                };
                self.event(cx, ThreadEvent::TerminalInteraction(notification));
            }
            ToolEvent::ItemCompleted(item) => {
                if !self.open_items.contains_key(item.id()) {
                    if self.item_mut(turn_id, item.id()).is_some() {
                        return; // it has ended without waiting for its tool
                    }
                    self.item_started(cx, turn_id, items::begun(&item));
                }
                self.item_completed(cx, turn_id, item);
            }
            ToolEvent::Plan { explanation, plan } => {
                let notification = TurnPlanUpdatedNotification {
                    thread_id,
                    turn_id: turn_id.to_string(),
                    explanation,
                    plan,
                };
                self.event(cx, ThreadEvent::TurnPlan(notification));
            }
            ToolEvent::TurnDiff { diff } => self.on_turn_diff(cx, turn_id, diff),
            ToolEvent::Ask(ask) => self.on_ask(cx, turn_id, *ask),
            ToolEvent::TurnCancelled => {
                if self.active.as_ref().is_some_and(|turn| turn.id == *turn_id) {
                    self.interrupt_turn(cx);
                }
            }
            ToolEvent::Finished(output) => self.on_tool_finished(cx, turn_id, output),
        }
    }

    fn on_turn_diff(&mut self, cx: Cx<'_>, turn_id: &Arc<str>, diff: String) {
        if let Some(active) = self.active.as_mut().filter(|active| active.id == *turn_id) {
            active.diff = Some(diff.clone());
        }
        let notification = TurnDiffUpdatedNotification {
            thread_id: self.wire_id(),
            turn_id: turn_id.to_string(),
            diff,
        };
        self.event(cx, ThreadEvent::TurnDiff(notification));
    }

    fn on_tool_finished(&mut self, cx: Cx<'_>, turn_id: &Arc<str>, output: ToolOutput) {
        if self.is_shell(turn_id, &output.call_id) {
            return self.on_shell_ended(cx, turn_id, &output);
        }
        let Some(call) = self
            .active
            .as_mut()
            .filter(|active| active.id == *turn_id)
            .and_then(|active| {
                active
                    .step
                    .calls
                    .iter_mut()
                    .find(|call| call.call.call_id == output.call_id && call.output.is_none())
            })
        else {
            return; // the turn was cut short before the call ended
        };
        call.output = Some(output);
        self.waiting_changed = true;
        self.record_outputs(cx);
        self.step_on(cx);
    }

    /// Adds the outputs that are there to the history, in the order of the calls.
    pub(crate) fn record_outputs(&mut self, cx: Cx<'_>) {
        loop {
            let Some(active) = &mut self.active else {
                return;
            };
            let turn_id = active.id.clone();
            let step = &mut active.step;
            let Some(output) = step
                .calls
                .get(step.outputs_recorded)
                .and_then(|call| call.output.clone())
            else {
                return;
            };
            step.outputs_recorded += 1;
            let prefix = if output.custom { "ctco" } else { "fco" };
            let entry = HistoryItem::call_output(
                &format!("{prefix}_{}", cx.ids.v7()),
                &output.call_id,
                output.custom,
                &output.output,
            );
            self.remember(cx, Some(turn_id), entry);
        }
    }

    // Steps.

    /// If the step is over, goes on with the next one, or ends the turn unless commands of
    /// the user's run in it.
    pub(crate) fn step_on(&mut self, cx: Cx<'_>) {
        let Some(active) = &mut self.active else {
            return;
        };
        if !active.step.is_over() {
            return;
        }
        let waits = !active.shells.is_empty();
        let again = active.step.broken
            || active.step.wants_more
            || !active.step.calls.is_empty()
            || !active.steers.is_empty();
        if !std::mem::replace(&mut active.step.told, true) {
            self.tell_usage(cx);
            self.repeat_diff(cx);
        }
        if again {
            self.ask_model(cx);
        } else if !waits {
            self.end_turn(cx, TurnStatus::Completed, TurnEndReason::Completed, None);
        }
    }

    /// Tells the tokens and rate limits of the response that just ended, once.
    pub(crate) fn tell_usage(&mut self, cx: Cx<'_>) {
        let thread_id = self.wire_id();
        let Some(active) = &mut self.active else {
            return;
        };
        let Some(token_usage) = active.step.usage.take() else {
            return;
        };
        let usage = ThreadTokenUsageUpdatedNotification {
            thread_id,
            turn_id: active.turn.id.clone(),
            token_usage,
        };
        let limits = active.step.take_rate_limits();
        self.event(cx, ThreadEvent::TokenUsage(usage));
        self.event(cx, ThreadEvent::RateLimits(limits));
        self.tell_goal_progress(cx);
    }

    /// Ends the turn: interrupts are answered, then the status, then the turn.
    pub(crate) fn end_turn(
        &mut self,
        cx: Cx<'_>,
        status: TurnStatus,
        reason: TurnEndReason,
        error: Option<TurnError>,
    ) {
        self.decline_asked_items(cx);
        self.goal_at_turn_end(cx, error.as_ref());
        let Some(active) = self.active.take() else {
            return;
        };
        let duration_ms = active.elapsed_ms(cx.now);
        for reply in active.interrupts {
            self.reply(reply, Reply::Done);
        }
        self.failed = error.is_some();
        if status == TurnStatus::Completed && self.leaves_something_to_read(&active.turn) {
            self.turn_is_unread(cx, active.turn.id.clone());
        }
        self.announce_status();
        if let Some(error) = error.clone() {
            let notification = ErrorNotification {
                thread_id: self.wire_id(),
                turn_id: active.turn.id.clone(),
                will_retry: false,
                error,
            };
            self.event(cx, ThreadEvent::Error(notification));
            self.turn_is_unread(cx, active.turn.id.clone());
        }
        let turn = Turn {
            status,
            error,
            items_view: TurnItemsView::Full,
            completed_at: Some(cx.now.wall_s()),
            duration_ms: Some(duration_ms),
            ..active.turn
        };
        self.info.updated_at = cx.now.wall_s();
        self.turns.push(Arc::new(turn.clone()));
        self.event(
            cx,
            ThreadEvent::TurnEnded {
                turn: Box::new(turn),
                reason,
            },
        );
        self.drop_asks();
        self.act(Action::SummaryChanged);
        // Who stops a turn does not want the next one.
        self.held |= reason == TurnEndReason::Interrupted;
        self.go_on();
    }

    // Items.

    /// Notes that an item begins. `None` when it had begun before.
    fn begin_item(
        &mut self,
        cx: Cx<'_>,
        turn_id: &Arc<str>,
        mut item: ThreadItem,
    ) -> Option<ItemStartedNotification> {
        if self.open_items.contains_key(item.id()) {
            return None;
        }
        self.open_items.insert(item.id().to_owned(), cx.now.wall_ms);
        item.set_times(Some(cx.now.wall_ms), None);
        Some(ItemStartedNotification {
            item,
            thread_id: self.wire_id(),
            turn_id: turn_id.to_string(),
            started_at_ms: cx.now.wall_ms,
        })
    }

    pub(crate) fn item_started(&mut self, cx: Cx<'_>, turn_id: &Arc<str>, item: ThreadItem) {
        if let Some(notification) = self.begin_item(cx, turn_id, item) {
            self.put_item(turn_id, notification.item.clone());
            self.event(cx, ThreadEvent::ItemStarted(notification));
        }
    }

    /// Completes an item that has begun; one that has not is left alone.
    pub(crate) fn item_completed(&mut self, cx: Cx<'_>, turn_id: &Arc<str>, mut item: ThreadItem) {
        let Some(started_ms) = self.open_items.remove(item.id()) else {
            return;
        };
        item.set_times(Some(started_ms), Some(cx.now.wall_ms));
        self.put_item(turn_id, item.clone());
        let notification = ItemCompletedNotification {
            item,
            thread_id: self.wire_id(),
            turn_id: turn_id.to_string(),
            content_token_count: None,
            completed_at_ms: cx.now.wall_ms,
        };
        self.event(cx, ThreadEvent::ItemCompleted(notification));
        self.command_ended();
    }

    /// The items of a turn, which may have ended long ago.
    fn items_mut(&mut self, turn_id: &Arc<str>) -> Option<&mut Vec<ThreadItem>> {
        if let Some(active) = self.active.as_mut().filter(|active| active.id == *turn_id) {
            return Some(&mut active.turn.items);
        }
        let mut turns = self.turns.iter_mut().rev();
        let turn = turns.find(|turn| turn.id == **turn_id)?;
        Some(&mut Arc::make_mut(turn).items)
    }

    pub(crate) fn item_mut(
        &mut self,
        turn_id: &Arc<str>,
        item_id: &str,
    ) -> Option<&mut ThreadItem> {
        let items = self.items_mut(turn_id)?;
        items.iter_mut().rev().find(|item| item.id() == item_id)
    }

    /// Keeps an item in its turn.
    fn put_item(&mut self, turn_id: &Arc<str>, item: ThreadItem) {
        if let Some(items) = self.items_mut(turn_id) {
            put_item(items, item);
        }
    }
}

fn turn_error(failure: ModelFailure) -> TurnError {
    TurnError {
        codex_error_info: Some(failure.info),
        additional_details: failure.details,
        ..TurnError::message(failure.message)
    }
}

/// Retries are always announced as a broken stream, with the HTTP status where there
/// was one.
fn disconnected(info: &CodexErrorInfo) -> CodexErrorInfo {
    CodexErrorInfo::ResponseStreamDisconnected {
        http_status_code: info.http_status_code(),
    }
}
