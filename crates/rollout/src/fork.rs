//! Forks and reverts: a thread's history, whole or up to a turn.
//!
//! A fork is a copy in a file of its own, written anew in the hybrid form, so that it needs no other file and any
//! source, legacy or paginated, gives a thread that both versions show. (The reference
//! itself refers to the source file instead; such files are read, not made.) A revert
//! only appends: replacing or splitting the file confuses a reference that has an index
//! of it (seen on 0.169.0).

use std::path::Path;

use loomd_events::{SessionMeta, ThreadSnapshot, TurnEndReason};
use loomd_protocol::{ItemKind, Turn};

use crate::context;
use crate::decode::{Decoded, TurnState};
use crate::encode::{Encoder, ItemPlace, Place};
use crate::error::{Error, Result, io_error};
use crate::event::{RolledBack, TokenCount};
use crate::layout::{SESSIONS, date_folder, file_name, home_of};
use crate::lock::WriterLock;
use crate::read::{decode, load, restore_unfinished};
use crate::writer::{Writer, ending};

/// A fork to be made.
#[derive(Debug, Clone, Copy)]
pub struct Fork<'a> {
    /// The source's live file; its writer may be at work.
    pub source: &'a Path,
    /// How much of it.
    pub cut: &'a Cut,
    /// The first line of the new thread.
    pub meta: &'a SessionMeta,
}

/// How much of a thread a fork begins with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Cut {
    /// All of it, the last turn interrupted if it runs.
    #[default]
    Whole,
    /// This turn, which has ended, and what was before it.
    Through(String),
    /// What was before this turn.
    Before(String),
}

/// The history of a fork that is not written down.
///
/// # Errors
/// As [`Writer::fork`], but for what concerns its file.
pub fn fork_in_memory(fork: &Fork<'_>) -> Result<ThreadSnapshot> {
    let decoded = source(fork)?;
    let mut encoder = Encoder::new(Some(0));
    let meta = fork.meta;
    encoder.session_meta(meta.created_ms, meta, None);
    copy(&decoded, meta, meta.created_ms, &mut encoder);
    let read = decode(&*encoder.bytes).map_err(io_error("read", fork.source))?;
    let (snapshot, _) = read.ok_or_else(|| Error::NoMeta(fork.source.to_owned()))?;
    Ok(snapshot)
}

impl Writer {
    /// Makes a new thread that begins with another one's history. Turn and item ids are
    /// kept; event numbers begin anew.
    ///
    /// # Errors
    /// [`Error::NoTurn`] and [`Error::TurnInProgress`] for a bad cut, else as
    /// [`crate::read()`] for the source and [`Writer::create`] for the new thread.
    pub fn fork(home: &Path, fork: &Fork<'_>) -> Result<(Self, ThreadSnapshot)> {
        let decoded = source(fork)?;
        let meta = fork.meta;
        let lock = WriterLock::take(home, meta.id)?;
        let folder = home.join(SESSIONS).join(date_folder(meta.created_ms));
        let name = file_name(meta.created_ms, meta.id);
        let mut writer = Self::begin(home, &folder, &name, meta.id, lock)?;
        let encoder = writer.encoder();
        encoder.session_meta(meta.created_ms, meta, None);
        copy(&decoded, meta, meta.created_ms, encoder);
        finish(writer)
    }

    /// Opens a thread as [`Writer::open`] does and takes back a turn and all later ones.
    /// The file keeps them; a line says that they no longer count. 0.131.0 honours it,
    /// 0.169.0 for the model's history but not in its view of a paginated thread (seen
    /// on both). `at_ms` is now, Unix milliseconds.
    ///
    /// # Errors
    /// [`Error::NoTurn`] when there is no such turn, else as [`Writer::open`].
    pub fn revert(path: &Path, before_turn_id: &str, at_ms: i64) -> Result<(Self, ThreadSnapshot)> {
        let (mut writer, snapshot) = Self::open(path, at_ms)?;
        let from = snapshot
            .turns
            .iter()
            .position(|turn| turn.id == before_turn_id)
            .ok_or_else(|| Error::NoTurn(before_turn_id.to_owned()))?;
        let is_users = |turn: &&Turn| {
            let mut items = turn.items.iter();
            items.any(|item| matches!(item.kind, ItemKind::UserMessage(_)))
        };
        let body = RolledBack {
            num_turns: snapshot.turns[from..].iter().filter(is_users).count(),
            before_turn_id: Some(before_turn_id.to_owned()),
        };
        let at = Place {
            at_ms,
            seq: Some(snapshot.last_seq + 1),
        };
        writer.encoder().rolled_back(at, &body);
        finish(writer)
    }
}

/// As much of the source's history as the fork begins with.
fn source(fork: &Fork<'_>) -> Result<Decoded> {
    match fork.cut {
        Cut::Whole => replayed(fork.source, None),
        Cut::Through(last) => {
            let decoded = replayed(fork.source, Some(last))?;
            if decoded.open_turn_id() == Some(last) {
                return Err(Error::TurnInProgress(last.clone()));
            }
            Ok(decoded)
        }
        Cut::Before(turn) => {
            let mut decoded = replayed(fork.source, None)?;
            let is_it = |state: &TurnState| state.turn.id == *turn;
            let at = decoded.turns.iter().position(is_it);
            let at = at.ok_or_else(|| Error::NoTurn(turn.clone()))?;
            if let Some(before) = at.checked_sub(1) {
                let last = decoded.turns[before].turn.id.clone();
                return replayed(fork.source, Some(&last));
            }
            decoded.history.clear();
            decoded.turns.clear();
            Ok(decoded)
        }
    }
}

/// The history of a file up to a turn, with what a running writer has not finished.
fn replayed(path: &Path, last_turn_id: Option<&str>) -> Result<Decoded> {
    let (mut decoded, _) = load(path, last_turn_id.map(str::to_owned))?;
    if let Some(home) = home_of(path) {
        restore_unfinished(home, &mut decoded);
    }
    Ok(decoded)
}

fn finish(mut writer: Writer) -> Result<(Writer, ThreadSnapshot)> {
    writer.flush()?;
    let (written, _) = load(writer.path(), None)?;
    Ok((writer, written.into_snapshot()))
}

/// Writes a history turn by turn, each with the entries of the model's history that
/// were added in it. What a compaction replaced is not taken over: the compacted
/// history then stands in the last turn that began before it.
fn copy(decoded: &Decoded, meta: &SessionMeta, at_ms: i64, encoder: &mut Encoder) {
    let at = Place { at_ms, seq: None };
    let thread_id = meta.id.to_string();
    let all = decoded.history.len();
    let starts = decoded.turns.iter().map(|state| {
        let is_current = state.mark.epoch == decoded.epoch;
        if is_current {
            state.mark.len.min(all)
        } else {
            0
        }
    });
    let ends = starts.clone().skip(1).chain([all]);
    let before_turns = starts.clone().next().unwrap_or(all);
    let mut entries = decoded.history.iter();
    for entry in entries.by_ref().take(before_turns) {
        encoder.history(at, &entry.json);
    }
    for ((state, start), end) in decoded.turns.iter().zip(starts).zip(ends) {
        encoder.turn_started(at, &state.turn, None);
        if let Some(context) = &state.context {
            encoder.line(at, "turn_context", context::encode(context));
        }
        for entry in entries.by_ref().take(end.saturating_sub(start)) {
            encoder.history(at, &entry.json);
        }
        for item in &state.turn.items {
            let place = ItemPlace {
                thread_id: &thread_id,
                turn_id: &state.turn.id,
                item,
            };
            encoder.item(at, &place);
            encoder.shadows(at_ms, &place);
        }
        if state.usage.is_some() {
            encoder.token_count(at, TokenCount::of(state.usage.as_ref()));
        }
        let reason = ending(&state.turn).unwrap_or(TurnEndReason::Interrupted);
        encoder.turn_ended(at, &state.turn, reason);
    }
}
