//! Searches whose query changes while somebody types: the folders are gone through once, and
//! each query looks at what was found.
//!
//! A session is one task, and a walk at its beginning. What it found is kept in blocks of text
//! and counted, by session and by process; see the limits. A new query overtakes an older one
//! that is still being looked for.
//!
//! Deliberately absent: files that come after the walk. The reference does not see them either.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use loomd_base::ConnectionId;
use loomd_base::tasks::{Kind, spawn};
use tokio::sync::{Notify, Semaphore};

use super::best::Best;
use super::query::{Query, Scorer};
use super::store::{Block, Store};
use super::{Match, Root, matches, walk};

/// Sessions that one connection may have.
pub const SESSIONS_MAX: usize = 64;
/// How often new matches are told while the walk goes on.
pub const SESSION_TICK: Duration = Duration::from_millis(50);

/// What a session has to tell.
#[derive(Debug)]
pub enum News {
    /// The best matches for a query so far.
    Updated {
        /// As it was typed.
        query: String,
        /// Best first.
        matches: Vec<Match>,
    },
    /// Everything was looked at for the newest query.
    Completed,
}

/// The connection has [`SESSIONS_MAX`] sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many sessions: limit is {SESSIONS_MAX} per connection")]
pub struct TooManySessions;

type Tell = Box<dyn Fn(News) + Send + Sync>;

/// The sessions of a process, by the ids that clients gave them.
pub struct Sessions {
    // Held to look up, add or remove one; never over an await.
    all: Mutex<BTreeMap<String, Arc<Session>>>,
    /// What all of them keep, in bytes.
    bytes: Arc<AtomicUsize>,
    /// Who looks through what was found takes a processor, and there are only so many.
    looking: Arc<Semaphore>,
}

impl Default for Sessions {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            all: Mutex::default(),
            bytes: Arc::default(),
            looking: Arc::new(Semaphore::new(processors)),
        }
    }
}

impl Sessions {
    /// Makes a session, which begins with [`Session::begin`]. One of the same id ends.
    ///
    /// # Errors
    /// The connection has too many.
    pub fn open(
        &self,
        owner: ConnectionId,
        id: String,
        roots: Vec<Root>,
        tell: impl Fn(News) + Send + Sync + 'static,
    ) -> Result<Arc<Session>, TooManySessions> {
        let mut all = self.lock();
        let others = all
            .iter()
            .filter(|(other, session)| **other != id && session.owner == owner);
        if others.count() >= SESSIONS_MAX {
            return Err(TooManySessions);
        }
        let session = Arc::new(Session {
            owner,
            roots,
            store: Store::new(Arc::clone(&self.bytes)),
            looking: Arc::clone(&self.looking),
            wanted: Mutex::new((0, Query::default())),
            number: AtomicUsize::new(0),
            wake: Notify::new(),
            is_over: AtomicBool::new(false),
            tell: Mutex::new(Some(Box::new(tell))),
        });
        if let Some(old) = all.insert(id, Arc::clone(&session)) {
            old.end();
        }
        Ok(session)
    }

    /// The session of an id.
    pub fn get(&self, id: &str) -> Option<Arc<Session>> {
        self.lock().get(id).cloned()
    }

    /// Ends a session. It tells nothing more when this has returned.
    pub fn stop(&self, id: &str) {
        let stopped = self.lock().remove(id);
        if let Some(session) = stopped {
            session.end();
        }
    }

    /// Ends what a connection had begun.
    pub fn connection_closed(&self, owner: ConnectionId) {
        self.lock().retain(|_, session| {
            let stays = session.owner != owner;
            if !stays {
                session.end();
            }
            stays
        });
    }

    /// Bytes that all sessions keep.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Session>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One session.
pub struct Session {
    owner: ConnectionId,
    roots: Vec<Root>,
    store: Store,
    looking: Arc<Semaphore>,
    // The newest query and its number; held to copy it.
    wanted: Mutex<(usize, Query)>,
    /// The same number, for who is in the middle of looking.
    number: AtomicUsize,
    /// Wakes the task: another query, the end of the walk, or of the session.
    wake: Notify,
    is_over: AtomicBool,
    // Held while something is told, so that nothing is told after the end.
    tell: Mutex<Option<Tell>>,
}

impl Session {
    /// Starts the task that answers queries, and the walk as soon as `turns` has one.
    pub fn begin(self: &Arc<Self>, turns: Arc<Semaphore>) {
        let walking = Arc::clone(self);
        spawn(Kind::Background, async move {
            // An error says that nobody gives turns any more: the process is about to end.
            let _turn = turns.acquire_owned().await;
            let session = Arc::clone(&walking);
            let walk = tokio::task::spawn_blocking(move || session.walk());
            if walk.await.is_err() {
                tracing::error!("the walk of a file search panicked");
            }
            // Also then: the session goes on with what was found.
            walking.store.finish();
            walking.wake.notify_one();
        });
        spawn(Kind::Background, Arc::clone(self).serve());
    }

    /// Looks for something else.
    pub fn look_for(&self, query: Query) {
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        *wanted = (wanted.0 + 1, query);
        self.number.store(wanted.0, Ordering::Relaxed);
        drop(wanted);
        self.wake.notify_one();
    }

    fn wanted(&self) -> (usize, Query) {
        let wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        wanted.clone()
    }

    fn walk(&self) {
        let stop = || self.is_over() || self.store.is_full();
        if !stop() {
            walk::walk(&self.roots, &stop, || self.store.writer());
        }
        if self.store.is_full() {
            tracing::warn!("a file search has reached its limit and knows a part of its folders");
        }
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
        let mut tell = self.tell.lock().unwrap_or_else(PoisonError::into_inner);
        *tell = None;
        drop(tell);
        self.wake.notify_one();
    }

    fn tell(&self, news: News) {
        let tell = self.tell.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tell) = &*tell {
            tell(news);
        }
    }

    async fn serve(self: Arc<Self>) {
        let mut look: Option<Look> = None;
        while !self.is_over() {
            let (number, query) = self.wanted();
            let current = match look.take() {
                Some(look) if look.number == number => look,
                _ => Look::new(number, query),
            };
            let session = Arc::clone(&self);
            let Ok(processor) = Arc::clone(&self.looking).acquire_owned().await else {
                return;
            };
            let looked = tokio::task::spawn_blocking(move || current.go_on(&session)).await;
            drop(processor);
            let Ok(mut current) = looked else {
                tracing::error!("a file search panicked");
                return;
            };
            if let Some(matches) = current.news.take() {
                let query = current.query.text().to_owned();
                self.tell(News::Updated { query, matches });
            }
            if current.state == LookState::Done {
                self.tell(News::Completed);
                current.state = LookState::Told;
            }
            match current.state {
                LookState::Overtaken => continue,
                LookState::Told => self.wake.notified().await,
                LookState::Looking | LookState::Done => {
                    // Only a wait for the next step, so that its outcome does not matter.
                    drop(tokio::time::timeout(SESSION_TICK, self.wake.notified()).await);
                }
            }
            look = Some(current);
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LookState {
    /// The walk goes on.
    Looking,
    /// Another query has come.
    Overtaken,
    /// All is looked at.
    Done,
    /// And that was told.
    Told,
}

/// The search for one query.
struct Look {
    number: usize,
    query: Query,
    best: Best,
    scorer: Scorer,
    /// Blocks that were looked at.
    seen: usize,
    state: LookState,
    is_fresh: bool,
    /// What is to be told.
    news: Option<Vec<Match>>,
}

impl Look {
    fn new(number: usize, query: Query) -> Self {
        Self {
            number,
            query,
            best: Best::default(),
            scorer: Scorer::default(),
            seen: 0,
            state: LookState::Looking,
            is_fresh: true,
            news: None,
        }
    }

    /// Looks at what has come since.
    fn go_on(mut self, session: &Session) -> Self {
        if self.state == LookState::Told {
            return self;
        }
        let (blocks, is_all) = session.store.since(self.seen);
        let mut changed = std::mem::take(&mut self.is_fresh);
        for block in blocks {
            if session.is_over() || session.number.load(Ordering::Relaxed) != self.number {
                self.state = LookState::Overtaken;
                return self;
            }
            changed |= self.look_at(&block);
            self.seen += 1;
        }
        if changed {
            let Self {
                query,
                best,
                scorer,
                ..
            } = &mut self;
            self.news = Some(matches(&session.roots, query, best, scorer));
        }
        if is_all {
            self.state = LookState::Done;
        }
        self
    }

    /// Whether something in it is among the best.
    fn look_at(&mut self, block: &Block) -> bool {
        let mut changed = false;
        if self.query.is_empty() {
            return changed;
        }
        for (path, root, is_directory) in block.entries() {
            if let Some(score) = self.scorer.score(&self.query, path, is_directory) {
                changed |= self.best.offer(score, root, path, is_directory);
            }
        }
        changed
    }
}
