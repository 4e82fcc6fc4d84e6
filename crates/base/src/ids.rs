//! Ids and where fresh ones come from.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

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

/// A text that is not a UUID. Displays in the words that clients of the reference see
/// behind `invalid thread id: ` (seen on 0.169.0).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InvalidThreadId {
    /// A character that is in no UUID.
    Character {
        /// The character.
        found: char,
        /// Its place, counted in characters from 1.
        at: usize,
    },
    /// Any other fault.
    Other(uuid::Error),
}

impl fmt::Display for InvalidThreadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Character { found, at } => write!(
                f,
                "invalid character: expected an optional prefix of `urn:uuid:` followed by \
                 [0-9a-fA-F-], found `{found}` at {at}"
            ),
            Self::Other(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for InvalidThreadId {}

impl FromStr for ThreadId {
    type Err = InvalidThreadId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::parse_str(text).map(Self).map_err(|error| {
            text.chars()
                .enumerate()
                .find(|(_, c)| !c.is_ascii_hexdigit() && *c != '-')
                .map_or(InvalidThreadId::Other(error), |(at, found)| {
                    InvalidThreadId::Character { found, at: at + 1 }
                })
        })
    }
}

/// The id of one client connection, never used twice in a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

/// Where fresh ids come from.
pub trait IdSource: Send + Sync + 'static {
    /// A time-ordered id (threads, turns, messages).
    fn v7(&self) -> Uuid;
    /// A random id (installation, user shell commands).
    fn v4(&self) -> Uuid;
    /// The id of the next request to a client: 0, 1, … for the whole process, shared by
    /// all connections and threads.
    fn request(&self) -> i64;
}

/// Real ids.
#[derive(Debug, Default)]
pub struct SystemIds {
    requests: AtomicI64,
}

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

    fn request(&self) -> i64 {
        self.requests.fetch_add(1, Ordering::Relaxed)
    }
}

/// Ids that count from one, for tests: `00000000-0000-7000-8000-000000000001` and on.
#[derive(Debug, Default)]
pub struct CountedIds {
    next: AtomicU64,
    requests: AtomicI64,
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

    fn request(&self) -> i64 {
        self.requests.fetch_add(1, Ordering::Relaxed)
    }
}
