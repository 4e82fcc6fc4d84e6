//! thread/start and thread/resume.

use std::sync::Arc;

use loomd_protocol::{
    methods, AbsolutePathBuf, Thread, ThreadResumeParams, ThreadResumeResponse, ThreadStartParams,
    ThreadStartResponse, Turn,
};
use loomd_thread::{Command, Reply, ResumeRequest, View};

use super::paging::{self, TurnQuery};
use crate::assemble::{self, Overrides};
use crate::errors::{ApiError, ApiResult};
use crate::host::{Launch, Responder};
use crate::ids::{self, parse_session_id};
use crate::router::{raw, Answer, Cx, Route};

pub(crate) fn routes() -> Vec<Route> {
    vec![
        raw::<methods::ThreadStart, _>(start),
        raw::<methods::ThreadResume, _>(resume),
    ]
}

async fn start(cx: Cx, params: ThreadStartParams, answer: Answer<methods::ThreadStart>) {
    let connection = cx.peer.id;
    let assembly = match assemble::fresh(&cx, params) {
        Ok(assembly) => assembly,
        Err(error) => return answer.send(Err(error)),
    };
    let sources = assembly.instruction_sources.clone();
    let responder = Responder::new(move |result: ApiResult<Reply>| {
        answer.send(result.and_then(view).map(|view| started(*view, sources)));
    });
    let id = assembly.setup.id;
    let handle = Launch::Fresh(Box::new(assembly)).run(&cx.server, id);
    handle
        .send(id, Command::Start { connection }, responder)
        .await;
}

async fn resume(cx: Cx, params: ThreadResumeParams, answer: Answer<methods::ThreadResume>) {
    match prepare_resume(&cx, params).await {
        Ok(ready) => ready.go(&cx, answer).await,
        Err(error) => answer.send(Err(error)),
    }
}

/// A resume whose thread is loaded or loading.
struct Ready {
    id: loomd_base::ThreadId,
    handle: crate::host::Handle,
    exclude_turns: bool,
    page: Option<TurnQuery>,
}

async fn prepare_resume(cx: &Cx, params: ThreadResumeParams) -> ApiResult<Ready> {
    if let Some(history) = &params.history {
        return Err(if history.is_empty() {
            ApiError::invalid("history must not be empty")
        } else {
            ApiError::not_supported("thread/resume with history")
        });
    }
    if params.permissions.is_some() && params.sandbox.is_some() {
        return Err(ApiError::invalid(
            "`permissions` cannot be combined with `sandbox`",
        ));
    }
    let id = match &params.path {
        Some(path) => ids::thread_of_path(path)?,
        None => parse_session_id(&params.thread_id)?,
    };
    let exclude_turns = params.exclude_turns;
    let page = params.initial_turns_page.as_ref().map(|page| TurnQuery {
        cursor: None,
        limit: page.limit,
        direction: page.sort_direction,
        view: page.items_view,
    });
    let handle = match cx.server.registry.get(id) {
        Some(handle) if handle.shared.is_closing() => {
            return Err(ApiError::resume_closing(&id.to_string()));
        }
        // Overrides of a running thread count only while nobody watches it, which
        // needs a cold resume; until that is built they are ignored like the
        // reference ignores them for a watched thread.
        Some(handle) => handle,
        None => {
            let overrides = Overrides::from_resume(params);
            let found = ids::find_rollout(&cx.server, id).await?;
            Launch::Stored(Box::new(overrides), found).run(&cx.server, id)
        }
    };
    Ok(Ready {
        id,
        handle,
        exclude_turns,
        page,
    })
}

impl Ready {
    async fn go(self, cx: &Cx, answer: Answer<methods::ThreadResume>) {
        let request = ResumeRequest {
            connection: cx.peer.id,
            with_turns: !self.exclude_turns,
        };
        let server = Arc::clone(&cx.server);
        let (page, exclude) = (self.page, self.exclude_turns);
        let responder = Responder::new(move |result: ApiResult<Reply>| {
            let result = result.and_then(view).and_then(|view| {
                let sources = assemble::instruction_sources(&server, &view.settings.cwd);
                resumed(*view, sources, exclude, page.as_ref())
            });
            answer.send(result);
        });
        self.handle
            .send(self.id, Command::Resume(request), responder)
            .await;
    }
}

fn view(reply: Reply) -> ApiResult<Box<View>> {
    match reply {
        Reply::View(view) => Ok(view),
        Reply::Turn(_) | Reply::Steered { .. } | Reply::Unsubscribed(_) | Reply::Done => Err(
            ApiError::internal("the thread answered a view with something else"),
        ),
    }
}

fn started(view: View, instruction_sources: Vec<String>) -> ThreadStartResponse {
    let settings = view.settings;
    ThreadStartResponse {
        thread: view.thread,
        model: settings.model,
        model_provider: settings.model_provider,
        service_tier: settings.service_tier,
        disabled_plugin_ids: settings.disabled_plugin_ids,
        runtime_workspace_roots: vec![settings.cwd.clone()],
        cwd: settings.cwd,
        instruction_sources,
        approval_policy: settings.approval_policy,
        approvals_reviewer: settings.approvals_reviewer,
        sandbox: settings.sandbox_policy,
        active_permission_profile: settings.active_permission_profile,
        reasoning_effort: settings.effort,
        multi_agent_mode: settings.multi_agent_mode,
    }
}

fn resumed(
    view: View,
    instruction_sources: Vec<String>,
    exclude_turns: bool,
    page: Option<&TurnQuery>,
) -> ApiResult<ThreadResumeResponse> {
    let turns = &view.turns;
    let initial_turns_page = page
        .map(|query| paging::turns_page(turns, query))
        .transpose()?;
    let turns_backwards_cursor = paging::newest_turn_cursor(turns);
    let items_backwards_cursor = paging::newest_item_cursor(turns);
    let settings = view.settings;
    let cwd: AbsolutePathBuf = settings.cwd;
    Ok(ThreadResumeResponse {
        thread: Thread {
            turns: if exclude_turns {
                Vec::new()
            } else {
                turns.iter().map(|turn| Turn::clone(turn)).collect()
            },
            ..view.thread
        },
        model: settings.model,
        model_provider: settings.model_provider,
        service_tier: settings.service_tier,
        disabled_plugin_ids: settings.disabled_plugin_ids,
        runtime_workspace_roots: vec![cwd.clone()],
        cwd,
        instruction_sources,
        approval_policy: settings.approval_policy,
        approvals_reviewer: settings.approvals_reviewer,
        sandbox: settings.sandbox_policy,
        active_permission_profile: settings.active_permission_profile,
        reasoning_effort: settings.effort,
        collaboration_mode: Some(settings.collaboration_mode),
        multi_agent_mode: settings.multi_agent_mode,
        initial_turns_page,
        turns_backwards_cursor,
        items_backwards_cursor,
    })
}
