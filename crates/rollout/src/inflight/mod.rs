//! The journal of unfinished items: what clients saw of a running turn survives a
//! kill, before the items are complete and go to the rollout.
//!
//! `HOME/loomd/inflight/<thread id>.jsonl` holds one line per begun item or piece of
//! text, written in one go per batch before the batch is told to anybody. It is empty
//! whenever no item is open, and it is loomd's alone: the reference never sees it.
//!
//! Invariants: nothing here can fail a read of the rollout; a journal that is torn,
//! foreign or gone costs the unfinished items only. No fsync: it guards against the
//! end of the process, not of the machine.

mod recover;

use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};

use loomd_base::ThreadId;
use loomd_events::{Sequenced, ThreadEvent};
use loomd_protocol::{ItemKind, ThreadItem};
use serde::Serialize;

use crate::error::{Result, io_error};
use crate::line::{LINE_BYTES_MAX, Lines, Next};

pub(crate) use recover::recover;

/// Bytes of one command's output that the journal keeps; later output is not journaled.
pub const OUTPUT_BYTES_MAX: usize = 256 * 1024;
/// Bytes of a journal; beyond it pieces are no longer recorded until it is emptied.
pub const JOURNAL_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// A journal that is longer than this at the end of a turn, while a background command
/// keeps it from being emptied, is rewritten with the open items alone.
const REWRITE_BYTES: u64 = 1024 * 1024;

/// Where a thread's journal lies.
fn path_of(home: &Path, thread: ThreadId) -> PathBuf {
    home.join("loomd")
        .join("inflight")
        .join(format!("{thread}.jsonl"))
}

#[derive(Debug)]
struct OpenItem {
    id: String,
    turn_id: String,
    is_command: bool,
    /// Bytes of its output that were recorded.
    output_bytes: usize,
}

/// The writing side.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    /// Opened with the first record.
    file: Option<File>,
    buffer: Vec<u8>,
    bytes: u64,
    open: Vec<OpenItem>,
    /// The last event number that a line of the rollout carries.
    kept_seq: u64,
    full: bool,
}

/// One line, as written.
#[derive(Serialize)]
struct Begin<'a> {
    seq: u64,
    turn: &'a str,
    begin: &'a ThreadItem,
}

/// A piece of text, borrowed from its event.
struct Piece<'a> {
    turn_id: &'a str,
    item_id: &'a str,
    /// Member that holds the text's index, and the index.
    index: Option<(&'static str, i64)>,
    /// Member that holds the text, and the text.
    text: (&'static str, &'a str),
}

impl Journal {
    /// The journal of `thread`. Touches nothing yet.
    pub(crate) fn new(home: &Path, thread: ThreadId) -> Self {
        Self {
            path: path_of(home, thread),
            file: None,
            buffer: Vec::new(),
            bytes: 0,
            open: Vec::new(),
            kept_seq: 0,
            full: false,
        }
    }

    /// Records what the rollout does not keep of `events`: begun items, pieces of text,
    /// and the last event's number. One write. Events that the rollout has already are
    /// known from [`Journal::settle`] and cost nothing.
    pub(crate) fn record(&mut self, events: &[Sequenced]) -> Result<()> {
        self.buffer.clear();
        // The last number that no line carries yet.
        let mut number = None;
        for event in events {
            let before = self.buffer.len();
            self.encode(event);
            let carried = self.buffer.len() > before || event.seq <= self.kept_seq;
            number = (!carried).then_some(event.seq);
        }
        let kept_seq = self.kept_seq;
        if self.forget_ended(events.iter().filter(|event| event.seq <= kept_seq)) {
            // What was begun in this batch has ended in it.
            self.buffer.clear();
            self.clear()?;
        }
        if let Some(number) = number {
            put(&mut self.buffer, format_args!("{{\"seq\":{number}}}\n"));
        }
        self.flush()
    }

    fn encode(&mut self, event: &Sequenced) {
        let seq = event.seq;
        match &event.event {
            ThreadEvent::ItemStarted(started) => {
                if is_kept(&started.item.kind) {
                    self.begin(seq, &started.turn_id, &started.item, started.started_at_ms);
                }
            }
            ThreadEvent::AgentMessageDelta(delta) => self.piece(
                seq,
                &Piece {
                    turn_id: &delta.turn_id,
                    item_id: &delta.item_id,
                    index: None,
                    text: ("text", &delta.delta),
                },
            ),
            ThreadEvent::ReasoningSummaryTextDelta(delta) => self.piece(
                seq,
                &Piece {
                    turn_id: &delta.turn_id,
                    item_id: &delta.item_id,
                    index: Some(("summary", delta.summary_index)),
                    text: ("text", &delta.delta),
                },
            ),
            ThreadEvent::ReasoningTextDelta(delta) => self.piece(
                seq,
                &Piece {
                    turn_id: &delta.turn_id,
                    item_id: &delta.item_id,
                    index: Some(("raw", delta.content_index)),
                    text: ("text", &delta.delta),
                },
            ),
            ThreadEvent::CommandOutputDelta(delta) => {
                let text = self.output_within_limit(&delta.item_id, &delta.delta);
                if !text.is_empty() {
                    self.piece(
                        seq,
                        &Piece {
                            turn_id: &delta.turn_id,
                            item_id: &delta.item_id,
                            index: None,
                            text: ("out", text),
                        },
                    );
                }
            }
            // The rollout keeps these, or nobody needs them after a kill.
            ThreadEvent::TurnStarted(_)
            | ThreadEvent::TurnContext(_)
            | ThreadEvent::HistoryAppended { .. }
            | ThreadEvent::ItemCompleted(_)
            | ThreadEvent::ReasoningSummaryPartAdded(_)
            | ThreadEvent::TerminalInteraction(_)
            | ThreadEvent::PatchUpdated(_)
            | ThreadEvent::TurnDiff(_)
            | ThreadEvent::TurnPlan(_)
            | ThreadEvent::TokenUsage(_)
            | ThreadEvent::RateLimits(_)
            | ThreadEvent::Error(_)
            | ThreadEvent::Warning(_)
            | ThreadEvent::Settings(..)
            | ThreadEvent::TurnEnded { .. } => {}
        }
    }

    fn begin(&mut self, seq: u64, turn: &str, item: &ThreadItem, at_ms: i64) {
        let mut item = item.clone();
        item.started_at_ms = item.started_at_ms.or(Some(at_ms));
        self.remember(
            &item.id,
            turn,
            matches!(item.kind, ItemKind::CommandExecution(_)),
        );
        let line = Begin {
            seq,
            turn,
            begin: &item,
        };
        serde_json::to_writer(&mut self.buffer, &line).expect("a vector takes every write");
        self.buffer.push(b'\n');
    }

    fn remember(&mut self, id: &str, turn_id: &str, is_command: bool) {
        self.open.push(OpenItem {
            id: id.to_owned(),
            turn_id: turn_id.to_owned(),
            is_command,
            output_bytes: 0,
        });
    }

    fn piece(&mut self, seq: u64, piece: &Piece<'_>) {
        let out = &mut self.buffer;
        put(out, format_args!("{{\"seq\":{seq},\"item\":"));
        put_text(out, piece.item_id);
        if !self.open.iter().any(|open| open.id == piece.item_id) {
            put(out, format_args!(",\"turn\":"));
            put_text(out, piece.turn_id);
            self.remember(piece.item_id, piece.turn_id, piece.text.0 == "out");
        }
        let out = &mut self.buffer;
        if let Some((name, index)) = piece.index {
            put(out, format_args!(",\"{name}\":{index}"));
        }
        put(out, format_args!(",\"{}\":", piece.text.0));
        put_text(out, piece.text.1);
        out.extend_from_slice(b"}\n");
    }

    fn output_within_limit<'a>(&mut self, id: &str, text: &'a str) -> &'a str {
        let Some(open) = self.open.iter_mut().find(|open| open.id == id) else {
            return text;
        };
        let room = OUTPUT_BYTES_MAX.saturating_sub(open.output_bytes);
        let text = &text[..text.floor_char_boundary(room)];
        open.output_bytes += text.len();
        text
    }

    fn flush(&mut self) -> Result<()> {
        if self.buffer.is_empty() || self.full {
            return Ok(());
        }
        if self.bytes + self.buffer.len() as u64 > JOURNAL_BYTES_MAX {
            self.full = true;
            tracing::warn!(path = %self.path.display(), "journal of unfinished items is full");
            return Ok(());
        }
        if self.file.is_none() {
            self.file = Some(self.create()?);
        }
        let mut file = self.file.as_ref().expect("opened above");
        file.write_all(&self.buffer)
            .map_err(io_error("write to", &self.path))?;
        self.bytes += self.buffer.len() as u64;
        Ok(())
    }

    /// Opens the journal for appending; what a dead writer left is gone by now, and what
    /// this one left may be.
    fn create(&mut self) -> Result<File> {
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder).map_err(io_error("create", folder))?;
        }
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.path)
            .map_err(io_error("open", &self.path))?;
        let metadata = file.metadata().map_err(io_error("measure", &self.path))?;
        self.bytes = self.bytes.min(metadata.len());
        file.set_len(self.bytes)
            .map_err(io_error("empty", &self.path))?;
        Ok(file)
    }

    /// The rollout has these events now, with lines up to the number `kept_seq`: forgets
    /// the items that they end.
    pub(crate) fn settle(&mut self, events: &[Sequenced], kept_seq: u64) -> Result<()> {
        self.kept_seq = self.kept_seq.max(kept_seq);
        if self.forget_ended(events.iter()) {
            return self.clear();
        }
        let ends_turn = |event: &Sequenced| matches!(event.event, ThreadEvent::TurnEnded { .. });
        if self.bytes > REWRITE_BYTES && events.iter().any(ends_turn) {
            self.rewrite()?;
        }
        Ok(())
    }

    /// Forgets items that ended. Says whether some event was an end and no item is open now.
    fn forget_ended<'a>(&mut self, events: impl Iterator<Item = &'a Sequenced>) -> bool {
        let mut ended = false;
        for event in events {
            if let ThreadEvent::ItemCompleted(completed) = &event.event {
                self.open.retain(|open| open.id != completed.item.id);
                ended = true;
            } else if let ThreadEvent::TurnEnded { turn, .. } = &event.event {
                // A command may go on in the background; all else ends with its turn.
                self.open
                    .retain(|open| open.is_command || open.turn_id != turn.id);
                ended = true;
            }
        }
        ended && self.open.is_empty()
    }

    /// Lets go of the file; the next record opens it again.
    pub(crate) fn close(&mut self) {
        self.remove_if_empty();
        self.file = None;
        self.buffer = Vec::new();
    }

    /// Empties the journal.
    pub(crate) fn clear(&mut self) -> Result<()> {
        self.full = false;
        self.open.clear();
        if let (Some(file), true) = (&self.file, self.bytes > 0) {
            file.set_len(0).map_err(io_error("empty", &self.path))?;
        } else if self.bytes > 0 {
            self.remove();
        }
        self.bytes = 0;
        Ok(())
    }

    /// Keeps the lines of open items alone, by way of a second file.
    fn rewrite(&mut self) -> Result<()> {
        let old = File::open(&self.path).map_err(io_error("open", &self.path))?;
        let mut lines = Lines::new(BufReader::new(old), LINE_BYTES_MAX);
        let mut kept = Vec::new();
        loop {
            match lines.next_line().map_err(io_error("read", &self.path))? {
                Next::End => break,
                Next::TooLong { .. } => {}
                Next::Line { bytes, .. } => {
                    if self.open.iter().any(|open| recover::is_of(bytes, &open.id)) {
                        kept.extend_from_slice(bytes);
                        kept.push(b'\n');
                    }
                }
            }
        }
        let second = self.path.with_extension("new");
        fs::write(&second, &kept).map_err(io_error("write to", &second))?;
        fs::rename(&second, &self.path).map_err(io_error("move", &second))?;
        self.bytes = kept.len() as u64;
        self.file = Some(self.create()?);
        Ok(())
    }

    /// Gives up what a dead writer left, after its items went to the rollout. The last
    /// number that it told stays where the rollout does not have it.
    pub(crate) fn start_over(&mut self, told_seq: u64, kept_seq: u64) -> Result<()> {
        self.kept_seq = kept_seq;
        if told_seq <= kept_seq {
            self.remove();
            return Ok(());
        }
        self.buffer.clear();
        put(&mut self.buffer, format_args!("{{\"seq\":{told_seq}}}\n"));
        self.flush()
    }

    /// Takes over items that a dead writer began and that still wait. To be called on a
    /// journal that was started over.
    pub(crate) fn keep_open<'a>(
        &mut self,
        seq: u64,
        turn: &str,
        items: impl Iterator<Item = &'a ThreadItem>,
    ) -> Result<()> {
        self.buffer.clear();
        for item in items {
            self.begin(seq, turn, item, item.started_at_ms.unwrap_or_default());
        }
        self.flush()
    }

    fn remove_if_empty(&self) {
        if self.file.is_some() && self.bytes == 0 {
            self.remove();
        }
    }

    fn remove(&self) {
        if let Err(error) = fs::remove_file(&self.path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, path = %self.path.display(), "cannot remove a journal");
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.remove_if_empty();
    }
}

/// Whether a begun item of this kind is shown after a kill.
fn is_kept(kind: &ItemKind) -> bool {
    match kind {
        ItemKind::AgentMessage(_)
        | ItemKind::Reasoning { .. }
        | ItemKind::CommandExecution(_)
        | ItemKind::FileChange(_)
        | ItemKind::McpToolCall(_)
        | ItemKind::DynamicToolCall(_)
        | ItemKind::CollabAgentToolCall(_) => true,
        ItemKind::UserMessage(_)
        | ItemKind::HookPrompt { .. }
        | ItemKind::FunctionCallOutput(_)
        | ItemKind::Plan { .. }
        | ItemKind::SubAgentActivity(_)
        | ItemKind::WebSearch(_)
        | ItemKind::ImageView { .. }
        | ItemKind::Sleep { .. }
        | ItemKind::ImageGeneration(_)
        | ItemKind::EnteredReviewMode { .. }
        | ItemKind::ExitedReviewMode { .. }
        | ItemKind::ContextCompaction => false,
    }
}

fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a vector takes every write");
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("a vector takes every write");
}
