//! A turn that waits for answers outlives the server.
//!
//! While questions are open, what the next server needs to ask them again stands beside
//! the rollout, brought up to date in the same input that changes it and before anybody is
//! told: before a question is asked, and before an answer has any effect. So a call whose
//! question is on disk has done nothing yet, and can be started anew with the answer.
//!
//! Only such a turn goes on after a restart: each call without an output has asked, once,
//! or is of a kind whose loss the model can be told of. Everything else has had effects
//! that nobody knows, and the turn stays interrupted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use loomd_base::Now;
use loomd_events::{
    AskOutcome, CallProgress, HistoryKind, ToolCall, ToolContext, ToolOutput, WaitingCall,
    WaitingMessage, WaitingTurn,
};
use loomd_protocol::{ServerRequestParams, ThreadItem, Turn, TurnItemsView, TurnStatus};

use super::ask::OpenAsk;
use crate::thread::{Cx, Thread};
use crate::turn::{ActiveTurn, PendingCall, Step, put_item};
use crate::{Action, ModelFacts, SharedJson, TakeUp, UserMessage};

/// Bytes of what is written down of a turn. One that needs more does not outlive the
/// server: steered pictures should not be written anew with each change, and what the
/// thread keeps besides must stay readable.
const NOTE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What the model reads of a call that ran when the server ended.
const LOST: &str = "The server was restarted while this ran, and its result is lost. It may have \
                    done part of its work, and it does not run any more: check before you repeat \
                    it.";

/// A turn that waited when the server ended, and what it goes on with.
#[derive(Debug)]
pub struct Awaiting {
    /// The turn with its items, as the rollout and the journal tell it.
    pub turn: Turn,
    /// What was written down of it.
    pub waiting: WaitingTurn,
    /// The messages of it as the model gets them, in the same order.
    pub messages: Vec<UserMessage>,
    /// What is known of its model.
    pub model: ModelFacts,
}

/// Whether the loss of such a call's result is something that the model can be told of and
/// go on: it worked on this machine, or did nothing that lasts.
fn may_be_lost(call: &ToolCall) -> bool {
    call.namespace.is_none()
        && matches!(
            call.name.as_str(),
            "exec_command"
                | "write_stdin"
                | "apply_patch"
                | "view_image"
                | "update_plan"
                | "request_user_input"
                | "request_permissions"
        )
}

/// Whether the question can be asked again by another server.
fn is_lasting(request: &ServerRequestParams) -> bool {
    use ServerRequestParams as Request;
    match request {
        Request::CommandExecutionRequestApproval(_)
        | Request::FileChangeRequestApproval(_)
        | Request::PermissionsRequestApproval(_)
        | Request::ToolRequestUserInput(_) => true,
        // These are asked by somebody who is gone with the server.
        Request::McpServerElicitationRequest(_)
        | Request::ApplyPatchApproval(_)
        | Request::ExecCommandApproval(_)
        | Request::DynamicToolCall(_)
        | Request::ChatgptAuthTokensRefresh(_)
        | Request::AttestationGenerate(_)
        | Request::CurrentTimeRead(_) => false,
    }
}

impl Thread {
    /// Counts a question of a call. The first one finds it before it has done anything.
    pub(crate) fn count_question(&mut self, call_id: &str) {
        self.waiting_changed = true;
        let calls = self.active.iter_mut().flat_map(|turn| &mut turn.step.calls);
        for pending in calls.filter(|pending| pending.call.call_id == *call_id) {
            pending.questions += 1;
        }
    }

    /// Writes down what waits, if that changed, before anything that was decided meanwhile.
    pub(crate) fn keep_waiting(&mut self) {
        if !std::mem::take(&mut self.waiting_changed) {
            return;
        }
        let waiting = self.waiting_turn();
        if waiting == self.kept.waiting {
            return;
        }
        self.kept.waiting = waiting;
        if !self.is_ephemeral() {
            let kept = Box::new(self.kept.stored());
            self.act_first(Action::Keep(kept));
        }
    }

    /// The running turn, if a restart now would find it as it is.
    fn waiting_turn(&self) -> Option<Box<WaitingTurn>> {
        let active = self.active.as_ref().filter(|_| !self.asks.is_empty())?;
        let step = &active.step;
        let calls = step.calls.iter().skip(step.outputs_recorded);
        let calls: Option<Vec<WaitingCall>> = calls.map(|call| self.waiting_call(call)).collect();
        let calls = calls?;
        let waits = |call: &WaitingCall| matches!(call.progress, CallProgress::Asked { .. });
        if !calls.iter().any(waits) {
            return None;
        }
        let messages = active.steers.iter().map(|message| WaitingMessage {
            client_id: message.client_id.clone(),
            content: message.content.clone(),
        });
        let schema = active.output_schema.as_ref();
        let waiting = WaitingTurn {
            turn_id: active.turn.id.clone(),
            cwd: active.context.cwd.clone(),
            approval_policy: active.context.approval_policy.clone(),
            sandbox_policy: active.context.sandbox_policy.clone(),
            file_rules: active.context.file_rules.as_deref().cloned(),
            plan_mode: active.plan_mode,
            output_schema: schema.map(|schema| schema.0.get().to_owned()),
            for_goal: active.for_goal,
            calls,
            usage: step.usage.clone(),
            messages: messages.collect(),
        };
        let bytes = serde_json::to_vec(&waiting).map_or(usize::MAX, |json| json.len());
        (bytes <= NOTE_BYTES_MAX).then(|| Box::new(waiting))
    }

    /// `None` when a restart would lose more than can be told.
    fn waiting_call(&self, pending: &PendingCall) -> Option<WaitingCall> {
        let call = pending.call.clone();
        if let Some(output) = &pending.output {
            let output = output.output.clone();
            let progress = CallProgress::Done { output };
            return Some(WaitingCall { call, progress });
        }
        let mut asks = self.asks.values();
        let ask = asks.find(|ask| ask.call_id == call.call_id);
        let ask = ask.filter(|ask| pending.questions == 1 && is_lasting(&ask.request));
        let progress = match ask {
            Some(ask) => CallProgress::Asked {
                item: self.asked_item(ask).cloned().map(Box::new),
                request: Arc::clone(&ask.request),
            },
            None if may_be_lost(&call) => CallProgress::Running,
            None => return None,
        };
        Some(WaitingCall { call, progress })
    }

    fn asked_item(&self, ask: &OpenAsk) -> Option<&ThreadItem> {
        let id = ask.item_id.as_deref()?;
        let mut items = self.active.iter().flat_map(|active| &active.turn.items);
        items.find(|item| item.id() == id)
    }

    /// Goes on with the turn that waited when the server ended: before the first input, so
    /// that whoever looks at the thread sees it wait.
    pub(crate) fn take_up_turn(&mut self, cx: Cx<'_>) {
        let Some(awaiting) = self.awaiting.take() else {
            return;
        };
        self.kept.waiting = Some(Box::new(awaiting.waiting.clone()));
        let Awaiting {
            turn,
            waiting,
            messages,
            model,
        } = *awaiting;
        let id: Arc<str> = turn.id.clone().into();
        let started = Now {
            mono: cx.now.mono,
            wall_ms: turn
                .started_at
                .map_or(cx.now.wall_ms, |seconds| seconds.saturating_mul(1000)),
        };
        let context = ToolContext {
            thread_id: self.id,
            session_id: self.session_id,
            turn_id: Arc::clone(&id),
            cwd: waiting.cwd,
            approval_policy: waiting.approval_policy,
            sandbox_policy: waiting.sandbox_policy,
            file_rules: waiting.file_rules.map(Arc::new),
        };
        let goal_since = self.goal_is_active().then_some(cx.now.mono);
        let mut active = ActiveTurn {
            turn: Turn {
                status: TurnStatus::InProgress,
                items_view: TurnItemsView::NotLoaded,
                ..turn
            },
            id,
            started,
            context: Arc::new(context),
            model,
            output_schema: waiting.output_schema.and_then(|text| {
                let raw = serde_json::value::RawValue::from_string(text).ok()?;
                Some(SharedJson(raw.into()))
            }),
            // Whatever more the response would have said is asked for again.
            step: Step {
                broken: true,
                usage: waiting.usage.clone(),
                ..Step::new(0)
            },
            steers: messages,
            interrupts: Vec::new(),
            diff: None,
            shells: BTreeMap::new(),
            asked: true,
            for_goal: waiting.for_goal,
            called: true,
            goal_since,
            broken_attempts: 0,
            plan_mode: waiting.plan_mode,
            taken_up: true,
        };
        let answered = self.answered_calls();
        let calls = waiting.calls.into_iter();
        for waiting in calls.filter(|call| !answered.contains(&call.call.call_id)) {
            if let CallProgress::Asked { item, .. } = &waiting.progress
                && let Some(item) = item
            {
                let started_ms = item.started_at_ms.unwrap_or(cx.now.wall_ms);
                self.open_items.insert(item.id().to_owned(), started_ms);
                put_item(&mut active.turn.items, (**item).clone());
            }
            let (pending, question) = taken_up(cx, waiting);
            active.step.calls.push(pending);
            if let Some(question) = question {
                self.asks.insert(cx.ids.request(), question);
            }
        }
        if let Some(usage) = waiting.usage {
            self.token_usage = Some((active.turn.id.clone(), usage));
        }
        self.active = Some(active);
        self.waiting_changed = true;
    }

    /// The calls whose outputs became history: some may have between the last note of what
    /// waits and the end of the server.
    fn answered_calls(&self) -> BTreeSet<String> {
        let outputs = self.history.iter().filter_map(|entry| match &entry.kind {
            HistoryKind::Output { call_id } => Some(call_id.clone()),
            HistoryKind::Message { .. }
            | HistoryKind::Reasoning
            | HistoryKind::Call { .. }
            | HistoryKind::Other { .. } => None,
        });
        outputs.collect()
    }

    /// Starts a call with the answer to what it asked before the server was started.
    pub(crate) fn take_up_call(&mut self, ask: &OpenAsk, outcome: AskOutcome) {
        let item = self.asked_item(ask).cloned();
        let Some(active) = &self.active else { return };
        let mut calls = active.step.calls.iter();
        let Some(pending) = calls.find(|pending| pending.call.call_id == ask.call_id) else {
            return;
        };
        let context = Arc::clone(&active.context);
        let call = pending.call.clone();
        self.act(Action::TakeUpTool(Box::new(TakeUp {
            context,
            call,
            item,
            outcome,
        })));
    }
}

/// A call as it goes on, with its question if it had asked one.
fn taken_up(cx: Cx<'_>, waiting: WaitingCall) -> (PendingCall, Option<OpenAsk>) {
    let call = waiting.call;
    let ended = |output| ToolOutput {
        call_id: call.call_id.clone(),
        custom: call.is_custom(),
        output,
    };
    let (output, question) = match waiting.progress {
        CallProgress::Done { output } => (Some(ended(output)), None),
        CallProgress::Running => (Some(ended(LOST.into())), None),
        CallProgress::Asked { item, request } => {
            let open = OpenAsk {
                key: None,
                call_id: call.call_id.clone(),
                item_id: item.map(|item| item.id),
                request,
            };
            (None, Some(open))
        }
    };
    let pending = PendingCall {
        call,
        started: cx.now,
        questions: u32::from(question.is_some()),
        output,
    };
    (pending, question)
}
