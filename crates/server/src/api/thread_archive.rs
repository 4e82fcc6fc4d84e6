//! thread/archive, thread/unarchive and thread/delete: of a thread with all that its
//! subagents are.
//!
//! The ids are collected before the first file moves. A descendant that cannot go along is
//! left where it is. The order of the notifications is the reference's (seen on 0.169.0).

use std::sync::Arc;

use loomd_base::ThreadId;
use loomd_protocol::{
    ServerNotification, Thread, ThreadArchiveParams, ThreadArchiveResponse,
    ThreadArchivedNotification, ThreadDeleteParams, ThreadDeleteResponse,
    ThreadDeletedNotification, ThreadUnarchiveParams, ThreadUnarchiveResponse,
    ThreadUnarchivedNotification, methods,
};
use loomd_thread::{Command, Reply};

use crate::errors::{ApiError, ApiResult};
use crate::host::{Registry, broadcast};
use crate::ids::{locate, parse_session_id, parse_thread_id};
use crate::library::Library;
use crate::router::{Answer, Cx, Route, raw};

pub(crate) fn routes() -> Vec<Route> {
    vec![
        raw::<methods::ThreadArchive, _>(archive),
        raw::<methods::ThreadUnarchive, _>(unarchive),
        raw::<methods::ThreadDelete, _>(delete),
    ]
}

/// A loaded thread is ended first, whatever it does; then its file moves.
async fn archive(cx: Cx, params: ThreadArchiveParams, answer: Answer<methods::ThreadArchive>) {
    let result = archive_thread(&cx, &params.thread_id).await;
    let gone = result.as_ref().cloned().unwrap_or_default();
    answer.send(result.map(|_gone| ThreadArchiveResponse {}));
    tell(&cx, &gone, |thread_id| {
        ServerNotification::ThreadArchived(ThreadArchivedNotification { thread_id })
    });
}

/// The threads that were archived: the one that is named, then the deepest first.
async fn archive_thread(cx: &Cx, thread_id: &str) -> ApiResult<Vec<ThreadId>> {
    let id = parse_session_id(thread_id)?;
    if is_ephemeral(cx, id).await {
        return Err(ApiError::no_rollout(thread_id));
    }
    let below = descendants(cx, id).await?;
    if !close_and(cx, id, |library, id| library.archive(id)).await? {
        return Err(ApiError::no_rollout(thread_id));
    }
    let mut gone = vec![id];
    for id in below.into_iter().rev() {
        match close_and(cx, id, |library, id| library.archive(id)).await {
            Ok(true) => gone.push(id),
            Ok(false) => {} // archived by itself before
            Err(error) => left_behind(id, &error),
        }
    }
    Ok(gone)
}

async fn unarchive(
    cx: Cx,
    params: ThreadUnarchiveParams,
    answer: Answer<methods::ThreadUnarchive>,
) {
    let result = unarchive_thread(&cx, &params.thread_id).await;
    let back = result
        .as_ref()
        .map(|(_, back)| back.clone())
        .unwrap_or_default();
    answer.send(result.map(|(thread, _)| ThreadUnarchiveResponse { thread }));
    tell(&cx, &back, |thread_id| {
        ServerNotification::ThreadUnarchived(ThreadUnarchivedNotification { thread_id })
    });
}

/// The thread, and the ids of all that came back with it, parents first.
async fn unarchive_thread(cx: &Cx, thread_id: &str) -> ApiResult<(Thread, Vec<ThreadId>)> {
    let id = parse_session_id(thread_id)?;
    let below = descendants(cx, id).await?;
    let thread = close_and(cx, id, |library, id| library.unarchive(id)).await?;
    let thread = thread.ok_or_else(|| {
        ApiError::invalid(format!(
            "no archived rollout found for thread id {thread_id}"
        ))
    })?;
    let mut back = vec![id];
    for id in below {
        match close_and(cx, id, |library, id| library.unarchive(id)).await {
            Ok(Some(_)) => back.push(id),
            Ok(None) => {} // it was not archived
            Err(error) => left_behind(id, &error),
        }
    }
    Ok((thread, back))
}

/// Like archive, but the files are removed.
async fn delete(cx: Cx, params: ThreadDeleteParams, answer: Answer<methods::ThreadDelete>) {
    let result = delete_thread(&cx, &params.thread_id).await;
    let gone = result.as_ref().cloned().unwrap_or_default();
    answer.send(result.map(|_gone| ThreadDeleteResponse {}));
    tell(&cx, &gone, |thread_id| {
        ServerNotification::ThreadDeleted(ThreadDeletedNotification { thread_id })
    });
}

/// The threads that were deleted, the deepest first.
async fn delete_thread(cx: &Cx, thread_id: &str) -> ApiResult<Vec<ThreadId>> {
    let id = parse_thread_id(thread_id)?;
    if is_ephemeral(cx, id).await {
        return Err(ApiError::invalid(format!(
            "thread is not persisted and cannot be deleted: {thread_id}"
        )));
    }
    on_disk(cx, move |library| library.may_remove(id)).await?;
    let below = descendants(cx, id).await?;
    let is_loaded = cx.server.registry.get(id).is_some();
    if !is_loaded && locate(&cx.server, id).await?.is_none() {
        return Err(ApiError::no_rollout(thread_id));
    }
    // The thread itself goes last: what a kill leaves over can be deleted again.
    let mut gone = Vec::new();
    for id in below.into_iter().rev() {
        let may = on_disk(cx, move |library| library.may_remove(id)).await;
        let removed = match may {
            Ok(()) => close_and(cx, id, |library, id| library.remove(id)).await,
            Err(error) => Err(error),
        };
        match removed {
            Ok(true) => gone.push(id),
            Ok(false) => {}
            Err(error) => left_behind(id, &error),
        }
    }
    close_and(cx, id, |library, id| library.remove(id)).await?;
    gone.push(id);
    Ok(gone)
}

async fn descendants(cx: &Cx, id: ThreadId) -> ApiResult<Vec<ThreadId>> {
    on_disk(cx, move |library| Ok(library.descendants(id))).await
}

/// Ends a thread if it is loaded, then does something to its files while nobody can load
/// it: whoever had it open would write to where they were.
async fn close_and<T: Send + 'static>(
    cx: &Cx,
    id: ThreadId,
    work: fn(&Arc<Library>, ThreadId) -> ApiResult<T>,
) -> ApiResult<T> {
    let _hold = Registry::hold(&cx.server, id).await;
    on_disk(cx, move |library| work(library, id)).await
}

async fn on_disk<T: Send + 'static>(
    cx: &Cx,
    work: impl FnOnce(&Arc<Library>) -> ApiResult<T> + Send + 'static,
) -> ApiResult<T> {
    let server = cx.server.clone();
    crate::blocking(move || work(&server.library)).await?
}

fn left_behind(id: ThreadId, error: &ApiError) {
    tracing::warn!(thread = %id, ?error, "a subagent's thread stays where it is");
}

fn tell(cx: &Cx, ids: &[ThreadId], notification: fn(String) -> ServerNotification) {
    let now_ms = cx.server.clock.now().wall_ms;
    for id in ids {
        broadcast(&cx.server.peers, &notification(id.to_string()), now_ms);
    }
}

/// Whether this is a loaded thread that keeps nothing: it goes on as it is.
async fn is_ephemeral(cx: &Cx, id: ThreadId) -> bool {
    let reply = cx
        .server
        .registry
        .ask(id, Command::View { turns: false })
        .await;
    reply
        .and_then(Result::ok)
        .and_then(Reply::into_view)
        .is_some_and(|view| view.thread.ephemeral)
}
