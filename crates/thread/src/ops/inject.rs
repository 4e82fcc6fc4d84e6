//! thread/inject_items: history without a turn.

use loomd_events::HistoryItem;

use crate::thread::{Cx, Thread};
use crate::{Reply, ReplyTo};

impl Thread {
    pub(crate) fn on_inject(&mut self, cx: Cx<'_>, reply: ReplyTo, items: Vec<HistoryItem>) {
        self.materialized = true;
        let turn_id = self.active.as_ref().map(|active| active.id.clone());
        for item in items {
            self.remember(cx, turn_id.clone(), item);
        }
        self.reply(reply, Reply::Done);
    }
}
