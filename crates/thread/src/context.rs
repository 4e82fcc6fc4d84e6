//! Context messages: what the model is told beside the user's words.
//!
//! On the first turn of a loaded thread the model gets every part; later only the
//! parts that changed, so that the prompt's prefix stays what it was and a model
//! host can keep its cache.

use std::sync::Arc;

use loomd_base::IdSource;
use loomd_events::{HistoryItem, MessagePart};

/// Who a context part speaks as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContextRole {
    /// The program.
    Developer,
    /// The user's surroundings (AGENTS.md, environment).
    User,
}

impl ContextRole {
    fn as_str(self) -> &'static str {
        match self {
            Self::Developer => "developer",
            Self::User => "user",
        }
    }
}

/// One part of the context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextPart {
    /// What the part is about; a part replaces the earlier one with the same key.
    pub key: &'static str,
    /// Who it speaks as.
    pub role: ContextRole,
    /// The text as sent; threads that are told the same may share it.
    pub text: Arc<str>,
}

/// The messages that tell the model what is new: at most one per role, developer first.
pub(crate) fn news(
    told: &[ContextPart],
    now: &[ContextPart],
    ids: &dyn IdSource,
) -> Vec<HistoryItem> {
    [ContextRole::Developer, ContextRole::User]
        .into_iter()
        .filter_map(|role| {
            let parts: Vec<_> = now
                .iter()
                .filter(|part| part.role == role && !told.contains(part))
                .map(|part| MessagePart::text(&*part.text))
                .collect();
            (!parts.is_empty())
                .then(|| HistoryItem::message(&format!("msg_{}", ids.v7()), role.as_str(), &parts))
        })
        .collect()
}
