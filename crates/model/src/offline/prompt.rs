//! What a request asks of a script.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::entry::{Entry, entry_for};

/// Marks a line of a user message as a directive.
const MARK: &str = "@@ ";
/// Prefix of the call ids that a script gives; outputs of other calls do not count.
const CALL_PREFIX: &str = "call_m";
/// A number in an id beyond this is not one of ours.
const NUMBER_MAX: u64 = 1 << 40;

/// The part of a request's body that matters here.
#[derive(Deserialize)]
struct Body<'a> {
    /// A list of items, or a text.
    #[serde(default, borrow)]
    input: Option<&'a RawValue>,
    #[serde(default)]
    tools: Option<Vec<Tool>>,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    role: Option<String>,
    #[serde(default, borrow)]
    content: Option<&'a RawValue>,
    #[serde(default)]
    call_id: Option<String>,
}

/// A tool that the request offers.
#[derive(Debug, Deserialize)]
pub(super) struct Tool {
    #[serde(default, rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) name: String,
}

/// A request, read.
#[derive(Debug)]
pub(super) struct Prompt {
    /// The directive that is in force, or why it cannot be read.
    pub(super) script: Option<Result<Vec<Entry>, String>>,
    /// The last message of the user.
    pub(super) text: String,
    /// Tool outputs since the directive was given.
    pub(super) outputs: usize,
    pub(super) tools: Vec<Tool>,
    /// The highest number among ids of the form `…_m7` in the history.
    pub(super) highest: u64,
}

impl Prompt {
    pub(super) fn read(body: &[u8]) -> Result<Self, serde_json::Error> {
        let body: Body<'_> = serde_json::from_slice(body)?;
        let items: Vec<Item<'_>> = match body.input {
            Some(text) if text.get().starts_with('"') => vec![Item {
                kind: None,
                id: None,
                role: Some("user".to_owned()),
                content: Some(text),
                call_id: None,
            }],
            Some(items) => serde_json::from_str(items.get())?,
            None => Vec::new(),
        };
        let mut prompt = Self {
            script: None,
            text: String::new(),
            outputs: 0,
            tools: body.tools.unwrap_or_default(),
            highest: 0,
        };
        // Whether the model has had the last word since the user's message.
        let mut answered = false;
        for item in items {
            for id in [&item.id, &item.call_id].into_iter().flatten() {
                prompt.highest = prompt.highest.max(number(id));
            }
            let is_message = item.kind.as_deref().is_none_or(|kind| kind == "message");
            if is_message && item.role.as_deref() == Some("user") {
                let text = text_of(item.content);
                if !text.trim_start().starts_with('<') {
                    prompt.take(text, answered);
                    answered = false;
                } else if text.trim_start().starts_with("<turn_aborted") {
                    answered = true;
                }
            } else if is_message && item.role.as_deref() == Some("assistant") {
                answered = true;
            } else if item.kind.is_some_and(|kind| kind.ends_with("_output"))
                && item.call_id.is_some_and(|id| id.starts_with(CALL_PREFIX))
            {
                prompt.outputs += 1;
                answered = false;
            }
        }
        Ok(prompt)
    }

    /// Takes the next message of the user. One with a directive puts it in force; a
    /// plain one ends the directive, unless it is a steer in the middle of it.
    fn take(&mut self, text: String, answered: bool) {
        let directive = text.lines().find_map(|line| line.trim().strip_prefix(MARK));
        if let Some(json) = directive {
            let script = serde_json::from_str(json).map_err(|error| error.to_string());
            self.script = Some(script);
            self.outputs = 0;
        } else {
            let broke = match &self.script {
                Some(Ok(script)) => entry_for(script, self.outputs).1.breaks(),
                Some(Err(_)) => true,
                None => false,
            };
            if answered || broke {
                self.script = None;
                self.outputs = 0;
            }
        }
        self.text = text;
    }
}

fn text_of(content: Option<&RawValue>) -> String {
    let content = content.map_or("null", RawValue::get);
    if let Ok(text) = serde_json::from_str(content) {
        return text;
    }
    let parts: Vec<Value> = serde_json::from_str(content).unwrap_or_default();
    let texts: Vec<&str> = parts
        .iter()
        .filter(|part| part.is_object())
        .map(|part| part["text"].as_str().unwrap_or_default())
        .collect();
    texts.join("\n")
}

/// The number of an id such as `msg_m7` or `call_m7_1`, else 0.
fn number(id: &str) -> u64 {
    let Some((_, tail)) = id.split_once("_m") else {
        return 0;
    };
    let digits = tail.split('_').next().unwrap_or_default();
    digits
        .parse()
        .ok()
        .filter(|number| *number <= NUMBER_MAX)
        .unwrap_or(0)
}
