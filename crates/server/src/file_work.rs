//! What one connection has going on with files, and how much of it at a time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// Bytes of files that are read for one connection at a time, in KiB. Others wait: what was
/// read is in memory several times before it is sent.
const READING_KIB_MAX: u32 = 96 * 1024;
/// Searches of one connection that go through folders at a time. Each has a few threads.
const SEARCHES_MAX: usize = 4;

/// The files that one connection reads and the searches it has started.
#[derive(Debug)]
pub(crate) struct FileWork {
    reading: Arc<Semaphore>,
    searching: Arc<Semaphore>,
    // The newest search of each token, while it runs; held to look one up.
    searches: Arc<Mutex<BTreeMap<String, CancellationToken>>>,
    /// Stops all searches.
    over: CancellationToken,
}

impl Default for FileWork {
    fn default() -> Self {
        Self {
            reading: Arc::new(Semaphore::new(READING_KIB_MAX as usize)),
            searching: Arc::new(Semaphore::new(SEARCHES_MAX)),
            searches: Arc::default(),
            over: CancellationToken::new(),
        }
    }
}

impl FileWork {
    /// Waits until a file of `bytes` may be read.
    pub(crate) async fn reading(&self, bytes: u64) -> Result<OwnedSemaphorePermit, AcquireError> {
        let kib = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX);
        let reading = Arc::clone(&self.reading);
        reading.acquire_many_owned(kib.min(READING_KIB_MAX)).await
    }

    /// The turns of searches, for those that are not answered when they are over.
    pub(crate) fn search_turns(&self) -> Arc<Semaphore> {
        Arc::clone(&self.searching)
    }

    /// Stops all searches: nobody is there any more to whom they could be answered.
    pub(crate) fn stop_searches(&self) {
        self.over.cancel();
    }

    /// Begins a search. One with the same token that still runs is stopped.
    pub(crate) fn begin_search(&self, token: Option<String>) -> Search {
        let stopped = self.over.child_token();
        if let Some(token) = &token {
            let mut searches = self.searches.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(older) = searches.insert(token.clone(), stopped.clone()) {
                older.cancel();
            }
        }
        Search {
            token,
            stopped,
            searches: Arc::clone(&self.searches),
            searching: Arc::clone(&self.searching),
        }
    }
}

/// A search, until it is answered.
#[derive(Debug)]
pub(crate) struct Search {
    token: Option<String>,
    stopped: CancellationToken,
    searches: Arc<Mutex<BTreeMap<String, CancellationToken>>>,
    searching: Arc<Semaphore>,
}

impl Search {
    /// Waits until it may run. `None` when it was stopped before.
    pub(crate) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        tokio::select! {
            biased;
            () = self.stopped.cancelled() => None,
            permit = Arc::clone(&self.searching).acquire_owned() => permit.ok(),
        }
    }

    /// Whether a newer one has taken its place, or nobody waits for it.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.is_cancelled()
    }
}

impl Drop for Search {
    fn drop(&mut self) {
        // A newer one of the same token may have its place.
        if let Some(token) = self.token.take().filter(|_| !self.is_stopped()) {
            let mut searches = self.searches.lock().unwrap_or_else(PoisonError::into_inner);
            searches.remove(&token);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_search_of_the_same_token_stops_the_older() {
        let work = FileWork::default();
        let token = || Some("t".to_owned());
        let first = work.begin_search(token());
        let other = work.begin_search(Some("other".into()));
        let second = work.begin_search(token());
        assert!(first.is_stopped() && !second.is_stopped() && !other.is_stopped());
        drop(first);
        let third = work.begin_search(token());
        assert!(second.is_stopped());
        drop((second, third, other));
        let searches = work.searches.lock().expect("nobody panicked");
        assert!(searches.is_empty(), "nothing is left of what is over");
    }

    #[tokio::test]
    async fn whoever_leaves_ends_the_searches_that_run_and_those_that_wait() {
        let work = FileWork::default();
        let running: Vec<Search> = (0..SEARCHES_MAX).map(|_| work.begin_search(None)).collect();
        let mut turns = Vec::new();
        for search in &running {
            turns.push(search.turn().await.expect("there is room"));
        }
        let waiting = work.begin_search(Some("t".into()));
        let (turn, ()) = tokio::join!(waiting.turn(), async { work.stop_searches() });
        assert!(turn.is_none());
        assert!(running.iter().all(Search::is_stopped));
    }
}
