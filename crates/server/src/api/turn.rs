//! turn/start, turn/steer, turn/interrupt; thread/shellCommand, which makes turns too.

use std::time::Duration;

use loomd_protocol::{
    ThreadShellCommandParams, ThreadShellCommandResponse, TurnInterruptParams,
    TurnInterruptResponse, TurnStartParams, TurnStartResponse, TurnSteerParams, TurnSteerResponse,
    UserInput, methods,
};
use loomd_thread::{Command, Ground, SettingsPatch, ShellRequest, TurnRequest};

use crate::assemble;
use crate::errors::{ApiError, ApiResult, INPUT_CHARS_MAX, wrong_reply};
use crate::ids::parse_thread_id;
use crate::router::{Cx, Route, ThreadCall, on_thread};
use crate::user_input;

pub(crate) fn routes() -> Vec<Route> {
    vec![
        on_thread::<methods::TurnStart, _>(start),
        on_thread::<methods::TurnSteer, _>(steer),
        on_thread::<methods::TurnInterrupt, _>(interrupt),
        on_thread::<methods::ThreadShellCommand, _>(shell),
    ]
}

async fn start(cx: Cx, params: TurnStartParams) -> ApiResult<ThreadCall<methods::TurnStart>> {
    let thread = parse_thread_id(&params.thread_id)?;
    if cx.server.registry.get(thread).is_none() {
        return Err(ApiError::thread_not_found(&params.thread_id));
    }
    check_length(&params.input)?;
    assemble::not_both(&params.permissions, &params.sandbox_policy, "sandboxPolicy")?;
    let settings = SettingsPatch {
        model: params.model,
        effort: params.effort,
        summary: params.summary,
        service_tier: params
            .service_tier_for_turn
            .or(params.service_tier.flatten()),
        approval_policy: params.approval_policy,
        approvals_reviewer: params.approvals_reviewer,
        sandbox_policy: params.sandbox_policy,
        profile: params.permissions,
        permissions: None,
        cwd: params.cwd.map(|cwd| assemble::absolute(&cx.server, &cwd)),
        personality: params.personality,
        collaboration_mode: params.collaboration_mode,
    };
    let message = user_input::message(params.client_user_message_id, params.input).await;
    // What the model is told of the surroundings depends on the thread's settings,
    // which its actor knows; it fills them in.
    let request = TurnRequest {
        message,
        settings,
        output_schema: params.output_schema.as_ref().map(assemble::shared_json),
        ground: Ground::default(),
    };
    Ok(ThreadCall {
        thread,
        command: Command::StartTurn(Box::new(request)),
        shape: Box::new(|reply| {
            let turn = reply.into_turn().ok_or_else(wrong_reply)?;
            Ok(TurnStartResponse { turn: *turn })
        }),
    })
}

async fn steer(_cx: Cx, params: TurnSteerParams) -> ApiResult<ThreadCall<methods::TurnSteer>> {
    let thread = parse_thread_id(&params.thread_id)?;
    check_length(&params.input)?;
    let message = user_input::message(params.client_user_message_id, params.input).await;
    Ok(ThreadCall {
        thread,
        command: Command::Steer {
            expected_turn_id: params.expected_turn_id,
            message,
        },
        shape: Box::new(|reply| {
            let turn_id = reply.into_steered().ok_or_else(wrong_reply)?;
            Ok(TurnSteerResponse { turn_id })
        }),
    })
}

async fn interrupt(
    _cx: Cx,
    params: TurnInterruptParams,
) -> ApiResult<ThreadCall<methods::TurnInterrupt>> {
    Ok(ThreadCall {
        thread: parse_thread_id(&params.thread_id)?,
        command: Command::Interrupt {
            turn_id: params.turn_id,
        },
        shape: Box::new(|_done| Ok(TurnInterruptResponse {})),
    })
}

async fn shell(
    _cx: Cx,
    params: ThreadShellCommandParams,
) -> ApiResult<ThreadCall<methods::ThreadShellCommand>> {
    if params.command.trim().is_empty() {
        return Err(ApiError::invalid("command must not be empty"));
    }
    let time = match params.timeout_ms {
        None => SHELL_TIME,
        Some(ms) => u64::try_from(ms).map(Duration::from_millis).map_err(|_| {
            ApiError::invalid_params(format!(
                "thread/shellCommand timeoutMs must be non-negative, got {ms}"
            ))
        })?,
    };
    Ok(ThreadCall {
        thread: parse_thread_id(&params.thread_id)?,
        command: Command::Shell(Box::new(ShellRequest {
            command: params.command,
            time,
            ground: Ground::default(),
        })),
        shape: Box::new(|_done| Ok(ThreadShellCommandResponse {})),
    })
}

/// How long a command of the user's may run if the client does not say.
const SHELL_TIME: Duration = Duration::from_secs(60 * 60);

/// The text of one turn's input has a limit.
pub(crate) fn check_length(input: &[UserInput]) -> ApiResult<()> {
    let chars: usize = input
        .iter()
        .map(|part| match part {
            UserInput::Text { text, .. } => text.chars().count(),
            UserInput::Image { .. }
            | UserInput::LocalImage { .. }
            | UserInput::Audio { .. }
            | UserInput::LocalAudio { .. }
            | UserInput::Skill { .. }
            | UserInput::Mention { .. } => 0,
        })
        .sum();
    if chars > INPUT_CHARS_MAX {
        return Err(ApiError::input_too_long(chars));
    }
    Ok(())
}
