//! The methods that act on a loaded thread without starting a turn in the usual
//! way: injected items, shell commands, compaction, background terminals, goals.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::methods::methods;
use crate::path::LegacyAppPathString;

methods! {
    "thread/goal/set" Stable NotYet [thread];
    "thread/goal/get" Stable
        Implemented(ThreadGoalGet: ThreadGoalGetParams => ThreadGoalGetResponse)
        [thread];
    "thread/goal/clear" Stable NotYet [thread];
    "thread/compact/start" Stable NotYet [thread];
    "thread/shellCommand" Stable NotYet [thread];
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
