//! Writes a connection's queue out.
//!
//! Everything queued goes out in as few writes as possible: small messages are
//! gathered into one buffer, because a system call costs more than copying a few
//! hundred bytes; a large message is written from where it lies, shared with the other
//! subscribers. One writer serves lines and WebSocket frames alike: the two differ in
//! a few bytes around each message.
//!
//! Invariants: messages leave in the order they were queued; once the queue is
//! sealed the writer ends within [`FLUSH_TIMEOUT`]; between batches it keeps no
//! buffer larger than [`BUFFER_KEPT_MAX`].

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::close::CloseReason;
use crate::queue::{Batch, Queue};
use crate::ws::frame::{self, Opcode};

/// How long a connection that has ended may take to pass on what is still queued.
/// What is left then is lost, as the peer does not read.
pub const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes gathered into one write; also the usual size of a pipe.
const BATCH_BYTES: usize = 64 * 1024;

/// A message of this many bytes or more is not copied into the batch.
const COPIED_BYTES_MAX: usize = 16 * 1024;

/// Bytes of buffer that an idle writer keeps.
const BUFFER_KEPT_MAX: usize = 16 * 1024;

/// What stands around each message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// A line break behind it.
    Line,
    /// A text frame's header before it.
    WebSocket,
}

impl Framing {
    fn head(self, message_bytes: usize, into: &mut Vec<u8>) {
        match self {
            Self::Line => {}
            Self::WebSocket => frame::head(Opcode::Text, message_bytes, into),
        }
    }

    fn tail(self, into: &mut Vec<u8>) {
        match self {
            Self::Line => into.push(b'\n'),
            Self::WebSocket => {}
        }
    }

    /// The last bytes of a connection that ends in order.
    fn farewell(self, reason: Option<&CloseReason>, into: &mut Vec<u8>) {
        match self {
            Self::Line => {}
            Self::WebSocket => frame::close(reason, into),
        }
    }
}

/// Writes until the queue is sealed and empty, or writing fails, which seals it.
pub(crate) async fn write_out<W: AsyncWrite + Unpin>(
    queue: Arc<Queue>,
    mut writer: W,
    framing: Framing,
) {
    // Also when this task ends in a way nobody foresaw, senders must learn of it.
    let _end = AbandonOnDrop(&queue);
    let flush_time_is_over = async {
        queue.sealed().await;
        tokio::time::sleep(FLUSH_TIMEOUT).await;
    };
    tokio::select! {
        biased;
        outcome = write_batches(&queue, &mut writer, framing) => {
            if let Err(error) = outcome {
                queue.seal(error.into());
            }
        }
        () = flush_time_is_over => {
            tracing::debug!(connection = queue.id().0, "the peer did not read the rest in time");
        }
    }
}

struct AbandonOnDrop<'a>(&'a Queue);

impl Drop for AbandonOnDrop<'_> {
    fn drop(&mut self) {
        self.0
            .seal(CloseReason::Failed("the writer has ended".into()));
        self.0.abandon();
    }
}

async fn write_batches<W: AsyncWrite + Unpin>(
    queue: &Queue,
    writer: &mut W,
    framing: Framing,
) -> io::Result<()> {
    let mut buffer = Vec::new();
    while let Some(batch) = queue.take(BATCH_BYTES).await {
        write_batch(&batch, writer, framing, &mut buffer).await?;
        queue.written(&batch);
        buffer.clear();
        buffer.shrink_to(BUFFER_KEPT_MAX);
    }
    framing.farewell(queue.reason().as_ref(), &mut buffer);
    writer.write_all(&buffer).await?;
    writer.shutdown().await
}

async fn write_batch<W: AsyncWrite + Unpin>(
    batch: &Batch,
    writer: &mut W,
    framing: Framing,
    buffer: &mut Vec<u8>,
) -> io::Result<()> {
    if let Some(payload) = &batch.pong {
        frame::head(Opcode::Pong, payload.len(), buffer);
        buffer.extend_from_slice(payload);
    }
    for message in &batch.messages {
        let bytes = message.bytes();
        framing.head(bytes.len(), buffer);
        if bytes.len() < COPIED_BYTES_MAX {
            buffer.extend_from_slice(bytes);
        } else {
            writer.write_all(buffer).await?;
            buffer.clear();
            writer.write_all(bytes).await?;
        }
        framing.tail(buffer);
    }
    writer.write_all(buffer).await?;
    writer.flush().await
}
