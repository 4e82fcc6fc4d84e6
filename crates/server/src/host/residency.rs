//! How much loaded threads may take together, and which of them make room.
//!
//! Every actor keeps its thread's [`Footprint`] up to date. Whenever a thread was loaded
//! or came to rest, the server adds the footprints up; beyond the [`Budget`] it asks the
//! threads that were left longest ago to unload. A thread that is watched, active, or
//! has nothing on disk to come back from is never asked. Whether it really unloads is
//! decided by its own core, as it may have found a watcher meanwhile.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use loomd_base::ThreadId;
use loomd_config::Config;

/// What a loaded thread takes beside its history, in bytes: its actor, mailbox and
/// tools (measured with a thousand threads of one turn).
const THREAD_BYTES: u64 = 16 * 1024;

/// What all loaded threads of a server may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Budget {
    /// Bytes, by the threads' own accounts.
    pub(super) bytes: u64,
    /// Threads.
    pub(super) threads: usize,
}

impl Budget {
    pub(super) fn of(config: &Config) -> Self {
        Self {
            bytes: config.max_loaded_bytes,
            threads: config.max_loaded_threads,
        }
    }
}

/// A thread's account, written by its actor.
#[derive(Debug)]
pub(crate) struct Footprint {
    /// Bytes of its rollout, which are about those of its history and turns in memory.
    rollout_bytes: AtomicU64,
    /// Since when it could be unloaded, Unix milliseconds; [`NEEDED`] when it cannot.
    left_at_ms: AtomicI64,
}

/// The thread is watched, active, or would be lost.
const NEEDED: i64 = i64::MAX;

impl Footprint {
    pub(super) fn new() -> Self {
        Self {
            rollout_bytes: AtomicU64::new(0),
            left_at_ms: AtomicI64::new(NEEDED),
        }
    }

    /// Notes where the thread stands. Of a thread that runs the bytes are not known and
    /// stay as they were; `left_at_ms` is now where it can be unloaded, `None` where it
    /// cannot. `true` when it has just come to where it can be unloaded, and the budget
    /// should be looked at.
    pub(super) fn note(&self, rollout_bytes: Option<u64>, left_at_ms: Option<i64>) -> bool {
        if let Some(bytes) = rollout_bytes {
            self.rollout_bytes.store(bytes, Ordering::Relaxed);
        }
        let Some(now_ms) = left_at_ms else {
            self.left_at_ms.store(NEEDED, Ordering::Relaxed);
            return false;
        };
        // The first time counts; only the actor writes, so there is nobody to race with.
        if self.left_at_ms.load(Ordering::Relaxed) != NEEDED {
            return false;
        }
        self.left_at_ms.store(now_ms, Ordering::Relaxed);
        true
    }

    fn bytes(&self) -> u64 {
        THREAD_BYTES.saturating_add(self.rollout_bytes.load(Ordering::Relaxed))
    }

    fn left_at_ms(&self) -> Option<i64> {
        Some(self.left_at_ms.load(Ordering::Relaxed)).filter(|at| *at != NEEDED)
    }
}

/// The threads that should unload for the others to stay within the budget: those that
/// were left longest ago first, and no more of them than needed.
pub(super) fn surplus<'a>(
    threads: impl Iterator<Item = (ThreadId, &'a Footprint)>,
    budget: Budget,
) -> Vec<ThreadId> {
    let (mut bytes, mut count) = (0_u64, 0_usize);
    let mut idle: Vec<(i64, ThreadId, u64)> = Vec::new();
    for (id, footprint) in threads {
        bytes = bytes.saturating_add(footprint.bytes());
        count += 1;
        if let Some(left) = footprint.left_at_ms() {
            idle.push((left, id, footprint.bytes()));
        }
    }
    if bytes <= budget.bytes && count <= budget.threads {
        return Vec::new();
    }
    idle.sort_unstable();
    let mut chosen = Vec::new();
    for (_, id, freed) in idle {
        if bytes <= budget.bytes && count <= budget.threads {
            break;
        }
        bytes = bytes.saturating_sub(freed);
        count -= 1;
        chosen.push(id);
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thread(number: u128) -> ThreadId {
        uuid_text(number).parse().expect("a thread id")
    }

    fn uuid_text(number: u128) -> String {
        format!("01900000-0000-7000-8000-{number:012x}")
    }

    fn left(bytes: u64, at_ms: i64) -> Footprint {
        let footprint = Footprint::new();
        assert!(footprint.note(Some(bytes), Some(at_ms)));
        footprint
    }

    fn chosen(footprints: &[Footprint], bytes: u64, threads: usize) -> Vec<ThreadId> {
        let named = (1..).map(thread).zip(footprints);
        surplus(named, Budget { bytes, threads })
    }

    #[test]
    fn within_the_budget_nothing_goes() {
        let threads = [left(100, 1), left(100, 2)];
        let enough = 2 * (THREAD_BYTES + 100);
        assert_eq!(chosen(&threads, enough, 2), []);
    }

    #[test]
    fn beyond_it_those_left_longest_ago_go_and_no_more_than_needed() {
        let threads = [left(100, 3), left(100, 1), left(100, 2)];
        assert_eq!(chosen(&threads, u64::MAX, 2), [thread(2)]);
        assert_eq!(
            chosen(&threads, THREAD_BYTES + 100, 9),
            [thread(2), thread(3)]
        );
    }

    #[test]
    fn what_is_needed_stays_whatever_the_budget() {
        let threads = [Footprint::new(), left(100, 1)];
        threads[0].note(Some(1 << 40), None);
        assert_eq!(chosen(&threads, 0, 0), [thread(2)]);
    }

    #[test]
    fn the_clock_runs_from_when_a_thread_was_left_not_from_when_it_was_looked_at() {
        let footprint = left(1, 10);
        assert!(!footprint.note(Some(2), Some(20)));
        assert_eq!(footprint.left_at_ms(), Some(10));
        footprint.note(None, None);
        assert!(footprint.note(Some(2), Some(40)));
        assert_eq!(footprint.left_at_ms(), Some(40));
    }
}
