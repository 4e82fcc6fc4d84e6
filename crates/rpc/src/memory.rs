//! A connection within this process, for tests and for programs that are their own client.
//!
//! There is no writer: the client takes messages from the queue itself, so nothing
//! is framed and no time limit runs. As with stdio, a client that does not read holds
//! up its own requests.

use std::sync::Arc;

use bytes::Bytes;
use loomd_base::ConnectionId;
use loomd_base::tasks::{self, Kind};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::close::{CloseReason, Closed};
use crate::connection::{Connection, Frames, Principal, Service, Transport, read_frame};
use crate::envelope::Incoming;
use crate::queue::{Lag, Queue};

/// Frames on their way to the session; when it is full, [`MemoryClient::send`] waits.
const FRAMES_MAX: usize = 64;

/// The client's end. Dropping it closes the connection.
#[derive(Debug)]
pub struct MemoryClient {
    frames: mpsc::Sender<Bytes>,
    messages: Messages,
    task: JoinHandle<()>,
}

/// Connects to `service` as the local user. Must be called within a runtime.
pub fn memory<S: Service>(service: Arc<S>) -> MemoryClient {
    memory_as(service, Principal::Local)
}

/// Connects to `service` as `principal`.
pub fn memory_as<S: Service>(service: Arc<S>, principal: Principal) -> MemoryClient {
    let (frames, incoming) = mpsc::channel(FRAMES_MAX);
    let connection = Connection::new(Transport::Memory, principal, Lag::Pause, |queue| {
        MemoryFrames {
            incoming,
            connection: queue.id(),
        }
    });
    let messages = Messages(Arc::clone(connection.queue()));
    let task = tasks::spawn(Kind::Connection, async move {
        // A memory connection ends with its client; there is nothing to be told to stop.
        let shutdown = CancellationToken::new();
        connection.drive(&*service, &shutdown).await;
    });
    MemoryClient {
        frames,
        messages,
        task,
    }
}

impl MemoryClient {
    /// The connection, as the service knows it.
    #[must_use]
    pub fn id(&self) -> ConnectionId {
        self.messages.0.id()
    }

    /// Sends one frame. Waits while the session is behind.
    ///
    /// # Errors
    /// The connection is closed.
    pub async fn send(&self, frame: impl Into<Bytes>) -> Result<(), Closed> {
        self.frames.send(frame.into()).await.map_err(|_| Closed)
    }

    /// The next message; `None` once the connection is closed and all is read.
    /// Dropping the future loses nothing.
    pub async fn recv(&mut self) -> Option<Bytes> {
        let batch = self.messages.0.take(1).await?;
        self.messages.0.written(&batch);
        // A batch of a byte holds one message; a pong, which it might hold instead, is
        // only ever sent over WebSocket.
        batch
            .messages
            .first()
            .map(|message| message.bytes().clone())
    }

    /// Why the connection ended; `None` while it is open.
    #[must_use]
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.messages.0.reason()
    }

    /// Ends the connection, waits until the session's `on_close` has returned and
    /// gives back what was not read.
    pub async fn close(self) -> Vec<Bytes> {
        let Self {
            frames,
            messages,
            task,
        } = self;
        drop(frames);
        if task.await.is_err() {
            tracing::error!("a memory connection's task panicked");
        }
        let mut rest = Vec::new();
        while let Some(batch) = messages.0.take(usize::MAX).await {
            rest.extend(batch.messages.iter().map(|message| message.bytes().clone()));
        }
        rest
    }
}

/// The reading end. Once it is gone nobody takes messages, so none are kept.
struct Messages(Arc<Queue>);

impl std::fmt::Debug for Messages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Messages").field(&self.0.id()).finish()
    }
}

impl Drop for Messages {
    fn drop(&mut self) {
        self.0.seal(CloseReason::PeerClosed);
        self.0.abandon();
    }
}

struct MemoryFrames {
    incoming: mpsc::Receiver<Bytes>,
    connection: ConnectionId,
}

impl Frames for MemoryFrames {
    async fn next(&mut self) -> Result<Incoming, CloseReason> {
        while let Some(frame) = self.incoming.recv().await {
            if let Some(message) = read_frame(self.connection, &frame) {
                return Ok(message);
            }
        }
        Err(CloseReason::PeerClosed)
    }
}
