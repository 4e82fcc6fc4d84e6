//! How items are made and grow.

use loomd_protocol::{
    AgentMessageItem, CommandExecutionStatus, DynamicToolCallStatus, ItemKind, McpToolCallStatus,
    MessagePhase, PatchApplyStatus, ThreadItem, UserInput, UserMessageItem, WebSearchAction,
    WebSearchItem,
};

pub(crate) fn user_message(
    id: String,
    client_id: Option<String>,
    content: Vec<UserInput>,
) -> ThreadItem {
    ThreadItem::new(
        id,
        ItemKind::UserMessage(UserMessageItem { client_id, content }),
    )
}

pub(crate) fn agent_message(id: String, text: String, phase: Option<String>) -> ThreadItem {
    let phase = match phase.as_deref() {
        Some("commentary") => Some(MessagePhase::Commentary),
        Some("final_answer") => Some(MessagePhase::FinalAnswer),
        Some(_) | None => None,
    };
    ThreadItem::new(
        id,
        ItemKind::AgentMessage(AgentMessageItem {
            text,
            phase,
            ..AgentMessageItem::default()
        }),
    )
}

pub(crate) fn reasoning(id: String, summary: Vec<String>, content: Vec<String>) -> ThreadItem {
    ThreadItem::new(id, ItemKind::Reasoning { summary, content })
}

/// A web search; without an action yet it is of the kind `other` with no query.
pub(crate) fn web_search(id: String, action: Option<&serde_json::Value>) -> ThreadItem {
    let query = action
        .and_then(|action| action.get("query"))
        .and_then(serde_json::Value::as_str)
        .unwrap_or_default()
        .to_owned();
    let action = action
        .and_then(|action| serde_json::from_value(camel_action(action)).ok())
        .unwrap_or(WebSearchAction::Other);
    ThreadItem::new(
        id,
        ItemKind::WebSearch(WebSearchItem {
            query,
            action: Some(action),
            results: None,
        }),
    )
}

/// The model API names actions in snake case (`open_page`), the protocol in camel case.
fn camel_action(action: &serde_json::Value) -> serde_json::Value {
    let mut action = action.clone();
    let name = match action.get("type").and_then(serde_json::Value::as_str) {
        Some("open_page") => "openPage",
        Some("find_in_page") => "findInPage",
        Some(_) | None => return action,
    };
    action["type"] = name.into();
    action
}

/// The item as it was when it began, for one whose end comes without a beginning.
pub(crate) fn begun(item: &ThreadItem) -> ThreadItem {
    let mut item = item.clone();
    match &mut item.kind {
        ItemKind::AgentMessage(message) => message.text.clear(),
        ItemKind::Reasoning { summary, content } => {
            summary.clear();
            content.clear();
        }
        ItemKind::CommandExecution(command) => {
            command.status = CommandExecutionStatus::InProgress;
            command.aggregated_output = None;
            command.exit_code = None;
            command.duration_ms = None;
        }
        ItemKind::FileChange(change) => change.status = PatchApplyStatus::InProgress,
        ItemKind::McpToolCall(call) => {
            call.status = McpToolCallStatus::InProgress;
            call.result = None;
            call.error = None;
            call.duration_ms = None;
        }
        ItemKind::DynamicToolCall(call) => {
            call.status = DynamicToolCallStatus::InProgress;
            call.content_items = None;
            call.success = None;
            call.duration_ms = None;
        }
        ItemKind::WebSearch(search) => {
            search.query.clear();
            search.action = Some(WebSearchAction::Other);
        }
        ItemKind::UserMessage(_)
        | ItemKind::HookPrompt { .. }
        | ItemKind::FunctionCallOutput(_)
        | ItemKind::Plan { .. }
        | ItemKind::CollabAgentToolCall(_)
        | ItemKind::SubAgentActivity(_)
        | ItemKind::ImageView { .. }
        | ItemKind::Sleep { .. }
        | ItemKind::ImageGeneration(_)
        | ItemKind::EnteredReviewMode { .. }
        | ItemKind::ExitedReviewMode { .. }
        | ItemKind::ContextCompaction => {}
    }
    item
}

/// Adds a piece to a streaming agent message.
pub(crate) fn push_text(item: &mut ThreadItem, delta: &str) {
    if let ItemKind::AgentMessage(message) = &mut item.kind {
        message.text.push_str(delta);
    }
}

/// Bytes of a running command's output that whoever joins is shown; of more than these
/// it gets the beginning, and all of what the command keeps when the item completes.
const RUNNING_OUTPUT_MAX: usize = 1024 * 1024;

/// Adds a piece to what a running command has put out.
pub(crate) fn push_output(item: &mut ThreadItem, delta: &str) {
    if let ItemKind::CommandExecution(command) = &mut item.kind {
        let output = command.aggregated_output.get_or_insert_default();
        let room = RUNNING_OUTPUT_MAX.saturating_sub(output.len());
        output.push_str(&delta[..delta.floor_char_boundary(room)]);
    }
}

pub(crate) fn add_summary_part(item: &mut ThreadItem, index: i64) {
    if let ItemKind::Reasoning { summary, .. } = &mut item.kind {
        part(summary, index);
    }
}

pub(crate) fn push_summary(item: &mut ThreadItem, index: i64, delta: &str) {
    if let ItemKind::Reasoning { summary, .. } = &mut item.kind
        && let Some(part) = part(summary, index)
    {
        part.push_str(delta);
    }
}

pub(crate) fn push_reasoning(item: &mut ThreadItem, index: i64, delta: &str) {
    if let ItemKind::Reasoning { content, .. } = &mut item.kind
        && let Some(part) = part(content, index)
    {
        part.push_str(delta);
    }
}

/// Parts that one reasoning item may have; a model that counts further is not followed.
const PARTS_MAX: usize = 1024;

fn part(parts: &mut Vec<String>, index: i64) -> Option<&mut String> {
    let index = usize::try_from(index)
        .ok()
        .filter(|index| *index < PARTS_MAX)?;
    if parts.len() <= index {
        parts.resize(index + 1, String::new());
    }
    parts.get_mut(index)
}

/// The text parts of what a user sent, joined by line ends.
pub(crate) fn plain_text(content: &[UserInput]) -> String {
    let texts: Vec<&str> = content
        .iter()
        .filter_map(|input| match input {
            UserInput::Text { text, .. } => Some(text.as_str()),
            UserInput::Image { .. }
            | UserInput::LocalImage { .. }
            | UserInput::Audio { .. }
            | UserInput::LocalAudio { .. }
            | UserInput::Skill { .. }
            | UserInput::Mention { .. } => None,
        })
        .collect();
    texts.join("\n")
}
