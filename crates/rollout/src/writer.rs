//! The writing side of a rollout: made with a thread, or opened again after any end.
//!
//! Invariants
//! - Whole lines, one write per call; after a failed write the next one begins on a
//!   line of its own.
//! - A writer that is awake holds the thread's [`WriterLock`] and the file. At rest it
//!   holds nothing, and it wakes only if the file is as it left it.
//! - After [`Writer::open`] nothing is unfinished (but for a turn that waits, see
//!   [`Writer::open_waiting`]): what a dead writer left open is in
//!   the file as interrupted, the journal is gone, and 0.169.0 accepts the file.
//!
//! Deliberately absent: buffering (an event is with the operating system when `append`
//! returns) and fsync, which a [`SyncHandle`] does wherever the caller wants.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use loomd_base::ThreadId;
use loomd_events::{Sequenced, SessionMeta, ThreadSnapshot, TurnEndReason, WaitingTurn};
use loomd_protocol::{ThreadItem, Turn, TurnStatus};

use crate::decode::Decoded;
use crate::encode::{Encoder, ItemPlace, Place};
use crate::error::{Error, Result, io_error};
use crate::event::TokenCount;
use crate::inflight::Journal;
use crate::layout::{SESSIONS, date_folder, file_name, home_of, parse};
use crate::lock::WriterLock;
use crate::meta::HistoryMode;
use crate::read::{load, read_meta, restore_unfinished};

/// Appends to one thread's rollout.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    home: PathBuf,
    thread: ThreadId,
    files: Files,
    encoder: Encoder,
    /// Whether the file may end in the middle of a line.
    torn: bool,
    journal: Journal,
}

/// What a writer has open.
#[derive(Debug)]
enum Files {
    Awake {
        file: Arc<File>,
        _lock: WriterLock,
    },
    /// Nothing, and the length of the file as it was left.
    AtRest {
        bytes: u64,
    },
}

impl Files {
    fn awake(file: File, lock: WriterLock) -> Self {
        Self::Awake {
            file: Arc::new(file),
            _lock: lock,
        }
    }
}

/// Brings what was appended to the disk, from any thread.
#[derive(Debug, Clone)]
pub struct SyncHandle {
    file: Arc<File>,
}

impl SyncHandle {
    /// Waits until everything appended so far is on the disk.
    ///
    /// # Errors
    /// The operating system's.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

impl Writer {
    /// Makes the file of a new thread, with its first line, and the folders above it.
    ///
    /// # Errors
    /// [`Error::Exists`] when the file is there, [`Error::Locked`] when somebody has the
    /// thread, else the operating system's.
    pub fn create(home: &Path, meta: &SessionMeta) -> Result<Self> {
        let lock = WriterLock::take(home, meta.id)?;
        let folder = home.join(SESSIONS).join(date_folder(meta.created_ms));
        let name = file_name(meta.created_ms, meta.id);
        let mut writer = Self::begin(home, &folder, &name, meta.id, lock)?;
        writer.encoder.session_meta(meta.created_ms, meta, None);
        writer.flush()?;
        Ok(writer)
    }

    /// An empty file.
    pub(crate) fn begin(
        home: &Path,
        folder: &Path,
        name: &str,
        thread: ThreadId,
        lock: WriterLock,
    ) -> Result<Self> {
        fs::create_dir_all(folder).map_err(io_error("create", folder))?;
        let path = folder.join(name);
        let opened = OpenOptions::new().create_new(true).append(true).open(&path);
        let file = opened.map_err(|source| {
            if source.kind() == io::ErrorKind::AlreadyExists {
                Error::Exists(path.clone())
            } else {
                io_error("create", &path)(source)
            }
        })?;
        Ok(Self {
            path,
            home: home.to_path_buf(),
            thread,
            files: Files::awake(file, lock),
            encoder: Encoder::new(Some(0)),
            torn: false,
            journal: Journal::new(home, thread),
        })
    }

    /// Opens a thread's file to go on writing it, and tells all that it holds. Ends what
    /// a dead writer left open: unfinished items of the journal go to the file, the open
    /// turn is interrupted. A paginated file that 0.131.0 wrote to is made acceptable to
    /// 0.169.0 again. `at_ms` is now, Unix milliseconds.
    ///
    /// # Errors
    /// [`Error::Locked`] when somebody has the thread, [`Error::OutsideHome`] for a file
    /// that lies in no home folder, else as [`crate::read()`].
    pub fn open(path: &Path, at_ms: i64) -> Result<(Self, ThreadSnapshot)> {
        Self::open_waiting(path, at_ms, None)
    }

    /// As [`Writer::open`], but if the open turn is the one that was written down as waiting
    /// for answers, and the file has nothing of it that this note does not know, the turn
    /// stays open, with the items that wait: [`ThreadSnapshot::open_turn`]. Opened so again
    /// after another kill, it is the same.
    ///
    /// # Errors
    /// As [`Writer::open`].
    pub fn open_waiting(
        path: &Path,
        at_ms: i64,
        waiting: Option<&WaitingTurn>,
    ) -> Result<(Self, ThreadSnapshot)> {
        let home = home_of(path).ok_or_else(|| Error::OutsideHome(path.to_path_buf()))?;
        let named = path.file_name().and_then(|name| parse(name.to_str()?));
        let thread = match named {
            Some(name) => name.thread,
            None => read_meta(path)?.meta.id,
        };
        let lock = WriterLock::take(home, thread)?;
        let (mut decoded, tail) = load(path, None)?;
        let file = OpenOptions::new()
            .append(true)
            .open(path)
            .map_err(io_error("open", path))?;
        let ordinal = match decoded.meta.mode {
            HistoryMode::Legacy => None,
            HistoryMode::Paginated => Some(decoded.next_ordinal),
        };
        let mut writer = Self {
            path: path.to_path_buf(),
            home: home.to_path_buf(),
            thread,
            files: Files::awake(file, lock),
            encoder: Encoder::new(ordinal),
            torn: tail.bytes > 0 && !tail.ended,
            journal: Journal::new(home, thread),
        };
        let stored_seq = decoded.last_seq;
        let mut unfinished = restore_unfinished(home, &mut decoded);
        let waiting = waiting.filter(|waiting| decoded.may_go_on(waiting));
        let waits = |item: &ThreadItem| {
            let mut asked = waiting.iter().flat_map(|waiting| waiting.asked());
            asked.any(|(_, asked)| asked.is_some_and(|asked| asked.id == item.id))
        };
        unfinished.retain(|(_, item)| !waits(item));
        let told_seq = decoded.last_seq;
        if ordinal.is_some() && decoded.bare_end {
            writer.repair(&decoded, at_ms);
        }
        writer.end_unfinished(&mut decoded, &unfinished, at_ms, waiting.is_some());
        writer.flush()?;
        let kept_seq = if decoded.last_seq > told_seq {
            decoded.last_seq
        } else {
            stored_seq
        };
        writer.journal.start_over(told_seq, kept_seq)?;
        let Some(waiting) = waiting else {
            return Ok((writer, decoded.into_snapshot()));
        };
        let items = waiting.asked().filter_map(|(_, item)| item);
        writer
            .journal
            .keep_open(decoded.last_seq, &waiting.turn_id, items)?;
        Ok((writer, decoded.into_waiting_snapshot(waiting)))
    }

    /// Appends what of `events` is history, in one write; nothing to write costs
    /// nothing. Items that end are forgotten by the journal.
    ///
    /// # Errors
    /// The operating system's; some of the lines may be in the file then.
    pub fn append(&mut self, events: &[Sequenced]) -> Result<()> {
        let mut kept_seq = 0;
        for event in events {
            let before = self.encoder.bytes.len();
            self.encoder.event(event);
            if self.encoder.bytes.len() > before {
                kept_seq = event.seq;
            }
        }
        self.flush()?;
        self.journal.settle(events, kept_seq)
    }

    /// Records what `append` does not keep, so that it survives a kill: begun items,
    /// pieces of text and output, and the number of the last event. Call it before the
    /// events are told to anybody, and behind `append` where both get the same events.
    /// At most one write; no fsync.
    ///
    /// # Errors
    /// The operating system's.
    pub fn partial(&mut self, events: &[Sequenced]) -> Result<()> {
        if !events.is_empty() {
            self.wake()?;
        }
        self.journal.record(events)
    }

    /// For bringing what was appended to the disk elsewhere; `None` at rest.
    #[must_use]
    pub fn sync_handle(&self) -> Option<SyncHandle> {
        match &self.files {
            Files::Awake { file, .. } => Some(SyncHandle {
                file: Arc::clone(file),
            }),
            Files::AtRest { .. } => None,
        }
    }

    /// Lets go of the file, the journal and the lock; the next `append` or `partial`
    /// takes them again. Meanwhile others may open the thread; if one of them writes to
    /// it, this writer stays at rest for good.
    ///
    /// # Errors
    /// The operating system's; the writer stays awake.
    pub fn rest(&mut self) -> Result<()> {
        if let Files::Awake { file, .. } = &self.files {
            let metadata = file.metadata().map_err(io_error("measure", &self.path))?;
            self.journal.close();
            self.encoder.bytes = Vec::new();
            self.files = Files::AtRest {
                bytes: metadata.len(),
            };
        }
        Ok(())
    }

    /// Bytes of the file while the writer rests; `None` while it writes.
    #[must_use]
    pub fn bytes_at_rest(&self) -> Option<u64> {
        match self.files {
            Files::Awake { .. } => None,
            Files::AtRest { bytes } => Some(bytes),
        }
    }

    /// Takes the lock and the file, unless they are held.
    fn wake(&mut self) -> Result<&Arc<File>> {
        if let Files::AtRest { bytes } = self.files {
            let lock = WriterLock::take(&self.home, self.thread)?;
            let opened = OpenOptions::new().append(true).open(&self.path);
            let file = opened.map_err(io_error("open", &self.path))?;
            let metadata = file.metadata().map_err(io_error("measure", &self.path))?;
            if metadata.len() != bytes {
                return Err(Error::WrittenByAnother(self.thread));
            }
            self.files = Files::awake(file, lock);
        }
        match &self.files {
            Files::Awake { file, .. } => Ok(file),
            Files::AtRest { .. } => Err(Error::WrittenByAnother(self.thread)),
        }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The encoder, for lines that are not events.
    pub(crate) fn encoder(&mut self) -> &mut Encoder {
        &mut self.encoder
    }

    /// Hands the encoder's lines to the operating system.
    pub(crate) fn flush(&mut self) -> Result<()> {
        if self.encoder.bytes.is_empty() {
            return Ok(());
        }
        if self.torn {
            self.encoder.bytes.insert(0, b'\n');
        }
        let written = match self.wake() {
            Ok(file) => {
                let mut file: &File = &Arc::clone(file);
                file.write_all(&self.encoder.bytes)
            }
            Err(error) => {
                self.encoder.bytes.clear();
                return Err(error);
            }
        };
        self.torn = written.is_err();
        self.encoder.bytes.clear();
        written.map_err(io_error("write to", &self.path))
    }

    /// Tells the turns of lines without ordinals once more, with ordinals: the reference
    /// refuses a paginated file whose last line has none, and shows no item of such lines
    /// (seen on 0.169.0). Without such a turn, one line that says nothing is enough.
    fn repair(&mut self, decoded: &Decoded, at_ms: i64) {
        let at = Place { at_ms, seq: None };
        let thread_id = decoded.meta.session.id.to_string();
        let usage = decoded.usage.as_ref().map(|(_, usage)| usage);
        for state in decoded.turns.iter().filter(|state| state.bare) {
            self.encoder.turn_started(at, &state.turn, None);
            for item in &state.turn.items {
                let turn_id = &state.turn.id;
                let thread_id = &thread_id;
                self.encoder.item(
                    at,
                    &ItemPlace {
                        thread_id,
                        turn_id,
                        item,
                    },
                );
            }
            if let Some(reason) = ending(&state.turn) {
                self.encoder.turn_ended(at, &state.turn, reason);
            }
        }
        self.encoder.token_count(at, TokenCount::of(usage));
        tracing::info!(path = %self.path.display(), "rollout that an older program wrote to is repaired");
    }

    /// Writes unfinished items as ended and the open turn as interrupted, unless it waits.
    fn end_unfinished(
        &mut self,
        decoded: &mut Decoded,
        unfinished: &[(String, ThreadItem)],
        at_ms: i64,
        waits: bool,
    ) {
        let thread_id = decoded.meta.session.id.to_string();
        let mut next = || {
            decoded.last_seq += 1;
            Place {
                at_ms,
                seq: Some(decoded.last_seq),
            }
        };
        for (turn_id, item) in unfinished {
            let place = ItemPlace {
                thread_id: &thread_id,
                turn_id,
                item,
            };
            self.encoder.item(next(), &place);
            self.encoder.shadows(at_ms, &place);
        }
        if let Some(open) = decoded.open.filter(|_| !waits) {
            let turn = &decoded.turns[open].turn;
            self.encoder
                .turn_ended(next(), turn, TurnEndReason::Interrupted);
        }
    }
}

/// How a stored turn ended; `None` while it is open.
pub(crate) fn ending(turn: &Turn) -> Option<TurnEndReason> {
    match turn.status {
        TurnStatus::Completed => Some(TurnEndReason::Completed),
        TurnStatus::Failed => Some(TurnEndReason::Failed),
        TurnStatus::Interrupted => Some(TurnEndReason::Interrupted),
        TurnStatus::InProgress => None,
    }
}
