//! What a server says → the JSONL events of one turn.
//!
//! Invariants: an item has one id from its start to its end; nothing is told of other
//! threads; after the event that ends the turn there is none. Deliberately absent:
//! writing, and everything that is not this turn.

use std::collections::BTreeMap;

use loomd_protocol::{
    ErrorNotification, ThreadItem, TokenUsageBreakdown, Turn, TurnError, TurnPlanStep,
    TurnPlanStepStatus, TurnStatus,
};

use super::event::{Details, Event, Failure, Item, Todo, Usage};
use super::items::{Told, told};
use crate::client::Heard;

/// How a turn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Completed,
    Failed,
    Interrupted,
}

impl Outcome {
    /// `None` while the turn runs.
    pub(crate) fn of(turn: &Turn) -> Option<Self> {
        match turn.status {
            TurnStatus::Completed => Some(Self::Completed),
            TurnStatus::Failed => Some(Self::Failed),
            TurnStatus::Interrupted => Some(Self::Interrupted),
            TurnStatus::InProgress => None,
        }
    }
}

/// The text of an error, with its cause where one is given.
pub(crate) fn error_message(error: &TurnError) -> String {
    with_details(&error.message, error.additional_details.as_deref())
}

fn with_details(message: &str, details: Option<&str>) -> String {
    match details {
        Some(details) => format!("{message} ({details})"),
        None => message.to_owned(),
    }
}

/// The events of one run of `exec`.
#[derive(Debug)]
pub(super) struct Translator {
    thread_id: String,
    items: u64,
    /// Ids of items that have started, by their id in the thread.
    open: BTreeMap<String, String>,
    /// The plan's own item, once there is a plan.
    plan: Option<(String, Vec<Todo>)>,
    usage: Usage,
}

impl Translator {
    pub(super) fn new(thread_id: String) -> Self {
        Self {
            thread_id,
            items: 0,
            open: BTreeMap::new(),
            plan: None,
            usage: Usage::default(),
        }
    }

    /// The first event.
    pub(super) fn thread_started(&self) -> Event {
        Event::ThreadStarted {
            thread_id: self.thread_id.clone(),
        }
    }

    /// The events that follow from something heard, in their order.
    pub(super) fn events(&mut self, heard: &Heard) -> Vec<Event> {
        match heard {
            Heard::TurnStarted(started) if self.is_ours(&started.thread_id) => {
                vec![Event::TurnStarted {}]
            }
            Heard::TurnCompleted(ended) if self.is_ours(&ended.thread_id) => {
                self.ended(&ended.turn)
            }
            Heard::ItemStarted(started) if self.is_ours(&started.thread_id) => {
                self.item_started(&started.item).into_iter().collect()
            }
            Heard::ItemCompleted(completed) if self.is_ours(&completed.thread_id) => {
                self.item_completed(&completed.item).into_iter().collect()
            }
            Heard::PlanUpdated(updated) if self.is_ours(&updated.thread_id) => {
                vec![self.plan_updated(&updated.plan)]
            }
            Heard::TokenUsage(updated) if self.is_ours(&updated.thread_id) => {
                self.usage = usage(&updated.token_usage.total);
                Vec::new()
            }
            Heard::Error(error) if self.is_ours(&error.thread_id) => vec![model_error(error)],
            Heard::Warning(warning)
                if warning
                    .thread_id
                    .as_deref()
                    .is_none_or(|id| self.is_ours(id)) =>
            {
                vec![self.note(warning.message.clone())]
            }
            Heard::ConfigWarning(warning) => {
                let text = with_details(&warning.summary, warning.details.as_deref());
                vec![self.note(text)]
            }
            Heard::DeprecationNotice(notice) => {
                let text = with_details(&notice.summary, notice.details.as_deref());
                vec![self.note(text)]
            }
            Heard::Rerouted(rerouted) if self.is_ours(&rerouted.thread_id) => {
                let (from, to) = (&rerouted.from_model, &rerouted.to_model);
                vec![self.note(format!("model rerouted: {from} -> {to}"))]
            }
            Heard::TurnStarted(_)
            | Heard::TurnCompleted(_)
            | Heard::ItemStarted(_)
            | Heard::ItemCompleted(_)
            | Heard::MessageDelta(_)
            | Heard::OutputDelta(_)
            | Heard::PlanUpdated(_)
            | Heard::DiffUpdated(_)
            | Heard::TokenUsage(_)
            | Heard::Error(_)
            | Heard::Warning(_)
            | Heard::Rerouted(_)
            | Heard::Asked { .. }
            | Heard::Other => Vec::new(),
        }
    }

    fn is_ours(&self, thread_id: &str) -> bool {
        self.thread_id == thread_id
    }

    fn next_item(&mut self) -> String {
        let id = format!("item_{}", self.items);
        self.items += 1;
        id
    }

    /// An item that was complete when it appeared.
    fn note(&mut self, message: String) -> Event {
        Event::ItemCompleted {
            item: Item {
                id: self.next_item(),
                details: Details::Error { message },
            },
        }
    }

    fn item_started(&mut self, item: &ThreadItem) -> Option<Event> {
        let Told::Throughout(details) = told(&item.kind) else {
            return None;
        };
        let id = self.next_item();
        self.open.insert(item.id().to_owned(), id.clone());
        Some(Event::ItemStarted {
            item: Item { id, details },
        })
    }

    fn item_completed(&mut self, item: &ThreadItem) -> Option<Event> {
        let details = match told(&item.kind) {
            Told::Throughout(details) | Told::AtTheEnd(details) => details,
            Told::Never => return None,
        };
        let id = match self.open.remove(item.id()) {
            Some(id) => id,
            None => self.next_item(),
        };
        Some(Event::ItemCompleted {
            item: Item { id, details },
        })
    }

    fn plan_updated(&mut self, steps: &[TurnPlanStep]) -> Event {
        let items: Vec<Todo> = steps
            .iter()
            .map(|step| Todo {
                text: step.step.clone(),
                completed: step.status == TurnPlanStepStatus::Completed,
            })
            .collect();
        let started = self.plan.as_ref().map(|(id, _)| id.clone());
        let id = started.clone().unwrap_or_else(|| self.next_item());
        self.plan = Some((id.clone(), items.clone()));
        let item = Item {
            id,
            details: Details::TodoList { items },
        };
        match started {
            Some(_) => Event::ItemUpdated { item },
            None => Event::ItemStarted { item },
        }
    }

    fn ended(&mut self, turn: &Turn) -> Vec<Event> {
        let plan = self.plan.take().map(|(id, items)| Event::ItemCompleted {
            item: Item {
                id,
                details: Details::TodoList { items },
            },
        });
        let end = match turn.status {
            TurnStatus::Completed => Some(Event::TurnCompleted { usage: self.usage }),
            TurnStatus::Failed => Some(Event::TurnFailed {
                error: Failure {
                    message: turn
                        .error
                        .as_ref()
                        .map_or_else(|| "turn failed".to_owned(), error_message),
                },
            }),
            // The reference says nothing of a turn that was interrupted.
            TurnStatus::Interrupted | TurnStatus::InProgress => None,
        };
        plan.into_iter().chain(end).collect()
    }
}

fn usage(total: &TokenUsageBreakdown) -> Usage {
    Usage {
        input_tokens: total.input_tokens,
        cached_input_tokens: total.cached_input_tokens,
        cache_write_input_tokens: total.cache_write_input_tokens,
        output_tokens: total.output_tokens,
        reasoning_output_tokens: total.reasoning_output_tokens,
    }
}

fn model_error(error: &ErrorNotification) -> Event {
    Event::Error {
        message: error_message(&error.error),
    }
}

#[cfg(test)]
mod tests {
    use loomd_rpc::{Incoming, parse};
    use serde_json::json;

    use super::*;

    const THREAD: &str = "01a20000-0000-7000-8000-000000000001";

    /// The events that follow from recorded notifications, one a line.
    fn translated(notifications: &str) -> String {
        let mut translator = Translator::new(THREAD.to_owned());
        let mut events = vec![translator.thread_started()];
        for line in notifications.lines() {
            let Ok(Incoming::Notification { method, params }) = parse(line.as_bytes()) else {
                panic!("not a notification: {line}");
            };
            let heard = Heard::parse(&method, params.as_deref());
            assert_ne!(heard, Heard::Other, "cannot be read: {line}");
            events.extend(translator.events(&heard));
        }
        events
            .iter()
            .map(|event| serde_json::to_string(event).unwrap() + "\n")
            .collect()
    }

    fn heard(method: &str, params: &serde_json::Value) -> Heard {
        let params = serde_json::value::to_raw_value(params).unwrap();
        Heard::parse(method, Some(&params))
    }

    // What the reference's app server (0.169.0; `plan`: 0.131.0) said of a turn, and what
    // its own `exec --json` printed of the same turn, without the warnings of its own.

    #[test]
    fn tells_commands_patches_and_answers_as_the_reference_does() {
        assert_eq!(
            translated(include_str!("recorded/work.heard.jsonl")),
            include_str!("recorded/work.events.jsonl")
        );
    }

    #[test]
    fn tells_mcp_calls_as_the_reference_does() {
        assert_eq!(
            translated(include_str!("recorded/calls.heard.jsonl")),
            include_str!("recorded/calls.events.jsonl")
        );
    }

    #[test]
    fn tells_a_plan_from_its_first_step_to_the_end_of_the_turn() {
        assert_eq!(
            translated(include_str!("recorded/plan.heard.jsonl")),
            include_str!("recorded/plan.events.jsonl")
        );
    }

    #[test]
    fn tells_a_failure_as_the_reference_does() {
        assert_eq!(
            translated(include_str!("recorded/failure.heard.jsonl")),
            include_str!("recorded/failure.events.jsonl")
        );
    }

    #[test]
    fn tells_nothing_of_other_threads() {
        let other = include_str!("recorded/work.heard.jsonl").replace(THREAD, "another");
        assert_eq!(translated(&other).lines().count(), 1);
    }

    #[test]
    fn tells_a_retry_with_its_cause_and_goes_on() {
        let mut translator = Translator::new(THREAD.to_owned());
        let error = json!({
            "error": {"message": "Reconnecting... 1/5", "additionalDetails": "the stream broke"},
            "willRetry": true, "threadId": THREAD, "turnId": "t",
        });
        let events = translator.events(&heard("error", &error));
        let message = "Reconnecting... 1/5 (the stream broke)".to_owned();
        assert_eq!(events, [Event::Error { message }]);
    }

    #[test]
    fn a_warning_is_an_item_of_its_own() {
        let mut translator = Translator::new(THREAD.to_owned());
        let warning = json!({"threadId": null, "message": "look out"});
        let notice = json!({"summary": "old", "details": "use the new one"});
        let mut events = translator.events(&heard("warning", &warning));
        events.extend(translator.events(&heard("deprecationNotice", &notice)));
        let lines: Vec<String> = events
            .iter()
            .map(|event| serde_json::to_string(event).unwrap())
            .collect();
        let expected = [
            r#"{"type":"item.completed","item":{"id":"item_0","type":"error","message":"look out"}}"#,
            r#"{"type":"item.completed","item":{"id":"item_1","type":"error","message":"old (use the new one)"}}"#,
        ];
        assert_eq!(lines, expected);
    }
}
