//! Reading and writing the configuration. Tables that only the vendor's programs use
//! are passed on as they are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::methods::{NoParams, methods};
use crate::path::AbsolutePathBuf;
use crate::policy::{
    ApprovalsReviewer, AskForApproval, ReasoningEffort, ReasoningSummary, SandboxMode,
};
use crate::wire::{is_false, null_default};

methods! {
    "config/read" Stable Implemented(ConfigRead: ConfigReadParams => ConfigReadResponse) [];
    "config/value/write" Stable
        Implemented(ConfigValueWrite: ConfigValueWriteParams => ConfigWriteResponse)
        [];
    "config/batchWrite" Stable
        Implemented(ConfigBatchWrite: ConfigBatchWriteParams => ConfigWriteResponse)
        [];
    "configRequirements/read" Stable
        Implemented(ConfigRequirementsRead: NoParams => ConfigRequirementsReadResponse)
        [no_params];
}

/// Params of `config/read`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ConfigReadParams {
    /// Whether `layers` is wanted.
    #[serde(
        default,
        deserialize_with = "null_default",
        skip_serializing_if = "is_false"
    )]
    pub include_layers: bool,
    /// Adds the layers of the project there; may be relative.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
}

/// Answer to `config/read`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ConfigReadResponse {
    pub config: Config,
    /// For each dotted key the layer it comes from.
    pub origins: BTreeMap<String, ConfigLayerMetadata>,
    /// Highest precedence first; left out unless asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layers: Option<Vec<ConfigLayer>>,
}

/// The effective configuration. Keys are those of `config.toml`, null when unset.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Config {
    pub model: Option<String>,
    pub review_model: Option<String>,
    pub model_context_window: Option<i64>,
    pub model_auto_compact_token_limit: Option<i64>,
    pub model_auto_compact_token_limit_scope: Option<AutoCompactTokenLimitScope>,
    pub model_provider: Option<String>,
    pub approval_policy: Option<AskForApproval>,
    pub approvals_reviewer: Option<ApprovalsReviewer>,
    pub sandbox_mode: Option<SandboxMode>,
    pub sandbox_workspace_write: Option<SandboxWorkspaceWrite>,
    pub forced_chatgpt_workspace_id: Option<ForcedChatgptWorkspaceIds>,
    pub forced_login_method: Option<ForcedLoginMethod>,
    pub web_search: Option<WebSearchMode>,
    pub client_search_provider: Option<WebSearchProvider>,
    pub tools: Option<ToolsV2>,
    pub instructions: Option<String>,
    pub developer_instructions: Option<String>,
    pub compact_prompt: Option<String>,
    pub model_reasoning_effort: Option<ReasoningEffort>,
    pub model_reasoning_summary: Option<ReasoningSummary>,
    pub model_verbosity: Option<Verbosity>,
    pub service_tier: Option<String>,
    pub analytics: Option<Value>,
    pub apps: Option<Value>,
    pub browser_use: Option<Value>,
    pub computer_use: Option<Value>,
    pub desktop: Option<Map<String, Value>>,
    /// Every other key.
    #[serde(flatten)]
    pub additional: Map<String, Value>,
}

/// One source of configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ConfigLayer {
    pub name: ConfigLayerSource,
    /// `sha256:` and the hex digest of the content.
    pub version: String,
    pub config: Value,
    /// Why the layer does not count; absent when it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disabled_reason: Option<String>,
}

/// Names a layer and its content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ConfigLayerMetadata {
    pub name: ConfigLayerSource,
    /// `sha256:` and the hex digest of the content.
    pub version: String,
}

/// Where a layer comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum ConfigLayerSource {
    PackagedDefaults {
        file: AbsolutePathBuf,
    },
    Mdm {
        domain: String,
        key: String,
    },
    System {
        file: AbsolutePathBuf,
    },
    EnterpriseManaged {
        id: String,
        name: String,
    },
    User {
        file: AbsolutePathBuf,
        profile: Option<String>,
    },
    Project {
        dot_codex_folder: AbsolutePathBuf,
    },
    SessionFlags,
    LegacyManagedConfigTomlFromFile {
        file: AbsolutePathBuf,
    },
    LegacyManagedConfigTomlFromMdm,
}

/// Answer to `configRequirements/read`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ConfigRequirementsReadResponse {
    pub supports_independent_speed_modes: Option<bool>,
    /// The managed requirements, passed on as they are; null when there are none.
    pub requirements: Option<Map<String, Value>>,
}

/// Params of `config/value/write`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ConfigValueWriteParams {
    /// Dotted path of the key.
    pub key_path: String,
    /// The new value; null removes the key.
    pub value: Value,
    pub merge_strategy: MergeStrategy,
    /// Must be the user's `config.toml`, which is also the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_path: Option<String>,
    /// Refuse the write when the layer has another version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_version: Option<String>,
}

/// Params of `config/batchWrite`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ConfigBatchWriteParams {
    /// Applied all or none.
    pub edits: Vec<ConfigEdit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_version: Option<String>,
    /// Whether loaded threads take the change up.
    #[serde(
        default,
        deserialize_with = "null_default",
        skip_serializing_if = "is_false"
    )]
    pub reload_user_config: bool,
}

/// One change of `config/batchWrite`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ConfigEdit {
    /// Dotted path of the key.
    pub key_path: String,
    /// The new value; null removes the key.
    pub value: Value,
    pub merge_strategy: MergeStrategy,
}

/// Whether a written table replaces the old one or is merged into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum MergeStrategy {
    Replace,
    Upsert,
}

/// Answer to `config/value/write` and `config/batchWrite`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ConfigWriteResponse {
    pub status: WriteStatus,
    /// The version of the layer after the write.
    pub version: String,
    pub file_path: AbsolutePathBuf,
    pub overridden_metadata: Option<OverriddenMetadata>,
}

/// Whether a written value counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum WriteStatus {
    Ok,
    /// Written, but a higher layer has another value.
    OkOverridden,
}

/// Says that a written value does not count, and which layer beats it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct OverriddenMetadata {
    pub message: String,
    pub overriding_layer: ConfigLayerMetadata,
    pub effective_value: Value,
}

/// Which tokens count towards automatic compaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum AutoCompactTokenLimitScope {
    Total,
    BodyAfterPrefix,
}

/// The workspaces a login is limited to: one or several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum ForcedChatgptWorkspaceIds {
    One(String),
    Many(Vec<String>),
}

/// The only way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum ForcedLoginMethod {
    Chatgpt,
    Api,
}

/// Details of the sandbox mode `workspace-write`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SandboxWorkspaceWrite {
    #[serde(default, deserialize_with = "null_default")]
    pub writable_roots: Vec<String>,
    #[serde(default, deserialize_with = "null_default")]
    pub network_access: bool,
    #[serde(default, deserialize_with = "null_default")]
    pub exclude_tmpdir_env_var: bool,
    #[serde(default, deserialize_with = "null_default")]
    pub exclude_slash_tmp: bool,
}

/// Configuration of built-in tools.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ToolsV2 {
    pub web_search: Option<WebSearchToolConfig>,
}

/// How much the model writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Verbosity {
    Low,
    Medium,
    High,
}

/// Which web the model may search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum WebSearchMode {
    Disabled,
    Cached,
    Indexed,
    Live,
}

/// Who searches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum WebSearchProvider {
    Standalone,
    SearchMcp,
}

/// Configuration of the web search tool.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WebSearchToolConfig {
    pub context_size: Option<WebSearchContextSize>,
    pub allowed_domains: Option<Vec<String>>,
    pub location: Option<WebSearchLocation>,
}

/// How much of the web a search may bring back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum WebSearchContextSize {
    Low,
    Medium,
    High,
}

/// Where searches are made from.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WebSearchLocation {
    pub country: Option<String>,
    pub region: Option<String>,
    pub city: Option<String>,
    pub timezone: Option<String>,
}
