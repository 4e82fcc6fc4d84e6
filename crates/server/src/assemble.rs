//! From a request and the configuration to a thread that can be launched.

mod permissions;
mod settings;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use loomd_base::ThreadId;
use loomd_config::Config;
use loomd_events::{HistoryItem, MessagePart, SessionMeta, ThreadSnapshot};
use loomd_protocol::{
    AbsolutePathBuf, Thread, ThreadEnvironment, ThreadHistoryMode, ThreadSettings, ThreadSource,
    ThreadStartParams, ThreadStatus,
};
use loomd_rollout::layout;
use loomd_thread::{Kept, Origin, SharedJson, ThreadSetup};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::errors::{ApiError, ApiResult};
use crate::router::Cx;
use crate::{PROTOCOL_VERSION, Server};

pub(crate) use permissions::{confines, may_read, permissions, site};
pub(crate) use settings::{Overrides, policy_word};

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
    /// What the client that resumes it is told first.
    pub(crate) notice: Option<String>,
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

/// A new thread, as `thread/start` asks for it.
pub(crate) fn fresh(cx: &Cx, params: ThreadStartParams) -> ApiResult<Assembly> {
    not_both(&params.permissions, &params.sandbox, "sandbox")?;
    let overrides = Overrides {
        model: params.model,
        model_provider: params.model_provider,
        service_tier: params.service_tier.flatten(),
        cwd: params.cwd,
        approval_policy: params.approval_policy,
        approvals_reviewer: params.approvals_reviewer,
        sandbox: params.sandbox,
        permissions: params.permissions,
        confines: false,
        config: params.config.unwrap_or_default(),
        base_instructions: params.base_instructions,
        developer_instructions: params.developer_instructions,
        personality: params.personality,
    };
    let kind = Kind {
        origin: Origin::Fresh,
        ephemeral: params.ephemeral.unwrap_or(false),
        thread_source: params.thread_source,
    };
    new_thread(cx, overrides, kind)
}

/// A new thread for a history that a client brings along: it is announced like a
/// stored one, and written down at once.
pub(crate) fn of_history(cx: &Cx, overrides: Overrides) -> ApiResult<Assembly> {
    let kind = Kind {
        origin: Origin::Stored,
        ephemeral: false,
        thread_source: None,
    };
    new_thread(cx, overrides, kind)
}

/// What kind of new thread.
struct Kind {
    origin: Origin,
    ephemeral: bool,
    thread_source: Option<ThreadSource>,
}

fn new_thread(cx: &Cx, mut overrides: Overrides, kind: Kind) -> ApiResult<Assembly> {
    let server = &cx.server;
    let id = ThreadId(server.ids.v7());
    let cwd = absolute(server, overrides.cwd.as_deref().unwrap_or("."));
    let ephemeral = kind.ephemeral;
    let config = overrides.load(server, cwd.as_path(), None)?;
    let (base_text, base_message) = base_instructions(server, &overrides, &config, None);
    let (settings, file_rules) = settings::settings(&overrides, &config, cwd.clone(), None);
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
        thread_source: kind.thread_source,
        model_provider: settings.model_provider.clone(),
        base_instructions: Some(base_text),
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
            origin: kind.origin,
            info,
            settings,
            file_rules,
            base_instructions: base_message,
            turns: Vec::new(),
            history: Vec::new(),
            token_usage: None,
            last_seq: 0,
            read_revision: server.ids.v4().to_string(),
            unload_delay: Some(config.thread_unload_delay),
            background_delay: config.background_unload_delay,
            kept: Kept::default(),
            awaiting: None,
        },
        meta,
        config,
        ephemeral,
        notice: None,
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
    let last_profile = last.and_then(|last| last.profile.as_ref());
    let last_profile = last_profile.map(|profile| profile.id.as_str());
    let config = overrides.load(server, cwd.as_path(), last_profile)?;
    let (base_text, base_message) = base_instructions(
        server,
        &overrides,
        &config,
        snapshot.meta.base_instructions.as_deref(),
    );
    let (settings, file_rules) = settings::settings(&overrides, &config, cwd.clone(), last);
    let notice = last
        .map(|context| &context.model)
        .filter(|recorded| **recorded != settings.model)
        .map(|recorded| {
            format!(
                "This session was recorded with model `{recorded}` but is resuming with `{}`.",
                settings.model
            )
        });
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
            file_rules,
            base_instructions: base_message,
            turns: snapshot.turns,
            history: snapshot.history,
            token_usage: snapshot.token_usage,
            last_seq: snapshot.last_seq,
            read_revision: server.ids.v4().to_string(),
            unload_delay: Some(config.thread_unload_delay),
            background_delay: config.background_unload_delay,
            kept: Kept::default(),
            awaiting: None,
        },
        meta: SessionMeta {
            base_instructions: Some(base_text),
            ..snapshot.meta
        },
        config,
        ephemeral: false,
        notice,
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

/// The files whose text the model gets as instructions in a thread with these settings.
pub(crate) fn instruction_sources(server: &Server, settings: &ThreadSettings) -> Vec<String> {
    let cwd = &settings.cwd;
    let Ok(config) = server.loader.load(Some(cwd.as_path()), &Map::new()) else {
        return Vec::new();
    };
    let profile = settings.active_permission_profile.as_ref();
    let rules = profile
        .and_then(|profile| permissions(server, cwd, &profile.id).ok())
        .and_then(|permissions| permissions.file_rules);
    let may_read = may_read(server, settings, rules.as_deref());
    loomd_config::agents_md(&server.home, cwd.as_path(), &config, &may_read)
        .sources
        .iter()
        .map(|path| path.display().to_string())
        .collect()
}

fn base_instructions(
    server: &Server,
    overrides: &Overrides,
    config: &Config,
    recorded: Option<&str>,
) -> (Arc<str>, HistoryItem) {
    let text = overrides
        .base_instructions
        .as_deref()
        .or(recorded)
        .or(config.base_instructions.as_deref())
        .unwrap_or_else(|| loomd_model::base_instructions());
    server.in_common.instructions.share(text, |text| {
        let id = Uuid::new_v5(&INSTRUCTIONS_NAMESPACE, text.as_bytes());
        HistoryItem::message(
            &format!("msg_{id}"),
            "developer",
            &[MessagePart::text(text)],
        )
    })
}
