//! Raw events: what the model API said, for clients that asked for it with
//! `experimentalRawEvents`. Neither notification is in the reference's schema of
//! notifications; both are in its TypeScript export.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::thread_events::TokenUsageBreakdown;

/// Payload of `rawResponseItem/completed`: an item was put into the history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RawResponseItemCompletedNotification {
    pub thread_id: String,
    pub turn_id: String,
    /// A Responses API item.
    pub item: Value,
}

/// Payload of `rawResponse/completed`: a response of the model ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RawResponseCompletedNotification {
    pub thread_id: String,
    pub turn_id: String,
    pub response_id: String,
    pub usage: Option<TokenUsageBreakdown>,
    pub usage_metadata: Option<ResponseUsageMetadata>,
}

/// The usage as the model API reported it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ResponseUsageMetadata {
    pub amount: Option<String>,
    pub metadata: Option<Value>,
}
