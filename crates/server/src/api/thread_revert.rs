//! thread/revert, and thread/rollback of older clients: turns are taken back.

use loomd_base::ThreadId;
use loomd_protocol::{
    Thread, ThreadRevertParams, ThreadRevertResponse, ThreadRollbackParams, ThreadRollbackResponse,
    methods,
};
use loomd_thread::{Reply, RevertFrom, View};

use super::paging;
use crate::errors::{ApiError, ApiResult, wrong_reply};
use crate::host::{Mail, Responder};
use crate::ids::parse_thread_id;
use crate::router::{Answer, Cx, Route, raw};

pub(crate) fn routes() -> Vec<Route> {
    vec![
        raw::<methods::ThreadRevert, _>(revert),
        raw::<methods::ThreadRollback, _>(rollback),
    ]
}

async fn revert(cx: Cx, params: ThreadRevertParams, answer: Answer<methods::ThreadRevert>) {
    let id = match parse_thread_id(&params.thread_id) {
        Ok(id) => id,
        Err(error) => return answer.send(Err(error)),
    };
    let responder = Responder::new(move |result: ApiResult<Reply>| {
        answer.send(result.and_then(view).map(|view| ThreadRevertResponse {
            turns_backwards_cursor: paging::newest_turn_cursor(&view.newest),
            items_backwards_cursor: paging::newest_item_cursor(&view.newest),
            thread: view.thread,
        }));
    });
    deliver(&cx, id, RevertFrom::Turn(params.before_turn_id), responder).await;
}

async fn rollback(cx: Cx, params: ThreadRollbackParams, answer: Answer<methods::ThreadRollback>) {
    let id = match parse_thread_id(&params.thread_id) {
        Ok(id) => id,
        Err(error) => return answer.send(Err(error)),
    };
    if params.num_turns == 0 {
        let refusal = loomd_thread::Refusal::EmptyRollback;
        return answer.send(Err(refusal.into()));
    }
    let responder = Responder::new(move |result: ApiResult<Reply>| {
        answer.send(result.and_then(view).map(|view| {
            let turns = view.turns;
            let thread = Thread {
                turns,
                ..view.thread
            };
            ThreadRollbackResponse { thread }
        }));
    });
    deliver(&cx, id, RevertFrom::Last(params.num_turns), responder).await;
}

async fn deliver(cx: &Cx, id: ThreadId, from: RevertFrom, responder: Responder) {
    match cx.server.registry.get(id) {
        Some(handle) => handle.deliver(id, Mail::Revert { from, responder }).await,
        None => responder.answer(Err(ApiError::thread_not_found(&id.to_string()))),
    }
}

fn view(reply: Reply) -> ApiResult<Box<View>> {
    reply.into_view().ok_or_else(wrong_reply)
}
