//! The model's view of a thread, one entry at a time.
//!
//! An entry is kept as the JSON text that the model API sent or will be sent and
//! that the rollout stores, so that a request body is made by joining texts and
//! members that loomd does not know survive a round trip. Beside the text stands
//! the little that rules need: what kind of entry it is and which call it belongs to.

use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

/// One entry of the model's history.
#[derive(Debug, Clone)]
pub struct HistoryItem {
    /// What rules need to know about the entry.
    pub kind: HistoryKind,
    /// The entry as JSON, exactly as sent and stored.
    pub json: Arc<RawValue>,
}

/// What kind of entry a [`HistoryItem`] is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HistoryKind {
    /// A message with its role (`user`, `assistant`, `developer`, `system`).
    Message {
        /// The role as written.
        role: String,
    },
    /// A reasoning entry.
    Reasoning,
    /// A call that needs an output: function, custom tool, local shell, tool search.
    Call {
        /// The call's id.
        call_id: String,
        /// Whether its output is a `custom_tool_call_output`.
        custom: bool,
    },
    /// The output of a call.
    Output {
        /// The id of the call it answers.
        call_id: String,
    },
    /// Known or unknown entries without rules of their own (hosted tool calls, compaction).
    Other {
        /// The entry's `type`.
        kind: String,
    },
}

/// A JSON text that is not a history entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidHistoryItem(pub String);

impl std::fmt::Display for InvalidHistoryItem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidHistoryItem {}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(rename = "type", default)]
    kind: Option<&'a str>,
    #[serde(default)]
    role: Option<String>,
    #[serde(default)]
    call_id: Option<String>,
}

/// A part of a message that loomd writes itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum MessagePart {
    /// Text from a user, developer or tool.
    InputText {
        /// The text.
        text: String,
    },
    /// An image by URL or data URL.
    InputImage {
        /// `https:` or `data:` URL.
        image_url: String,
        /// How closely the model should look (`low`, `high`, `original`, `auto`).
        #[serde(skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// Text from the model.
    OutputText {
        /// The text.
        text: String,
    },
}

impl MessagePart {
    /// An `input_text` part.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::InputText { text: text.into() }
    }

    /// Bytes of its text or address.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Self::InputText { text } | Self::OutputText { text } => text.len(),
            Self::InputImage { image_url, .. } => image_url.len(),
        }
    }
}

#[derive(Serialize)]
struct MessageJson<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: &'a str,
    role: &'a str,
    content: &'a [MessagePart],
}

#[derive(Serialize)]
struct OutputJson<'a, T: Serialize> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: &'a str,
    call_id: &'a str,
    output: &'a T,
}

impl HistoryItem {
    /// Reads an entry, keeping its text.
    ///
    /// # Errors
    /// When the text is not an object, or a call or an output has no `call_id`.
    pub fn from_raw(json: Box<RawValue>) -> Result<Self, InvalidHistoryItem> {
        let head: Head<'_> =
            serde_json::from_str(json.get()).map_err(|e| InvalidHistoryItem(e.to_string()))?;
        let call = |id: Option<String>| {
            id.ok_or_else(|| InvalidHistoryItem("missing field `call_id`".to_owned()))
        };
        let kind = match head.kind.unwrap_or("message") {
            "message" => HistoryKind::Message {
                role: head
                    .role
                    .ok_or_else(|| InvalidHistoryItem("missing field `role`".to_owned()))?,
            },
            "reasoning" => HistoryKind::Reasoning,
            "function_call" | "local_shell_call" | "tool_search_call" => HistoryKind::Call {
                call_id: call(head.call_id)?,
                custom: false,
            },
            "custom_tool_call" => HistoryKind::Call {
                call_id: call(head.call_id)?,
                custom: true,
            },
            "function_call_output" | "custom_tool_call_output" | "tool_search_output" => {
                HistoryKind::Output {
                    call_id: call(head.call_id)?,
                }
            }
            other => HistoryKind::Other {
                kind: other.to_owned(),
            },
        };
        Ok(Self {
            kind,
            json: Arc::from(json),
        })
    }

    /// A message that loomd writes: a user's, a developer's or an assistant's.
    #[must_use]
    pub fn message(id: &str, role: &str, content: &[MessagePart]) -> Self {
        Self {
            kind: HistoryKind::Message {
                role: role.to_owned(),
            },
            json: raw(&MessageJson {
                kind: "message",
                id,
                role,
                content,
            }),
        }
    }

    /// The output of a function or custom call. `output` is a string or a list of parts.
    #[must_use]
    pub fn call_output<T: Serialize>(id: &str, call_id: &str, custom: bool, output: &T) -> Self {
        Self {
            kind: HistoryKind::Output {
                call_id: call_id.to_owned(),
            },
            json: raw(&OutputJson {
                kind: if custom {
                    "custom_tool_call_output"
                } else {
                    "function_call_output"
                },
                id,
                call_id,
                output,
            }),
        }
    }

    /// Bytes of the entry's JSON text.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.json.get().len()
    }
}

impl PartialEq for HistoryItem {
    fn eq(&self, other: &Self) -> bool {
        self.json.get() == other.json.get()
    }
}

impl Serialize for HistoryItem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.json.serialize(serializer)
    }
}

fn raw(value: &impl Serialize) -> Arc<RawValue> {
    let text = serde_json::to_string(value).expect("plain structs of strings always serialise");
    Arc::from(RawValue::from_string(text).expect("serde_json writes valid JSON"))
}
