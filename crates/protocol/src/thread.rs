//! The thread object and its parts. Methods are in `thread_open`, `thread_read`,
//! `thread_manage` and `thread_act`, notifications in `thread_events`.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::path::{AbsolutePathBuf, LegacyAppPathString};
use crate::policy::ReasoningEffort;
use crate::turn::Turn;
use crate::wire::null_default;

/// A thread: its metadata, its status and, where asked for, its turns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Thread {
    /// UUID v7.
    pub id: String,
    pub environments: Option<Vec<ThreadEnvironment>>,
    pub extra: Option<ThreadExtra>,
    /// Its own id for a root or a fork; for a subagent the id of the root thread.
    pub session_id: String,
    /// The thread it was forked from.
    pub forked_from_id: Option<String>,
    pub attached_to_thread_id: Option<String>,
    /// The thread that spawned it.
    pub parent_thread_id: Option<String>,
    /// The first user message; empty before it.
    pub preview: String,
    /// Lives in memory only.
    pub ephemeral: bool,
    pub section: Option<ThreadSection>,
    /// Unix seconds.
    pub section_entered_at: Option<i64>,
    pub project_id: Option<String>,
    #[serde(default, deserialize_with = "null_default")]
    pub history_mode: ThreadHistoryMode,
    pub model_provider: String,
    pub model: Option<String>,
    pub reasoning_effort: Option<ReasoningEffort>,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub updated_at: i64,
    /// Unix seconds.
    pub recency_at: Option<i64>,
    pub status: ThreadStatus,
    /// The rollout file; null for an ephemeral thread.
    pub path: Option<String>,
    pub cwd: AbsolutePathBuf,
    pub cli_version: String,
    /// The client that first initialised the server that made it.
    pub originator: Option<String>,
    pub source: SessionSource,
    /// False for subagents that only take input from their parent; null when not
    /// loaded.
    pub can_accept_direct_input: Option<bool>,
    pub thread_source: Option<ThreadSource>,
    pub agent_nickname: Option<String>,
    pub agent_role: Option<String>,
    pub git_info: Option<GitInfo>,
    /// As set by `thread/name/set`.
    pub name: Option<String>,
    pub daybreak_enabled: Option<bool>,
    /// Empty unless the method says that it fills them.
    pub turns: Vec<Arc<Turn>>,
}

/// What a thread is doing, tagged by `type`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum ThreadStatus {
    /// On disk only.
    NotLoaded,
    Idle,
    /// The last turn failed. Lasts until the next one starts.
    SystemError,
    /// A turn runs or a question to the client is open.
    Active {
        active_flags: Vec<ThreadActiveFlag>,
    },
}

/// What an active thread waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum ThreadActiveFlag {
    WaitingOnApproval,
    WaitingOnUserInput,
}

/// How a thread keeps its history. Absent means `legacy`; new threads are `paginated`.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum ThreadHistoryMode {
    #[default]
    Legacy,
    Paginated,
}

/// Where a thread was started from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum SessionSource {
    Cli,
    /// An editor; also what threads started over this protocol get.
    Vscode,
    Exec,
    AppServer,
    Custom(String),
    SubAgent(SubAgentSource),
    Unknown,
}

/// Why a thread exists that no user started. Snake case on the wire.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SubAgentSource {
    Review,
    Compact,
    ThreadSpawn {
        parent_thread_id: ThreadId,
        depth: i32,
        agent_path: Option<AgentPath>,
        agent_nickname: Option<String>,
        agent_role: Option<String>,
    },
    MemoryConsolidation,
    Other(String),
}

/// What a thread is for, as the client names it: `user`, `subagent`, …
pub type ThreadSource = String;

/// Where a thread's folder stood in git when it was started or last told.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct GitInfo {
    pub sha: Option<String>,
    pub branch: Option<String>,
    pub origin_url: Option<String>,
}

/// A section of the thread list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ThreadSection {
    pub id: String,
    pub name: String,
    pub appearance: Option<ThreadSectionAppearance>,
}

/// How a section is shown.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ThreadSectionAppearance {
    pub icon: Option<String>,
    pub color: Option<String>,
}

/// A place where a thread runs commands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ThreadEnvironment {
    pub environment_id: String,
    pub cwd: LegacyAppPathString,
    pub runtime_workspace_roots: Vec<LegacyAppPathString>,
}

/// Reserved; nothing is in it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ThreadExtra {}

/// Up to where a thread has been read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ThreadReadState {
    pub first_unread: Option<ThreadUnreadPosition>,
    /// Changes with each change; `thread/readState/update` must name the current one.
    pub revision: String,
}

/// Where the unread part begins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum ThreadUnreadPosition {
    ThreadStart,
    Turn { turn_id: String },
}

/// The place of a subagent in its tree, such as `/root/explorer`.
pub type AgentPath = String;

/// The id of a thread, UUID text.
pub type ThreadId = String;
