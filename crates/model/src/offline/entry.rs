//! One entry of a directive: what the model answers with in one response.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// What one response is made of. Each member is one directive; see
/// [`super::script`] for what they mean.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Entry {
    pub(super) say: Option<String>,
    pub(super) think: Option<String>,
    pub(super) think_raw: Option<String>,
    pub(super) exec: Option<String>,
    pub(super) workdir: Option<String>,
    pub(super) escalate: Option<String>,
    pub(super) yield_time_ms: Option<u64>,
    pub(super) timeout_ms: Option<u64>,
    pub(super) tty: bool,
    pub(super) patch: Option<String>,
    pub(super) plan: Option<Vec<(String, String)>>,
    pub(super) call: Option<(String, Value)>,
    pub(super) ns: Option<String>,
    pub(super) calls: Option<Vec<Entry>>,
    pub(super) custom: Option<(String, String)>,
    pub(super) raw: Vec<Value>,
    pub(super) web: Option<String>,
    pub(super) image: Option<String>,
    pub(super) events: Option<Vec<Value>>,
    pub(super) error: Option<(u16, Value)>,
    pub(super) fail: Option<(String, String)>,
    pub(super) cut: bool,
    pub(super) hang: Option<u64>,
    pub(super) times: Option<u64>,
    pub(super) deltas: Option<usize>,
    pub(super) delay_ms: u64,
    pub(super) gate: Option<String>,
    pub(super) gate_end: Option<String>,
    pub(super) tokens: Option<Vec<i64>>,
    pub(super) headers: BTreeMap<String, String>,
}

impl Entry {
    pub(super) fn say(text: impl Into<String>) -> Self {
        Self {
            say: Some(text.into()),
            ..Self::default()
        }
    }

    /// Whether no tool output is expected after it.
    pub(super) fn is_final(&self) -> bool {
        let calls = self.exec.is_some()
            || self.patch.is_some()
            || self.plan.is_some()
            || self.call.is_some()
            || self.calls.is_some()
            || self.custom.is_some();
        !calls && !self.raw.iter().any(is_call)
    }

    /// Whether it is meant to go wrong, so that a next message starts afresh.
    pub(super) fn breaks(&self) -> bool {
        self.error.is_some() || self.fail.is_some() || self.cut || self.events.is_some()
    }

    /// The entry once it has gone wrong as often as it should.
    pub(super) fn recovered(mut self) -> Self {
        self.error = None;
        self.fail = None;
        self.cut = false;
        self.hang = None;
        let says_something = self.say.is_some()
            || !self.raw.is_empty()
            || self.web.is_some()
            || self.image.is_some()
            || self.events.is_some();
        if self.is_final() && !says_something {
            self.say = Some("recovered".to_owned());
        }
        self
    }

    fn outputs(&self) -> usize {
        match &self.calls {
            Some(calls) => calls.len(),
            None => usize::from(!self.is_final()),
        }
    }
}

fn is_call(item: &Value) -> bool {
    let kind = item.get("type").and_then(Value::as_str).unwrap_or_default();
    let call_id = item
        .get("call_id")
        .and_then(Value::as_str)
        .unwrap_or_default();
    kind.ends_with("_call") && !call_id.is_empty()
}

/// The entry to serve when `outputs` tool outputs have come back, with its place.
pub(super) fn entry_for(script: &[Entry], outputs: usize) -> (usize, Entry) {
    let mut done = 0;
    for (index, entry) in script.iter().enumerate() {
        let expected = entry.outputs();
        let last = index + 1 == script.len();
        let serves = match expected {
            0 => done >= outputs || last,
            n => outputs < done + n,
        };
        if serves {
            return (index, entry.clone());
        }
        done += expected;
    }
    (script.len(), Entry::say("done"))
}
