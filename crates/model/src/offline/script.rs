//! Answers that the prompt itself dictates.
//!
//! The last user message may hold a line `@@ <JSON list>`: one entry per model
//! response of that turn. Which entry is served follows from the number of tool
//! outputs in the request, so a [`Script`] keeps no state per thread.
//!
//! | entry | response |
//! |---|---|
//! | `{"say": "text", "deltas": 5}` | an assistant message, streamed in 5 deltas |
//! | `{"think": "text", "think_raw": "text", "say": …}` | reasoning before it |
//! | `{"exec": "command", "workdir": "…", "escalate": "why", "yield_time_ms": N, "tty": true}` | a call of the offered shell tool |
//! | `{"patch": "*** Begin Patch …"}` | `apply_patch`, freeform or function |
//! | `{"plan": [["step", "status"], …]}` | `update_plan` |
//! | `{"call": ["tool", {args}], "ns": "namespace"}`, `{"custom": ["tool", "input"]}` | any function or freeform tool |
//! | `{"calls": [entry, …]}` | several calls in one response |
//! | `{"web": "query"}`, `{"image": "prompt"}` | a hosted call |
//! | `{"raw": [item, …]}` | output items as given; missing ids are filled in |
//! | `{"events": [event, …]}` | these events after `response.created`, then the end |
//! | `{"error": [status, body]}`, `{"fail": ["code", "message"]}` | a refusal, a failed response |
//! | `{"cut": true}`, `{"hang": ms}` | a stream that ends early, one that pauses |
//!
//! Any entry may carry `tokens` `[input, cached, output, reasoning]`, `delay_ms` after
//! each delta, `gate` and `gate_end` (wait for a gate before the first item, after the
//! last), `times` (go wrong only so often, then behave) and `headers`.
//!
//! Ids are `msg_m7`, `call_m7`, `resp_m7`, … where 7 counts the requests. The count
//! starts above what the request's history holds, so that a thread that outlives the
//! process never sees an id twice.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

use super::entry::{Entry, entry_for};
use super::gates::Gates;
use super::prompt::Prompt;
use super::steps;

/// Entries with `times` that are counted; when full, all counts start again.
const COUNTED_MAX: usize = 4096;
/// Characters of a prompt that an answer quotes.
const QUOTED_CHARS_MAX: usize = 200;
/// Deltas of the explanation.
const EXPLAIN_DELTAS: usize = 12;

/// What is answered when no directive is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// `echo: ` and the end of the prompt.
    Echo,
    /// What this model is and how to get a real one.
    Explain,
}

/// The interpreter of directives. Shared by any number of requests.
#[derive(Debug)]
pub struct Script {
    fallback: Fallback,
    count: AtomicU64,
    /// How often an entry with `times` was asked for, by a hash of where it stands.
    counted: Mutex<BTreeMap<u64, u64>>,
    gates: Gates,
}

/// An answer to a request.
#[derive(Debug, PartialEq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Headers besides the content type, names in lower case.
    pub headers: Vec<(String, String)>,
    /// What follows.
    pub body: ReplyBody,
}

/// The body of a [`Reply`].
#[derive(Debug, PartialEq)]
pub enum ReplyBody {
    /// A JSON document.
    Json(String),
    /// Events with pauses between them; then the stream ends.
    Stream(Vec<Step>),
}

/// One step of a stream.
#[derive(Debug, PartialEq)]
pub enum Step {
    /// Send an event.
    Event(SseEvent),
    /// Wait.
    Pause(Duration),
    /// Wait for [`Script::open_gate`].
    Gate(String),
}

/// An event of the Responses API.
#[derive(Debug, PartialEq)]
pub struct SseEvent {
    /// Its `type`.
    pub kind: String,
    /// All of it, as JSON.
    pub json: String,
}

impl SseEvent {
    /// The event as it stands in a stream.
    #[must_use]
    pub fn into_sse(self) -> String {
        format!("event: {}\ndata: {}\n\n", self.kind, self.json)
    }
}

/// A request that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("unreadable model request: {0}")]
pub struct UnreadableRequest(#[from] serde_json::Error);

impl Script {
    /// A script that has answered nothing yet.
    #[must_use]
    pub fn new(fallback: Fallback) -> Self {
        Self {
            fallback,
            count: AtomicU64::new(0),
            counted: Mutex::default(),
            gates: Gates::default(),
        }
    }

    /// Answers a request, given the JSON body of a `POST …/responses`.
    ///
    /// # Errors
    /// When the body is not such a request.
    pub fn reply(&self, body: &[u8]) -> Result<Reply, UnreadableRequest> {
        let prompt = Prompt::read(body)?;
        let entry = self.entry(&prompt);
        Ok(self.answer(entry, &prompt))
    }

    /// Answers a request with `text`, whatever it asks.
    ///
    /// # Errors
    /// When the body is not a request.
    pub fn reply_saying(&self, body: &[u8], text: &str) -> Result<Reply, UnreadableRequest> {
        let prompt = Prompt::read(body)?;
        Ok(self.answer(Entry::say(text), &prompt))
    }

    /// Opens a gate; it stays open.
    pub fn open_gate(&self, name: &str) {
        self.gates.open(name);
    }

    /// Waits until a gate is open.
    pub async fn gate(&self, name: &str) {
        self.gates.wait(name).await;
    }

    fn entry(&self, prompt: &Prompt) -> Entry {
        let script = match &prompt.script {
            Some(Ok(script)) if !script.is_empty() => script,
            Some(Err(error)) => {
                return Entry::say(format!(
                    "The directive of this prompt cannot be read: {error}"
                ));
            }
            Some(Ok(_)) | None => return self.fallback.entry(&prompt.text),
        };
        let (index, entry) = entry_for(script, prompt.outputs);
        match entry.times {
            Some(times) if self.asked(prompt, index) > times => entry.recovered(),
            Some(_) | None => entry,
        }
    }

    /// How often this entry was asked for, this time included.
    fn asked(&self, prompt: &Prompt, index: usize) -> u64 {
        let mut hasher = DefaultHasher::new();
        (&prompt.text, prompt.outputs, index).hash(&mut hasher);
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if counted.len() == COUNTED_MAX {
            counted.clear();
        }
        let count = counted.entry(hasher.finish()).or_default();
        *count += 1;
        *count
    }

    fn answer(&self, entry: Entry, prompt: &Prompt) -> Reply {
        self.count.fetch_max(prompt.highest, Ordering::Relaxed);
        let number = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        let headers = entry.headers.clone().into_iter();
        let headers = headers
            .map(|(name, value)| (name.to_ascii_lowercase(), value))
            .collect();
        match entry.error {
            Some((status, body)) => Reply {
                status,
                headers,
                body: ReplyBody::Json(body.to_string()),
            },
            None => Reply {
                status: 200,
                headers,
                body: ReplyBody::Stream(steps::steps(entry, &prompt.tools, &format!("m{number}"))),
            },
        }
    }
}

impl Fallback {
    fn entry(self, prompt: &str) -> Entry {
        match self {
            Self::Echo => Entry::say(format!("echo: {}", last_chars(prompt))),
            Self::Explain => Entry {
                deltas: Some(EXPLAIN_DELTAS),
                ..Entry::say(explanation(prompt))
            },
        }
    }
}

fn last_chars(text: &str) -> &str {
    let start = text
        .char_indices()
        .rev()
        .nth(QUOTED_CHARS_MAX - 1)
        .map_or(0, |(start, _)| start);
    &text[start..]
}

fn explanation(prompt: &str) -> String {
    let first: String = prompt.trim().chars().take(QUOTED_CHARS_MAX).collect();
    let quote = match first.as_str() {
        "" => "Your message was empty.".to_owned(),
        first if first.len() < prompt.trim().len() => format!("Your message begins: “{first}…”"),
        first => format!("Your message was: “{first}”"),
    };
    format!(
        "This is loomd's offline model: a small script inside the program, not a language model. \
         It understands nothing and does nothing on its own.\n\n{quote}\n\n\
         For real answers, name a provider and a model in config.toml (`model_provider`, `model`) and start \
         a new thread. To see tools at work without one, put a directive on a line of its own in your message, \
         for example:\n\n@@ [{{\"exec\": \"ls\"}}, {{\"say\": \"Listed the folder.\"}}]"
    )
}

/// An event whose JSON is `value`, which is an object with a `type`.
pub(super) fn event(value: &Value) -> Step {
    let kind = value
        .get("type")
        .and_then(Value::as_str)
        .unwrap_or_default();
    Step::Event(SseEvent {
        // A line end inside would break the framing.
        kind: kind.replace(['\n', '\r'], " "),
        json: value.to_string(),
    })
}
