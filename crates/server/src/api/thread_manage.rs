//! Acting on a thread without a turn.

use loomd_events::HistoryItem;
use loomd_protocol::{
    ServerNotification, ThreadBackgroundTerminal, ThreadBackgroundTerminalsCleanParams,
    ThreadBackgroundTerminalsCleanResponse, ThreadBackgroundTerminalsListParams,
    ThreadBackgroundTerminalsListResponse, ThreadBackgroundTerminalsTerminateParams,
    ThreadBackgroundTerminalsTerminateResponse, ThreadInjectItemsParams, ThreadInjectItemsResponse,
    ThreadNameUpdatedNotification, ThreadReadStateUpdateParams, ThreadReadStateUpdateResponse,
    ThreadSetNameParams, ThreadSetNameResponse, ThreadSettingsUpdateParams,
    ThreadSettingsUpdateResponse, ThreadUnloadParams, ThreadUnloadResponse, ThreadUnloadStatus,
    ThreadUnsubscribeParams, ThreadUnsubscribeResponse, ThreadUnsubscribeStatus, methods,
};
use loomd_thread::{Command, Reply, SettingsPatch};
use serde_json::value::RawValue;

use crate::assemble;
use crate::errors::{ApiError, ApiResult, wrong_reply};
use crate::host::{Responder, broadcast};
use crate::ids::{locate, parse_thread_id};
use crate::router::{Answer, Cx, Route, ThreadCall, on_read, on_thread, raw};

pub(crate) fn routes() -> Vec<Route> {
    vec![
        raw::<methods::ThreadUnsubscribe, _>(unsubscribe),
        raw::<methods::ThreadUnload, _>(unload),
        raw::<methods::ThreadNameSet, _>(set_name),
        on_thread::<methods::ThreadSettingsUpdate, _>(update_settings),
        on_thread::<methods::ThreadInjectItems, _>(inject_items),
        on_thread::<methods::ThreadReadStateUpdate, _>(update_read_state),
        on_read::<methods::ThreadBackgroundTerminalsList, _>(terminals),
        on_read::<methods::ThreadBackgroundTerminalsTerminate, _>(terminate_terminal),
        on_read::<methods::ThreadBackgroundTerminalsClean, _>(clean_terminals),
    ]
}

async fn unsubscribe(
    cx: Cx,
    params: ThreadUnsubscribeParams,
    answer: Answer<methods::ThreadUnsubscribe>,
) {
    let id = match parse_thread_id(&params.thread_id) {
        Ok(id) => id,
        Err(error) => return answer.send(Err(error)),
    };
    let Some(handle) = cx.server.registry.get(id) else {
        return answer.send(Ok(ThreadUnsubscribeResponse {
            status: ThreadUnsubscribeStatus::NotLoaded,
        }));
    };
    let responder = Responder::new(move |result: ApiResult<Reply>| {
        // A thread that is closing, or gone since, has no subscribers.
        let status = match result {
            Ok(Reply::Unsubscribed(status)) => status,
            Ok(_) | Err(_) => ThreadUnsubscribeStatus::NotSubscribed,
        };
        answer.send(Ok(ThreadUnsubscribeResponse { status }));
    });
    handle
        .send(id, Command::Unsubscribe(cx.peer.id), responder)
        .await;
}

/// Unloads a thread now; like the end of a subscription it is answered before the
/// status changes.
async fn unload(cx: Cx, params: ThreadUnloadParams, answer: Answer<methods::ThreadUnload>) {
    let id = match parse_thread_id(&params.thread_id) {
        Ok(id) => id,
        Err(error) => return answer.send(Err(error)),
    };
    let Some(handle) = cx.server.registry.get(id) else {
        return answer.send(Ok(ThreadUnloadResponse {
            status: ThreadUnloadStatus::NotLoaded,
        }));
    };
    let responder = Responder::new(move |result: ApiResult<Reply>| {
        answer.send(result.map(|_done| ThreadUnloadResponse {
            status: ThreadUnloadStatus::Unloading,
        }));
    });
    let command = Command::Unload {
        force: params.force,
    };
    handle.send(id, command, responder).await;
}

/// Works on stored threads as well: then only the names file and the index change.
async fn set_name(cx: Cx, params: ThreadSetNameParams, answer: Answer<methods::ThreadNameSet>) {
    let id = match parse_thread_id(&params.thread_id) {
        Ok(id) => id,
        Err(error) => return answer.send(Err(error)),
    };
    if let Some(handle) = cx.server.registry.get(id) {
        let responder = Responder::new(move |result: ApiResult<Reply>| {
            answer.send(result.map(|_done| ThreadSetNameResponse {}));
        });
        return handle
            .send(id, Command::SetName(params.name), responder)
            .await;
    }
    let named = name_stored(&cx, id, &params.name).await;
    let note = named.as_ref().ok().map(|name| {
        ServerNotification::ThreadNameUpdated(ThreadNameUpdatedNotification {
            thread_id: id.to_string(),
            thread_name: Some(name.clone()),
        })
    });
    answer.send(named.map(|_name| ThreadSetNameResponse {}));
    if let Some(note) = note {
        broadcast(&cx.server.peers, &note, cx.server.clock.now().wall_ms);
    }
}

async fn name_stored(cx: &Cx, id: loomd_base::ThreadId, name: &str) -> ApiResult<String> {
    let name = name.trim().to_owned();
    if name.is_empty() {
        return Err(loomd_thread::Refusal::EmptyName.into());
    }
    if locate(&cx.server, id).await?.is_none() {
        return Err(ApiError::thread_not_found(&id.to_string()));
    }
    let server = cx.server.clone();
    let kept = name.clone();
    crate::blocking(move || {
        server
            .library
            .set_name(id, &kept, server.clock.now().wall_ms)
    })
    .await??;
    Ok(name)
}

async fn update_read_state(
    _cx: Cx,
    params: ThreadReadStateUpdateParams,
) -> ApiResult<ThreadCall<methods::ThreadReadStateUpdate>> {
    Ok(ThreadCall {
        thread: parse_thread_id(&params.thread_id)?,
        command: Command::UpdateReadState {
            expected_revision: params.expected_revision,
            operation: params.operation,
        },
        shape: Box::new(|reply| {
            let read_state = reply.into_read_state().ok_or_else(wrong_reply)?;
            Ok(ThreadReadStateUpdateResponse { read_state })
        }),
    })
}

async fn terminals(
    cx: Cx,
    params: ThreadBackgroundTerminalsListParams,
) -> ApiResult<ThreadBackgroundTerminalsListResponse> {
    let id = parse_thread_id(&params.thread_id)?;
    let terminals = cx
        .server
        .registry
        .with_tools(id, |tools| tools.background_terminals())
        .await?;
    // There are 64 at most, so all of them are one page.
    Ok(ThreadBackgroundTerminalsListResponse {
        data: terminals
            .into_iter()
            .map(|terminal| ThreadBackgroundTerminal {
                item_id: terminal.item_id,
                process_id: terminal.process_id,
                command: terminal.command,
                cwd: terminal.cwd.display().to_string(),
                os_pid: Some(terminal.os_pid),
                cpu_percent: None,
                rss_kb: None,
            })
            .collect(),
        next_cursor: None,
    })
}

async fn terminate_terminal(
    cx: Cx,
    params: ThreadBackgroundTerminalsTerminateParams,
) -> ApiResult<ThreadBackgroundTerminalsTerminateResponse> {
    let id = parse_thread_id(&params.thread_id)?;
    if let Err(error) = params.process_id.parse::<i32>() {
        return Err(ApiError::invalid(format!(
            "invalid background terminal process id: {error}"
        )));
    }
    let terminated = cx
        .server
        .registry
        .with_tools(id, move |tools| tools.terminate(&params.process_id))
        .await?;
    Ok(ThreadBackgroundTerminalsTerminateResponse { terminated })
}

async fn clean_terminals(
    cx: Cx,
    params: ThreadBackgroundTerminalsCleanParams,
) -> ApiResult<ThreadBackgroundTerminalsCleanResponse> {
    let id = parse_thread_id(&params.thread_id)?;
    cx.server
        .registry
        .with_tools(id, |tools| tools.clean())
        .await?;
    Ok(ThreadBackgroundTerminalsCleanResponse {})
}

async fn update_settings(
    cx: Cx,
    params: ThreadSettingsUpdateParams,
) -> ApiResult<ThreadCall<methods::ThreadSettingsUpdate>> {
    assemble::not_both(&params.permissions, &params.sandbox_policy, "sandboxPolicy")?;
    let patch = SettingsPatch {
        model: params.model,
        effort: params.effort,
        summary: params.summary,
        service_tier: params.service_tier.flatten(),
        approval_policy: params.approval_policy,
        approvals_reviewer: params.approvals_reviewer,
        sandbox_policy: params.sandbox_policy,
        profile: params.permissions,
        permissions: None,
        cwd: params.cwd.map(|cwd| assemble::absolute(&cx.server, &cwd)),
        personality: params.personality,
        collaboration_mode: params.collaboration_mode,
    };
    Ok(ThreadCall {
        thread: parse_thread_id(&params.thread_id)?,
        command: Command::UpdateSettings(Box::new(patch)),
        shape: Box::new(|_done| Ok(ThreadSettingsUpdateResponse {})),
    })
}

async fn inject_items(
    _cx: Cx,
    params: ThreadInjectItemsParams,
) -> ApiResult<ThreadCall<methods::ThreadInjectItems>> {
    let thread = parse_thread_id(&params.thread_id)?;
    if params.items.is_empty() {
        return Err(ApiError::invalid("items must not be empty"));
    }
    let items = history_items("items", &params.items)?;
    Ok(ThreadCall {
        thread,
        command: Command::Inject(items),
        shape: Box::new(|_done| Ok(ThreadInjectItemsResponse {})),
    })
}

/// Entries of the model's history, as a member of a request has them.
pub(crate) fn history_items(
    member: &str,
    items: &[serde_json::Value],
) -> ApiResult<Vec<HistoryItem>> {
    let read = |(index, item)| {
        history_item(item).map_err(|reason| {
            ApiError::invalid(format!(
                "{member}[{index}] is not a valid response item: {reason}"
            ))
        })
    };
    items.iter().enumerate().map(read).collect()
}

fn history_item(item: &serde_json::Value) -> Result<HistoryItem, String> {
    let raw: Box<RawValue> =
        serde_json::value::to_raw_value(item).map_err(|error| error.to_string())?;
    HistoryItem::from_raw(raw).map_err(|error| error.to_string())
}
