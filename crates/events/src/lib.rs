//! The typed streams between loomd's parts. Types only, no rules.
//!
//! - [`ModelEvent`]: what a model stream tells a thread (`model` → `thread`).
//! - [`ToolCall`] and [`ToolEvent`]: what a thread asks of a tool and what comes
//!   back (`thread` ↔ `tools`).
//! - [`ThreadEvent`]: what happened to a thread (`thread` → rollout, read model,
//!   subscribers, analytics).
//! - [`StoredState`]: what a thread keeps beside its history (`thread` → disk), with
//!   [`WaitingTurn`], the turn that waits for an answer and goes on after a restart.
//! - [`FileRules`]: what a permission profile says beyond a sandbox policy.
//! - [`HistoryItem`]: one entry of the model's view of a thread.
//!
//! Items, turns and errors are the protocol's own types: there is no second
//! vocabulary. Deliberately absent: anything about connections or files.

mod file_rules;
mod history;
mod model;
mod state;
mod thread;
mod tool;
mod waiting;

pub use file_rules::{FileRules, WORKSPACE_GLOB};
pub use history::{HistoryItem, HistoryKind, InvalidHistoryItem, MessagePart};
pub use model::{ModelEvent, ModelFailure, OutputItem, OutputKind};
pub use state::{Goal, StoredState};
pub use thread::{
    Sequenced, SessionMeta, ThreadEvent, ThreadSnapshot, TurnContext, TurnEndReason, TurnStart,
};
pub use tool::{
    AskKey, AskOutcome, ToolAsk, ToolCall, ToolContext, ToolEvent, ToolOutput, ToolPayload,
};
pub use waiting::{CallProgress, WaitingCall, WaitingMessage, WaitingTurn};
