//! From events to clients: encoded once, shared by all who are told.

use std::collections::BTreeMap;
use std::sync::Arc;

use loomd_base::ConnectionId;
use loomd_events::{Sequenced, ThreadEvent};
use loomd_protocol::{
    ServerNotification, ServerRequestParams, Turn, TurnCompletedNotification, TurnItemsView,
    TurnStartedNotification,
};
use loomd_rpc::{Message, encode_notification, encode_request};
use loomd_thread::Audience;

use super::event_log::{EventLog, Logged};
use crate::peer::{Peer, Peers};

/// The subscribers of one thread, and the way to everyone else.
pub(crate) struct Fanout {
    peers: Arc<Peers>,
    thread_id: String,
    subscribers: BTreeMap<ConnectionId, Subscriber>,
    /// For subscribers that get numbers; there is none before the first of them.
    log: Option<Box<EventLog>>,
}

/// A connection that gets the thread's events.
struct Subscriber {
    peer: Arc<Peer>,
    /// It is not asked anything.
    observes: bool,
    /// The number up to which it has all that it wants: that of the answer it began
    /// with, then of each event it was sent. What it opted out of is no gap to it.
    last: u64,
}

impl Subscriber {
    /// Sends an event with its number, and with that of the one before it that this
    /// client was sent.
    fn send_numbered(&mut self, event: &Logged, text: &mut Option<(u64, Message)>) {
        let prev = std::mem::replace(&mut self.last, event.seq);
        // Most clients have the same event before this one, and share its text.
        let (_, message) = match text {
            Some(shared) if shared.0 == prev => shared,
            other => other.insert((prev, event.numbered(prev))),
        };
        self.peer.send(message.clone());
    }
}

impl Fanout {
    pub(crate) fn new(peers: Arc<Peers>, thread_id: String) -> Self {
        Self {
            peers,
            thread_id,
            subscribers: BTreeMap::new(),
            log: None,
        }
    }

    /// A connection that closed meanwhile is skipped. `seq` is the number of the
    /// thread's newest event.
    pub(crate) fn subscribe(&mut self, connection: ConnectionId, observes: bool, seq: u64) {
        let Some(peer) = self.peers.get(connection) else {
            return;
        };
        if peer.is_numbered() && self.log.is_none() {
            self.log = Some(Box::new(EventLog::behind(seq)));
        }
        let subscriber = self.subscribers.entry(connection).or_insert(Subscriber {
            peer,
            observes,
            last: seq,
        });
        subscriber.observes = observes;
    }

    pub(crate) fn unsubscribe(&mut self, connection: ConnectionId) {
        self.subscribers.remove(&connection);
    }

    /// Whether a numbered client can be sent all that followed event `after`; `seq` is
    /// the number of the newest.
    pub(crate) fn can_replay(&self, after: u64, seq: u64) -> bool {
        after == seq || (after < seq && self.log.as_ref().is_some_and(|log| log.covers(after)))
    }

    /// Sends a subscriber all that followed event `after`.
    pub(crate) fn replay(&mut self, connection: ConnectionId, after: u64) {
        let (Some(subscriber), Some(log)) = (self.subscribers.get_mut(&connection), &self.log)
        else {
            return;
        };
        subscriber.last = after;
        for event in log.after(after) {
            let experimental = loomd_protocol::notification_is_experimental(event.method);
            if subscriber.peer.wants(event.method, experimental) {
                subscriber.send_numbered(event, &mut None);
            }
        }
    }

    /// What followed earlier events cannot be told any more: turns were taken back.
    pub(crate) fn forget_log(&mut self, seq: u64) {
        if let Some(log) = &mut self.log {
            **log = EventLog::behind(seq);
        }
    }

    /// Sends an event to the subscribers, if it is one that clients see.
    pub(crate) fn event(&mut self, event: &Sequenced, now_ms: i64) {
        if self.subscribers.is_empty() && self.log.is_none() {
            return;
        }
        let Some((method, message)) = encode_event(&self.thread_id, &event.event, now_ms) else {
            return;
        };
        let event = Logged {
            seq: event.seq,
            method,
            message,
        };
        let experimental = loomd_protocol::notification_is_experimental(method);
        let mut text = None;
        for subscriber in self.subscribers.values_mut() {
            if !subscriber.peer.wants(method, experimental) {
                continue;
            }
            if subscriber.peer.is_numbered() {
                subscriber.send_numbered(&event, &mut text);
            } else {
                subscriber.peer.send(event.message.clone());
            }
        }
        if let Some(log) = &mut self.log {
            log.push(event);
        }
    }

    pub(crate) fn to_everyone(&self, notification: &ServerNotification, now_ms: i64) {
        broadcast(&self.peers, notification, now_ms);
    }

    pub(crate) fn to_subscribers(&self, notification: &ServerNotification, now_ms: i64) {
        let peers = self.subscribers.values().map(|subscriber| &subscriber.peer);
        send_to(peers, notification, now_ms);
    }

    /// Makes a request of clients. Opt-outs do not apply to requests.
    pub(crate) fn ask(&self, id: i64, to: Audience, request: &ServerRequestParams) {
        let mut stable = request.clone();
        stable.strip_experimental();
        let stable = encode_request(request.method(), id, &stable);
        let full = encode_request(request.method(), id, request);
        let send = |peer: &Arc<Peer>| {
            let experimental = peer.client().is_some_and(|client| client.experimental);
            peer.send(if experimental { &full } else { &stable }.clone());
        };
        match to {
            Audience::Everyone => self.peers.ready().iter().for_each(send),
            Audience::Subscribers => self
                .subscribers
                .values()
                .filter(|subscriber| !subscriber.observes)
                .for_each(|subscriber| send(&subscriber.peer)),
            Audience::One(connection) => self.peers.get(connection).iter().for_each(send),
        }
    }

    pub(crate) fn to_one(
        &self,
        connection: ConnectionId,
        notification: &ServerNotification,
        now_ms: i64,
    ) {
        if let Some(peer) = self.peers.get(connection) {
            send_to([&peer].into_iter(), notification, now_ms);
        }
    }
}

/// Tells every connection that has finished its handshake.
pub(crate) fn broadcast(peers: &Peers, notification: &ServerNotification, now_ms: i64) {
    let ready = peers.ready();
    send_to(ready.iter(), notification, now_ms);
}

/// Tells these connections, those that want it.
pub(crate) fn send_to<'a>(
    peers: impl Iterator<Item = &'a Arc<Peer>>,
    notification: &ServerNotification,
    now_ms: i64,
) {
    let method = notification.method();
    let experimental = loomd_protocol::notification_is_experimental(method);
    let mut message: Option<Message> = None;
    for peer in peers.filter(|peer| peer.wants(method, experimental)) {
        let message =
            message.get_or_insert_with(|| encode_notification(method, notification, now_ms));
        peer.send(message.clone());
    }
}

/// The notification of an event, encoded. `None` for what only the rollout keeps.
fn encode_event(
    thread_id: &str,
    event: &ThreadEvent,
    now_ms: i64,
) -> Option<(&'static str, Message)> {
    macro_rules! note {
        ($method:literal, $params:expr) => {
            Some(($method, encode_notification($method, $params, now_ms)))
        };
    }
    match event {
        ThreadEvent::TurnStarted(start) => {
            let params = TurnStartedNotification {
                thread_id: thread_id.to_owned(),
                turn: start.turn.clone(),
            };
            note!("turn/started", &params)
        }
        ThreadEvent::TurnEnded { turn, .. } => {
            let params = TurnCompletedNotification {
                thread_id: thread_id.to_owned(),
                turn: summary(turn),
            };
            note!("turn/completed", &params)
        }
        ThreadEvent::ItemStarted(params) => note!("item/started", params),
        ThreadEvent::ItemCompleted(params) => note!("item/completed", params),
        ThreadEvent::AgentMessageDelta(params) => note!("item/agentMessage/delta", params),
        ThreadEvent::ReasoningSummaryPartAdded(params) => {
            note!("item/reasoning/summaryPartAdded", params)
        }
        ThreadEvent::ReasoningSummaryTextDelta(params) => {
            note!("item/reasoning/summaryTextDelta", params)
        }
        ThreadEvent::ReasoningTextDelta(params) => note!("item/reasoning/textDelta", params),
        ThreadEvent::CommandOutputDelta(params) => {
            note!("item/commandExecution/outputDelta", params)
        }
        ThreadEvent::TerminalInteraction(params) => {
            note!("item/commandExecution/terminalInteraction", params)
        }
        ThreadEvent::PatchUpdated(params) => note!("item/fileChange/patchUpdated", params),
        ThreadEvent::TurnDiff(params) => note!("turn/diff/updated", params),
        ThreadEvent::TurnPlan(params) => note!("turn/plan/updated", params),
        ThreadEvent::TokenUsage(params) => note!("thread/tokenUsage/updated", params),
        ThreadEvent::RateLimits(params) => note!("account/rateLimits/updated", params),
        ThreadEvent::Error(params) => note!("error", params),
        ThreadEvent::Warning(params) => note!("warning", params),
        ThreadEvent::Settings(params, _) => note!("thread/settings/updated", params),
        ThreadEvent::TurnContext(_) | ThreadEvent::HistoryAppended { .. } => None,
    }
}

/// A turn as `turn/completed` shows it: of its items only the last agent message.
fn summary(turn: &Turn) -> Turn {
    let last = turn
        .items
        .iter()
        .rev()
        .find(|item| item.kind_name() == "agentMessage")
        .cloned();
    Turn {
        items_view: if last.is_some() {
            TurnItemsView::Summary
        } else {
            TurnItemsView::NotLoaded
        },
        items: last.into_iter().collect(),
        id: turn.id.clone(),
        root_turn_id: turn.root_turn_id.clone(),
        status: turn.status,
        error: turn.error.clone(),
        started_at: turn.started_at,
        completed_at: turn.completed_at,
        duration_ms: turn.duration_ms,
    }
}
