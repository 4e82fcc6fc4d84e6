//! The `commandExecution` item of a command.

use std::path::Path;

use loomd_base::Now;
use loomd_protocol::{
    CommandExecutionItem, CommandExecutionSource, CommandExecutionStatus, ItemKind, ThreadItem,
};

use super::actions::actions;

/// What the item says from its start on.
pub(crate) struct CommandItem {
    id: String,
    item: CommandExecutionItem,
    begun: Now,
}

impl CommandItem {
    /// The item of a command that is about to run.
    pub(crate) fn new(
        id: &str,
        command_line: &str,
        script: &str,
        folder: &Path,
        begun: Now,
        source: CommandExecutionSource,
    ) -> Self {
        Self {
            id: id.to_owned(),
            item: CommandExecutionItem {
                plugin_id: None,
                script_path: None,
                command: command_line.to_owned(),
                cwd: folder.display().to_string(),
                process_id: None,
                source,
                status: CommandExecutionStatus::InProgress,
                command_actions: actions(script, folder),
                aggregated_output: None,
                exit_code: None,
                duration_ms: None,
            },
            begun,
        }
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// The session id that the command got.
    pub(crate) fn set_session(&mut self, session: i32) {
        self.item.process_id = Some(session.to_string());
    }

    /// The item as it starts.
    pub(crate) fn started(&self) -> ThreadItem {
        self.thread_item(self.item.clone(), None)
    }

    /// The item as it begins when the user is asked: nothing runs yet.
    pub(crate) fn asked(&self) -> ThreadItem {
        let mut item = self.item.clone();
        item.source = CommandExecutionSource::Agent;
        self.thread_item(item, None)
    }

    /// The item as it ends.
    pub(crate) fn completed(&self, now: Now, code: i32, output: String) -> ThreadItem {
        let mut item = self.item.clone();
        item.status = if code == 0 {
            CommandExecutionStatus::Completed
        } else {
            CommandExecutionStatus::Failed
        };
        item.exit_code = Some(code);
        item.aggregated_output = Some(output).filter(|output| !output.is_empty());
        let duration = now.mono.saturating_sub(self.begun.mono).as_millis();
        item.duration_ms = i64::try_from(duration).ok();
        self.thread_item(item, Some(now.wall_ms))
    }

    fn thread_item(&self, item: CommandExecutionItem, completed: Option<i64>) -> ThreadItem {
        let mut item = ThreadItem::new(self.id.clone(), ItemKind::CommandExecution(item));
        item.set_times(Some(self.begun.wall_ms), completed);
        item
    }
}
