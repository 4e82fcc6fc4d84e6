//! The two retry loops around one attempt.
//!
//! The inner loop sends a request again while the host gives no answer or a server
//! error, before any event was seen. The outer one begins the whole stream again and
//! says so with [`ModelEvent::Retrying`]; what the broken attempt streamed is void.
//! While the host cannot be reached at all, the outer loop waits without a limit if
//! the provider says so. All waiting goes through tokio's clock.
//!
//! Before the event that ends an attempt whose headers came, stands a
//! [`ModelEvent::RateLimits`].

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::stream::StreamExt;
use loomd_base::IdSource;
use loomd_base::tasks::{self, Kind};
use loomd_events::ModelEvent;
use loomd_protocol::{CreditsSnapshot, RateLimitSnapshot};
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{StatusCode, Url};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::auth::Auth;
use crate::failure::{self, Broken, Retry};
use crate::limits::rate_limits;
use crate::model::EVENTS_MAX;
use crate::provider::RETRIES_MAX;
use crate::request::{Prepared, add_credential};
use crate::sse::SseParser;
use crate::translate::{Said, Translator};
use crate::transport::{OpenError, Opened, Outgoing, Transport};
use crate::{Env, ModelRequest, Provider};

/// No retry waits longer, unless the host asked for it.
const DELAY_MAX: Duration = Duration::from_secs(60);
/// Bytes of an error body that are read; what follows is dropped with the connection.
const ERROR_BODY_BYTES_MAX: usize = 1024 * 1024;
/// Turns whose state is echoed to the host; beyond it the oldest is forgotten, which
/// costs that turn its place on the host's machine and nothing else.
const TURN_STATES_MAX: usize = 256;
const TURN_STATE: &str = "x-codex-turn-state";

pub(crate) struct Engine {
    pub(crate) provider: Arc<Provider>,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) auth: Arc<dyn Auth>,
    pub(crate) env: Env,
    pub(crate) ids: Arc<dyn IdSource>,
    /// What spans requests. A lock, as requests of many threads run at once; it is
    /// held for a look-up only.
    pub(crate) memory: Mutex<Memory>,
}

/// What is remembered from one response for later ones.
#[derive(Default)]
pub(crate) struct Memory {
    /// Hosts tell credits with some responses only.
    credits: Option<CreditsSnapshot>,
    /// By turn id, oldest first.
    turn_states: VecDeque<(String, HeaderValue)>,
}

/// The reader of the stream is gone, so nothing more is to be done.
struct Gone;

/// How an attempt ended without a response.
enum Stop {
    Gone,
    Broken(Broken),
}

impl From<Gone> for Stop {
    fn from(Gone: Gone) -> Self {
        Self::Gone
    }
}

impl From<Broken> for Stop {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

/// One stream of events being made.
struct Run<'a> {
    engine: &'a Engine,
    request: &'a ModelRequest,
    prepared: Prepared,
    url: Url,
    events: &'a mpsc::Sender<ModelEvent>,
}

impl Engine {
    pub(crate) fn stream(
        self: &Arc<Self>,
        request: ModelRequest,
        cancel: CancellationToken,
    ) -> mpsc::Receiver<ModelEvent> {
        let (events, receiver) = mpsc::channel(EVENTS_MAX);
        let engine = Arc::clone(self);
        let task = async move {
            // Cancelling comes first, so that nothing follows it.
            tokio::select! {
                biased;
                () = cancel.cancelled() => {}
                () = events.closed() => {}
                () = Box::pin(engine.run(&request, &events)) => {}
            }
        };
        drop(tasks::spawn(Kind::ModelStream, task));
        receiver
    }

    async fn run(&self, request: &ModelRequest, events: &mpsc::Sender<ModelEvent>) {
        let last = match self.prepared(request) {
            Ok((prepared, url)) => {
                let run = Run {
                    engine: self,
                    request,
                    prepared,
                    url,
                    events,
                };
                run.to_the_end().await
            }
            Err(broken) => Ok(ModelEvent::Failed(broken.failure)),
        };
        if let Ok(last) = last {
            // An error means that nobody reads, which is for nobody to know.
            let _unread = events.send(last).await;
        }
    }

    fn prepared(&self, request: &ModelRequest) -> Result<(Prepared, Url), Broken> {
        let url = self.provider.responses_url().map_err(failure::never)?;
        Ok((request.prepare(&self.provider, &self.env)?, url))
    }

    /// The delay before retry `n` (from 1): doubling, with a tenth of chance to either
    /// side, so that many streams that broke together do not return together.
    fn delay(&self, base: Duration, n: u32) -> Duration {
        let doubled = base.saturating_mul(2_u32.saturating_pow(n - 1));
        let (_, chance) = self.ids.v4().as_u64_pair();
        let chance = (chance & 0xffff) as f64 / f64::from(0xffff_u32);
        doubled.min(DELAY_MAX).mul_f64(0.9 + 0.2 * chance)
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    fn limits(&mut self, headers: &HeaderMap) -> RateLimitSnapshot {
        let mut limits = rate_limits(headers);
        match &limits.credits {
            Some(credits) => self.credits = Some(credits.clone()),
            None => limits.credits.clone_from(&self.credits),
        }
        limits
    }

    fn turn_state(&self, turn_id: &str) -> Option<HeaderValue> {
        let mut states = self.turn_states.iter();
        states
            .find(|(id, _)| id == turn_id)
            .map(|(_, state)| state.clone())
    }

    fn keep_turn_state(&mut self, turn_id: &str, state: &HeaderValue) {
        self.turn_states.retain(|(id, _)| id != turn_id);
        if self.turn_states.len() == TURN_STATES_MAX {
            self.turn_states.pop_front();
        }
        self.turn_states
            .push_back((turn_id.to_owned(), state.clone()));
    }
}

impl Run<'_> {
    /// The outer loop: attempts until one is good or no more are to be made.
    async fn to_the_end(&self) -> Result<ModelEvent, Gone> {
        let provider = &self.engine.provider;
        let max = provider.stream_max_retries.min(RETRIES_MAX);
        let mut retries = 0;
        let mut waits = 0;
        loop {
            let broken = match self.attempt().await {
                Ok(completed) => return Ok(completed),
                Err(Stop::Gone) => return Err(Gone),
                Err(Stop::Broken(broken)) => broken,
            };
            let asked = match broken.retry {
                Retry::Never => return Ok(ModelEvent::Failed(broken.failure)),
                Retry::Network if provider.wait_for_network => {
                    waits += 1;
                    self.retrying(waits, 0, &broken).await?;
                    let delay = self.engine.delay(provider.network_delay, waits);
                    tokio::time::sleep(delay).await;
                    continue;
                }
                Retry::Network => None,
                Retry::Stream { delay, .. } => delay,
            };
            waits = 0;
            if retries == max {
                return Ok(ModelEvent::Failed(broken.failure));
            }
            retries += 1;
            self.retrying(retries, max, &broken).await?;
            let delay = asked.unwrap_or_else(|| self.engine.delay(provider.retry_delay, retries));
            tokio::time::sleep(delay).await;
        }
    }

    async fn retrying(&self, attempt: u32, max: u32, broken: &Broken) -> Result<(), Gone> {
        tracing::info!(
            attempt,
            max,
            cause = broken.failure.message,
            "model stream retried"
        );
        self.send(ModelEvent::Retrying {
            attempt,
            max,
            failure: broken.while_retrying(),
        })
        .await
    }

    /// One attempt, which yields the event that completes the stream.
    async fn attempt(&self) -> Result<ModelEvent, Stop> {
        let opened = self.open().await?;
        let limits = self.engine.memory().limits(&opened.headers);
        if let Some(state) = opened.headers.get(TURN_STATE) {
            let turn_id = &self.request.identity.turn_id;
            self.engine.memory().keep_turn_state(turn_id, state);
        }
        self.rerouted(&opened.headers).await?;
        let end = self.read(opened).await;
        if !matches!(end, Err(Stop::Gone)) {
            self.send(ModelEvent::RateLimits(limits)).await?;
        }
        end
    }

    async fn rerouted(&self, headers: &HeaderMap) -> Result<(), Gone> {
        let model = headers
            .get("openai-model")
            .and_then(|value| value.to_str().ok());
        match model {
            Some(model) if !model.eq_ignore_ascii_case(&self.request.model) => {
                let model = model.to_owned();
                self.send(ModelEvent::Rerouted { model }).await
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The inner loop: sends until there is an answer worth reading.
    async fn open(&self) -> Result<Opened, Stop> {
        let provider = &self.engine.provider;
        let max = provider.request_max_retries.min(RETRIES_MAX);
        let mut retries = 0;
        let mut refreshed = false;
        loop {
            let broken = match self.send_once().await? {
                Ok(opened) if opened.status.is_success() => return Ok(opened),
                Ok(opened) => {
                    let refused = opened.status == StatusCode::UNAUTHORIZED;
                    if refused && !refreshed && self.engine.auth.refused().await {
                        refreshed = true;
                        continue;
                    }
                    let server_error = opened.status.is_server_error();
                    let broken = self.refused(opened).await?;
                    if !server_error {
                        return Err(broken.into());
                    }
                    broken
                }
                Err(broken) => broken,
            };
            if retries == max {
                return Err(broken.into());
            }
            retries += 1;
            tracing::debug!(
                retries,
                cause = broken.failure.message,
                "model request retried"
            );
            let delay = self.engine.delay(provider.retry_delay, retries);
            tokio::time::sleep(delay).await;
        }
    }

    /// One exchange up to the head of the answer. The outer error ends the attempt,
    /// the inner one is worth sending again.
    async fn send_once(&self) -> Result<Result<Opened, Broken>, Broken> {
        let mut headers = self.prepared.headers.clone();
        let credential = self.engine.auth.credential().await?;
        add_credential(&mut headers, &credential)?;
        let state = self
            .engine
            .memory()
            .turn_state(&self.request.identity.turn_id);
        if let Some(state) = state {
            headers.insert(TURN_STATE, state);
        }
        let outgoing = Outgoing {
            url: self.url.clone(),
            headers,
            body: self.prepared.body.clone(),
        };
        match self.in_time(self.engine.transport.open(outgoing)).await? {
            Ok(opened) => Ok(Ok(opened)),
            Err(OpenError::Unreachable(cause)) => Ok(Err(failure::unreachable(cause))),
            Err(OpenError::NoAnswer(cause)) => Ok(Err(failure::disconnected(cause))),
            Err(OpenError::Local(failure)) => Err(failure.into()),
        }
    }

    /// Why the host refused, from the answer's head and body.
    async fn refused(&self, mut opened: Opened) -> Result<Broken, Gone> {
        let mut body = Vec::new();
        // A body that breaks off or stalls is judged by what came of it.
        while let Ok(Some(Ok(chunk))) = self.in_time(opened.body.next()).await {
            let room = ERROR_BODY_BYTES_MAX - body.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if body.len() == ERROR_BODY_BYTES_MAX {
                break;
            }
        }
        let mut url = self.url.clone();
        // The query may hold a key.
        url.set_query(None);
        let body = String::from_utf8_lossy(&body);
        let broken = failure::refused(opened.status, &opened.headers, &body, url.as_str());
        if broken.tells_limits {
            let limits = self.engine.memory().limits(&opened.headers);
            self.send(ModelEvent::RateLimits(limits)).await?;
        }
        Ok(broken)
    }

    /// Reads a stream to its last event.
    async fn read(&self, mut opened: Opened) -> Result<ModelEvent, Stop> {
        let mut parser = SseParser::new();
        let mut translator = Translator::new(Arc::clone(&self.engine.ids));
        let mut said = Vec::new();
        loop {
            let chunk = match self.in_time(opened.body.next()).await? {
                Some(Ok(chunk)) => chunk,
                Some(Err(cause)) => return Err(failure::disconnected(cause).into()),
                None => {
                    let cause = "stream closed before response.completed";
                    return Err(failure::disconnected(cause).into());
                }
            };
            let parsed = parser.push(&chunk, |data| {
                let event = translator.event(data);
                if !matches!(event, Said::Nothing) {
                    said.push(event);
                }
            });
            for said in said.drain(..) {
                match said {
                    Said::Nothing => {}
                    Said::Event(event) => self.send(event).await?,
                    Said::Completed(event) => return Ok(event),
                    Said::Broken(broken) => return Err(broken.into()),
                }
            }
            parsed.map_err(failure::disconnected)?;
        }
    }

    /// Gives a host the provider's idle time for its next sign of life.
    async fn in_time<F: Future>(&self, future: F) -> Result<F::Output, Broken> {
        match self.engine.provider.stream_idle_timeout {
            Duration::MAX => Ok(future.await),
            limit => tokio::time::timeout(limit, future)
                .await
                .map_err(|_| failure::disconnected("idle timeout waiting for SSE")),
        }
    }

    /// Waits for room when the reader is behind.
    async fn send(&self, event: ModelEvent) -> Result<(), Gone> {
        self.events.send(event).await.map_err(|_| Gone)
    }
}

#[cfg(test)]
mod tests;
