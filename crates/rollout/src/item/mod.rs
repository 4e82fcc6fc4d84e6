//! Items as `item_completed` lines store them: the reference's inner form, in
//! PascalCase kinds and snake_case members, translated to and from the wire's.
//!
//! Invariants: what [`encode`] writes, [`decode`] reads back as it was, but for the app
//! context of MCP calls, whose stored form is not known, and for states that only a
//! running item has (they are stored as failed).
//! A stored item of a kind that is not known is skipped, never an error.

mod agent;
mod exec;
mod message;
mod other;
mod tool;

use std::fmt;
use std::marker::PhantomData;

use loomd_protocol::{ItemKind, ThreadItem};
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use agent::{Collab, SubAgentActivity};
use exec::{CommandExecution, FileChange};
pub(crate) use exec::{FileChanges, Status as PatchStatus, patch_status, patch_status_to_disk};
use message::{AgentMessage, HookPrompt, Plan, Reasoning, UserMessage};
pub(crate) use message::{DiskCitation, DiskElement};
pub(crate) use other::{EnteredReview, ExitedReview, ReviewOutput};
use other::{FunctionCallOutput, Image, ImageView, Marker, Sleep};
pub(crate) use tool::{Duration, McpResult, WebAction};
use tool::{Dynamic, Mcp, WebSearch};

/// An item as stored.
#[derive(Debug, Serialize)]
#[serde(tag = "type")]
pub(crate) enum DiskItem {
    UserMessage(UserMessage),
    HookPrompt(HookPrompt),
    AgentMessage(AgentMessage),
    FunctionCallOutput(FunctionCallOutput),
    Plan(Plan),
    Reasoning(Reasoning),
    CommandExecution(CommandExecution),
    FileChange(FileChange),
    McpToolCall(Box<Mcp>),
    DynamicToolCall(Dynamic),
    CollabAgentToolCall(Collab),
    SubAgentActivity(SubAgentActivity),
    WebSearch(WebSearch),
    ImageView(ImageView),
    Sleep(Sleep),
    ImageGeneration(Image),
    EnteredReviewMode(EnteredReview),
    ExitedReviewMode(ExitedReview),
    ContextCompaction(Marker),
}

/// The stored form of an item.
pub(crate) fn encode(item: &ThreadItem) -> DiskItem {
    let id = item.id.clone();
    match &item.kind {
        ItemKind::UserMessage(user) => DiskItem::UserMessage(UserMessage::of(id, user)),
        ItemKind::HookPrompt { fragments } => DiskItem::HookPrompt(HookPrompt {
            id,
            fragments: fragments.clone(),
        }),
        ItemKind::AgentMessage(agent) => DiskItem::AgentMessage(AgentMessage::of(id, agent)),
        ItemKind::FunctionCallOutput(output) => {
            DiskItem::FunctionCallOutput(FunctionCallOutput::of(id, output))
        }
        ItemKind::Plan { text } => DiskItem::Plan(Plan {
            id,
            text: text.clone(),
        }),
        ItemKind::Reasoning { summary, content } => DiskItem::Reasoning(Reasoning {
            id,
            summary_text: summary.clone(),
            raw_content: content.clone(),
        }),
        ItemKind::CommandExecution(command) => {
            DiskItem::CommandExecution(CommandExecution::of(id, command))
        }
        ItemKind::FileChange(change) => DiskItem::FileChange(FileChange::of(id, change)),
        ItemKind::McpToolCall(call) => DiskItem::McpToolCall(Box::new(Mcp::of(id, call))),
        ItemKind::DynamicToolCall(call) => DiskItem::DynamicToolCall(Dynamic::of(id, call)),
        ItemKind::CollabAgentToolCall(call) => DiskItem::CollabAgentToolCall(Collab::of(id, call)),
        ItemKind::SubAgentActivity(activity) => {
            DiskItem::SubAgentActivity(SubAgentActivity::of(id, activity))
        }
        ItemKind::WebSearch(search) => DiskItem::WebSearch(WebSearch::of(id, search)),
        ItemKind::ImageView { path } => DiskItem::ImageView(ImageView::of(id, path)),
        ItemKind::Sleep { duration_ms } => DiskItem::Sleep(Sleep {
            id,
            duration_ms: *duration_ms,
        }),
        ItemKind::ImageGeneration(image) => DiskItem::ImageGeneration(Image::of(id, image)),
        ItemKind::EnteredReviewMode { review } => {
            DiskItem::EnteredReviewMode(EnteredReview::of(id, review))
        }
        ItemKind::ExitedReviewMode { review } => {
            DiskItem::ExitedReviewMode(ExitedReview::of(id, review))
        }
        ItemKind::ContextCompaction => DiskItem::ContextCompaction(Marker { id }),
    }
}

/// Reads a stored item. `None` when its kind is not known.
pub(crate) fn decode(kind: &str, json: &str) -> Option<serde_json::Result<ThreadItem>> {
    Some(match kind {
        "UserMessage" => read(json, UserMessage::into_item),
        "HookPrompt" => read(json, HookPrompt::into_item),
        "AgentMessage" => read(json, AgentMessage::into_item),
        "FunctionCallOutput" => read(json, FunctionCallOutput::into_item),
        "Plan" => read(json, Plan::into_item),
        "Reasoning" => read(json, Reasoning::into_item),
        "CommandExecution" => read(json, CommandExecution::into_item),
        "FileChange" => read(json, FileChange::into_item),
        "McpToolCall" => read(json, Mcp::into_item),
        "DynamicToolCall" => read(json, Dynamic::into_item),
        "CollabAgentToolCall" => read(json, Collab::into_item),
        "SubAgentActivity" => read(json, SubAgentActivity::into_item),
        "WebSearch" => read(json, WebSearch::into_item),
        "ImageView" => read(json, ImageView::into_item),
        "Sleep" => read(json, Sleep::into_item),
        "ImageGeneration" => read(json, Image::into_item),
        "EnteredReviewMode" => read(json, EnteredReview::into_item),
        "ExitedReviewMode" => read(json, ExitedReview::into_item),
        "ContextCompaction" => read(json, |marker: Marker| {
            ThreadItem::new(marker.id, ItemKind::ContextCompaction)
        }),
        _ => return None,
    })
}

fn read<T: DeserializeOwned>(
    json: &str,
    into_item: impl FnOnce(T) -> ThreadItem,
) -> serde_json::Result<ThreadItem> {
    serde_json::from_str(json).map(into_item)
}

/// A JSON object whose members keep their order.
#[derive(Debug, Clone)]
pub(crate) struct Members<V>(pub(crate) Vec<(String, V)>);

impl<V: Serialize> Serialize for Members<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Members<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect<V>(PhantomData<V>);
        impl<'de, V: Deserialize<'de>> Visitor<'de> for Collect<V> {
            type Value = Members<V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect(PhantomData))
    }
}

/// An absolute path as a `file://` URL, which the reference wants in some places.
pub(crate) fn path_to_url(path: &str) -> String {
    let mut url = String::with_capacity(path.len() + 8);
    url.push_str("file://");
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.~!$&'()*+,;=:@".contains(&byte) {
            url.push(char::from(byte));
        } else {
            url.push_str(&format!("%{byte:02X}"));
        }
    }
    url
}

/// The path of a `file://` URL; every other text is taken as a path.
pub(crate) fn url_to_path(url: String) -> String {
    let Some(rest) = url.strip_prefix("file://") else {
        return url;
    };
    let bytes = rest.as_bytes();
    let mut path = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = (bytes[at] == b'%')
            .then(|| rest.get(at + 1..at + 3))
            .flatten()
            .and_then(|code| u8::from_str_radix(code, 16).ok());
        path.push(code.unwrap_or(bytes[at]));
        at += if code.is_some() { 3 } else { 1 };
    }
    String::from_utf8(path).unwrap_or(url)
}

#[cfg(test)]
mod tests;
