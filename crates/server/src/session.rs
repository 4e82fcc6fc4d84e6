//! One connection's session: takes its messages in order and hands requests on.

use std::sync::Arc;
use std::time::Duration;

use loomd_base::tasks::{Kind, spawn};
use loomd_rpc::{CloseReason, Incoming, RequestId, Session, Transport};
use loomd_thread::SharedJson;
use tokio::sync::Semaphore;

use crate::Server;
use crate::peer::Peer;
use crate::router::{Call, Cx, Dispatched};

/// Requests of one connection that may run aside at a time. When it is reached the
/// connection's next request waits; such requests end by themselves, so it will not
/// wait for the client.
const ASIDE_MAX: u32 = 128;
/// How long a closed connection's requests may still run before it is forgotten.
const ASIDE_WAIT_MAX: Duration = Duration::from_secs(30);

/// The server's side of one connection.
pub struct ServerSession {
    server: Arc<Server>,
    peer: Arc<Peer>,
    aside: Arc<Semaphore>,
    /// Over its transport a client can stop sending and still wait for answers.
    closes_by_half: bool,
}

impl ServerSession {
    pub(crate) fn new(server: Arc<Server>, peer: Arc<Peer>, transport: &Transport) -> Self {
        Self {
            server,
            peer,
            closes_by_half: match transport {
                Transport::Stdio | Transport::Memory => true,
                Transport::WebSocket { .. } | Transport::Unix => false,
            },
            aside: Arc::new(Semaphore::new(ASIDE_MAX as usize)),
        }
    }
}

impl ServerSession {
    /// Our requests have integers for ids; anything else answers nothing.
    async fn answer(&self, id: &RequestId, answer: Result<SharedJson, String>) {
        match id {
            RequestId::Integer(id) => self.server.registry.answer(*id, answer).await,
            RequestId::String(_) => tracing::debug!(?id, "answer to no request dropped"),
        }
    }
}

impl Session for ServerSession {
    async fn on_message(&mut self, message: Incoming) {
        match message {
            Incoming::Request {
                id, method, params, ..
            } => {
                let call = Call {
                    cx: Cx {
                        server: Arc::clone(&self.server),
                        peer: Arc::clone(&self.peer),
                    },
                    id,
                    params,
                };
                match self.server.router.dispatch(&method, call) {
                    Dispatched::Done => {}
                    Dispatched::InOrder(future) => future.await,
                    Dispatched::Aside(future) => {
                        let permit = Arc::clone(&self.aside).acquire_owned().await;
                        spawn(Kind::Request, async move {
                            future.await;
                            drop(permit);
                        });
                    }
                }
            }
            // `initialized` is the only notification clients send, and nothing waits
            // for it; others are ignored as well.
            Incoming::Notification { .. } => {}
            Incoming::Response { id, result } => {
                self.answer(&id, Ok(SharedJson(result.into()))).await;
            }
            Incoming::Error { id, error } => self.answer(&id, Err(error.message)).await,
        }
    }

    async fn on_close(&mut self, reason: CloseReason) {
        let peer = &self.peer;
        tracing::debug!(
            connection = peer.id.0,
            principal = ?peer.principal,
            client = peer.client().map(|client| format!("{} {}", client.name, client.version)),
            ?reason,
            "connection closed"
        );
        if !self.closes_by_half || reason != CloseReason::PeerClosed {
            peer.file_work.stop_searches();
        }
        peer.one_offs.close().await;
        // Nobody is told any more of what changes, and nobody asks for more of a search.
        self.server.searches.connection_closed(peer.id);
        self.server.watches.connection_closed(peer.id).await;
        // Answers that are still being made may be sent: the queue is flushed after this.
        let all = self.aside.acquire_many(ASIDE_MAX);
        if tokio::time::timeout(ASIDE_WAIT_MAX, all).await.is_err() {
            tracing::warn!(
                connection = peer.id.0,
                "requests still ran when their client had left"
            );
        }
        self.server.peers.remove(self.peer.id);
        self.server.registry.connection_closed(self.peer.id).await;
        self.server.note_freed();
    }
}
