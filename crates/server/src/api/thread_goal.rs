//! thread/goal/*. Works on stored threads as well: they are loaded for it.

use loomd_base::ThreadId;
use loomd_protocol::{
    ThreadGoalClearParams, ThreadGoalClearResponse, ThreadGoalGetParams, ThreadGoalGetResponse,
    ThreadGoalSetParams, ThreadGoalSetResponse, methods,
};
use loomd_thread::{Command, GoalPatch};

use crate::errors::{ApiError, ApiResult, wrong_reply};
use crate::host::{Awake, wake};
use crate::ids::parse_thread_id;
use crate::router::{Cx, Route, ThreadCall, on_thread};

pub(crate) fn routes() -> Vec<Route> {
    vec![
        on_thread::<methods::ThreadGoalSet, _>(set),
        on_thread::<methods::ThreadGoalGet, _>(get),
        on_thread::<methods::ThreadGoalClear, _>(clear),
    ]
}

async fn set(cx: Cx, params: ThreadGoalSetParams) -> ApiResult<ThreadCall<methods::ThreadGoalSet>> {
    let patch = GoalPatch {
        objective: params.objective,
        status: params.status,
        token_budget: params.token_budget,
    };
    Ok(ThreadCall {
        thread: thread(&cx, &params.thread_id).await?,
        command: Command::SetGoal(Box::new(patch)),
        shape: Box::new(|reply| {
            let goal = reply.into_goal().flatten().ok_or_else(wrong_reply)?;
            Ok(ThreadGoalSetResponse { goal })
        }),
    })
}

async fn get(cx: Cx, params: ThreadGoalGetParams) -> ApiResult<ThreadCall<methods::ThreadGoalGet>> {
    Ok(ThreadCall {
        thread: thread(&cx, &params.thread_id).await?,
        command: Command::GetGoal,
        shape: Box::new(|reply| {
            let goal = reply.into_goal().ok_or_else(wrong_reply)?;
            Ok(ThreadGoalGetResponse { goal })
        }),
    })
}

async fn clear(
    cx: Cx,
    params: ThreadGoalClearParams,
) -> ApiResult<ThreadCall<methods::ThreadGoalClear>> {
    Ok(ThreadCall {
        thread: thread(&cx, &params.thread_id).await?,
        command: Command::ClearGoal,
        shape: Box::new(|reply| {
            let cleared = reply.into_removed().ok_or_else(wrong_reply)?;
            Ok(ThreadGoalClearResponse { cleared })
        }),
    })
}

/// An archived thread has no goal to speak of, like one that is not there.
async fn thread(cx: &Cx, thread_id: &str) -> ApiResult<ThreadId> {
    let id = parse_thread_id(thread_id)?;
    match wake(&cx.server, id).await? {
        Awake::Yes => Ok(id),
        Awake::Archived | Awake::NotThere => Err(ApiError::thread_not_found(thread_id)),
    }
}
