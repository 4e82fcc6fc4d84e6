//! How turns begin and end in a replay.

use loomd_protocol::{Turn, TurnItemsView, TurnStatus};

use super::{Decoder, Mark, TurnState, interrupt};
use crate::event::{TaskComplete, TaskStarted, TurnAborted};

impl TurnState {
    /// A turn that no event began.
    pub(super) fn implicit(index: u64, mark: Mark) -> Self {
        let mut state = Self::new(format!("rollout-{index}"), mark);
        state.turn.status = TurnStatus::Completed;
        state.implicit = true;
        state
    }

    fn new(id: String, mark: Mark) -> Self {
        Self {
            mark,
            context: None,
            usage: None,
            implicit: false,
            bare: false,
            turn: Turn {
                root_turn_id: Some(id.clone()),
                id,
                items: Vec::new(),
                items_view: TurnItemsView::Full,
                status: TurnStatus::InProgress,
                error: None,
                started_at: None,
                completed_at: None,
                duration_ms: None,
            },
        }
    }
}

impl Decoder {
    /// Index of a turn; the last ones are looked at first.
    pub(super) fn find_turn(&self, id: &str) -> Option<usize> {
        self.turns.iter().rposition(|state| state.turn.id == id)
    }

    /// Makes a new turn the open one, or ends the replay where the cut lies before it.
    pub(super) fn begin_turn(&mut self, state: TurnState) {
        if let Some(cut) = &self.cut {
            self.done |= self.cut_seen;
            self.cut_seen |= *cut == state.turn.id;
        }
        if self.done {
            return;
        }
        if let Some(open) = self.open {
            interrupt(&mut self.turns[open].turn);
        }
        self.turns.push(state);
        self.open = Some(self.turns.len() - 1);
    }

    pub(super) fn start_turn(&mut self, event: TaskStarted, bare: bool) {
        if let Some(known) = self.find_turn(&event.turn_id) {
            // A repair tells a turn of bare lines again, with ordinals.
            self.turns[known].bare = bare;
            self.turns[known].turn.status = TurnStatus::InProgress;
            self.open = Some(known);
            return;
        }
        let mut state = TurnState::new(event.turn_id, self.mark());
        state.bare = bare;
        state.turn.started_at = event.started_at;
        if event.root_turn_id.is_some() {
            state.turn.root_turn_id = event.root_turn_id;
        }
        self.begin_turn(state);
    }

    /// The turn that an ending event means: by id, else the open one.
    fn ending(&mut self, id: Option<&str>) -> Option<&mut TurnState> {
        let at = match id.filter(|id| !id.is_empty()) {
            Some(id) => self.find_turn(id)?,
            None => self.open?,
        };
        if self.open == Some(at) {
            self.open = None;
        }
        self.turns.get_mut(at)
    }

    pub(super) fn complete_turn(&mut self, event: TaskComplete) {
        let Some(state) = self.ending(Some(&event.turn_id)) else {
            return;
        };
        let turn = &mut state.turn;
        turn.status = match event.error {
            Some(_) => TurnStatus::Failed,
            None => TurnStatus::Completed,
        };
        turn.error = event.error.map(crate::event::DiskError::into_error);
        turn.started_at = turn.started_at.or(event.started_at);
        turn.completed_at = event.completed_at;
        turn.duration_ms = event.duration_ms;
    }

    pub(super) fn abort_turn(&mut self, event: TurnAborted) {
        let Some(state) = self.ending(event.turn_id.as_deref()) else {
            return;
        };
        let turn = &mut state.turn;
        turn.status = TurnStatus::Interrupted;
        turn.started_at = turn.started_at.or(event.started_at);
        turn.completed_at = event.completed_at;
        turn.duration_ms = event.duration_ms;
    }
}
