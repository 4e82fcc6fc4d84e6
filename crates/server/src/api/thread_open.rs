//! thread/start, thread/resume and thread/fork.

use std::sync::Arc;

use loomd_base::ThreadId;
use loomd_protocol::{
    AbsolutePathBuf, Thread, ThreadForkParams, ThreadForkResponse, ThreadResumeParams,
    ThreadResumeResponse, ThreadStartParams, ThreadStartResponse, Turn, methods,
};
use loomd_thread::{Command, Reply, ResumeRequest, View};

use super::paging::{self, TurnQuery};
use crate::assemble::{self, Overrides};
use crate::errors::{ApiError, ApiResult, wrong_reply};
use crate::host::{Launch, Mail, Responder};
use crate::ids::{self, parse_session_id};
use crate::router::{Answer, Cx, Route, raw};

pub(crate) fn routes() -> Vec<Route> {
    vec![
        raw::<methods::ThreadStart, _>(start),
        raw::<methods::ThreadResume, _>(resume),
        raw::<methods::ThreadFork, _>(fork),
    ]
}

async fn start(cx: Cx, params: ThreadStartParams, answer: Answer<methods::ThreadStart>) {
    let connection = cx.peer.id;
    let assembly = match assemble::fresh(&cx, params) {
        Ok(assembly) => assembly,
        Err(error) => return answer.send(Err(error)),
    };
    let server = Arc::clone(&cx.server);
    let responder = Responder::new(move |result: ApiResult<Reply>| {
        answer.send(result.and_then(view).map(|view| {
            let sources = assemble::instruction_sources(&server, &view.settings.cwd);
            started(*view, sources)
        }));
    });
    let id = assembly.setup.id;
    let handle = Launch::Fresh(Box::new(assembly)).run(&cx.server, id);
    handle
        .send(
            id,
            Command::Start {
                connection,
                with_usage: false,
            },
            responder,
        )
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
    id: ThreadId,
    handle: crate::host::Handle,
    /// They count where the thread's actor says so.
    overrides: Box<Overrides>,
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
    assemble::not_both(&params.permissions, &params.sandbox, "sandbox")?;
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
    let overrides = Box::new(Overrides::from_resume(params));
    let (handle, overrides) = match cx.server.registry.get(id) {
        Some(handle) if handle.shared.is_closing() => {
            return Err(ApiError::resume_closing(&id.to_string()));
        }
        Some(handle) => (handle, overrides),
        // It is loaded with the overrides, so that its actor has none to look at.
        None => {
            let found = ids::find_rollout(&cx.server, id).await?;
            let handle = Launch::Stored(overrides, found).run(&cx.server, id);
            (handle, Box::default())
        }
    };
    Ok(Ready {
        id,
        handle,
        overrides,
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
        let mail = Mail::Resume {
            request,
            overrides: self.overrides,
            responder,
        };
        self.handle.deliver(self.id, mail).await;
    }
}

/// A copy of a thread up to now, or up to a turn; the source goes on. It is made from
/// what is on disk, which is everything that any client was told.
async fn fork(cx: Cx, params: ThreadForkParams, answer: Answer<methods::ThreadFork>) {
    let connection = cx.peer.id;
    let with_turns = !params.exclude_turns;
    let launch = match prepare_fork(&cx, params).await {
        Ok(launch) => launch,
        Err(error) => return answer.send(Err(error)),
    };
    let server = Arc::clone(&cx.server);
    let responder = Responder::new(move |result: ApiResult<Reply>| {
        answer.send(result.and_then(view).map(|view| {
            let sources = assemble::instruction_sources(&server, &view.settings.cwd);
            forked(*view, sources, with_turns)
        }));
    });
    let id = ThreadId(cx.server.ids.v7());
    let handle = launch.run(&cx.server, id);
    let command = Command::Start {
        connection,
        with_usage: with_turns,
    };
    handle.send(id, command, responder).await;
}

async fn prepare_fork(cx: &Cx, params: ThreadForkParams) -> ApiResult<Launch> {
    assemble::not_both(&params.permissions, &params.sandbox, "sandbox")?;
    if params.ephemeral || params.attach_to_source || params.before_turn_id.is_some() {
        return Err(ApiError::not_supported(
            "thread/fork with ephemeral, attachToSource or beforeTurnId",
        ));
    }
    let source = match &params.path {
        Some(path) => ids::thread_of_path(path)?,
        None => parse_session_id(&params.thread_id)?,
    };
    let found = ids::find_rollout(&cx.server, source).await?;
    let last_turn_id = params.last_turn_id.clone();
    let overrides = Overrides::from_fork(params);
    Ok(Launch::Forked(Box::new(overrides), found, last_turn_id))
}

fn view(reply: Reply) -> ApiResult<Box<View>> {
    reply.into_view().ok_or_else(wrong_reply)
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

fn forked(view: View, sources: Vec<String>, with_turns: bool) -> ThreadForkResponse {
    let turns = view.turns.clone();
    let ThreadStartResponse {
        thread,
        model,
        model_provider,
        service_tier,
        disabled_plugin_ids,
        cwd,
        runtime_workspace_roots,
        instruction_sources,
        approval_policy,
        approvals_reviewer,
        sandbox,
        active_permission_profile,
        reasoning_effort,
        multi_agent_mode,
    } = started(view, sources);
    let turns = turns.iter().filter(|_| with_turns);
    ThreadForkResponse {
        thread: Thread {
            turns: turns.map(|turn| Turn::clone(turn)).collect(),
            ..thread
        },
        model,
        model_provider,
        service_tier,
        disabled_plugin_ids,
        cwd,
        runtime_workspace_roots,
        instruction_sources,
        approval_policy,
        approvals_reviewer,
        sandbox,
        active_permission_profile,
        reasoning_effort,
        multi_agent_mode,
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
