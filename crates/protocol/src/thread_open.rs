//! The methods that load a thread and subscribe the caller: start, resume, fork.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::dynamic_tool::{DynamicToolSpec, dynamic_tools};
use crate::input::TurnEnvironmentParams;
use crate::methods::methods;
use crate::path::{AbsolutePathBuf, LegacyAppPathString};
use crate::policy::{
    ActivePermissionProfile, ApprovalsReviewer, AskForApproval, CollaborationMode, MultiAgentMode,
    Personality, ReasoningEffort, SandboxMode, SandboxPolicy,
};
use crate::thread::{Thread, ThreadHistoryMode, ThreadSource};
use crate::thread_read::SortDirection;
use crate::turn::{Turn, TurnItemsView};
use crate::wire::{double_option, is_false, null_default};

methods! {
    "thread/start" Stable
        Implemented(ThreadStart: ThreadStartParams => ThreadStartResponse)
        []
        gated "allowProviderModelFallback", "runtimeWorkspaceRoots", "permissions",
            "multiAgentMode", "historyMode", "projectId", "daybreakEnabled", "environments",
            "dynamicTools", "selectedCapabilityRoots", "mockExperimentalField",
            "experimentalRawEvents";
    "thread/resume" Stable
        Implemented(ThreadResume: ThreadResumeParams => ThreadResumeResponse)
        [thread]
        gated "history", "path", "runtimeWorkspaceRoots", "permissions", "initialTurnsPage";
    "thread/fork" Stable
        Implemented(ThreadFork: ThreadForkParams => ThreadForkResponse)
        [thread]
        gated "experimentalPredictionMode", "experimentalDisablePredictionMcp", "beforeTurnId",
            "path", "runtimeWorkspaceRoots", "permissions", "attachToSource",
            "deferGoalContinuation";
}

/// Params of `thread/start`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ThreadStartParams {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_provider: Option<String>,
    #[serde(
        default,
        deserialize_with = "null_default",
        skip_serializing_if = "is_false"
    )]
    pub allow_provider_model_fallback: bool,
    /// Null asks for the default tier, absence leaves it to the configuration.
    #[serde(
        default,
        deserialize_with = "double_option",
        skip_serializing_if = "Option::is_none"
    )]
    pub service_tier: Option<Option<String>>,
    /// Default: the server's own. A relative one starts there; it need not exist.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime_workspace_roots: Option<Vec<AbsolutePathBuf>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval_policy: Option<AskForApproval>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approvals_reviewer: Option<ApprovalsReviewer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<SandboxMode>,
    /// The name of a permission profile; not together with `sandbox`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions: Option<String>,
    /// Overrides of configuration keys for this thread.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_instructions: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub developer_instructions: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub personality: Option<Personality>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multi_agent_mode: Option<MultiAgentMode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ephemeral: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history_mode: Option<ThreadHistoryMode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_start_source: Option<ThreadStartSource>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thread_source: Option<ThreadSource>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub daybreak_enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environments: Option<Vec<TurnEnvironmentParams>>,
    #[serde(
        default,
        deserialize_with = "dynamic_tools",
        skip_serializing_if = "Option::is_none"
    )]
    pub dynamic_tools: Option<Vec<DynamicToolSpec>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selected_capability_roots: Option<Vec<SelectedCapabilityRoot>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mock_experimental_field: Option<String>,
    /// Sends raw Responses items to all subscribers of the thread.
    #[serde(
        default,
        deserialize_with = "null_default",
        skip_serializing_if = "is_false"
    )]
    pub experimental_raw_events: bool,
}

/// Answer to `thread/start`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ThreadStartResponse {
    pub thread: Thread,
    pub model: String,
    pub model_provider: String,
    pub service_tier: Option<String>,
    #[serde(default, deserialize_with = "null_default")]
    pub disabled_plugin_ids: Vec<String>,
    pub cwd: AbsolutePathBuf,
    #[serde(default, deserialize_with = "null_default")]
    pub runtime_workspace_roots: Vec<AbsolutePathBuf>,
    #[serde(default, deserialize_with = "null_default")]
    pub instruction_sources: Vec<LegacyAppPathString>,
    pub approval_policy: AskForApproval,
    pub approvals_reviewer: ApprovalsReviewer,
    pub sandbox: SandboxPolicy,
    pub active_permission_profile: Option<ActivePermissionProfile>,
    pub reasoning_effort: Option<ReasoningEffort>,
    #[serde(default, deserialize_with = "null_default")]
    pub multi_agent_mode: MultiAgentMode,
}

/// Params of `thread/resume`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ThreadResumeParams {
    pub thread_id: String,
    /// Responses API items to start from instead of a stored history; not empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<Vec<Value>>,
    /// A rollout file instead of `threadId`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_provider: Option<String>,
    #[serde(
        default,
        deserialize_with = "double_option",
        skip_serializing_if = "Option::is_none"
    )]
    pub service_tier: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime_workspace_roots: Option<Vec<AbsolutePathBuf>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval_policy: Option<AskForApproval>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approvals_reviewer: Option<ApprovalsReviewer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<SandboxMode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_instructions: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub developer_instructions: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub personality: Option<Personality>,
    /// Leaves `thread.turns` empty.
    #[serde(
        default,
        deserialize_with = "null_default",
        skip_serializing_if = "is_false"
    )]
    pub exclude_turns: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_turns_page: Option<ThreadResumeInitialTurnsPageParams>,
    /// loomd's own extension of a resume.
    #[cfg_attr(feature = "schema", schemars(skip))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loomd: Option<LoomdResume>,
}

/// How a client that knows loomd's extensions comes back to a thread, see
/// `docs/extensions.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoomdResume {
    /// The number of the last event that the client has; what followed is sent again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// Watch without keeping the thread loaded and without being asked anything.
    #[serde(default, deserialize_with = "null_default")]
    pub observe: bool,
}

/// Where a thread stands in its numbered events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoomdPosition {
    /// The number of the last event that the answer takes into account; what comes
    /// behind the answer goes on from there.
    pub seq: u64,
    /// The client asked for what followed an event, and that is not known any more: the
    /// answer is where the thread stands, and what the client has is void.
    #[serde(default, skip_serializing_if = "is_false")]
    pub resync: bool,
}

/// A page of turns to come with the answer.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ThreadResumeInitialTurnsPageParams {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sort_direction: Option<SortDirection>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items_view: Option<TurnItemsView>,
}

/// Answer to `thread/resume`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ThreadResumeResponse {
    pub thread: Thread,
    pub model: String,
    pub model_provider: String,
    pub service_tier: Option<String>,
    #[serde(default, deserialize_with = "null_default")]
    pub disabled_plugin_ids: Vec<String>,
    pub cwd: AbsolutePathBuf,
    #[serde(default, deserialize_with = "null_default")]
    pub runtime_workspace_roots: Vec<AbsolutePathBuf>,
    #[serde(default, deserialize_with = "null_default")]
    pub instruction_sources: Vec<LegacyAppPathString>,
    pub approval_policy: AskForApproval,
    pub approvals_reviewer: ApprovalsReviewer,
    pub sandbox: SandboxPolicy,
    pub active_permission_profile: Option<ActivePermissionProfile>,
    pub reasoning_effort: Option<ReasoningEffort>,
    pub collaboration_mode: Option<CollaborationMode>,
    #[serde(default, deserialize_with = "null_default")]
    pub multi_agent_mode: MultiAgentMode,
    pub initial_turns_page: Option<TurnsPage>,
    pub turns_backwards_cursor: Option<String>,
    pub items_backwards_cursor: Option<String>,
    /// Only for a client that gets numbered events.
    #[cfg_attr(feature = "schema", schemars(skip))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loomd: Option<LoomdPosition>,
}

/// A page of turns, newest first unless asked otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TurnsPage {
    pub data: Vec<Arc<Turn>>,
    pub next_cursor: Option<String>,
    pub backwards_cursor: Option<String>,
}

/// Params of `thread/fork`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ThreadForkParams {
    pub thread_id: String,
    #[serde(
        default,
        deserialize_with = "null_default",
        skip_serializing_if = "is_false"
    )]
    pub experimental_prediction_mode: bool,
    #[serde(
        default,
        deserialize_with = "null_default",
        skip_serializing_if = "is_false"
    )]
    pub experimental_disable_prediction_mcp: bool,
    /// The last turn to take over; default all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_turn_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before_turn_id: Option<String>,
    /// A rollout file instead of `threadId`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_provider: Option<String>,
    #[serde(
        default,
        deserialize_with = "double_option",
        skip_serializing_if = "Option::is_none"
    )]
    pub service_tier: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime_workspace_roots: Option<Vec<AbsolutePathBuf>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval_policy: Option<AskForApproval>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approvals_reviewer: Option<ApprovalsReviewer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<SandboxMode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_instructions: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub developer_instructions: Option<String>,
    #[serde(
        default,
        deserialize_with = "null_default",
        skip_serializing_if = "is_false"
    )]
    pub ephemeral: bool,
    #[serde(
        default,
        deserialize_with = "null_default",
        skip_serializing_if = "is_false"
    )]
    pub attach_to_source: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thread_source: Option<ThreadSource>,
    #[serde(
        default,
        deserialize_with = "null_default",
        skip_serializing_if = "is_false"
    )]
    pub exclude_turns: bool,
    #[serde(
        default,
        deserialize_with = "null_default",
        skip_serializing_if = "is_false"
    )]
    pub defer_goal_continuation: bool,
}

/// Answer to `thread/fork`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ThreadForkResponse {
    pub thread: Thread,
    pub model: String,
    pub model_provider: String,
    pub service_tier: Option<String>,
    #[serde(default, deserialize_with = "null_default")]
    pub disabled_plugin_ids: Vec<String>,
    pub cwd: AbsolutePathBuf,
    #[serde(default, deserialize_with = "null_default")]
    pub runtime_workspace_roots: Vec<AbsolutePathBuf>,
    #[serde(default, deserialize_with = "null_default")]
    pub instruction_sources: Vec<LegacyAppPathString>,
    pub approval_policy: AskForApproval,
    pub approvals_reviewer: ApprovalsReviewer,
    pub sandbox: SandboxPolicy,
    pub active_permission_profile: Option<ActivePermissionProfile>,
    pub reasoning_effort: Option<ReasoningEffort>,
    #[serde(default, deserialize_with = "null_default")]
    pub multi_agent_mode: MultiAgentMode,
}

/// Why a client starts a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum ThreadStartSource {
    Startup,
    Clear,
}

/// A folder of skills and the like that a client picks for a thread.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SelectedCapabilityRoot {
    pub id: String,
    pub location: CapabilityRootLocation,
}

/// Where a capability root lies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum CapabilityRootLocation {
    Environment {
        environment_id: String,
        path: String,
    },
}
