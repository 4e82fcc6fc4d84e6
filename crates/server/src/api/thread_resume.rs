//! thread/resume: of a loaded thread, of a stored one, and of a history that the client
//! brings along.

use std::path::Path;
use std::sync::Arc;

use loomd_base::ThreadId;
use loomd_events::HistoryItem;
use loomd_protocol::{
    AbsolutePathBuf, LoomdPosition, LoomdResume, Thread, ThreadResumeParams, ThreadResumeResponse,
    TurnItemsView, TurnsPage, methods,
};
use loomd_rollout::layout::Found;
use loomd_thread::{Command, Reply, ResumeRequest, TurnWindow, View};
use serde_json::Value;

use super::paging::{self, TurnQuery};
use super::{redact, thread_manage};
use crate::Server;
use crate::assemble::{self, Overrides};
use crate::errors::{ApiError, ApiResult, wrong_reply};
use crate::host::{Handle, Launch, Mail, Responder};
use crate::ids::{self, parse_session_id};
use crate::router::{Answer, Cx, Route, raw};

pub(crate) fn routes() -> Vec<Route> {
    vec![raw::<methods::ThreadResume, _>(resume)]
}

async fn resume(cx: Cx, mut params: ThreadResumeParams, answer: Answer<methods::ThreadResume>) {
    let shape = Shape::of(&cx, &params);
    match prepare(&cx, &mut params).await {
        Ok(ready) => ready.go(&cx, shape, answer).await,
        Err(error) => answer.send(Err(error)),
    }
}

/// A resume whose thread is loaded or loading.
struct Ready {
    id: ThreadId,
    handle: Handle,
    /// They count where the thread's actor says so.
    overrides: Box<Overrides>,
    /// Where the thread was just made, its history has no turns to tell of.
    from_history: bool,
}

impl Ready {
    /// Of a thread that was loaded already.
    fn loaded(id: ThreadId, handle: Handle, params: &ThreadResumeParams) -> Self {
        Self {
            id,
            handle,
            overrides: Box::new(Overrides::from_resume(params)),
            from_history: false,
        }
    }

    async fn go(self, cx: &Cx, shape: Shape, answer: Answer<methods::ThreadResume>) {
        let id = self.id;
        let request = ResumeRequest {
            connection: cx.peer.id,
            with_turns: !shape.exclude_turns && !self.from_history,
            page: shape.window(),
            replay_after: shape.own.after,
            observe: shape.own.observe,
        };
        let server = Arc::clone(&cx.server);
        let responder = Responder::new(move |result: ApiResult<Reply>| {
            let result = result
                .map_err(|error| error.for_resume(&id.to_string()))
                .and_then(|reply| reply.into_view().ok_or_else(wrong_reply))
                .and_then(|view| shape.response(&server, *view));
            answer.send(result);
        });
        let mail = Mail::Resume {
            request: Box::new(request),
            overrides: self.overrides,
            responder,
        };
        self.handle.deliver(id, mail).await;
    }
}

/// Looks for the thread: first among the loaded ones by its id, then by the history,
/// the path or the id, in this order.
async fn prepare(cx: &Cx, params: &mut ThreadResumeParams) -> ApiResult<Ready> {
    assemble::not_both(&params.permissions, &params.sandbox, "sandbox")?;
    let path = params.path.take().filter(|path| !path.is_empty());
    let named = parse_session_id(&params.thread_id);
    if let Ok(id) = named
        && let Some(handle) = cx.server.registry.get(id)
    {
        if handle.shared.is_closing() {
            return Err(ApiError::resume_closing(&id.to_string()));
        }
        if params.history.is_some() {
            return Err(ApiError::invalid(format!(
                "cannot resume thread {id} with history while it is already running"
            )));
        }
        if let Some(path) = &path {
            check_path(&cx.server, id, path).await?;
        }
        return Ok(Ready::loaded(id, handle, params));
    }
    if let Some(history) = params.history.take() {
        return from_history(cx, &history, params).await;
    }
    let (id, found) = match path {
        Some(path) => by_path(&cx.server, &path).await?,
        None => {
            let id = named?;
            (id, ids::find_rollout(&cx.server, id).await?)
        }
    };
    if let Some(handle) = cx.server.registry.get(id) {
        if handle.shared.is_closing() {
            return Err(ApiError::resume_closing(&id.to_string()));
        }
        return Ok(Ready::loaded(id, handle, params));
    }
    // It is loaded with the overrides, so that its actor has none to look at.
    let overrides = Box::new(Overrides::from_resume(params));
    Ok(Ready {
        id,
        handle: Launch::Stored(overrides, found).run(&cx.server, id),
        overrides: Box::default(),
        from_history: false,
    })
}

/// A running thread is only resumed by the path that it writes to.
async fn check_path(server: &Server, id: ThreadId, requested: &str) -> ApiResult<()> {
    let view = match server
        .registry
        .ask(id, Command::View { turns: false })
        .await
    {
        Some(reply) => reply
            .map_err(|error| error.for_resume(&id.to_string()))?
            .into_view()
            .ok_or_else(wrong_reply)?,
        None => return Err(ApiError::resume_closing(&id.to_string())),
    };
    let Some(active) = view.thread.path else {
        return Err(ApiError::no_rollout(&id.to_string()));
    };
    if Path::new(requested) == Path::new(&active) {
        return Ok(());
    }
    Err(ApiError::invalid(format!(
        "cannot resume running thread {id} with stale path: requested `{requested}`, active `{active}`"
    )))
}

/// The thread whose rollout lies at a path; it must lie where threads are kept.
async fn by_path(server: &Server, requested: &str) -> ApiResult<(ThreadId, Found)> {
    let path = server.environment.absolute(Path::new(requested));
    let there = path.clone();
    if !crate::blocking(move || there.exists()).await? {
        return Err(ApiError::invalid(format!(
            "failed to resolve rollout path `{requested}`: file does not exist"
        )));
    }
    let id = ids::thread_of_path(requested)?;
    let found = ids::find_rollout(server, id).await?;
    if found.path == path {
        return Ok((id, found));
    }
    Err(ApiError::invalid(format!(
        "cannot resume thread {id} with stale path: requested `{requested}`, current `{}`",
        found.path.display()
    )))
}

/// Makes a new thread whose model remembers the given entries, and which has no turns
/// yet. The id that the client named is not used.
async fn from_history(cx: &Cx, history: &[Value], params: &ThreadResumeParams) -> ApiResult<Ready> {
    if history.is_empty() {
        return Err(ApiError::invalid("history must not be empty"));
    }
    let entries = thread_manage::history_items("history", history)?;
    let assembly = assemble::of_history(cx, Overrides::from_resume(params))?;
    let id = assembly.setup.id;
    let handle = Launch::Fresh(Box::new(assembly)).run(&cx.server, id);
    inject(&handle, id, entries).await;
    Ok(Ready {
        id,
        handle,
        overrides: Box::default(),
        from_history: true,
    })
}

/// Nobody else knows the thread yet, so its mailbox has room and nothing is before this.
async fn inject(handle: &Handle, id: ThreadId, entries: Vec<HistoryItem>) {
    let responder = Responder::new(|_done| {});
    handle.send(id, Command::Inject(entries), responder).await;
}

/// What of a thread the client wants in the answer.
struct Shape {
    exclude_turns: bool,
    page: Option<TurnQuery>,
    redacted: bool,
    /// What a client that knows loomd's extensions wants.
    own: LoomdResume,
    /// The client gets numbers.
    numbered: bool,
}

impl Shape {
    fn of(cx: &Cx, params: &ThreadResumeParams) -> Self {
        let numbered = cx.peer.is_numbered();
        Self {
            exclude_turns: params.exclude_turns,
            page: params.initial_turns_page.as_ref().map(|page| TurnQuery {
                cursor: None,
                limit: page.limit,
                direction: page.sort_direction,
                view: page.items_view,
            }),
            redacted: redact::applies_to(&cx.peer),
            own: LoomdResume {
                // Numbers that a client was not told mean nothing.
                after: params.loomd.and_then(|own| own.after).filter(|_| numbered),
                observe: params.loomd.is_some_and(|own| own.observe),
            },
            numbered,
        }
    }

    /// What the page is made of: one turn more than it has tells whether there are more.
    fn window(&self) -> Option<TurnWindow> {
        self.page.as_ref().map(|query| TurnWindow {
            count: query.count().saturating_add(1),
            newest_first: query.is_newest_first(),
            items: query.view.unwrap_or(TurnItemsView::Summary),
        })
    }

    fn response(&self, server: &Server, mut view: View) -> ApiResult<ThreadResumeResponse> {
        if self.redacted {
            view.turns = redact::turns(view.turns);
        }
        let page = self
            .page
            .as_ref()
            .map(|query| paging::turns_page(&view.turns, query));
        // A client that goes on from an event has the turns; only the page is new to it.
        let goes_on = self.own.after == Some(view.seq);
        if self.exclude_turns || goes_on {
            view.turns = Vec::new();
        }
        let sources = assemble::instruction_sources(server, &view.settings);
        let position = LoomdPosition {
            seq: view.seq,
            resync: self.own.after.is_some() && !goes_on,
        };
        Ok(ThreadResumeResponse {
            loomd: self.numbered.then_some(position),
            ..response(view, sources, page.transpose()?)
        })
    }
}

fn response(
    view: View,
    instruction_sources: Vec<String>,
    initial_turns_page: Option<TurnsPage>,
) -> ThreadResumeResponse {
    let settings = view.settings;
    let cwd: AbsolutePathBuf = settings.cwd;
    ThreadResumeResponse {
        thread: Thread {
            turns: view.turns,
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
        turns_backwards_cursor: paging::newest_turn_cursor(&view.newest),
        items_backwards_cursor: paging::newest_item_cursor(&view.newest),
        loomd: None,
    }
}
