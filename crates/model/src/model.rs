//! The one thing that a thread's shell knows of models.

use loomd_events::ModelEvent;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::ModelRequest;

/// Events that a stream holds for a reader that is behind; then the stream waits,
/// and with it the host, since its bytes are no longer read.
pub const EVENTS_MAX: usize = 256;

/// Something that answers model requests.
pub trait Model: Send + Sync + 'static {
    /// Starts a request on the current tokio runtime and returns at once.
    ///
    /// The stream ends with exactly one [`ModelEvent::Completed`] or
    /// [`ModelEvent::Failed`]. After `cancel`, or when the receiver is dropped, it
    /// just ends and the connection is closed. A stream that ends without either is a
    /// bug in the model; its reader reports it as a failure.
    fn stream(
        &self,
        request: ModelRequest,
        cancel: CancellationToken,
    ) -> mpsc::Receiver<ModelEvent>;
}
