//! Settings: thread/settings/update and the overrides of turn/start.

use std::sync::Arc;

use loomd_events::{FileRules, ThreadEvent};
use loomd_protocol::{ThreadSettings, ThreadSettingsUpdatedNotification};

use crate::thread::{Cx, Thread};
use crate::{Reply, ReplyTo, SettingsPatch};

impl Thread {
    pub(crate) fn on_update_settings(&mut self, cx: Cx<'_>, reply: ReplyTo, patch: SettingsPatch) {
        self.reply(reply, Reply::Done);
        self.apply_settings(cx, patch);
    }

    /// Changes settings and tells subscribers if that made a difference.
    pub(crate) fn apply_settings(&mut self, cx: Cx<'_>, patch: SettingsPatch) {
        let changed = patched(&self.settings, &patch);
        let rules = patched_rules(self.file_rules.as_ref(), &patch);
        if changed == *self.settings && rules == self.file_rules {
            return;
        }
        self.file_rules = rules;
        self.info.model = Some(changed.model.clone());
        self.info.reasoning_effort = changed.effort.clone();
        self.info.cwd = changed.cwd.clone();
        self.settings = Arc::new(changed);
        let notification = ThreadSettingsUpdatedNotification {
            thread_id: self.wire_id(),
            thread_settings: (*self.settings).clone(),
        };
        self.event(
            cx,
            ThreadEvent::Settings(notification, self.file_rules.clone()),
        );
    }
}

/// The settings that a patch leads to.
#[must_use]
pub fn patched(old: &ThreadSettings, patch: &SettingsPatch) -> ThreadSettings {
    let mut new = old.clone();
    let patch = patch.clone();
    // A collaboration mode names a model and an effort of its own; an explicit
    // setting beside it wins.
    if let Some(mode) = patch.collaboration_mode {
        new.model.clone_from(&mode.settings.model);
        new.effort.clone_from(&mode.settings.reasoning_effort);
        new.collaboration_mode = mode;
    }
    if let Some(model) = patch.model {
        new.model = model;
    }
    if let Some(effort) = patch.effort {
        new.effort = Some(effort);
    }
    if let Some(summary) = patch.summary {
        new.summary = Some(summary);
    }
    if let Some(tier) = patch.service_tier {
        new.service_tier = Some(tier);
    }
    if let Some(policy) = patch.approval_policy {
        new.approval_policy = policy;
    }
    if let Some(reviewer) = patch.approvals_reviewer {
        new.approvals_reviewer = reviewer;
    }
    if let Some(policy) = patch.sandbox_policy {
        new.sandbox_policy = policy;
        new.active_permission_profile = None;
    }
    if let Some(permissions) = patch.permissions {
        new.sandbox_policy = permissions.sandbox_policy;
        new.active_permission_profile = Some(permissions.profile);
    }
    if let Some(cwd) = patch.cwd {
        new.cwd = cwd;
    }
    if let Some(personality) = patch.personality {
        new.personality = Some(personality);
    }
    new.collaboration_mode.settings.model.clone_from(&new.model);
    new.collaboration_mode
        .settings
        .reasoning_effort
        .clone_from(&new.effort);
    new
}

/// The rules about files that a patch leads to. A policy that a client sets leaves the
/// denials of a profile in force.
#[must_use]
pub fn patched_rules(
    old: Option<&Arc<FileRules>>,
    patch: &SettingsPatch,
) -> Option<Arc<FileRules>> {
    match (&patch.permissions, &patch.sandbox_policy) {
        (Some(permissions), _) => permissions.file_rules.clone(),
        (None, Some(policy)) => old?.denials_under(policy),
        (None, None) => old.cloned(),
    }
}
