//! WebSocket, the protocol of both kinds of socket.
//!
//! One text message is one JSON document, both ways; binary messages are dropped.
//! [`frame`] knows the bytes, [`admission`] how many connections may be open and how
//! long one may take to say what it wants, [`http`] answers the requests before the
//! upgrade, [`tcp`] and [`unix`] are the listeners.
//!
//! Deliberately absent: extensions (compression among them), subprotocols, pings of
//! our own.

mod admission;
pub(crate) mod frame;
mod http;
mod tcp;
mod unix;

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};

pub use admission::{CONNECTIONS_MAX, HANDSHAKE_TIMEOUT};
pub use tcp::{AuthPolicy, WebSocketBindError, WebSocketListener};
pub use unix::{UnixBindError, UnixListener, default_socket_path};

use crate::close::CloseReason;
use crate::connection::{Frames, read_frame};
use crate::envelope::Incoming;
use crate::queue::Queue;
use frame::{Decoder, Event};

/// Bytes asked of the socket at once.
const READ_BYTES: usize = 16 * 1024;

/// How long a closed socket goes on reading, and throwing away, what the peer still
/// sends. Closing it with unread bytes would make the system reset the connection
/// and lose what was flushed a moment before.
const LINGER_TIMEOUT: Duration = Duration::from_secs(1);

struct SocketFrames<R> {
    queue: Arc<Queue>,
    reader: R,
    decoder: Decoder,
}

impl<R: AsyncRead + Unpin + Send> SocketFrames<R> {
    fn new(queue: Arc<Queue>, reader: R) -> Self {
        Self {
            queue,
            reader,
            decoder: Decoder::default(),
        }
    }

    /// Waits for the peer to close its side too, within [`LINGER_TIMEOUT`].
    async fn linger(mut self) {
        let rest = async { tokio::io::copy(&mut self.reader, &mut tokio::io::sink()).await };
        match tokio::time::timeout(LINGER_TIMEOUT, rest).await {
            Ok(Ok(bytes)) => tracing::trace!(bytes, "thrown away after the close"),
            Ok(Err(_)) | Err(_) => tracing::trace!("the peer did not close its side"),
        }
    }
}

impl<R: AsyncRead + Unpin + Send> Frames for SocketFrames<R> {
    async fn next(&mut self) -> Result<Incoming, CloseReason> {
        loop {
            while let Some(event) = self.decoder.next()? {
                match event {
                    Event::Text(text) => {
                        if let Some(message) = read_frame(self.queue.id(), &text) {
                            return Ok(message);
                        }
                    }
                    Event::Binary(bytes) => {
                        let connection = self.queue.id().0;
                        tracing::debug!(connection, bytes, "binary message dropped");
                    }
                    Event::Ping(payload) => self.queue.pong(payload),
                    Event::Pong => {}
                    Event::Close => return Err(CloseReason::PeerClosed),
                }
            }
            let buffer = self.decoder.buffer();
            buffer.reserve(READ_BYTES);
            if self.reader.read_buf(buffer).await? == 0 {
                return Err(CloseReason::PeerClosed);
            }
        }
    }
}
