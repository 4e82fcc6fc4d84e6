//! What one connection runs outside of threads: `command/exec` and `process/spawn`.
//!
//! The names of both are the connection's own, and everything ends with it. A program whose
//! client does not read is held up by its pipe: at most [`OUTPUT_WAITING_MAX`] bytes wait for
//! the connection before more output is read.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;
use loomd_base::Clock;
use loomd_base::tasks::{Kind, spawn};
use loomd_protocol::ServerNotification;
use loomd_tools::one_off::{Handle, Listener, OneOff, OrderError, Outcome, Piece};
use loomd_tools::{Owner, TerminalSize};

use crate::Server;
use crate::errors::{ApiError, ApiResult};
use crate::host::send_to;
use crate::peer::Peer;

/// Programs that one connection may have running; further ones are refused.
pub(crate) const RUNNING_MAX: usize = 128;

/// Bytes that wait for a connection's reader before the output of its programs is no longer
/// read. Far below the limit at which the connection would end.
const OUTPUT_WAITING_MAX: usize = 1024 * 1024;

/// Bytes of each stream that are told or kept if the client does not say. As in the reference.
pub(crate) const OUTPUT_BYTES_DEFAULT: usize = 1024 * 1024;

/// How long a program may run if the client does not say. As in the reference.
pub(crate) const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);

/// How long the end of a connection waits for its programs, which are killed.
const END_TIME_MAX: Duration = Duration::from_secs(2);

/// One program of a connection.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Key {
    /// A `command/exec` by the client's name for it.
    Command(String),
    /// A `command/exec` without a name.
    Unnamed(u64),
    /// A `process/spawn` by the client's name for it.
    Process(String),
}

/// The programs of one connection.
#[derive(Debug, Default)]
pub(crate) struct OneOffs {
    /// Whose programs they are.
    owner: Owner,
    // Held for a moment only, never over an await.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    running: BTreeMap<Key, Handle>,
    unnamed: u64,
    /// The connection has ended.
    closed: bool,
}

impl OneOffs {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A key for a command that has no name.
    pub(crate) fn unnamed(&self) -> Key {
        let mut state = self.state();
        state.unnamed += 1;
        Key::Unnamed(state.unnamed)
    }

    /// Whether a program may start under a key.
    fn admit(&self, key: &Key) -> ApiResult<()> {
        let state = self.state();
        if state.running.contains_key(key) {
            return Err(ApiError::invalid(match key {
                Key::Process(name) => format!("duplicate active process handle: {name:?}"),
                Key::Command(name) => {
                    format!("duplicate active command/exec process id: {name:?}")
                }
                Key::Unnamed(_) => "duplicate active command/exec process id".to_owned(),
            }));
        }
        if state.running.len() >= RUNNING_MAX {
            return Err(ApiError::invalid(format!(
                "this connection runs {RUNNING_MAX} programs already"
            )));
        }
        Ok(())
    }

    fn add(&self, key: Key, handle: &Handle) {
        let mut state = self.state();
        if state.closed {
            handle.abandon();
        }
        state.running.insert(key, handle.clone());
    }

    fn remove(&self, key: &Key) {
        self.state().running.remove(key);
    }

    /// The way to a program that runs.
    fn get(&self, key: &Key) -> ApiResult<Handle> {
        let found = self.state().running.get(key).cloned();
        found.ok_or_else(|| no_such(key))
    }

    /// Writes to a program's input, closes it, or both; `method` is what errors call it.
    pub(crate) async fn write(
        &self,
        method: &str,
        key: &Key,
        delta: Option<&str>,
        close: bool,
    ) -> ApiResult<()> {
        if delta.is_none() && !close {
            return Err(ApiError::invalid_params(format!(
                "{method} requires deltaBase64 or closeStdin"
            )));
        }
        let bytes = STANDARD
            .decode(delta.unwrap_or_default())
            .map_err(|error| ApiError::invalid_params(format!("invalid deltaBase64: {error}")))?;
        let written = self.get(key)?.write(bytes, close).await;
        written.map_err(|error| refusal(key, &error))
    }

    /// Gives a program's terminal another size.
    pub(crate) async fn resize(&self, key: &Key, size: TerminalSize) -> ApiResult<()> {
        let resized = self.get(key)?.resize(size).await;
        resized.map_err(|error| refusal(key, &error))
    }

    /// Kills a program; its end is told as that of any other.
    pub(crate) async fn terminate(&self, key: &Key) -> ApiResult<()> {
        let ended = self.get(key)?.terminate().await;
        ended.map_err(|error| refusal(key, &error))
    }

    /// Kills everything and waits until it is gone, for [`END_TIME_MAX`] at most. Nothing
    /// outlives a start that comes later.
    pub(crate) async fn close(&self) {
        let running: Vec<Handle> = {
            let mut state = self.state();
            state.closed = true;
            state.running.values().cloned().collect()
        };
        for handle in &running {
            handle.abandon();
        }
        let reaped = join_all(running.iter().map(Handle::reaped));
        if tokio::time::timeout(END_TIME_MAX, reaped).await.is_err() {
            tracing::warn!("a program could not be killed in time");
        }
        // What left its session survived its program, but not the connection.
        self.owner.end().await;
    }
}

fn no_such(key: &Key) -> ApiError {
    ApiError::invalid(match key {
        Key::Command(name) => format!("no active command/exec for process id {name:?}"),
        Key::Process(name) => format!("no active process for process handle {name:?}"),
        Key::Unnamed(_) => "no active command/exec".to_owned(),
    })
}

/// What a client is told for a failed order.
fn refusal(key: &Key, error: &OrderError) -> ApiError {
    match error {
        OrderError::Ended => no_such(key),
        OrderError::NoInput => ApiError::invalid(match key {
            Key::Process(_) => format!("{error} for this process"),
            Key::Command(_) | Key::Unnamed(_) => format!("{error} for this command/exec"),
        }),
        OrderError::InputClosed | OrderError::InputFull { .. } | OrderError::Resize(_) => {
            ApiError::invalid(error.to_string())
        }
    }
}

/// Tells a connection the output of its program.
struct ToPeer {
    peer: Arc<Peer>,
    clock: Arc<dyn Clock>,
    note: Box<dyn Fn(Piece) -> ServerNotification + Send + Sync>,
}

impl Listener for ToPeer {
    async fn room(&self) {
        self.peer.room(OUTPUT_WAITING_MAX).await;
    }

    fn tell(&self, piece: Piece) {
        let now_ms = self.clock.now().wall_ms;
        send_to([&self.peer].into_iter(), &(self.note)(piece), now_ms);
    }
}

/// A program that was started and is the connection's; it goes on when it is driven.
pub(crate) struct Started {
    key: Key,
    running: loomd_tools::one_off::Running,
}

/// Starts a program for a connection. `what` is what the error calls it.
///
/// # Errors
/// The name is taken, there are too many, or the system's refusal.
pub(crate) async fn start(
    peer: &Peer,
    key: Key,
    program: OneOff,
    what: &str,
) -> ApiResult<Started> {
    peer.one_offs.admit(&key)?;
    let started = program.start(&peer.one_offs.owner).await;
    let (running, handle) =
        started.map_err(|error| ApiError::internal(format!("failed to spawn {what}: {error}")))?;
    peer.one_offs.add(key.clone(), &handle);
    Ok(Started { key, running })
}

impl Started {
    /// Drives the program to its end in a task of its own. `note` makes the notifications of
    /// its output; `ended` comes last, when the name is free again.
    pub(crate) fn drive(
        self,
        peer: Arc<Peer>,
        clock: Arc<dyn Clock>,
        note: impl Fn(Piece) -> ServerNotification + Send + Sync + 'static,
        ended: impl FnOnce(Outcome) + Send + 'static,
    ) {
        let Self { key, running } = self;
        let listener = ToPeer {
            peer: Arc::clone(&peer),
            clock,
            note: Box::new(note),
        };
        spawn(Kind::Tool, async move {
            let outcome = running.run(listener).await;
            peer.one_offs.remove(&key);
            ended(outcome);
        });
    }
}

/// Bytes as a client gets them.
pub(crate) fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// A size that a client wants for a terminal; `what` begins the error.
pub(crate) fn terminal_size(what: &str, rows: u16, cols: u16) -> ApiResult<TerminalSize> {
    if rows == 0 || cols == 0 {
        return Err(ApiError::invalid_params(format!(
            "{what} size rows and cols must be greater than 0"
        )));
    }
    Ok(TerminalSize { rows, cols })
}

/// A time that a client wants; `what` begins the error.
pub(crate) fn timeout(what: &str, ms: i64) -> ApiResult<Duration> {
    u64::try_from(ms).map(Duration::from_millis).map_err(|_| {
        ApiError::invalid_params(format!("{what} timeoutMs must be non-negative, got {ms}"))
    })
}

/// The server's own environment.
pub(crate) fn own_environment(server: &Server) -> BTreeMap<OsString, OsString> {
    let vars = server.environment.vars.iter();
    vars.map(|(name, value)| (name.into(), value.into()))
        .collect()
}

/// An environment with what a client sets and takes out.
pub(crate) fn environment(
    base: BTreeMap<OsString, OsString>,
    changes: Option<BTreeMap<String, Option<String>>>,
) -> BTreeMap<OsString, OsString> {
    let mut all = base;
    for (name, value) in changes.unwrap_or_default() {
        match value {
            Some(value) => {
                all.insert(name.into(), value.into());
            }
            None => {
                all.remove(&OsString::from(name));
            }
        }
    }
    all
}
