//! The offline model: deterministic, inside the product, and labelled as such.
//!
//! It goes the way of [`crate::ResponsesModel`] from the response's bytes on – same
//! parser, translation, error table and retries – with a [`script::Script`] in the
//! place of a host. It needs no network and no key and is what the demo, the quick
//! start and most tests run on. It is never chosen unless named in the configuration.

mod entry;
mod gates;
mod prompt;
pub mod script;
mod steps;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{self, BoxStream, StreamExt};
use loomd_base::IdSource;
use loomd_events::{ModelEvent, ModelFailure};
use loomd_protocol::CodexErrorInfo;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::engine::Engine;
use crate::transport::{OpenError, Opened, Outgoing, Transport};
use crate::{Env, Model, ModelRequest, NoAuth, Provider};
use script::{Fallback, Reply, ReplyBody, Script, Step};

/// A scripted model. One per process: the ids it gives count up in it.
#[derive(Clone)]
pub struct OfflineModel {
    engine: Arc<Engine>,
    script: Arc<Script>,
}

impl OfflineModel {
    /// A model that explains itself when a prompt holds no directive.
    #[must_use]
    pub fn new(ids: Arc<dyn IdSource>) -> Self {
        let mut provider = Provider::new(
            "offline",
            "Offline (scripted, no model)",
            "http://offline.invalid/v1",
        );
        // Nothing stalls here but what a script asks for.
        provider.stream_idle_timeout = Duration::MAX;
        Self::with_provider(provider, ids)
    }

    /// A model with other retries and time-outs than the default ones.
    #[must_use]
    pub fn with_provider(provider: Provider, ids: Arc<dyn IdSource>) -> Self {
        let script = Arc::new(Script::new(Fallback::Explain));
        let engine = Engine {
            provider: Arc::new(provider),
            transport: Arc::new(Scripted(Arc::clone(&script))),
            auth: Arc::new(NoAuth),
            env: Env::empty(),
            ids,
            memory: Default::default(),
        };
        Self {
            engine: Arc::new(engine),
            script,
        }
    }

    /// Opens a gate of the directives `gate` and `gate_end`; it stays open.
    pub fn open_gate(&self, name: &str) {
        self.script.open_gate(name);
    }
}

impl Model for OfflineModel {
    fn stream(
        &self,
        request: ModelRequest,
        cancel: CancellationToken,
    ) -> mpsc::Receiver<ModelEvent> {
        self.engine.stream(request, cancel)
    }
}

struct Scripted(Arc<Script>);

impl Transport for Scripted {
    fn open(&self, outgoing: Outgoing) -> BoxFuture<'_, Result<Opened, OpenError>> {
        let script = Arc::clone(&self.0);
        async move {
            let reply = script.reply(&outgoing.body).map_err(|error| {
                OpenError::Local(ModelFailure {
                    message: error.to_string(),
                    info: CodexErrorInfo::Other,
                    details: None,
                })
            })?;
            Ok(opened(script, reply))
        }
        .boxed()
    }
}

fn opened(script: Arc<Script>, reply: Reply) -> Opened {
    let mut headers = HeaderMap::new();
    for (name, value) in reply.headers {
        // A script's header that is none is left out, as by a host that cannot send it.
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
    Opened {
        status: StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        headers,
        body: match reply.body {
            ReplyBody::Json(json) => stream::iter([Ok(Bytes::from(json))]).boxed(),
            ReplyBody::Stream(steps) => bytes_of(script, steps),
        },
    }
}

/// Plays the steps; each event is a chunk of its own.
fn bytes_of(script: Arc<Script>, steps: Vec<Step>) -> BoxStream<'static, Result<Bytes, String>> {
    stream::unfold(
        (script, steps.into_iter()),
        |(script, mut steps)| async move {
            loop {
                match steps.next()? {
                    Step::Event(event) => {
                        return Some((Ok(event.into_sse().into()), (script, steps)));
                    }
                    Step::Pause(pause) => tokio::time::sleep(pause).await,
                    Step::Gate(name) => script.gate(&name).await,
                }
            }
        },
    )
    .boxed()
}

#[cfg(test)]
mod tests;
