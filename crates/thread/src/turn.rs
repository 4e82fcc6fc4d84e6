//! The running turn.
//!
//! A turn goes through steps: one model request, the tool calls it made, then the
//! next request if there is reason for one. A step is over when the response is
//! whole and every call has its output.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use loomd_base::Now;
use loomd_events::{ToolCall, ToolContext, ToolOutput};
use loomd_protocol::{
    AccountRateLimitsUpdatedNotification, RateLimitSnapshot, ThreadItem, ThreadTokenUsage, Turn,
};

use crate::patch_stream::PatchStream;
use crate::{ModelFacts, ReplyTo, SharedJson, UserMessage};

/// A turn while it runs.
#[derive(Debug)]
pub(crate) struct ActiveTurn {
    /// The turn as clients see it, with the items so far.
    pub(crate) turn: Turn,
    pub(crate) id: Arc<str>,
    pub(crate) started: Now,
    pub(crate) context: Arc<ToolContext>,
    pub(crate) model: ModelFacts,
    pub(crate) output_schema: Option<SharedJson>,
    pub(crate) step: Step,
    /// Input that waits for the next request.
    pub(crate) steers: Vec<UserMessage>,
    /// Interrupts to answer when the turn has ended.
    pub(crate) interrupts: Vec<ReplyTo>,
    /// The turn's diff so far.
    pub(crate) diff: Option<String>,
    /// Commands of the user's that run, by the ids of their items.
    pub(crate) shells: BTreeMap<String, String>,
    /// The model has been asked.
    pub(crate) asked: bool,
    /// The goal brought it, not a message.
    pub(crate) for_goal: bool,
    /// The model has called a tool that does something.
    pub(crate) called: bool,
    /// While the goal is active: up to when its time is counted.
    pub(crate) goal_since: Option<Duration>,
    /// Attempts that broke after something of them had become history.
    pub(crate) broken_attempts: u32,
    /// It began in plan mode.
    pub(crate) plan_mode: bool,
    /// It began before the server was started, so that it is older than the clock.
    pub(crate) taken_up: bool,
}

/// One model request with its calls.
#[derive(Debug, Default)]
pub(crate) struct Step {
    /// The model stream that may speak; anything else is late.
    pub(crate) generation: u64,
    /// The response is whole.
    pub(crate) responded: bool,
    /// The stream broke after it had made history: when the calls are done, ask again.
    pub(crate) broken: bool,
    /// The model asked for another request even without calls.
    pub(crate) wants_more: bool,
    /// Whether anything of this response became history.
    pub(crate) recorded: bool,
    /// Calls in the order the model made them, with the output once there is one.
    pub(crate) calls: Vec<PendingCall>,
    /// Outputs that are in the history already: a prefix of `calls`.
    pub(crate) outputs_recorded: usize,
    /// The messages and reasonings that are being streamed, in the order they began.
    pub(crate) streaming: Vec<ThreadItem>,
    /// The patches that the model writes.
    pub(crate) patches: Vec<PatchStream>,
    /// The goal that was active when the request was made.
    pub(crate) goal: Option<String>,
    /// What is told at its end has been told.
    pub(crate) told: bool,
    /// Usage to tell when the step is over.
    pub(crate) usage: Option<ThreadTokenUsage>,
    /// What the response's headers said.
    pub(crate) rate_limits: Option<RateLimitSnapshot>,
}

/// A call that the model waits for.
#[derive(Debug)]
pub(crate) struct PendingCall {
    pub(crate) call: ToolCall,
    pub(crate) started: Now,
    /// How often it has asked: after an answer it may have done something.
    pub(crate) questions: u32,
    pub(crate) output: Option<ToolOutput>,
}

impl Step {
    pub(crate) fn new(generation: u64) -> Self {
        Self {
            generation,
            ..Self::default()
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        (self.responded || self.broken) && self.calls.iter().all(|call| call.output.is_some())
    }

    /// What is told about rate limits after the response.
    pub(crate) fn take_rate_limits(&mut self) -> AccountRateLimitsUpdatedNotification {
        AccountRateLimitsUpdatedNotification {
            rate_limits: self
                .rate_limits
                .take()
                .unwrap_or_else(|| RateLimitSnapshot {
                    limit_id: Some("codex".to_owned()),
                    ..RateLimitSnapshot::default()
                }),
        }
    }
}

impl ActiveTurn {
    /// How long it has run, milliseconds.
    pub(crate) fn elapsed_ms(&self, now: Now) -> i64 {
        if self.taken_up {
            return now.wall_ms.saturating_sub(self.started.wall_ms).max(0);
        }
        let elapsed = now.mono.saturating_sub(self.started.mono).as_millis();
        i64::try_from(elapsed).unwrap_or(i64::MAX)
    }

    /// The turn with everything that clients were told of it, the streaming items included.
    pub(crate) fn snapshot(&self) -> Turn {
        let mut turn = self.turn.clone();
        turn.items.extend_from_slice(&self.step.streaming);
        turn
    }
}

/// Puts an item where its earlier version stands, else at the end.
pub(crate) fn put_item(items: &mut Vec<ThreadItem>, item: ThreadItem) {
    match items.iter_mut().rev().find(|old| old.id() == item.id()) {
        Some(old) => *old = item,
        None => items.push(item),
    }
}
