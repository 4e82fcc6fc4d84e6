//! What a socket says before it is a WebSocket: the upgrade, and health questions.
//!
//! The TCP listener refuses a browser (any `Origin`) and answers `/healthz` and
//! `/readyz`; the Unix socket, which no browser reaches, only upgrades. Any path
//! upgrades. Texts and codes of refusals are what the reference's clients see.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::handler::HandlerWithoutStateExt;
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use loomd_base::tasks::{self, Kind};
use sha1::{Digest, Sha1};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::admission::{Admission, Arrival, Source};
use super::{SocketFrames, frame};
use crate::close::CloseReason;
use crate::connection::{Connection, Principal, Service, Transport};
use crate::queue::Lag;
use crate::writer::Framing;

/// Tells a client of the Unix socket to fragment what is larger.
const UNFRAGMENTED_HEADER: HeaderName =
    HeaderName::from_static("x-codex-websocket-max-unfragmented-message-bytes");

/// What a server appends to the client's key before hashing it (RFC 6455, 4.2.2).
const KEY_SUFFIX: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// How long a listener that stops waits for health answers under way.
const HTTP_DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// Serves `listener` until `shutdown`, then waits for its connections to end.
pub(super) async fn serve<S: Service, L: Source>(
    listener: L,
    service: Arc<S>,
    shutdown: CancellationToken,
) -> std::io::Result<()>
where
    L::Addr: std::fmt::Debug,
{
    let gate = Arc::new(Gate {
        service,
        shutdown: shutdown.clone(),
        connections: TaskTracker::new(),
    });
    let connections = gate.connections.clone();
    let handler = move |ConnectInfo(arrival): ConnectInfo<Arrival>, request: Request| {
        let gate = Arc::clone(&gate);
        async move { gate.answer(arrival, request) }
    };
    let serving = axum::serve(
        Admission::new(listener),
        handler.into_make_service_with_connect_info::<Arrival>(),
    )
    .with_graceful_shutdown(shutdown.clone().cancelled_owned());
    let time_is_over = async {
        shutdown.cancelled().await;
        tokio::time::sleep(HTTP_DRAIN_TIMEOUT).await;
    };
    let outcome = tokio::select! {
        biased;
        outcome = serving.into_future() => outcome,
        () = time_is_over => Ok(()),
    };
    connections.close();
    connections.wait().await;
    outcome
}

struct Gate<S> {
    service: Arc<S>,
    shutdown: CancellationToken,
    /// Connections that have upgraded.
    connections: TaskTracker,
}

impl<S: Service> Gate<S> {
    fn answer(&self, arrival: Arrival, mut request: Request) -> Response {
        let unix = arrival.transport == Transport::Unix;
        if !unix {
            if request.headers().contains_key(header::ORIGIN) {
                tracing::debug!("a request with an origin refused");
                return StatusCode::FORBIDDEN.into_response();
            }
            if matches!(request.uri().path(), "/healthz" | "/readyz") {
                return health(request.method());
            }
        }
        let upgrade = request.extensions_mut().remove::<OnUpgrade>();
        let accept = match handshake(request.method(), request.headers()) {
            Ok(accept) => accept,
            Err(refusal) => return refusal.into_response(),
        };
        let Some(upgrade) = upgrade else {
            return Refusal::bad("the connection cannot be upgraded").into_response();
        };
        let connection = self.connect(arrival, upgrade);
        tasks::spawn(Kind::Connection, self.connections.track_future(connection));
        let mut headers = HeaderMap::new();
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
        if unix {
            headers.insert(UNFRAGMENTED_HEADER, frame::FRAME_BYTES_MAX.into());
        }
        (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
    }

    /// The connection's life, once the answer to the upgrade is out.
    fn connect(
        &self,
        arrival: Arrival,
        upgrade: OnUpgrade,
    ) -> impl Future<Output = ()> + Send + use<S> {
        let service = Arc::clone(&self.service);
        let shutdown = self.shutdown.clone();
        async move {
            let socket: TokioIo<Upgraded> = match upgrade.await {
                Ok(socket) => TokioIo::new(socket),
                Err(error) => {
                    tracing::debug!(%error, "a socket ended during its upgrade");
                    return;
                }
            };
            arrival.set_upgraded();
            let (reader, writer) = tokio::io::split(socket);
            let connection = Connection::new(
                arrival.transport,
                // Whoever reaches a loopback port or our own socket file is on this machine.
                Principal::Local,
                Lag::Close,
                |queue| SocketFrames::new(Arc::clone(queue), reader),
            );
            let (reason, frames) = connection
                .run(service, (writer, Framing::WebSocket), shutdown)
                .await;
            match reason {
                CloseReason::PeerClosed | CloseReason::Failed(_) => {}
                CloseReason::TooSlow
                | CloseReason::Shutdown
                | CloseReason::ByServer(_)
                | CloseReason::TooLarge
                | CloseReason::BadFrame(_) => frames.linger().await,
            }
        }
    }
}

fn health(method: &Method) -> Response {
    if *method == Method::GET || *method == Method::HEAD {
        StatusCode::OK.into_response()
    } else {
        (
            StatusCode::METHOD_NOT_ALLOWED,
            [(header::ALLOW, "GET,HEAD")],
        )
            .into_response()
    }
}

/// Why a request is no upgrade. Ends the HTTP connection, which has no other use.
struct Refusal {
    status: StatusCode,
    text: &'static str,
}

impl Refusal {
    fn bad(text: &'static str) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            text,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response<Body> {
        (self.status, [(header::CONNECTION, "close")], self.text).into_response()
    }
}

/// Checks an upgrade request; gives the value of `sec-websocket-accept`.
fn handshake(method: &Method, headers: &HeaderMap) -> Result<HeaderValue, Refusal> {
    if *method != Method::GET {
        return Err(Refusal {
            status: StatusCode::METHOD_NOT_ALLOWED,
            text: "Request method must be `GET`",
        });
    }
    if !has_token(headers, header::CONNECTION, "upgrade") {
        return Err(Refusal::bad("Connection header did not include 'upgrade'"));
    }
    if !has_token(headers, header::UPGRADE, "websocket") {
        return Err(Refusal::bad("Upgrade header did not include 'websocket'"));
    }
    if !has_token(headers, header::SEC_WEBSOCKET_VERSION, "13") {
        return Err(Refusal::bad("only WebSocket version 13 is spoken here"));
    }
    let Some(key) = headers.get(header::SEC_WEBSOCKET_KEY) else {
        return Err(Refusal::bad("Sec-WebSocket-Key header is missing"));
    };
    let digest = Sha1::new()
        .chain_update(key.as_bytes())
        .chain_update(KEY_SUFFIX)
        .finalize();
    HeaderValue::try_from(BASE64_STANDARD.encode(digest))
        .map_err(|_| Refusal::bad("Sec-WebSocket-Key cannot be used"))
}

/// Whether a header that is a list of tokens has this one, in any case.
fn has_token(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|found| found.trim().eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_the_key_of_the_rfc() {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::CONNECTION,
            HeaderValue::from_static("keep-alive, Upgrade"),
        );
        headers.insert(header::UPGRADE, HeaderValue::from_static("WebSocket"));
        headers.insert(
            header::SEC_WEBSOCKET_VERSION,
            HeaderValue::from_static("13"),
        );
        headers.insert(
            header::SEC_WEBSOCKET_KEY,
            HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ=="),
        );
        let accept = handshake(&Method::GET, &headers).map_err(|refusal| refusal.text);
        assert_eq!(
            accept,
            Ok(HeaderValue::from_static("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="))
        );
    }
}
