//! Events into lines.
//!
//! Invariants: one event's lines stand together; the first one carries the event's
//! number; ordinals rise by one from line to line of a paginated file. An event that
//! is not history makes no line. An item makes two kinds of lines: `item_completed`,
//! which holds all of it, and its shadows for 0.131.0.

use loomd_events::{Sequenced, SessionMeta, ThreadEvent, TurnEndReason};
use loomd_protocol::{ItemCompletedNotification, ItemKind, ThreadItem, Turn};
use serde::Serialize;

use crate::context;
use crate::event::{DiskError, RolledBack, TaskComplete, TaskStarted, TokenCount, TurnAborted};
use crate::item::{self, DiskItem};
use crate::legacy;
use crate::meta::{self, HistoryBase};
use crate::time::rfc3339_ms;

/// Makes lines into a buffer.
#[derive(Debug)]
pub(crate) struct Encoder {
    /// The lines so far.
    pub(crate) bytes: Vec<u8>,
    /// The next line's ordinal; `None` in a legacy file.
    pub(crate) ordinal: Option<u64>,
    /// Time of the lines, as text.
    time: (i64, String),
}

#[derive(Serialize)]
struct Envelope<'a, P> {
    timestamp: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ordinal: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    shadow: bool,
    #[serde(rename = "type")]
    kind: &'static str,
    payload: P,
}

/// The payload of an `event_msg` line.
#[derive(Serialize)]
struct Event<P> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    body: P,
}

#[derive(Serialize)]
struct ItemCompleted<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    thread_id: &'a str,
    turn_id: &'a str,
    item: DiskItem,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at_ms: Option<i64>,
}

/// Where an item stands, for its line.
pub(crate) struct ItemPlace<'a> {
    pub(crate) thread_id: &'a str,
    pub(crate) turn_id: &'a str,
    pub(crate) item: &'a ThreadItem,
}

impl Encoder {
    /// An encoder whose next line has this ordinal.
    pub(crate) fn new(ordinal: Option<u64>) -> Self {
        Self {
            bytes: Vec::new(),
            ordinal,
            time: (i64::MIN, String::new()),
        }
    }

    /// The lines of an event, if it is history.
    pub(crate) fn event(&mut self, sequenced: &Sequenced) {
        let at = Place {
            at_ms: sequenced.at_ms,
            seq: Some(sequenced.seq),
        };
        match &sequenced.event {
            ThreadEvent::TurnStarted(start) => {
                self.turn_started(at, &start.turn, start.model_context_window);
            }
            ThreadEvent::TurnContext(context) => {
                self.line(at, "turn_context", context::encode(context));
            }
            ThreadEvent::HistoryAppended { item, .. } => {
                self.line(at, "response_item", &*item.json);
            }
            ThreadEvent::ItemCompleted(completed) => self.item_completed(at, completed),
            ThreadEvent::TokenUsage(usage) => {
                let body = TokenCount::of(Some(&usage.token_usage));
                self.event_line(at, "token_count", body);
            }
            ThreadEvent::Settings(settings, rules) => {
                let body = context::encode_settings(
                    &settings.thread_id,
                    &settings.thread_settings,
                    rules.as_deref(),
                );
                self.event_line(at, "thread_settings_applied", body);
            }
            ThreadEvent::TurnEnded { turn, reason } => self.turn_ended(at, turn, *reason),
            ThreadEvent::ItemStarted(_)
            | ThreadEvent::AgentMessageDelta(_)
            | ThreadEvent::ReasoningSummaryPartAdded(_)
            | ThreadEvent::ReasoningSummaryTextDelta(_)
            | ThreadEvent::ReasoningTextDelta(_)
            | ThreadEvent::CommandOutputDelta(_)
            | ThreadEvent::TerminalInteraction(_)
            | ThreadEvent::PatchUpdated(_)
            | ThreadEvent::TurnDiff(_)
            | ThreadEvent::TurnPlan(_)
            | ThreadEvent::RateLimits(_)
            | ThreadEvent::Error(_)
            | ThreadEvent::Warning(_) => {}
        }
    }

    /// The first line of a file.
    pub(crate) fn session_meta(
        &mut self,
        at_ms: i64,
        meta: &SessionMeta,
        base: Option<&HistoryBase>,
    ) {
        self.line(
            Place { at_ms, seq: None },
            "session_meta",
            meta::encode(meta, base),
        );
    }

    /// The beginning of a turn.
    pub(crate) fn turn_started(&mut self, at: Place, turn: &Turn, window: Option<i64>) {
        let body = TaskStarted {
            turn_id: turn.id.clone(),
            root_turn_id: turn.root_turn_id.clone().or_else(|| Some(turn.id.clone())),
            started_at: turn.started_at,
            model_context_window: window,
            collaboration_mode_kind: "default",
        };
        self.event_line(at, "task_started", body);
    }

    fn item_completed(&mut self, at: Place, completed: &ItemCompletedNotification) {
        let mut item = completed.item.clone();
        item.completed_at_ms = item.completed_at_ms.or(Some(completed.completed_at_ms));
        let place = ItemPlace {
            thread_id: &completed.thread_id,
            turn_id: &completed.turn_id,
            item: &item,
        };
        self.item(at, &place);
        self.shadows(at.at_ms, &place);
    }

    /// An item's own line.
    pub(crate) fn item(&mut self, at: Place, place: &ItemPlace<'_>) {
        let body = ItemCompleted {
            kind: "item_completed",
            thread_id: place.thread_id,
            turn_id: place.turn_id,
            item: item::encode(place.item),
            started_at_ms: place.item.started_at_ms,
            completed_at_ms: place.item.completed_at_ms,
        };
        self.line(at, "event_msg", body);
    }

    /// An item's lines for 0.131.0.
    pub(crate) fn shadows(&mut self, at_ms: i64, place: &ItemPlace<'_>) {
        for event in legacy::encode(place.item, place.turn_id) {
            let head = Head {
                at: Place { at_ms, seq: None },
                shadow: true,
                kind: "event_msg",
            };
            self.write(&head, event);
        }
    }

    /// The end of a turn.
    pub(crate) fn turn_ended(&mut self, at: Place, turn: &Turn, reason: TurnEndReason) {
        let turn_id = turn.id.clone();
        let root_turn_id = turn.root_turn_id.clone().or_else(|| Some(turn.id.clone()));
        match reason {
            TurnEndReason::Interrupted => {
                let body = TurnAborted {
                    turn_id: Some(turn_id),
                    root_turn_id,
                    reason: "interrupted".to_owned(),
                    started_at: turn.started_at,
                    completed_at: turn.completed_at,
                    duration_ms: turn.duration_ms,
                };
                self.event_line(at, "turn_aborted", body);
            }
            TurnEndReason::Completed | TurnEndReason::Failed => {
                let body = TaskComplete {
                    turn_id,
                    root_turn_id,
                    last_agent_message: last_agent_message(turn),
                    error: turn.error.as_ref().map(DiskError::of),
                    started_at: turn.started_at,
                    completed_at: turn.completed_at,
                    duration_ms: turn.duration_ms,
                };
                self.event_line(at, "task_complete", body);
            }
        }
    }

    /// A token count, also one that says nothing.
    pub(crate) fn token_count(&mut self, at: Place, count: TokenCount) {
        self.event_line(at, "token_count", count);
    }

    /// Turns are taken back.
    pub(crate) fn rolled_back(&mut self, at: Place, event: &RolledBack) {
        self.event_line(at, "thread_rolled_back", event);
    }

    /// An entry of the model's history.
    pub(crate) fn history(&mut self, at: Place, json: &serde_json::value::RawValue) {
        self.line(at, "response_item", json);
    }

    fn event_line(&mut self, at: Place, kind: &'static str, body: impl Serialize) {
        self.line(at, "event_msg", Event { kind, body });
    }

    /// A line of any kind.
    pub(crate) fn line(&mut self, at: Place, kind: &'static str, payload: impl Serialize) {
        let shadow = false;
        self.write(&Head { at, shadow, kind }, payload);
    }

    fn write(&mut self, head: &Head, payload: impl Serialize) {
        if self.time.0 != head.at.at_ms || self.time.1.is_empty() {
            self.time = (head.at.at_ms, rfc3339_ms(head.at.at_ms));
        }
        let envelope = Envelope {
            timestamp: &self.time.1,
            ordinal: self.ordinal,
            seq: head.at.seq,
            shadow: head.shadow,
            kind: head.kind,
            payload,
        };
        let begin = self.bytes.len();
        match serde_json::to_writer(&mut self.bytes, &envelope) {
            Ok(()) => {
                self.bytes.push(b'\n');
                self.ordinal = self.ordinal.map(|ordinal| ordinal + 1);
            }
            Err(error) => {
                // Only a map with odd keys could fail, and no payload has one.
                self.bytes.truncate(begin);
                tracing::error!(%error, kind = head.kind, "line cannot be encoded");
            }
        }
    }
}

/// What stands around a payload.
struct Head {
    at: Place,
    shadow: bool,
    kind: &'static str,
}

/// When a line is written and which event it comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// Unix milliseconds.
    pub(crate) at_ms: i64,
    /// The event's number.
    pub(crate) seq: Option<u64>,
}

fn last_agent_message(turn: &Turn) -> Option<String> {
    turn.items.iter().rev().find_map(|item| {
        if let ItemKind::AgentMessage(agent) = &item.kind {
            Some(agent.text.clone())
        } else {
            None
        }
    })
}
