//! What happens in a thread, as text for a person who watches.
//!
//! The model's words appear as they stream; a command with its output, and a patch
//! with its lines, when they have ended. Everything is taken from what the server
//! says. Deliberately absent: what a turn costs, and the final answer by itself.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use loomd_protocol::{
    CommandExecutionItem, CommandExecutionStatus, DynamicToolCallItem, FileChangeItem,
    FileUpdateChange, ItemKind, McpToolCallItem, McpToolCallStatus, PatchApplyStatus,
    PatchChangeKind, ThreadItem, TurnPlanStep, TurnPlanStepStatus,
};

use crate::client::Heard;
use crate::console::{Console, Paint};

/// Lines of a command's output or of a patch that are shown; of the rest there is only
/// the number.
const LINES_MAX: usize = 40;

/// Writes the transcript of one thread.
#[derive(Debug)]
pub(crate) struct Transcript<W> {
    pub(crate) console: Console<W>,
    thread_id: String,
    /// Paths below it are shown relative to it.
    cwd: PathBuf,
    /// The message that is being streamed.
    streaming: Option<String>,
}

impl<W: Write> Transcript<W> {
    pub(crate) fn new(console: Console<W>, thread_id: String, cwd: PathBuf) -> Self {
        Self {
            console,
            thread_id,
            cwd,
            streaming: None,
        }
    }

    /// What the user said.
    pub(crate) fn user(&mut self, text: &str) -> io::Result<()> {
        self.console.label("you", Paint::Bold)?;
        self.console.flow(text)?;
        self.console.end_line()
    }

    /// Shows what was heard, if it concerns this thread.
    pub(crate) fn show(&mut self, heard: &Heard) -> io::Result<()> {
        match heard {
            Heard::ItemStarted(started) if self.is_ours(&started.thread_id) => {
                self.item_started(&started.item)
            }
            Heard::ItemCompleted(completed) if self.is_ours(&completed.thread_id) => {
                self.item_completed(&completed.item)
            }
            Heard::MessageDelta(delta) if self.is_ours(&delta.thread_id) => {
                if self.streaming.as_deref() != Some(&delta.item_id) {
                    self.message_started(&delta.item_id)?;
                }
                self.console.flow(&delta.delta)
            }
            Heard::PlanUpdated(updated) if self.is_ours(&updated.thread_id) => {
                self.plan(&updated.plan)
            }
            Heard::Error(error) if self.is_ours(&error.thread_id) => {
                let text = crate::exec::error_message(&error.error);
                self.note("error", Paint::Red, &text)
            }
            Heard::Warning(warning)
                if warning
                    .thread_id
                    .as_deref()
                    .is_none_or(|id| self.is_ours(id)) =>
            {
                self.note("note", Paint::Yellow, &warning.message)
            }
            Heard::ConfigWarning(warning) => {
                self.note("config", Paint::Yellow, &warning.summary)?;
                match &warning.details {
                    Some(details) => self.note("", Paint::Yellow, details),
                    None => Ok(()),
                }
            }
            Heard::DeprecationNotice(notice) => self.note("note", Paint::Yellow, &notice.summary),
            Heard::Rerouted(rerouted) if self.is_ours(&rerouted.thread_id) => {
                let text = format!("{} answers for {}", rerouted.to_model, rerouted.from_model);
                self.note("note", Paint::Yellow, &text)
            }
            Heard::Asked { method } => {
                let text = format!("{method}: there is nobody to ask, so the answer is no");
                self.note("asked", Paint::Yellow, &text)
            }
            Heard::TurnStarted(_)
            | Heard::TurnCompleted(_)
            | Heard::ItemStarted(_)
            | Heard::ItemCompleted(_)
            | Heard::MessageDelta(_)
            | Heard::OutputDelta(_)
            | Heard::PlanUpdated(_)
            | Heard::DiffUpdated(_)
            | Heard::TokenUsage(_)
            | Heard::Error(_)
            | Heard::Warning(_)
            | Heard::Rerouted(_)
            | Heard::Other => Ok(()),
        }
    }

    /// A short text with a label.
    pub(crate) fn note(&mut self, label: &str, paint: Paint, text: &str) -> io::Result<()> {
        self.console.label(label, paint)?;
        self.console.flow(text)?;
        self.console.end_line()
    }

    fn is_ours(&self, thread_id: &str) -> bool {
        self.thread_id == thread_id
    }

    fn message_started(&mut self, id: &str) -> io::Result<()> {
        self.streaming = Some(id.to_owned());
        self.console.label("model", Paint::Bold)
    }

    fn item_started(&mut self, item: &ThreadItem) -> io::Result<()> {
        match &item.kind {
            ItemKind::ContextCompaction => {
                self.note("note", Paint::Dim, "making room: the history is summed up")
            }
            // The rest is shown when it has ended, and messages when they have text.
            ItemKind::AgentMessage(_)
            | ItemKind::CommandExecution(_)
            | ItemKind::UserMessage(_)
            | ItemKind::HookPrompt { .. }
            | ItemKind::FunctionCallOutput(_)
            | ItemKind::Plan { .. }
            | ItemKind::Reasoning { .. }
            | ItemKind::FileChange(_)
            | ItemKind::McpToolCall(_)
            | ItemKind::DynamicToolCall(_)
            | ItemKind::CollabAgentToolCall(_)
            | ItemKind::SubAgentActivity(_)
            | ItemKind::WebSearch(_)
            | ItemKind::ImageView { .. }
            | ItemKind::Sleep { .. }
            | ItemKind::ImageGeneration(_)
            | ItemKind::EnteredReviewMode { .. }
            | ItemKind::ExitedReviewMode { .. } => Ok(()),
        }
    }

    fn item_completed(&mut self, item: &ThreadItem) -> io::Result<()> {
        match &item.kind {
            ItemKind::AgentMessage(message) => {
                if self.streaming.as_deref() != Some(item.id()) {
                    self.message_started(item.id())?;
                    self.console.flow(&message.text)?;
                }
                self.streaming = None;
                self.console.end_line()
            }
            ItemKind::Reasoning { summary, .. } if summary.is_empty() => Ok(()),
            ItemKind::Reasoning { summary, .. } => {
                self.note("think", Paint::Dim, &summary.join("\n"))
            }
            ItemKind::Plan { text } => self.note("plan", Paint::Cyan, text),
            ItemKind::CommandExecution(command) => self.command(command),
            ItemKind::FileChange(change) => self.file_change(change),
            ItemKind::McpToolCall(call) => self.mcp_call(call),
            ItemKind::DynamicToolCall(call) => self.dynamic_call(call),
            ItemKind::WebSearch(search) => self.note("search", Paint::Cyan, &search.query),
            ItemKind::ImageView { path } => self.note("look", Paint::Cyan, path),
            ItemKind::ImageGeneration(image) => self.note("image", Paint::Cyan, &image.status),
            ItemKind::CollabAgentToolCall(call) => {
                let text = call.prompt.as_deref().unwrap_or_default();
                self.note("agent", Paint::Cyan, text)
            }
            ItemKind::EnteredReviewMode { review } | ItemKind::ExitedReviewMode { review } => {
                self.note("review", Paint::Cyan, review)
            }
            // What the user said is known to the one who watches.
            ItemKind::UserMessage(_)
            | ItemKind::HookPrompt { .. }
            | ItemKind::FunctionCallOutput(_)
            | ItemKind::SubAgentActivity(_)
            | ItemKind::Sleep { .. }
            | ItemKind::ContextCompaction => Ok(()),
        }
    }

    fn plan(&mut self, steps: &[TurnPlanStep]) -> io::Result<()> {
        self.console.label("plan", Paint::Cyan)?;
        for step in steps {
            let (mark, paint) = match step.status {
                TurnPlanStepStatus::Completed => ("[x]", Some(Paint::Dim)),
                TurnPlanStepStatus::InProgress => ("[>]", Some(Paint::Bold)),
                TurnPlanStepStatus::Pending => ("[ ]", None),
            };
            self.console.kept(&format!("{mark} {}", step.step), paint)?;
        }
        Ok(())
    }

    fn command(&mut self, command: &CommandExecutionItem) -> io::Result<()> {
        self.console.label("run", Paint::Cyan)?;
        for line in inner_command(&command.command).lines() {
            self.console.kept(line, Some(Paint::Bold))?;
        }
        let output = command.aggregated_output.as_deref().unwrap_or_default();
        self.lines(output.lines(), |line| (format!("| {line}"), None))?;
        let took = command
            .duration_ms
            .map_or_else(String::new, |ms| format!(" in {}", span(ms)));
        let (text, paint) = match (command.status, command.exit_code) {
            (CommandExecutionStatus::Declined, _) => ("not allowed".to_owned(), Paint::Red),
            (_, Some(0)) => (format!("exit 0{took}"), Paint::Green),
            (_, Some(code)) => (format!("exit {code}{took}"), Paint::Red),
            (_, None) => (format!("ended{took}"), Paint::Red),
        };
        self.console.kept(&text, Some(paint))
    }

    fn file_change(&mut self, change: &FileChangeItem) -> io::Result<()> {
        self.console.label("patch", Paint::Cyan)?;
        for file in &change.changes {
            self.console
                .kept(&self.file_title(file), Some(Paint::Bold))?;
            let whole = match file.kind {
                PatchChangeKind::Add => Some('+'),
                PatchChangeKind::Delete => Some('-'),
                PatchChangeKind::Update { .. } => None,
            };
            self.lines(file.diff.lines(), |line| match whole {
                Some(sign) => diff_line(&format!("{sign}{line}")),
                None => diff_line(line),
            })?;
        }
        match change.status {
            PatchApplyStatus::Completed | PatchApplyStatus::InProgress => Ok(()),
            PatchApplyStatus::Failed => self.console.kept("failed", Some(Paint::Red)),
            PatchApplyStatus::Declined => self.console.kept("not allowed", Some(Paint::Red)),
        }
    }

    fn file_title(&self, file: &FileUpdateChange) -> String {
        let name = |path: &str| {
            let path = Path::new(path);
            path.strip_prefix(&self.cwd)
                .unwrap_or(path)
                .display()
                .to_string()
        };
        let path = name(&file.path);
        match &file.kind {
            PatchChangeKind::Add => format!("{path} (new)"),
            PatchChangeKind::Delete => format!("{path} (removed)"),
            PatchChangeKind::Update { move_path: None } => path,
            PatchChangeKind::Update {
                move_path: Some(target),
            } => format!("{path} -> {}", name(target)),
        }
    }

    fn mcp_call(&mut self, call: &McpToolCallItem) -> io::Result<()> {
        let (text, paint) = match call.status {
            McpToolCallStatus::InProgress | McpToolCallStatus::Completed => ("", Paint::Cyan),
            McpToolCallStatus::Failed => (" failed", Paint::Red),
        };
        self.note(
            "tool",
            paint,
            &format!("{}/{}{text}", call.server, call.tool),
        )?;
        match &call.error {
            Some(error) => self.note("", Paint::Red, &error.message),
            None => Ok(()),
        }
    }

    fn dynamic_call(&mut self, call: &DynamicToolCallItem) -> io::Result<()> {
        self.note("tool", Paint::Cyan, &call.tool)
    }

    /// At most [`LINES_MAX`] lines.
    fn lines<'a>(
        &mut self,
        lines: impl Iterator<Item = &'a str>,
        shown: impl Fn(&'a str) -> (String, Option<Paint>),
    ) -> io::Result<()> {
        let mut left_out = 0usize;
        for (index, line) in lines.enumerate() {
            if index < LINES_MAX {
                let (text, paint) = shown(line);
                self.console.kept(&text, paint)?;
            } else {
                left_out += 1;
            }
        }
        if left_out > 0 {
            let text = format!("({left_out} more lines)");
            self.console.kept(&text, Some(Paint::Dim))?;
        }
        Ok(())
    }
}

fn diff_line(line: &str) -> (String, Option<Paint>) {
    let paint = match line.as_bytes().first() {
        Some(b'+') => Some(Paint::Green),
        Some(b'-') => Some(Paint::Red),
        Some(b'@') => Some(Paint::Dim),
        Some(_) | None => None,
    };
    (line.to_owned(), paint)
}

/// What the shell was told to run, without the shell: `bash -lc 'echo a'` → `echo a`.
fn inner_command(command: &str) -> String {
    match shlex::split(command).as_deref() {
        Some([_, flag, inner]) if flag == "-lc" || flag == "-c" => inner.clone(),
        Some(_) | None => command.to_owned(),
    }
}

/// Milliseconds for a person.
pub(crate) fn span(ms: i64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0 => format!("{ms} ms"),
        1..60 => format!("{seconds}.{} s", ms % 1000 / 100),
        _ => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}
