//! Where `exec` writes: JSONL, or a transcript and the last message.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use anyhow::Context;
use loomd_config::Environment;
use loomd_protocol::{
    ApprovalsReviewer, AskForApproval, ItemKind, SandboxPolicy, ThreadStartResponse,
    TokenUsageBreakdown, Turn,
};

use super::args::Color;
use super::event::Event;
use super::translate::{Outcome, Translator, error_message};
use crate::client::Heard;
use crate::console::{Console, Paint, Style};
use crate::transcript::Transcript;

/// How a run is shown.
pub(super) struct Output {
    form: Form,
    last_message_file: Option<PathBuf>,
    last_message: Option<String>,
}

enum Form {
    /// Events, once the thread is known.
    Json(Option<Translator>),
    /// A transcript on standard error.
    Text {
        style: Style,
        transcript: Option<Transcript<io::Stderr>>,
        /// The message is not told twice to one who sees both streams.
        answer_on_stdout: bool,
        tokens: Option<TokenUsageBreakdown>,
    },
}

/// The thread of a run, as the transcript introduces it.
pub(super) struct Opened {
    pub(super) thread_id: String,
    pub(super) cwd: PathBuf,
    pub(super) model: String,
    pub(super) provider: String,
    pub(super) sandbox: SandboxPolicy,
    pub(super) effort: Option<String>,
}

impl From<ThreadStartResponse> for Opened {
    fn from(response: ThreadStartResponse) -> Self {
        Self {
            thread_id: response.thread.id,
            cwd: response.cwd.into_path_buf(),
            model: response.model,
            provider: response.model_provider,
            sandbox: response.sandbox,
            effort: response.reasoning_effort,
        }
    }
}

impl Output {
    pub(super) fn new(
        json: bool,
        color: Color,
        last_message_file: Option<PathBuf>,
        environment: &Environment,
    ) -> Self {
        let stderr = io::stderr();
        let form = if json {
            Form::Json(None)
        } else {
            Form::Text {
                style: match color {
                    Color::Always => Style::COLORED,
                    Color::Never => Style::PLAIN,
                    Color::Auto => Style::for_stream(&stderr, environment),
                },
                transcript: None,
                answer_on_stdout: !(io::stdout().is_terminal() && stderr.is_terminal()),
                tokens: None,
            }
        };
        Self {
            form,
            last_message_file,
            last_message: None,
        }
    }

    /// The thread is open.
    pub(super) fn opened(&mut self, opened: Opened, prompt: &str) -> anyhow::Result<()> {
        match &mut self.form {
            Form::Json(slot) => {
                let translator = Translator::new(opened.thread_id);
                write_event(&translator.thread_started())?;
                *slot = Some(translator);
            }
            Form::Text {
                style, transcript, ..
            } => {
                let mut console = Console::new(io::stderr(), *style);
                introduce(&mut console, &opened)?;
                let mut shown = Transcript::new(console, opened.thread_id, opened.cwd);
                shown.user(prompt)?;
                *transcript = Some(shown);
            }
        }
        Ok(())
    }

    /// Something was heard of the server.
    pub(super) fn heard(&mut self, heard: &Heard) -> anyhow::Result<()> {
        if let Heard::ItemCompleted(completed) = heard
            && let ItemKind::AgentMessage(message) = &completed.item.kind
        {
            self.last_message = Some(message.text.clone());
        }
        match &mut self.form {
            Form::Json(Some(translator)) => {
                for event in translator.events(heard) {
                    write_event(&event)?;
                }
            }
            Form::Text {
                transcript: Some(transcript),
                tokens,
                ..
            } => {
                if let Heard::TokenUsage(updated) = heard {
                    *tokens = Some(updated.token_usage.total.clone());
                }
                transcript.show(heard)?;
            }
            // Nothing is told before there is a thread.
            Form::Json(None)
            | Form::Text {
                transcript: None, ..
            } => {}
        }
        Ok(())
    }

    /// The turn has ended.
    pub(super) fn ended(&mut self, turn: &Turn, outcome: Outcome) -> anyhow::Result<()> {
        if let Form::Text {
            transcript: Some(transcript),
            answer_on_stdout,
            tokens,
            ..
        } = &mut self.form
        {
            match outcome {
                Outcome::Completed => {}
                Outcome::Failed => {
                    let text = turn
                        .error
                        .as_ref()
                        .map_or_else(|| "the turn failed".to_owned(), error_message);
                    transcript.note("failed", Paint::Red, &text)?;
                }
                Outcome::Interrupted => {
                    transcript.note("stopped", Paint::Yellow, "turn interrupted")?;
                }
            }
            if let Some(tokens) = tokens {
                let text = format!(
                    "{} in ({} cached), {} out",
                    tokens.input_tokens, tokens.cached_input_tokens, tokens.output_tokens
                );
                transcript.note("tokens", Paint::Dim, &text)?;
            }
            if outcome == Outcome::Completed
                && *answer_on_stdout
                && let Some(message) = &self.last_message
            {
                writeln!(io::stdout(), "{message}").context("cannot write to standard output")?;
            }
        }
        if outcome == Outcome::Completed
            && let Some(path) = &self.last_message_file
        {
            let message = self.last_message.as_deref().unwrap_or_default();
            std::fs::write(path, message).with_context(|| {
                format!("failed to write the last message to {}", path.display())
            })?;
        }
        Ok(())
    }
}

fn introduce(console: &mut Console<io::Stderr>, opened: &Opened) -> io::Result<()> {
    let sandbox = match &opened.sandbox {
        SandboxPolicy::DangerFullAccess => "none",
        SandboxPolicy::ReadOnly { .. } => "read-only",
        SandboxPolicy::ExternalSandbox { .. } => "external",
        SandboxPolicy::WorkspaceWrite { .. } => "workspace-write",
    };
    let effort = opened
        .effort
        .as_deref()
        .map_or_else(String::new, |effort| format!(", effort {effort}"));
    console.label("loomd", Paint::Dim)?;
    let lines = [
        format!("thread {}", opened.thread_id),
        format!("{} by {}{effort}", opened.model, opened.provider),
        format!("in {}, sandbox {sandbox}", opened.cwd.display()),
    ];
    for line in lines {
        console.kept(&line, Some(Paint::Dim))?;
    }
    Ok(())
}

fn write_event(event: &Event) -> anyhow::Result<()> {
    let mut line = serde_json::to_vec(event).context("an event cannot be encoded")?;
    line.push(b'\n');
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(&line)
        .and_then(|()| stdout.flush())
        .context("cannot write to standard output")
}

/// Nobody is there to be asked.
pub(super) const APPROVAL: (AskForApproval, ApprovalsReviewer) =
    (AskForApproval::Never, ApprovalsReviewer::User);
