//! Who is alive: thread id → handle.
//!
//! An entry exists from the moment somebody wants the thread loaded until its actor
//! has ended, its tools are gone and its rollout is flushed. The mailbox exists as
//! long as the entry, so a command for a thread that is still loading waits in it,
//! and one for a thread that is closing is answered by the actor. There is no second
//! set of "pending" threads beside it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use loomd_base::{ConnectionId, ThreadId};
use loomd_protocol::ThreadStatus;
use loomd_thread::{Command, Reply, ResumeRequest, RevertFrom, SharedJson};
use loomd_tools::Toolbox;
use tokio::sync::mpsc;

use super::residency::{Budget, Footprint, surplus};
use crate::Server;
use crate::assemble::Overrides;
use crate::errors::{ApiError, ApiResult};

/// Commands that may wait for one thread's actor. When it is reached the connection
/// that sends waits, and after [`MAILBOX_WAIT_MAX`] gets the overload answer.
pub(crate) const MAILBOX_MAX: usize = 256;
/// How long a connection waits for room in a mailbox.
const MAILBOX_WAIT_MAX: Duration = Duration::from_secs(5);

/// Gets the answer to one command, once. An actor that ends without answering (it
/// panicked) answers through the drop.
pub(crate) struct Responder(Option<Box<dyn FnOnce(ApiResult<Reply>) + Send>>);

impl Responder {
    pub(crate) fn new(answer: impl FnOnce(ApiResult<Reply>) + Send + 'static) -> Self {
        Self(Some(Box::new(answer)))
    }

    pub(crate) fn answer(mut self, result: ApiResult<Reply>) {
        if let Some(answer) = self.0.take() {
            answer(result);
        }
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        if let Some(answer) = self.0.take() {
            answer(Err(ApiError::internal(
                "the thread ended before it could answer",
            )));
        }
    }
}

/// What an actor's mailbox takes.
pub(crate) enum Mail {
    Command {
        command: Box<Command>,
        responder: Responder,
    },
    ConnectionClosed(ConnectionId),
    /// A client answered a question that this thread asked.
    Answer {
        id: i64,
        answer: Result<SharedJson, String>,
    },
    /// Resume, and change settings if nobody watches and nothing runs.
    Resume {
        request: Box<ResumeRequest>,
        overrides: Box<Overrides>,
        responder: Responder,
    },
    /// Take turns back.
    Revert {
        from: RevertFrom,
        responder: Responder,
    },
    /// Look at, or act on, what the thread's tools have running.
    Tools(Box<dyn FnOnce(&Toolbox) + Send>),
    /// Unload, if nobody watches and nothing runs: others need the room.
    MakeRoom,
    /// End the thread; answered when it has ended.
    Close {
        responder: Responder,
    },
}

impl Mail {
    /// Answers mail that no actor will take: with `error`, but for a wish that is
    /// fulfilled by there being none.
    pub(super) fn refuse(self, error: ApiError) {
        match self {
            Self::Command { responder, .. }
            | Self::Resume { responder, .. }
            | Self::Revert { responder, .. } => responder.answer(Err(error)),
            Self::Close { responder } => responder.answer(Ok(Reply::Done)),
            Self::ConnectionClosed(_) | Self::Answer { .. } | Self::Tools(_) | Self::MakeRoom => {}
        }
    }
}

/// How to reach a thread's actor. Mail is boxed, since a mailbox keeps room for 32 of
/// them however idle its thread is.
#[derive(Clone)]
pub(crate) struct Handle {
    pub(crate) mailbox: mpsc::Sender<Box<Mail>>,
    pub(crate) shared: Arc<Shared>,
}

/// What others may see of a thread without asking its actor.
#[derive(Debug)]
pub(crate) struct Shared {
    // A copy for lists; the actor's core is the truth.
    status: Mutex<ThreadStatus>,
    closing: AtomicBool,
    /// What it takes, and whether it could be unloaded.
    pub(super) footprint: Footprint,
}

impl Shared {
    pub(crate) fn new() -> Self {
        Self {
            status: Mutex::new(ThreadStatus::Idle),
            closing: AtomicBool::new(false),
            footprint: Footprint::new(),
        }
    }

    pub(crate) fn status(&self) -> ThreadStatus {
        self.status
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn set_status(&self, status: ThreadStatus) {
        *self.status.lock().unwrap_or_else(PoisonError::into_inner) = status;
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    pub(crate) fn set_closing(&self) {
        self.closing.store(true, Ordering::Release);
    }
}

/// What a lookup for loading found.
pub(crate) enum Lookup {
    /// The thread is loaded or loading.
    Present(Handle),
    /// The caller must run the actor: the entry is in place, and this is its mailbox.
    Vacant(Handle, mpsc::Receiver<Box<Mail>>),
}

/// The registry of loaded threads.
#[derive(Default)]
pub(crate) struct Registry {
    // Guards the map only; never held over an await.
    entries: Mutex<BTreeMap<ThreadId, Handle>>,
    /// Which thread asked what: open requests to clients, by id. Their threads own them;
    /// this only says where an answer belongs.
    asks: Mutex<BTreeMap<i64, ThreadId>>,
}

impl Registry {
    fn entries(&self) -> std::sync::MutexGuard<'_, BTreeMap<ThreadId, Handle>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn asks(&self) -> std::sync::MutexGuard<'_, BTreeMap<i64, ThreadId>> {
        self.asks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get(&self, id: ThreadId) -> Option<Handle> {
        self.entries().get(&id).cloned()
    }

    /// Finds the thread's handle, or makes the entry for the caller to fill.
    pub(crate) fn get_or_insert(&self, id: ThreadId) -> Lookup {
        let mut entries = self.entries();
        if let Some(handle) = entries.get(&id) {
            return Lookup::Present(handle.clone());
        }
        let (mailbox, mail) = mpsc::channel(MAILBOX_MAX);
        let handle = Handle {
            mailbox,
            shared: Arc::new(Shared::new()),
        };
        entries.insert(id, handle.clone());
        Lookup::Vacant(handle, mail)
    }

    /// Takes an entry out, for its owner. The thread may have a new one by now, which
    /// stays.
    pub(crate) fn remove(&self, id: ThreadId, shared: &Arc<Shared>) {
        let mut entries = self.entries();
        let is_own = |handle: &Handle| Arc::ptr_eq(&handle.shared, shared);
        if entries.get(&id).is_some_and(is_own) {
            entries.remove(&id);
            self.forget_asks(id);
        }
    }

    /// Loaded threads, by id.
    pub(crate) fn ids(&self) -> Vec<ThreadId> {
        self.entries().keys().copied().collect()
    }

    /// The status that lists show.
    pub(crate) fn status(&self, id: ThreadId) -> ThreadStatus {
        self.get(id)
            .map_or(ThreadStatus::NotLoaded, |handle| handle.shared.status())
    }

    /// Whether any thread runs a turn.
    pub(crate) fn any_active(&self) -> bool {
        self.entries()
            .values()
            .any(|handle| matches!(handle.shared.status(), ThreadStatus::Active { .. }))
    }

    /// Asks threads that nobody needs to unload, until the rest is within the budget.
    /// A mailbox that is full is of a thread that has work, and which stays.
    pub(super) fn keep_within(&self, budget: Budget) {
        let entries = self.entries();
        let accounts = entries
            .iter()
            .filter(|(_, handle)| !handle.shared.is_closing())
            .map(|(id, handle)| (*id, &handle.shared.footprint));
        for id in surplus(accounts, budget) {
            if let Some(handle) = entries.get(&id)
                && let Err(error) = handle.mailbox.try_send(Box::new(Mail::MakeRoom))
            {
                tracing::debug!(thread = %id, %error, "not asked to unload");
            }
        }
    }

    /// Sends a command to a loaded thread; every way this can go ends in an answer.
    pub(crate) async fn send(&self, id: ThreadId, command: Command, responder: Responder) {
        match self.get(id) {
            Some(handle) => handle.send(id, command, responder).await,
            None => responder.answer(Err(ApiError::thread_not_found(&id.to_string()))),
        }
    }

    /// Asks a loaded thread and waits for the answer. `None` when it is not loaded.
    pub(crate) async fn ask(&self, id: ThreadId, command: Command) -> Option<ApiResult<Reply>> {
        let handle = self.get(id)?;
        let (tx, rx) = tokio::sync::oneshot::channel();
        let responder = Responder::new(move |result| {
            // A caller that went away no longer wants the answer.
            let _gone = tx.send(result);
        });
        handle.send(id, command, responder).await;
        Some(
            rx.await
                .unwrap_or_else(|_| Err(ApiError::thread_not_found(&id.to_string()))),
        )
    }

    /// Looks at, or acts on, a loaded thread's tools.
    pub(crate) async fn with_tools<T: Send + 'static>(
        &self,
        id: ThreadId,
        look: impl FnOnce(&Toolbox) -> T + Send + 'static,
    ) -> ApiResult<T> {
        let not_found = || ApiError::thread_not_found(&id.to_string());
        let handle = self.get(id).ok_or_else(not_found)?;
        let (tx, rx) = tokio::sync::oneshot::channel();
        let mail = Mail::Tools(Box::new(move |toolbox| {
            // A caller that went away no longer wants the answer.
            let _gone = tx.send(look(toolbox));
        }));
        let sent = handle.mailbox.send(Box::new(mail)).await;
        sent.map_err(|_| not_found())?;
        rx.await.map_err(|_| not_found())
    }

    /// Ends a thread if it is loaded, and keeps everybody from loading it until the hold
    /// is dropped: meanwhile it is closing to them.
    pub(crate) async fn hold(server: &Arc<Server>, id: ThreadId) -> Hold {
        loop {
            match server.registry.get_or_insert(id) {
                Lookup::Vacant(handle, mail) => {
                    handle.shared.set_closing();
                    handle.shared.set_status(ThreadStatus::NotLoaded);
                    return Hold {
                        server: Arc::clone(server),
                        id,
                        shared: handle.shared,
                        mail,
                    };
                }
                Lookup::Present(handle) => {
                    Self::close(&handle).await;
                    // Another one may hold it, for as long as it moves a file.
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    /// Ends a loaded thread and waits until it has ended.
    async fn close(handle: &Handle) {
        let (tx, rx) = tokio::sync::oneshot::channel();
        let responder = Responder::new(move |_done| {
            // A caller that went away no longer wants to know.
            let _gone = tx.send(());
        });
        let close = Box::new(Mail::Close { responder });
        if handle.mailbox.send(close).await.is_ok() {
            // An error means that the actor is gone, which is what was wanted.
            let _ended = rx.await;
        }
    }

    /// Ends a thread if it is loaded, and waits until it has ended.
    pub(crate) async fn end(&self, id: ThreadId) {
        if let Some(handle) = self.get(id) {
            Self::close(&handle).await;
        }
    }

    /// Notes that a thread waits for the answer to its request `id`.
    pub(crate) fn asked(&self, id: i64, thread: ThreadId) {
        self.asks().insert(id, thread);
    }

    /// Forgets one request; its answer will be dropped.
    pub(crate) fn forget_ask(&self, id: i64) {
        self.asks().remove(&id);
    }

    /// Forgets a thread's requests; their answers will be dropped.
    pub(crate) fn forget_asks(&self, thread: ThreadId) {
        self.asks().retain(|_, asker| *asker != thread);
    }

    /// Brings a client's answer to the thread that asked. The first answer takes the
    /// question away; what comes later, or for a question that never was, is dropped.
    pub(crate) async fn answer(&self, id: i64, answer: Result<SharedJson, String>) {
        let asker = self.asks().remove(&id);
        let Some(handle) = asker.and_then(|thread| self.get(thread)) else {
            tracing::debug!(id, "answer to no open request dropped");
            return;
        };
        // An actor that has ended waits for nothing.
        let answer = Box::new(Mail::Answer { id, answer });
        let _ended = handle.mailbox.send(answer).await;
    }

    /// Tells every thread that a connection is gone.
    pub(crate) async fn connection_closed(&self, connection: ConnectionId) {
        let handles: Vec<Handle> = self.entries().values().cloned().collect();
        for handle in handles {
            // An actor that has ended has no subscribers left to forget.
            let _ended = handle
                .mailbox
                .send(Box::new(Mail::ConnectionClosed(connection)))
                .await;
        }
    }
}

/// A thread that nobody can load while its files are moved or removed.
pub(crate) struct Hold {
    server: Arc<Server>,
    id: ThreadId,
    shared: Arc<Shared>,
    mail: mpsc::Receiver<Box<Mail>>,
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.server.registry.remove(self.id, &self.shared);
        self.mail.close();
        while let Ok(mail) = self.mail.try_recv() {
            mail.refuse(ApiError::closing(&self.id.to_string()));
        }
    }
}

impl Handle {
    pub(crate) async fn send(&self, id: ThreadId, command: Command, responder: Responder) {
        let command = Box::new(command);
        self.deliver(id, Mail::Command { command, responder }).await;
    }

    /// Puts mail into the thread's mailbox; every way this can go ends in an answer.
    pub(crate) async fn deliver(&self, id: ThreadId, mail: Mail) {
        let permit = tokio::time::timeout(MAILBOX_WAIT_MAX, self.mailbox.reserve()).await;
        match permit {
            Ok(Ok(permit)) => permit.send(Box::new(mail)),
            Ok(Err(_closed)) => mail.refuse(ApiError::thread_not_found(&id.to_string())),
            Err(_elapsed) => mail.refuse(ApiError::overloaded()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vacant(registry: &Registry, id: ThreadId) -> Handle {
        match registry.get_or_insert(id) {
            Lookup::Vacant(handle, _mail) => handle,
            Lookup::Present(_) => panic!("the thread is there"),
        }
    }

    #[test]
    fn the_end_of_an_earlier_owner_leaves_a_later_one_alone() {
        let registry = Registry::default();
        let id: ThreadId = "01a20591-c7df-7c90-85fa-162b8fa0bd59".parse().unwrap();
        let earlier = vacant(&registry, id);
        registry.remove(id, &earlier.shared);
        let later = vacant(&registry, id);
        registry.asked(7, id);
        // Its task ends a moment after it has left the registry.
        registry.remove(id, &earlier.shared);
        assert!(registry.get(id).is_some());
        assert!(registry.asks().contains_key(&7));
        registry.remove(id, &later.shared);
        assert!(registry.get(id).is_none() && registry.asks().is_empty());
    }
}
