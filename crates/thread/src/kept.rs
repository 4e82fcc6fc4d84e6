//! What a thread keeps beside its history, in its own form.

use loomd_events::{Goal, StoredState, WaitingTurn};
use loomd_protocol::GitInfo;

use crate::Queued;

/// What a thread keeps beside its history.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Kept {
    /// What it works towards by itself.
    pub goal: Option<Goal>,
    /// What waits to become a turn, the next one first.
    pub queue: Vec<Queued>,
    /// What a client said of the repository.
    pub git: Option<GitInfo>,
    /// A choice of the client's that it reads back.
    pub daybreak: Option<bool>,
    /// A client took the thread out of what is remembered between threads.
    pub memory_disabled: bool,
    /// The running turn, while it waits for answers.
    pub waiting: Option<Box<WaitingTurn>>,
}

impl Kept {
    /// As it is written down.
    pub(crate) fn stored(&self) -> StoredState {
        let queue = self.queue.iter();
        StoredState {
            goal: self.goal.clone(),
            queue: queue.map(|queued| queued.submission.clone()).collect(),
            git: self.git.clone(),
            daybreak: self.daybreak,
            memory_disabled: self.memory_disabled,
            waiting: self.waiting.clone(),
        }
    }
}
