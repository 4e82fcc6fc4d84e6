//! The JSONL events of `exec --json`, as the official TypeScript SDK declares them.
//!
//! Names, members and their order are those that the reference (0.169.0) writes.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

/// One line of output.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type")]
pub(super) enum Event {
    /// The first event, also when a thread is resumed.
    #[serde(rename = "thread.started")]
    ThreadStarted { thread_id: String },
    #[serde(rename = "turn.started")]
    TurnStarted {},
    #[serde(rename = "turn.completed")]
    TurnCompleted { usage: Usage },
    #[serde(rename = "turn.failed")]
    TurnFailed { error: Failure },
    #[serde(rename = "item.started")]
    ItemStarted { item: Item },
    #[serde(rename = "item.updated")]
    ItemUpdated { item: Item },
    #[serde(rename = "item.completed")]
    ItemCompleted { item: Item },
    /// An error of the model, also one after which it is asked again.
    #[serde(rename = "error")]
    Error { message: String },
}

/// Tokens used by the thread so far, earlier turns included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(super) struct Usage {
    pub(super) input_tokens: i64,
    pub(super) cached_input_tokens: i64,
    pub(super) cache_write_input_tokens: i64,
    pub(super) output_tokens: i64,
    pub(super) reasoning_output_tokens: i64,
}

/// Why something failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Failure {
    pub(super) message: String,
}

/// One item.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Item {
    /// `item_0`, `item_1`, …: counted within this process.
    pub(super) id: String,
    #[serde(flatten)]
    pub(super) details: Details,
}

/// What an item is.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Details {
    AgentMessage {
        text: String,
    },
    /// Only the summaries, one a line.
    Reasoning {
        text: String,
    },
    CommandExecution {
        command: String,
        aggregated_output: String,
        exit_code: Option<i32>,
        status: Status,
    },
    FileChange {
        changes: Vec<Change>,
        status: Status,
    },
    McpToolCall {
        server: String,
        tool: String,
        arguments: Value,
        result: Option<McpResult>,
        error: Option<Failure>,
        status: Status,
    },
    CollabToolCall {
        tool: &'static str,
        sender_thread_id: String,
        receiver_thread_ids: Vec<String>,
        prompt: Option<String>,
        agents_states: BTreeMap<String, AgentState>,
        status: Status,
    },
    WebSearch {
        query: String,
        action: Value,
    },
    /// The model's plan; it starts with the first one and completes with the turn.
    TodoList {
        items: Vec<Todo>,
    },
    /// Something the user should know that does not end the turn.
    Error {
        message: String,
    },
}

/// The state of a command, a change or a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    InProgress,
    Completed,
    /// Also what was not allowed: the SDK knows no further state.
    Failed,
}

/// One file of a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Change {
    pub(super) path: String,
    pub(super) kind: ChangeKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ChangeKind {
    Add,
    Delete,
    Update,
}

/// What an MCP server answered.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct McpResult {
    pub(super) content: Vec<Value>,
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub(super) meta: Option<Value>,
    pub(super) structured_content: Option<Value>,
}

/// What another agent is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct AgentState {
    pub(super) status: &'static str,
    pub(super) message: Option<String>,
}

/// One step of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Todo {
    pub(super) text: String,
    pub(super) completed: bool,
}
