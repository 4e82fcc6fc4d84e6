//! `loomd app-server proxy`: stdin and stdout, connected to the server's socket.
//!
//! Bytes alone go through, the WebSocket handshake included; whoever uses it (over
//! ssh, say) speaks the protocol.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use loomd_config::Environment;
use loomd_rpc::default_socket_path;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;

use crate::process;

/// Flags of `loomd app-server proxy`.
#[derive(Debug, Args)]
pub(super) struct ProxyArgs {
    /// The socket to connect to; by default that of `--listen unix://`
    #[arg(long, value_name = "PATH")]
    sock: Option<PathBuf>,
}

pub(super) fn run(
    args: &ProxyArgs,
    environment: &Environment,
    home: &Path,
) -> anyhow::Result<ExitCode> {
    let path = match &args.sock {
        Some(path) => environment.absolute(path),
        None => default_socket_path(home),
    };
    process::block_on(copy(path))
}

/// Copies until the server closes its end. The end of input is passed on, so that
/// what the server still has to say arrives.
async fn copy(path: PathBuf) -> anyhow::Result<ExitCode> {
    let stream = UnixStream::connect(&path)
        .await
        .with_context(|| format!("failed to connect to socket at {}", path.display()))?;
    let (mut from_server, mut to_server) = stream.into_split();
    let upstream = async {
        tokio::io::copy(&mut tokio::io::stdin(), &mut to_server).await?;
        to_server.shutdown().await
    };
    let downstream = async {
        let mut output = tokio::io::stdout();
        tokio::io::copy(&mut from_server, &mut output).await?;
        output.flush().await
    };
    tokio::pin!(upstream, downstream);
    tokio::select! {
        biased;
        outcome = &mut downstream => outcome.context("the connection failed")?,
        outcome = &mut upstream => {
            outcome.context("the connection failed")?;
            downstream.await.context("the connection failed")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
