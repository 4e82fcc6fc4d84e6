//! thread/metadata/update and thread/memoryMode/set.

use loomd_protocol::GitInfo;

use crate::thread::Thread;
use crate::{Action, MetadataPatch, Refusal, Reply, ReplyTo};

impl Thread {
    /// Changes what is known of the thread; no one is told but who asked.
    pub(crate) fn on_update_metadata(&mut self, reply: ReplyTo, patch: MetadataPatch) {
        if let Err(refusal) = self.may_have_metadata() {
            return self.refuse(reply, refusal);
        }
        if let Some(git) = patch.git {
            let git = git.applied(self.info.git_info.as_ref());
            self.info.git_info = shown_git(&git);
            self.kept.git = Some(git);
        }
        if let Some(daybreak) = patch.daybreak {
            self.info.daybreak_enabled = Some(daybreak);
            self.kept.daybreak = Some(daybreak);
        }
        self.keep();
        if self.materialized {
            self.act(Action::SummaryChanged);
        }
        let view = Box::new(self.view_within(None));
        self.reply(reply, Reply::View(view));
    }

    pub(crate) fn on_set_memory_mode(&mut self, reply: ReplyTo, disabled: bool) {
        if let Err(refusal) = self.may_have_metadata() {
            return self.refuse(reply, refusal);
        }
        self.kept.memory_disabled = disabled;
        self.keep();
        self.reply(reply, Reply::Done);
    }

    pub(crate) fn may_have_metadata(&self) -> Result<(), Refusal> {
        if self.info.ephemeral {
            return Err(Refusal::EphemeralMetadata {
                thread_id: self.wire_id(),
            });
        }
        Ok(())
    }

    /// Shows what a client said of the thread, for one that is being loaded.
    pub(crate) fn show_metadata(&mut self) {
        if let Some(git) = &self.kept.git {
            self.info.git_info = shown_git(git);
        }
        self.info.daybreak_enabled = self.kept.daybreak.or(self.info.daybreak_enabled);
    }
}

/// Metadata of which everything was cleared is none.
#[must_use]
pub fn shown_git(git: &GitInfo) -> Option<GitInfo> {
    (*git != GitInfo::default()).then(|| git.clone())
}
