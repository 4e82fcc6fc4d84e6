//! What people and the model say: user and agent messages, reasoning, plans, hook prompts.

use loomd_protocol::{
    AgentMessageDelivery, AgentMessageItem, AgentMessageModeration, AsyncUserInputQuestion,
    ByteRange, HookPromptFragment, ImageDetail, ItemKind, MemoryCitation, MemoryCitationEntry,
    MessagePhase, TextElement, ThreadItem, UserInput, UserMessageItem,
};
use serde::{Deserialize, Serialize};

/// A user's message.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct UserMessage {
    id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    content: Vec<DiskInput>,
}

impl UserMessage {
    pub(super) fn of(id: String, user: &UserMessageItem) -> Self {
        Self {
            id,
            client_id: user.client_id.clone(),
            content: user.content.iter().map(input_to_disk).collect(),
        }
    }

    pub(super) fn into_item(self) -> ThreadItem {
        let content = self.content.into_iter().map(input_from_disk).collect();
        ThreadItem::new(
            self.id,
            ItemKind::UserMessage(UserMessageItem {
                client_id: self.client_id,
                content,
            }),
        )
    }
}

/// One part of a user's message.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum DiskInput {
    Text {
        text: String,
        #[serde(default)]
        text_elements: Vec<DiskElement>,
    },
    Image {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        image_url: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        file_id: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<ImageDetail>,
    },
    LocalImage {
        path: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<ImageDetail>,
    },
    Audio {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        audio_url: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        file_id: Option<String>,
    },
    LocalAudio {
        path: String,
    },
    Skill {
        name: String,
        path: String,
    },
    Mention {
        name: String,
        path: String,
    },
}

/// A span of a text that clients show specially.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct DiskElement {
    byte_range: ByteRange,
    #[serde(default)]
    placeholder: Option<String>,
}

impl DiskElement {
    fn of(element: &TextElement) -> Self {
        Self {
            byte_range: element.byte_range.clone(),
            placeholder: element.placeholder.clone(),
        }
    }

    /// The span of a text that is put behind `before` bytes of others.
    pub(crate) fn moved(element: &TextElement, before: u64) -> Self {
        let mut moved = Self::of(element);
        moved.byte_range.start = moved.byte_range.start.saturating_add(before);
        moved.byte_range.end = moved.byte_range.end.saturating_add(before);
        moved
    }

    pub(crate) fn into_element(self) -> TextElement {
        TextElement {
            byte_range: self.byte_range,
            placeholder: self.placeholder,
        }
    }
}

/// The stored form of a part.
fn input_to_disk(input: &UserInput) -> DiskInput {
    match input.clone() {
        UserInput::Text {
            text,
            text_elements,
        } => DiskInput::Text {
            text,
            text_elements: text_elements.iter().map(DiskElement::of).collect(),
        },
        UserInput::Image {
            detail,
            url,
            file_id,
        } => DiskInput::Image {
            image_url: url,
            file_id,
            detail,
        },
        UserInput::LocalImage { detail, path } => DiskInput::LocalImage { path, detail },
        UserInput::Audio { url, file_id } => DiskInput::Audio {
            audio_url: url,
            file_id,
        },
        UserInput::LocalAudio { path } => DiskInput::LocalAudio { path },
        UserInput::Skill { name, path } => DiskInput::Skill { name, path },
        UserInput::Mention { name, path } => DiskInput::Mention { name, path },
    }
}

/// The wire's form of a part.
fn input_from_disk(input: DiskInput) -> UserInput {
    match input {
        DiskInput::Text {
            text,
            text_elements,
        } => UserInput::Text {
            text,
            text_elements: text_elements
                .into_iter()
                .map(DiskElement::into_element)
                .collect(),
        },
        DiskInput::Image {
            image_url,
            file_id,
            detail,
        } => UserInput::Image {
            detail,
            url: image_url,
            file_id,
        },
        DiskInput::LocalImage { path, detail } => UserInput::LocalImage { detail, path },
        DiskInput::Audio { audio_url, file_id } => UserInput::Audio {
            url: audio_url,
            file_id,
        },
        DiskInput::LocalAudio { path } => UserInput::LocalAudio { path },
        DiskInput::Skill { name, path } => UserInput::Skill { name, path },
        DiskInput::Mention { name, path } => UserInput::Mention { name, path },
    }
}

/// A message of the model.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AgentMessage {
    id: String,
    content: Vec<AgentContent>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    phase: Option<MessagePhase>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    memory_citation: Option<DiskCitation>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delivery: Option<AgentMessageDelivery>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    questions: Option<Vec<AsyncUserInputQuestion>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    moderation: Option<AgentMessageModeration>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type")]
enum AgentContent {
    Text { text: String },
}

/// Which memories an answer rests on.
/// Its members are stored in camelCase.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DiskCitation {
    #[serde(default)]
    entries: Vec<DiskCitationEntry>,
    #[serde(default, rename = "rolloutIds")]
    thread_ids: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DiskCitationEntry {
    path: String,
    line_start: u32,
    line_end: u32,
    #[serde(default)]
    note: String,
}

impl DiskCitation {
    pub(crate) fn of(citation: &MemoryCitation) -> Self {
        let entry = |entry: &MemoryCitationEntry| DiskCitationEntry {
            path: entry.path.clone(),
            line_start: entry.line_start,
            line_end: entry.line_end,
            note: entry.note.clone(),
        };
        Self {
            entries: citation.entries.iter().map(entry).collect(),
            thread_ids: citation.thread_ids.clone(),
        }
    }

    pub(crate) fn into_citation(self) -> MemoryCitation {
        let entry = |entry: DiskCitationEntry| MemoryCitationEntry {
            path: entry.path,
            line_start: entry.line_start,
            line_end: entry.line_end,
            note: entry.note,
        };
        MemoryCitation {
            entries: self.entries.into_iter().map(entry).collect(),
            thread_ids: self.thread_ids,
        }
    }
}

impl AgentMessage {
    pub(super) fn of(id: String, agent: &AgentMessageItem) -> Self {
        Self {
            id,
            content: vec![AgentContent::Text {
                text: agent.text.clone(),
            }],
            phase: agent.phase,
            memory_citation: agent.memory_citation.as_ref().map(DiskCitation::of),
            delivery: agent.delivery,
            questions: agent.questions.clone(),
            moderation: agent.moderation.clone(),
        }
    }

    pub(super) fn into_item(self) -> ThreadItem {
        let text = self
            .content
            .into_iter()
            .map(|AgentContent::Text { text }| text)
            .collect();
        ThreadItem::new(
            self.id,
            ItemKind::AgentMessage(AgentMessageItem {
                text,
                phase: self.phase,
                memory_citation: self.memory_citation.map(DiskCitation::into_citation),
                delivery: self.delivery,
                questions: self.questions,
                moderation: self.moderation,
            }),
        )
    }
}

/// The model's reasoning.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Reasoning {
    pub(super) id: String,
    #[serde(default)]
    pub(super) summary_text: Vec<String>,
    #[serde(default)]
    pub(super) raw_content: Vec<String>,
}

impl Reasoning {
    pub(super) fn into_item(self) -> ThreadItem {
        ThreadItem::new(
            self.id,
            ItemKind::Reasoning {
                summary: self.summary_text,
                content: self.raw_content,
            },
        )
    }
}

/// A plan proposed in plan mode.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(super) id: String,
    pub(super) text: String,
}

impl Plan {
    pub(super) fn into_item(self) -> ThreadItem {
        ThreadItem::new(self.id, ItemKind::Plan { text: self.text })
    }
}

/// What hooks put before the model; its fragments are stored as they are sent.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct HookPrompt {
    pub(super) id: String,
    pub(super) fragments: Vec<HookPromptFragment>,
}

impl HookPrompt {
    pub(super) fn into_item(self) -> ThreadItem {
        ThreadItem::new(
            self.id,
            ItemKind::HookPrompt {
                fragments: self.fragments,
            },
        )
    }
}
