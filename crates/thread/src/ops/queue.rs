//! thread/queue/*: what waits to become a turn.
//!
//! It is written down before it is answered. The user message of its turn has the
//! submission's id, so that one that was started just before a crash is known to have
//! been when the thread is loaded again.

use std::collections::BTreeSet;

use loomd_protocol::{ServerNotification, ThreadQueueChangedNotification, UserInput};

use crate::thread::{Cx, Thread};
use crate::{Audience, Queued, Refusal, Reply, ReplyTo, UserMessage, items};

/// Submissions that may wait for one thread; one more is refused.
pub const QUEUE_MAX: usize = 256;

/// Bytes that they may have in all, files that the model gets included.
pub const QUEUE_BYTES_MAX: usize = 32 * 1024 * 1024;

impl Queued {
    fn bytes(&self) -> usize {
        let parts: usize = self.parts.iter().map(|part| part.bytes()).sum();
        parts + items::plain_text(&self.submission.input).len()
    }

    /// The message that its turn begins with.
    pub(crate) fn into_message(self) -> UserMessage {
        UserMessage {
            client_id: Some(self.submission.client_user_message_id),
            content: self.submission.input,
            parts: self.parts,
            item_id: Some(self.submission.id),
        }
    }
}

impl Thread {
    /// Adds to the queue; `queued` has no id yet.
    pub(crate) fn on_enqueue(&mut self, cx: Cx<'_>, reply: ReplyTo, mut queued: Queued) {
        if let Err(refusal) = self.may_queue(&queued.submission.input) {
            return self.refuse(reply, refusal);
        }
        if self.kept.queue.len() >= QUEUE_MAX || self.queue_bytes_with(&queued) > QUEUE_BYTES_MAX {
            return self.refuse(reply, queue_full());
        }
        queued.submission.id = cx.ids.v7().to_string();
        let submission = Box::new(queued.submission.clone());
        self.kept.queue.push(queued);
        self.keep();
        self.reply(reply, Reply::Queued(submission));
        self.tell_queue();
        self.go_on();
    }

    pub(crate) fn on_list_queue(&mut self, reply: ReplyTo) {
        let queue = self
            .kept
            .queue
            .iter()
            .map(|queued| queued.submission.clone());
        let queue = queue.collect();
        self.reply(reply, Reply::Queue(queue));
    }

    pub(crate) fn on_update_queued(&mut self, reply: ReplyTo, update: Queued) {
        if let Err(refusal) = self.may_queue(&update.submission.input) {
            return self.refuse(reply, refusal);
        }
        let Some(at) = self.place_in_queue(&update.submission.id) else {
            let id = update.submission.id;
            return self.refuse(reply, Refusal::NotQueued { id });
        };
        let grown = self.queue_bytes_with(&update) - self.kept.queue[at].bytes();
        if grown > QUEUE_BYTES_MAX {
            return self.refuse(reply, queue_full());
        }
        let queued = &mut self.kept.queue[at];
        queued.submission.input = update.submission.input;
        queued.parts = update.parts;
        let metadata = update.submission.responsesapi_client_metadata;
        if let Some(metadata) = metadata.filter(|metadata| !metadata.is_empty()) {
            queued.submission.responsesapi_client_metadata = Some(metadata);
        }
        let submission = Box::new(queued.submission.clone());
        self.keep();
        self.reply(reply, Reply::Queued(submission));
        self.tell_queue();
    }

    pub(crate) fn on_dequeue(&mut self, reply: ReplyTo, id: &str) {
        let at = self.place_in_queue(id);
        if let Some(at) = at {
            self.kept.queue.remove(at);
            self.keep();
        }
        self.reply(reply, Reply::Removed(at.is_some()));
        if at.is_some() {
            self.tell_queue();
        }
    }

    pub(crate) fn on_reorder_queue(&mut self, reply: ReplyTo, ids: &[String]) {
        let places: Option<Vec<usize>> = ids.iter().map(|id| self.place_in_queue(id)).collect();
        let each_once = |places: &Vec<usize>| {
            let mut sorted = places.clone();
            sorted.sort_unstable();
            sorted.into_iter().eq(0..self.kept.queue.len())
        };
        let Some(places) = places.filter(each_once) else {
            return self.refuse(reply, Refusal::QueueOrder);
        };
        let mut waiting: Vec<Option<Queued>> = self.kept.queue.drain(..).map(Some).collect();
        self.kept.queue = places
            .into_iter()
            .filter_map(|at| waiting[at].take())
            .collect();
        self.keep();
        self.reply(reply, Reply::Done);
        self.tell_queue();
    }

    /// Starts a turn of what waits, also where an interrupt holds the queue up.
    pub(crate) fn on_start_queued(&mut self, reply: ReplyTo, id: Option<String>) {
        if let Err(refusal) = self.may_start_queued(id.as_deref()) {
            return self.refuse(reply, refusal);
        }
        self.start_asked = Some((reply, id));
        self.prepare();
    }

    fn may_start_queued(&self, id: Option<&str>) -> Result<(), Refusal> {
        if !self.is_announced() {
            return Err(Refusal::QueueNotResumed);
        }
        if let Some(id) = id
            && self.place_in_queue(id).is_none()
        {
            return Err(Refusal::NotQueued { id: id.to_owned() });
        }
        if self.active.is_some() || self.start_asked.is_some() {
            return Err(Refusal::TurnActive);
        }
        if self.kept.queue.is_empty() {
            return Err(Refusal::QueueEmpty);
        }
        Ok(())
    }

    /// Takes out what a turn begins with: what is named, or the first.
    pub(crate) fn take_queued(&mut self, id: Option<&str>) -> Result<Queued, Refusal> {
        let at = match id {
            Some(id) => self
                .place_in_queue(id)
                .ok_or_else(|| Refusal::NotQueued { id: id.to_owned() })?,
            None if self.kept.queue.is_empty() => return Err(Refusal::QueueEmpty),
            None => 0,
        };
        Ok(self.kept.queue.remove(at))
    }

    /// Tells subscribers that the queue is another one.
    pub(crate) fn tell_queue(&mut self) {
        let thread_id = self.wire_id();
        self.notify(
            Audience::Subscribers,
            ServerNotification::ThreadQueueChanged(ThreadQueueChangedNotification { thread_id }),
        );
    }

    /// Drops what was started already: a user message of one of the newest turns has its
    /// id. For a thread that is being loaded.
    pub(crate) fn drop_started(&mut self) {
        if self.kept.queue.is_empty() {
            return;
        }
        let newest = self.turns.iter().rev().take(QUEUE_MAX);
        let ids: BTreeSet<&str> = newest
            .flat_map(|turn| turn.items.iter().map(|item| item.id()))
            .collect();
        let before = self.kept.queue.len();
        self.kept
            .queue
            .retain(|queued| !ids.contains(queued.submission.id.as_str()));
        if self.kept.queue.len() != before {
            self.keep();
        }
    }

    fn may_queue(&self, input: &[UserInput]) -> Result<(), Refusal> {
        if self.info.ephemeral {
            return Err(Refusal::EphemeralQueue {
                thread_id: self.wire_id(),
            });
        }
        if input.is_empty() {
            return Err(Refusal::EmptyQueued);
        }
        Ok(())
    }

    fn place_in_queue(&self, id: &str) -> Option<usize> {
        let mut queue = self.kept.queue.iter();
        queue.position(|queued| queued.submission.id == id)
    }

    fn queue_bytes_with(&self, another: &Queued) -> usize {
        let bytes: usize = self.kept.queue.iter().map(Queued::bytes).sum();
        bytes + another.bytes()
    }
}

fn queue_full() -> Refusal {
    Refusal::QueueFull {
        max: QUEUE_MAX,
        max_bytes: QUEUE_BYTES_MAX,
    }
}
