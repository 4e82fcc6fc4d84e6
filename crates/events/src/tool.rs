//! What a thread asks of a tool, and what comes back.

use std::path::PathBuf;
use std::sync::Arc;

use loomd_base::ThreadId;
use loomd_protocol::{
    AskForApproval, SandboxPolicy, ServerRequestParams, ServerRequestResponse, ThreadItem,
    TurnPlanStep,
};
use serde::{Deserialize, Serialize};

use crate::FileRules;

/// One call of a tool by the model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolCall {
    /// The call's id, which is also the id of the item it makes.
    pub call_id: String,
    /// The tool's name.
    pub name: String,
    /// The namespace of a namespaced tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// What the model passed.
    pub payload: ToolPayload,
}

impl ToolCall {
    /// Whether the output must be a `custom_tool_call_output`.
    #[must_use]
    pub fn is_custom(&self) -> bool {
        match self.payload {
            ToolPayload::Custom { .. } => true,
            ToolPayload::Function { .. } => false,
        }
    }
}

/// What the model passed to a tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ToolPayload {
    /// Arguments of a function tool: JSON text, which may be malformed.
    Function {
        /// The arguments as the model wrote them.
        arguments: String,
    },
    /// Input of a freeform tool.
    Custom {
        /// The text as the model wrote it.
        input: String,
    },
}

/// Where and under which rules the calls of a turn run. Fixed for the turn.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolContext {
    /// The thread.
    pub thread_id: ThreadId,
    /// The root thread's id, which commands see as their session.
    pub session_id: ThreadId,
    /// The turn.
    pub turn_id: Arc<str>,
    /// Absolute working folder of the turn.
    pub cwd: PathBuf,
    /// When the user must be asked.
    pub approval_policy: AskForApproval,
    /// What a command may touch.
    pub sandbox_policy: SandboxPolicy,
    /// What it may touch of files, where that is more than the policy says.
    pub file_rules: Option<Arc<FileRules>>,
}

/// What the model is told about a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolOutput {
    /// The call that ended (as far as the model is concerned).
    pub call_id: String,
    /// Whether the output must be a `custom_tool_call_output`.
    pub custom: bool,
    /// JSON text of the output: a string, or a list of parts.
    pub output: serde_json::Value,
}

/// One thing that a tool said. Every event stands beside the id of the turn that
/// started the call (see the toolbox that sends it), also when it comes after the
/// end of that turn.
#[derive(Debug, Clone, PartialEq)]
pub enum ToolEvent {
    /// An item begins. Sent at most once per item.
    ItemStarted(ThreadItem),
    /// A piece of a command's output.
    OutputDelta {
        /// The command item's id.
        item_id: String,
        /// Text, never empty.
        delta: String,
    },
    /// Input was written to (or output polled from) a running command.
    TerminalInteraction {
        /// The item of the command that was started.
        item_id: String,
        /// The command's session id.
        process_id: String,
        /// What was written; empty for a poll.
        stdin: String,
    },
    /// An item ended. Sent exactly once for each started item, unless its owner
    /// unloads the thread first.
    ItemCompleted(ThreadItem),
    /// The model changed its plan.
    Plan {
        /// Why, in the model's words.
        explanation: Option<String>,
        /// The whole plan.
        plan: Vec<TurnPlanStep>,
    },
    /// The turn's files changed: one unified diff of all of it so far.
    TurnDiff {
        /// Git-style unified diff.
        diff: String,
    },
    /// The call cannot go on before a client has answered. The answer comes back to
    /// the toolbox under the same key, unless the turn ends first.
    Ask(Box<ToolAsk>),
    /// The user answered that the whole turn is to end. The call that asked is not
    /// answered.
    TurnCancelled,
    /// The call has its answer for the model. Sent exactly once per call that was
    /// not cancelled.
    Finished(ToolOutput),
}

/// Names an open question of a tool; no two of one toolbox are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AskKey(pub u64);

/// A question of a tool to the clients.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolAsk {
    /// Names the question.
    pub key: AskKey,
    /// The call that waits for the answer.
    pub call_id: String,
    /// The item that the question is about, if it begins with it.
    pub item: Option<ThreadItem>,
    /// The question.
    pub request: ServerRequestParams,
}

/// What a tool gets for its question.
#[derive(Debug, Clone, PartialEq)]
pub enum AskOutcome {
    /// A client's answer.
    Answered(ServerRequestResponse),
    /// A client answered with an error, or with something that is no answer to this
    /// question. Never to be taken for a permission.
    Failed {
        /// What was wrong with the answer.
        reason: String,
    },
}
