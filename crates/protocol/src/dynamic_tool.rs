//! Tools that a client brings along and answers calls for: their description in
//! `thread/start`, and the server request `item/tool/call`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::wire::{is_false, null_default};

/// A tool, or a namespace of tools, that the client brings along and answers calls for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum DynamicToolSpec {
    Function {
        #[serde(
            default,
            deserialize_with = "null_default",
            skip_serializing_if = "is_false"
        )]
        defer_loading: bool,
        description: String,
        input_schema: Value,
        name: String,
    },
    Namespace {
        description: String,
        name: String,
        tools: Vec<DynamicToolNamespaceTool>,
    },
}

/// A tool inside a namespace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum DynamicToolNamespaceTool {
    Function {
        #[serde(
            default,
            deserialize_with = "null_default",
            skip_serializing_if = "is_false"
        )]
        defer_loading: bool,
        description: String,
        input_schema: Value,
        name: String,
    },
}

/// A part of the answer to a dynamic tool call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum DynamicToolCallOutputContentItem {
    InputText { text: String },
    InputImage { image_url: String },
    InputAudio { audio_url: String },
}

/// Params of the server request `item/tool/call`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct DynamicToolCallParams {
    pub thread_id: String,
    pub turn_id: String,
    /// The id of the item too.
    pub call_id: String,
    pub namespace: Option<String>,
    pub tool: String,
    pub arguments: Value,
}

/// The client's answer to `item/tool/call`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct DynamicToolCallResponse {
    pub content_items: Vec<DynamicToolCallOutputContentItem>,
    pub success: bool,
}
