//! The typed form of `config.toml`: what is read, and of which type it must be.
//!
//! Every key is optional and unknown keys are ignored (`unknown.rs` tells the user
//! about them). Parts that loomd passes on or reads elsewhere are only checked to
//! be tables; the value itself is taken from the merged table.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::de::{Error as _, IgnoredAny};
use serde::{Deserialize, Deserializer};
use toml::Table;

use crate::provider::{ProviderConfig, check_providers};
use crate::words::{
    ApprovalPolicy, ApprovalsReviewer, AutoCompactScope, EnvironmentInherit, HistoryPersistence,
    ReasoningSummary, SandboxMode, TrustLevel, Verbosity, WebSearchMode,
};

#[derive(Default, Deserialize)]
pub(crate) struct ConfigToml {
    pub(crate) model: Option<String>,
    pub(crate) review_model: Option<String>,
    pub(crate) model_provider: Option<String>,
    #[serde(default)]
    pub(crate) model_providers: Providers,
    pub(crate) model_context_window: Option<i64>,
    pub(crate) model_auto_compact_token_limit: Option<i64>,
    pub(crate) model_auto_compact_token_limit_scope: Option<AutoCompactScope>,
    pub(crate) model_reasoning_effort: Option<String>,
    pub(crate) plan_mode_reasoning_effort: Option<String>,
    pub(crate) model_reasoning_summary: Option<ReasoningSummary>,
    pub(crate) model_verbosity: Option<Verbosity>,
    pub(crate) service_tier: Option<String>,
    pub(crate) tool_output_token_limit: Option<u64>,
    pub(crate) instructions: Option<String>,
    pub(crate) model_instructions_file: Option<PathBuf>,
    pub(crate) developer_instructions: Option<String>,
    pub(crate) compact_prompt: Option<String>,
    pub(crate) experimental_compact_prompt_file: Option<PathBuf>,
    pub(crate) personality: Option<String>,
    pub(crate) approval_policy: Option<ApprovalPolicy>,
    pub(crate) approvals_reviewer: Option<ApprovalsReviewer>,
    pub(crate) sandbox_mode: Option<SandboxMode>,
    pub(crate) sandbox_workspace_write: Option<WorkspaceWriteToml>,
    pub(crate) default_permissions: Option<String>,
    pub(crate) permissions: Option<BTreeMap<String, PermissionsToml>>,
    pub(crate) allow_login_shell: Option<bool>,
    pub(crate) shell_environment_policy: Option<ShellEnvironmentToml>,
    pub(crate) project_doc_max_bytes: Option<usize>,
    pub(crate) project_doc_fallback_filenames: Option<Vec<String>>,
    pub(crate) project_root_markers: Option<Vec<String>>,
    pub(crate) background_terminal_max_timeout: Option<u64>,
    pub(crate) thread_unload_delay_secs: Option<u64>,
    pub(crate) background_unload_delay_secs: Option<u64>,
    pub(crate) max_loaded_bytes: Option<u64>,
    pub(crate) max_loaded_threads: Option<usize>,
    pub(crate) hide_agent_reasoning: Option<bool>,
    pub(crate) show_raw_agent_reasoning: Option<bool>,
    pub(crate) history: Option<HistoryToml>,
    pub(crate) include_environment_context: Option<bool>,
    pub(crate) include_environment_context_time: Option<bool>,
    pub(crate) include_permissions_instructions: Option<bool>,
    pub(crate) include_apps_instructions: Option<bool>,
    pub(crate) include_collaboration_mode_instructions: Option<bool>,
    pub(crate) web_search: Option<WebSearchMode>,
    pub(crate) notify: Option<Vec<String>>,
    pub(crate) openai_base_url: Option<String>,
    pub(crate) log_dir: Option<PathBuf>,
    pub(crate) sqlite_home: Option<PathBuf>,
    pub(crate) agents: Option<AgentsToml>,

    // Read for their types alone.
    #[serde(rename = "projects")]
    _projects: Option<BTreeMap<String, ProjectToml>>,
    #[serde(rename = "mcp_servers")]
    _mcp_servers: Option<BTreeMap<String, McpServer>>,
    #[serde(rename = "profile")]
    _profile: Option<String>,
    #[serde(rename = "profiles")]
    _profiles: Option<BTreeMap<String, Table>>,
    #[serde(rename = "chatgpt_base_url")]
    _chatgpt_base_url: Option<String>,
    #[serde(rename = "cli_auth_credentials_store")]
    _cli_auth_credentials_store: Option<String>,
    #[serde(rename = "features")]
    _features: Option<Table>,
    #[serde(rename = "tools")]
    _tools: Option<Table>,
    #[serde(rename = "hooks")]
    _hooks: Option<Table>,
    #[serde(rename = "skills")]
    _skills: Option<Table>,
    #[serde(rename = "analytics")]
    _analytics: Option<Table>,
    #[serde(rename = "memories")]
    _memories: Option<Table>,
}

#[derive(Default, Deserialize)]
pub(crate) struct WorkspaceWriteToml {
    #[serde(default)]
    pub(crate) writable_roots: Vec<PathBuf>,
    #[serde(default)]
    pub(crate) network_access: bool,
    #[serde(default)]
    pub(crate) exclude_tmpdir_env_var: bool,
    #[serde(default)]
    pub(crate) exclude_slash_tmp: bool,
}

#[derive(Default, Deserialize)]
pub(crate) struct ShellEnvironmentToml {
    pub(crate) inherit: Option<EnvironmentInherit>,
    pub(crate) ignore_default_excludes: Option<bool>,
    pub(crate) exclude: Option<Vec<String>>,
    pub(crate) set: Option<BTreeMap<String, String>>,
    pub(crate) include_only: Option<Vec<String>>,
    pub(crate) experimental_use_profile: Option<bool>,
}

#[derive(Default, Deserialize)]
pub(crate) struct HistoryToml {
    pub(crate) persistence: Option<HistoryPersistence>,
    pub(crate) max_bytes: Option<u64>,
}

#[derive(Deserialize)]
struct ProjectToml {
    #[serde(rename = "trust_level")]
    _trust_level: Option<TrustLevel>,
}

#[derive(Default, Deserialize)]
pub(crate) struct PermissionsToml {
    pub(crate) description: Option<String>,
    pub(crate) extends: Option<String>,
    #[serde(default)]
    pub(crate) filesystem: BTreeMap<String, toml::Value>,
    pub(crate) workspace_roots: Option<BTreeMap<String, bool>>,
    pub(crate) network: Option<PermissionNetworkToml>,
}

#[derive(Default, Deserialize)]
pub(crate) struct PermissionNetworkToml {
    pub(crate) enabled: Option<bool>,
    pub(crate) mode: Option<String>,
    pub(crate) domains: Option<Table>,
}

/// Limits beside the `[agents.ROLE]` tables.
#[derive(Default, Deserialize)]
pub(crate) struct AgentsToml {
    #[serde(alias = "max_concurrent_threads_per_session")]
    pub(crate) max_threads: Option<u32>,
    pub(crate) max_depth: Option<u32>,
}

/// The configured providers, checked where they are read so that an error has a place.
#[derive(Default)]
pub(crate) struct Providers(pub(crate) BTreeMap<String, ProviderConfig>);

impl<'de> Deserialize<'de> for Providers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let providers = BTreeMap::deserialize(deserializer)?;
        check_providers(&providers).map_err(D::Error::custom)?;
        Ok(Self(providers))
    }
}

/// One MCP server, reduced to what decides whether the entry makes sense; its value
/// is kept raw elsewhere.
#[derive(Deserialize)]
#[serde(try_from = "McpServerToml")]
struct McpServer;

#[derive(Deserialize)]
struct McpServerToml {
    command: Option<String>,
    #[serde(rename = "args")]
    _args: Option<Vec<String>>,
    #[serde(rename = "env")]
    _env: Option<BTreeMap<String, String>>,
    #[serde(rename = "cwd")]
    _cwd: Option<String>,
    url: Option<String>,
    bearer_token: Option<IgnoredAny>,
    #[serde(rename = "bearer_token_env_var")]
    _bearer_token_env_var: Option<String>,
    #[serde(rename = "http_headers")]
    _http_headers: Option<BTreeMap<String, String>>,
    #[serde(rename = "env_http_headers")]
    _env_http_headers: Option<BTreeMap<String, String>>,
    #[serde(rename = "enabled")]
    _enabled: Option<bool>,
    #[serde(rename = "required")]
    _required: Option<bool>,
    #[serde(rename = "startup_timeout_sec")]
    _startup_timeout_sec: Option<f64>,
    #[serde(rename = "tool_timeout_sec")]
    _tool_timeout_sec: Option<f64>,
    #[serde(rename = "enabled_tools")]
    _enabled_tools: Option<Vec<String>>,
    #[serde(rename = "disabled_tools")]
    _disabled_tools: Option<Vec<String>>,
}

impl TryFrom<McpServerToml> for McpServer {
    type Error = &'static str;

    fn try_from(entry: McpServerToml) -> Result<Self, Self::Error> {
        match (entry.command, entry.url, entry.bearer_token) {
            (Some(_), Some(_), _) => Err("url is not supported for stdio"),
            (Some(_), None, Some(_)) => Err("bearer_token is not supported for stdio"),
            (None, Some(_), Some(_)) => Err("bearer_token is not supported for streamable_http"),
            (None, None, _) => Err("invalid transport"),
            (Some(_), None, None) | (None, Some(_), None) => Ok(Self),
        }
    }
}
