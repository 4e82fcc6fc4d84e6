//! The model's history: which entries count, and how they are made whole.
//!
//! Rules (agent loop, section 4; seen on both versions on resume): `system` messages
//! and entries of unknown kinds are dropped; an output without its call is dropped;
//! a call without output gets one that says `aborted` right behind it. Nothing else
//! moves, so that a prompt keeps its prefix.

use std::collections::{BTreeSet, HashSet};
use std::fmt;

use loomd_events::{HistoryItem, HistoryKind};
use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

use crate::line::tag;

/// A member that the reference puts into entries for its own bookkeeping. It is not
/// part of the public model API, so it must not be sent to other hosts.
const PASSTHROUGH: &str = "internal_chat_message_metadata_passthrough";

/// Reads an entry. `None` for what the model must not see.
pub(crate) fn decode(json: &str) -> Option<HistoryItem> {
    let text = if json.contains(PASSTHROUGH) {
        without_passthrough(json)?
    } else {
        json.to_owned()
    };
    let item = HistoryItem::from_raw(RawValue::from_string(text).ok()?).ok()?;
    let counts = match &item.kind {
        HistoryKind::Message { role } => role != "system",
        HistoryKind::Reasoning | HistoryKind::Call { .. } | HistoryKind::Output { .. } => true,
        HistoryKind::Other { kind } => matches!(
            kind.as_str(),
            "web_search_call"
                | "image_generation_call"
                | "agent_message"
                | "compaction"
                | "compaction_summary"
                | "context_compaction"
                | "additional_tools"
        ),
    };
    counts.then_some(item)
}

/// A user's message with one text; `None` for an empty text.
pub(crate) fn user_message(text: &str) -> Option<HistoryItem> {
    #[derive(Serialize)]
    #[serde(tag = "type", rename = "message")]
    struct Message<'a> {
        role: &'static str,
        content: &'a [loomd_events::MessagePart],
    }
    if text.is_empty() {
        return None;
    }
    let message = Message {
        role: "user",
        content: &[loomd_events::MessagePart::text(text)],
    };
    let json = to_raw_value(&message).expect("plain structs of strings always serialise");
    Some(HistoryItem {
        kind: HistoryKind::Message {
            role: "user".to_owned(),
        },
        json: json.into(),
    })
}

fn without_passthrough(json: &str) -> Option<String> {
    let mut object: Object<'_> = serde_json::from_str(json).ok()?;
    object.0.retain(|(key, _)| *key != PASSTHROUGH);
    serde_json::to_string(&object).ok()
}

/// A JSON object, one level deep, in its order.
struct Object<'a>(Vec<(std::borrow::Cow<'a, str>, &'a RawValue)>);

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Object(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

/// Gives every call its output and drops outputs without a call.
pub(crate) fn normalise(items: Vec<HistoryItem>, waiting: &BTreeSet<String>) -> Vec<HistoryItem> {
    let mut calls = HashSet::new();
    let mut answered = HashSet::new();
    for item in &items {
        match &item.kind {
            HistoryKind::Call { call_id, .. } => {
                calls.insert(call_id.clone());
            }
            // Only an output behind its call counts.
            HistoryKind::Output { call_id } if calls.contains(call_id) => {
                answered.insert(call_id.clone());
            }
            HistoryKind::Output { .. }
            | HistoryKind::Message { .. }
            | HistoryKind::Reasoning
            | HistoryKind::Other { .. } => {}
        }
    }
    let mut seen = HashSet::new();
    let mut whole = Vec::with_capacity(items.len());
    for item in items {
        match &item.kind {
            HistoryKind::Call { call_id, custom } => {
                seen.insert(call_id.clone());
                let output = (!answered.contains(call_id) && !waiting.contains(call_id))
                    .then(|| aborted(call_id, *custom, item.json.get()));
                whole.push(item);
                whole.extend(output);
            }
            HistoryKind::Output { call_id } => {
                if seen.contains(call_id) {
                    whole.push(item);
                }
            }
            HistoryKind::Message { .. } | HistoryKind::Reasoning | HistoryKind::Other { .. } => {
                whole.push(item);
            }
        }
    }
    whole
}

/// The output of a call that never got one.
#[derive(Serialize)]
#[serde(tag = "type")]
enum Aborted<'a> {
    #[serde(rename = "function_call_output")]
    Function {
        call_id: &'a str,
        output: &'static str,
    },
    #[serde(rename = "custom_tool_call_output")]
    Custom {
        call_id: &'a str,
        output: &'static str,
    },
    #[serde(rename = "tool_search_output")]
    ToolSearch {
        call_id: &'a str,
        status: &'static str,
        execution: &'static str,
        tools: [(); 0],
    },
}

fn aborted(call_id: &str, custom: bool, call: &str) -> HistoryItem {
    const TEXT: &str = "aborted";
    let output = if custom {
        Aborted::Custom {
            call_id,
            output: TEXT,
        }
    } else if tag(call).as_deref() == Some("tool_search_call") {
        Aborted::ToolSearch {
            call_id,
            status: "completed",
            execution: "client",
            tools: [],
        }
    } else {
        Aborted::Function {
            call_id,
            output: TEXT,
        }
    };
    let json = to_raw_value(&output).expect("plain structs of strings always serialise");
    HistoryItem {
        kind: HistoryKind::Output {
            call_id: call_id.to_owned(),
        },
        json: json.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(lines: &[&str]) -> Vec<String> {
        let items = lines.iter().filter_map(|line| decode(line)).collect();
        normalise(items, &BTreeSet::new())
            .into_iter()
            .map(|item| item.json.get().to_owned())
            .collect()
    }

    #[test]
    fn answers_open_calls_and_drops_orphan_outputs() {
        let got = history(&[
            r#"{"type":"function_call_output","call_id":"z","output":"orphan"}"#,
            r#"{"type":"function_call","call_id":"a","name":"f","arguments":"{}"}"#,
            r#"{"type":"custom_tool_call","call_id":"b","name":"p","input":""}"#,
            r#"{"type":"tool_search_call","call_id":"c"}"#,
            r#"{"type":"function_call","call_id":"d","name":"f","arguments":"{}"}"#,
            r#"{"type":"function_call_output","call_id":"d","output":"fine"}"#,
        ]);
        expect_test::expect![[r#"
            {"type":"function_call","call_id":"a","name":"f","arguments":"{}"}
            {"type":"function_call_output","call_id":"a","output":"aborted"}
            {"type":"custom_tool_call","call_id":"b","name":"p","input":""}
            {"type":"custom_tool_call_output","call_id":"b","output":"aborted"}
            {"type":"tool_search_call","call_id":"c"}
            {"type":"tool_search_output","call_id":"c","status":"completed","execution":"client","tools":[]}
            {"type":"function_call","call_id":"d","name":"f","arguments":"{}"}
            {"type":"function_call_output","call_id":"d","output":"fine"}
        "#]]
        .assert_eq(&(got.join("\n") + "\n"));
    }

    #[test]
    fn drops_system_messages_and_unknown_kinds() {
        let got = history(&[
            r#"{"type":"message","role":"system","content":[]}"#,
            r#"{"type":"brand_new"}"#,
            r#"{"type":"compaction_trigger"}"#,
            r#"{"type":"message","role":"user","content":[]}"#,
            r#"{"type":"web_search_call","id":"w"}"#,
            "7",
        ]);
        assert_eq!(got.len(), 2);
    }

    #[test]
    fn strips_the_reference_s_bookkeeping_and_nothing_else() {
        let got = history(&[
            r#"{"type":"message","role":"user","content":[{"type":"input_text","text":"x"}],"internal_chat_message_metadata_passthrough":{"turn_id":"t"},"own":1}"#,
        ]);
        assert_eq!(
            got,
            [
                r#"{"type":"message","role":"user","content":[{"type":"input_text","text":"x"}],"own":1}"#
            ]
        );
    }
}
