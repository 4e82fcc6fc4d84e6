//! Reading threads: nothing here loads or subscribes.

use std::collections::BTreeMap;
use std::sync::Arc;

use loomd_base::ThreadId;
use loomd_protocol::{
    DeprecationNoticeNotification, ServerNotification, Thread, ThreadHistoryMode,
    ThreadItemsListParams, ThreadItemsListResponse, ThreadItemsReadParams, ThreadItemsReadResponse,
    ThreadListParams, ThreadListResponse, ThreadLoadedListParams, ThreadLoadedListResponse,
    ThreadReadParams, ThreadReadResponse, ThreadReadState, ThreadTimelineListParams,
    ThreadTimelineListResponse, ThreadTurnsListParams, ThreadTurnsListResponse, Turn, methods,
};
use loomd_thread::{Command, Reply};

use super::paging::{self, Deferral, ItemQuery, TurnQuery};
use crate::Server;
use crate::assemble;
use crate::errors::{ApiError, ApiResult};
use crate::host::send_to;
use crate::ids::{locate, parse_thread_id};
use crate::library;
use crate::router::{Cx, Route, on_read};

pub(crate) fn routes() -> Vec<Route> {
    vec![
        on_read::<methods::ThreadRead, _>(read),
        on_read::<methods::ThreadList, _>(list),
        on_read::<methods::ThreadLoadedList, _>(loaded_list),
        on_read::<methods::ThreadTurnsList, _>(turns_list),
        on_read::<methods::ThreadItemsList, _>(items_list),
        on_read::<methods::ThreadItemsRead, _>(items_read),
        on_read::<methods::ThreadTimelineList, _>(timeline),
    ]
}

/// A thread as it stands, loaded or stored.
pub(super) struct Seen {
    thread: Thread,
    pub(super) turns: Vec<Arc<Turn>>,
    /// It has a rollout, or will never have one.
    readable: bool,
    /// What the user has not read, of a loaded thread.
    read_state: Option<ThreadReadState>,
}

/// Items that one request may name.
const ITEM_IDS_MAX: usize = 100;

async fn items_read(cx: Cx, params: ThreadItemsReadParams) -> ApiResult<ThreadItemsReadResponse> {
    let id = parse_thread_id(&params.thread_id)?;
    if params.item_ids.is_empty() || params.item_ids.len() > ITEM_IDS_MAX {
        return Err(ApiError::invalid("itemIds must contain 1 to 100 IDs"));
    }
    let seen = history(&cx, id, "thread/items/read").await?;
    let data = paging::items_named(&seen.turns, &params.turn_id, &params.item_ids);
    Ok(ThreadItemsReadResponse { data })
}

async fn timeline(
    cx: Cx,
    params: ThreadTimelineListParams,
) -> ApiResult<ThreadTimelineListResponse> {
    let id = parse_thread_id(&params.thread_id)?;
    let seen = history(&cx, id, "thread/timeline/list").await?;
    let cursor = params.cursor.as_deref();
    let (data, next_cursor) = paging::timeline_page(&seen.turns, cursor, params.limit)?;
    Ok(ThreadTimelineListResponse {
        data,
        next_cursor,
        active_realtime_session_at_page_start: None,
    })
}

/// A thread whose history can be paged.
pub(super) async fn history(cx: &Cx, id: ThreadId, method: &str) -> ApiResult<Seen> {
    look(&cx.server, id, true)
        .await?
        .filter(|seen| seen.readable && !seen.thread.ephemeral)
        .ok_or_else(|| ApiError::not_supported(method))
}

/// Looks at a thread without loading it. `None` when there is none.
async fn look(server: &Arc<Server>, id: ThreadId, with_turns: bool) -> ApiResult<Option<Seen>> {
    // One that is on its way out refuses: then what is on disk is what there is.
    let reply = server
        .registry
        .ask(id, Command::View { turns: with_turns })
        .await;
    if let Some(view) = reply.and_then(Result::ok).and_then(Reply::into_view) {
        return Ok(Some(Seen {
            readable: view.materialized,
            thread: view.thread,
            turns: view.turns,
            read_state: Some(view.read_state),
        }));
    }
    let Some(found) = locate(server, id).await? else {
        return Ok(None);
    };
    let server = Arc::clone(server);
    let seen = crate::blocking(move || stored(&server, id, &found, with_turns)).await??;
    Ok(Some(seen))
}

fn stored(
    server: &Server,
    id: ThreadId,
    found: &loomd_rollout::layout::Found,
    with_turns: bool,
) -> ApiResult<Seen> {
    let unreadable = |error: loomd_rollout::Error| ApiError::internal(error.to_string());
    let (mut thread, turns) = if with_turns {
        let mut snapshot = loomd_rollout::read(&found.path).map_err(unreadable)?;
        let turns = std::mem::take(&mut snapshot.turns);
        let mut thread = assemble::describe_snapshot(&snapshot);
        thread.recency_at = turns
            .last()
            .and_then(|turn| turn.started_at)
            .or(thread.recency_at);
        (thread, turns)
    } else {
        (
            server.library.summary(&found.path).map_err(unreadable)?,
            Vec::new(),
        )
    };
    thread.path = Some(found.path.display().to_string());
    server.library.complete(id, &mut thread);
    Ok(Seen {
        thread,
        turns: turns.into_iter().map(Arc::new).collect(),
        readable: true,
        read_state: None,
    })
}

async fn read(cx: Cx, params: ThreadReadParams) -> ApiResult<ThreadReadResponse> {
    let id = parse_thread_id(&params.thread_id)?;
    let seen = look(&cx.server, id, params.include_turns)
        .await?
        .ok_or_else(|| ApiError::invalid(format!("thread not loaded: {id}")))?;
    let mut thread = seen.thread;
    if params.include_turns {
        if thread.ephemeral {
            return Err(ApiError::invalid(
                "ephemeral threads do not support includeTurns",
            ));
        }
        if !seen.readable {
            return Err(not_yet(&thread, "includeTurns"));
        }
        let note = ServerNotification::DeprecationNotice(DeprecationNoticeNotification {
            summary: "Full-history hydration is deprecated; leave out `includeTurns`, then page \
                      with `thread/turns/list` and `thread/items/list`."
                .to_owned(),
            details: None,
        });
        let now_ms = cx.server.clock.now().wall_ms;
        send_to([&cx.peer].into_iter(), &note, now_ms);
        thread.turns = seen.turns;
    }
    Ok(ThreadReadResponse {
        thread,
        read_state: seen.read_state,
    })
}

/// A loaded thread without a turn has no history to list.
fn not_yet(thread: &Thread, what: &str) -> ApiError {
    if thread.history_mode == ThreadHistoryMode::Paginated {
        return loomd_thread::Refusal::NoTurnsToList.into();
    }
    ApiError::invalid(format!(
        "thread {} is not materialized yet; {what} is unavailable before first user message",
        thread.id
    ))
}

async fn list(cx: Cx, params: ThreadListParams) -> ApiResult<ThreadListResponse> {
    let server = Arc::clone(&cx.server);
    let query = library::query(&server, params);
    let worker = Arc::clone(&server);
    let page = crate::blocking(move || worker.library.list(&query)).await??;
    let data = page
        .threads
        .into_iter()
        .map(|(id, thread)| Thread {
            status: server.registry.status(id),
            ..thread
        })
        .collect();
    Ok(ThreadListResponse {
        data,
        read_states: Some(BTreeMap::new()),
        next_cursor: page.next_cursor,
        backwards_cursor: page.backwards_cursor,
    })
}

async fn loaded_list(
    cx: Cx,
    params: ThreadLoadedListParams,
) -> ApiResult<ThreadLoadedListResponse> {
    let after = match &params.cursor {
        None => None,
        Some(cursor) => Some(
            cursor
                .parse::<ThreadId>()
                .map_err(|_| ApiError::invalid(format!("invalid cursor: {cursor}")))?,
        ),
    };
    let limit = params.limit.map_or(usize::MAX, |limit| {
        usize::try_from(limit.max(1)).unwrap_or(usize::MAX)
    });
    let mut ids = cx
        .server
        .registry
        .ids()
        .into_iter()
        .filter(|id| after.is_none_or(|after| *id > after));
    let data: Vec<String> = ids.by_ref().take(limit).map(|id| id.to_string()).collect();
    let next_cursor = ids.next().and_then(|_| data.last().cloned());
    Ok(ThreadLoadedListResponse { data, next_cursor })
}

async fn turns_list(cx: Cx, params: ThreadTurnsListParams) -> ApiResult<ThreadTurnsListResponse> {
    let id = parse_thread_id(&params.thread_id)?;
    let seen = look(&cx.server, id, true)
        .await?
        .ok_or_else(|| ApiError::invalid(format!("thread not loaded: {id}")))?;
    if seen.thread.ephemeral {
        return Err(ApiError::invalid(
            "ephemeral threads do not support thread/turns/list",
        ));
    }
    if !seen.readable {
        return Err(not_yet(&seen.thread, "thread/turns/list"));
    }
    let query = TurnQuery {
        cursor: params.cursor,
        limit: params.limit,
        direction: params.sort_direction,
        view: params.items_view,
    };
    let page = paging::turns_page(&seen.turns, &query)?;
    Ok(ThreadTurnsListResponse {
        data: page.data,
        next_cursor: page.next_cursor,
        backwards_cursor: page.backwards_cursor,
    })
}

async fn items_list(cx: Cx, params: ThreadItemsListParams) -> ApiResult<ThreadItemsListResponse> {
    let id = parse_thread_id(&params.thread_id)?;
    let seen = history(&cx, id, "thread/items/list").await?;
    // Outputs are put off for one turn only, as the reference does.
    let defer = params.defer_output.filter(|_| params.turn_id.is_some());
    let defer = defer.unwrap_or_default();
    let query = ItemQuery {
        defer: Deferral {
            commands: defer.command_execution,
            mcp_calls: defer.mcp_tool_call,
        },
        turn_id: params.turn_id,
        cursor: params.cursor,
        limit: params.limit,
        direction: params.sort_direction,
    };
    let page = paging::items_page(&seen.turns, &query)?;
    Ok(ThreadItemsListResponse {
        data: page.data,
        next_cursor: page.next_cursor,
        backwards_cursor: page.backwards_cursor,
    })
}
