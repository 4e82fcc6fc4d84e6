//! process/spawn and what acts on it: programs with all the rights of the server. Texts,
//! codes and the order of the checks are the reference's, seen on 0.169.0.

use loomd_protocol::{
    ProcessExitedNotification, ProcessKillParams, ProcessKillResponse,
    ProcessOutputDeltaNotification, ProcessOutputStream, ProcessResizePtyParams,
    ProcessResizePtyResponse, ProcessSpawnParams, ProcessSpawnResponse, ProcessTerminalSize,
    ProcessWriteStdinParams, ProcessWriteStdinResponse, ServerNotification, methods,
};
use loomd_tools::TerminalSize;
use loomd_tools::one_off::{OneOff, OutputStream, Piece};

use crate::errors::{ApiError, ApiResult};
use crate::host::send_to;
use crate::one_offs::{self, Key, OUTPUT_BYTES_DEFAULT, Started, TIMEOUT_DEFAULT, encode};
use crate::router::{Answer, Cx, Route, raw};

pub(crate) fn routes() -> Vec<Route> {
    vec![
        raw::<methods::ProcessSpawn, _>(spawn),
        raw::<methods::ProcessWriteStdin, _>(write),
        raw::<methods::ProcessKill, _>(kill),
        raw::<methods::ProcessResizePty, _>(resize),
    ]
}

/// Answers when the process was started; its end is a notification.
async fn spawn(cx: Cx, params: ProcessSpawnParams, answer: Answer<methods::ProcessSpawn>) {
    let process_handle = params.process_handle.clone();
    let started = match start(&cx, params).await {
        Ok(started) => started,
        Err(error) => return answer.send(Err(error)),
    };
    answer.send(Ok(ProcessSpawnResponse {}));
    let (peer, clock) = (cx.peer.clone(), cx.server.clock.clone());
    let name = process_handle.clone();
    started.drive(
        cx.peer,
        cx.server.clock.clone(),
        move |piece| note(&name, &piece),
        move |outcome| {
            let note = ServerNotification::ProcessExited(ProcessExitedNotification {
                process_handle,
                exit_code: outcome.exit_code,
                output_drain_timed_out: Some(outcome.drain_timed_out),
                stdout: outcome.stdout.text,
                stdout_cap_reached: outcome.stdout.cap_reached,
                stderr: outcome.stderr.text,
                stderr_cap_reached: outcome.stderr.cap_reached,
            });
            send_to([&peer].into_iter(), &note, clock.now().wall_ms);
        },
    );
}

fn note(process_handle: &str, piece: &Piece) -> ServerNotification {
    ServerNotification::ProcessOutputDelta(ProcessOutputDeltaNotification {
        process_handle: process_handle.to_owned(),
        stream: match piece.stream {
            OutputStream::Stdout => ProcessOutputStream::Stdout,
            OutputStream::Stderr => ProcessOutputStream::Stderr,
        },
        delta_base64: encode(&piece.bytes),
        cap_reached: piece.cap_reached,
    })
}

async fn start(cx: &Cx, params: ProcessSpawnParams) -> ApiResult<Started> {
    if params.command.is_empty() {
        return Err(ApiError::invalid("command must not be empty"));
    }
    if params.process_handle.is_empty() {
        return Err(ApiError::invalid("processHandle must not be empty"));
    }
    if params.size.is_some() && !params.tty {
        return Err(ApiError::invalid_params(
            "process/spawn size requires tty: true",
        ));
    }
    let size = params.size.map(terminal_size).transpose()?;
    let timeout = match params.timeout_ms {
        None => Some(TIMEOUT_DEFAULT),
        Some(None) => None,
        Some(Some(ms)) => Some(one_offs::timeout("process/spawn", ms)?),
    };
    let own = one_offs::own_environment(&cx.server);
    let program = OneOff {
        argv: params.command,
        folder: params.cwd.into_path_buf(),
        environment: one_offs::environment(own, params.env),
        terminal: params.tty.then(|| size.unwrap_or_default()),
        input: params.tty || params.stream_stdin,
        streamed: params.tty || params.stream_stdout_stderr,
        output_bytes_max: params
            .output_bytes_cap
            .unwrap_or(Some(OUTPUT_BYTES_DEFAULT)),
        timeout,
        confinement: None,
    };
    let key = Key::Process(params.process_handle);
    one_offs::start(&cx.peer, key, program, "process").await
}

fn terminal_size(size: ProcessTerminalSize) -> ApiResult<TerminalSize> {
    one_offs::terminal_size("process", size.rows, size.cols)
}

async fn write(
    cx: Cx,
    params: ProcessWriteStdinParams,
    answer: Answer<methods::ProcessWriteStdin>,
) {
    let key = Key::Process(params.process_handle);
    let delta = params.delta_base64.as_deref();
    let one_offs = &cx.peer.one_offs;
    let written = one_offs.write("process/writeStdin", &key, delta, params.close_stdin);
    answer.send(written.await.map(|()| ProcessWriteStdinResponse {}));
}

async fn kill(cx: Cx, params: ProcessKillParams, answer: Answer<methods::ProcessKill>) {
    let key = Key::Process(params.process_handle);
    let ended = cx.peer.one_offs.terminate(&key).await;
    answer.send(ended.map(|()| ProcessKillResponse {}));
}

async fn resize(cx: Cx, params: ProcessResizePtyParams, answer: Answer<methods::ProcessResizePty>) {
    let key = Key::Process(params.process_handle);
    let resized = match terminal_size(params.size) {
        Ok(size) => cx.peer.one_offs.resize(&key, size).await,
        Err(error) => Err(error),
    };
    answer.send(resized.map(|()| ProcessResizePtyResponse {}));
}
