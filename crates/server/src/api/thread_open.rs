//! thread/start and thread/fork.

use std::sync::Arc;

use loomd_base::ThreadId;
use loomd_protocol::{
    Thread, ThreadForkParams, ThreadForkResponse, ThreadStartParams, ThreadStartResponse, methods,
};
use loomd_rollout::Cut;
use loomd_thread::{Command, Reply, View};

use crate::assemble::{self, Overrides};
use crate::errors::{ApiError, ApiResult, wrong_reply};
use crate::host::{ForkKind, Launch, Responder};
use crate::ids::{self, parse_session_id};
use crate::router::{Answer, Cx, Route, raw};

pub(crate) fn routes() -> Vec<Route> {
    vec![
        raw::<methods::ThreadStart, _>(start),
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
            let sources = assemble::instruction_sources(&server, &view.settings);
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
            let sources = assemble::instruction_sources(&server, &view.settings);
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
    if params.attach_to_source {
        return Err(ApiError::not_supported("thread/fork with attachToSource"));
    }
    if params.ephemeral && !params.exclude_turns {
        return Err(ApiError::invalid(
            "ephemeral paginated thread/fork requires `excludeTurns: true`",
        ));
    }
    let cut = match (&params.last_turn_id, &params.before_turn_id) {
        (Some(_), Some(_)) => {
            return Err(ApiError::invalid(
                "`beforeTurnId` cannot be combined with `lastTurnId`",
            ));
        }
        (Some(last), None) => Cut::Through(last.clone()),
        (None, Some(turn)) => Cut::Before(turn.clone()),
        (None, None) => Cut::Whole,
    };
    let source = match &params.path {
        Some(path) => ids::thread_of_path(path)?,
        None => parse_session_id(&params.thread_id)?,
    };
    let found = ids::find_rollout(&cx.server, source).await?;
    let kind = ForkKind {
        cut,
        ephemeral: params.ephemeral,
    };
    let overrides = Overrides::from_fork(params);
    Ok(Launch::Forked(Box::new(overrides), found, kind))
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
            turns: turns.cloned().collect(),
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
