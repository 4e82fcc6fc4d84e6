//! Items: what a turn is made of. [`ThreadItem`] carries what every item has,
//! [`ItemKind`] what its kind adds.
//!
//! Invariants: an id is unique within its thread and the same in live events,
//! in history and after a restart; a kind never changes while an item lives.
//! Deliberately absent: the notifications about items (see `item_events`) and
//! the reference's flat form, which repeats `id` in every kind.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::dynamic_tool::DynamicToolCallOutputContentItem;
use crate::input::{FunctionCallOutputBody, UserInput};
use crate::item_parts::{
    AgentMessageDelivery, AgentMessageModeration, AsyncUserInputQuestion, CollabAgentState,
    CollabAgentTool, CollabAgentToolCallStatus, CommandAction, CommandExecutionSource,
    CommandExecutionStatus, DynamicToolCallStatus, FileUpdateChange, HookPromptFragment,
    ImageGenerationFailure, ImageGenerationInputImage, McpAppUi, McpToolCallAppContext,
    McpToolCallError, McpToolCallResult, McpToolCallStatus, MemoryCitation, MessagePhase,
    PatchApplyStatus, SubAgentActivityKind, WebSearchAction,
};
use crate::path::{AbsolutePathBuf, LegacyAppPathString};
use crate::policy::ReasoningEffort;
use crate::wire::null_default;

/// One item of a turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ThreadItem {
    /// The model's item id, the call id of a tool call, or a UUID (user
    /// messages, compactions, shell commands of the user).
    pub id: String,
    /// What the item is, with the members of that kind.
    #[serde(flatten)]
    pub kind: ItemKind,
    /// When it started, Unix milliseconds; null for history that did not record it.
    pub started_at_ms: Option<i64>,
    /// When it completed, Unix milliseconds; null while it runs.
    pub completed_at_ms: Option<i64>,
}

impl ThreadItem {
    /// An item that has neither started nor completed.
    pub fn new(id: impl Into<String>, kind: ItemKind) -> Self {
        Self {
            id: id.into(),
            kind,
            started_at_ms: None,
            completed_at_ms: None,
        }
    }

    /// The id, unique within the thread.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The kind's name on the wire, such as `commandExecution`.
    pub fn kind_name(&self) -> &'static str {
        self.kind.name()
    }

    /// Sets both lifecycle times, Unix milliseconds.
    pub fn set_times(&mut self, started_at_ms: Option<i64>, completed_at_ms: Option<i64>) {
        self.started_at_ms = started_at_ms;
        self.completed_at_ms = completed_at_ms;
    }

    /// Marks a command or a patch as declined by the user; other items have no such
    /// state and stay as they are.
    pub fn set_declined(&mut self) {
        if let ItemKind::CommandExecution(command) = &mut self.kind {
            command.status = CommandExecutionStatus::Declined;
        } else if let ItemKind::FileChange(change) = &mut self.kind {
            change.status = PatchApplyStatus::Declined;
        }
    }
}

/// The kinds of items, tagged by `type`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum ItemKind {
    /// What the user sent; also sent to the client it came from.
    UserMessage(UserMessageItem),
    /// Text that hooks put before the model. Only ever completed.
    HookPrompt { fragments: Vec<HookPromptFragment> },
    /// Text of the model.
    AgentMessage(AgentMessageItem),
    /// The output of a function call that the client gave with a turn.
    FunctionCallOutput(FunctionCallOutputItem),
    /// The plan proposed in plan mode.
    Plan { text: String },
    /// The model's reasoning: summaries, and raw text where it is given.
    Reasoning {
        #[serde(default, deserialize_with = "null_default")]
        summary: Vec<String>,
        #[serde(default, deserialize_with = "null_default")]
        content: Vec<String>,
    },
    /// A command, of the model or of the user.
    CommandExecution(CommandExecutionItem),
    /// A patch.
    FileChange(FileChangeItem),
    /// A call of a tool of an MCP server. Boxed: it is by far the largest and not the commonest.
    McpToolCall(Box<McpToolCallItem>),
    /// A call of a tool that the client brought along.
    DynamicToolCall(DynamicToolCallItem),
    /// A call that starts, steers or ends another agent.
    CollabAgentToolCall(CollabAgentToolCallItem),
    /// What a subagent did, as told to its parent.
    SubAgentActivity(SubAgentActivityItem),
    /// A web search of the model.
    WebSearch(WebSearchItem),
    /// An image the model looked at.
    ImageView { path: LegacyAppPathString },
    /// A pause the model asked for.
    Sleep { duration_ms: u64 },
    /// An image the model made.
    ImageGeneration(ImageGenerationItem),
    /// A review begins; `review` is the hint shown to the user.
    EnteredReviewMode { review: String },
    /// A review ends; `review` is its rendered result.
    ExitedReviewMode { review: String },
    /// The history was compacted here.
    ContextCompaction,
}

impl ItemKind {
    /// The kind's name on the wire.
    pub fn name(&self) -> &'static str {
        match self {
            Self::UserMessage(_) => "userMessage",
            Self::HookPrompt { .. } => "hookPrompt",
            Self::AgentMessage(_) => "agentMessage",
            Self::FunctionCallOutput(_) => "functionCallOutput",
            Self::Plan { .. } => "plan",
            Self::Reasoning { .. } => "reasoning",
            Self::CommandExecution(_) => "commandExecution",
            Self::FileChange(_) => "fileChange",
            Self::McpToolCall(_) => "mcpToolCall",
            Self::DynamicToolCall(_) => "dynamicToolCall",
            Self::CollabAgentToolCall(_) => "collabAgentToolCall",
            Self::SubAgentActivity(_) => "subAgentActivity",
            Self::WebSearch(_) => "webSearch",
            Self::ImageView { .. } => "imageView",
            Self::Sleep { .. } => "sleep",
            Self::ImageGeneration(_) => "imageGeneration",
            Self::EnteredReviewMode { .. } => "enteredReviewMode",
            Self::ExitedReviewMode { .. } => "exitedReviewMode",
            Self::ContextCompaction => "contextCompaction",
        }
    }
}

/// Members of a `userMessage`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct UserMessageItem {
    /// The `clientUserMessageId` of the request, by which the sender knows its own message.
    pub client_id: Option<String>,
    pub content: Vec<UserInput>,
}

/// Members of an `agentMessage`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AgentMessageItem {
    pub moderation: Option<AgentMessageModeration>,
    /// Empty when started; the deltas add up to the final text.
    pub text: String,
    /// As the model gave it; null for models that give none.
    pub phase: Option<MessagePhase>,
    pub memory_citation: Option<MemoryCitation>,
    pub delivery: Option<AgentMessageDelivery>,
    pub questions: Option<Vec<AsyncUserInputQuestion>>,
}

/// Members of a `functionCallOutput`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FunctionCallOutputItem {
    pub name: String,
    pub namespace: Option<String>,
    pub output: FunctionCallOutputBody,
}

/// Members of a `commandExecution`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct CommandExecutionItem {
    pub plugin_id: Option<String>,
    pub script_path: Option<String>,
    /// The command as one shell-quoted string, wrapper included.
    pub command: String,
    pub cwd: LegacyAppPathString,
    /// The id of the terminal it runs in; null before it runs.
    pub process_id: Option<String>,
    #[serde(default, deserialize_with = "null_default")]
    pub source: CommandExecutionSource,
    pub status: CommandExecutionStatus,
    /// What the command does, as far as it can be told from its text.
    pub command_actions: Vec<CommandAction>,
    /// Standard output and error in the order they arrived; null when empty.
    pub aggregated_output: Option<String>,
    pub exit_code: Option<i32>,
    /// Milliseconds.
    pub duration_ms: Option<i64>,
}

/// Members of a `fileChange`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FileChangeItem {
    pub changes: Vec<FileUpdateChange>,
    pub status: PatchApplyStatus,
}

/// Members of an `mcpToolCall`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct McpToolCallItem {
    pub server: String,
    pub tool: String,
    pub status: McpToolCallStatus,
    /// As the model wrote them.
    pub arguments: Value,
    pub app_context: Option<McpToolCallAppContext>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mcp_app_resource_uri: Option<String>,
    pub mcp_app_ui: Option<McpAppUi>,
    pub plugin_id: Option<String>,
    pub read_only_hint: Option<bool>,
    /// What the server answered, also when it answered with an error of the tool.
    pub result: Option<McpToolCallResult>,
    /// Why no answer came.
    pub error: Option<McpToolCallError>,
    /// Milliseconds.
    pub duration_ms: Option<i64>,
}

/// Members of a `dynamicToolCall`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct DynamicToolCallItem {
    pub namespace: Option<String>,
    pub tool: String,
    /// As the model wrote them.
    pub arguments: Value,
    pub status: DynamicToolCallStatus,
    pub content_items: Option<Vec<DynamicToolCallOutputContentItem>>,
    pub success: Option<bool>,
    /// Milliseconds.
    pub duration_ms: Option<i64>,
}

/// Members of a `collabAgentToolCall`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct CollabAgentToolCallItem {
    pub tool: CollabAgentTool,
    pub status: CollabAgentToolCallStatus,
    pub sender_thread_id: String,
    /// Empty until a spawned agent has its thread.
    pub receiver_thread_ids: Vec<String>,
    pub prompt: Option<String>,
    pub model: Option<String>,
    pub reasoning_effort: Option<ReasoningEffort>,
    /// By thread id.
    pub agents_states: BTreeMap<String, CollabAgentState>,
}

/// Members of a `subAgentActivity`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SubAgentActivityItem {
    pub model: Option<String>,
    pub reasoning_effort: Option<ReasoningEffort>,
    pub kind: SubAgentActivityKind,
    pub agent_thread_id: String,
    pub agent_path: String,
}

/// Members of a `webSearch`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WebSearchItem {
    /// Empty until the search is done.
    pub query: String,
    pub action: Option<WebSearchAction>,
    pub results: Option<Vec<Value>>,
}

/// Members of an `imageGeneration`. The image is in `result`, or, where the
/// provider keeps files, behind `file_id`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ImageGenerationItem {
    /// As the model API gave it: `in_progress`, `completed`, …
    pub status: String,
    pub revised_prompt: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transparent_background: Option<bool>,
    pub failure: Option<ImageGenerationFailure>,
    /// Where the server put the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub saved_path: Option<AbsolutePathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_images: Option<Vec<ImageGenerationInputImage>>,
    pub generation_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_id: Option<String>,
    /// The image, base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
}
