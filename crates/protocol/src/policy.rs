//! What a turn may do and how the model behaves: approvals, sandboxes, reasoning,
//! collaboration modes. Types only; the rules that apply them live in `thread` and
//! `tools`.

use serde::{Deserialize, Serialize};

use crate::path::AbsolutePathBuf;
use crate::wire::{null_default, reasoning_effort};

/// When the user is asked before a command runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum AskForApproval {
    /// Ask for everything that is not known to be harmless.
    Untrusted,
    /// Ask when the model asks for more than its sandbox allows. `on-failure` of 0.131 is
    /// read as this one, as it is in configuration files.
    #[serde(alias = "on-failure")]
    OnRequest,
    /// Ask by kind; experimental, `askForApproval.granular` at the gate.
    Granular {
        sandbox_approval: bool,
        rules: bool,
        #[serde(default, deserialize_with = "null_default")]
        skill_approval: bool,
        #[serde(default, deserialize_with = "null_default")]
        request_permissions: bool,
        mcp_elicitations: bool,
    },
    /// Never ask; what is not allowed fails.
    Never,
}

/// Who answers approval requests. `guardian_subagent` is the older name of `auto_review`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ApprovalsReviewer {
    User,
    AutoReview,
    GuardianSubagent,
}

/// The sandbox, as the configuration names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum SandboxMode {
    ReadOnly,
    WorkspaceWrite,
    DangerFullAccess,
}

/// The sandbox with its details, tagged by `type`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum SandboxPolicy {
    DangerFullAccess,
    ReadOnly {
        #[serde(default, deserialize_with = "null_default")]
        network_access: bool,
    },
    /// Something outside confines the server; it does not do so itself.
    ExternalSandbox {
        #[serde(default, deserialize_with = "null_default")]
        network_access: NetworkAccess,
    },
    WorkspaceWrite {
        #[serde(default, deserialize_with = "null_default")]
        network_access: bool,
        #[serde(default, deserialize_with = "null_default")]
        writable_roots: Vec<AbsolutePathBuf>,
        #[serde(default, deserialize_with = "null_default")]
        exclude_tmpdir_env_var: bool,
        #[serde(default, deserialize_with = "null_default")]
        exclude_slash_tmp: bool,
    },
}

/// Whether the network can be reached from an external sandbox.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum NetworkAccess {
    #[default]
    Restricted,
    Enabled,
}

/// The permission profile a thread runs under.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ActivePermissionProfile {
    pub id: String,
    /// The profile it builds on.
    pub extends: Option<String>,
}

/// The tone of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Personality {
    None,
    Friendly,
    Pragmatic,
}

/// How much of its reasoning the model tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum ReasoningSummary {
    Auto,
    Concise,
    Detailed,
    None,
}

/// How hard the model thinks: `none`, `minimal`, `low`, `medium`, `high`, `xhigh` or a
/// name that the provider knows. Unknown ones are passed on.
pub type ReasoningEffort = String;

/// The mode of a thread with the settings that go with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CollaborationMode {
    pub mode: ModeKind,
    pub settings: Settings,
}

/// Whether the agent plans or acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum ModeKind {
    Plan,
    /// Also read under the names of modes that older clients had.
    #[serde(
        alias = "code",
        alias = "pair_programming",
        alias = "execute",
        alias = "custom"
    )]
    Default,
}

/// What a collaboration mode sets. Snake case on the wire.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Settings {
    pub model: String,
    #[serde(default, deserialize_with = "reasoning_effort")]
    pub reasoning_effort: Option<ReasoningEffort>,
    pub developer_instructions: Option<String>,
}

/// When the model may start other agents.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum MultiAgentMode {
    Custom(String),
    #[default]
    ExplicitRequestOnly,
    Proactive,
}

/// The vendor's access programs for security work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum CyberAccessProgram {
    Standard,
    DaybreakBlue,
    DaybreakRed,
}
