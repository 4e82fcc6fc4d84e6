//! One connection, whatever it runs over.
//!
//! A connection is two tasks: this one reads frames and calls the [`Session`], one
//! message at a time in the order of arrival; the other ([`crate::writer`]) writes
//! the queue out. So a session that waits never holds up what others send to its
//! client, and a client that does not read never holds up the session.
//!
//! Invariants: `on_close` is called exactly once for each accepted session, after
//! the last `on_message`, also when the session panics; what the session sends
//! before `on_close` returns is still written if the peer takes it.
//!
//! Deliberately absent: knowledge of who waits for which answer, and any limit on how
//! long a session takes.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::FutureExt;
use loomd_base::ConnectionId;
use loomd_base::tasks::{self, Kind};
use tokio::io::AsyncWrite;
use tokio_util::sync::CancellationToken;

use crate::close::CloseReason;
use crate::envelope::{Incoming, parse};
use crate::queue::{Lag, Outbound, Queue};
use crate::writer::{Framing, write_out};

/// What a connection runs over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transport {
    /// Standard input and output.
    Stdio,
    /// A TCP socket.
    WebSocket {
        /// The peer's address.
        addr: SocketAddr,
    },
    /// A Unix socket.
    Unix,
    /// This process.
    Memory,
}

/// Who is at the other end, as far as the transport has checked it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Principal {
    /// A user of this machine: stdio, Unix socket, loopback without a token, in process.
    Local,
    /// Someone who holds the shared token.
    Bearer,
    /// The subject of a signed token.
    Subject(String),
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("local"),
            Self::Bearer => f.write_str("bearer"),
            Self::Subject(subject) => write!(f, "subject {subject}"),
        }
    }
}

/// The other end of a new connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Never used twice in this process.
    pub id: ConnectionId,
    /// How it is reached.
    pub transport: Transport,
    /// Who it is.
    pub principal: Principal,
}

/// What serves the connections of a listener.
pub trait Service: Send + Sync + 'static {
    /// The service's side of one connection.
    type Session: Session;

    /// Takes a new connection. `out` is its outgoing queue; what is sent there before
    /// this returns is the first the peer sees.
    fn accept(&self, peer: Peer, out: Outbound) -> Self::Session;
}

/// The service's side of one connection. A panic in it ends this connection only.
pub trait Session: Send + 'static {
    /// Takes the next message. The next one is read when this has returned, so a
    /// session that waits here holds up its own client's requests, and nothing else.
    /// Never cancelled; a connection that closes meanwhile ends after it.
    fn on_message(&mut self, message: Incoming) -> impl Future<Output = ()> + Send;

    /// The last call. No more messages come; what is sent before this returns is
    /// still written, unless the peer is gone. Never cancelled, so it has to end by itself.
    fn on_close(&mut self, reason: CloseReason) -> impl Future<Output = ()> + Send;
}

/// Incoming frames of one transport, parsed.
pub(crate) trait Frames: Send {
    /// The next message, or why there will be none. What is no message is logged and
    /// skipped. Dropping the future loses nothing.
    fn next(&mut self) -> impl Future<Output = Result<Incoming, CloseReason>> + Send;
}

/// Parses a frame; one that is to be dropped is logged, without its content.
pub(crate) fn read_frame(connection: ConnectionId, frame: &[u8]) -> Option<Incoming> {
    match parse(frame) {
        Ok(message) => Some(message),
        Err(why) => {
            let bytes = frame.len();
            tracing::debug!(connection = connection.0, bytes, "frame dropped: {why}");
            None
        }
    }
}

/// An id for a new connection.
pub(crate) fn next_id() -> ConnectionId {
    // Process-wide, because the ids of different listeners meet in one server.
    static NEXT: AtomicU64 = AtomicU64::new(1);
    ConnectionId(NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A connection whose transport is ready.
pub(crate) struct Connection<F> {
    peer: Peer,
    queue: Arc<Queue>,
    frames: F,
}

impl<F: Frames> Connection<F> {
    /// `frames` is made from the queue, through which it answers pings.
    pub(crate) fn new(
        transport: Transport,
        principal: Principal,
        lag: Lag,
        frames: impl FnOnce(&Arc<Queue>) -> F,
    ) -> Self {
        let id = next_id();
        let queue = Queue::new(id, lag);
        Self {
            peer: Peer {
                id,
                transport,
                principal,
            },
            frames: frames(&queue),
            queue,
        }
    }

    pub(crate) fn queue(&self) -> &Arc<Queue> {
        &self.queue
    }

    /// Serves the connection over `writer` until it has ended and its queue is
    /// flushed. Gives back the source of frames for the transport to finish with.
    pub(crate) async fn run<S, W>(
        self,
        service: Arc<S>,
        (writer, framing): (W, Framing),
        shutdown: CancellationToken,
    ) -> (CloseReason, F)
    where
        S: Service,
        W: AsyncWrite + Unpin + Send + 'static,
    {
        let queue = Arc::clone(&self.queue);
        let writing = tasks::spawn(Kind::Connection, write_out(queue, writer, framing));
        let ended = self.drive(&*service, &shutdown).await;
        if writing.await.is_err() {
            tracing::error!("a connection's writer panicked");
        }
        ended
    }

    /// Reads and serves until the connection ends; leaves the queue sealed.
    pub(crate) async fn drive<S: Service>(
        mut self,
        service: &S,
        shutdown: &CancellationToken,
    ) -> (CloseReason, F) {
        let connection = self.peer.id.0;
        tracing::debug!(
            connection,
            transport = ?self.peer.transport,
            principal = %self.peer.principal,
            "connection accepted"
        );
        let _seal = SealOnDrop(Arc::clone(&self.queue));
        let out = Outbound::new(Arc::clone(&self.queue));
        let peer = self.peer.clone();
        let accepted = catch_unwind(AssertUnwindSafe(|| service.accept(peer, out)));
        let Ok(mut session) = accepted else {
            tracing::error!(connection, "the service panicked on a new connection");
            return (self.ended(panicked()), self.frames);
        };
        let reason = self.serve(&mut session, shutdown).await;
        let closing = AssertUnwindSafe(session.on_close(reason.clone())).catch_unwind();
        if closing.await.is_err() {
            tracing::error!(connection, "a session panicked while closing");
        }
        (self.ended(reason), self.frames)
    }

    async fn serve<S: Session>(
        &mut self,
        session: &mut S,
        shutdown: &CancellationToken,
    ) -> CloseReason {
        let queue = Arc::clone(&self.queue);
        let sealed = queue.sealed();
        let stop = shutdown.cancelled();
        tokio::pin!(sealed, stop);
        loop {
            let next = async {
                queue.room().await;
                self.frames.next().await
            };
            let message = tokio::select! {
                biased;
                () = &mut sealed => return queue.reason().unwrap_or(CloseReason::PeerClosed),
                () = &mut stop => return CloseReason::Shutdown,
                next = next => match next {
                    Ok(message) => message,
                    Err(reason) => return reason,
                },
            };
            let taken = AssertUnwindSafe(session.on_message(message)).catch_unwind();
            if taken.await.is_err() {
                tracing::error!(connection = queue.id().0, "a session panicked");
                return panicked();
            }
            // A burst that is already in memory must not keep this thread from others.
            tokio::task::consume_budget().await;
        }
    }

    fn ended(&self, reason: CloseReason) -> CloseReason {
        self.queue.seal(reason.clone());
        self.queue.reason().unwrap_or(reason)
    }
}

fn panicked() -> CloseReason {
    CloseReason::Failed("the session panicked".into())
}

/// Ends the writer when the connection's future is dropped halfway.
struct SealOnDrop(Arc<Queue>);

impl Drop for SealOnDrop {
    fn drop(&mut self) {
        self.0
            .seal(CloseReason::Failed("the connection was dropped".into()));
    }
}
