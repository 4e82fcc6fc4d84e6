//! Turns that wait for their thread.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::input::UserInput;
use crate::methods::methods;
use crate::turn::Turn;

methods! {
    "thread/queue/add" Experimental
        Implemented(ThreadQueueAdd: ThreadQueueAddParams => ThreadQueueAddResponse)
        [thread];
    "thread/queue/list" Experimental
        Implemented(ThreadQueueList: ThreadQueueListParams => ThreadQueueListResponse)
        [thread];
    "thread/queue/update" Experimental
        Implemented(ThreadQueueUpdate: ThreadQueueUpdateParams => ThreadQueueUpdateResponse)
        [thread];
    "thread/queue/delete" Experimental
        Implemented(ThreadQueueDelete: ThreadQueueDeleteParams => ThreadQueueDeleteResponse)
        [thread];
    "thread/queue/reorder" Experimental
        Implemented(ThreadQueueReorder: ThreadQueueReorderParams => ThreadQueueReorderResponse)
        [thread];
    "thread/queue/start" Experimental
        Implemented(ThreadQueueStart: ThreadQueueStartParams => ThreadQueueStartResponse)
        [thread];
}

/// What waits to become a turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct QueuedSubmission {
    /// Given by the server when it was added.
    pub id: String,
    pub input: Vec<UserInput>,
    /// The client's own id, which the user message of the turn carries.
    pub client_user_message_id: String,
    /// Kept with the input.
    pub responsesapi_client_metadata: Option<BTreeMap<String, String>>,
}

/// Params of `thread/queue/add`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ThreadQueueAddParams {
    pub thread_id: String,
    pub input: Vec<UserInput>,
    pub client_user_message_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub responsesapi_client_metadata: Option<BTreeMap<String, String>>,
}

/// Answer to `thread/queue/add`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ThreadQueueAddResponse {
    pub queued_submission: QueuedSubmission,
}

/// Params of `thread/queue/list`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ThreadQueueListParams {
    pub thread_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Default 25, at most 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// Answer to `thread/queue/list`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ThreadQueueListResponse {
    pub data: Vec<QueuedSubmission>,
    pub next_cursor: Option<String>,
}

/// Params of `thread/queue/update`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ThreadQueueUpdateParams {
    pub thread_id: String,
    pub queued_submission_id: String,
    /// Takes the place of the earlier input.
    pub input: Vec<UserInput>,
    /// Takes the place of the earlier metadata unless it is empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub responsesapi_client_metadata: Option<BTreeMap<String, String>>,
}

/// Answer to `thread/queue/update`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ThreadQueueUpdateResponse {
    pub queued_submission: QueuedSubmission,
}

/// Params of `thread/queue/delete`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ThreadQueueDeleteParams {
    pub thread_id: String,
    pub queued_submission_id: String,
}

/// Answer to `thread/queue/delete`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ThreadQueueDeleteResponse {
    /// Whether it was there.
    pub deleted: bool,
}

/// Params of `thread/queue/reorder`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ThreadQueueReorderParams {
    pub thread_id: String,
    /// All that wait, each once, in the order wanted.
    pub queued_submission_ids: Vec<String>,
}

/// Answer to `thread/queue/reorder`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ThreadQueueReorderResponse {}

/// Params of `thread/queue/start`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ThreadQueueStartParams {
    pub thread_id: String,
    /// The first one if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queued_submission_id: Option<String>,
}

/// Answer to `thread/queue/start`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ThreadQueueStartResponse {
    pub turn: Turn,
}
