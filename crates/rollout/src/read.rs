//! Files into threads: the replay with its lineage and its unfinished items.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use loomd_events::{SessionMeta, ThreadSnapshot};
use loomd_protocol::{ItemKind, ThreadItem};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::decode::{Decoded, Decoder, Origin, Report};
use crate::error::{Error, Result, io_error};
use crate::inflight;
use crate::layout::{find_segment, home_of};
use crate::line::{LINE_BYTES_MAX, Line, Lines, Next, tag};
use crate::meta::{self, FileMeta, HistoryBase, HistoryMode};
use crate::{context, item, legacy, preview};

/// Files that one thread may continue, one behind the other.
pub const LINEAGE_MAX: usize = 64;
/// Bytes that [`read_meta`] reads of one file. The first user message lies behind the
/// base instructions and the context messages, and behind its own images.
pub const HEAD_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Buffer of a sequential read.
const READ_BUFFER_BYTES: usize = 128 * 1024;

/// Reads a thread, live or archived, legacy or paginated, with the files it continues.
/// Writes nothing. A turn that was never ended is interrupted and shows what its
/// journal kept of unfinished items.
///
/// # Errors
/// When the file or one it continues cannot be read, or says no thread.
pub fn read(path: &Path) -> Result<ThreadSnapshot> {
    let (mut decoded, _) = load(path, None)?;
    if let Some(home) = home_of(path) {
        restore_unfinished(home, &mut decoded);
    }
    Ok(decoded.into_snapshot())
}

/// Adds what the journal of a dead writer kept. Returns the added items with their turns.
pub(crate) fn restore_unfinished(home: &Path, decoded: &mut Decoded) -> Vec<(String, ThreadItem)> {
    let recovered = inflight::recover(home, decoded.meta.session.id);
    decoded.last_seq = decoded.last_seq.max(recovered.last_seq);
    let open = decoded.open_turn_id().map(str::to_owned);
    recovered
        .items
        .into_iter()
        // Of a turn that has ended only its background commands are still unfinished.
        .filter(|(turn, item)| {
            open.as_ref() == Some(turn) || matches!(item.kind, ItemKind::CommandExecution(_))
        })
        .filter(|(turn, item)| decoded.add_unfinished(turn, item.clone()))
        .collect()
}

/// The pure core of [`read`]: one file's lines into a thread, without the files it
/// continues and without a journal. `None` when no line says whose thread it is.
///
/// # Errors
/// When the input cannot be read.
pub fn decode(input: impl BufRead) -> io::Result<Option<(ThreadSnapshot, Report)>> {
    let mut decoder = Decoder::new(None);
    let mut lines = Lines::new(input, LINE_BYTES_MAX);
    loop {
        match lines.next_line()? {
            Next::End => break,
            Next::TooLong { .. } => decoder.report.too_long += 1,
            Next::Line { bytes, .. } => decoder.feed_bytes(bytes, Origin::Own),
        }
    }
    let decoded = decoder
        .finish()
        .expect("a replay without a cut has no turn to miss");
    Ok(decoded.map(|decoded| {
        let report = decoded.report;
        (decoded.into_snapshot(), report)
    }))
}

/// How a file ends, for whoever goes on writing it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tail {
    /// Bytes of the file.
    pub(crate) bytes: u64,
    /// Whether the last line has its newline.
    pub(crate) ended: bool,
}

/// Replays a file and what it continues, to its end or to that of the turn `cut`.
pub(crate) fn load(path: &Path, cut: Option<String>) -> Result<(Decoded, Tail)> {
    let file = File::open(path).map_err(io_error("open", path))?;
    let mut lines = Lines::new(
        BufReader::with_capacity(READ_BUFFER_BYTES, file),
        LINE_BYTES_MAX,
    );
    let mut decoder = Decoder::new(cut);
    let mut lineage = Lineage {
        path,
        met: HashSet::new(),
    };
    let mut tail = Tail {
        bytes: 0,
        ended: true,
    };
    let mut base_fed = false;
    while !decoder.is_done() {
        match lines.next_line().map_err(io_error("read", path))? {
            Next::End => break,
            Next::TooLong { ended, .. } => {
                decoder.report.too_long += 1;
                tail.ended = ended;
            }
            Next::Line { bytes, ended, .. } => {
                tail.ended = ended;
                decoder.feed_bytes(bytes, Origin::Own);
            }
        }
        if !base_fed && decoder.meta().is_some() {
            base_fed = true;
            if let Some(base) = decoder.base().cloned() {
                lineage.feed(&base, &mut decoder)?;
            }
        }
    }
    tail.bytes = lines.offset();
    let report = decoder.report;
    if report.malformed + report.too_long + report.items_dropped > 0 {
        tracing::warn!(path = %path.display(), ?report, "rollout has lines that were passed over");
    }
    match decoder.finish() {
        Ok(Some(decoded)) => Ok((decoded, tail)),
        Ok(None) => Err(Error::NoMeta(path.to_path_buf())),
        Err(turn) => Err(Error::NoTurn(turn)),
    }
}

/// The files behind a file.
struct Lineage<'a> {
    path: &'a Path,
    met: HashSet<PathBuf>,
}

impl Lineage<'_> {
    /// Finds the file of a base.
    fn find(&mut self, base: &HistoryBase) -> Result<PathBuf> {
        let missing = || Error::MissingBase {
            base: base.segment.to_string(),
        };
        let home = home_of(self.path).ok_or_else(missing)?;
        let found = find_segment(home, base.segment)
            .map_err(io_error("search", home))?
            .ok_or_else(missing)?;
        if self.met.len() >= LINEAGE_MAX || !self.met.insert(found.clone()) {
            return Err(Error::LineageTooLong {
                path: self.path.to_path_buf(),
                max: LINEAGE_MAX,
            });
        }
        Ok(found)
    }

    /// Replays a base, after what it continues itself, up to where it is left.
    fn feed(&mut self, base: &HistoryBase, decoder: &mut Decoder) -> Result<()> {
        let path = self.find(base)?;
        let file = File::open(&path).map_err(io_error("open", &path))?;
        let mut lines = Lines::new(
            BufReader::with_capacity(READ_BUFFER_BYTES, file),
            LINE_BYTES_MAX,
        );
        let own = decoder.meta().map(|meta| meta.session.id);
        let mut same_thread = false;
        let mut first = true;
        loop {
            let (bytes, offset) = match lines.next_line().map_err(io_error("read", &path))? {
                Next::End => return Ok(()),
                Next::TooLong { .. } => continue,
                Next::Line { bytes, offset, .. } => (bytes, offset),
            };
            let Some(line) = Line::parse(bytes) else {
                continue;
            };
            let beyond = match line.ordinal {
                Some(ordinal) => ordinal >= base.end_ordinal_exclusive,
                None => base.end_byte_offset.is_some_and(|end| offset >= end),
            };
            if beyond && !first {
                return Ok(());
            }
            if line.kind == "session_meta" && first {
                first = false;
                if let Some(meta) = meta::decode(line.payload.get()) {
                    same_thread = own == Some(meta.session.id);
                    if let Some(inner) = &meta.base {
                        self.feed(inner, decoder)?;
                    }
                }
            }
            decoder.feed(&line, Origin::Base { same_thread });
        }
    }
}

/// What a list shows of a thread, read from the head of its file.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// The first line.
    pub meta: SessionMeta,
    /// How its history is stored.
    pub mode: HistoryMode,
    /// The first user message, cut at [`crate::PREVIEW_CHARS_MAX`]; empty where none was found.
    pub preview: String,
    /// Whether a user message was found. Threads without one are not listed.
    pub has_user_message: bool,
    /// The model of the first turn, where known.
    pub model: Option<String>,
    /// The reasoning effort of the first turn, where known.
    pub effort: Option<String>,
    /// A subagent's nickname.
    pub agent_nickname: Option<String>,
    /// A subagent's role.
    pub agent_role: Option<String>,
    /// The file that this one continues, by its id (see [`crate::layout::file_ids`]).
    pub continues: Option<String>,
}

/// Reads what a list shows, from at most [`HEAD_BYTES_MAX`] bytes. A fork's preview
/// comes from the file it continues; where that is gone, from the fork itself.
///
/// # Errors
/// When the file cannot be read or its head says no thread.
pub fn read_meta(path: &Path) -> Result<Summary> {
    let head = Head::read(path)?;
    let Some(meta) = head.meta else {
        return Err(Error::NoMeta(path.to_path_buf()));
    };
    let continues = meta.base.as_ref().map(|base| base.segment.to_string());
    let mut found = head.preview;
    let mut lineage = Lineage {
        path,
        met: HashSet::new(),
    };
    let mut base = meta.base.clone();
    while let Some(inner) = base.take() {
        let Ok(head) = lineage.find(&inner).and_then(|path| Head::read(&path)) else {
            break;
        };
        found = head.preview.or(found);
        base = head.meta.and_then(|meta| meta.base);
    }
    Ok(Summary {
        mode: meta.mode,
        has_user_message: found.is_some(),
        preview: found.unwrap_or_default(),
        model: head.model,
        effort: head.effort,
        agent_nickname: meta.agent_nickname,
        agent_role: meta.agent_role,
        continues,
        meta: meta.session,
    })
}

/// The head of one file, up to its first user message.
#[derive(Default)]
struct Head {
    meta: Option<FileMeta>,
    preview: Option<String>,
    model: Option<String>,
    effort: Option<String>,
}

impl Head {
    fn read(path: &Path) -> Result<Self> {
        use std::io::Read as _;
        let file = File::open(path).map_err(io_error("open", path))?;
        let input = BufReader::new(file.take(HEAD_BYTES_MAX));
        let mut lines = Lines::new(input, LINE_BYTES_MAX);
        let mut head = Self::default();
        while head.preview.is_none() {
            match lines.next_line().map_err(io_error("read", path))? {
                Next::End => break,
                Next::TooLong { .. } => {}
                Next::Line { bytes, .. } => {
                    if let Some(line) = Line::parse(bytes) {
                        head.take(&line);
                    }
                }
            }
        }
        Ok(head)
    }

    fn take(&mut self, line: &Line<'_>) {
        let payload = line.payload.get();
        match &*line.kind {
            "session_meta" if self.meta.is_none() => self.meta = meta::decode(payload),
            "turn_context" => {
                if let Some(context) = context::decode(payload) {
                    self.model = Some(context.model);
                    self.effort = context.effort;
                }
            }
            "event_msg" => self.preview = user_message(payload),
            _ => {}
        }
    }
}

/// The preview of a user message, in either form.
fn user_message(payload: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Completed<'a> {
        #[serde(borrow)]
        item: &'a RawValue,
    }
    let kind = tag(payload)?;
    let item = match &*kind {
        "item_completed" => {
            let event = serde_json::from_str::<Completed<'_>>(payload).ok()?;
            let raw = event.item.get();
            let kind = tag(raw).filter(|kind| kind == "UserMessage")?;
            item::decode(&kind, raw)?.ok()?.kind
        }
        "user_message" => match legacy::decode(&kind, payload)?.ok()? {
            legacy::LegacyItem::Whole { kind, .. } => *kind,
            legacy::LegacyItem::Summary(_) | legacy::LegacyItem::Raw(_) => return None,
        },
        _ => return None,
    };
    let ItemKind::UserMessage(user) = item else {
        return None;
    };
    Some(preview::of_input(&user.content))
}
