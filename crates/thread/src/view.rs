//! Where a thread stands, for clients: whole, or as little of it as was asked for.

use std::sync::Arc;

use loomd_protocol::{ItemKind, Turn, TurnItemsView};

use crate::thread::Thread;
use crate::turn::ActiveTurn;
use crate::{Newest, TurnWindow, View};

impl Thread {
    /// Everything.
    pub(crate) fn view(&self) -> View {
        let running = self.active.as_ref().map(|active| active.snapshot());
        let running = running.map(Arc::new);
        self.view_of(self.turns.iter().cloned().chain(running).collect())
    }

    /// Everything but the turns, of which only a window is there; its cost does not
    /// grow with the thread.
    pub(crate) fn view_within(&self, window: Option<TurnWindow>) -> View {
        let Some(window) = window else {
            return self.view_of(Vec::new());
        };
        let running = self.active.as_ref();
        let all = self.turns.len() + usize::from(running.is_some());
        let (from, to) = if window.newest_first {
            (all.saturating_sub(window.count), all)
        } else {
            (0, window.count.min(all))
        };
        let ended = from.min(self.turns.len())..to.min(self.turns.len());
        let running = running.filter(|_| to > self.turns.len());
        let running = running.map(|active| Arc::new(active.snapshot_of(window.items)));
        let ended = self.turns[ended].iter().cloned();
        self.view_of(ended.chain(running).collect())
    }

    fn view_of(&self, turns: Vec<Arc<Turn>>) -> View {
        View {
            thread: self.summary(),
            settings: (*self.settings).clone(),
            turns,
            newest: self.newest(),
            token_usage: self.token_usage.clone(),
            read_state: self.read_state.clone(),
            seq: self.seq,
            materialized: self.materialized,
        }
    }

    fn newest(&self) -> Newest {
        let running = self.active.as_ref();
        let of_running = running.and_then(|active| {
            let streaming = active.step.streaming.last();
            let item = streaming.or(active.turn.items.last())?;
            Some((active.turn.id.clone(), item.id().to_owned()))
        });
        let of_ended = || {
            self.turns.iter().rev().find_map(|turn| {
                let item = turn.items.last()?;
                Some((turn.id.clone(), item.id().to_owned()))
            })
        };
        let turn_id = running
            .map(|active| &active.turn.id)
            .or_else(|| self.turns.last().map(|turn| &turn.id));
        Newest {
            turn_id: turn_id.cloned(),
            item: of_running.or_else(of_ended),
        }
    }
}

impl ActiveTurn {
    /// The turn with those of its items that a view of it shows.
    fn snapshot_of(&self, view: TurnItemsView) -> Turn {
        if view == TurnItemsView::Full {
            return self.snapshot();
        }
        let items = self.turn.items.iter().chain(&self.step.streaming);
        let from_user = |kind: &ItemKind| matches!(kind, ItemKind::UserMessage(_));
        let from_agent = |kind: &ItemKind| matches!(kind, ItemKind::AgentMessage(_));
        let first = items.clone().find(|item| from_user(&item.kind));
        let last = items.rev().find(|item| from_agent(&item.kind));
        Turn {
            items: first.into_iter().chain(last).cloned().collect(),
            ..self.bare()
        }
    }

    /// The turn without its items.
    fn bare(&self) -> Turn {
        Turn {
            id: self.turn.id.clone(),
            root_turn_id: self.turn.root_turn_id.clone(),
            items: Vec::new(),
            items_view: self.turn.items_view,
            status: self.turn.status,
            error: self.turn.error.clone(),
            started_at: self.turn.started_at,
            completed_at: self.turn.completed_at,
            duration_ms: self.turn.duration_ms,
        }
    }
}
