//! command/exec and what acts on it. Texts, codes and the order of the checks are the
//! reference's, seen on 0.169.0.

use loomd_protocol::{
    CommandExecOutputDeltaNotification, CommandExecOutputStream, CommandExecParams,
    CommandExecResizeParams, CommandExecResizeResponse, CommandExecResponse,
    CommandExecTerminalSize, CommandExecTerminateParams, CommandExecTerminateResponse,
    CommandExecWriteParams, CommandExecWriteResponse, ServerNotification, methods,
};
use loomd_tools::TerminalSize;
use loomd_tools::one_off::{OneOff, OutputStream, Piece};

use crate::assemble;
use crate::confinement::{Bounds, both, bounds};
use crate::errors::{ApiError, ApiResult};
use crate::host::environment_policy;
use crate::one_offs::{self, Key, OUTPUT_BYTES_DEFAULT, Started, TIMEOUT_DEFAULT, encode};
use crate::router::{Answer, Cx, Route, raw};

/// How errors call it.
const WHAT: &str = "command/exec";

pub(crate) fn routes() -> Vec<Route> {
    vec![
        raw::<methods::CommandExec, _>(exec),
        raw::<methods::CommandExecWrite, _>(write),
        raw::<methods::CommandExecTerminate, _>(terminate),
        raw::<methods::CommandExecResize, _>(resize),
    ]
}

/// Answers when the command has ended. The connection waits for its start alone, so that
/// what follows finds it.
async fn exec(cx: Cx, params: CommandExecParams, answer: Answer<methods::CommandExec>) {
    let process_id = params.process_id.clone().unwrap_or_default();
    let started = match start(&cx, params).await {
        Ok(started) => started,
        Err(error) => return answer.send(Err(error)),
    };
    started.drive(
        cx.peer,
        cx.server.clock.clone(),
        move |piece| note(&process_id, &piece),
        |outcome| {
            answer.send(Ok(CommandExecResponse {
                exit_code: outcome.exit_code,
                stdout: outcome.stdout.text,
                stderr: outcome.stderr.text,
            }));
        },
    );
}

fn note(process_id: &str, piece: &Piece) -> ServerNotification {
    ServerNotification::CommandExecOutputDelta(CommandExecOutputDeltaNotification {
        process_id: process_id.to_owned(),
        stream: match piece.stream {
            OutputStream::Stdout => CommandExecOutputStream::Stdout,
            OutputStream::Stderr => CommandExecOutputStream::Stderr,
        },
        delta_base64: encode(&piece.bytes),
        cap_reached: piece.cap_reached,
    })
}

async fn start(cx: &Cx, params: CommandExecParams) -> ApiResult<Started> {
    let server = &cx.server;
    if params.command.is_empty() {
        return Err(ApiError::invalid("command must not be empty"));
    }
    if params.sandbox_policy.is_some() && params.permission_profile.is_some() {
        return Err(both());
    }
    if params.size.is_some() && !params.tty {
        return Err(ApiError::invalid_params(format!(
            "{WHAT} size requires tty: true"
        )));
    }
    let size = params.size.map(terminal_size).transpose()?;
    if params.output_bytes_cap.is_some() && params.disable_output_cap {
        return Err(ApiError::invalid_params(format!(
            "{WHAT} cannot set both outputBytesCap and disableOutputCap"
        )));
    }
    if params.timeout_ms.is_some() && params.disable_timeout {
        return Err(ApiError::invalid_params(format!(
            "{WHAT} cannot set both timeoutMs and disableTimeout"
        )));
    }
    let timeout = match params.timeout_ms {
        Some(ms) => Some(one_offs::timeout(WHAT, ms)?),
        None => (!params.disable_timeout).then_some(TIMEOUT_DEFAULT),
    };
    let folder = assemble::absolute(server, params.cwd.as_deref().unwrap_or_default());
    let Bounds {
        confinement,
        variable,
        config,
    } = bounds(
        server,
        &folder,
        params.sandbox_policy,
        params.permission_profile,
    )?;
    let streamed = params.tty || params.stream_stdout_stderr;
    let input = params.tty || params.stream_stdin;
    let key = match params.process_id {
        Some(name) => Key::Command(name),
        None if streamed || input => {
            return Err(ApiError::invalid(format!(
                "{WHAT} tty or streaming requires a client-supplied processId"
            )));
        }
        None => cx.peer.one_offs.unnamed(),
    };
    let own = one_offs::own_environment(server);
    let policy = environment_policy(&config.shell_environment_policy);
    let mut environment = one_offs::environment(policy.apply(own), params.env);
    environment.extend(variable);
    let program = OneOff {
        argv: params.command,
        folder: folder.into_path_buf(),
        environment,
        confinement,
        terminal: params.tty.then(|| size.unwrap_or_default()),
        input,
        streamed,
        output_bytes_max: match params.output_bytes_cap {
            Some(cap) => Some(cap),
            None => (!params.disable_output_cap).then_some(OUTPUT_BYTES_DEFAULT),
        },
        timeout,
    };
    one_offs::start(&cx.peer, key, program, "command").await
}

fn terminal_size(size: CommandExecTerminalSize) -> ApiResult<TerminalSize> {
    one_offs::terminal_size(WHAT, size.rows, size.cols)
}

async fn write(cx: Cx, params: CommandExecWriteParams, answer: Answer<methods::CommandExecWrite>) {
    let key = Key::Command(params.process_id);
    let delta = params.delta_base64.as_deref();
    let one_offs = &cx.peer.one_offs;
    let written = one_offs.write("command/exec/write", &key, delta, params.close_stdin);
    answer.send(written.await.map(|()| CommandExecWriteResponse {}));
}

async fn terminate(
    cx: Cx,
    params: CommandExecTerminateParams,
    answer: Answer<methods::CommandExecTerminate>,
) {
    let key = Key::Command(params.process_id);
    let ended = cx.peer.one_offs.terminate(&key).await;
    answer.send(ended.map(|()| CommandExecTerminateResponse {}));
}

async fn resize(
    cx: Cx,
    params: CommandExecResizeParams,
    answer: Answer<methods::CommandExecResize>,
) {
    let key = Key::Command(params.process_id);
    let resized = match terminal_size(params.size) {
        Ok(size) => cx.peer.one_offs.resize(&key, size).await,
        Err(error) => Err(error),
    };
    answer.send(resized.map(|()| CommandExecResizeResponse {}));
}
