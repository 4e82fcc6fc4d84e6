//! The server: connections on one side, loaded threads on the other.
//!
//! A request goes from a connection's [`session`] through the [`router`] to a handler
//! in `api/`, and, if it concerns a thread, into the mailbox of that thread's actor in
//! `host/`. What a thread does comes back through `host/fanout` to the connections.
//!
//! Invariants
//! - Every request is answered exactly once, whatever happens to the thread it is for.
//! - A handler holds no rule of the thread's lifecycle: those are in the `thread` crate.
//! - A thread is loaded at most once: the registry's entry decides.
//!
//! Deliberately absent: transports (crate `rpc`), command line (crate `loomd`).

mod api;
mod assemble;
mod common;
mod confinement;
mod errors;
mod file_work;
mod host;
mod ids;
mod library;
mod models;
mod one_offs;
mod peer;
mod router;
mod session;
mod surroundings;
mod text;
mod user_agent;
mod user_input;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use loomd_base::{Clock, IdSource, SystemClock, SystemIds};
use loomd_config::auth::CodexApiKey;
use loomd_config::{Environment, Loader};
use loomd_execpolicy::RuleStore;
use loomd_files::search::session::Sessions;
use loomd_files::watch::Watches;
use loomd_protocol::SessionSource;
use loomd_rpc::{Outbound, Service};
use loomd_sandbox::Sandbox;
pub use loomd_tools::reap_orphans;
use tokio::sync::Notify;

use crate::common::InCommon;
use crate::errors::{ApiError, ApiResult};
use crate::host::Registry;
use crate::library::Library;
pub use crate::models::{DefaultModels, ModelOrder, Models};
use crate::peer::Peers;
use crate::router::Router;
pub use crate::session::ServerSession;
use crate::user_agent::UserAgent;

/// Version of the protocol that loomd speaks, announced where clients gate on a version.
pub const PROTOCOL_VERSION: &str = "0.169.0";
/// loomd's own version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What a server is made with.
pub struct ServerOptions {
    /// Home folder: configuration, rollouts, index.
    pub home: PathBuf,
    /// The process environment, read once by the binary.
    pub environment: Environment,
    /// `-c key=value` settings, in order.
    pub overrides: Vec<(String, toml::Value)>,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// Where ids come from.
    pub ids: Arc<dyn IdSource>,
    /// Where models come from; `None` for the configured providers.
    pub models: Option<Arc<dyn Models>>,
    /// What confines commands; `None` for one whose helper is the running program, which
    /// must then call `loomd_sandbox::is_helper_call` first.
    pub sandbox: Option<Arc<Sandbox>>,
    /// What `source` new threads get (`vscode` for an app server, `exec` for `loomd exec`).
    pub source: SessionSource,
}

impl ServerOptions {
    /// The machine's clock and ids, the configured providers.
    #[must_use]
    pub fn new(home: PathBuf, environment: Environment) -> Self {
        Self {
            home,
            environment,
            overrides: Vec::new(),
            clock: Arc::new(SystemClock::new()),
            ids: Arc::new(SystemIds::default()),
            models: None,
            sandbox: None,
            source: SessionSource::Vscode,
        }
    }
}

/// One server process.
pub struct Server {
    pub(crate) home: PathBuf,
    pub(crate) environment: Environment,
    pub(crate) loader: Loader,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn IdSource>,
    pub(crate) models: Arc<dyn Models>,
    pub(crate) source: SessionSource,
    /// Confines what must be confined.
    pub(crate) sandbox: Arc<Sandbox>,
    /// The rules about commands.
    pub(crate) rules: Arc<RuleStore>,
    pub(crate) peers: Arc<Peers>,
    pub(crate) registry: Registry,
    pub(crate) router: Router,
    pub(crate) library: Arc<Library>,
    pub(crate) in_common: InCommon,
    pub(crate) user_agent: UserAgent,
    /// Paths that clients watch.
    pub(crate) watches: Watches,
    /// Searches for files whose query changes.
    pub(crate) searches: Sessions,
    /// Read, or made, when somebody asks for it.
    pub(crate) installation_id: OnceLock<String>,
    /// A thread or a connection has ended.
    freed: Notify,
}

impl Server {
    /// Makes a server. Cheap: files are read when somebody needs them.
    #[must_use]
    pub fn new(options: ServerOptions) -> Arc<Self> {
        let models = options.models.unwrap_or_else(|| {
            Arc::new(DefaultModels::new(
                options.environment.clone(),
                Arc::clone(&options.ids),
                // As in the reference, the variable counts for `exec` alone.
                match options.source {
                    SessionSource::Exec => CodexApiKey::Counts,
                    SessionSource::Cli
                    | SessionSource::Vscode
                    | SessionSource::AppServer
                    | SessionSource::Custom(_)
                    | SessionSource::SubAgent(_)
                    | SessionSource::Unknown => CodexApiKey::Ignored,
                },
            ))
        });
        Arc::new(Self {
            loader: Loader::new(
                options.home.clone(),
                options.overrides,
                options.environment.clone(),
            ),
            library: Arc::new(Library::new(options.home.clone())),
            in_common: InCommon::default(),
            user_agent: UserAgent::new(&options.environment),
            watches: Watches::default(),
            searches: Sessions::default(),
            installation_id: OnceLock::new(),
            rules: Arc::new(RuleStore::new(&options.home)),
            sandbox: options
                .sandbox
                .unwrap_or_else(|| Arc::new(Sandbox::new(Arc::clone(&options.clock)))),
            home: options.home,
            environment: options.environment,
            clock: options.clock,
            ids: options.ids,
            models,
            source: options.source,
            peers: Arc::new(Peers::default()),
            registry: Registry::default(),
            router: Router::new(api::routes()),
            freed: Notify::new(),
        })
    }

    /// Whether any thread runs a turn.
    #[must_use]
    pub fn any_turn_running(&self) -> bool {
        self.registry.any_active()
    }

    /// Waits until a thread or a connection has ended, and with it what it held in
    /// memory. For the one task that gives memory back to the system.
    pub async fn memory_freed(&self) {
        self.freed.notified().await;
    }

    pub(crate) fn note_freed(&self) {
        self.freed.notify_one();
    }

    /// Ends all threads: running turns are interrupted, tools ended (each thread has
    /// 10 seconds), rollouts flushed.
    pub async fn shutdown(&self) {
        let closing = self
            .registry
            .ids()
            .into_iter()
            .map(|id| self.registry.end(id));
        futures_util::future::join_all(closing).await;
    }
}

/// Serves connections with a [`Server`].
#[derive(Clone)]
pub struct ServerService(pub Arc<Server>);

impl Service for ServerService {
    type Session = ServerSession;

    fn accept(&self, peer: loomd_rpc::Peer, out: Outbound) -> ServerSession {
        let transport = peer.transport;
        let peer = Arc::new(peer::Peer::new(peer.id, peer.principal, out));
        self.0.peers.add(Arc::clone(&peer));
        ServerSession::new(Arc::clone(&self.0), peer, &transport)
    }
}

/// Runs something that waits for a disk on the pool for it.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> ApiResult<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| ApiError::internal(format!("internal error: {error}")))
}
