//! Forks and reverts: a thread's history, whole or up to a turn, as a file of its own.
//!
//! The copy is written anew in the hybrid form, so that it needs no other file and any
//! source, legacy or paginated, gives a thread that both versions show. (The reference
//! itself refers to the source file instead; such files are read, not made.)

use std::path::Path;

use loomd_events::{SessionMeta, ThreadSnapshot, TurnEndReason};
use uuid::Uuid;

use crate::decode::{Cut, Decoded};
use crate::encode::{Encoder, ItemPlace, Place};
use crate::error::{Error, Result};
use crate::event::TokenCount;
use crate::layout::{SESSIONS, date_folder, file_name, home_of, segment_file_name};
use crate::lock::WriterLock;
use crate::read::{load, restore_unfinished};
use crate::writer::{Writer, ending};

/// A fork to be made.
#[derive(Debug, Clone, Copy)]
pub struct Fork<'a> {
    /// The source's live file; its writer may be at work.
    pub source: &'a Path,
    /// The last turn to take over; `None` takes all, the last one interrupted if it runs.
    pub last_turn_id: Option<&'a str>,
    /// The first line of the new thread.
    pub meta: &'a SessionMeta,
}

impl Writer {
    /// Makes a new thread that begins with another one's history. Turn and item ids are
    /// kept; event numbers begin anew.
    ///
    /// # Errors
    /// [`Error::NoTurn`] and [`Error::TurnInProgress`] for a bad `last_turn_id`, else as
    /// [`crate::read()`] for the source and [`Writer::create`] for the new thread.
    pub fn fork(home: &Path, fork: &Fork<'_>) -> Result<(Self, ThreadSnapshot)> {
        let cut = fork.last_turn_id.map(|id| Cut::Through(id.to_owned()));
        let decoded = source(fork.source, cut)?;
        if let Some(last) = fork.last_turn_id
            && decoded.open_turn_id() == Some(last)
        {
            return Err(Error::TurnInProgress(last.to_owned()));
        }
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

    /// Takes back a turn and all later ones: the thread goes on in a new segment, its
    /// earlier file stays. Event numbers go on. `segment` is a fresh UUIDv7, `at_ms` is
    /// now, Unix milliseconds.
    ///
    /// # Errors
    /// [`Error::NoTurn`] when there is no such turn, [`Error::OutsideHome`] for a file
    /// that lies in no home folder, else as [`Writer::open`].
    pub fn revert(
        path: &Path,
        before_turn_id: &str,
        segment: Uuid,
        at_ms: i64,
    ) -> Result<(Self, ThreadSnapshot)> {
        let home = home_of(path).ok_or_else(|| Error::OutsideHome(path.to_path_buf()))?;
        let (whole, _) = load(path, None)?;
        let lock = WriterLock::take(home, whole.meta.session.id)?;
        let decoded = source(path, Some(Cut::Before(before_turn_id.to_owned())))?;
        let meta = &decoded.meta.session;
        let folder = home.join(SESSIONS).join(date_folder(at_ms));
        let name = segment_file_name(at_ms, meta.id, segment);
        let mut writer = Self::begin(home, &folder, &name, meta.id, lock)?;
        let encoder = writer.encoder();
        encoder.session_meta(at_ms, meta, None);
        copy(&decoded, meta, at_ms, encoder);
        // Numbers go on behind those of the turns that were taken back.
        let at = Place {
            at_ms,
            seq: Some(whole.last_seq),
        };
        let usage = decoded.usage.as_ref().map(|(_, usage)| usage);
        encoder.token_count(at, TokenCount::of(usage));
        finish(writer)
    }
}

/// The source's history, with what a running writer has not finished.
fn source(path: &Path, cut: Option<Cut>) -> Result<Decoded> {
    let (mut decoded, _) = load(path, cut)?;
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
/// were added in it.
fn copy(decoded: &Decoded, meta: &SessionMeta, at_ms: i64, encoder: &mut Encoder) {
    let at = Place { at_ms, seq: None };
    let thread_id = meta.id.to_string();
    let all = decoded.history.len();
    let mut done = 0;
    let mut history_until = |end: Option<usize>, encoder: &mut Encoder| {
        // A compaction has moved the history of earlier turns to a later one.
        let end = end.unwrap_or(done).clamp(done, all);
        for entry in &decoded.history[done..end] {
            encoder.history(at, &entry.json);
        }
        done = end;
    };
    for (index, state) in decoded.turns.iter().enumerate() {
        history_until(state.mark, encoder);
        encoder.turn_started(at, &state.turn, None);
        if let Some(context) = &state.context {
            encoder.line(at, "turn_context", crate::context::encode(context));
        }
        let next = decoded.turns.get(index + 1);
        history_until(next.map_or(Some(all), |next| next.mark), encoder);
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
    history_until(Some(all), encoder);
}
