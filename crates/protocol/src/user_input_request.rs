//! The server request `item/tool/requestUserInput`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::wire::null_default;

/// Params of the server request `item/tool/requestUserInput`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ToolRequestUserInputParams {
    pub thread_id: String,
    pub turn_id: String,
    pub item_id: String,
    pub questions: Vec<ToolRequestUserInputQuestion>,
    pub is_blocking: bool,
    /// Milliseconds after which the question answers itself.
    pub auto_resolution_ms: Option<u64>,
}

/// The client's answer to `item/tool/requestUserInput`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ToolRequestUserInputResponse {
    /// By question id.
    pub answers: BTreeMap<String, ToolRequestUserInputAnswer>,
}

/// A question to the user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ToolRequestUserInputQuestion {
    pub id: String,
    pub header: String,
    pub question: String,
    /// Whether an answer of the user's own is welcome.
    #[serde(default, deserialize_with = "null_default")]
    pub is_other: bool,
    #[serde(default, deserialize_with = "null_default")]
    pub is_secret: bool,
    pub options: Option<Vec<ToolRequestUserInputOption>>,
}

/// An answer to choose.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ToolRequestUserInputOption {
    pub label: String,
    pub description: String,
}

/// The answers to one question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ToolRequestUserInputAnswer {
    pub answers: Vec<String>,
}
