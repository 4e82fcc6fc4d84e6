//! Event data → [`ModelEvent`]: the one place that knows the Responses API's events.
//!
//! A translator sees one attempt's stream. Each API event makes at most one
//! [`ModelEvent`]; events that are unknown, malformed or of no use are skipped, as
//! only the JSON `type` counts. It keeps the ids of items that began and did not end:
//! deltas of others are dropped (their text comes with the whole item), and the whole
//! item takes the id under which it was announced.

use std::borrow::Cow;
use std::sync::Arc;

use loomd_base::IdSource;
use loomd_events::ModelEvent;
use loomd_protocol::TokenUsageBreakdown;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::failure::{self, ApiError, Broken};
use crate::output::{Called, Draft, Sort};

/// Items that may be open at a time; beyond it the oldest is forgotten. Hosts stream
/// one or a few.
const OPEN_ITEMS_MAX: usize = 64;

/// What an event came to.
#[derive(Debug, PartialEq)]
pub(crate) enum Said {
    Nothing,
    Event(ModelEvent),
    /// The last event of a good response: a [`ModelEvent::Completed`].
    Completed(ModelEvent),
    Broken(Broken),
}

/// The state of one stream.
pub(crate) struct Translator {
    ids: Arc<dyn IdSource>,
    /// In the order they began.
    open: Vec<Open>,
}

/// An item that began and did not end.
struct Open {
    id: String,
    sort: Sort,
    output_index: Option<i64>,
    /// The call that it is.
    call: Option<Called>,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default)]
    item_id: Option<String>,
    #[serde(default)]
    output_index: Option<i64>,
    #[serde(default)]
    summary_index: Option<i64>,
    #[serde(default)]
    content_index: Option<i64>,
    #[serde(default)]
    delta: Option<String>,
    #[serde(default, borrow)]
    item: Option<&'a RawValue>,
    #[serde(default, borrow)]
    response: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct Response {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    usage: Option<Usage>,
    #[serde(default)]
    end_turn: Option<bool>,
    #[serde(default)]
    error: Option<ApiError>,
    #[serde(default)]
    incomplete_details: Option<IncompleteDetails>,
}

#[derive(Deserialize)]
struct IncompleteDetails {
    #[serde(default)]
    reason: Option<String>,
}

/// Hosts leave out what they do not count.
#[derive(Deserialize)]
struct Usage {
    #[serde(default)]
    input_tokens: Option<i64>,
    #[serde(default)]
    input_tokens_details: Option<InputDetails>,
    #[serde(default)]
    output_tokens: Option<i64>,
    #[serde(default)]
    output_tokens_details: Option<OutputDetails>,
    #[serde(default)]
    total_tokens: Option<i64>,
}

#[derive(Deserialize)]
struct InputDetails {
    #[serde(default)]
    cached_tokens: Option<i64>,
    #[serde(default)]
    cache_write_tokens: Option<i64>,
}

#[derive(Deserialize)]
struct OutputDetails {
    #[serde(default)]
    reasoning_tokens: Option<i64>,
}

impl Usage {
    fn breakdown(self) -> TokenUsageBreakdown {
        let input = self.input_tokens.unwrap_or(0);
        let output = self.output_tokens.unwrap_or(0);
        let details = self.input_tokens_details;
        let cached = details.as_ref().and_then(|details| details.cached_tokens);
        let written = details.and_then(|details| details.cache_write_tokens);
        let reasoning = self
            .output_tokens_details
            .and_then(|details| details.reasoning_tokens);
        TokenUsageBreakdown {
            total_tokens: self
                .total_tokens
                .unwrap_or_else(|| input.saturating_add(output)),
            input_tokens: input,
            cached_input_tokens: cached.unwrap_or(0),
            cache_write_input_tokens: written.unwrap_or(0),
            output_tokens: output,
            reasoning_output_tokens: reasoning.unwrap_or(0),
        }
    }
}

impl Translator {
    pub(crate) fn new(ids: Arc<dyn IdSource>) -> Self {
        Self {
            ids,
            open: Vec::new(),
        }
    }

    /// Takes one event's data.
    pub(crate) fn event(&mut self, data: &[u8]) -> Said {
        let text = match std::str::from_utf8(data) {
            Ok(text) => text,
            Err(error) => {
                return Said::Broken(failure::disconnected(format_args!("UTF8 error: {error}")));
            }
        };
        let event: Event<'_> = match serde_json::from_str(text) {
            Ok(event) => event,
            Err(error) => {
                tracing::debug!(%error, bytes = text.len(), "unreadable stream event skipped");
                return Said::Nothing;
            }
        };
        match &*event.kind {
            "response.output_text.delta" => {
                self.delta(event, Sort::Message, |_, item_id, delta| {
                    ModelEvent::TextDelta { item_id, delta }
                })
            }
            "response.reasoning_summary_text.delta" => {
                self.delta(event, Sort::Reasoning, |index, item_id, delta| {
                    ModelEvent::SummaryDelta {
                        item_id,
                        index: index.summary,
                        delta,
                    }
                })
            }
            "response.reasoning_text.delta" => {
                self.delta(event, Sort::Reasoning, |index, item_id, delta| {
                    ModelEvent::ReasoningDelta {
                        item_id,
                        index: index.content,
                        delta,
                    }
                })
            }
            "response.reasoning_summary_part.added" => {
                let index = event.summary_index.unwrap_or(0);
                match self.open_item(event.item_id, Sort::Reasoning) {
                    Some(item_id) => Said::Event(ModelEvent::SummaryPartAdded { item_id, index }),
                    None => Said::Nothing,
                }
            }
            "response.custom_tool_call_input.delta" => self.call_input(event),
            "response.output_item.added" => self.item_added(&event),
            "response.output_item.done" => self.item_done(&event),
            "response.completed" => Said::Completed(self.completed(&event)),
            "response.failed" => Said::Broken(failure::failed(response(&event).error)),
            "response.incomplete" => {
                let reason = response(&event)
                    .incomplete_details
                    .and_then(|details| details.reason);
                Said::Broken(failure::incomplete(reason.as_deref().unwrap_or("unknown")))
            }
            _ => Said::Nothing,
        }
    }

    fn delta(
        &mut self,
        event: Event<'_>,
        sort: Sort,
        make: impl FnOnce(Index, String, String) -> ModelEvent,
    ) -> Said {
        let index = Index {
            summary: event.summary_index.unwrap_or(0),
            content: event.content_index.unwrap_or(0),
        };
        let Some(delta) = event.delta.filter(|delta| !delta.is_empty()) else {
            return Said::Nothing;
        };
        match self.open_item(event.item_id, sort) {
            Some(item_id) => Said::Event(make(index, item_id, delta)),
            None => Said::Nothing,
        }
    }

    /// The open item that a delta belongs to: the one it names, else the newest of its
    /// kind, since some hosts name another id or none.
    fn open_item(&self, named: Option<String>, sort: Sort) -> Option<String> {
        let mut of_sort = self.open.iter().rev().filter(|open| open.sort == sort);
        match named {
            Some(id) if of_sort.clone().any(|open| open.id == id) => Some(id),
            _ => of_sort.next().map(|open| open.id.clone()),
        }
    }

    fn call_input(&self, event: Event<'_>) -> Said {
        let Some(delta) = event.delta.filter(|delta| !delta.is_empty()) else {
            return Said::Nothing;
        };
        let id = self.open_item(event.item_id, Sort::CustomCall);
        let open = self
            .open
            .iter()
            .rev()
            .find(|open| Some(&open.id) == id.as_ref());
        match open.and_then(|open| open.call.clone()) {
            Some(Called { call_id, name }) => Said::Event(ModelEvent::CallInput {
                call_id,
                name,
                delta,
            }),
            None => Said::Nothing,
        }
    }

    fn item_added(&mut self, event: &Event<'_>) -> Said {
        let Some(draft) = draft(event) else {
            return Said::Nothing;
        };
        let call = draft.called();
        if !draft.sort.is_announced() && call.is_none() {
            return Said::Nothing;
        }
        let id = match draft.id() {
            Some(id) => id.to_owned(),
            None => draft.fresh_id(&*self.ids),
        };
        if self.open.len() == OPEN_ITEMS_MAX {
            self.open.remove(0);
        }
        self.open.push(Open {
            id: id.clone(),
            sort: draft.sort,
            output_index: event.output_index,
            call,
        });
        // Calls are told when they are whole; only what is written into them is told before.
        if !draft.sort.is_announced() {
            return Said::Nothing;
        }
        match draft.finish(id, &*self.ids) {
            Some(item) => Said::Event(ModelEvent::ItemAdded(item)),
            None => Said::Nothing,
        }
    }

    fn item_done(&mut self, event: &Event<'_>) -> Said {
        let Some(draft) = draft(event) else {
            return Said::Nothing;
        };
        let id = match self.close(&draft, event.output_index) {
            // Nobody was told the id under which a call began.
            Some(id) if draft.sort.is_announced() || draft.id().is_none() => id,
            // Clients of the reference get no item for a refusal; one that began is
            // ended all the same.
            _ if draft.is_refusal() => return Said::Nothing,
            _ => match draft.id() {
                Some(id) => id.to_owned(),
                None => draft.fresh_id(&*self.ids),
            },
        };
        match draft.finish(id, &*self.ids) {
            Some(item) => Said::Event(ModelEvent::ItemDone(item)),
            None => {
                tracing::debug!("output item without what its kind needs skipped");
                Said::Nothing
            }
        }
    }

    /// Takes out the open item that `draft` ends: the one of its id, else the one of
    /// its kind at its place, else (when it has no id) the newest of its kind.
    fn close(&mut self, draft: &Draft<'_>, output_index: Option<i64>) -> Option<String> {
        let same = |open: &Open| open.sort == draft.sort;
        let by_id = || {
            let id = draft.id()?;
            self.open
                .iter()
                .position(|open| same(open) && open.id == id)
        };
        let by_place = || {
            let index = output_index?;
            let at_place = |open: &Open| open.output_index == Some(index);
            self.open
                .iter()
                .rposition(|open| same(open) && at_place(open))
        };
        let newest = || match draft.id() {
            Some(_) => None,
            None => self.open.iter().rposition(same),
        };
        let position = by_id().or_else(by_place).or_else(newest)?;
        Some(self.open.remove(position).id)
    }

    fn completed(&self, event: &Event<'_>) -> ModelEvent {
        let response = response(event);
        ModelEvent::Completed {
            response_id: response
                .id
                .unwrap_or_else(|| format!("resp_{}", self.ids.v7())),
            usage: response.usage.map(Usage::breakdown),
            end_turn: response.end_turn,
        }
    }
}

/// Where in its item a delta belongs.
struct Index {
    summary: i64,
    content: i64,
}

fn draft<'a>(event: &Event<'a>) -> Option<Draft<'a>> {
    let raw = event.item?;
    Draft::read(raw)
        .inspect_err(|error| tracing::debug!(%error, "unreadable output item skipped"))
        .ok()
}

/// The event's response; what cannot be read counts as not said.
fn response(event: &Event<'_>) -> Response {
    event
        .response
        .and_then(|raw| serde_json::from_str(raw.get()).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
