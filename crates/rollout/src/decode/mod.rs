//! Lines into a thread: the replay of a rollout, as a state machine without IO.
//!
//! Rules (seen on both versions unless said otherwise)
//! - Turns begin with `task_started`. A turn that is followed by another one, by
//!   `turn_aborted` or by the end of the file is interrupted.
//! - In a line without an ordinal, a legacy user message outside a turn begins a turn
//!   of its own, `rollout-<index of the line>`, which counts as completed; items of
//!   legacy events are `item-1`, `item-2`, … in order.
//! - Legacy item events on lines with an ordinal, or marked as shadows, repeat an
//!   `item_completed` line and are passed over. Lines that 0.131.0 added to a
//!   paginated file have no ordinal, so they count (0.169.0 does not show them).
//! - An `item_completed` line with a known id replaces the item in its place; a turn
//!   that is started again is taken up again.
//! - A line that is not understood is passed over and counted.
//!
//! Deliberately absent: files, the journal of unfinished items, the lineage of forks.

mod finish;
mod turns;

use std::borrow::Cow;

use loomd_events::{HistoryItem, HistoryKind, TurnContext};
use loomd_protocol::{ItemKind, ThreadItem, ThreadTokenUsage, Turn, TurnStatus};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::event::{RolledBack, TaskComplete, TaskStarted, TokenCount, TurnAborted};
use crate::legacy::{self, LegacyItem};
use crate::line::{Line, tag};
use crate::meta::{FileMeta, HistoryBase, HistoryMode};
use crate::preview;
use crate::{context, history, item, meta};

pub(crate) use finish::{Decoded, Mark, TurnState};

/// How much of a file was understood.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Report {
    /// Lines with an envelope.
    pub lines: u64,
    /// Lines without one: malformed, torn, not UTF-8.
    pub malformed: u64,
    /// Lines beyond [`crate::LINE_BYTES_MAX`].
    pub too_long: u64,
    /// Items that could not be read, or whose turn is not there.
    pub items_dropped: u64,
}

/// Whose lines are fed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The thread's own file.
    Own,
    /// An earlier file of the same thread, or another thread's.
    Base {
        /// Whether its event numbers are the thread's.
        same_thread: bool,
    },
}

/// The replay so far.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    meta: Option<FileMeta>,
    turns: Vec<TurnState>,
    /// Index of the turn that runs.
    open: Option<usize>,
    history: Vec<HistoryItem>,
    /// The histories that compactions replaced, oldest first.
    replaced: Vec<Vec<HistoryItem>>,
    context: Option<TurnContext>,
    usage: Option<(String, ThreadTokenUsage)>,
    preview: Option<String>,
    last_seq: u64,
    last_time: String,
    /// Number of the last counted item.
    counted: u64,
    /// Lines with an envelope so far, in the own file.
    index: u64,
    next_ordinal: u64,
    /// Whether the last own line has no ordinal.
    bare_end: bool,
    /// The last turn that is replayed.
    cut: Option<String>,
    cut_seen: bool,
    done: bool,
    pub(crate) report: Report,
}

#[derive(Deserialize)]
struct ItemCompleted<'a> {
    turn_id: String,
    #[serde(borrow)]
    item: &'a RawValue,
    #[serde(default)]
    started_at_ms: Option<i64>,
    #[serde(default)]
    completed_at_ms: Option<i64>,
}

#[derive(Deserialize)]
struct Compacted<'a> {
    #[serde(default)]
    message: String,
    #[serde(borrow, default)]
    replacement_history: Option<Vec<&'a RawValue>>,
}

impl Decoder {
    /// A replay that ends behind the turn `cut`, or with the file.
    pub(crate) fn new(cut: Option<String>) -> Self {
        Self {
            cut,
            ..Self::default()
        }
    }

    /// The file that must be fed before the own file's second line.
    pub(crate) fn base(&self) -> Option<&HistoryBase> {
        self.meta.as_ref()?.base.as_ref()
    }

    /// The first line, once it was fed.
    pub(crate) fn meta(&self) -> Option<&FileMeta> {
        self.meta.as_ref()
    }

    /// Whether the cut is reached, so that further lines change nothing.
    pub(crate) fn is_done(&self) -> bool {
        self.done
    }

    /// Takes one line's bytes.
    pub(crate) fn feed_bytes(&mut self, bytes: &[u8], origin: Origin) {
        if bytes.is_empty() {
            return;
        }
        match Line::parse(bytes) {
            Some(line) => self.feed(&line, origin),
            None => self.report.malformed += 1,
        }
    }

    /// Takes one line.
    pub(crate) fn feed(&mut self, line: &Line<'_>, origin: Origin) {
        let index = self.index;
        if origin == Origin::Own {
            self.report.lines += 1;
            self.index += 1;
            self.note_place(line);
        }
        if self.done {
            return;
        }
        let counts_seq = match origin {
            Origin::Own => true,
            Origin::Base { same_thread } => same_thread,
        };
        if counts_seq {
            self.last_seq = self.last_seq.max(line.seq.unwrap_or(0));
        }
        let payload = line.payload.get();
        match &*line.kind {
            "session_meta" if origin == Origin::Own && self.meta.is_none() => {
                self.meta = meta::decode(payload);
            }
            "response_item" => self.history.extend(history::decode(payload)),
            "compacted" => self.compacted(payload),
            "turn_context" => self.turn_context(payload),
            "event_msg" => {
                if let Some(kind) = tag(payload) {
                    self.event(line, kind, payload, index);
                }
            }
            _ => {}
        }
    }

    fn note_place(&mut self, line: &Line<'_>) {
        self.last_time.clear();
        self.last_time.push_str(&line.timestamp);
        self.bare_end = line.ordinal.is_none();
        if let Some(ordinal) = line.ordinal {
            self.next_ordinal = self.next_ordinal.max(ordinal.saturating_add(1));
        }
    }

    fn is_paginated(&self) -> bool {
        self.meta
            .as_ref()
            .is_some_and(|meta| meta.mode == HistoryMode::Paginated)
    }

    fn event(&mut self, line: &Line<'_>, kind: Cow<'_, str>, payload: &str, index: u64) {
        match &*kind {
            "item_completed" => self.item_completed(payload),
            "task_started" | "turn_started" => {
                if let Ok(event) = serde_json::from_str::<TaskStarted>(payload) {
                    let bare = line.ordinal.is_none() && self.is_paginated();
                    self.start_turn(event, bare);
                }
            }
            "task_complete" | "turn_complete" => {
                if let Ok(event) = serde_json::from_str::<TaskComplete>(payload) {
                    self.complete_turn(event);
                }
            }
            "turn_aborted" => {
                if let Ok(event) = serde_json::from_str::<TurnAborted>(payload) {
                    self.abort_turn(event);
                }
            }
            "token_count" => self.token_count(payload),
            "thread_settings_applied" => {
                context::apply_settings(payload, &mut self.context);
            }
            "thread_rolled_back" => {
                if let Ok(event) = serde_json::from_str::<RolledBack>(payload) {
                    self.roll_back(&event);
                }
            }
            // A shadow repeats an `item_completed` line.
            _ if line.shadow || line.ordinal.is_some() => {}
            other => match legacy::decode(other, payload) {
                Some(Ok(item)) => self.legacy_item(item, index),
                Some(Err(_)) => self.report.items_dropped += 1,
                None => {}
            },
        }
    }

    fn compacted(&mut self, payload: &str) {
        let Ok(event) = serde_json::from_str::<Compacted<'_>>(payload) else {
            self.report.malformed += 1;
            return;
        };
        let old = std::mem::take(&mut self.history);
        match event.replacement_history {
            Some(entries) => {
                let entries = entries.into_iter();
                self.history = entries
                    .filter_map(|raw| history::decode(raw.get()))
                    .collect();
            }
            // Before replacement histories were stored: the user's words and the summary.
            None => {
                let users = old.iter().filter(|entry| is_from_user(entry));
                self.history = users.cloned().collect();
                self.history.extend(history::user_message(&event.message));
            }
        }
        self.replaced.push(old);
    }

    /// Where the history stands now.
    fn mark(&self) -> Mark {
        Mark {
            epoch: self.replaced.len(),
            len: self.history.len(),
        }
    }

    fn turn_context(&mut self, payload: &str) {
        let Some(context) = context::decode(payload) else {
            return;
        };
        if let Some(open) = self.open {
            self.turns[open].context = Some(context.clone());
        }
        self.context = Some(context);
    }

    fn token_count(&mut self, payload: &str) {
        let Ok(event) = serde_json::from_str::<TokenCount>(payload) else {
            return;
        };
        let at = self.open.or_else(|| self.turns.len().checked_sub(1));
        if let (Some(info), Some(at)) = (event.info, at) {
            let usage = info.into_usage();
            self.turns[at].usage = Some(usage.clone());
            self.usage = Some((self.turns[at].turn.id.clone(), usage));
        }
    }

    fn item_completed(&mut self, payload: &str) {
        let read = serde_json::from_str::<ItemCompleted<'_>>(payload)
            .ok()
            .and_then(|event| {
                let raw = event.item.get();
                let mut read = item::decode(&tag(raw)?, raw)?.ok()?;
                read.set_times(event.started_at_ms, event.completed_at_ms);
                Some((event.turn_id, read))
            });
        let Some((turn_id, read)) = read else {
            self.report.items_dropped += 1;
            return;
        };
        // A legacy thread may have no turns of its own; its plans belong to the open one.
        let at = self
            .find_turn(&turn_id)
            .or(if self.is_paginated() { None } else { self.open });
        match at {
            Some(at) => self.put_item(at, read),
            None => self.report.items_dropped += 1,
        }
    }

    fn put_item(&mut self, at: usize, item: ThreadItem) {
        if self.preview.is_none()
            && let ItemKind::UserMessage(user) = &item.kind
        {
            self.preview = Some(preview::of_input(&user.content));
        }
        if let Some(number) = item.id.strip_prefix("item-")
            && let Ok(number) = number.parse()
        {
            // An item that got its number in an earlier replay keeps it for itself.
            self.counted = self.counted.max(number);
        }
        let items = &mut self.turns[at].turn.items;
        match items.iter_mut().rev().find(|known| known.id == item.id) {
            Some(known) => *known = item,
            None => items.push(item),
        }
    }

    fn count_item(&mut self) -> String {
        self.counted += 1;
        format!("item-{}", self.counted)
    }

    fn legacy_item(&mut self, legacy: LegacyItem, index: u64) {
        let is_user = matches!(
            &legacy,
            LegacyItem::Whole { kind, .. } if matches!(**kind, ItemKind::UserMessage(_))
        );
        let implicit = self.open.is_none_or(|open| self.turns[open].implicit);
        if (is_user && implicit) || self.open.is_none() {
            self.begin_turn(TurnState::implicit(index, self.mark()));
        }
        let Some(at) = self.open else {
            return;
        };
        match legacy {
            LegacyItem::Whole { id, kind } => {
                let id = id.unwrap_or_else(|| self.count_item());
                self.put_item(at, ThreadItem::new(id, *kind));
            }
            LegacyItem::Summary(text) => self.reasoning(at, |summary, _| summary.push(text)),
            LegacyItem::Raw(text) => self.reasoning(at, |_, content| content.push(text)),
        }
    }

    /// Adds to the turn's last item if that is reasoning, else to a new one.
    fn reasoning(&mut self, at: usize, add: impl FnOnce(&mut Vec<String>, &mut Vec<String>)) {
        let is_reasoning = matches!(
            self.turns[at].turn.items.last(),
            Some(ThreadItem {
                kind: ItemKind::Reasoning { .. },
                ..
            })
        );
        if !is_reasoning {
            let id = self.count_item();
            let kind = ItemKind::Reasoning {
                summary: Vec::new(),
                content: Vec::new(),
            };
            self.turns[at].turn.items.push(ThreadItem::new(id, kind));
        }
        if let Some(ThreadItem {
            kind: ItemKind::Reasoning { summary, content },
            ..
        }) = self.turns[at].turn.items.last_mut()
        {
            add(summary, content);
        }
    }

    /// Takes back the turns from the one that the event names, else the last
    /// `num_turns` that the user began with all that follows them.
    fn roll_back(&mut self, event: &RolledBack) {
        let named = event
            .before_turn_id
            .as_deref()
            .and_then(|id| self.find_turn(id));
        let counted = || {
            let user_turns = self.turns.iter().enumerate().rev().filter(|(_, state)| {
                let mut items = state.turn.items.iter();
                items.any(is_user_message)
            });
            let skip = event.num_turns.checked_sub(1)?;
            let mut indexes = user_turns.map(|(at, _)| at);
            // More turns than there are means all of them.
            indexes.nth(skip).or(Some(0))
        };
        let Some(from) = named.or_else(counted) else {
            return;
        };
        if let Some(state) = self.turns.get(from) {
            let mark = state.mark;
            if mark.epoch < self.replaced.len() {
                self.history = self.replaced.swap_remove(mark.epoch);
                self.replaced.truncate(mark.epoch);
            }
            self.history.truncate(mark.len);
        }
        self.turns.truncate(from);
        self.open = None;
        let with_usage = self.turns.iter().rev().find_map(|state| {
            let usage = state.usage.clone()?;
            Some((state.turn.id.clone(), usage))
        });
        self.usage = with_usage;
    }
}

fn is_from_user(entry: &HistoryItem) -> bool {
    match &entry.kind {
        HistoryKind::Message { role } => role == "user",
        HistoryKind::Reasoning
        | HistoryKind::Call { .. }
        | HistoryKind::Output { .. }
        | HistoryKind::Other { .. } => false,
    }
}

fn is_user_message(item: &ThreadItem) -> bool {
    matches!(item.kind, ItemKind::UserMessage(_))
}

/// Ends a turn that nothing ended.
fn interrupt(turn: &mut Turn) {
    if turn.status == TurnStatus::InProgress {
        turn.status = TurnStatus::Interrupted;
    }
}
