//! What the lifecycle demands of a thread, said once more and as shortly as can be:
//! no items, no history, no ids. Written from the description of the protocol, not from
//! the core; where the two disagree, one of them is wrong.

use std::collections::BTreeSet;
use std::time::Duration;

use loomd_protocol::{ThreadActiveFlag, ThreadStatus};

use super::inputs::Letter;

/// How long an unwatched, idle thread stays.
pub(super) const DELAY: Duration = Duration::from_secs(30 * 60);

/// The same while a command of it runs in the background.
pub(super) const BACKGROUND_DELAY: Duration = Duration::from_secs(45 * 60);

/// The running turn, as far as it decides what comes next.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Turn {
    /// The response of this step is whole.
    pub(super) responded: bool,
    /// This step made a call.
    pub(super) called: bool,
    /// The call has no output yet.
    pub(super) waits_for_call: bool,
    /// Messages that wait for the next step.
    pub(super) steers: u8,
}

/// A thread by the book.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Reference {
    pub(super) subscribers: BTreeSet<u64>,
    pub(super) materialized: bool,
    pub(super) turn: Option<Turn>,
    pub(super) asks: u8,
    pub(super) failed: bool,
    pub(super) closing: bool,
    /// Turns that have ended and were not taken back.
    pub(super) ended: u8,
    /// A command of the thread has an open item.
    pub(super) item_open: bool,
    /// What waits to become a turn.
    pub(super) queued: u8,
    /// The user stopped the last turn.
    pub(super) held: bool,
    /// The thread waits for what a turn starts from.
    pub(super) preparing: bool,
    /// A client waits for a turn of what waits.
    pub(super) start_asked: bool,
    /// Since when nobody watches and nothing runs.
    pub(super) unneeded_since: Option<Duration>,
}

/// What a command must be answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The input is no command.
    None,
    Accepted,
    Refused,
}

impl Reference {
    pub(super) fn new(stored: bool) -> Self {
        Self {
            materialized: stored,
            ..Self::default()
        }
    }

    pub(super) fn status(&self) -> ThreadStatus {
        match (&self.turn, self.failed) {
            (Some(_), _) => ThreadStatus::Active {
                active_flags: if self.asks > 0 {
                    vec![ThreadActiveFlag::WaitingOnApproval]
                } else {
                    Vec::new()
                },
            },
            (None, true) => ThreadStatus::SystemError,
            (None, false) => ThreadStatus::Idle,
        }
    }

    /// When the thread is to be unloaded, as things stand.
    pub(super) fn deadline(&self) -> Option<Duration> {
        let delay = if self.item_open {
            BACKGROUND_DELAY
        } else {
            DELAY
        };
        self.unneeded_since.map(|since| since + delay)
    }

    /// Takes an input; `fits` says whether a tool or an answer speaks of what is still
    /// open in the running turn.
    pub(super) fn take(&mut self, now: Duration, letter: Letter, fits: bool) -> Verdict {
        let verdict = self.step(now, letter, fits);
        let needed = !self.subscribers.is_empty() || self.is_busy() || self.closing;
        if needed {
            self.unneeded_since = None;
        } else {
            self.unneeded_since.get_or_insert(now);
        }
        verdict
    }

    /// Whether a turn runs or is about to begin.
    fn is_busy(&self) -> bool {
        self.turn.is_some() || self.preparing
    }

    /// A turn begins by itself if one waits and nothing is against it.
    fn start_waiting(&mut self) {
        self.preparing |= self.may_start_waiting();
    }

    fn may_start_waiting(&self) -> bool {
        self.turn.is_none() && !self.closing && !self.held && self.queued > 0
    }

    fn step(&mut self, now: Duration, letter: Letter, fits: bool) -> Verdict {
        match letter {
            Letter::Start(_)
            | Letter::Resume(_)
            | Letter::Unsubscribe(_)
            | Letter::StartTurn
            | Letter::Steer
            | Letter::Interrupt
            | Letter::View
            | Letter::Close
            | Letter::Queue
            | Letter::QueueStart
            | Letter::Revert
                if self.closing =>
            {
                return Verdict::Refused;
            }
            Letter::Start(connection) => {
                self.subscribers.insert(connection);
            }
            Letter::Resume(connection) => {
                if !self.materialized {
                    return Verdict::Refused;
                }
                self.subscribers.insert(connection);
                self.start_waiting();
            }
            Letter::Queue => {
                self.queued += 1;
                self.start_waiting();
            }
            Letter::QueueStart => {
                if self.turn.is_some() || self.start_asked || self.queued == 0 {
                    return Verdict::Refused;
                }
                self.start_asked = true;
                self.preparing = true;
                return Verdict::None;
            }
            Letter::Prepared => return self.prepared(),
            Letter::Unsubscribe(connection) => {
                self.subscribers.remove(&connection);
            }
            Letter::StartTurn => self.start_turn(),
            Letter::Steer => match &mut self.turn {
                Some(turn) => turn.steers += 1,
                None => return Verdict::Refused,
            },
            Letter::Interrupt => {
                if self.turn.is_none() {
                    return Verdict::Refused;
                }
                self.stop_turn();
            }
            Letter::View => {}
            Letter::Close => {
                self.closing = true;
                self.start_asked = false;
                self.stop_turn();
            }
            Letter::Revert => self.revert(),
            other => {
                self.hear(now, other, fits);
                return Verdict::None;
            }
        }
        Verdict::Accepted
    }

    /// What is no command.
    fn hear(&mut self, now: Duration, letter: Letter, fits: bool) {
        match letter {
            Letter::Gone(connection) => {
                self.subscribers.remove(&connection);
            }
            Letter::Call => {
                if let Some(turn) = &mut self.turn {
                    turn.called = true;
                    turn.waits_for_call = true;
                }
            }
            Letter::Completed => {
                if let Some(turn) = &mut self.turn {
                    turn.responded = true;
                }
                self.go_on();
            }
            Letter::ModelFailed => self.end_turn(true),
            Letter::Ask if fits => {
                self.asks += 1;
                self.item_open = true;
            }
            Letter::CommandStarts => self.item_open = true,
            Letter::CommandEnds if !fits => self.command_ended(),
            Letter::Answer if fits => self.asks -= 1,
            Letter::CommandEnds => {
                self.item_open = false;
                if let Some(turn) = &mut self.turn {
                    turn.waits_for_call = false;
                }
                self.go_on();
            }
            Letter::Timer | Letter::EarlyTimer => {
                self.closing |= self.deadline().is_some_and(|at| at <= now);
            }
            Letter::RoomNeeded => {
                let unneeded = self.subscribers.is_empty() && !self.is_busy();
                self.closing |= unneeded && !self.item_open;
            }
            Letter::RolloutFails => {
                self.end_turn(true);
                self.failed = true;
            }
            _ => {}
        }
    }

    /// A command of an earlier turn has ended: the thread counts as just used.
    fn command_ended(&mut self) {
        self.item_open = false;
        if self.turn.is_none() {
            self.unneeded_since = None;
        }
    }

    fn start_turn(&mut self) {
        match &mut self.turn {
            Some(turn) => turn.steers += 1,
            None => {
                self.turn = Some(Turn::default());
                self.failed = false;
                self.held = false;
                self.materialized = true;
            }
        }
    }

    /// What was asked for is here; a client may have been faster.
    fn prepared(&mut self) -> Verdict {
        self.preparing = false;
        let asked = std::mem::take(&mut self.start_asked);
        let starts = if asked {
            self.turn.is_none()
        } else {
            self.may_start_waiting()
        };
        if starts {
            self.queued -= 1;
            self.start_turn();
        }
        match (asked, starts) {
            (false, _) => Verdict::None,
            (true, true) => Verdict::Accepted,
            (true, false) => Verdict::Refused,
        }
    }

    /// The user stops the turn, or the thread's end does.
    fn stop_turn(&mut self) {
        if self.turn.take().is_some() {
            // What waited for a yes ends as declined.
            self.item_open &= self.asks == 0;
            self.asks = 0;
            self.failed = false;
            self.ended += 1;
            self.held = true;
        }
    }

    /// A step that is over is followed by another one if there is reason for it.
    fn go_on(&mut self) {
        let Some(turn) = &mut self.turn else { return };
        if !turn.responded || turn.waits_for_call {
            return;
        }
        if turn.called || turn.steers > 0 {
            *turn = Turn::default();
        } else {
            self.end_turn(false);
        }
    }

    fn end_turn(&mut self, failed: bool) {
        if self.turn.take().is_some() {
            // What waited for a yes ends as declined.
            self.item_open &= self.asks == 0;
            self.asks = 0;
            self.failed = failed;
            self.ended += 1;
            self.held = false;
            self.start_waiting();
        }
    }

    /// The last turn is taken back; what is left is idle, and counts as just used.
    fn revert(&mut self) {
        self.stop_turn();
        self.item_open = false;
        self.ended -= 1;
        self.failed = false;
        self.unneeded_since = None;
        self.start_asked = false;
        self.preparing = false;
        self.start_waiting();
    }
}
