//! Incoming lines: one JSON document each, UTF-8, ended by `\n`.
//!
//! A line that is empty, is not UTF-8, is no envelope or is too long is logged and
//! skipped; the connection goes on. A last line without its line break counts.
//!
//! Invariant: memory is bounded by [`LINE_BYTES_MAX`]; a longer line is skipped as it
//! arrives, and the room a long line took is given back after it.

use loomd_base::ConnectionId;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

use crate::close::CloseReason;
use crate::connection::{Frames, read_frame};
use crate::envelope::Incoming;

/// Bytes of one incoming line, without its line break. A longer one is skipped.
pub const LINE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Bytes asked of the system at once; the usual size of a pipe.
const READ_BYTES: usize = 64 * 1024;

pub(crate) struct LineFrames<R> {
    connection: ConnectionId,
    reader: BufReader<R>,
    /// What has arrived of a line that is not complete.
    partial: Vec<u8>,
    /// The current line is over the limit; its rest is thrown away.
    skipping: bool,
}

impl<R: AsyncRead + Unpin + Send> LineFrames<R> {
    pub(crate) fn new(connection: ConnectionId, reader: R) -> Self {
        Self {
            connection,
            reader: BufReader::with_capacity(READ_BYTES, reader),
            partial: Vec::new(),
            skipping: false,
        }
    }

    /// Adds to the line that is not complete, unless that makes it too long.
    fn keep(&mut self, bytes: usize) {
        if self.skipping {
            return;
        }
        if self.partial.len() + bytes > LINE_BYTES_MAX {
            tracing::warn!(
                connection = self.connection.0,
                bytes_max = LINE_BYTES_MAX,
                "line above the limit skipped"
            );
            self.partial = Vec::new();
            self.skipping = true;
            return;
        }
        self.partial
            .extend_from_slice(&self.reader.buffer()[..bytes]);
    }

    /// The current line is complete.
    fn finish(&mut self) -> Option<Incoming> {
        let line = std::mem::take(&mut self.partial);
        if std::mem::take(&mut self.skipping) {
            return None;
        }
        read_frame(self.connection, &line)
    }
}

impl<R: AsyncRead + Unpin + Send> Frames for LineFrames<R> {
    async fn next(&mut self) -> Result<Incoming, CloseReason> {
        loop {
            let chunk = self.reader.fill_buf().await?;
            if chunk.is_empty() {
                let began = !self.partial.is_empty();
                let last = if began { self.finish() } else { None };
                return last.ok_or(CloseReason::PeerClosed);
            }
            let chunk_bytes = chunk.len();
            let Some(line_bytes) = chunk.iter().position(|byte| *byte == b'\n') else {
                self.keep(chunk_bytes);
                self.reader.consume(chunk_bytes);
                continue;
            };
            let message = if self.partial.is_empty() && !self.skipping {
                // The usual case: the whole line is at hand and need not be copied.
                read_frame(self.connection, &chunk[..line_bytes])
            } else {
                self.keep(line_bytes);
                self.finish()
            };
            self.reader.consume(line_bytes + 1);
            if let Some(message) = message {
                return Ok(message);
            }
        }
    }
}
