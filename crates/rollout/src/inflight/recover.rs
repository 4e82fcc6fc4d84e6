//! Reading a journal that a dead writer left.

use std::borrow::Cow;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use loomd_base::ThreadId;
use loomd_protocol::{
    AgentMessageItem, CollabAgentToolCallStatus, CommandExecutionStatus, DynamicToolCallStatus,
    ItemKind, McpToolCallStatus, PatchApplyStatus, ThreadItem,
};
use serde::Deserialize;

use super::path_of;
use crate::line::{LINE_BYTES_MAX, Lines, Next};

/// Parts of one reasoning item; pieces of later ones are passed over.
const PARTS_MAX: usize = 1024;

/// What a journal holds.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Recovered {
    /// The last event number that was told, 0 where none was.
    pub(crate) last_seq: u64,
    /// Unfinished items with their turns, in the order they began.
    pub(crate) items: Vec<(String, ThreadItem)>,
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(default)]
    seq: u64,
    #[serde(borrow, default)]
    turn: Option<Cow<'a, str>>,
    #[serde(default)]
    begin: Option<ThreadItem>,
    #[serde(borrow, default)]
    item: Option<Cow<'a, str>>,
    #[serde(default)]
    summary: Option<usize>,
    #[serde(default)]
    raw: Option<usize>,
    #[serde(borrow, default)]
    text: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    out: Option<Cow<'a, str>>,
}

/// Whether a line belongs to an item.
pub(super) fn is_of(line: &[u8], id: &str) -> bool {
    serde_json::from_slice::<Entry<'_>>(line).is_ok_and(|entry| match &entry.begin {
        Some(begin) => begin.id == id,
        None => entry.item.as_deref() == Some(id),
    })
}

/// An item that is being put together.
#[derive(Default)]
struct Partial {
    id: String,
    turn: String,
    begin: Option<ThreadItem>,
    text: String,
    summary: Vec<String>,
    raw: Vec<String>,
    out: String,
}

/// Reads a thread's journal. Whatever cannot be read counts as not there.
pub(crate) fn recover(home: &Path, thread: ThreadId) -> Recovered {
    let Ok(file) = File::open(path_of(home, thread)) else {
        return Recovered::default();
    };
    let mut lines = Lines::new(BufReader::new(file), LINE_BYTES_MAX);
    let mut last_seq = 0;
    let mut partials: Vec<Partial> = Vec::new();
    while let Ok(next) = lines.next_line() {
        let bytes = match next {
            Next::End => break,
            Next::TooLong { .. } => continue,
            Next::Line { bytes, .. } => bytes,
        };
        let Ok(entry) = serde_json::from_slice::<Entry<'_>>(bytes) else {
            continue;
        };
        last_seq = entry.seq.max(last_seq);
        take(entry, &mut partials);
    }
    let items = partials
        .into_iter()
        .filter_map(|partial| {
            let turn = partial.turn.clone();
            Some((turn, partial.into_item()?))
        })
        .collect();
    Recovered { last_seq, items }
}

fn take(entry: Entry<'_>, partials: &mut Vec<Partial>) {
    if let (Some(begin), Some(turn)) = (entry.begin, &entry.turn) {
        partials.push(Partial {
            id: begin.id.clone(),
            turn: turn.clone().into_owned(),
            begin: Some(begin),
            ..Partial::default()
        });
        return;
    }
    let Some(id) = entry.item else {
        return;
    };
    let known = partials.iter().rposition(|partial| partial.id == id);
    let at = match (known, entry.turn) {
        (Some(at), _) => at,
        (None, Some(turn)) => {
            partials.push(Partial {
                id: id.into_owned(),
                turn: turn.into_owned(),
                ..Partial::default()
            });
            partials.len() - 1
        }
        (None, None) => return,
    };
    let partial = &mut partials[at];
    partial.out.push_str(&entry.out.unwrap_or_default());
    let text = entry.text.unwrap_or_default();
    match (entry.summary, entry.raw) {
        (Some(index), _) => push_part(&mut partial.summary, index, &text),
        (None, Some(index)) => push_part(&mut partial.raw, index, &text),
        (None, None) => partial.text.push_str(&text),
    }
}

fn push_part(parts: &mut Vec<String>, index: usize, text: &str) {
    if index >= PARTS_MAX {
        return;
    }
    if parts.len() <= index {
        parts.resize(index + 1, String::new());
    }
    parts[index].push_str(text);
}

impl Partial {
    /// The item as far as it came, ended. `None` where a client saw nothing of it.
    fn into_item(mut self) -> Option<ThreadItem> {
        let mut item = self.begin.take().unwrap_or_else(|| {
            let is_message = !self.text.is_empty();
            let kind = if is_message {
                ItemKind::AgentMessage(AgentMessageItem::default())
            } else {
                ItemKind::Reasoning {
                    summary: Vec::new(),
                    content: Vec::new(),
                }
            };
            ThreadItem::new(self.id, kind)
        });
        match &mut item.kind {
            ItemKind::AgentMessage(agent) => {
                agent.text.push_str(&self.text);
                (!agent.text.is_empty()).then_some(item)
            }
            ItemKind::Reasoning { summary, content } => {
                summary.append(&mut self.summary);
                content.append(&mut self.raw);
                let has_text = summary.iter().chain(&*content).any(|part| !part.is_empty());
                has_text.then_some(item)
            }
            ItemKind::CommandExecution(command) => {
                command.status = CommandExecutionStatus::Failed;
                let mut output = command.aggregated_output.take().unwrap_or_default();
                output.push_str(&self.out);
                command.aggregated_output = Some(output).filter(|output| !output.is_empty());
                Some(item)
            }
            ItemKind::FileChange(change) => {
                change.status = PatchApplyStatus::Failed;
                Some(item)
            }
            ItemKind::McpToolCall(call) => {
                call.status = McpToolCallStatus::Failed;
                Some(item)
            }
            ItemKind::DynamicToolCall(call) => {
                call.status = DynamicToolCallStatus::Failed;
                Some(item)
            }
            ItemKind::CollabAgentToolCall(call) => {
                call.status = CollabAgentToolCallStatus::Interrupted;
                Some(item)
            }
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
            | ItemKind::ContextCompaction => None,
        }
    }
}
