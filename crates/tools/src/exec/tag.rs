//! To whom a process belongs, whatever it does to get away.
//!
//! A descendant that makes a session of its own, forks twice or is given an empty
//! environment keeps neither group nor parent. What it keeps are its resource limits:
//! every fork and every exec hands them on. One of them, on file locks, has had no effect
//! since Linux 2.4.25, so it carries a number that names server, owner and command, and
//! `/proc/PID/limits` shows it to anybody who looks for what is left.
//!
//! The number has 19 decimal digits, which a shell can compare as text:
//!
//! ```text
//! 8 SSSSSSS OOOOOO CCCCC    level, server, owner (a thread or connection), command
//! ```
//!
//! Owners and commands are counted and begin anew past their digits. A server that was itself
//! started by a command of another one leaves the other's number in the hard limit and puts
//! its own, of the next lower level, in the soft one; so both know their processes. A third
//! within the second hides its commands from the second, not from the first.
//!
//! What this does not reach: processes that change this very limit; processes that a service
//! starts on request (`systemd-run`, `at`, a container engine); those of another user, which
//! may not be signalled. Where the limit cannot be set, commands run all the same, and of
//! their descendants only those in their group and session end with them.

use std::process::Command;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use loomd_base::{IdSource as _, SystemIds};
use rustix::process::{Resource, Rlimit, getrlimit};

use super::{sweep, sys};

/// The level of a server that no other one started.
const OUTERMOST: u64 = 8;
/// What one level is.
const LEVEL: u64 = 1_000_000_000_000_000_000;
/// What one server, owner and command are; the upper digits are those before.
const SERVER: u64 = 100_000_000_000;
const OWNER: u64 = 100_000;
const COMMAND: u64 = 1;

/// What names this process, or none where the limit is taken for something else.
static BASE: LazyLock<Option<Base>> = LazyLock::new(|| {
    let servers = LEVEL / SERVER;
    let server = SystemIds::default().v4().as_u64_pair().1 % servers;
    let base = Base::within(getrlimit(Resource::Locks), server);
    if base.is_none() {
        tracing::warn!(
            "the limit on file locks is in use: commands that leave their session are not known"
        );
    }
    base
});

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Base {
    /// Level and server.
    prefix: u64,
    /// The hard limit that stays, which is another server's.
    outer: Option<u64>,
}

impl Base {
    fn within(limit: Rlimit, server: u64) -> Option<Self> {
        let servers = LEVEL / SERVER;
        let (level, outer) = match (limit.current, limit.maximum) {
            (_, None) => (OUTERMOST, None),
            (Some(soft), Some(hard))
                if (2 * LEVEL..=OUTERMOST * LEVEL + (LEVEL - 1)).contains(&soft) =>
            {
                (soft / LEVEL - 1, Some(hard))
            }
            (_, Some(_)) => return None,
        };
        Some(Self {
            prefix: level * servers + server,
            outer,
        })
    }
}

/// A thread or connection that commands belong to. When it is dropped, whatever is left of
/// them is killed, unless [`Owner::retire`] saw to that.
#[derive(Debug)]
pub struct Owner {
    number: u64,
    /// Commands since it was made or retired.
    commands: AtomicU32,
}

impl Default for Owner {
    fn default() -> Self {
        static OWNERS: AtomicU32 = AtomicU32::new(0);
        Self {
            number: u64::from(OWNERS.fetch_add(1, Ordering::Relaxed)) % (SERVER / OWNER),
            commands: AtomicU32::new(0),
        }
    }
}

impl Owner {
    /// The tag of its next command.
    pub(crate) fn next(&self) -> Option<Tag> {
        let command = u64::from(self.commands.fetch_add(1, Ordering::Relaxed)) % OWNER;
        let base = (*BASE)?;
        Some(Tag {
            number: base.prefix * SERVER + self.number * OWNER + command,
            outer: base.outer,
        })
    }

    /// All of its processes, if it ever had any since this was last asked. To be killed by who
    /// asks.
    pub(crate) fn retire(&self) -> Option<Scope> {
        let had = self.commands.swap(0, Ordering::Relaxed) > 0;
        let base = (*BASE).filter(|_| had)?;
        Some(Scope {
            unit: OWNER,
            upper: base.prefix * (SERVER / OWNER) + self.number,
        })
    }

    /// Kills all of its processes that are left, those included that left their session.
    pub async fn end(&self) {
        if let Some(scope) = self.retire() {
            let _ = tokio::task::spawn_blocking(move || sweep::kill_all(scope)).await;
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        if let Some(scope) = self.retire() {
            // There may be no runtime any more, and a drop must not wait.
            let sweeper = std::thread::Builder::new().name("loomd-sweep".to_owned());
            if let Err(error) = sweeper.spawn(move || sweep::kill_all(scope)) {
                tracing::warn!(%error, "what a thread or connection had started was left");
            }
        }
    }
}

/// The tag of one command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tag {
    number: u64,
    outer: Option<u64>,
}

impl Tag {
    /// Has the program, and all that it starts, bear the tag.
    pub(crate) fn put_on(self, command: &mut Command) {
        let limit = Rlimit {
            current: Some(self.number),
            maximum: Some(self.outer.unwrap_or(self.number)),
        };
        sys::limit_file_locks(command, limit);
    }

    /// The command and all that it started.
    pub(crate) fn scope(self) -> Scope {
        Scope {
            unit: COMMAND,
            upper: self.number,
        }
    }
}

/// Processes that belong together, by the upper digits of their tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scope {
    unit: u64,
    upper: u64,
}

impl Scope {
    /// Whether the soft or the hard limit, as `/proc` writes them, is a tag of the scope.
    pub(crate) fn has(self, limit: &str) -> bool {
        limit
            .parse::<u64>()
            .is_ok_and(|number| number / self.unit == self.upper)
    }
}

/// The digits that all tags of this server begin with, as text.
pub(crate) fn prefix() -> Option<String> {
    Some((*BASE)?.prefix.to_string())
}

/// The digits of a tag behind [`prefix`].
pub(crate) const DIGITS_BEHIND_PREFIX: usize = 11;

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(current: Option<u64>, maximum: Option<u64>) -> Rlimit {
        Rlimit { current, maximum }
    }

    #[test]
    fn the_outermost_server_has_both_limits_and_one_within_it_the_soft_one() {
        let outer = Base::within(limit(None, None), 1_234_567).expect("a base");
        let expected = Base {
            prefix: 81_234_567,
            outer: None,
        };
        assert_eq!(outer, expected);
        let tag = outer.prefix * SERVER + 3 * OWNER + 4;
        assert_eq!(tag, 8_123_456_700_000_300_004);
        let inner = Base::within(limit(Some(tag), Some(tag)), 7_654_321);
        let expected = Base {
            prefix: 77_654_321,
            outer: Some(tag),
        };
        assert_eq!(inner, Some(expected));
    }

    #[test]
    fn a_limit_that_somebody_set_stays() {
        assert_eq!(Base::within(limit(Some(1024), Some(1024)), 1), None);
        assert_eq!(Base::within(limit(Some(LEVEL), Some(2 * LEVEL)), 1), None);
    }

    #[test]
    fn scopes_tell_server_owner_and_command_apart() {
        let command = Scope {
            unit: COMMAND,
            upper: 8_123_456_700_000_300_004,
        };
        let owner = Scope {
            unit: OWNER,
            upper: 81_234_567_000_003,
        };
        for (limit, in_command, in_owner) in [
            ("8123456700000300004", true, true),
            ("8123456700000300005", false, true),
            ("8123456700000400004", false, false),
            ("unlimited", false, false),
        ] {
            assert_eq!(command.has(limit), in_command, "{limit}");
            assert_eq!(owner.has(limit), in_owner, "{limit}");
        }
    }

    #[test]
    fn owners_are_told_apart_and_retire_once() {
        let (one, other) = (Owner::default(), Owner::default());
        assert_ne!(one.number, other.number);
        assert_eq!(one.retire(), None);
        assert_ne!(one.next(), one.next());
        assert_eq!(one.retire().is_some(), BASE.is_some());
        assert_eq!(one.retire(), None);
    }
}
