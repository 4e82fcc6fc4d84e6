//! What somebody knows of a thread who listens: folded from events alone, or from a
//! snapshot and the events behind it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use loomd_events::ThreadEvent;
use loomd_protocol::{ItemKind, ThreadItem, Turn, TurnStatus};

/// A turn as heard. Items by id: the order in which items of one moment are shown is
/// not part of the promise, their presence and contents are.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct HeardTurn {
    pub(super) id: String,
    pub(super) status: TurnStatus,
    pub(super) items: BTreeMap<String, ThreadItem>,
}

/// All that was heard.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Heard {
    pub(super) turns: Vec<HeardTurn>,
}

impl Heard {
    pub(super) fn from_snapshot(turns: &[Arc<Turn>]) -> Self {
        let turns = turns.iter().map(|turn| HeardTurn {
            id: turn.id.clone(),
            status: turn.status,
            items: turn
                .items
                .iter()
                .map(|item| (item.id().to_owned(), item.clone()))
                .collect(),
        });
        Self {
            turns: turns.collect(),
        }
    }

    fn turn(&mut self, id: &str) -> &mut HeardTurn {
        let turn = self.turns.iter_mut().find(|turn| turn.id == id);
        turn.unwrap_or_else(|| panic!("turn {id} was not announced"))
    }

    pub(super) fn hear(&mut self, event: &ThreadEvent) {
        match event {
            ThreadEvent::TurnStarted(start) => {
                let running = |turn: &HeardTurn| turn.status == TurnStatus::InProgress;
                assert!(!self.turns.iter().any(running), "two turns run at once");
                self.turns.push(HeardTurn {
                    id: start.turn.id.clone(),
                    status: TurnStatus::InProgress,
                    items: BTreeMap::new(),
                });
            }
            ThreadEvent::TurnEnded { turn, .. } => {
                let heard = self.turn(&turn.id);
                assert_eq!(heard.status, TurnStatus::InProgress, "a turn ends twice");
                heard.status = turn.status;
            }
            ThreadEvent::ItemStarted(note) => {
                let items = &mut self.turn(&note.turn_id).items;
                let earlier = items.insert(note.item.id().to_owned(), note.item.clone());
                assert!(earlier.is_none(), "item {} starts twice", note.item.id());
            }
            ThreadEvent::AgentMessageDelta(note) => {
                let items = &mut self.turn(&note.turn_id).items;
                let item = items.get_mut(&note.item_id);
                let item = item.unwrap_or_else(|| panic!("{} never began", note.item_id));
                if let ItemKind::AgentMessage(message) = &mut item.kind {
                    message.text.push_str(&note.delta);
                }
            }
            ThreadEvent::ItemCompleted(note) => {
                let items = &mut self.turn(&note.turn_id).items;
                let earlier = items.insert(note.item.id().to_owned(), note.item.clone());
                assert!(earlier.is_some(), "item {} never began", note.item.id());
            }
            _ => {}
        }
    }
}

/// Counts beginnings and ends over the whole life, reverts included.
#[derive(Debug, Default)]
pub(super) struct Census {
    begun: BTreeSet<String>,
    ended: BTreeSet<String>,
}

impl Census {
    pub(super) fn count(&mut self, event: &ThreadEvent) {
        match event {
            ThreadEvent::ItemStarted(note) => {
                let id = note.item.id();
                assert!(self.begun.insert(id.to_owned()), "item {id} starts twice");
            }
            ThreadEvent::ItemCompleted(note) => {
                let id = note.item.id();
                assert!(self.begun.contains(id), "item {id} ends without beginning");
                assert!(self.ended.insert(id.to_owned()), "item {id} ends twice");
            }
            _ => {}
        }
    }

    pub(super) fn open(&self) -> usize {
        self.begun.len() - self.ended.len()
    }
}
