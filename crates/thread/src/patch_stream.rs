//! A patch while the model writes it: what it is going to change, as far as it is written.
//!
//! Told as the reference tells it (0.169.0, feature `apply_patch_streaming_events`): paths as
//! written and sorted, a line counts once it is whole, the first change at once, further ones
//! at most twice a second, the last before the call starts. Nothing is checked here: a line
//! that no patch has is passed over, and the call itself is judged when it is whole.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use loomd_events::ThreadEvent;
use loomd_protocol::{FileChangePatchUpdatedNotification, FileUpdateChange, PatchChangeKind};

use crate::thread::{Cx, Thread};

/// The tool whose input is followed.
const TOOL: &str = "apply_patch";
/// Clients are told this often at most.
const INTERVAL: Duration = Duration::from_millis(500);
/// A patch with more bytes is not followed any further: each update tells all of it.
const BYTES_MAX: usize = 256 * 1024;
/// Patches of one response that are followed at a time.
const STREAMS_MAX: usize = 8;

const BEGIN: &str = "*** Begin Patch";
const ADD: &str = "*** Add File: ";
const DELETE: &str = "*** Delete File: ";
const UPDATE: &str = "*** Update File: ";
const MOVE: &str = "*** Move to: ";
const END_OF_FILE: &str = "*** End of File";

/// A patch that is being written.
#[derive(Debug)]
pub(crate) struct PatchStream {
    call_id: String,
    reader: Reader,
    /// When clients were told last, on the monotonic clock.
    told: Option<Duration>,
    /// Something changed since.
    changed: bool,
}

/// What a patch says so far.
#[derive(Debug, Default)]
struct Reader {
    bytes: usize,
    /// The line that is not whole yet.
    line: String,
    begun: bool,
    /// It is none, or too long.
    lost: bool,
    files: BTreeMap<String, File>,
    /// The file that lines belong to.
    current: Option<String>,
}

#[derive(Debug)]
enum File {
    Add(String),
    Delete,
    Update {
        move_to: Option<String>,
        chunks: Vec<Chunk>,
    },
}

#[derive(Debug, Default)]
struct Chunk {
    /// What stands behind the `@@`.
    context: String,
    /// Lines that are sought, each with its sign.
    old: String,
    /// Lines that come in their place.
    new: String,
    at_end: bool,
}

impl Reader {
    /// Takes a piece. Whether it changed what is told.
    fn push(&mut self, piece: &str) -> bool {
        self.bytes = self.bytes.saturating_add(piece.len());
        if self.bytes > BYTES_MAX {
            self.lost = true;
            self.line = String::new();
        }
        if self.lost {
            return false;
        }
        let mut changed = false;
        for part in piece.split_inclusive('\n') {
            self.line.push_str(part);
            if part.ends_with('\n') {
                let line = std::mem::take(&mut self.line);
                let line = line.trim_end_matches('\n');
                changed |= self.line(line.strip_suffix('\r').unwrap_or(line));
            }
        }
        changed
    }

    fn line(&mut self, line: &str) -> bool {
        if self.lost {
            return false;
        }
        if !self.begun {
            self.begun = line.trim() == BEGIN;
            self.lost = !self.begun;
            return false;
        }
        let header = line.trim_end();
        let began = if let Some(path) = header.strip_prefix(ADD) {
            (path, File::Add(String::new()))
        } else if let Some(path) = header.strip_prefix(DELETE) {
            (path, File::Delete)
        } else if let Some(path) = header.strip_prefix(UPDATE) {
            let file = File::Update {
                move_to: None,
                chunks: Vec::new(),
            };
            (path, file)
        } else {
            let current = self.current.as_ref();
            let file = current.and_then(|path| self.files.get_mut(path));
            return file.is_some_and(|file| file.line(line));
        };
        let (path, file) = began;
        self.current = Some(path.to_owned());
        self.files.insert(path.to_owned(), file);
        true
    }

    fn changes(&self) -> Vec<FileUpdateChange> {
        let change = |(path, file): (&String, &File)| {
            let (kind, diff) = file.shown();
            FileUpdateChange {
                path: path.clone(),
                kind,
                diff,
            }
        };
        self.files.iter().map(change).collect()
    }
}

impl File {
    /// Takes a line of its own. Whether it is one.
    fn line(&mut self, line: &str) -> bool {
        match self {
            Self::Add(content) => {
                let Some(text) = line.strip_prefix('+') else {
                    return false;
                };
                content.push_str(text);
                content.push('\n');
                true
            }
            Self::Delete => false,
            Self::Update { move_to, chunks } => {
                if let Some(target) = line.trim_end().strip_prefix(MOVE)
                    && chunks.is_empty()
                {
                    *move_to = Some(target.to_owned());
                    return true;
                }
                if let Some(context) = line.strip_prefix("@@") {
                    chunks.push(Chunk {
                        context: context.trim().to_owned(),
                        ..Chunk::default()
                    });
                    return true;
                }
                let sign = match line.chars().next() {
                    Some(sign @ ('+' | '-' | ' ')) => sign,
                    None => ' ',
                    Some(_) if line.trim_end() == END_OF_FILE && !chunks.is_empty() => '*',
                    Some(_) => return false,
                };
                if chunks.is_empty() {
                    chunks.push(Chunk::default());
                }
                if let Some(chunk) = chunks.last_mut() {
                    chunk.line(sign, line.get(1..).unwrap_or_default());
                }
                true
            }
        }
    }

    fn shown(&self) -> (PatchChangeKind, String) {
        match self {
            Self::Add(content) => (PatchChangeKind::Add, content.clone()),
            Self::Delete => (PatchChangeKind::Delete, String::new()),
            Self::Update { move_to, chunks } => {
                let mut diff = String::new();
                for chunk in chunks {
                    chunk.show(&mut diff);
                }
                if let Some(target) = move_to {
                    diff.push_str("\n\nMoved to: ");
                    diff.push_str(target);
                }
                let kind = PatchChangeKind::Update {
                    move_path: move_to.clone(),
                };
                (kind, diff)
            }
        }
    }
}

impl Chunk {
    fn line(&mut self, sign: char, text: &str) {
        if matches!(sign, '-' | ' ') {
            self.old.push('-');
            self.old.push_str(text);
            self.old.push('\n');
        }
        if matches!(sign, '+' | ' ') {
            self.new.push('+');
            self.new.push_str(text);
            self.new.push('\n');
        }
        self.at_end |= sign == '*';
    }

    fn show(&self, diff: &mut String) {
        diff.push_str("@@");
        if !self.context.is_empty() {
            // Writing to a string does not fail.
            let _ = write!(diff, " {}", self.context);
        }
        diff.push('\n');
        diff.push_str(&self.old);
        diff.push_str(&self.new);
        if self.at_end {
            diff.push_str(END_OF_FILE);
            diff.push('\n');
        }
    }
}

impl Thread {
    /// Takes a piece of what the model writes into a tool.
    pub(crate) fn on_call_input(
        &mut self,
        cx: Cx<'_>,
        turn_id: &Arc<str>,
        call_id: String,
        name: &str,
        delta: &str,
    ) {
        let Some(active) = &mut self.active else {
            return;
        };
        if name != TOOL || !active.model.streams_patches {
            return;
        }
        let patches = &mut active.step.patches;
        let known = patches.iter().position(|patch| patch.call_id == call_id);
        if known.is_none() {
            if patches.len() == STREAMS_MAX {
                return;
            }
            patches.push(PatchStream {
                call_id,
                reader: Reader::default(),
                told: None,
                changed: false,
            });
        }
        let position = known.unwrap_or(patches.len() - 1);
        let patch = &mut patches[position];
        patch.changed |= patch.reader.push(delta);
        let is_due = patch
            .told
            .is_none_or(|told| cx.now.mono.saturating_sub(told) >= INTERVAL);
        if patch.changed && is_due {
            patch.changed = false;
            patch.told = Some(cx.now.mono);
            let changes = patch.reader.changes();
            let item_id = patch.call_id.clone();
            self.patch_updated(cx, turn_id, item_id, changes);
        }
    }

    /// The call is whole: tells what was not told yet.
    pub(crate) fn end_patch_stream(&mut self, cx: Cx<'_>, turn_id: &Arc<str>, call_id: &str) {
        let Some(active) = &mut self.active else {
            return;
        };
        let patches = &mut active.step.patches;
        let Some(position) = patches.iter().position(|patch| patch.call_id == call_id) else {
            return;
        };
        let patch = patches.remove(position);
        if patch.changed {
            self.patch_updated(cx, turn_id, patch.call_id, patch.reader.changes());
        }
    }

    fn patch_updated(
        &mut self,
        cx: Cx<'_>,
        turn_id: &Arc<str>,
        item_id: String,
        changes: Vec<FileUpdateChange>,
    ) {
        let notification = FileChangePatchUpdatedNotification {
            thread_id: self.wire_id(),
            turn_id: turn_id.to_string(),
            item_id,
            changes,
        };
        self.event(cx, ThreadEvent::PatchUpdated(notification));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told after these pieces, a line for each file.
    fn told(pieces: &[&str]) -> Vec<String> {
        let mut reader = Reader::default();
        for piece in pieces {
            reader.push(piece);
        }
        let line = |change: FileUpdateChange| format!("{} {:?}", change.path, change.diff);
        reader.changes().into_iter().map(line).collect()
    }

    #[test]
    fn a_patch_shows_as_in_the_reference() {
        let patch = "*** Begin Patch\n*** Add File: b/n.txt\n+one\n+two\n*** Update File: a.txt\n\
                     @@ ctx\n 1\n-2\n+deux\n@@\n+x\n*** End of File\n*** Update File: m.txt\n\
                     *** Move to: k.txt\n@@\n-x\n+y\n*** Delete File: d.txt\n*** End Patch";
        let whole = [
            r#"a.txt "@@ ctx\n-1\n-2\n+1\n+deux\n@@\n+x\n*** End of File\n""#,
            r#"b/n.txt "one\ntwo\n""#,
            r#"d.txt """#,
            r#"m.txt "@@\n-x\n+y\n\n\nMoved to: k.txt""#,
        ];
        assert_eq!(told(&[patch]), whole);
        let pieces: Vec<&str> = patch.split_inclusive(['e', '\n', ' ']).collect();
        assert_eq!(told(&pieces), whole);
        assert_eq!(told(&[&patch.replace('\n', "\r\n")]), whole);
    }

    #[test]
    fn a_line_counts_once_it_is_whole_and_a_strange_one_not_at_all() {
        assert_eq!(told(&["*** Begin Patch\n*** Add File: n"]), [""; 0]);
        let begun = "*** Begin Patch\n*** Environment ID: x\n*** Add File: n\n";
        assert_eq!(told(&[begun, "+on"]), [r#"n """#]);
        assert_eq!(told(&[begun, "+on", "e\ngarbage\n"]), [r#"n "one\n""#]);
        // The last of two operations on a file is the one that shows.
        assert_eq!(told(&[begun, "+1\n*** Delete File: n\n"]), [r#"n """#]);
    }

    #[test]
    fn what_is_no_patch_or_too_long_is_not_followed() {
        assert_eq!(
            told(&["<<'EOF'\n*** Begin Patch\n*** Add File: n\n+1\n"]),
            [""; 0]
        );
        let begun = "*** Begin Patch\n*** Add File: n\n";
        let long = format!("+{}\n", "x".repeat(BYTES_MAX));
        assert_eq!(told(&[begun, &long, "+1\n"]), [r#"n """#]);
    }
}
