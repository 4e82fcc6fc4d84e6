//! The server request `mcpServer/elicitation/request`. Schemas and answers are
//! opaque here: they pass between an MCP server and the client.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::methods::methods;

methods! {
    "thread/increment_elicitation" Experimental NotYet [thread];
    "thread/decrement_elicitation" Experimental NotYet [thread];
}

/// Params of the server request `mcpServer/elicitation/request`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct McpServerElicitationRequestParams {
    pub thread_id: String,
    /// The running turn, where the question belongs to one.
    pub turn_id: Option<String>,
    pub server_name: String,
    #[serde(flatten)]
    pub request: McpServerElicitationRequest,
}

/// What an MCP server asks, tagged by `mode`. Schemas are passed on as the
/// server wrote them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(
    tag = "mode",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum McpServerElicitationRequest {
    /// Fill in a form. Also the approval of an MCP tool call, told apart by
    /// `_meta.codex_approval_kind`.
    Form {
        #[serde(rename = "_meta")]
        meta: Option<Value>,
        message: String,
        requested_schema: Value,
    },
    /// A form with a schema beyond the MCP standard.
    #[serde(rename = "openai/form")]
    OpenaiSlashForm {
        #[serde(rename = "_meta")]
        meta: Option<Value>,
        message: String,
        requested_schema: Value,
    },
    /// The older name of `openai/form`.
    OpenaiForm {
        #[serde(rename = "_meta")]
        meta: Option<Value>,
        message: String,
        requested_schema: Value,
    },
    /// Open a web address.
    Url {
        #[serde(rename = "_meta")]
        meta: Option<Value>,
        message: String,
        url: String,
        elicitation_id: String,
    },
    /// Prove that a person is there.
    #[serde(rename = "openai/userVerification")]
    UserVerification {
        #[serde(rename = "_meta")]
        meta: Option<Value>,
        title: String,
        description: String,
        challenge: String,
    },
}

/// The client's answer to `mcpServer/elicitation/request`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct McpServerElicitationRequestResponse {
    pub action: McpServerElicitationAction,
    pub content: Option<Value>,
    #[serde(rename = "_meta")]
    pub meta: Option<Value>,
}

/// What the user did with the question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum McpServerElicitationAction {
    Accept,
    Decline,
    Cancel,
}
