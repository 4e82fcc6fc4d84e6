//! Items as legacy events: the form of 0.131.0 and of threads without paginated
//! history.
//!
//! Reading turns each event into an item (reasoning events into parts of one);
//! writing makes the *shadow* of an item, the lines that let 0.131.0 list and show a
//! thread that loomd wrote. Commands, dynamic calls, agent calls and image views
//! have no legacy form (both versions ignore such lines).

use loomd_protocol::{
    AbsolutePathBuf, AgentMessageItem, FileChangeItem, ImageGenerationItem, ItemKind,
    McpToolCallError, McpToolCallItem, McpToolCallStatus, MessagePhase, PatchApplyStatus,
    ThreadItem, UserInput, UserMessageItem, WebSearchItem,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::item::{
    DiskCitation, DiskElement, Duration, EnteredReview, ExitedReview, FileChanges, McpResult,
    PatchStatus, ReviewOutput, WebAction, patch_status, patch_status_to_disk,
};

/// What a legacy event says about a turn's items.
#[derive(Debug, PartialEq)]
pub(crate) enum LegacyItem {
    /// A whole item; its id is counted where the event has none.
    Whole {
        /// The call's id, for calls.
        id: Option<String>,
        /// The item.
        kind: Box<ItemKind>,
    },
    /// One part of a reasoning summary.
    Summary(String),
    /// One part of raw reasoning.
    Raw(String),
}

/// Reads an item event. `None` when `kind` is not one.
pub(crate) fn decode(kind: &str, json: &str) -> Option<serde_json::Result<LegacyItem>> {
    Some(match kind {
        "user_message" => serde_json::from_str(json).map(UserMessage::into_item),
        "agent_message" => serde_json::from_str(json).map(AgentMessage::into_item),
        "agent_reasoning" => serde_json::from_str(json).map(|e: Text| LegacyItem::Summary(e.text)),
        "agent_reasoning_raw_content" => {
            serde_json::from_str(json).map(|e: Text| LegacyItem::Raw(e.text))
        }
        "patch_apply_end" => serde_json::from_str(json).map(PatchEnd::into_item),
        "mcp_tool_call_end" => serde_json::from_str(json).map(McpEnd::into_item),
        "web_search_end" => serde_json::from_str(json).map(WebSearchEnd::into_item),
        "image_generation_end" => serde_json::from_str(json).map(ImageEnd::into_item),
        "context_compacted" => Ok(whole(None, ItemKind::ContextCompaction)),
        "entered_review_mode" => serde_json::from_str(json).map(|event: EnteredReview| {
            let review = event.hint();
            whole(None, ItemKind::EnteredReviewMode { review })
        }),
        "exited_review_mode" => serde_json::from_str(json).map(|event: ExitedReview| {
            let review = event.text();
            whole(None, ItemKind::ExitedReviewMode { review })
        }),
        _ => return None,
    })
}

fn whole(id: Option<String>, kind: ItemKind) -> LegacyItem {
    LegacyItem::Whole {
        id,
        kind: Box::new(kind),
    }
}

/// A legacy event as written.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum LegacyEvent<'a> {
    UserMessage(UserMessage),
    AgentMessage(AgentMessage),
    AgentReasoning {
        text: &'a str,
    },
    AgentReasoningRawContent {
        text: &'a str,
    },
    PatchApplyEnd(PatchEnd),
    McpToolCallEnd(McpEnd),
    WebSearchEnd(WebSearchEnd),
    ImageGenerationEnd(ImageEnd),
    ContextCompacted,
    EnteredReviewMode {
        target: ReviewTarget<'a>,
        user_facing_hint: &'a str,
    },
    ExitedReviewMode {
        review_output: ReviewOutput,
    },
}

/// What is reviewed, as far as a hint can tell.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum ReviewTarget<'a> {
    Custom { instructions: &'a str },
}

/// The shadow of an item: what 0.131.0 needs to show it.
pub(crate) fn encode<'a>(item: &'a ThreadItem, turn_id: &str) -> Vec<LegacyEvent<'a>> {
    let id = || item.id.clone();
    match &item.kind {
        ItemKind::UserMessage(user) => vec![LegacyEvent::UserMessage(UserMessage::of(user))],
        ItemKind::AgentMessage(agent) => vec![LegacyEvent::AgentMessage(AgentMessage::of(agent))],
        ItemKind::Reasoning { summary, content } => {
            let parts = summary
                .iter()
                .map(|text| LegacyEvent::AgentReasoning { text });
            let raw = content
                .iter()
                .map(|text| LegacyEvent::AgentReasoningRawContent { text });
            parts.chain(raw).collect()
        }
        ItemKind::FileChange(change) => {
            vec![LegacyEvent::PatchApplyEnd(PatchEnd::of(
                id(),
                turn_id,
                change,
            ))]
        }
        ItemKind::McpToolCall(call) => vec![LegacyEvent::McpToolCallEnd(McpEnd::of(id(), call))],
        ItemKind::WebSearch(search) => vec![LegacyEvent::WebSearchEnd(WebSearchEnd {
            call_id: id(),
            query: search.query.clone(),
            action: search
                .action
                .as_ref()
                .map_or(WebAction::Other, WebAction::of),
        })],
        ItemKind::ImageGeneration(image) => vec![LegacyEvent::ImageGenerationEnd(ImageEnd {
            call_id: id(),
            status: image.status.clone(),
            revised_prompt: image.revised_prompt.clone(),
            result: image.result.clone().unwrap_or_default(),
            saved_path: image.saved_path.clone().map(AbsolutePathBuf::into_string),
        })],
        ItemKind::ContextCompaction => vec![LegacyEvent::ContextCompacted],
        ItemKind::EnteredReviewMode { review } => vec![LegacyEvent::EnteredReviewMode {
            target: ReviewTarget::Custom {
                instructions: review,
            },
            user_facing_hint: review,
        }],
        ItemKind::ExitedReviewMode { review } => vec![LegacyEvent::ExitedReviewMode {
            review_output: ReviewOutput::of_text(review),
        }],
        // Plans are read from their item_completed line by every version; the rest
        // has no legacy form.
        ItemKind::Plan { .. }
        | ItemKind::HookPrompt { .. }
        | ItemKind::FunctionCallOutput(_)
        | ItemKind::CommandExecution(_)
        | ItemKind::DynamicToolCall(_)
        | ItemKind::CollabAgentToolCall(_)
        | ItemKind::SubAgentActivity(_)
        | ItemKind::ImageView { .. }
        | ItemKind::Sleep { .. } => Vec::new(),
    }
}

#[derive(Debug, Deserialize)]
struct Text {
    text: String,
}

/// A user's message: one text and lists of what came with it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct UserMessage {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    pub(crate) message: String,
    #[serde(default)]
    images: Option<Vec<String>>,
    #[serde(default)]
    local_images: Vec<String>,
    #[serde(default)]
    text_elements: Vec<DiskElement>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    audio: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    local_audio: Vec<String>,
}

impl UserMessage {
    fn of(user: &UserMessageItem) -> Self {
        let mut event = Self {
            client_id: user.client_id.clone(),
            message: String::new(),
            images: Some(Vec::new()),
            local_images: Vec::new(),
            text_elements: Vec::new(),
            audio: Vec::new(),
            local_audio: Vec::new(),
        };
        for input in &user.content {
            match input {
                UserInput::Text {
                    text,
                    text_elements,
                } => {
                    let before = event.message.len() as u64;
                    event.message.push_str(text);
                    let moved = text_elements
                        .iter()
                        .map(|element| DiskElement::moved(element, before));
                    event.text_elements.extend(moved);
                }
                UserInput::Image { url, .. } => {
                    event.images.get_or_insert_default().extend(url.clone());
                }
                UserInput::LocalImage { path, .. } => event.local_images.push(path.clone()),
                UserInput::Audio { url, .. } => event.audio.extend(url.clone()),
                UserInput::LocalAudio { path } => event.local_audio.push(path.clone()),
                UserInput::Skill { .. } | UserInput::Mention { .. } => {}
            }
        }
        event
    }

    fn into_item(self) -> LegacyItem {
        let mut content = Vec::new();
        if !self.message.is_empty() {
            content.push(UserInput::Text {
                text: self.message,
                text_elements: self
                    .text_elements
                    .into_iter()
                    .map(DiskElement::into_element)
                    .collect(),
            });
        }
        let images = self.images.unwrap_or_default().into_iter();
        content.extend(images.map(|url| UserInput::Image {
            detail: None,
            url: Some(url),
            file_id: None,
        }));
        let local = self.local_images.into_iter();
        content.extend(local.map(|path| UserInput::LocalImage { detail: None, path }));
        let audio = self.audio.into_iter();
        content.extend(audio.map(|url| UserInput::Audio {
            url: Some(url),
            file_id: None,
        }));
        let local_audio = self.local_audio.into_iter();
        content.extend(local_audio.map(|path| UserInput::LocalAudio { path }));
        let client_id = self.client_id;
        whole(
            None,
            ItemKind::UserMessage(UserMessageItem { client_id, content }),
        )
    }
}

/// A message of the model.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AgentMessage {
    message: String,
    #[serde(default)]
    phase: Option<MessagePhase>,
    #[serde(default)]
    memory_citation: Option<DiskCitation>,
}

impl AgentMessage {
    fn of(agent: &AgentMessageItem) -> Self {
        Self {
            message: agent.text.clone(),
            phase: agent.phase,
            memory_citation: agent.memory_citation.as_ref().map(DiskCitation::of),
        }
    }

    fn into_item(self) -> LegacyItem {
        whole(
            None,
            ItemKind::AgentMessage(AgentMessageItem {
                text: self.message,
                phase: self.phase,
                memory_citation: self.memory_citation.map(DiskCitation::into_citation),
                ..AgentMessageItem::default()
            }),
        )
    }
}

/// A patch was applied or not.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PatchEnd {
    call_id: String,
    #[serde(default)]
    turn_id: String,
    #[serde(default)]
    stdout: String,
    #[serde(default)]
    stderr: String,
    #[serde(default)]
    success: Option<bool>,
    changes: FileChanges,
    #[serde(default)]
    status: Option<PatchStatus>,
}

impl PatchEnd {
    fn of(call_id: String, turn_id: &str, change: &FileChangeItem) -> Self {
        Self {
            call_id,
            turn_id: turn_id.to_owned(),
            stdout: String::new(),
            stderr: String::new(),
            success: Some(change.status == PatchApplyStatus::Completed),
            changes: FileChanges::of(&change.changes),
            status: Some(patch_status_to_disk(change.status)),
        }
    }

    fn into_item(self) -> LegacyItem {
        whole(
            Some(self.call_id),
            ItemKind::FileChange(FileChangeItem {
                changes: self.changes.into_changes(),
                status: patch_status(self.status, self.success),
            }),
        )
    }
}

/// A call of an MCP tool ended.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct McpEnd {
    call_id: String,
    invocation: Invocation,
    #[serde(default)]
    duration: Option<Duration>,
    result: Outcome,
}

#[derive(Debug, Serialize, Deserialize)]
struct Invocation {
    server: String,
    tool: String,
    #[serde(default)]
    arguments: Value,
}

#[derive(Debug, Serialize, Deserialize)]
enum Outcome {
    Ok(McpResult),
    Err(String),
}

impl McpEnd {
    fn of(call_id: String, call: &McpToolCallItem) -> Self {
        let failed = call.status == McpToolCallStatus::Failed;
        Self {
            call_id,
            invocation: Invocation {
                server: call.server.clone(),
                tool: call.tool.clone(),
                arguments: call.arguments.clone(),
            },
            duration: Some(Duration::of_ms(call.duration_ms.unwrap_or(0))),
            result: match (&call.result, &call.error) {
                (Some(result), _) => Outcome::Ok(McpResult::of(result, failed)),
                (None, Some(error)) => Outcome::Err(error.message.clone()),
                (None, None) => Outcome::Err(String::new()),
            },
        }
    }

    fn into_item(self) -> LegacyItem {
        let failed = match &self.result {
            Outcome::Ok(result) => result.is_error == Some(true),
            Outcome::Err(_) => true,
        };
        let (result, error) = match self.result {
            Outcome::Ok(result) => (Some(result.into_result()), None),
            Outcome::Err(message) => (None, Some(McpToolCallError { message })),
        };
        whole(
            Some(self.call_id),
            ItemKind::McpToolCall(Box::new(McpToolCallItem {
                server: self.invocation.server,
                tool: self.invocation.tool,
                status: if failed {
                    McpToolCallStatus::Failed
                } else {
                    McpToolCallStatus::Completed
                },
                arguments: self.invocation.arguments,
                app_context: None,
                mcp_app_resource_uri: None,
                mcp_app_ui: None,
                plugin_id: None,
                read_only_hint: None,
                result,
                error,
                duration_ms: self.duration.map(Duration::ms),
            })),
        )
    }
}

/// A web search ended.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct WebSearchEnd {
    call_id: String,
    #[serde(default)]
    query: String,
    action: WebAction,
}

impl WebSearchEnd {
    fn into_item(self) -> LegacyItem {
        whole(
            Some(self.call_id),
            ItemKind::WebSearch(WebSearchItem {
                query: self.query,
                action: Some(self.action.into_action()),
                results: None,
            }),
        )
    }
}

/// An image was made.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ImageEnd {
    call_id: String,
    status: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revised_prompt: Option<String>,
    #[serde(default)]
    result: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    saved_path: Option<String>,
}

impl ImageEnd {
    fn into_item(self) -> LegacyItem {
        whole(
            Some(self.call_id),
            ItemKind::ImageGeneration(ImageGenerationItem {
                status: self.status,
                revised_prompt: self.revised_prompt,
                saved_path: self.saved_path.and_then(AbsolutePathBuf::new),
                result: Some(self.result),
                ..ImageGenerationItem::default()
            }),
        )
    }
}
