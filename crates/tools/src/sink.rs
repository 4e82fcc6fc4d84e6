//! Where a tool's events go.

use std::sync::Arc;

use loomd_events::ToolEvent;
use tokio::sync::mpsc;

/// What a toolbox sends: the id of the turn that started the call, and the event. The
/// event is boxed, since a channel keeps room for dozens of what it carries.
pub type TurnEvent = (Arc<str>, Box<ToolEvent>);

/// The sending end for one turn.
#[derive(Clone)]
pub(crate) struct Sink {
    turn_id: Arc<str>,
    events: mpsc::Sender<TurnEvent>,
}

impl Sink {
    pub(crate) fn new(turn_id: Arc<str>, events: mpsc::Sender<TurnEvent>) -> Self {
        Self { turn_id, events }
    }

    pub(crate) fn turn_id(&self) -> Arc<str> {
        Arc::clone(&self.turn_id)
    }

    /// Sends an event, waiting for room. An event that nobody receives any more is
    /// dropped: the thread is gone.
    pub(crate) async fn send(&self, event: ToolEvent) {
        let _ = self.events.send((self.turn_id(), Box::new(event))).await;
    }

    /// Room for one event; `None` when nobody receives any more. What to send can be
    /// decided when there is room.
    pub(crate) async fn room(&self) -> Option<Room<'_>> {
        let permit = self.events.reserve().await.ok()?;
        Some(Room {
            permit,
            turn_id: self.turn_id(),
        })
    }
}

/// Room for one event.
pub(crate) struct Room<'a> {
    permit: mpsc::Permit<'a, TurnEvent>,
    turn_id: Arc<str>,
}

impl Room<'_> {
    /// Sends an event of the turn that the room was asked for.
    pub(crate) fn send(self, event: ToolEvent) {
        self.permit.send((self.turn_id, Box::new(event)));
    }

    /// Sends an event of another turn.
    pub(crate) fn send_as(self, turn_id: Arc<str>, event: ToolEvent) {
        self.permit.send((turn_id, Box::new(event)));
    }
}
