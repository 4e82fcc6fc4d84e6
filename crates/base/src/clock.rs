//! Time as a value.
//!
//! Rules take a [`Now`]; only the shell asks a [`Clock`] for one. A `Now` carries
//! the monotonic time that decides deadlines and durations and the wall time that
//! is shown to people and written to files, read together.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// One reading of both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Monotonic time since an arbitrary start of this process.
    pub mono: Duration,
    /// Unix time in milliseconds.
    pub wall_ms: i64,
}

impl Now {
    /// Unix time in whole seconds, the unit of turn and thread times on the wire.
    #[must_use]
    pub fn wall_s(&self) -> i64 {
        self.wall_ms.div_euclid(1000)
    }
}

/// Where [`Now`] comes from.
pub trait Clock: Send + Sync + 'static {
    /// Reads both clocks.
    fn now(&self) -> Now;
}

/// The machine's clocks. The monotonic part follows tokio's clock, so that a test
/// that pauses the runtime also moves this one.
#[derive(Debug, Clone)]
pub struct SystemClock {
    start: tokio::time::Instant,
}

impl SystemClock {
    /// Starts counting monotonic time here.
    #[must_use]
    pub fn new() -> Self {
        Self {
            start: tokio::time::Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the wall clock"
    )]
    fn now(&self) -> Now {
        let wall = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        Now {
            mono: self.start.elapsed(),
            wall_ms: i64::try_from(wall.as_millis()).unwrap_or(i64::MAX),
        }
    }
}

/// A clock that a test sets by hand.
#[derive(Debug, Default)]
pub struct FixedClock {
    ms: AtomicI64,
}

impl FixedClock {
    /// A clock that stands at `wall_ms`; its monotonic part starts at the same figure.
    #[must_use]
    pub fn at(wall_ms: i64) -> Self {
        Self {
            ms: AtomicI64::new(wall_ms),
        }
    }

    /// Moves both clocks forward.
    pub fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.ms.fetch_add(by, Ordering::SeqCst);
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Now {
        let wall_ms = self.ms.load(Ordering::SeqCst);
        Now {
            mono: Duration::from_millis(u64::try_from(wall_ms).unwrap_or(0)),
            wall_ms,
        }
    }
}
