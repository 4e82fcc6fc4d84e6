//! What a replay has found.

use std::collections::BTreeSet;

use loomd_events::{HistoryItem, HistoryKind, ThreadSnapshot, TurnContext, WaitingTurn};
use loomd_protocol::{ThreadItem, ThreadTokenUsage, Turn};

use super::{Decoder, Report, interrupt};
use crate::history::normalise;
use crate::meta::FileMeta;
use crate::time::parse_ms;

/// A place in the model's history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Compactions before it.
    pub(crate) epoch: usize,
    /// Entries before it, in the history of its epoch.
    pub(crate) len: usize,
}

/// A turn with what belongs to it besides its items.
#[derive(Debug, Clone)]
pub(crate) struct TurnState {
    /// The turn.
    pub(crate) turn: Turn,
    /// The history before the turn began.
    pub(crate) mark: Mark,
    /// The settings it ran with.
    pub(crate) context: Option<TurnContext>,
    /// The last token count in it.
    pub(crate) usage: Option<ThreadTokenUsage>,
    /// Whether no event began it.
    pub(super) implicit: bool,
    /// Whether it was begun by a line without an ordinal in a paginated file.
    pub(crate) bare: bool,
}

/// A whole replay.
#[derive(Debug)]
pub(crate) struct Decoded {
    pub(crate) meta: FileMeta,
    pub(crate) turns: Vec<TurnState>,
    /// Index of the turn that was open at the end.
    pub(crate) open: Option<usize>,
    /// The history as stored, not yet made whole.
    pub(crate) history: Vec<HistoryItem>,
    /// Compactions so far.
    pub(crate) epoch: usize,
    pub(crate) context: Option<TurnContext>,
    pub(crate) usage: Option<(String, ThreadTokenUsage)>,
    pub(crate) preview: Option<String>,
    pub(crate) last_seq: u64,
    pub(crate) updated_ms: i64,
    pub(crate) next_ordinal: u64,
    /// Whether the last line has no ordinal.
    pub(crate) bare_end: bool,
    pub(crate) report: Report,
}

impl Decoder {
    /// Ends the replay. `Err` holds the turn of a cut that was never met; `Ok(None)`
    /// means that no line said whose thread it is.
    pub(crate) fn finish(self) -> Result<Option<Decoded>, String> {
        if let (Some(cut), false) = (self.cut, self.cut_seen) {
            return Err(cut);
        }
        let Some(meta) = self.meta else {
            return Ok(None);
        };
        let open = self.open.filter(|open| !self.turns[*open].implicit);
        Ok(Some(Decoded {
            updated_ms: parse_ms(&self.last_time).unwrap_or(meta.session.created_ms),
            meta,
            turns: self.turns,
            open,
            history: self.history,
            epoch: self.replaced.len(),
            context: self.context,
            usage: self.usage,
            preview: self.preview,
            last_seq: self.last_seq,
            next_ordinal: self.next_ordinal,
            bare_end: self.bare_end,
            report: self.report,
        }))
    }
}

impl Decoded {
    /// Adds an unfinished item of the journal to its turn, unless the turn is not there
    /// or the item was completed after all. Says whether it was added.
    pub(crate) fn add_unfinished(&mut self, turn_id: &str, item: ThreadItem) -> bool {
        let Some(at) = self
            .turns
            .iter()
            .rposition(|state| state.turn.id == turn_id)
        else {
            return false;
        };
        let items = &mut self.turns[at].turn.items;
        let is_new = items.iter().all(|known| known.id != item.id);
        if is_new {
            items.push(item);
        }
        is_new
    }

    /// The turn that the writer left open, if any.
    pub(crate) fn open_turn_id(&self) -> Option<&str> {
        let open = self.open?;
        Some(&self.turns[open].turn.id)
    }

    /// Whether the turn that the writer left open is this one, and what was written down of
    /// it says of each call without an output how far it had come.
    pub(crate) fn may_go_on(&self, waiting: &WaitingTurn) -> bool {
        let Some(open) = self.open.filter(|open| open + 1 == self.turns.len()) else {
            return false;
        };
        let state = &self.turns[open];
        if state.turn.id != waiting.turn_id || state.bare {
            return false;
        }
        let from = if state.mark.epoch == self.epoch {
            state.mark.len.min(self.history.len())
        } else {
            0
        };
        let unanswered = unanswered(&self.history[from..]);
        let known = |id: &&str| waiting.calls.iter().any(|call| call.call.call_id == **id);
        let mut asked = waiting.asked().peekable();
        asked.peek().is_some()
            && asked.all(|(call, _)| unanswered.contains(&*call.call_id))
            && unanswered.iter().all(known)
    }

    /// The thread with its open turn apart, which waits for answers and goes on.
    pub(crate) fn into_waiting_snapshot(mut self, waiting: &WaitingTurn) -> ThreadSnapshot {
        let open = self.turns.pop().map(|state| state.turn);
        let calls = waiting.calls.iter();
        let calls = calls.map(|call| call.call.call_id.clone()).collect();
        let mut snapshot = self.snapshot(&calls);
        snapshot.open_turn = open;
        snapshot
    }

    /// The thread as a reader sees it: whatever was open is interrupted.
    pub(crate) fn into_snapshot(self) -> ThreadSnapshot {
        self.snapshot(&BTreeSet::new())
    }

    fn snapshot(self, waiting: &BTreeSet<String>) -> ThreadSnapshot {
        let mut turns: Vec<Turn> = self.turns.into_iter().map(|state| state.turn).collect();
        turns.iter_mut().for_each(interrupt);
        ThreadSnapshot {
            meta: self.meta.session,
            turns,
            open_turn: None,
            history: normalise(self.history, waiting),
            token_usage: self.usage,
            last_context: self.context,
            last_seq: self.last_seq,
            updated_ms: self.updated_ms,
            preview: self.preview.unwrap_or_default(),
        }
    }
}

/// The calls without an output behind them.
fn unanswered(history: &[HistoryItem]) -> BTreeSet<&str> {
    let mut open = BTreeSet::new();
    for entry in history {
        match &entry.kind {
            HistoryKind::Call { call_id, .. } => {
                open.insert(&**call_id);
            }
            HistoryKind::Output { call_id } => {
                open.remove(&**call_id);
            }
            HistoryKind::Message { .. } | HistoryKind::Reasoning | HistoryKind::Other { .. } => {}
        }
    }
    open
}
