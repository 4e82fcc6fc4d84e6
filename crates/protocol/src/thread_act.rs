//! The methods that act on a loaded thread without starting a turn in the usual
//! way: injected items, shell commands, compaction, background terminals, goals.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::methods::methods;
use crate::path::LegacyAppPathString;
use crate::wire::double_option;

methods! {
    "thread/goal/set" Stable
        Implemented(ThreadGoalSet: ThreadGoalSetParams => ThreadGoalSetResponse)
        [thread];
    "thread/goal/get" Stable
        Implemented(ThreadGoalGet: ThreadGoalGetParams => ThreadGoalGetResponse)
        [thread];
    "thread/goal/clear" Stable
        Implemented(ThreadGoalClear: ThreadGoalClearParams => ThreadGoalClearResponse)
        [thread];
    "thread/compact/start" Stable NotYet [thread];
    "thread/shellCommand" Stable
        Implemented(ThreadShellCommand: ThreadShellCommandParams => ThreadShellCommandResponse)
        [thread];
    "thread/backgroundTerminals/clean" Experimental
        Implemented(ThreadBackgroundTerminalsClean: ThreadBackgroundTerminalsCleanParams
            => ThreadBackgroundTerminalsCleanResponse)
        [thread];
    "thread/backgroundTerminals/list" Experimental
        Implemented(ThreadBackgroundTerminalsList: ThreadBackgroundTerminalsListParams
            => ThreadBackgroundTerminalsListResponse)
        [thread];
    "thread/backgroundTerminals/terminate" Experimental
        Implemented(ThreadBackgroundTerminalsTerminate: ThreadBackgroundTerminalsTerminateParams
            => ThreadBackgroundTerminalsTerminateResponse)
        [thread];
    "thread/inject_items" Stable
        Implemented(ThreadInjectItems: ThreadInjectItemsParams => ThreadInjectItemsResponse)
        [thread];
}

/// Params of `thread/inject_items`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ThreadInjectItemsParams {
    pub thread_id: String,
    /// Responses API items, at least one.
    pub items: Vec<Value>,
}

/// Answer to `thread/inject_items`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ThreadInjectItemsResponse {}

/// Params of `thread/shellCommand`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ThreadShellCommandParams {
    pub thread_id: String,
    /// In the language of the user's shell. Runs without a sandbox.
    pub command: String,
    /// Milliseconds until it is ended; an hour if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<i64>,
}

/// Answer to `thread/shellCommand`, given before the command runs.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ThreadShellCommandResponse {}

/// Params of `thread/backgroundTerminals/list`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ThreadBackgroundTerminalsListParams {
    pub thread_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// Answer to `thread/backgroundTerminals/list`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ThreadBackgroundTerminalsListResponse {
    pub data: Vec<ThreadBackgroundTerminal>,
    pub next_cursor: Option<String>,
}

/// A command that outlived its turn's patience.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ThreadBackgroundTerminal {
    pub item_id: String,
    pub process_id: String,
    pub command: String,
    pub cwd: LegacyAppPathString,
    pub os_pid: Option<u32>,
    /// Percent of one core.
    pub cpu_percent: Option<f64>,
    /// Kibibytes.
    pub rss_kb: Option<u64>,
}

/// Params of `thread/backgroundTerminals/terminate`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ThreadBackgroundTerminalsTerminateParams {
    pub thread_id: String,
    pub process_id: String,
}

/// Answer to `thread/backgroundTerminals/terminate`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ThreadBackgroundTerminalsTerminateResponse {
    pub terminated: bool,
}

/// Params of `thread/backgroundTerminals/clean`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ThreadBackgroundTerminalsCleanParams {
    pub thread_id: String,
}

/// Answer to `thread/backgroundTerminals/clean`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ThreadBackgroundTerminalsCleanResponse {}

/// What a thread works towards by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ThreadGoal {
    pub thread_id: String,
    /// 1 to 4000 characters.
    pub objective: String,
    pub status: ThreadGoalStatus,
    /// Positive; null means none.
    pub token_budget: Option<i64>,
    pub tokens_used: i64,
    pub time_used_seconds: i64,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub updated_at: i64,
}

/// The state of a goal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum ThreadGoalStatus {
    Active,
    Paused,
    Blocked,
    UsageLimited,
    BudgetLimited,
    Complete,
}

/// Who changes a goal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum ThreadGoalMutationOrigin {
    User,
    Automatic,
}

/// Params of `thread/goal/set`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ThreadGoalSetParams {
    pub thread_id: String,
    /// 1 to 4000 characters after trimming; needed where there is no goal yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objective: Option<String>,
    /// `active` for a new goal if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<ThreadGoalStatus>,
    /// Null takes the budget away, absence leaves it alone.
    #[serde(
        default,
        deserialize_with = "double_option",
        skip_serializing_if = "Option::is_none"
    )]
    pub token_budget: Option<Option<i64>>,
    /// Read and not used: a client's request is the user's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<ThreadGoalMutationOrigin>,
}

/// Answer to `thread/goal/set`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ThreadGoalSetResponse {
    pub goal: ThreadGoal,
}

/// Params of `thread/goal/clear`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ThreadGoalClearParams {
    pub thread_id: String,
    /// Read and not used, as in `thread/goal/set`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<ThreadGoalMutationOrigin>,
}

/// Answer to `thread/goal/clear`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ThreadGoalClearResponse {
    /// Whether there was one.
    pub cleared: bool,
}

/// Params of `thread/goal/get`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ThreadGoalGetParams {
    pub thread_id: String,
}

/// Answer to `thread/goal/get`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ThreadGoalGetResponse {
    pub goal: Option<ThreadGoal>,
}
