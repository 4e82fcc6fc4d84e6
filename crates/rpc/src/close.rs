//! Why connections end.
//!
//! Deliberately absent: a way back. A connection that has a reason is over, and the
//! first reason is the one that everybody sees.

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    /// The peer closed it or is gone.
    #[error("the peer closed the connection")]
    PeerClosed,
    /// The peer read more slowly than it was sent to, up to the queue's limit. What
    /// was queued is thrown away.
    #[error("the peer reads too slowly")]
    TooSlow,
    /// The server is shutting down; what was queued has been flushed.
    #[error("the server is shutting down")]
    Shutdown,
    /// The server ended this connection for a reason of its own (text for the log
    /// and for the close frame).
    #[error("{0}")]
    ByServer(&'static str),
    /// The peer sent a frame or message above the transport's limit.
    #[error("a message above the size limit arrived")]
    TooLarge,
    /// The peer broke the transport's own rules (not JSON-RPC's; those are forgiven).
    #[error("protocol error: {0}")]
    BadFrame(&'static str),
    /// Reading or writing failed, or the session panicked.
    #[error("connection failed: {0}")]
    Failed(String),
}

impl CloseReason {
    /// Whether what is still queued can or should not be written any more.
    pub(crate) fn discards(&self) -> bool {
        match self {
            Self::TooSlow | Self::Failed(_) => true,
            Self::PeerClosed
            | Self::Shutdown
            | Self::ByServer(_)
            | Self::TooLarge
            | Self::BadFrame(_) => false,
        }
    }
}

impl From<std::io::Error> for CloseReason {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind;
        // A listed kind is how a peer's going away looks from here.
        if matches!(
            error.kind(),
            ErrorKind::BrokenPipe
                | ErrorKind::ConnectionReset
                | ErrorKind::ConnectionAborted
                | ErrorKind::UnexpectedEof
        ) {
            Self::PeerClosed
        } else {
            Self::Failed(error.to_string())
        }
    }
}

/// The connection is closed and takes nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the connection is closed")]
pub struct Closed;
