//! What the server knows of its connections.
//!
//! A [`Peer`] is shared by the connection's session, which fills it once at
//! `initialize`, and by everyone who sends to the connection. Notifications pass
//! [`Peer::notify`], which applies the connection's opt-outs and the experimental
//! gate by method name, so that a message is encoded once for all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use loomd_base::ConnectionId;
use loomd_rpc::{Message, Outbound, Principal};

use crate::file_work::FileWork;
use crate::one_offs::OneOffs;

/// Bytes that wait for a client that lags; see [`Peer::lags`].
const LAG_BYTES: usize = 1024 * 1024;

/// What a client told at `initialize`.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) experimental: bool,
    pub(crate) opt_outs: BTreeSet<String>,
    /// It knows loomd's extensions and wants events with their numbers.
    pub(crate) event_numbers: bool,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) id: ConnectionId,
    /// Who is at the other end; there is only the local user so far.
    pub(crate) principal: Principal,
    out: Outbound,
    client: OnceLock<Client>,
    /// The handshake's own notifications are out; broadcasts may follow.
    ready: AtomicBool,
    /// What it runs outside of threads.
    pub(crate) one_offs: OneOffs,
    /// What it has going on with files.
    pub(crate) file_work: FileWork,
}

impl Peer {
    pub(crate) fn new(id: ConnectionId, principal: Principal, out: Outbound) -> Self {
        Self {
            id,
            principal,
            out,
            client: OnceLock::new(),
            ready: AtomicBool::new(false),
            one_offs: OneOffs::default(),
            file_work: FileWork::default(),
        }
    }

    /// What the client told, once it has initialised.
    pub(crate) fn client(&self) -> Option<&Client> {
        self.client.get()
    }

    /// Keeps what the client told. `false` when it had initialised before.
    pub(crate) fn initialize(&self, client: Client) -> bool {
        self.client.set(client).is_ok()
    }

    pub(crate) fn set_ready(&self) {
        self.ready.store(true, Ordering::Release);
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// Sends an answer or a request. A connection that is gone takes nothing, which
    /// is as it should be.
    pub(crate) fn send(&self, message: Message) {
        if self.out.send(message).is_err() {
            tracing::debug!(
                connection = self.id.0,
                "message for a closed connection dropped"
            );
        }
    }

    /// Waits until less than so many bytes wait for the reader, or nothing is sent any more.
    pub(crate) async fn room(&self, bytes_max: usize) {
        self.out.room(bytes_max).await;
    }

    /// Whether nobody is there any more to whom an answer could be sent. A client that only
    /// stopped sending still is.
    pub(crate) fn is_gone(&self) -> bool {
        self.out.is_closed()
    }

    /// Whether so much waits for this client to read it that what it can do without should
    /// wait, too.
    pub(crate) fn lags(&self) -> bool {
        self.out.queued_bytes() > LAG_BYTES
    }

    /// Whether this client gets events with their numbers.
    pub(crate) fn is_numbered(&self) -> bool {
        self.client().is_some_and(|client| client.event_numbers)
    }

    /// Whether this client wants notifications of this method.
    pub(crate) fn wants(&self, method: &str, experimental: bool) -> bool {
        self.client().is_some_and(|client| {
            (client.experimental || !experimental) && !client.opt_outs.contains(method)
        })
    }
}

/// All connections of the process.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    // Read for each broadcast, written when a connection comes or goes; never held
    // over an await.
    all: RwLock<BTreeMap<ConnectionId, Arc<Peer>>>,
}

impl Peers {
    pub(crate) fn add(&self, peer: Arc<Peer>) {
        self.all
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(peer.id, peer);
    }

    pub(crate) fn remove(&self, id: ConnectionId) {
        self.all
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&id);
    }

    pub(crate) fn get(&self, id: ConnectionId) -> Option<Arc<Peer>> {
        self.all
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&id)
            .cloned()
    }

    /// Every connection that has finished its handshake.
    pub(crate) fn ready(&self) -> Vec<Arc<Peer>> {
        self.all
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .filter(|peer| peer.is_ready())
            .cloned()
            .collect()
    }

    pub(crate) fn count(&self) -> usize {
        self.all
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }
}
