//! A connection's outgoing queue, bounded by bytes.
//!
//! The rule: a message is refused when the queue is *already* at its class's limit,
//! so that a single huge answer always passes. Bytes count until they are written
//! to the transport, not until they are taken from the queue. Reaching a limit ends
//! the connection ([`CloseReason::TooSlow`]); nothing is ever dropped from the middle.
//!
//! Invariants: [`Outbound::send`] never blocks on the peer; the queue is *sealed*
//! once, by whoever closes first, and takes nothing afterwards; what was queued
//! before is still written unless the reason makes it worthless.
//!
//! Deliberately absent: merging of deltas. [`Queue::push`] is the place for it: the
//! newest queued message and the new one are both at hand under the lock.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use loomd_base::ConnectionId;
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

use crate::close::{CloseReason, Closed};
use crate::message::{Class, Message};

/// Bytes of events and deltas that may wait for one connection's reader. Beyond it
/// the connection ends.
pub const EVENT_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Bytes of all kinds that may wait for one connection's reader. Beyond it a socket
/// ends, and stdio stops reading requests until there is room.
pub const REPLY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What one message counts at most towards [`REPLY_BYTES_MAX`], in bytes. Without
/// it the events right behind one huge answer would look like a lagging reader.
const CHARGE_MAX: usize = REPLY_BYTES_MAX / 2;

/// What happens when answers fill the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lag {
    /// The connection ends.
    Close,
    /// Answers are always taken, and no further request is read until there is room.
    Pause,
}

/// A handle to a connection's outgoing queue. Cheap to clone.
#[derive(Clone)]
pub struct Outbound {
    queue: Arc<Queue>,
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Outbound").field(&self.id()).finish()
    }
}

impl Outbound {
    pub(crate) fn new(queue: Arc<Queue>) -> Self {
        Self { queue }
    }

    /// The connection.
    #[must_use]
    pub fn id(&self) -> ConnectionId {
        self.queue.id
    }

    /// Queues a message. Never waits.
    ///
    /// # Errors
    /// The connection is closed, perhaps by this very message, because the queue
    /// was at its limit.
    pub fn send(&self, message: Message) -> Result<(), Closed> {
        self.queue.push(message)
    }

    /// Ends the connection. What is queued is flushed first, but for
    /// [`CloseReason::TooSlow`] and [`CloseReason::Failed`]. The first reason stays.
    pub fn close(&self, reason: CloseReason) {
        self.queue.seal(reason);
    }

    /// Bytes that were sent here and are not written to the transport yet.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.queue.lock().load.bytes
    }

    /// Waits until nothing is queued: all of it is written, or never will be.
    pub async fn drained(&self) {
        self.queue
            .until(|state| state.load.bytes == 0 || state.abandoned)
            .await;
    }

    /// Waits until less than so many bytes are queued, or the connection takes nothing more.
    /// For a sender that can hold back.
    pub async fn room(&self, bytes_max: usize) {
        self.queue
            .until(|state| state.load.bytes < bytes_max || state.reason.is_some())
            .await;
    }

    /// Whether [`send`](Self::send) would be refused whatever the message.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.queue.sealed.is_cancelled()
    }

    /// Waits until the connection takes nothing more. A peer that merely stopped
    /// sending still gets what its session sends until `on_close` has returned.
    pub async fn closed(&self) {
        self.queue.sealed.cancelled().await;
    }
}

/// The queue itself, shared by senders, the connection's task and its writer.
pub(crate) struct Queue {
    id: ConnectionId,
    lag: Lag,
    /// A lock rather than a channel, because the limit is in bytes and the writer takes
    /// all there is at once. Guards a push or a drain of a few pointers; never held over an await.
    state: Mutex<State>,
    /// Wakes the writer: something to write, or sealed. Only the writer waits on it.
    ready: Notify,
    /// Wakes who waits for the queue to shrink.
    progress: Notify,
    sealed: CancellationToken,
}

#[derive(Default)]
struct State {
    messages: VecDeque<Message>,
    /// The answer to the latest ping. One slot: WebSocket allows to answer only the
    /// latest, so a flood of pings keeps no memory.
    pong: Option<Bytes>,
    load: Load,
    /// Set once, by the first to close.
    reason: Option<CloseReason>,
    /// The writer has ended; nothing will be written any more.
    abandoned: bool,
}

/// What waits, queued or taken by the writer but not written yet.
#[derive(Default, Clone, Copy)]
pub(crate) struct Load {
    bytes: usize,
    /// As `bytes`, each message counted with at most [`CHARGE_MAX`].
    charged: usize,
    /// The part of `bytes` that is events and deltas.
    events: usize,
}

impl Load {
    fn of(message: &Message) -> Self {
        let bytes = message.bytes().len();
        Self {
            bytes,
            charged: bytes.min(CHARGE_MAX),
            events: match message.class() {
                Class::Reply => 0,
                Class::Event | Class::Delta => bytes,
            },
        }
    }

    fn add(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.charged += other.charged;
        self.events += other.events;
    }

    fn subtract(&mut self, other: Self) {
        self.bytes -= other.bytes;
        self.charged -= other.charged;
        self.events -= other.events;
    }

    fn admits(&self, class: Class, lag: Lag) -> bool {
        let room = self.charged < REPLY_BYTES_MAX;
        match (class, lag) {
            (Class::Reply, Lag::Pause) => true,
            (Class::Reply, Lag::Close) => room,
            (Class::Event | Class::Delta, _) => room && self.events < EVENT_BYTES_MAX,
        }
    }
}

/// What the writer takes at once.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) messages: Vec<Message>,
    pub(crate) pong: Option<Bytes>,
    load: Load,
}

impl Queue {
    pub(crate) fn new(id: ConnectionId, lag: Lag) -> Arc<Self> {
        Arc::new(Self {
            id,
            lag,
            state: Mutex::default(),
            ready: Notify::new(),
            progress: Notify::new(),
            sealed: CancellationToken::new(),
        })
    }

    pub(crate) fn id(&self) -> ConnectionId {
        self.id
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, message: Message) -> Result<(), Closed> {
        let mut state = self.lock();
        if state.reason.is_some() {
            return Err(Closed);
        }
        if !state.load.admits(message.class(), self.lag) {
            drop(state);
            self.seal(CloseReason::TooSlow);
            return Err(Closed);
        }
        let was_empty = state.messages.is_empty();
        state.load.add(Load::of(&message));
        state.messages.push_back(message);
        drop(state);
        // The writer takes all there is before it waits again, so only the first
        // message of a run has to wake it.
        if was_empty {
            self.ready.notify_one();
        }
        Ok(())
    }

    /// Answers a ping, unless a later one comes before the writer does.
    pub(crate) fn pong(&self, payload: Bytes) {
        self.lock().pong = Some(payload);
        self.ready.notify_one();
    }

    /// Closes the queue. Only the first call has an effect.
    pub(crate) fn seal(&self, reason: CloseReason) {
        let mut state = self.lock();
        if state.reason.is_some() {
            return;
        }
        let load = state.load;
        let discarded = if reason.discards() {
            let messages = std::mem::take(&mut state.messages);
            for message in &messages {
                state.load.subtract(Load::of(message));
            }
            messages
        } else {
            VecDeque::new()
        };
        state.reason = Some(reason.clone());
        drop(state);
        let connection = self.id.0;
        match reason {
            CloseReason::TooSlow => tracing::warn!(
                connection,
                queued_bytes = load.bytes,
                queued_event_bytes = load.events,
                "connection closed: {reason}"
            ),
            CloseReason::PeerClosed
            | CloseReason::Shutdown
            | CloseReason::ByServer(_)
            | CloseReason::TooLarge
            | CloseReason::BadFrame(_)
            | CloseReason::Failed(_) => {
                tracing::debug!(
                    connection,
                    queued_bytes = load.bytes,
                    "connection closed: {reason}"
                );
            }
        }
        drop(discarded);
        self.sealed.cancel();
        self.ready.notify_one();
        self.progress.notify_waiters();
    }

    /// Why the queue was sealed.
    pub(crate) fn reason(&self) -> Option<CloseReason> {
        self.lock().reason.clone()
    }

    /// Resolves when the queue is sealed.
    pub(crate) fn sealed(&self) -> WaitForCancellationFuture<'_> {
        self.sealed.cancelled()
    }

    /// Waits until another request may be read.
    pub(crate) async fn room(&self) {
        match self.lag {
            Lag::Close => {}
            Lag::Pause => {
                self.until(|state| state.load.charged < REPLY_BYTES_MAX || state.reason.is_some())
                    .await;
            }
        }
    }

    async fn until(&self, met: impl Fn(&State) -> bool) {
        loop {
            if met(&self.lock()) {
                return;
            }
            let progress = self.progress.notified();
            tokio::pin!(progress);
            // Registers before the second look, so that no wake falls between the two.
            progress.as_mut().enable();
            if met(&self.lock()) {
                return;
            }
            progress.await;
        }
    }

    /// Takes what is queued, in order, up to `bytes_max` and one message beyond.
    /// Waits when there is nothing; `None` once sealed and empty. For the one writer;
    /// dropping the future loses nothing.
    pub(crate) async fn take(&self, bytes_max: usize) -> Option<Batch> {
        loop {
            {
                let mut state = self.lock();
                if !state.messages.is_empty() || state.pong.is_some() {
                    return Some(state.take(bytes_max));
                }
                if state.reason.is_some() {
                    return None;
                }
            }
            self.ready.notified().await;
        }
    }

    /// Says that a batch has been written.
    pub(crate) fn written(&self, batch: &Batch) {
        let mut state = self.lock();
        state.load.subtract(batch.load);
        drop(state);
        self.progress.notify_waiters();
    }

    /// Says that nothing will be written any more. Lets go of what is queued.
    pub(crate) fn abandon(&self) {
        let mut state = self.lock();
        state.abandoned = true;
        let messages = std::mem::take(&mut state.messages);
        for message in &messages {
            state.load.subtract(Load::of(message));
        }
        drop(state);
        drop(messages);
        self.progress.notify_waiters();
    }
}

impl State {
    fn take(&mut self, bytes_max: usize) -> Batch {
        let mut batch = Batch {
            pong: self.pong.take(),
            ..Batch::default()
        };
        while batch.load.bytes < bytes_max
            && let Some(message) = self.messages.pop_front()
        {
            batch.load.add(Load::of(&message));
            batch.messages.push(message);
        }
        batch
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;
    use crate::envelope::RequestId;
    use crate::message::{encode_notification, encode_response};

    fn queue(lag: Lag) -> (Arc<Queue>, Outbound) {
        let queue = Queue::new(ConnectionId(1), lag);
        (Arc::clone(&queue), Outbound::new(queue))
    }

    /// Raw, because escaping this many characters takes a debug build long.
    fn text(bytes: usize) -> Box<RawValue> {
        RawValue::from_string(format!("\"{}\"", "x".repeat(bytes))).unwrap()
    }

    fn event(bytes: usize) -> Message {
        encode_notification("m", &text(bytes), 0)
    }

    fn reply(bytes: usize) -> Message {
        encode_response(&RequestId::Integer(1), &text(bytes))
    }

    #[test]
    fn refuses_an_event_only_when_already_at_the_limit() {
        let (queue, out) = queue(Lag::Close);
        out.send(event(EVENT_BYTES_MAX * 2)).unwrap();
        assert_eq!(out.send(event(1)), Err(Closed));
        assert_eq!(queue.reason(), Some(CloseReason::TooSlow));
        assert_eq!(out.queued_bytes(), 0);
    }

    #[test]
    fn lets_events_follow_one_huge_answer() {
        let (_, out) = queue(Lag::Close);
        let huge = reply(REPLY_BYTES_MAX + 1);
        out.send(huge.clone()).unwrap();
        out.send(event(1)).unwrap();
        out.send(huge).unwrap();
        assert_eq!(out.send(event(1)), Err(Closed));
    }

    #[test]
    fn leaves_answers_their_own_share() {
        let (_, out) = queue(Lag::Close);
        out.send(event(EVENT_BYTES_MAX)).unwrap();
        out.send(reply(1)).unwrap();
        assert!(!out.is_closed());
    }

    #[test]
    fn takes_every_answer_where_reading_is_paused_instead() {
        let (_, out) = queue(Lag::Pause);
        let answer = reply(CHARGE_MAX);
        for _ in 0..3 {
            out.send(answer.clone()).unwrap();
        }
        assert_eq!(out.send(event(1)), Err(Closed));
    }

    #[tokio::test]
    async fn counts_bytes_until_they_are_written() {
        let (queue, out) = queue(Lag::Close);
        out.send(event(100)).unwrap();
        out.send(event(100)).unwrap();
        let before = out.queued_bytes();
        let batch = queue.take(usize::MAX).await.unwrap();
        assert_eq!(batch.messages.len(), 2);
        assert_eq!(out.queued_bytes(), before);
        queue.written(&batch);
        assert_eq!(out.queued_bytes(), 0);
        out.drained().await;
    }

    #[tokio::test]
    async fn writes_out_what_was_queued_before_it_was_sealed() {
        let (queue, out) = queue(Lag::Close);
        out.send(event(1)).unwrap();
        out.close(CloseReason::Shutdown);
        out.close(CloseReason::TooSlow);
        assert_eq!(out.send(event(1)), Err(Closed));
        assert_eq!(queue.reason(), Some(CloseReason::Shutdown));
        assert_eq!(queue.take(usize::MAX).await.unwrap().messages.len(), 1);
        assert!(queue.take(usize::MAX).await.is_none());
        out.closed().await;
    }

    #[tokio::test]
    async fn takes_up_to_the_size_asked_for_and_one_message_beyond() {
        let (queue, out) = queue(Lag::Close);
        for _ in 0..3 {
            out.send(event(600)).unwrap();
        }
        assert_eq!(queue.take(1000).await.unwrap().messages.len(), 2);
        assert_eq!(queue.take(1000).await.unwrap().messages.len(), 1);
    }

    #[tokio::test]
    async fn answers_only_the_latest_ping() {
        let (queue, _out) = queue(Lag::Close);
        queue.pong(Bytes::from_static(b"1"));
        queue.pong(Bytes::from_static(b"2"));
        let batch = queue.take(usize::MAX).await.unwrap();
        assert_eq!(batch.pong.as_deref(), Some(b"2".as_slice()));
    }

    #[tokio::test]
    async fn lets_the_reader_go_on_once_there_is_room() {
        let (queue, out) = queue(Lag::Pause);
        let answer = reply(CHARGE_MAX);
        for _ in 0..2 {
            out.send(answer.clone()).unwrap();
        }
        let room = queue.room();
        tokio::pin!(room);
        assert!(futures_util::poll!(room.as_mut()).is_pending());
        let batch = queue.take(1).await.unwrap();
        assert!(futures_util::poll!(room.as_mut()).is_pending());
        queue.written(&batch);
        room.await;
    }

    #[tokio::test]
    async fn holds_a_sender_back_until_little_waits_or_nothing_is_sent_any_more() {
        let (queue, out) = queue(Lag::Close);
        out.room(1).await;
        out.send(event(100)).unwrap();
        let (little, none) = (out.room(1000), out.room(1));
        tokio::pin!(little, none);
        assert!(futures_util::poll!(little).is_ready());
        assert!(futures_util::poll!(none.as_mut()).is_pending());
        let batch = queue.take(usize::MAX).await.unwrap();
        assert!(futures_util::poll!(none.as_mut()).is_pending());
        queue.written(&batch);
        none.await;
        out.send(event(100)).unwrap();
        out.close(CloseReason::Shutdown);
        out.room(1).await;
    }

    #[tokio::test]
    async fn stops_waiting_for_a_writer_that_has_ended() {
        let (queue, out) = queue(Lag::Close);
        out.send(event(1)).unwrap();
        queue.abandon();
        out.drained().await;
        let (queue, out) = self::queue(Lag::Close);
        out.send(event(1)).unwrap();
        let _taken = queue.take(1).await;
        queue.abandon();
        out.drained().await;
    }
}
