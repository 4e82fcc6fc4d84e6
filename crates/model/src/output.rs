//! One output item: JSON text → [`OutputItem`].
//!
//! The text becomes history as it came. It is rewritten only where later readers
//! would stumble: an item or a call without an id gets one, arguments that are not a
//! string become one, and refusal parts are taken out. Lenient on purpose: local
//! hosts leave members out.

use std::borrow::Cow;
use std::fmt;

use loomd_base::IdSource;
use loomd_events::{HistoryItem, OutputItem, OutputKind, ToolCall, ToolPayload};
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

/// The kinds of items that are handled apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    /// An assistant message.
    Message,
    Reasoning,
    WebSearch,
    FunctionCall,
    CustomCall,
    /// A call without an item of its own, which still needs an output.
    HiddenCall,
    Other,
}

impl Sort {
    /// Whether clients are told that such an item began.
    pub(crate) fn is_announced(self) -> bool {
        match self {
            Self::Message | Self::Reasoning | Self::WebSearch => true,
            Self::FunctionCall | Self::CustomCall | Self::HiddenCall | Self::Other => false,
        }
    }
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    role: Option<String>,
    #[serde(default)]
    phase: Option<String>,
    #[serde(default, borrow)]
    content: Option<&'a RawValue>,
    #[serde(default, borrow)]
    summary: Option<&'a RawValue>,
    #[serde(default)]
    call_id: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    namespace: Option<String>,
    #[serde(default, borrow)]
    arguments: Option<&'a RawValue>,
    #[serde(default)]
    input: Option<String>,
    #[serde(default, borrow)]
    action: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default)]
    text: Option<String>,
}

/// A call of a custom tool that began.
#[derive(Clone)]
pub(crate) struct Called {
    pub(crate) call_id: String,
    pub(crate) name: String,
}

/// An item that was read but has no settled id yet.
pub(crate) struct Draft<'a> {
    wire: Wire<'a>,
    raw: &'a RawValue,
    pub(crate) sort: Sort,
}

impl<'a> Draft<'a> {
    /// Reads an item.
    ///
    /// # Errors
    /// When it is not an object with a type, or a member that matters has the wrong type.
    pub(crate) fn read(raw: &'a RawValue) -> Result<Self, serde_json::Error> {
        let wire: Wire<'a> = serde_json::from_str(raw.get())?;
        let sort = match &*wire.kind {
            "message" if wire.role.as_deref().unwrap_or("assistant") == "assistant" => {
                Sort::Message
            }
            "reasoning" => Sort::Reasoning,
            "web_search_call" => Sort::WebSearch,
            "function_call" => Sort::FunctionCall,
            "custom_tool_call" => Sort::CustomCall,
            "local_shell_call" | "tool_search_call" => Sort::HiddenCall,
            _ => Sort::Other,
        };
        Ok(Self { wire, raw, sort })
    }

    /// The id that the host gave.
    pub(crate) fn id(&self) -> Option<&str> {
        self.wire.id.as_deref().filter(|id| !id.is_empty())
    }

    /// A fresh id of the form that the host would have used.
    pub(crate) fn fresh_id(&self, ids: &dyn IdSource) -> String {
        let prefix = match &*self.wire.kind {
            "message" => "msg",
            "reasoning" => "rs",
            "web_search_call" => "ws",
            "function_call" => "fc",
            "custom_tool_call" => "ctc",
            "local_shell_call" => "lsh",
            "tool_search_call" => "tsc",
            _ => "item",
        };
        format!("{prefix}_{}", ids.v7())
    }

    /// The ids of a call and its tool, as far as the host gave them.
    pub(crate) fn called(&self) -> Option<Called> {
        let call_id = self.wire.call_id.clone().filter(|id| !id.is_empty())?;
        let name = self.wire.name.clone()?;
        (self.sort == Sort::CustomCall).then_some(Called { call_id, name })
    }

    /// Whether the model refused instead of answering.
    pub(crate) fn is_refusal(&self) -> bool {
        self.sort == Sort::Message && self.parts().iter().any(|part| part.kind == "refusal")
    }

    /// The item with its id. `None` when it lacks what its kind cannot do without.
    pub(crate) fn finish(self, id: String, ids: &dyn IdSource) -> Option<OutputItem> {
        let mut changes = Changes(Vec::new());
        if self.wire.id.as_deref() != Some(&id) {
            changes.set("id", &id);
        }
        let kind = match self.sort {
            Sort::Message => {
                if self.wire.role.is_none() {
                    changes.set("role", &"assistant");
                }
                if self.is_refusal() {
                    changes.set("content", &self.without_refusals());
                }
                OutputKind::Message {
                    id,
                    text: self.message_text(),
                    phase: self.wire.phase.clone(),
                }
            }
            Sort::Reasoning => OutputKind::Reasoning {
                id,
                summary: texts(self.wire.summary),
                content: texts(self.wire.content),
            },
            Sort::WebSearch => OutputKind::WebSearch {
                id,
                action: self.wire.action.and_then(parsed),
            },
            Sort::FunctionCall => {
                let arguments = self.arguments(&mut changes);
                self.call(ToolPayload::Function { arguments }, &mut changes, ids)?
            }
            Sort::CustomCall => {
                let input = self.wire.input.clone().unwrap_or_else(|| {
                    changes.set("input", &"");
                    String::new()
                });
                self.call(ToolPayload::Custom { input }, &mut changes, ids)?
            }
            Sort::HiddenCall => {
                self.call_id(&mut changes, ids);
                OutputKind::Other
            }
            Sort::Other => OutputKind::Other,
        };
        let history = HistoryItem::from_raw(changes.apply(self.raw)?).ok()?;
        Some(OutputItem { history, kind })
    }

    fn call(
        &self,
        payload: ToolPayload,
        changes: &mut Changes,
        ids: &dyn IdSource,
    ) -> Option<OutputKind> {
        Some(OutputKind::Call(ToolCall {
            name: self.wire.name.clone()?,
            call_id: self.call_id(changes, ids),
            namespace: self.wire.namespace.clone(),
            payload,
        }))
    }

    fn call_id(&self, changes: &mut Changes, ids: &dyn IdSource) -> String {
        match self.wire.call_id.clone().filter(|id| !id.is_empty()) {
            Some(call_id) => call_id,
            None => {
                let call_id = format!("call_{}", ids.v7());
                changes.set("call_id", &call_id);
                call_id
            }
        }
    }

    fn arguments(&self, changes: &mut Changes) -> String {
        if let Some(text) = self.wire.arguments.and_then(parsed) {
            return text;
        }
        let text = self.wire.arguments.map_or("", RawValue::get).to_owned();
        changes.set("arguments", &text);
        text
    }

    fn parts(&self) -> Vec<Part<'a>> {
        self.wire.content.and_then(parsed).unwrap_or_default()
    }

    /// All text parts as one; a content that is a plain string is that text.
    fn message_text(&self) -> String {
        let Some(content) = self.wire.content else {
            return String::new();
        };
        if let Some(text) = parsed(content) {
            return text;
        }
        self.parts()
            .into_iter()
            .filter(|part| part.kind == "output_text")
            .filter_map(|part| part.text)
            .collect()
    }

    fn without_refusals(&self) -> Vec<&'a RawValue> {
        let parts: Vec<&'a RawValue> = self.wire.content.and_then(parsed).unwrap_or_default();
        parts
            .into_iter()
            .filter(|raw| parsed::<Part<'_>>(raw).is_some_and(|part| part.kind != "refusal"))
            .collect()
    }
}

/// Members of an item that are set to other values than the host gave.
struct Changes(Vec<(&'static str, Box<RawValue>)>);

impl Changes {
    fn set(&mut self, name: &'static str, value: &impl Serialize) {
        let value = to_raw_value(value).expect("strings and JSON texts always serialise");
        self.0.push((name, value));
    }

    /// The item's text, rewritten where there are changes. `None` if it is no object.
    fn apply(self, raw: &RawValue) -> Option<Box<RawValue>> {
        if self.0.is_empty() {
            return Some(raw.to_owned());
        }
        let mut members: Members<'_> = parsed(raw)?;
        for (name, value) in &self.0 {
            match members.0.iter_mut().find(|(known, _)| known == name) {
                Some(member) => member.1 = value,
                // Behind the type, where the reference writes the id.
                None => members
                    .0
                    .insert(1.min(members.0.len()), (Cow::Borrowed(name), value)),
            }
        }
        let mut text = String::with_capacity(raw.get().len() + 64);
        for (name, value) in &members.0 {
            text.push(if text.is_empty() { '{' } else { ',' });
            text.push_str(&serde_json::to_string(name).ok()?);
            text.push(':');
            text.push_str(value.get());
        }
        text.push('}');
        RawValue::from_string(text).ok()
    }
}

/// The members of an object in their order, values as texts.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
                    members.push((Cow::Owned(name), value));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

fn parsed<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Option<T> {
    serde_json::from_str(raw.get()).ok()
}

/// The texts of a list of parts; other forms have none.
fn texts(raw: Option<&RawValue>) -> Vec<String> {
    let parts: Vec<Part<'_>> = raw.and_then(parsed).unwrap_or_default();
    parts.into_iter().filter_map(|part| part.text).collect()
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use loomd_base::CountedIds;
    use loomd_events::HistoryKind;

    use super::*;

    fn read(json: &str) -> Option<OutputItem> {
        let raw: &RawValue = serde_json::from_str(json).expect("test JSON");
        let ids = CountedIds::default();
        let draft = Draft::read(raw).ok()?;
        let id = match draft.id() {
            Some(id) => id.to_owned(),
            None => draft.fresh_id(&ids),
        };
        draft.finish(id, &ids)
    }

    fn check(json: &str, expected: Expect) {
        let item = read(json).expect("an item");
        expected.assert_eq(&format!("{:?}\n{}\n", item.kind, item.history.json.get()));
    }

    #[test]
    fn a_message_joins_its_text_parts_and_keeps_its_text_as_it_came() {
        check(
            r#"{"type":"message","id":"msg_1","role":"assistant","phase":"commentary","new":1.0,"content":[{"type":"output_text","text":"ab"},{"type":"image"},{"type":"output_text","text":"cd"}]}"#,
            expect![[r#"
                Message { id: "msg_1", text: "abcd", phase: Some("commentary") }
                {"type":"message","id":"msg_1","role":"assistant","phase":"commentary","new":1.0,"content":[{"type":"output_text","text":"ab"},{"type":"image"},{"type":"output_text","text":"cd"}]}
            "#]],
        );
    }

    #[test]
    fn what_a_lenient_host_left_out_is_filled_in() {
        check(
            r#"{"type":"message","content":"ab"}"#,
            expect![[r#"
                Message { id: "msg_00000000-0000-7000-8000-000000000001", text: "ab", phase: None }
                {"type":"message","role":"assistant","id":"msg_00000000-0000-7000-8000-000000000001","content":"ab"}
            "#]],
        );
        check(
            r#"{"type":"function_call","id":null,"name":"f","arguments":{"a": 1}}"#,
            expect![[r#"
                Call(ToolCall { call_id: "call_00000000-0000-7000-8000-000000000002", name: "f", namespace: None, payload: Function { arguments: "{\"a\": 1}" } })
                {"type":"function_call","call_id":"call_00000000-0000-7000-8000-000000000002","id":"fc_00000000-0000-7000-8000-000000000001","name":"f","arguments":"{\"a\": 1}"}
            "#]],
        );
    }

    #[test]
    fn calls_keep_their_payload_as_the_model_wrote_it() {
        check(
            r#"{"type":"function_call","id":"fc_1","call_id":"c","name":"f","namespace":"n","arguments":"{"}"#,
            expect![[r#"
                Call(ToolCall { call_id: "c", name: "f", namespace: Some("n"), payload: Function { arguments: "{" } })
                {"type":"function_call","id":"fc_1","call_id":"c","name":"f","namespace":"n","arguments":"{"}
            "#]],
        );
        check(
            r#"{"type":"custom_tool_call","id":"ctc_1","call_id":"c","name":"apply_patch","input":"*** Begin"}"#,
            expect![[r#"
                Call(ToolCall { call_id: "c", name: "apply_patch", namespace: None, payload: Custom { input: "*** Begin" } })
                {"type":"custom_tool_call","id":"ctc_1","call_id":"c","name":"apply_patch","input":"*** Begin"}
            "#]],
        );
    }

    #[test]
    fn reasoning_and_web_search_are_read() {
        check(
            r#"{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"a"}],"content":[{"type":"reasoning_text","text":"raw"}],"encrypted_content":"e"}"#,
            expect![[r#"
                Reasoning { id: "rs_1", summary: ["a"], content: ["raw"] }
                {"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"a"}],"content":[{"type":"reasoning_text","text":"raw"}],"encrypted_content":"e"}
            "#]],
        );
        check(
            r#"{"type":"web_search_call","id":"ws_1","action":{"type":"search","query":"q"}}"#,
            expect![[r#"
                WebSearch { id: "ws_1", action: Some(Object {"type": String("search"), "query": String("q")}) }
                {"type":"web_search_call","id":"ws_1","action":{"type":"search","query":"q"}}
            "#]],
        );
    }

    #[test]
    fn other_items_are_history_only() {
        let item = read(r#"{"type":"local_shell_call","id":"l","call_id":"c"}"#).expect("an item");
        assert_eq!(item.kind, OutputKind::Other);
        let call = HistoryKind::Call {
            call_id: "c".to_owned(),
            custom: false,
        };
        assert_eq!(item.history.kind, call);
        for json in [
            r#"{"type":"image_generation_call","id":"ig_1","result":"x"}"#,
            r#"{"type":"message","id":"m","role":"user","content":[]}"#,
        ] {
            assert_eq!(read(json).map(|item| item.kind), Some(OutputKind::Other));
        }
    }

    #[test]
    fn refusal_parts_are_taken_out_of_history() {
        check(
            r#"{"type":"message","id":"m","role":"assistant","content":[{"type":"refusal","refusal":"no"},{"type":"output_text","text":"b"}]}"#,
            expect![[r#"
                Message { id: "m", text: "b", phase: None }
                {"type":"message","id":"m","role":"assistant","content":[{"type":"output_text","text":"b"}]}
            "#]],
        );
    }

    #[test]
    fn what_is_no_item_is_none() {
        for json in [
            r#""text""#,
            r#"{"id":"x"}"#,
            r#"{"type":"message","id":5,"role":"assistant"}"#,
            r#"{"type":"function_call","call_id":"c","arguments":"{}"}"#,
        ] {
            assert_eq!(read(json), None, "{json}");
        }
    }
}
