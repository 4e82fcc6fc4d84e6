//! The handshake.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::methods::methods;
use crate::path::AbsolutePathBuf;
use crate::wire::{is_false, null_default};

methods! {
    "initialize" Stable Implemented(Initialize: InitializeParams => InitializeResponse) [];
}

/// Params of `initialize`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct InitializeParams {
    pub client_info: ClientInfo,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<InitializeCapabilities>,
}

/// Who the client says it is. The name becomes part of the user agent and so must be a
/// legal header value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ClientInfo {
    pub name: String,
    /// The name for people.
    pub title: Option<String>,
    pub version: String,
}

/// What the client can do and wants; fixed for the life of the connection.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct InitializeCapabilities {
    #[serde(
        default,
        deserialize_with = "null_default",
        skip_serializing_if = "is_false"
    )]
    pub required_human_approval: bool,
    #[serde(
        default,
        deserialize_with = "null_default",
        skip_serializing_if = "is_false"
    )]
    pub explicit_gateway_oauth: bool,
    /// Opens experimental methods, members and notifications.
    #[serde(default, deserialize_with = "null_default")]
    pub experimental_api: bool,
    #[serde(default, deserialize_with = "null_default")]
    pub request_attestation: bool,
    #[serde(
        default,
        deserialize_with = "null_default",
        skip_serializing_if = "is_false"
    )]
    pub mcp_server_openai_form_elicitation: bool,
    /// Notifications not to be sent, by exact name. Unknown names are ignored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opt_out_notification_methods: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extensions: Option<Map<String, Value>>,
    /// What of loomd's own extensions the client wants.
    #[cfg_attr(feature = "schema", schemars(skip))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loomd: Option<LoomdCapabilities>,
}

/// loomd's own extensions, see `docs/extensions.md`. A client that sends this object is
/// shown them; to others they do not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoomdCapabilities {
    /// Thread events carry their numbers.
    #[serde(default, deserialize_with = "null_default")]
    pub event_numbers: bool,
}

/// What loomd tells a client that knows of its extensions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoomdServer {
    /// loomd's own version.
    pub version: String,
    /// Whether this connection gets numbered events.
    pub event_numbers: bool,
}

/// Answer to `initialize`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct InitializeResponse {
    /// `ORIGINATOR/VERSION (OS; ARCH) TERMINAL (NAME; CLIENTVERSION)`; clients read
    /// the version out of it.
    pub user_agent: String,
    pub codex_home: AbsolutePathBuf,
    pub platform_family: String,
    pub platform_os: String,
    /// Only for a client that named loomd's extensions among its capabilities.
    #[cfg_attr(feature = "schema", schemars(skip))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loomd: Option<LoomdServer>,
}
