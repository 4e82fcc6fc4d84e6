//! What some clients must not be shown of a thread that they resume.
//!
//! The vendor's remote clients show threads on a phone; the reference takes from their
//! resumes what tools of MCP servers were given and gave back, and generated images
//! (seen on 0.169.0: in the answer of a resume only).

use std::sync::Arc;

use loomd_protocol::{ItemKind, McpToolCallResult, ThreadItem, Turn};
use serde_json::{Value, json};

use crate::peer::Peer;

/// Names that such clients give at `initialize`.
const CLIENTS: &[&str] = &["codex_chatgpt_android_remote", "codex_chatgpt_ios_remote"];
/// Stands where something was taken out.
const REDACTED: &str = "[redacted]";

/// Whether this client gets redacted turns.
pub(crate) fn applies_to(peer: &Peer) -> bool {
    peer.client()
        .is_some_and(|client| CLIENTS.contains(&client.name.as_str()))
}

/// Turns as such a client may see them. Turns without anything of the kind are shared.
pub(crate) fn turns(turns: Vec<Arc<Turn>>) -> Vec<Arc<Turn>> {
    turns.into_iter().map(turn).collect()
}

fn turn(turn: Arc<Turn>) -> Arc<Turn> {
    let touched = |item: &ThreadItem| {
        matches!(
            item.kind,
            ItemKind::McpToolCall(_) | ItemKind::ImageGeneration(_)
        )
    };
    if !turn.items.iter().any(touched) {
        return turn;
    }
    let mut redacted = Turn::clone(&turn);
    redacted
        .items
        .retain(|item| !matches!(item.kind, ItemKind::ImageGeneration(_)));
    redacted.items.iter_mut().for_each(redact);
    Arc::new(redacted)
}

fn redact(item: &mut ThreadItem) {
    let ItemKind::McpToolCall(call) = &mut item.kind else {
        return;
    };
    call.arguments = Value::from(REDACTED);
    if call.result.is_some() {
        let content = vec![json!({"type": "text", "text": REDACTED})];
        call.result = Some(McpToolCallResult {
            content,
            structured_content: None,
            meta: None,
        });
    }
    if let Some(error) = &mut call.error {
        REDACTED.clone_into(&mut error.message);
    }
}
