//! HTTP through reqwest, with rustls on *ring*.
//!
//! A client is built when the first request needs it. Building one with TLS reads the
//! machine's certificate store, so it happens once per process, off the runtime's
//! threads, and never for hosts that are spoken to in plain HTTP. Redirects are not
//! followed: they would carry the key elsewhere. Proxies follow the usual environment
//! variables, which reqwest reads itself; a proxy that speaks TLS works for HTTPS
//! hosts only.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::StreamExt;
use loomd_events::ModelFailure;
use loomd_protocol::CodexErrorInfo;
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder};
use tokio::sync::OnceCell;

use crate::transport::{OpenError, Opened, Outgoing, Transport};

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// The process's HTTP client. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct HttpClient(Arc<Clients>);

#[derive(Debug, Default)]
struct Clients {
    plain: OnceCell<Client>,
    tls: OnceCell<Client>,
}

impl HttpClient {
    /// Builds nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    async fn plain(&self) -> Result<&Client, OpenError> {
        self.0
            .plain
            .get_or_try_init(|| async {
                // Without certificates of its own the client does not ask for the
                // machine's; it could not verify any host and is not used for HTTPS.
                builder().tls_certs_only([]).build().map_err(local)
            })
            .await
    }

    async fn tls(&self) -> Result<&Client, OpenError> {
        self.0
            .tls
            .get_or_try_init(|| async {
                tokio::task::spawn_blocking(|| builder().build())
                    .await
                    .map_err(|error| local_text(&error.to_string()))?
                    .map_err(local)
            })
            .await
    }
}

impl Transport for HttpClient {
    fn open(&self, outgoing: Outgoing) -> BoxFuture<'_, Result<Opened, OpenError>> {
        async move {
            let client = match outgoing.url.scheme() {
                "https" => self.tls().await?,
                _ => self.plain().await?,
            };
            let response = client
                .post(outgoing.url)
                .headers(outgoing.headers)
                .body(outgoing.body)
                .send()
                .await
                .map_err(open_error)?;
            Ok(Opened {
                status: response.status(),
                headers: response.headers().clone(),
                body: response
                    .bytes_stream()
                    .map(|chunk| chunk.map_err(chain))
                    .boxed(),
            })
        }
        .boxed()
    }
}

fn builder() -> ClientBuilder {
    // Fails when one is installed already, which is as good.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .redirect(Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
}

fn open_error(error: reqwest::Error) -> OpenError {
    if error.is_builder() {
        local(error)
    } else if error.is_connect() && !is_tls(&error) {
        OpenError::Unreachable(chain(error))
    } else {
        OpenError::NoAnswer(chain(error))
    }
}

/// Whether a host was reached but no trust was found, which waiting does not cure.
fn is_tls(error: &reqwest::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.is::<rustls::Error>() {
            return true;
        }
        // An IO error hides what it wraps from `source`, and may wrap another one.
        cause = match error
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref)
        {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    false
}

fn local(error: reqwest::Error) -> OpenError {
    local_text(&chain(error))
}

fn local_text(cause: &str) -> OpenError {
    OpenError::Local(ModelFailure {
        message: format!("HTTP request not made: {cause}"),
        info: CodexErrorInfo::Other,
        details: None,
    })
}

/// The error with its causes, without the address, whose query may hold a key.
fn chain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        // Some layers repeat the text of the layer below.
        if !text.ends_with(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}
