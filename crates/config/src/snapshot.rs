//! The snapshot: everything the server needs to know, resolved and typed.
//!
//! A snapshot is never changed. What loomd only passes on (MCP servers, feature
//! flags, hooks, skills) is kept as JSON as it was written.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use serde_json::Value as Json;
use toml::Table;

use crate::error::ConfigError;
use crate::layer::{Layer, LayerInfo};
use crate::loader::{Loader, Stack};
use crate::permissions::{self, Access, ActiveProfile, PermissionProfile};
use crate::project::ProjectTrust;
use crate::provider::{self, OPENAI, ProviderConfig};
use crate::schema::{AgentsToml, ConfigToml, HistoryToml, ShellEnvironmentToml};
use crate::value::to_json;
use crate::words::{
    ApprovalPolicy, ApprovalsReviewer, AutoCompactScope, EnvironmentInherit, HistoryPersistence,
    ReasoningSummary, SandboxMode, TrustLevel, Verbosity, WebSearchMode,
};

/// The file or folder that marks the top of a project when none is configured.
pub(crate) const ROOT_MARKER_DEFAULT: &str = ".git";
/// Bytes of project instructions given to the model.
pub(crate) const PROJECT_DOC_BYTES_DEFAULT: usize = 32 * 1024;
/// Bytes that loaded threads may take together where nothing is configured.
const LOADED_BYTES_DEFAULT: u64 = 1024 * 1024 * 1024;
/// Threads that may be loaded together where nothing is configured.
const LOADED_THREADS_DEFAULT: usize = 10_000;
/// How long an idle thread that nobody watches stays loaded. The reference has one
/// minute; half an hour lets a client come back to a warm thread.
const UNLOAD_DELAY_DEFAULT: Duration = Duration::from_secs(30 * 60);
const BACKGROUND_DELAY_DEFAULT: Duration = Duration::from_secs(12 * 60 * 60);
/// The longest a background terminal may be waited for.
pub(crate) const TERMINAL_TIMEOUT_DEFAULT: Duration = Duration::from_secs(300);
/// Subagents at a time, and how deep they may start further ones.
const AGENT_LIMITS_DEFAULT: AgentLimits = AgentLimits {
    max_threads: 6,
    max_depth: 1,
};

/// The configuration at one moment, for one working folder and request.
#[derive(Clone, PartialEq)]
pub struct Config {
    /// The home folder.
    pub home: PathBuf,
    /// The working folder it was loaded for, absolute.
    pub cwd: Option<PathBuf>,
    /// The top of the project around `cwd`, if a marker was found.
    pub project_root: Option<PathBuf>,
    /// Trust of the project around `cwd`; absent without `cwd`.
    pub trust: Option<ProjectTrust>,

    /// The model; none leaves the choice to [`crate::catalog::default_model`].
    pub model: Option<String>,
    /// The model for reviews, if it is another one.
    pub review_model: Option<String>,
    /// The provider's id; it is a key of `providers`.
    pub model_provider: String,
    /// All providers, built in and configured.
    pub providers: BTreeMap<String, ProviderConfig>,
    /// Reasoning effort; any word, since hosts differ.
    pub effort: Option<String>,
    /// Reasoning effort in plan mode.
    pub plan_mode_effort: Option<String>,
    /// Reasoning summaries.
    pub summary: Option<ReasoningSummary>,
    /// Length of answers.
    pub verbosity: Option<Verbosity>,
    /// The host's service tier.
    pub service_tier: Option<String>,
    /// Tokens of the model's window, over what the catalogue says.
    pub context_window: Option<u64>,
    /// Tokens from which the thread is compacted by itself.
    pub auto_compact_token_limit: Option<u64>,
    /// What that limit is compared with.
    pub auto_compact_scope: AutoCompactScope,
    /// Tokens of a tool's output that the model is shown.
    pub tool_output_token_limit: Option<u64>,

    /// Base instructions in place of the built-in ones: the text of
    /// `model_instructions_file`, else `instructions`.
    pub base_instructions: Option<String>,
    /// Further instructions, as a developer message.
    pub developer_instructions: Option<String>,
    /// The prompt that asks for a compaction summary, in place of the built-in one.
    pub compact_prompt: Option<String>,
    /// A style of answers, as its word.
    pub personality: Option<String>,

    /// When the user is asked. Without a setting: `untrusted` in a project marked
    /// untrusted, else `on-request`.
    pub approval_policy: ApprovalPolicy,
    /// Who is asked.
    pub approvals_reviewer: ApprovalsReviewer,
    /// What commands may write. Without a setting: `workspace-write` in a project
    /// whose trust is known either way, else `read-only`.
    pub sandbox_mode: SandboxMode,
    /// Details of `workspace-write`.
    pub sandbox_workspace_write: SandboxWorkspaceWrite,
    /// The permission profile in force; none when `sandbox_mode` decided.
    pub active_permission_profile: Option<ActiveProfile>,
    /// Permission profiles that can be chosen.
    pub permission_profiles: Vec<PermissionProfile>,
    /// Whether a command may ask for a login shell.
    pub allow_login_shell: bool,
    /// Which variables commands get.
    pub shell_environment_policy: ShellEnvironmentPolicy,

    /// Bytes of project instructions; 0 leaves them out.
    pub project_doc_max_bytes: usize,
    /// Names to look for where a folder has no AGENTS.md.
    pub project_doc_fallback_filenames: Vec<String>,
    /// What marks the top of a project.
    pub project_root_markers: Vec<String>,

    /// The longest a background terminal may be waited for.
    pub background_terminal_max_timeout: Duration,
    /// How long an idle thread that nobody watches stays loaded (default half an hour).
    pub thread_unload_delay: Duration,
    /// The same while commands of it run in the background, if that is longer (default 12
    /// hours).
    pub background_unload_delay: Duration,
    /// Bytes that loaded threads may take together; beyond it idle ones that nobody
    /// watches are unloaded (default 1 GiB).
    pub max_loaded_bytes: u64,
    /// Threads that may be loaded together, likewise (default 10,000).
    pub max_loaded_threads: usize,
    /// Reasoning is not shown to clients.
    pub hide_agent_reasoning: bool,
    /// Raw reasoning is shown to clients.
    pub show_raw_agent_reasoning: bool,
    /// The prompt history file.
    pub history: History,
    /// Which context texts the model gets.
    pub include: ContextSwitches,
    /// Hosted web search, if anything is said about it.
    pub web_search: Option<WebSearchMode>,
    /// Program run after a turn, with one JSON argument; empty for none.
    pub notify: Vec<String>,
    /// Limits of subagents.
    pub agent_limits: AgentLimits,
    /// Folder of log files, if set.
    pub log_dir: Option<PathBuf>,
    /// Folder of the index databases, if set.
    pub sqlite_home: Option<PathBuf>,

    /// `[mcp_servers.NAME]` as written; each has either `command` or `url`.
    pub mcp_servers: BTreeMap<String, Json>,
    /// `[features]` as written.
    pub features: serde_json::Map<String, Json>,
    /// `[tools]` as written.
    pub tools: serde_json::Map<String, Json>,
    /// `[skills]` as written.
    pub skills: serde_json::Map<String, Json>,
    /// `[analytics]` as written.
    pub analytics: serde_json::Map<String, Json>,
    /// The layers, uppermost first, for what is read per file (hooks, rules, skills).
    pub layers: Vec<LayerInfo>,
}

/// `[sandbox_workspace_write]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SandboxWorkspaceWrite {
    /// Absolute folders that may be written beside the working folder.
    pub writable_roots: Vec<PathBuf>,
    /// Whether commands reach the network.
    pub network_access: bool,
    /// Leaves `$TMPDIR` read-only.
    pub exclude_tmpdir_env_var: bool,
    /// Leaves `/tmp` read-only.
    pub exclude_slash_tmp: bool,
}

/// `[shell_environment_policy]`. It has no debug output: `set` may hold keys.
#[derive(Clone, PartialEq, Eq)]
pub struct ShellEnvironmentPolicy {
    /// What is taken from the server's environment.
    pub inherit: EnvironmentInherit,
    /// Keeps variables whose names contain KEY, SECRET or TOKEN; the default, as
    /// seen in the reference.
    pub ignore_default_excludes: bool,
    /// Patterns (`*`, `?`, any case) of names to drop.
    pub exclude: Vec<String>,
    /// Variables to set.
    pub set: BTreeMap<String, String>,
    /// Patterns of the only names to keep; empty keeps all.
    pub include_only: Vec<String>,
    /// Runs commands in the user's login profile.
    pub use_profile: bool,
}

/// `[history]`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct History {
    /// Whether it is written.
    pub persistence: HistoryPersistence,
    /// Bytes from which it is trimmed.
    pub max_bytes: Option<u64>,
}

/// The `include_*` keys; all are on unless switched off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContextSwitches {
    /// The environment block.
    pub environment: bool,
    /// Date and time zone in it.
    pub environment_time: bool,
    /// The permissions block.
    pub permissions: bool,
    /// Texts about apps.
    pub apps: bool,
    /// The collaboration mode's text.
    pub collaboration_mode: bool,
}

/// Limits of `[agents]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgentLimits {
    /// Subagents at a time.
    pub max_threads: u32,
    /// How deep subagents may start others.
    pub max_depth: u32,
}

/// Shows what identifies a snapshot; the rest may hold keys (MCP servers, variables).
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("cwd", &self.cwd)
            .field("model", &self.model)
            .field("model_provider", &self.model_provider)
            .finish_non_exhaustive()
    }
}

impl Config {
    /// The provider in force.
    #[must_use]
    pub fn provider(&self) -> &ProviderConfig {
        self.providers
            .get(&self.model_provider)
            .expect("a snapshot names a provider it holds")
    }

    /// A feature flag, if the configuration says something about it.
    #[must_use]
    pub fn feature(&self, name: &str) -> Option<bool> {
        self.features.get(name)?.as_bool()
    }

    /// Whether the model is offered a tool, if the configuration says something about it:
    /// `[tools.NAME] enabled`.
    #[must_use]
    pub fn tool(&self, name: &str) -> Option<bool> {
        self.tools.get(name)?.get("enabled")?.as_bool()
    }
}

pub(crate) fn build(
    loader: &Loader,
    stack: Stack,
    typed: ConfigToml,
) -> Result<Config, ConfigError> {
    let providers = providers(loader, &typed);
    let model_provider = typed
        .model_provider
        .clone()
        .unwrap_or_else(|| OPENAI.to_owned());
    if !providers.contains_key(&model_provider) {
        return Err(ConfigError::UnknownProvider(model_provider));
    }
    let access = access(loader, &stack, &typed)?;
    let permission_profiles = permissions::list(&typed);
    let include = context_switches(&typed);
    let base_instructions = text_of(
        loader,
        typed.model_instructions_file.as_deref(),
        "model instructions file",
    )?
    .or(typed.instructions);
    let compact_prompt = text_of(
        loader,
        typed.experimental_compact_prompt_file.as_deref(),
        "compact prompt file",
    )?
    .or(typed.compact_prompt);
    let raw = |key: &str| object(&stack.merged, key);
    let project = stack.project.as_ref();
    Ok(Config {
        home: loader.home.clone(),
        cwd: project.map(|project| project.cwd.clone()),
        project_root: project.and_then(|project| project.root.clone()),
        trust: project.map(|project| ProjectTrust {
            folder: project.trust_folder().to_owned(),
            level: stack.trust,
        }),
        permission_profiles,
        shell_environment_policy: shell_environment(typed.shell_environment_policy),
        model: typed.model.filter(|model| !model.is_empty()),
        review_model: typed.review_model,
        model_provider,
        providers,
        effort: typed.model_reasoning_effort,
        plan_mode_effort: typed.plan_mode_reasoning_effort,
        summary: typed.model_reasoning_summary,
        verbosity: typed.model_verbosity,
        service_tier: typed.service_tier,
        context_window: positive(typed.model_context_window),
        auto_compact_token_limit: positive(typed.model_auto_compact_token_limit),
        auto_compact_scope: typed
            .model_auto_compact_token_limit_scope
            .unwrap_or_default(),
        tool_output_token_limit: typed.tool_output_token_limit,
        base_instructions,
        developer_instructions: typed.developer_instructions,
        compact_prompt,
        personality: typed.personality,
        approval_policy: typed
            .approval_policy
            .unwrap_or_else(|| approval_without_setting(stack.trust)),
        approvals_reviewer: typed.approvals_reviewer.unwrap_or_default(),
        sandbox_mode: access.mode,
        sandbox_workspace_write: access.write,
        active_permission_profile: access.profile,
        allow_login_shell: typed.allow_login_shell.unwrap_or(true),
        project_doc_max_bytes: typed
            .project_doc_max_bytes
            .unwrap_or(PROJECT_DOC_BYTES_DEFAULT),
        project_doc_fallback_filenames: typed.project_doc_fallback_filenames.unwrap_or_default(),
        project_root_markers: typed
            .project_root_markers
            .unwrap_or_else(|| vec![ROOT_MARKER_DEFAULT.to_owned()]),
        background_terminal_max_timeout: typed
            .background_terminal_max_timeout
            .map_or(TERMINAL_TIMEOUT_DEFAULT, Duration::from_millis),
        thread_unload_delay: typed
            .thread_unload_delay_secs
            .map_or(UNLOAD_DELAY_DEFAULT, Duration::from_secs),
        background_unload_delay: typed
            .background_unload_delay_secs
            .map_or(BACKGROUND_DELAY_DEFAULT, Duration::from_secs),
        max_loaded_bytes: typed.max_loaded_bytes.unwrap_or(LOADED_BYTES_DEFAULT),
        max_loaded_threads: typed.max_loaded_threads.unwrap_or(LOADED_THREADS_DEFAULT),
        hide_agent_reasoning: typed.hide_agent_reasoning.unwrap_or(false),
        show_raw_agent_reasoning: typed.show_raw_agent_reasoning.unwrap_or(false),
        history: history(typed.history),
        include,
        web_search: typed.web_search,
        notify: typed.notify.unwrap_or_default(),
        agent_limits: agent_limits(typed.agents),
        log_dir: typed.log_dir,
        sqlite_home: typed.sqlite_home,
        mcp_servers: raw("mcp_servers").into_iter().collect(),
        features: raw("features"),
        tools: raw("tools"),
        skills: raw("skills"),
        analytics: raw("analytics"),
        layers: stack.layers.iter().rev().map(LayerInfo::of).collect(),
    })
}

fn providers(loader: &Loader, typed: &ConfigToml) -> BTreeMap<String, ProviderConfig> {
    let openai_base_url = typed.openai_base_url.as_deref();
    let mut providers = provider::built_in(openai_base_url, &loader.environment);
    providers.extend(typed.model_providers.0.clone());
    providers
}

/// What commands may write, and the profile that says so. The uppermost layer that
/// has a word on it decides; in one layer the profile wins over the mode, as in the
/// reference.
fn access(loader: &Loader, stack: &Stack, typed: &ConfigToml) -> Result<Access, ConfigError> {
    let write = typed.sandbox_workspace_write.as_ref().map_or_else(
        SandboxWorkspaceWrite::default,
        |section| SandboxWorkspaceWrite {
            writable_roots: section.writable_roots.clone(),
            network_access: section.network_access,
            exclude_tmpdir_env_var: section.exclude_tmpdir_env_var,
            exclude_slash_tmp: section.exclude_slash_tmp,
        },
    );
    let has = |layer: &&Layer, key: &str| layer.content.resolved.contains_key(key);
    let deciding = stack
        .layers
        .iter()
        .rev()
        .filter(|layer| layer.counts())
        .find(|layer| has(layer, "default_permissions") || has(layer, "sandbox_mode"));
    let by_profile = deciding.is_some_and(|layer| has(&layer, "default_permissions"));
    if let (true, Some(id)) = (by_profile, &typed.default_permissions) {
        return permissions::access(id, typed, &write, &loader.environment);
    }
    if let Some(mode) = typed.sandbox_mode {
        return Ok(Access {
            mode,
            write,
            profile: None,
        });
    }
    let id = match stack.trust {
        Some(TrustLevel::Trusted | TrustLevel::Untrusted) => ":workspace",
        None => ":read-only",
    };
    permissions::access(id, typed, &write, &loader.environment)
}

fn history(section: Option<HistoryToml>) -> History {
    let section = section.unwrap_or_default();
    History {
        persistence: section.persistence.unwrap_or_default(),
        max_bytes: section.max_bytes,
    }
}

fn context_switches(typed: &ConfigToml) -> ContextSwitches {
    let on = |switch: Option<bool>| switch.unwrap_or(true);
    ContextSwitches {
        environment: on(typed.include_environment_context),
        environment_time: on(typed.include_environment_context_time),
        permissions: on(typed.include_permissions_instructions),
        apps: on(typed.include_apps_instructions),
        collaboration_mode: on(typed.include_collaboration_mode_instructions),
    }
}

fn agent_limits(section: Option<AgentsToml>) -> AgentLimits {
    let section = section.unwrap_or_default();
    let default = AGENT_LIMITS_DEFAULT;
    AgentLimits {
        max_threads: section.max_threads.unwrap_or(default.max_threads),
        max_depth: section.max_depth.unwrap_or(default.max_depth),
    }
}

fn approval_without_setting(trust: Option<TrustLevel>) -> ApprovalPolicy {
    match trust {
        Some(TrustLevel::Untrusted) => ApprovalPolicy::Untrusted,
        Some(TrustLevel::Trusted) | None => ApprovalPolicy::OnRequest,
    }
}

fn shell_environment(section: Option<ShellEnvironmentToml>) -> ShellEnvironmentPolicy {
    let section = section.unwrap_or_default();
    ShellEnvironmentPolicy {
        inherit: section.inherit.unwrap_or_default(),
        ignore_default_excludes: section.ignore_default_excludes.unwrap_or(true),
        exclude: section.exclude.unwrap_or_default(),
        set: section.set.unwrap_or_default(),
        include_only: section.include_only.unwrap_or_default(),
        use_profile: section.experimental_use_profile.unwrap_or(false),
    }
}

fn text_of(
    loader: &Loader,
    path: Option<&Path>,
    what: &'static str,
) -> Result<Option<String>, ConfigError> {
    let Some(path) = path else { return Ok(None) };
    let text = loader.text(path, what)?.text.trim().to_owned();
    if text.is_empty() {
        return Err(ConfigError::Unreadable {
            what,
            path: path.to_owned(),
            message: "it is empty".to_owned(),
        });
    }
    Ok(Some(text))
}

fn positive(figure: Option<i64>) -> Option<u64> {
    figure
        .and_then(|figure| u64::try_from(figure).ok())
        .filter(|figure| *figure > 0)
}

fn object(merged: &Table, key: &str) -> serde_json::Map<String, Json> {
    match merged.get(key).map(to_json) {
        Some(Json::Object(entries)) => entries,
        Some(_) | None => serde_json::Map::new(),
    }
}
