//! Commands and patches.

use std::path::Path;

use loomd_protocol::{
    CommandAction, CommandExecutionItem, CommandExecutionSource, CommandExecutionStatus,
    FileChangeItem, FileUpdateChange, ItemKind, PatchApplyStatus, PatchChangeKind, ThreadItem,
};
use serde::{Deserialize, Serialize};

use super::tool::Duration;
use super::{Members, path_to_url, url_to_path};

/// A command that ran.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CommandExecution {
    id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    process_id: Option<String>,
    command: Vec<String>,
    /// A `file://` URL; the reference drops the item where it is a plain path.
    cwd: String,
    #[serde(default)]
    parsed_cmd: Vec<ParsedCommand>,
    #[serde(default)]
    source: Source,
    status: Status,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    aggregated_output: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exit_code: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    duration: Option<Duration>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    plugin_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    script_path: Option<String>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Source {
    #[default]
    Agent,
    UserShell,
    UnifiedExecStartup,
    UnifiedExecInteraction,
}

/// How a command or a patch ended.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    /// Never written, only understood.
    #[serde(alias = "inProgress")]
    InProgress,
    Completed,
    Failed,
    Declined,
}

/// What a command does. Flat, so that a kind of another version costs the action
/// and not the item.
#[derive(Debug, Serialize, Deserialize)]
struct ParsedCommand {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    cmd: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    query: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path: Option<String>,
}

impl ParsedCommand {
    fn of(action: &CommandAction) -> Self {
        let (kind, cmd, name, query, path) = match action.clone() {
            CommandAction::Read {
                command,
                name,
                path,
            } => ("read", command, Some(name), None, Some(path)),
            CommandAction::ListFiles { command, path } => ("list_files", command, None, None, path),
            CommandAction::Search {
                command,
                path,
                query,
            } => ("search", command, None, query, path),
            CommandAction::Unknown { command } => ("unknown", command, None, None, None),
        };
        Self {
            kind: kind.to_owned(),
            cmd,
            name,
            query,
            path,
        }
    }

    fn into_action(self, cwd: &str) -> CommandAction {
        let command = self.cmd;
        match (self.kind.as_str(), self.path) {
            ("read", Some(path)) => CommandAction::Read {
                command,
                name: self.name.unwrap_or_default(),
                path: Path::new(cwd).join(path).to_string_lossy().into_owned(),
            },
            ("list_files", path) => CommandAction::ListFiles { command, path },
            ("search", path) => CommandAction::Search {
                command,
                path,
                query: self.query,
            },
            _ => CommandAction::Unknown { command },
        }
    }
}

impl CommandExecution {
    pub(super) fn of(id: String, command: &CommandExecutionItem) -> Self {
        Self {
            id,
            process_id: command.process_id.clone(),
            command: split(&command.command),
            cwd: path_to_url(&command.cwd),
            parsed_cmd: command
                .command_actions
                .iter()
                .map(ParsedCommand::of)
                .collect(),
            source: match command.source {
                CommandExecutionSource::Agent => Source::Agent,
                CommandExecutionSource::UserShell => Source::UserShell,
                CommandExecutionSource::UnifiedExecStartup => Source::UnifiedExecStartup,
                CommandExecutionSource::UnifiedExecInteraction => Source::UnifiedExecInteraction,
            },
            status: match command.status {
                CommandExecutionStatus::Completed => Status::Completed,
                CommandExecutionStatus::InProgress | CommandExecutionStatus::Failed => {
                    Status::Failed
                }
                CommandExecutionStatus::Declined => Status::Declined,
            },
            aggregated_output: command.aggregated_output.clone(),
            exit_code: command.exit_code,
            duration: command.duration_ms.map(Duration::of_ms),
            plugin_id: command.plugin_id.clone(),
            script_path: command.script_path.clone(),
        }
    }

    pub(super) fn into_item(self) -> ThreadItem {
        let cwd = url_to_path(self.cwd);
        let command_actions = self
            .parsed_cmd
            .into_iter()
            .map(|parsed| parsed.into_action(&cwd))
            .collect();
        ThreadItem::new(
            self.id,
            ItemKind::CommandExecution(CommandExecutionItem {
                plugin_id: self.plugin_id,
                script_path: self.script_path,
                command: join(self.command),
                cwd,
                process_id: self.process_id,
                source: match self.source {
                    Source::Agent => CommandExecutionSource::Agent,
                    Source::UserShell => CommandExecutionSource::UserShell,
                    Source::UnifiedExecStartup => CommandExecutionSource::UnifiedExecStartup,
                    Source::UnifiedExecInteraction => {
                        CommandExecutionSource::UnifiedExecInteraction
                    }
                },
                status: match self.status {
                    Status::Completed => CommandExecutionStatus::Completed,
                    Status::InProgress | Status::Failed => CommandExecutionStatus::Failed,
                    Status::Declined => CommandExecutionStatus::Declined,
                },
                command_actions,
                aggregated_output: self.aggregated_output.filter(|text| !text.is_empty()),
                exit_code: self.exit_code,
                duration_ms: self.duration.map(Duration::ms),
            }),
        )
    }
}

/// The words of a quoted command; one word where they would not join to the same text.
fn split(command: &str) -> Vec<String> {
    shlex::split(command)
        .filter(|words| join(words.clone()) == command)
        .unwrap_or_else(|| vec![command.to_owned()])
}

/// A command as one quoted text. One word alone is shown as it is.
fn join(words: Vec<String>) -> String {
    if let [word] = words.as_slice() {
        return word.clone();
    }
    shlex::try_join(words.iter().map(String::as_str)).unwrap_or_else(|_| words.join(" "))
}

/// A patch.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct FileChange {
    id: String,
    changes: FileChanges,
    #[serde(default)]
    status: Option<Status>,
    #[serde(default)]
    stdout: Option<String>,
    #[serde(default)]
    stderr: Option<String>,
}

impl FileChange {
    pub(super) fn of(id: String, change: &FileChangeItem) -> Self {
        Self {
            id,
            changes: FileChanges::of(&change.changes),
            status: Some(patch_status_to_disk(change.status)),
            stdout: Some(String::new()),
            stderr: Some(String::new()),
        }
    }

    pub(super) fn into_item(self) -> ThreadItem {
        ThreadItem::new(
            self.id,
            ItemKind::FileChange(FileChangeItem {
                changes: self.changes.into_changes(),
                status: patch_status(self.status, None),
            }),
        )
    }
}

/// The stored word for how a patch ended.
pub(crate) fn patch_status_to_disk(status: PatchApplyStatus) -> Status {
    match status {
        PatchApplyStatus::Completed => Status::Completed,
        PatchApplyStatus::InProgress | PatchApplyStatus::Failed => Status::Failed,
        PatchApplyStatus::Declined => Status::Declined,
    }
}

/// How a patch ended, from its status or, in old files, its success.
pub(crate) fn patch_status(status: Option<Status>, success: Option<bool>) -> PatchApplyStatus {
    match (status, success) {
        (Some(Status::Completed), _) | (None, Some(true) | None) => PatchApplyStatus::Completed,
        (Some(Status::Declined), _) => PatchApplyStatus::Declined,
        (Some(Status::Failed | Status::InProgress), _) | (None, Some(false)) => {
            PatchApplyStatus::Failed
        }
    }
}

/// The files of a patch, by path.
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct FileChanges(Members<Change>);

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Change {
    Add {
        content: String,
    },
    Delete {
        #[serde(default)]
        content: String,
    },
    Update {
        unified_diff: String,
        #[serde(default)]
        move_path: Option<String>,
    },
}

/// What the wire's diff of a moved file says behind the diff itself (seen on 0.169.0).
fn moved_note(target: &str) -> String {
    format!("\n\nMoved to: {target}")
}

impl FileChanges {
    pub(crate) fn of(changes: &[FileUpdateChange]) -> Self {
        let change = |change: &FileUpdateChange| {
            let stored = match &change.kind {
                PatchChangeKind::Add => Change::Add {
                    content: change.diff.clone(),
                },
                PatchChangeKind::Delete => Change::Delete {
                    content: change.diff.clone(),
                },
                PatchChangeKind::Update { move_path } => {
                    let diff = move_path
                        .as_deref()
                        .and_then(|target| change.diff.strip_suffix(&moved_note(target)));
                    Change::Update {
                        unified_diff: diff.unwrap_or(&change.diff).to_owned(),
                        move_path: move_path.clone(),
                    }
                }
            };
            (change.path.clone(), stored)
        };
        Self(Members(changes.iter().map(change).collect()))
    }

    pub(crate) fn into_changes(self) -> Vec<FileUpdateChange> {
        let change = |(path, stored)| match stored {
            Change::Add { content } => FileUpdateChange {
                path,
                kind: PatchChangeKind::Add,
                diff: content,
            },
            Change::Delete { content } => FileUpdateChange {
                path,
                kind: PatchChangeKind::Delete,
                diff: content,
            },
            Change::Update {
                unified_diff,
                move_path,
            } => FileUpdateChange {
                path,
                diff: match &move_path {
                    Some(target) => unified_diff + &moved_note(target),
                    None => unified_diff,
                },
                kind: PatchChangeKind::Update { move_path },
            },
        };
        self.0.0.into_iter().map(change).collect()
    }
}
