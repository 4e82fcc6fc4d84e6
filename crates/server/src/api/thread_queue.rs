//! thread/queue/*. Works on stored threads as well: they are loaded for it.

use loomd_base::ThreadId;
use loomd_protocol::{
    QueuedSubmission, ThreadQueueAddParams, ThreadQueueAddResponse, ThreadQueueDeleteParams,
    ThreadQueueDeleteResponse, ThreadQueueListParams, ThreadQueueListResponse,
    ThreadQueueReorderParams, ThreadQueueReorderResponse, ThreadQueueStartParams,
    ThreadQueueStartResponse, ThreadQueueUpdateParams, ThreadQueueUpdateResponse, methods,
};
use loomd_thread::{Command, Queued};

use super::turn::check_length;
use crate::errors::{ApiError, ApiResult, wrong_reply};
use crate::host::{Awake, wake};
use crate::ids::{self, parse_thread_id};
use crate::router::{Cx, Route, ThreadCall, on_thread};
use crate::user_input;

/// Submissions of a page, as of a page of threads.
const PAGE_DEFAULT: u32 = 25;
const PAGE_MAX: u32 = 100;

pub(crate) fn routes() -> Vec<Route> {
    vec![
        on_thread::<methods::ThreadQueueAdd, _>(add),
        on_thread::<methods::ThreadQueueList, _>(list),
        on_thread::<methods::ThreadQueueUpdate, _>(update),
        on_thread::<methods::ThreadQueueDelete, _>(delete),
        on_thread::<methods::ThreadQueueReorder, _>(reorder),
        on_thread::<methods::ThreadQueueStart, _>(start),
    ]
}

async fn add(
    cx: Cx,
    params: ThreadQueueAddParams,
) -> ApiResult<ThreadCall<methods::ThreadQueueAdd>> {
    let thread = thread(&cx, &params.thread_id).await?;
    check_length(&params.input)?;
    let queued = Queued {
        parts: user_input::parts(&params.input).await,
        submission: QueuedSubmission {
            id: String::new(),
            input: params.input,
            client_user_message_id: params.client_user_message_id,
            responsesapi_client_metadata: params.responsesapi_client_metadata,
        },
    };
    Ok(ThreadCall {
        thread,
        command: Command::Enqueue(Box::new(queued)),
        shape: Box::new(|reply| {
            let queued_submission = reply.into_queued().ok_or_else(wrong_reply)?;
            Ok(ThreadQueueAddResponse { queued_submission })
        }),
    })
}

async fn list(
    cx: Cx,
    params: ThreadQueueListParams,
) -> ApiResult<ThreadCall<methods::ThreadQueueList>> {
    let thread = thread(&cx, &params.thread_id).await?;
    let from = match params.cursor {
        None => 0,
        Some(cursor) => cursor.parse::<usize>().map_err(|error| {
            ApiError::invalid(format!("invalid queue pagination cursor: {error}"))
        })?,
    };
    let count = params.limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX);
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    Ok(ThreadCall {
        thread,
        command: Command::ListQueue,
        shape: Box::new(move |reply| {
            let queue = reply.into_queue().ok_or_else(wrong_reply)?;
            let end = from.saturating_add(count);
            let next_cursor = (end < queue.len()).then(|| end.to_string());
            let data = queue.into_iter().skip(from).take(count).collect();
            Ok(ThreadQueueListResponse { data, next_cursor })
        }),
    })
}

async fn update(
    cx: Cx,
    params: ThreadQueueUpdateParams,
) -> ApiResult<ThreadCall<methods::ThreadQueueUpdate>> {
    let thread = thread(&cx, &params.thread_id).await?;
    check_length(&params.input)?;
    let update = Queued {
        parts: user_input::parts(&params.input).await,
        submission: QueuedSubmission {
            id: params.queued_submission_id,
            input: params.input,
            client_user_message_id: String::new(),
            responsesapi_client_metadata: params.responsesapi_client_metadata,
        },
    };
    Ok(ThreadCall {
        thread,
        command: Command::UpdateQueued(Box::new(update)),
        shape: Box::new(|reply| {
            let queued_submission = reply.into_queued().ok_or_else(wrong_reply)?;
            Ok(ThreadQueueUpdateResponse { queued_submission })
        }),
    })
}

async fn delete(
    cx: Cx,
    params: ThreadQueueDeleteParams,
) -> ApiResult<ThreadCall<methods::ThreadQueueDelete>> {
    Ok(ThreadCall {
        thread: thread(&cx, &params.thread_id).await?,
        command: Command::Dequeue {
            id: params.queued_submission_id,
        },
        shape: Box::new(|reply| {
            let deleted = reply.into_removed().ok_or_else(wrong_reply)?;
            Ok(ThreadQueueDeleteResponse { deleted })
        }),
    })
}

async fn reorder(
    cx: Cx,
    params: ThreadQueueReorderParams,
) -> ApiResult<ThreadCall<methods::ThreadQueueReorder>> {
    Ok(ThreadCall {
        thread: thread(&cx, &params.thread_id).await?,
        command: Command::ReorderQueue {
            ids: params.queued_submission_ids,
        },
        shape: Box::new(|_done| Ok(ThreadQueueReorderResponse {})),
    })
}

async fn start(
    cx: Cx,
    params: ThreadQueueStartParams,
) -> ApiResult<ThreadCall<methods::ThreadQueueStart>> {
    Ok(ThreadCall {
        thread: thread(&cx, &params.thread_id).await?,
        command: Command::StartQueued {
            id: params.queued_submission_id,
        },
        shape: Box::new(|reply| {
            let turn = reply.into_turn().ok_or_else(wrong_reply)?;
            Ok(ThreadQueueStartResponse { turn: *turn })
        }),
    })
}

async fn thread(cx: &Cx, thread_id: &str) -> ApiResult<ThreadId> {
    let id = parse_thread_id(thread_id)?;
    match wake(&cx.server, id).await? {
        Awake::Yes => Ok(id),
        Awake::Archived => Err(ids::archived(id)),
        Awake::NotThere => Err(ApiError::internal(format!(
            "failed to read thread: invalid thread-store request: no rollout found for thread id \
             {id}"
        ))),
    }
}
