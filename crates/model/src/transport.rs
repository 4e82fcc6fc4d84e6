//! What lies between the engine and a host: one exchange.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use loomd_events::ModelFailure;
use reqwest::header::HeaderMap;
use reqwest::{StatusCode, Url};

/// One way to reach a host.
pub(crate) trait Transport: Send + Sync + 'static {
    /// Sends a request and waits for the head of the answer. Dropping the future or
    /// the answer's body ends the exchange.
    fn open(&self, outgoing: Outgoing) -> BoxFuture<'_, Result<Opened, OpenError>>;
}

/// A request on its way.
pub(crate) struct Outgoing {
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// The head of an answer, and its body as it comes in.
pub(crate) struct Opened {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// Errors are texts for people; the stream ends after one.
    pub(crate) body: BoxStream<'static, Result<Bytes, String>>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum OpenError {
    /// No connection.
    Unreachable(String),
    /// A connection that ended before the head of an answer.
    NoAnswer(String),
    /// Nothing was sent.
    Local(ModelFailure),
}
