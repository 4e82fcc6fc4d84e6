//! Methods that no schema of 0.169 lists: some are answered all the same, some are
//! gone.

use serde::{Deserialize, Serialize};

use crate::account::AuthMode;
use crate::methods::methods;
use crate::thread::Thread;

methods! {
    "getConversationSummary" WireOnly NotYet [];
    "gitDiffToRemote" WireOnly NotYet [];
    "getAuthStatus" WireOnly
        Implemented(GetAuthStatus: GetAuthStatusParams => GetAuthStatusResponse)
        [];
    "thread/rollback" Removed0131
        Implemented(ThreadRollback: ThreadRollbackParams => ThreadRollbackResponse)
        [thread];
    "thread/turns/items/list" Removed0131 NotYet [thread];
}

/// Params of `thread/rollback`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ThreadRollbackParams {
    pub thread_id: String,
    /// Turns to take back from the end, at least 1.
    pub num_turns: u32,
}

/// Answer to `thread/rollback`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ThreadRollbackResponse {
    /// With its turns.
    pub thread: Thread,
}

/// Params of `getAuthStatus`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct GetAuthStatusParams {
    /// Whether `authToken` is wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub include_token: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<bool>,
}

/// Answer to `getAuthStatus`, as seen on 0.169.0.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct GetAuthStatusResponse {
    /// Null where no login counts.
    pub auth_method: Option<AuthMode>,
    /// The key itself; null unless it was asked for.
    pub auth_token: Option<String>,
    pub requires_openai_auth: Option<bool>,
}
