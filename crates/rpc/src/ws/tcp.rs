//! The TCP listener (`ws://IP:PORT`).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::http;
use crate::connection::Service;

/// How peers of the TCP listener prove who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthPolicy {
    /// Not at all, which is allowed on a loopback address only.
    None,
}

/// Why the TCP listener does not start.
#[derive(Debug, thiserror::Error)]
pub enum WebSocketBindError {
    /// The address can be reached from elsewhere and nobody would be asked for a token.
    /// The text is the reference's.
    #[error(
        "refusing to start non-loopback websocket listener {0} without auth; configure `--ws-auth capability-token` or `--ws-auth signed-bearer-token`"
    )]
    Unprotected(SocketAddr),
    /// The system refused.
    #[error("failed to listen on {addr}")]
    Bind {
        /// What was asked for.
        addr: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A bound TCP socket that will serve WebSocket connections.
#[derive(Debug)]
pub struct WebSocketListener {
    listener: TcpListener,
    addr: SocketAddr,
}

impl WebSocketListener {
    /// Binds `addr`; port 0 lets the system choose.
    ///
    /// # Errors
    /// `auth` does not suffice for the address, or the system refuses it.
    pub async fn bind(addr: SocketAddr, auth: AuthPolicy) -> Result<Self, WebSocketBindError> {
        match auth {
            AuthPolicy::None if !addr.ip().to_canonical().is_loopback() => {
                return Err(WebSocketBindError::Unprotected(addr));
            }
            AuthPolicy::None => {}
        }
        let failed = |source| WebSocketBindError::Bind { addr, source };
        let listener = TcpListener::bind(addr).await.map_err(failed)?;
        let addr = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, addr })
    }

    /// The address in use, with the real port.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// What to print on standard error once listening: five lines, each ended. Tools
    /// find the port by the line `listening on: ws://ADDR`.
    #[must_use]
    pub fn banner(&self) -> String {
        let addr = self.addr;
        format!(
            "loomd app-server over WebSocket\n  \
             listening on: ws://{addr}\n  \
             readyz: http://{addr}/readyz\n  \
             healthz: http://{addr}/healthz\n  \
             note: only this machine can connect; from elsewhere, forward the port with ssh\n"
        )
    }

    /// Serves until `shutdown`; then closes every connection after its `on_close` and
    /// a flush, and returns when the last one is gone.
    ///
    /// # Errors
    /// Accepting ended for good.
    pub async fn serve<S: Service>(
        self,
        service: Arc<S>,
        shutdown: CancellationToken,
    ) -> io::Result<()> {
        http::serve(self.listener, service, shutdown).await
    }
}
