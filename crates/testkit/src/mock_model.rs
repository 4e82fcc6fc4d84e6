//! A mock of the Responses API: real HTTP and SSE on loopback, driven by the prompt.
//!
//! It speaks the directives of [`loomd_model::offline::script`] through the same
//! interpreter as the offline model, so a scenario can run against loomd in one
//! process, against loomd over HTTP, and against the reference. It answers
//!
//! - `POST …/responses`: the scripted stream (a plain prompt is echoed),
//! - `GET …/models`: an empty list,
//! - `POST …/images/generations` and `…/images/edits`: a picture of one pixel,
//! - `POST /_gate/NAME`: opens a gate,
//! - `POST …analytics…`: `{}`; everything else with 404.
//!
//! A request that reviews an approval (its prompt speaks of the agent history) is
//! answered `allow` when the history holds the word GUARDIAN-ALLOW and `deny` when it
//! holds GUARDIAN-DENY. Each connection serves one request. Deliberately absent: TLS,
//! compressed bodies, WebSocket.

mod exchange;

use std::collections::{BTreeMap, VecDeque};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use loomd_base::tasks::{self, Kind};
use loomd_model::offline::script::{Fallback, Script};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Requests that are kept for [`MockResponses::requests`]; beyond it the oldest goes.
const REQUESTS_MAX: usize = 10_000;

/// A running mock. Dropping it stops it; streams that are open play on.
pub struct MockResponses {
    port: u16,
    shared: Arc<Shared>,
    listener: JoinHandle<()>,
}

/// A request as it came in.
#[derive(Debug, Clone, PartialEq)]
pub struct MockRequest {
    /// `POST`, `GET`, …
    pub method: String,
    /// Path with query. A prefix before `/v1` can tell clients apart.
    pub path: String,
    /// Headers by name in lower case.
    pub headers: BTreeMap<String, String>,
    /// The JSON body; `Null` when empty, a string when it is not JSON.
    pub body: Value,
}

/// What all connections share.
struct Shared {
    script: Script,
    requests: Mutex<VecDeque<MockRequest>>,
    log: Option<Mutex<File>>,
}

impl MockResponses {
    /// Starts a mock on a free port.
    ///
    /// # Panics
    /// When loopback cannot be listened on.
    pub async fn start() -> Self {
        Self::bind(0, None)
            .await
            .expect("loopback can be listened on")
    }

    /// Starts a mock on `port` (0 takes a free one) that appends each request to `log`
    /// as a line of JSON.
    ///
    /// # Errors
    /// When the port is taken or the log cannot be opened.
    pub async fn bind(port: u16, log: Option<&Path>) -> std::io::Result<Self> {
        let log = match log {
            Some(path) => Some(OpenOptions::new().create(true).append(true).open(path)?),
            None => None,
        };
        let shared = Arc::new(Shared {
            script: Script::new(Fallback::Echo),
            requests: Mutex::default(),
            log: log.map(Mutex::new),
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let port = listener.local_addr()?.port();
        let serve = serve(listener, Arc::clone(&shared));
        Ok(Self {
            port,
            shared,
            listener: tasks::spawn(Kind::Listener, serve),
        })
    }

    /// The port it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What a provider's `base_url` is set to.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }

    /// The requests so far, oldest first, also those that were answered 404.
    #[must_use]
    pub fn requests(&self) -> Vec<MockRequest> {
        let requests = self.shared.requests.lock();
        let requests = requests.unwrap_or_else(PoisonError::into_inner);
        requests.iter().cloned().collect()
    }

    /// Opens a gate of the directives `gate` and `gate_end`; it stays open.
    pub fn open_gate(&self, name: &str) {
        self.shared.script.open_gate(name);
    }

    /// Serves until the process ends.
    pub async fn run(mut self) {
        // The listener never ends by itself; a panic in it ends the mock.
        let _ended = (&mut self.listener).await;
    }
}

impl Drop for MockResponses {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

impl Shared {
    /// Notes a request, before it is answered.
    fn note(&self, request: MockRequest) {
        if let Some(log) = &self.log {
            let line = json!({
                "method": request.method, "path": request.path,
                "headers": request.headers, "body": request.body,
            });
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            if let Err(error) = writeln!(log, "{line}") {
                tracing::warn!(%error, "request not logged");
            }
        }
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        if requests.len() == REQUESTS_MAX {
            requests.pop_front();
        }
        requests.push_back(request);
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let shared = Arc::clone(&shared);
                drop(tasks::spawn(Kind::Connection, async move {
                    if let Err(error) = exchange::exchange(stream, &shared).await {
                        tracing::debug!(%error, "exchange with the mock broke off");
                    }
                }));
            }
            // Usually too many open files; one of the open ones will end.
            Err(error) => {
                tracing::warn!(%error, "connection not accepted");
                tokio::task::yield_now().await;
            }
        }
    }
}

#[cfg(test)]
mod tests;
