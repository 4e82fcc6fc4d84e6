//! Ids and where fresh ones come from.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The id of a thread: a UUID, version 7 where loomd or Codex made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ThreadId(pub Uuid);

impl fmt::Display for ThreadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A text that is not a UUID. Displays as the UUID parser's own words, which
/// clients of the reference see behind `invalid thread id: `.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidThreadId(uuid::Error);

impl fmt::Display for InvalidThreadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for InvalidThreadId {}

impl FromStr for ThreadId {
    type Err = InvalidThreadId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::parse_str(text).map(Self).map_err(InvalidThreadId)
    }
}

/// The id of one client connection, never used twice in a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

/// Where fresh UUIDs come from.
pub trait IdSource: Send + Sync + 'static {
    /// A time-ordered id (threads, turns, messages).
    fn v7(&self) -> Uuid;
    /// A random id (installation, user shell commands).
    fn v4(&self) -> Uuid;
}

/// Real ids.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemIds;

#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that makes ids"
)]
impl IdSource for SystemIds {
    fn v7(&self) -> Uuid {
        Uuid::now_v7()
    }

    fn v4(&self) -> Uuid {
        Uuid::new_v4()
    }
}

/// Ids that count from one, for tests: `00000000-0000-7000-8000-000000000001` and on.
#[derive(Debug, Default)]
pub struct CountedIds {
    next: AtomicU64,
}

impl CountedIds {
    fn next(&self) -> u64 {
        self.next.fetch_add(1, Ordering::SeqCst) + 1
    }
}

impl IdSource for CountedIds {
    fn v7(&self) -> Uuid {
        Uuid::from_u128(0x7000_8000_0000_0000_0000 | u128::from(self.next()))
    }

    fn v4(&self) -> Uuid {
        Uuid::from_u128(0x4000_8000_0000_0000_0000 | u128::from(self.next()))
    }
}
