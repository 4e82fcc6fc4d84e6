//! What a model stream tells a thread.

use loomd_protocol::{CodexErrorInfo, RateLimitSnapshot, TokenUsageBreakdown};

use crate::{HistoryItem, ToolCall};

/// One thing that a model stream said. A stream ends with exactly one
/// [`ModelEvent::Completed`] or [`ModelEvent::Failed`], unless it is cancelled.
#[derive(Debug, Clone, PartialEq)]
pub enum ModelEvent {
    /// An output item began; its text follows in deltas.
    ItemAdded(OutputItem),
    /// A piece of an assistant message that was added before.
    TextDelta {
        /// The message item's id.
        item_id: String,
        /// The piece of text, never empty.
        delta: String,
    },
    /// A new part of a reasoning summary begins.
    SummaryPartAdded {
        /// The reasoning item's id.
        item_id: String,
        /// Index of the part, from 0.
        index: i64,
    },
    /// A piece of a reasoning summary part.
    SummaryDelta {
        /// The reasoning item's id.
        item_id: String,
        /// Index of the part, from 0.
        index: i64,
        /// The piece of text.
        delta: String,
    },
    /// A piece of raw reasoning text.
    ReasoningDelta {
        /// The reasoning item's id.
        item_id: String,
        /// Index of the content part, from 0.
        index: i64,
        /// The piece of text.
        delta: String,
    },
    /// A piece of what the model writes into a custom tool, before the call is whole.
    CallInput {
        /// The call.
        call_id: String,
        /// The tool.
        name: String,
        /// The piece of text, never empty.
        delta: String,
    },
    /// An output item is whole. It becomes history; a call may start at once.
    ItemDone(OutputItem),
    /// What the response headers said about rate limits.
    RateLimits(RateLimitSnapshot),
    /// The model that answers is not the one asked for.
    Rerouted {
        /// The model that answers.
        model: String,
    },
    /// The attempt broke and is made again; what it streamed is void.
    Retrying {
        /// Which retry this is, from 1.
        attempt: u32,
        /// How many there may be; 0 while the host cannot be reached and is waited for
        /// without a limit.
        max: u32,
        /// Why the attempt broke.
        failure: ModelFailure,
    },
    /// The response is whole.
    Completed {
        /// The model API's id of the response.
        response_id: String,
        /// Tokens of this response, where reported.
        usage: Option<TokenUsageBreakdown>,
        /// `Some(false)` asks for another request even without tool calls.
        end_turn: Option<bool>,
    },
    /// The response cannot be had; no more attempts are made.
    Failed(ModelFailure),
}

/// An item of a model response, with what the thread's rules need of it.
#[derive(Debug, Clone, PartialEq)]
pub struct OutputItem {
    /// The item as it becomes history.
    pub history: HistoryItem,
    /// The item, read.
    pub kind: OutputKind,
}

/// The kinds of output items that rules tell apart.
#[derive(Debug, Clone, PartialEq)]
pub enum OutputKind {
    /// An assistant message.
    Message {
        /// The model API's id, or a fresh one where it gave none.
        id: String,
        /// The whole text; empty while it only began.
        text: String,
        /// `commentary` or `final_answer` where the model says so.
        phase: Option<String>,
    },
    /// Reasoning.
    Reasoning {
        /// The model API's id, or a fresh one.
        id: String,
        /// Summary parts.
        summary: Vec<String>,
        /// Raw reasoning parts.
        content: Vec<String>,
    },
    /// A call of a tool that runs here.
    Call(ToolCall),
    /// A web search that the model's host runs.
    WebSearch {
        /// The model API's id, or a fresh one.
        id: String,
        /// The `action` object as JSON text, if there is one yet.
        action: Option<serde_json::Value>,
    },
    /// Anything else: kept in history, no item of its own.
    Other,
}

/// Why a response could not be had.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelFailure {
    /// For people; shown as the error's message.
    pub message: String,
    /// The class that clients match.
    pub info: CodexErrorInfo,
    /// The cause, where the message alone does not tell it.
    pub details: Option<String>,
}
