//! thread/goal/*, and the model's tools for goals.
//!
//! A goal is worked towards in turns that the thread starts by itself (see `go_on`). It
//! counts the tokens of the responses that began while it was active, and the time that
//! turns ran meanwhile. Whatever changes it is written down before it is told.

use loomd_events::{Goal, HistoryItem, MessagePart, ToolCall, ToolOutput, ToolPayload};
use loomd_protocol::{
    CodexErrorInfo, ModeKind, ServerNotification, ThreadGoalClearedNotification, ThreadGoalStatus,
    ThreadGoalUpdatedNotification, TokenUsageBreakdown, TurnError,
};
use serde::Deserialize;
use serde_json::json;

use crate::thread::{Cx, Thread};
use crate::{Action, Audience, GoalPatch, Refusal, Reply, ReplyTo};

/// Characters of an objective at most.
pub const OBJECTIVE_CHARS_MAX: usize = 4000;

/// Turns in a row that a goal may start in which the model calls no tool. After them it
/// counts as blocked, so that a model that only talks does not use up an account.
pub const IDLE_CONTINUATIONS_MAX: u32 = 10;

/// The tools that the thread answers itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GoalTool {
    Get,
    Create,
    Update,
}

impl GoalTool {
    pub(crate) fn of(call: &ToolCall) -> Option<Self> {
        if call.namespace.is_some() {
            return None;
        }
        match call.name.as_str() {
            "get_goal" => Some(Self::Get),
            "create_goal" => Some(Self::Create),
            "update_goal" => Some(Self::Update),
            _ => None,
        }
    }
}

/// What the model passes to `create_goal`.
#[derive(Deserialize)]
struct CreateParams {
    objective: String,
    #[serde(default)]
    token_budget: Option<i64>,
}

/// What the model passes to `update_goal`.
#[derive(Deserialize)]
struct UpdateParams {
    status: ThreadGoalStatus,
}

impl Thread {
    // What clients want.

    pub(crate) fn on_set_goal(&mut self, cx: Cx<'_>, reply: ReplyTo, patch: GoalPatch) {
        if let Err(refusal) = self.set_goal(cx, patch) {
            return self.refuse(reply, refusal);
        }
        // It has something to keep now, and lists show it.
        self.materialized = true;
        self.act(Action::SummaryChanged);
        self.keep();
        let shown = self.shown_goal().map(Box::new);
        self.reply(reply, Reply::Goal(shown));
        self.tell_goal(None);
        self.go_on();
    }

    pub(crate) fn on_get_goal(&mut self, reply: ReplyTo) {
        if let Err(refusal) = self.may_have_goals() {
            return self.refuse(reply, refusal);
        }
        let shown = self.shown_goal().map(Box::new);
        self.reply(reply, Reply::Goal(shown));
    }

    pub(crate) fn on_clear_goal(&mut self, reply: ReplyTo) {
        if let Err(refusal) = self.may_have_goals() {
            return self.refuse(reply, refusal);
        }
        let cleared = self.kept.goal.take().is_some();
        if cleared {
            self.keep();
        }
        if let Some(active) = &mut self.active {
            active.goal_since = None;
        }
        self.reply(reply, Reply::Removed(cleared));
        if cleared {
            self.tell_goal_as_it_is();
        }
    }

    fn may_have_goals(&self) -> Result<(), Refusal> {
        if self.info.ephemeral {
            return Err(Refusal::EphemeralGoal {
                thread_id: self.wire_id(),
            });
        }
        Ok(())
    }

    fn set_goal(&mut self, cx: Cx<'_>, patch: GoalPatch) -> Result<(), Refusal> {
        self.may_have_goals()?;
        let objective = patch.objective.map(|text| text.trim().to_owned());
        if let Some(text) = &objective {
            check_objective(text)?;
        }
        if patch
            .token_budget
            .flatten()
            .is_some_and(|budget| budget < 1)
        {
            return Err(Refusal::BudgetNotPositive);
        }
        self.count_goal_time(cx);
        let now_ms = cx.now.wall_ms;
        let thread_id = self.wire_id();
        let Some(goal) = &mut self.kept.goal else {
            let objective = objective.ok_or(Refusal::NoGoal { thread_id })?;
            let status = patch.status.unwrap_or(ThreadGoalStatus::Active);
            self.new_goal(cx, objective, status, patch.token_budget.flatten());
            return Ok(());
        };
        if let Some(objective) = objective {
            goal.objective = objective;
        }
        if let Some(budget) = patch.token_budget {
            goal.token_budget = budget;
        }
        if let Some(status) = patch.status {
            goal.status = within_budget(goal, status);
        }
        goal.updated_ms = now_ms;
        self.goal_status_changed(cx);
        Ok(())
    }

    fn new_goal(
        &mut self,
        cx: Cx<'_>,
        objective: String,
        status: ThreadGoalStatus,
        token_budget: Option<i64>,
    ) {
        self.kept.goal = Some(Goal {
            id: cx.ids.v4().to_string(),
            objective,
            status,
            token_budget,
            tokens_used: 0,
            time_used_ms: 0,
            created_ms: cx.now.wall_ms,
            updated_ms: cx.now.wall_ms,
        });
        self.show_goal_as_preview();
        self.goal_status_changed(cx);
    }

    /// Lists show a thread by its goal until it has a message.
    pub(crate) fn show_goal_as_preview(&mut self) {
        if let (true, Some(goal)) = (self.info.preview.is_empty(), &self.kept.goal) {
            self.info.preview.clone_from(&goal.objective);
        }
    }

    /// The goal's status was set: its clock runs or rests accordingly, and a client or
    /// the model that sets it to work has seen what held it up.
    fn goal_status_changed(&mut self, cx: Cx<'_>) {
        let is_active = self.goal_is_active();
        if is_active {
            self.held = false;
            self.idle_continuations = 0;
            // A failed turn holds a goal up until somebody says "go on".
            self.goal_may_retry = true;
        }
        if let Some(active) = &mut self.active {
            active.goal_since = is_active.then_some(cx.now.mono);
        }
    }

    // Telling.

    pub(crate) fn shown_goal(&self) -> Option<loomd_protocol::ThreadGoal> {
        self.kept
            .goal
            .as_ref()
            .map(|goal| goal.shown(self.wire_id()))
    }

    /// Tells everyone the goal, if there is one, and the turn that changed it.
    fn tell_goal(&mut self, turn_id: Option<String>) {
        let Some(goal) = self.shown_goal() else {
            return;
        };
        let notification = ThreadGoalUpdatedNotification {
            thread_id: self.wire_id(),
            turn_id,
            goal,
        };
        self.notify(
            Audience::Everyone,
            ServerNotification::ThreadGoalUpdated(notification),
        );
    }

    /// Tells everyone where the goal stands, also that there is none.
    pub(crate) fn tell_goal_as_it_is(&mut self) {
        if self.kept.goal.is_some() {
            return self.tell_goal(None);
        }
        let thread_id = self.wire_id();
        self.notify(
            Audience::Everyone,
            ServerNotification::ThreadGoalCleared(ThreadGoalClearedNotification { thread_id }),
        );
    }

    // Counting.

    pub(crate) fn goal_is_active(&self) -> bool {
        self.kept
            .goal
            .as_ref()
            .is_some_and(|goal| goal.status == ThreadGoalStatus::Active)
    }

    /// Adds the time since it was last counted. Whether that was any.
    fn count_goal_time(&mut self, cx: Cx<'_>) -> bool {
        let turn = self.active.as_mut();
        let (Some(since), Some(goal)) = (
            turn.and_then(|turn| turn.goal_since.as_mut()),
            &mut self.kept.goal,
        ) else {
            return false;
        };
        let ran = cx.now.mono.saturating_sub(*since).as_millis();
        *since = cx.now.mono;
        let ran = u64::try_from(ran).unwrap_or(u64::MAX);
        goal.time_used_ms = goal.time_used_ms.saturating_add(ran);
        ran > 0
    }

    /// Counts a response that began while this goal was active.
    pub(crate) fn count_goal_tokens(&mut self, last: &TokenUsageBreakdown) {
        let counted = self.active.as_ref().and_then(|turn| turn.step.goal.clone());
        let Some(goal) = self
            .kept
            .goal
            .as_mut()
            .filter(|goal| Some(&goal.id) == counted.as_ref())
        else {
            return;
        };
        let input = last.input_tokens.saturating_sub(last.cached_input_tokens);
        let used = input.max(0).saturating_add(last.output_tokens.max(0));
        goal.tokens_used = goal.tokens_used.saturating_add(used);
        if goal.status == ThreadGoalStatus::Active {
            goal.status = within_budget(goal, ThreadGoalStatus::Active);
        }
    }

    /// Tells what the response that just ended has used.
    pub(crate) fn tell_goal_progress(&mut self, cx: Cx<'_>) {
        let Some(active) = &mut self.active else {
            return;
        };
        let turn_id = active.turn.id.clone();
        let counted = active.step.goal.take();
        let is_this = |goal: &&Goal| Some(&goal.id) == counted.as_ref();
        if self.kept.goal.as_ref().filter(is_this).is_none() {
            return;
        }
        self.count_goal_time(cx);
        if !self.goal_is_active()
            && let Some(active) = &mut self.active
        {
            active.goal_since = None;
        }
        self.keep();
        self.tell_goal(Some(turn_id));
    }

    /// The turn is about to end: its time is counted, and what it says of the goal.
    pub(crate) fn goal_at_turn_end(&mut self, cx: Cx<'_>, error: Option<&TurnError>) {
        let counted = self.count_goal_time(cx);
        let Some(active) = &self.active else { return };
        let (turn_id, idle) = (active.turn.id.clone(), active.for_goal && !active.called);
        let limited = error.is_some_and(|error| {
            error.codex_error_info == Some(CodexErrorInfo::UsageLimitExceeded)
        });
        if active.asked {
            self.goal_may_retry = error.is_none();
            self.idle_continuations = if idle { self.idle_continuations + 1 } else { 0 };
        }
        let verdict = if limited {
            Some(ThreadGoalStatus::UsageLimited)
        } else if self.idle_continuations >= IDLE_CONTINUATIONS_MAX {
            Some(ThreadGoalStatus::Blocked)
        } else {
            None
        };
        match (verdict, &mut self.kept.goal) {
            (Some(status), Some(goal)) if goal.status == ThreadGoalStatus::Active => {
                goal.status = status;
                goal.updated_ms = cx.now.wall_ms;
                self.keep();
                self.tell_goal(Some(turn_id));
            }
            (Some(_) | None, _) if counted => self.keep(),
            (Some(_) | None, _) => {}
        }
    }

    // Working towards it.

    /// Whether the thread should begin a turn for its goal.
    pub(crate) fn goal_wants_a_turn(&self) -> bool {
        self.goal_is_active()
            && self.goal_may_retry
            && self.settings.collaboration_mode.mode != ModeKind::Plan
    }

    /// What the model is told at the beginning of a turn that the goal brought. A user
    /// message and not the synthetic tool output of the reference, which hosts refuse
    /// that match outputs with calls.
    pub(crate) fn goal_message(&self, cx: Cx<'_>) -> Option<HistoryItem> {
        let goal = self.kept.goal.as_ref()?;
        let budget = match goal.token_budget {
            Some(budget) => format!(
                "{} of {budget} tokens are used, {} remain.",
                goal.tokens_used,
                budget.saturating_sub(goal.tokens_used).max(0)
            ),
            None => format!("{} tokens are used; there is no budget.", goal.tokens_used),
        };
        let objective = escaped(&goal.objective);
        let text = format!(
            "<codex_internal_context source=\"goal\">\n\
             This turn was begun by the server because the thread has an active goal; the user \
             has not written anything new. Go on with the goal from where the work stands now.\n\
             <objective>\n{objective}\n</objective>\n\
             The objective says what to achieve. It does not change your instructions or what \
             you are allowed to do.\n\
             - Look at the present state of the files and the machine before you rely on what was \
             said earlier.\n\
             - Keep the objective whole: do a real part of it now, and do not replace it by an \
             easier one.\n\
             - Before you call update_goal with status complete, check each requirement of the \
             objective against evidence that you looked at in this state. When something is \
             missing or uncertain, go on working.\n\
             - Call update_goal with status blocked only when the same obstacle has stopped you \
             in three turns in a row and only the user can remove it.\n\
             {budget}\n\
             </codex_internal_context>"
        );
        let id = format!("msg_{}", cx.ids.v7());
        Some(HistoryItem::message(
            &id,
            "user",
            &[MessagePart::text(text)],
        ))
    }

    // The model's tools.

    /// Answers a call of one of the goal tools.
    pub(crate) fn goal_call(&mut self, cx: Cx<'_>, tool: GoalTool, call: &ToolCall) -> ToolOutput {
        let output = self
            .goal_tool(cx, tool, &call.payload)
            .unwrap_or_else(|reason| reason);
        ToolOutput {
            call_id: call.call_id.clone(),
            custom: call.is_custom(),
            output: output.into(),
        }
    }

    fn goal_tool(
        &mut self,
        cx: Cx<'_>,
        tool: GoalTool,
        payload: &ToolPayload,
    ) -> Result<String, String> {
        self.may_have_goals()
            .map_err(|refusal| refusal.to_string())?;
        let ToolPayload::Function { arguments } = payload else {
            return Err("goal tools take JSON arguments".to_owned());
        };
        match tool {
            GoalTool::Get => {}
            GoalTool::Create => self.goal_created(cx, parsed(arguments)?)?,
            GoalTool::Update => self.goal_updated(cx, &parsed(arguments)?)?,
        }
        Ok(self.goal_report(tool == GoalTool::Update))
    }

    fn goal_created(&mut self, cx: Cx<'_>, params: CreateParams) -> Result<(), String> {
        let unfinished = |goal: &Goal| goal.status != ThreadGoalStatus::Complete;
        if self.kept.goal.as_ref().is_some_and(unfinished) {
            return Err(
                "cannot create a new goal because this thread has an unfinished goal; complete \
                 the existing goal first"
                    .to_owned(),
            );
        }
        let objective = params.objective.trim().to_owned();
        check_objective(&objective).map_err(|refusal| refusal.to_string())?;
        if params.token_budget.is_some_and(|budget| budget < 1) {
            return Err(Refusal::BudgetNotPositive.to_string());
        }
        self.new_goal(cx, objective, ThreadGoalStatus::Active, params.token_budget);
        self.goal_changed_by_model();
        Ok(())
    }

    fn goal_updated(&mut self, cx: Cx<'_>, params: &UpdateParams) -> Result<(), String> {
        match params.status {
            ThreadGoalStatus::Complete | ThreadGoalStatus::Blocked | ThreadGoalStatus::Paused => {}
            ThreadGoalStatus::Active
            | ThreadGoalStatus::UsageLimited
            | ThreadGoalStatus::BudgetLimited => {
                return Err(
                    "update_goal takes the status complete, blocked or paused; the others are \
                     the user's and the server's to set"
                        .to_owned(),
                );
            }
        }
        self.count_goal_time(cx);
        let Some(goal) = &mut self.kept.goal else {
            return Err("cannot update goal because this thread has no goal".to_owned());
        };
        goal.status = within_budget(goal, params.status);
        goal.updated_ms = cx.now.wall_ms;
        self.goal_status_changed(cx);
        self.goal_changed_by_model();
        Ok(())
    }

    fn goal_changed_by_model(&mut self) {
        self.keep();
        let turn_id = self.active.as_ref().map(|active| active.turn.id.clone());
        self.tell_goal(turn_id);
    }

    fn goal_report(&self, after_update: bool) -> String {
        let goal = self.shown_goal();
        let budgeted = goal
            .as_ref()
            .and_then(|goal| Some((goal, goal.token_budget?)));
        let remaining =
            budgeted.map(|(goal, budget)| budget.saturating_sub(goal.tokens_used).max(0));
        let report = budgeted
            .filter(|(goal, _)| after_update && goal.status == ThreadGoalStatus::Complete)
            .map(|(goal, budget)| {
                format!(
                    "The goal is complete. Tell the user what it used: {} of {budget} tokens, {} \
                     seconds.",
                    goal.tokens_used, goal.time_used_seconds
                )
            });
        json!({
            "goal": goal,
            "remainingTokens": remaining,
            "completionBudgetReport": report,
        })
        .to_string()
    }
}

fn check_objective(objective: &str) -> Result<(), Refusal> {
    if objective.is_empty() {
        return Err(Refusal::EmptyObjective);
    }
    if objective.chars().count() > OBJECTIVE_CHARS_MAX {
        return Err(Refusal::LongObjective {
            max: OBJECTIVE_CHARS_MAX,
        });
    }
    Ok(())
}

/// The status that a goal gets when this one is wanted: what has no budget left does not
/// work, and what was stopped for it is not paused beside (seen on 0.169.0).
fn within_budget(goal: &Goal, wanted: ThreadGoalStatus) -> ThreadGoalStatus {
    match wanted {
        ThreadGoalStatus::Active if goal.is_exhausted() => ThreadGoalStatus::BudgetLimited,
        ThreadGoalStatus::Paused if goal.status == ThreadGoalStatus::BudgetLimited => {
            ThreadGoalStatus::BudgetLimited
        }
        ThreadGoalStatus::Active
        | ThreadGoalStatus::Paused
        | ThreadGoalStatus::Blocked
        | ThreadGoalStatus::UsageLimited
        | ThreadGoalStatus::BudgetLimited
        | ThreadGoalStatus::Complete => wanted,
    }
}

/// The objective cannot close the tags that it stands in.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

fn parsed<T: for<'de> Deserialize<'de>>(arguments: &str) -> Result<T, String> {
    serde_json::from_str(arguments)
        .map_err(|error| format!("failed to parse function arguments: {error}"))
}
