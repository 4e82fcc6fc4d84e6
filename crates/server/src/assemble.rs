//! From a request and the configuration to a thread that can be launched.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use loomd_base::ThreadId;
use loomd_config::{ApprovalPolicy, Config, SandboxMode as ConfigSandbox};
use loomd_events::{HistoryItem, MessagePart, SessionMeta, ThreadSnapshot, TurnContext};
use loomd_protocol::{
    AbsolutePathBuf, ActivePermissionProfile, ApprovalsReviewer, AskForApproval, CollaborationMode,
    ModeKind, MultiAgentMode, Personality, ReasoningSummary, SandboxMode, SandboxPolicy, Settings,
    Thread, ThreadEnvironment, ThreadForkParams, ThreadHistoryMode, ThreadResumeParams,
    ThreadSettings, ThreadStartParams, ThreadStatus,
};
use loomd_rollout::layout;
use loomd_thread::{Origin, SharedJson, ThreadSetup};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::errors::{ApiError, ApiResult};
use crate::router::Cx;
use crate::{PROTOCOL_VERSION, Server};

/// The only place where commands run: this machine.
const LOCAL_ENVIRONMENT: &str = "local";
/// Namespace of the ids of base instruction messages, so that the same text has the
/// same id in every request. A random constant.
const INSTRUCTIONS_NAMESPACE: Uuid = Uuid::from_u128(0x6c6f_6f6d_6400_4b1d_8c2e_5a3f_9b71_0e4d);

/// A thread that is ready to be launched.
pub(crate) struct Assembly {
    pub(crate) setup: ThreadSetup,
    pub(crate) meta: SessionMeta,
    pub(crate) config: Arc<Config>,
    pub(crate) developer_instructions: Option<String>,
    pub(crate) ephemeral: bool,
}

/// A permission profile and a sandbox say the same thing twice; `member` is how the
/// request calls the latter.
pub(crate) fn not_both<S>(
    permissions: &Option<String>,
    sandbox: &Option<S>,
    member: &str,
) -> ApiResult<()> {
    if permissions.is_some() && sandbox.is_some() {
        return Err(ApiError::invalid(format!(
            "`permissions` cannot be combined with `{member}`"
        )));
    }
    Ok(())
}

/// What a request sets over the configuration.
#[derive(Debug, Default)]
pub(crate) struct Overrides {
    model: Option<String>,
    model_provider: Option<String>,
    service_tier: Option<String>,
    cwd: Option<String>,
    approval_policy: Option<AskForApproval>,
    approvals_reviewer: Option<ApprovalsReviewer>,
    sandbox: Option<SandboxMode>,
    permissions: Option<String>,
    config: Map<String, Value>,
    base_instructions: Option<String>,
    developer_instructions: Option<String>,
    personality: Option<Personality>,
}

impl Overrides {
    pub(crate) fn from_resume(params: ThreadResumeParams) -> Self {
        Self {
            model: params.model,
            model_provider: params.model_provider,
            service_tier: params.service_tier.flatten(),
            cwd: params.cwd,
            approval_policy: params.approval_policy,
            approvals_reviewer: params.approvals_reviewer,
            sandbox: params.sandbox,
            permissions: params.permissions,
            config: params.config.unwrap_or_default(),
            base_instructions: params.base_instructions,
            developer_instructions: params.developer_instructions,
            personality: params.personality,
        }
    }

    pub(crate) fn from_fork(params: ThreadForkParams) -> Self {
        Self {
            model: params.model,
            model_provider: params.model_provider,
            service_tier: params.service_tier.flatten(),
            cwd: params.cwd,
            approval_policy: params.approval_policy,
            approvals_reviewer: params.approvals_reviewer,
            sandbox: params.sandbox,
            permissions: params.permissions,
            config: params.config.unwrap_or_default(),
            base_instructions: params.base_instructions,
            developer_instructions: params.developer_instructions,
            personality: None,
        }
    }

    /// Loads the configuration with what concerns it folded in, so that it is checked
    /// like the rest.
    fn load(&mut self, server: &Server, cwd: &Path) -> ApiResult<Arc<Config>> {
        let mut config = std::mem::take(&mut self.config);
        if let Some(provider) = self.model_provider.take() {
            config.insert("model_provider".to_owned(), provider.into());
        }
        if let Some(profile) = self.permissions.take() {
            config.insert("default_permissions".to_owned(), profile.into());
        }
        if let Some(mode) = self.sandbox {
            config.insert("sandbox_mode".to_owned(), sandbox_word(mode).into());
        }
        server
            .loader
            .load(Some(cwd), &config)
            .map_err(|error| ApiError::invalid(format!("failed to load configuration: {error}")))
    }
}

/// A new thread, as `thread/start` asks for it.
pub(crate) fn fresh(cx: &Cx, params: ThreadStartParams) -> ApiResult<Assembly> {
    not_both(&params.permissions, &params.sandbox, "sandbox")?;
    let server = &cx.server;
    let id = ThreadId(server.ids.v7());
    let cwd = absolute(server, params.cwd.as_deref().unwrap_or("."));
    let ephemeral = params.ephemeral.unwrap_or(false);
    let mut overrides = Overrides {
        model: params.model,
        model_provider: params.model_provider,
        service_tier: params.service_tier.flatten(),
        cwd: None,
        approval_policy: params.approval_policy,
        approvals_reviewer: params.approvals_reviewer,
        sandbox: params.sandbox,
        permissions: params.permissions,
        config: params.config.unwrap_or_default(),
        base_instructions: params.base_instructions,
        developer_instructions: params.developer_instructions,
        personality: params.personality,
    };
    let config = overrides.load(server, cwd.as_path())?;
    let base_text = base_instructions(&overrides, &config, None);
    let settings = settings(&overrides, &config, cwd.clone(), None);
    let now = server.clock.now();
    let source = server.source.clone();
    let meta = SessionMeta {
        id,
        session_id: id,
        created_ms: now.wall_ms,
        cwd: cwd.clone().into_path_buf(),
        originator: server.user_agent.originator(),
        cli_version: PROTOCOL_VERSION.to_owned(),
        source,
        thread_source: params.thread_source,
        model_provider: settings.model_provider.clone(),
        base_instructions: Some(base_text.clone()),
        git: None,
        forked_from_id: None,
        parent_thread_id: None,
    };
    let path = (!ephemeral).then(|| rollout_path(&server.home, &meta));
    let info = Thread {
        ephemeral,
        path: path.map(|path| path.display().to_string()),
        model: Some(settings.model.clone()),
        reasoning_effort: settings.effort.clone(),
        updated_at: now.wall_s(),
        recency_at: Some(now.wall_s()),
        can_accept_direct_input: Some(true),
        environments: Some(environments(&cwd)),
        status: ThreadStatus::Idle,
        ..describe(&meta)
    };
    Ok(Assembly {
        developer_instructions: overrides
            .developer_instructions
            .or_else(|| config.developer_instructions.clone()),
        setup: ThreadSetup {
            id,
            session_id: id,
            origin: Origin::Fresh,
            info,
            settings,
            base_instructions: base_message(&base_text),
            turns: Vec::new(),
            history: Vec::new(),
            token_usage: None,
            last_seq: 0,
            read_revision: server.ids.v4().to_string(),
            unload_delay: Some(config.thread_unload_delay),
        },
        meta,
        config,
        ephemeral,
    })
}

/// A stored thread, as its rollout tells it and `thread/resume` overrides it.
pub(crate) fn stored(
    server: &Server,
    mut overrides: Overrides,
    path: &Path,
    name: Option<String>,
    snapshot: ThreadSnapshot,
) -> ApiResult<Assembly> {
    let last = snapshot.last_context.as_ref();
    let cwd = match &overrides.cwd {
        Some(cwd) => absolute(server, cwd),
        None => absolute(
            server,
            &last
                .map_or(&snapshot.meta.cwd, |context| &context.cwd)
                .to_string_lossy(),
        ),
    };
    if overrides.model_provider.is_none() && !snapshot.meta.model_provider.is_empty() {
        overrides.model_provider = Some(snapshot.meta.model_provider.clone());
    }
    let config = overrides.load(server, cwd.as_path())?;
    let base_text = base_instructions(
        &overrides,
        &config,
        snapshot.meta.base_instructions.as_deref(),
    );
    let settings = settings(&overrides, &config, cwd.clone(), last);
    let info = Thread {
        path: Some(path.display().to_string()),
        name,
        model: Some(settings.model.clone()),
        model_provider: settings.model_provider.clone(),
        reasoning_effort: settings.effort.clone(),
        can_accept_direct_input: Some(true),
        environments: Some(environments(&cwd)),
        status: ThreadStatus::Idle,
        ..describe_snapshot(&snapshot)
    };
    Ok(Assembly {
        developer_instructions: overrides
            .developer_instructions
            .or_else(|| config.developer_instructions.clone()),
        setup: ThreadSetup {
            id: snapshot.meta.id,
            session_id: snapshot.meta.session_id,
            origin: Origin::Stored,
            info,
            settings,
            base_instructions: base_message(&base_text),
            turns: snapshot.turns,
            history: snapshot.history,
            token_usage: snapshot.token_usage,
            last_seq: snapshot.last_seq,
            read_revision: server.ids.v4().to_string(),
            unload_delay: Some(config.thread_unload_delay),
        },
        meta: snapshot.meta,
        config,
        ephemeral: false,
    })
}

/// The first line of a fork of a thread.
pub(crate) fn fork_meta(server: &Server, id: ThreadId, source: SessionMeta) -> SessionMeta {
    SessionMeta {
        id,
        session_id: id,
        created_ms: server.clock.now().wall_ms,
        originator: server.user_agent.originator(),
        cli_version: PROTOCOL_VERSION.to_owned(),
        source: server.source.clone(),
        forked_from_id: Some(source.id),
        parent_thread_id: None,
        ..source
    }
}

/// What clients see of a thread by the first line of its rollout alone.
pub(crate) fn describe(meta: &SessionMeta) -> Thread {
    let created_at = meta.created_ms.div_euclid(1000);
    Thread {
        id: meta.id.to_string(),
        environments: None,
        extra: None,
        session_id: meta.session_id.to_string(),
        forked_from_id: meta.forked_from_id.map(|id| id.to_string()),
        attached_to_thread_id: None,
        parent_thread_id: meta.parent_thread_id.map(|id| id.to_string()),
        preview: String::new(),
        ephemeral: false,
        section: None,
        section_entered_at: None,
        project_id: None,
        history_mode: ThreadHistoryMode::Paginated,
        model_provider: meta.model_provider.clone(),
        model: None,
        reasoning_effort: None,
        created_at,
        updated_at: created_at,
        recency_at: Some(created_at),
        status: ThreadStatus::NotLoaded,
        path: None,
        cwd: AbsolutePathBuf::new(meta.cwd.display().to_string()).unwrap_or_else(root),
        cli_version: meta.cli_version.clone(),
        originator: Some(meta.originator.clone()),
        source: meta.source.clone(),
        can_accept_direct_input: None,
        thread_source: meta.thread_source.clone(),
        agent_nickname: None,
        agent_role: None,
        git_info: meta.git.clone(),
        name: None,
        daybreak_enabled: None,
        turns: Vec::new(),
    }
}

/// What clients see of a stored thread by all that its rollout tells.
pub(crate) fn describe_snapshot(snapshot: &ThreadSnapshot) -> Thread {
    let updated_at = snapshot.updated_ms.div_euclid(1000);
    Thread {
        preview: snapshot.preview.clone(),
        updated_at,
        recency_at: Some(
            snapshot
                .turns
                .last()
                .and_then(|turn| turn.started_at)
                .unwrap_or(updated_at),
        ),
        model: snapshot
            .last_context
            .as_ref()
            .map(|context| context.model.clone()),
        ..describe(&snapshot.meta)
    }
}

/// Where the rollout of a new thread will lie.
fn rollout_path(home: &Path, meta: &SessionMeta) -> PathBuf {
    home.join(layout::SESSIONS)
        .join(layout::date_folder(meta.created_ms))
        .join(layout::file_name(meta.created_ms, meta.id))
}

fn root() -> AbsolutePathBuf {
    AbsolutePathBuf::new("/").expect("the root is an absolute path")
}

fn environments(cwd: &AbsolutePathBuf) -> Vec<ThreadEnvironment> {
    vec![ThreadEnvironment {
        environment_id: LOCAL_ENVIRONMENT.to_owned(),
        cwd: cwd.as_str().to_owned(),
        runtime_workspace_roots: vec![cwd.as_str().to_owned()],
    }]
}

/// A path as a client writes it, taken from the server's working folder.
pub(crate) fn absolute(server: &Server, path: &str) -> AbsolutePathBuf {
    let path: PathBuf = server.environment.absolute(Path::new(path));
    AbsolutePathBuf::new(path.to_string_lossy()).unwrap_or_else(root)
}

/// JSON that is shared from here on.
pub(crate) fn shared_json(value: &Value) -> SharedJson {
    let raw = serde_json::value::to_raw_value(value).expect("a JSON value is JSON");
    SharedJson(Arc::from(raw))
}

/// The files whose text the model gets as instructions.
pub(crate) fn instruction_sources(server: &Server, cwd: &AbsolutePathBuf) -> Vec<String> {
    let Ok(config) = server.loader.load(Some(cwd.as_path()), &Map::new()) else {
        return Vec::new();
    };
    loomd_config::agents_md(&server.home, cwd.as_path(), &config)
        .sources
        .iter()
        .map(|path| path.display().to_string())
        .collect()
}

fn base_instructions(overrides: &Overrides, config: &Config, recorded: Option<&str>) -> String {
    overrides
        .base_instructions
        .as_deref()
        .or(recorded)
        .or(config.base_instructions.as_deref())
        .map_or_else(
            || loomd_model::base_instructions().to_owned(),
            str::to_owned,
        )
}

fn base_message(text: &str) -> HistoryItem {
    let id = Uuid::new_v5(&INSTRUCTIONS_NAMESPACE, text.as_bytes());
    HistoryItem::message(
        &format!("msg_{id}"),
        "developer",
        &[MessagePart::text(text)],
    )
}

/// Effective settings: the request over what the last turn ran with over the
/// configuration.
fn settings(
    overrides: &Overrides,
    config: &Config,
    cwd: AbsolutePathBuf,
    last: Option<&TurnContext>,
) -> ThreadSettings {
    let model = overrides
        .model
        .clone()
        .or_else(|| last.map(|context| context.model.clone()))
        .or_else(|| config.model.clone())
        .unwrap_or_else(|| loomd_config::catalog::default_model(&config.model_provider).to_owned());
    let effort = last
        .and_then(|context| context.effort.clone())
        .or_else(|| config.effort.clone());
    let sandbox_policy = match (overrides.sandbox, last) {
        (None, Some(context)) => context.sandbox_policy.clone(),
        (Some(_), _) | (None, None) => sandbox_policy(config),
    };
    ThreadSettings {
        disabled_plugin_ids: Vec::new(),
        environments: Some(environments(&cwd)),
        cwd,
        approval_policy: overrides
            .approval_policy
            .clone()
            .or_else(|| last.map(|context| context.approval_policy.clone()))
            .unwrap_or_else(|| ask_for_approval(&config.approval_policy)),
        approvals_reviewer: overrides.approvals_reviewer.unwrap_or(
            match config.approvals_reviewer {
                loomd_config::ApprovalsReviewer::User => ApprovalsReviewer::User,
                loomd_config::ApprovalsReviewer::AutoReview => ApprovalsReviewer::AutoReview,
            },
        ),
        sandbox_policy,
        active_permission_profile: config.active_permission_profile.as_ref().map(|id| {
            ActivePermissionProfile {
                id: id.clone(),
                extends: None,
            }
        }),
        collaboration_mode: CollaborationMode {
            mode: ModeKind::Default,
            settings: Settings {
                model: model.clone(),
                reasoning_effort: effort.clone(),
                developer_instructions: None,
            },
        },
        model,
        model_provider: config.model_provider.clone(),
        service_tier: overrides
            .service_tier
            .clone()
            .or_else(|| config.service_tier.clone()),
        effort,
        summary: config.summary.map(reasoning_summary),
        multi_agent_mode: MultiAgentMode::default(),
        personality: overrides.personality,
    }
}

fn sandbox_word(mode: SandboxMode) -> &'static str {
    match mode {
        SandboxMode::ReadOnly => "read-only",
        SandboxMode::WorkspaceWrite => "workspace-write",
        SandboxMode::DangerFullAccess => "danger-full-access",
    }
}

/// The configured sandbox as the protocol writes it.
pub(crate) fn sandbox_policy(config: &Config) -> SandboxPolicy {
    let write = &config.sandbox_workspace_write;
    match config.sandbox_mode {
        ConfigSandbox::DangerFullAccess => SandboxPolicy::DangerFullAccess,
        ConfigSandbox::ReadOnly => SandboxPolicy::ReadOnly {
            network_access: false,
        },
        ConfigSandbox::WorkspaceWrite => SandboxPolicy::WorkspaceWrite {
            network_access: write.network_access,
            writable_roots: write
                .writable_roots
                .iter()
                .filter_map(|path| AbsolutePathBuf::new(path.display().to_string()))
                .collect(),
            exclude_tmpdir_env_var: write.exclude_tmpdir_env_var,
            exclude_slash_tmp: write.exclude_slash_tmp,
        },
    }
}

fn ask_for_approval(policy: &ApprovalPolicy) -> AskForApproval {
    match policy {
        ApprovalPolicy::Untrusted => AskForApproval::Untrusted,
        ApprovalPolicy::OnRequest => AskForApproval::OnRequest,
        ApprovalPolicy::Never => AskForApproval::Never,
        ApprovalPolicy::Granular(granular) => AskForApproval::Granular {
            sandbox_approval: granular.sandbox_approval,
            rules: granular.rules,
            skill_approval: granular.skill_approval,
            request_permissions: granular.request_permissions,
            mcp_elicitations: granular.mcp_elicitations,
        },
    }
}

fn reasoning_summary(summary: loomd_config::ReasoningSummary) -> ReasoningSummary {
    match summary {
        loomd_config::ReasoningSummary::Auto => ReasoningSummary::Auto,
        loomd_config::ReasoningSummary::Concise => ReasoningSummary::Concise,
        loomd_config::ReasoningSummary::Detailed => ReasoningSummary::Detailed,
        loomd_config::ReasoningSummary::None => ReasoningSummary::None,
    }
}
