//! thread/revert, thread/rollback, and a resume that changes settings: the thread is
//! rebuilt from its rollout in place.
//!
//! The shell ends the running turn and the tools of the earlier core, rebuilds, and
//! goes on with the same mailbox and the same subscribers. There are never two cores
//! of a thread, so nothing can come from one that was replaced: late streams carry an
//! old generation, and event numbers go on.

use loomd_events::HistoryItem;
use loomd_protocol::{
    ItemKind, ServerNotification, ThreadHistoryMode, ThreadReadState, ThreadRevertedNotification,
    ThreadStatus, ThreadTokenUsage, ThreadUnreadPosition, Turn,
};

use crate::thread::{Cx, Thread};
use crate::{Audience, Kept, Origin, Refusal, Reply, ReplyTo, ThreadSetup};

/// From where on a thread's turns are taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RevertFrom {
    /// This turn.
    Turn(String),
    /// So many turns that the user began, counted from the end; more than there are
    /// means all.
    Last(u32),
}

/// What a rollout tells of a thread whose settings are known.
#[derive(Debug)]
pub struct Rewound {
    /// Its turns, oldest first.
    pub turns: Vec<Turn>,
    /// The model's history.
    pub history: Vec<HistoryItem>,
    /// Tokens so far and the turn that reported them last.
    pub token_usage: Option<(String, ThreadTokenUsage)>,
    /// Number of the last event.
    pub last_seq: u64,
}

impl Thread {
    /// The first turn that a revert takes back; `None` when there is nothing to take
    /// back. Nothing changes here.
    ///
    /// # Errors
    /// Why this thread cannot be reverted so.
    pub fn plan_revert(&self, from: &RevertFrom) -> Result<Option<String>, Refusal> {
        if self.is_closing() {
            return Err(Refusal::Closing {
                thread_id: self.wire_id(),
            });
        }
        match from {
            RevertFrom::Turn(turn_id) => self.plan_revert_to(turn_id).map(Some),
            RevertFrom::Last(count) => self.plan_rollback(*count),
        }
    }

    fn plan_revert_to(&self, turn_id: &str) -> Result<String, Refusal> {
        if self.info.ephemeral {
            return Err(Refusal::EphemeralRevert);
        }
        if self.info.history_mode == ThreadHistoryMode::Legacy {
            return Err(Refusal::LegacyRevert);
        }
        let running = self.active.as_ref().map(|active| &active.turn.id);
        let mut ids = self.turns.iter().map(|turn| &turn.id).chain(running);
        if ids.any(|id| id == turn_id) {
            Ok(turn_id.to_owned())
        } else {
            Err(Refusal::NoSuchTurn {
                turn_id: turn_id.to_owned(),
            })
        }
    }

    fn plan_rollback(&self, count: u32) -> Result<Option<String>, Refusal> {
        if self.info.ephemeral || !self.materialized {
            return Err(Refusal::RollbackWithoutRollout);
        }
        if self.active.is_some() {
            return Err(Refusal::RollbackInTurn);
        }
        let Some(skip) = count.checked_sub(1) else {
            return Err(Refusal::EmptyRollback);
        };
        let mut from_users = self.turns.iter().rev().filter(|turn| {
            let mut items = turn.items.iter();
            items.any(|item| matches!(item.kind, ItemKind::UserMessage(_)))
        });
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        let first = from_users.nth(skip).or(self.turns.first());
        Ok(first.map(|turn| turn.id.clone()))
    }

    /// The core that goes on where this one is ended: with its settings, its
    /// subscribers and its numbers, and what the rollout now tells. What a thread
    /// comes to own beside these must be taken over here or in
    /// [`Thread::succeed`].
    #[must_use]
    pub fn rewound(&self, rewound: Rewound) -> Self {
        let mut next = Self::new(ThreadSetup {
            id: self.id,
            session_id: self.session_id,
            origin: Origin::Stored,
            info: loomd_protocol::Thread {
                status: ThreadStatus::Idle,
                ..self.info.clone()
            },
            settings: (*self.settings).clone(),
            file_rules: self.file_rules.clone(),
            base_instructions: self.base_instructions.clone(),
            turns: rewound.turns,
            history: rewound.history,
            token_usage: rewound.token_usage,
            last_seq: rewound.last_seq,
            read_revision: self.read_state.revision.clone(),
            unload_delay: self.unload_delay,
            background_delay: self.background_delay,
            kept: Kept::default(),
            awaiting: None,
        });
        next.succeed(self);
        next
    }

    /// Takes over from an earlier core of the same thread what is not on disk: who
    /// watches, what is unread, the numbers of events and streams, and what it keeps
    /// beside its history, which nobody can change meanwhile.
    pub fn succeed(&mut self, earlier: &Self) {
        self.subscribers.clone_from(&earlier.subscribers);
        self.observers.clone_from(&earlier.observers);
        self.read_state = ThreadReadState {
            first_unread: earlier.read_state.first_unread.clone(),
            revision: earlier.read_state.revision.clone(),
        };
        self.seq = self.seq.max(earlier.seq);
        self.generation = earlier.generation;
        self.kept.clone_from(&earlier.kept);
        self.held = earlier.held;
    }

    /// Whether a resume may change the thread's settings: nobody watches it, and it
    /// is idle.
    #[must_use]
    pub fn may_be_overridden(&self) -> bool {
        self.is_unneeded() && self.active.is_none()
    }

    /// Whether the thread takes no more commands.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.closing
    }

    /// Turns were taken back: tells that the thread is idle again, answers, tells
    /// everyone. A rollback (of older clients) shows nothing of the reload but the
    /// tokens that count now.
    pub(crate) fn on_reverted(&mut self, cx: Cx<'_>, reply: ReplyTo, quietly: bool) {
        let unread_is_gone = self.read_state.first_unread.as_ref().is_some_and(|first| {
            let ThreadUnreadPosition::Turn { turn_id } = first else {
                return false;
            };
            !self.turns.iter().any(|turn| turn.id == *turn_id)
        });
        if unread_is_gone {
            self.set_first_unread(cx, None);
        }
        if quietly {
            self.assume_announced();
            self.tell_usage_so_far(Audience::Subscribers);
        } else {
            self.announce_status();
        }
        let view = Box::new(self.view());
        self.reply(reply, Reply::View(view));
        let thread_id = self.wire_id();
        self.notify(
            Audience::Everyone,
            ServerNotification::ThreadReverted(ThreadRevertedNotification { thread_id }),
        );
        self.act(crate::Action::SummaryChanged);
        self.go_on();
    }
}
