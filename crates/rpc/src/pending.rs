//! Ids of requests from the server to its clients.
//!
//! One counter for the whole server: the same id goes to every subscriber of a
//! thread, and the first answer wins. Who waits for which id is not kept here,
//! because a request outlives the connections it was sent to (it is replayed to
//! whoever resumes the thread); the owner of the thread keeps it.

use std::sync::atomic::{AtomicI64, Ordering};

/// Hands out ids from zero. One per server, shared by its connections and threads.
#[derive(Debug, Default)]
pub struct ServerRequestIds {
    next: AtomicI64,
}

impl ServerRequestIds {
    /// Starts at zero, as clients of the reference see it.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            next: AtomicI64::new(0),
        }
    }

    /// An id that this server has not used yet.
    pub fn next(&self) -> i64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_from_zero() {
        let ids = ServerRequestIds::new();
        assert_eq!([ids.next(), ids.next(), ids.next()], [0, 1, 2]);
    }
}
