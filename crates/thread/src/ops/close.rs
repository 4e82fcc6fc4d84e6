//! The end of a loaded thread on request: archive, delete, shutdown.

use crate::thread::{Cx, Thread};
use crate::{Reply, ReplyTo};

impl Thread {
    /// Ends the running turn as interrupted and takes no more commands. The shell
    /// then ends the tools and drops the thread.
    pub(crate) fn on_close(&mut self, cx: Cx<'_>, reply: ReplyTo) {
        self.set_closing();
        self.refuse_start();
        self.interrupt_turn(cx);
        self.reply(reply, Reply::Done);
    }
}
