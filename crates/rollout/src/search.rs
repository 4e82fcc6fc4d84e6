//! Looking for a text in the messages of a rollout, without making a thread of it.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use loomd_protocol::{ItemKind, UserInput};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::{Result, io_error};
use crate::item;
use crate::legacy::{self, LegacyItem};
use crate::line::{LINE_BYTES_MAX, Line, Lines, Next, tag};

/// Whether a message of the user or of the model may be in the thread that `is_hit`
/// says yes to. Messages that were taken back later count as well, and those that a fork
/// has of its source do not: what says yes is to be read in full.
///
/// # Errors
/// When the file cannot be read.
pub fn any_message(path: &Path, mut is_hit: impl FnMut(&str) -> bool) -> Result<bool> {
    let file = File::open(path).map_err(io_error("open", path))?;
    let mut lines = Lines::new(BufReader::new(file), LINE_BYTES_MAX);
    loop {
        match lines.next_line().map_err(io_error("read", path))? {
            Next::End => return Ok(false),
            Next::TooLong { .. } => {}
            Next::Line { bytes, .. } => {
                let text = Line::parse(bytes).as_ref().and_then(message);
                if text.is_some_and(|text| is_hit(&text)) {
                    return Ok(true);
                }
            }
        }
    }
}

/// The text of a line's message, in either form.
fn message(line: &Line<'_>) -> Option<String> {
    #[derive(Deserialize)]
    struct Completed<'a> {
        #[serde(borrow)]
        item: &'a RawValue,
    }
    if line.kind != "event_msg" || line.shadow {
        return None;
    }
    let payload = line.payload.get();
    let kind = tag(payload)?;
    let item = match &*kind {
        "item_completed" => {
            let event = serde_json::from_str::<Completed<'_>>(payload).ok()?;
            let raw = event.item.get();
            let kind = tag(raw).filter(|kind| kind == "UserMessage" || kind == "AgentMessage")?;
            item::decode(&kind, raw)?.ok()?.kind
        }
        "user_message" | "agent_message" => match legacy::decode(&kind, payload)?.ok()? {
            LegacyItem::Whole { kind, .. } => *kind,
            LegacyItem::Summary(_) | LegacyItem::Raw(_) => return None,
        },
        _ => return None,
    };
    message_text(&item)
}

/// The text of a message, of the user's or of the model's; `None` for another item.
#[must_use]
pub fn message_text(item: &ItemKind) -> Option<String> {
    if let ItemKind::AgentMessage(agent) = item {
        return Some(agent.text.clone());
    }
    let ItemKind::UserMessage(user) = item else {
        return None;
    };
    let texts = user.content.iter().filter_map(|input| {
        if let UserInput::Text { text, .. } = input {
            Some(text.as_str())
        } else {
            None
        }
    });
    Some(texts.collect::<Vec<_>>().join("\n"))
}
