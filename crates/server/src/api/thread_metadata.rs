//! thread/metadata/update, and what little there is of memory.

use loomd_base::ThreadId;
use loomd_events::StoredState;
use loomd_protocol::{
    MemoryStatusParams, MemoryStatusResponse, Thread, ThreadMemoryMode, ThreadMemoryModeSetParams,
    ThreadMemoryModeSetResponse, ThreadMemoryReadParams, ThreadMemoryReadResponse,
    ThreadMetadataGitInfoUpdateParams, ThreadMetadataUpdateParams, ThreadMetadataUpdateResponse,
    methods,
};
use loomd_thread::{Command, GitPatch, MetadataPatch, Reply};

use crate::errors::{ApiError, ApiResult, wrong_reply};
use crate::host::{Awake, wake};
use crate::ids::{locate, parse_thread_id};
use crate::router::{Cx, Route, on_read};

pub(crate) fn routes() -> Vec<Route> {
    vec![
        on_read::<methods::ThreadMetadataUpdate, _>(update),
        on_read::<methods::ThreadMemoryModeSet, _>(set_memory_mode),
        on_read::<methods::ThreadMemoryRead, _>(read_memory),
        on_read::<methods::MemoryStatus, _>(memory_status),
    ]
}

async fn update(
    cx: Cx,
    params: ThreadMetadataUpdateParams,
) -> ApiResult<ThreadMetadataUpdateResponse> {
    let id = parse_thread_id(&params.thread_id)?;
    if let Some(project) = params.project_id.as_ref().filter(|id| !id.is_empty()) {
        return Err(ApiError::invalid(format!("project not found: {project}")));
    }
    let patch = MetadataPatch {
        git: params.git_info.map(git_patch).transpose()?,
        daybreak: params.daybreak_enabled,
    };
    // There are no projects, so every thread is out of them already.
    if patch == MetadataPatch::default() && params.project_id.is_none() {
        return Err(ApiError::invalid(
            "thread metadata update must include at least one field",
        ));
    }
    let command = Command::UpdateMetadata(Box::new(patch.clone()));
    let thread = match change(&cx, id, command).await? {
        Changed::Loaded(reply) => reply.into_view().ok_or_else(wrong_reply)?.thread,
        Changed::Archived => {
            change_archived(&cx, id, move |state, thread| {
                if let Some(git) = patch.git {
                    let old = state.git.as_ref().or(thread.git_info.as_ref());
                    state.git = Some(git.applied(old));
                }
                state.daybreak = patch.daybreak.or(state.daybreak);
            })
            .await?
        }
    };
    Ok(ThreadMetadataUpdateResponse { thread })
}

fn git_patch(params: ThreadMetadataGitInfoUpdateParams) -> ApiResult<GitPatch> {
    let patch = GitPatch {
        sha: trimmed("sha", params.sha)?,
        branch: trimmed("branch", params.branch)?,
        origin_url: trimmed("originUrl", params.origin_url)?,
    };
    if patch == GitPatch::default() {
        return Err(ApiError::invalid("gitInfo must include at least one field"));
    }
    Ok(patch)
}

fn trimmed(member: &str, value: Option<Option<String>>) -> ApiResult<Option<Option<String>>> {
    let value = value.map(|value| value.map(|text| text.trim().to_owned()));
    match &value {
        Some(Some(text)) if text.is_empty() => Err(ApiError::invalid(format!(
            "gitInfo.{member} must not be empty"
        ))),
        Some(_) | None => Ok(value),
    }
}

async fn set_memory_mode(
    cx: Cx,
    params: ThreadMemoryModeSetParams,
) -> ApiResult<ThreadMemoryModeSetResponse> {
    let id = parse_thread_id(&params.thread_id)?;
    let disabled = params.mode == ThreadMemoryMode::Disabled;
    if let Changed::Archived = change(&cx, id, Command::SetMemoryMode { disabled }).await? {
        change_archived(&cx, id, move |state, _| state.memory_disabled = disabled).await?;
    }
    Ok(ThreadMemoryModeSetResponse {})
}

/// Where a change of what a thread keeps was made.
enum Changed {
    /// By its actor.
    Loaded(Reply),
    /// Nowhere yet: the thread is archived.
    Archived,
}

async fn change(cx: &Cx, id: ThreadId, command: Command) -> ApiResult<Changed> {
    let no_rollout = || ApiError::no_rollout(&id.to_string());
    match wake(&cx.server, id).await? {
        Awake::NotThere => Err(no_rollout()),
        Awake::Archived => Ok(Changed::Archived),
        Awake::Yes => {
            let reply = cx.server.registry.ask(id, command).await;
            reply.ok_or_else(no_rollout)?.map(Changed::Loaded)
        }
    }
}

async fn change_archived(
    cx: &Cx,
    id: ThreadId,
    change: impl FnOnce(&mut StoredState, &Thread) + Send + 'static,
) -> ApiResult<Thread> {
    let found = locate(&cx.server, id).await?;
    let found = found.ok_or_else(|| ApiError::no_rollout(&id.to_string()))?;
    let server = cx.server.clone();
    crate::blocking(move || server.library.change_archived(&found, id, change)).await?
}

/// Nothing is remembered between threads, so there is nothing to read.
async fn read_memory(
    cx: Cx,
    params: ThreadMemoryReadParams,
) -> ApiResult<ThreadMemoryReadResponse> {
    let id = parse_thread_id(&params.thread_id)?;
    match cx.server.registry.get(id) {
        Some(_) => Ok(ThreadMemoryReadResponse { summary: None }),
        None => Err(ApiError::thread_not_found(&params.thread_id)),
    }
}

async fn memory_status(_cx: Cx, params: MemoryStatusParams) -> ApiResult<MemoryStatusResponse> {
    if let Some(0 | 4097..) = params.min_consolidated_threads {
        return Err(ApiError::invalid_params(
            "minConsolidatedThreads must be between 1 and 4096",
        ));
    }
    Ok(MemoryStatusResponse::default())
}
