//! Serving, and ending in good order.
//!
//! On stdio the process is the client's own: it ends when the client closes its end or
//! sends SIGTERM, whatever is going on, but not before rollouts are complete. A socket
//! server is everybody's: asked to end, it goes on until no turn runs; asked twice, it
//! ends at once.

use std::future::Future;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use loomd_base::tasks::{Kind, spawn};
use loomd_rpc::{AuthPolicy, Listen, UnixListener, WebSocketListener, serve_stdio};
use loomd_server::{Server, ServerOptions, ServerService};
use tokio::time::{interval, timeout};
use tokio_util::sync::CancellationToken;

use super::auth::Tokens;
use crate::memory;
use crate::signals::{self, Signal, Signals};

/// How long a stdio server may take to end its threads. The official Python SDK kills
/// the process after two seconds.
const STDIO_END_TIMEOUT: Duration = Duration::from_millis(1500);

/// How often a socket server that is to end looks whether a turn still runs.
const DRAIN_PERIOD: Duration = Duration::from_millis(25);

/// Serves until the end. The exit code is that of a clean end.
pub(super) async fn run(
    options: ServerOptions,
    listen: Listen,
    tokens: Tokens,
) -> anyhow::Result<ExitCode> {
    let home = options.home.clone();
    let server = Server::new(options);
    let service = Arc::new(ServerService(Arc::clone(&server)));
    let stop = CancellationToken::new();
    spawn(Kind::Background, memory::give_back(Arc::clone(&server)));
    match listen {
        Listen::Stdio => stdio(&server, service, stop).await,
        Listen::Unix(path) => {
            let listener = match &path {
                Some(path) => UnixListener::bind(path).await,
                None => UnixListener::bind_default(&home).await,
            }?;
            let serving = listener.serve(service, stop.clone());
            socket(&server, serving, &stop).await
        }
        Listen::WebSocket(address) => {
            ensure!(
                tokens == Tokens::None,
                "`--ws-auth` cannot be used yet: this build serves WebSocket on loopback, without tokens"
            );
            let listener = WebSocketListener::bind(address, AuthPolicy::None).await?;
            // A closed standard error is no reason not to serve.
            let _unseen = std::io::stderr().write_all(listener.banner().as_bytes());
            let serving = listener.serve(service, stop.clone());
            socket(&server, serving, &stop).await
        }
        Listen::Off => Ok(ExitCode::SUCCESS),
    }
}

async fn stdio(
    server: &Server,
    service: Arc<ServerService>,
    stop: CancellationToken,
) -> anyhow::Result<ExitCode> {
    let terminate = signals::terminate().context("cannot listen for signals")?;
    let serving = serve_stdio(service, stop.clone());
    tokio::pin!(serving, terminate);
    let outcome = tokio::select! {
        biased;
        outcome = &mut serving => outcome,
        () = &mut terminate => {
            stop.cancel();
            serving.await
        }
    };
    if timeout(STDIO_END_TIMEOUT, server.shutdown()).await.is_err() {
        tracing::warn!("threads did not end in time");
    }
    outcome.context("the connection on standard input and output failed")?;
    Ok(ExitCode::SUCCESS)
}

/// Serves a socket until a signal has asked for the end and no turn runs.
async fn socket(
    server: &Server,
    serving: impl Future<Output = std::io::Result<()>>,
    stop: &CancellationToken,
) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::listen().context("cannot listen for signals")?;
    tokio::pin!(serving);
    tokio::select! {
        biased;
        outcome = &mut serving => {
            outcome.context("the listener failed")?;
            return Ok(ExitCode::SUCCESS);
        }
        signal = signals.next() => tracing::info!(?signal, "ending once no turn runs"),
    }
    let ending = async {
        let mut period = interval(DRAIN_PERIOD);
        while server.any_turn_running() {
            period.tick().await;
        }
        // Connections go first, after a flush; nobody can start a turn behind our back.
        stop.cancel();
    };
    let ended = async {
        let ((), outcome) = tokio::join!(ending, &mut serving);
        server.shutdown().await;
        outcome
    };
    tokio::select! {
        biased;
        outcome = ended => outcome.context("the listener failed")?,
        signal = second(&mut signals) => tracing::warn!(?signal, "ending at once"),
    }
    Ok(ExitCode::SUCCESS)
}

/// A signal that ends a server which is ending already: a second SIGHUP is none.
async fn second(signals: &mut Signals) -> Signal {
    loop {
        match signals.next().await {
            Signal::Hangup => {}
            signal @ (Signal::Interrupt | Signal::Terminate) => return signal,
        }
    }
}
