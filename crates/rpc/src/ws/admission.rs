//! Which sockets are let in, and for how long before they have upgraded.
//!
//! Bounds what strangers can hold: at most [`CONNECTIONS_MAX`] open sockets per
//! listener (further ones wait in the system's backlog), and [`HANDSHAKE_TIMEOUT`]
//! for everything a socket does before it becomes a WebSocket.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;

use crate::connection::Transport;

/// Sockets that one listener keeps open. Further ones wait in the system's backlog.
pub const CONNECTIONS_MAX: usize = 4096;

/// How long a socket may take, and stay, without upgrading. Reads fail afterwards.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);

/// A listening socket of either kind.
pub(super) trait Source: Listener {
    /// What is needed of a fresh socket before it is used.
    fn prepare(socket: &Self::Io);
    fn transport(address: &Self::Addr) -> Transport;
}

impl Source for TcpListener {
    fn prepare(socket: &TcpStream) {
        // Each write is a whole batch already; waiting for more would only delay it.
        if let Err(error) = socket.set_nodelay(true) {
            tracing::debug!(%error, "a socket keeps its small-packet delay");
        }
    }

    fn transport(addr: &std::net::SocketAddr) -> Transport {
        Transport::WebSocket { addr: *addr }
    }
}

impl Source for UnixListener {
    fn prepare(_: &tokio::net::UnixStream) {}

    fn transport(_: &tokio::net::unix::SocketAddr) -> Transport {
        Transport::Unix
    }
}

/// Accepts sockets within the limits.
pub(super) struct Admission<L> {
    listener: L,
    permits: Arc<Semaphore>,
}

impl<L: Source> Admission<L> {
    pub(super) fn new(listener: L) -> Self {
        Self {
            listener,
            permits: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
        }
    }
}

impl<L: Source> Listener for Admission<L> {
    type Io = Admitted<L::Io>;
    type Addr = Transport;

    async fn accept(&mut self) -> (Self::Io, Transport) {
        let permit = Arc::clone(&self.permits)
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        let (socket, address) = self.listener.accept().await;
        L::prepare(&socket);
        let admitted = Admitted {
            socket,
            upgraded: Arc::default(),
            deadline: Some(Box::pin(tokio::time::sleep(HANDSHAKE_TIMEOUT))),
            _permit: permit,
        };
        (admitted, L::transport(&address))
    }

    fn local_addr(&self) -> io::Result<Transport> {
        self.listener.local_addr().map(|addr| L::transport(&addr))
    }
}

/// What a request knows of the socket it came by.
#[derive(Clone)]
pub(super) struct Arrival {
    pub(super) transport: Transport,
    upgraded: Arc<AtomicBool>,
}

impl Arrival {
    /// Lifts the time limit: the socket has become a connection.
    pub(super) fn set_upgraded(&self) {
        self.upgraded.store(true, Ordering::Release);
    }
}

impl<L: Source> Connected<IncomingStream<'_, Admission<L>>> for Arrival {
    fn connect_info(stream: IncomingStream<'_, Admission<L>>) -> Self {
        Self {
            transport: stream.remote_addr().clone(),
            upgraded: Arc::clone(&stream.io().upgraded),
        }
    }
}

/// A socket that counts towards the limits until it is dropped.
pub(super) struct Admitted<T> {
    socket: T,
    upgraded: Arc<AtomicBool>,
    /// Gone once the socket is known to have upgraded.
    deadline: Option<Pin<Box<Sleep>>>,
    _permit: OwnedSemaphorePermit,
}

impl<T> Admitted<T> {
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.upgraded.load(Ordering::Acquire) {
            self.deadline = None;
        }
        match &mut self.deadline {
            Some(deadline) => deadline.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Admitted<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.poll_deadline(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.socket).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Admitted<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn admitted() -> (tokio::io::DuplexStream, Admitted<tokio::io::DuplexStream>) {
        let (client, socket) = tokio::io::duplex(64);
        let permits = Arc::new(Semaphore::new(1));
        let admitted = Admitted {
            socket,
            upgraded: Arc::default(),
            deadline: Some(Box::pin(tokio::time::sleep(HANDSHAKE_TIMEOUT))),
            _permit: permits.acquire_owned().await.unwrap(),
        };
        (client, admitted)
    }

    #[tokio::test(start_paused = true)]
    async fn ends_a_socket_that_does_not_upgrade() {
        let (mut client, mut socket) = admitted().await;
        client.write_all(b"GET / HT").await.unwrap();
        let mut bytes = [0; 8];
        socket.read_exact(&mut bytes).await.unwrap();
        let begun = tokio::time::Instant::now();
        let error = socket.read(&mut bytes).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(begun.elapsed().as_secs(), HANDSHAKE_TIMEOUT.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn leaves_an_upgraded_socket_its_time() {
        let (mut client, mut socket) = admitted().await;
        socket.upgraded.store(true, Ordering::Release);
        let later = speak_late(&mut client);
        let mut bytes = [0; 1];
        let (read, ()) = tokio::join!(socket.read(&mut bytes), later);
        assert_eq!(read.unwrap(), 1);
    }

    async fn speak_late(client: &mut tokio::io::DuplexStream) {
        tokio::time::sleep(HANDSHAKE_TIMEOUT * 3).await;
        client.write_all(b"x").await.unwrap();
    }
}
