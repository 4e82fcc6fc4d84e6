//! The connection on standard input and output.
//!
//! There is exactly one. When the client does not read, reading pauses once
//! [`REPLY_BYTES_MAX`](crate::REPLY_BYTES_MAX) is queued, so a pipeline of requests
//! is held up rather than cut.

use std::io;
use std::sync::Arc;

use loomd_base::tasks::{self, Kind};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use crate::close::CloseReason;
use crate::connection::{Connection, Principal, Service, Transport};
use crate::lines::LineFrames;
use crate::queue::Lag;
use crate::standard;
use crate::writer::Framing;

/// Serves the one connection on standard input and output. Returns at the end of
/// input, when the reader of our output is gone, or at `shutdown`, in each case after
/// `on_close` and after the queue has been flushed.
///
/// Where standard input is neither pipe nor socket (a terminal, a file), a read of it may
/// still be under way on a thread of the runtime when this returns at `shutdown`;
/// the process must then end without waiting for that thread.
///
/// # Errors
/// Reading or writing failed for another reason than the client going away, or the
/// client read too slowly.
pub async fn serve_stdio<S: Service>(
    service: Arc<S>,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let streams = (standard::input(), standard::output());
    serve_stream(service, streams, shutdown).await
}

/// As [`serve_stdio`], over any pair of streams.
///
/// # Errors
/// As [`serve_stdio`].
pub async fn serve_stream<S, R, W>(
    service: Arc<S>,
    (reader, writer): (R, W),
    shutdown: CancellationToken,
) -> io::Result<()>
where
    S: Service,
    R: AsyncRead + Unpin + Send + 'static,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let connection = Connection::new(Transport::Stdio, Principal::Local, Lag::Pause, |queue| {
        LineFrames::new(queue.id(), reader)
    });
    // A task of its own, as the caller may be outside the runtime's threads (in `main`),
    // where each wake costs a thread switch.
    let served = connection.run(service, (writer, Framing::Line), shutdown);
    let (reason, _) = tasks::spawn(Kind::Connection, served)
        .await
        .map_err(io::Error::other)?;
    match reason {
        CloseReason::PeerClosed | CloseReason::Shutdown | CloseReason::ByServer(_) => Ok(()),
        CloseReason::TooSlow
        | CloseReason::TooLarge
        | CloseReason::BadFrame(_)
        | CloseReason::Failed(_) => Err(io::Error::other(reason)),
    }
}
