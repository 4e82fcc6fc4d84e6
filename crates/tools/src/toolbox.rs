//! The toolbox of one loaded thread.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use loomd_base::{Clock, IdSource, ThreadId, tasks};
use loomd_events::{AskKey, AskOutcome, ToolCall, ToolContext, ToolEvent, ToolPayload};
use loomd_execpolicy::RuleStore;
use loomd_protocol::ThreadItem;
use loomd_sandbox::Sandbox;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::call::{Call, Earlier};
use crate::exec::driver::END_GRACE;
use crate::exec::env::ShellEnvironment;
use crate::exec::sweep;
use crate::exec::text::OutputLimit;
use crate::grants::Grants;
use crate::shared::Shared;
use crate::sink::TurnEvent;
use crate::specs::{self, Offer};
use crate::{exec, image, permissions, update_plan, user_input};

/// How long [`Toolbox::shutdown`] takes at most: the time until the last command is
/// killed, and as much again for it to be reaped.
pub const SHUTDOWN_TIME_MAX: Duration = END_GRACE.saturating_mul(3);

/// What a toolbox needs to know.
pub struct ToolboxOptions {
    /// The thread.
    pub thread_id: ThreadId,
    /// The root thread.
    pub session_id: ThreadId,
    /// The version that commands see as `CODEX_VERSION`.
    pub version: Arc<str>,
    /// The user's shell; one that is not bash, zsh or sh is replaced by `/bin/sh`.
    pub shell: PathBuf,
    /// What commands inherit.
    pub environment: Arc<ShellEnvironment>,
    /// How much output of one call the model gets at most, whatever it asks for.
    pub model_output_limit: OutputLimit,
    /// Which of the optional tools the model is told about.
    pub offer: Offer,
    /// The server's home folder, which nothing confined may write.
    pub home: Arc<Path>,
    /// Confines what must be confined.
    pub sandbox: Arc<Sandbox>,
    /// The rules about commands.
    pub rules: Arc<RuleStore>,
    /// The configuration folders of a trusted project, whose rules count too.
    pub rule_folders: Arc<[PathBuf]>,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// Where random numbers come from.
    pub ids: Arc<dyn IdSource>,
}

/// A command that outlives its turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackgroundTerminal {
    /// Its item.
    pub item_id: String,
    /// Its session id.
    pub process_id: String,
    /// What the model wrote, without the shell around it.
    pub command: String,
    /// Where it runs.
    pub cwd: PathBuf,
    /// Its process id.
    pub os_pid: u32,
}

/// Runs the tool calls of one loaded thread and owns the commands they start.
///
/// Idle, it has no task, thread or descriptor. Dropped, it kills what it started.
pub struct Toolbox {
    shared: Arc<Shared>,
    offer: Offer,
}

impl Toolbox {
    /// A toolbox that tells everything on `events`. A full channel holds the tools up
    /// (and through their pipes the commands), it loses nothing.
    #[must_use]
    pub fn new(options: ToolboxOptions, events: mpsc::Sender<TurnEvent>) -> Self {
        let offer = options.offer;
        Self {
            shared: Arc::new(Shared::new(options, events)),
            offer,
        }
    }

    /// The specifications of the offered tools: a JSON array as the model API wants it.
    /// A call of a tool that is not offered is answered all the same, but for those that
    /// [`Offer`] says are not known then.
    #[must_use]
    pub fn specs(&self) -> Arc<RawValue> {
        specs::specs(self.offer)
    }

    /// Starts a call. Never waits; everything comes as events, and one
    /// [`ToolEvent::Finished`] unless the call is cancelled. After a shutdown nothing
    /// happens.
    pub fn start(&self, context: Arc<ToolContext>, call: ToolCall) {
        if let Some(handle) = Call::begin(&self.shared, context, &call, None) {
            tasks::spawn(tasks::Kind::Tool, run(handle, call, self.offer));
        }
    }

    /// Starts a call anew that had asked before the server was started, and whose question
    /// was answered since. It is checked as ever, and where it would ask (or now would not
    /// need to) it gets this outcome. `item` is the one that began with the question; the
    /// call ends it if it does not come to run.
    pub fn take_up(
        &self,
        context: Arc<ToolContext>,
        call: ToolCall,
        item: Option<ThreadItem>,
        outcome: AskOutcome,
    ) {
        let earlier = Some(Box::new(Earlier { item, outcome }));
        if let Some(handle) = Call::begin(&self.shared, context, &call, earlier) {
            tasks::spawn(tasks::Kind::Tool, run(handle, call, self.offer));
        }
    }

    /// What the user granted beyond the sandbox: to this turn, and to the thread for as
    /// long as it is loaded.
    #[must_use]
    pub fn grants(&self, turn_id: &str) -> Grants {
        self.shared.registry().grants(turn_id)
    }

    /// Runs a command that the user gave. Like a call of `exec_command`, but for the item's
    /// source: no approval, no sandbox, no session id, and an end after `time`. It is
    /// answered with what the model is to read, under the item's id.
    pub fn start_for_user(
        &self,
        context: Arc<ToolContext>,
        item_id: String,
        script: String,
        time: Duration,
    ) {
        let call = ToolCall {
            call_id: item_id,
            name: "exec_command".to_owned(),
            namespace: None,
            payload: ToolPayload::Function {
                arguments: String::new(),
            },
        };
        if let Some(handle) = Call::begin(&self.shared, context, &call, None) {
            tasks::spawn(tasks::Kind::Tool, exec::user_command(handle, script, time));
        }
    }

    /// Interrupts the calls of a turn: none of them is answered after this returns
    /// (an answer may be in the channel already). A command that the model waits for is
    /// ended, and its item completes as failed with what it printed, as an event that
    /// comes later. A command whose session id the model was told goes on. A patch that
    /// is being written is written to its end.
    pub fn cancel_turn(&self, turn_id: &str) {
        let groups = self.shared.registry().cancel_turn(turn_id);
        for group in groups {
            group.end();
        }
        self.shared.patcher.forget(turn_id);
    }

    /// Hands a call the outcome of what it asked with [`ToolEvent::Ask`]. One that is
    /// cancelled meanwhile gets nothing.
    pub fn settle(&self, key: AskKey, outcome: AskOutcome) {
        self.shared.registry().settle(key, outcome);
    }

    /// Forgets what only the turn needed: its grants, and the files that its diff is made of. To be
    /// called when a turn ended; without it they are kept until the next turn's first
    /// patch.
    pub fn end_turn(&self, turn_id: &str) {
        self.shared.registry().end_grants(turn_id);
        self.shared.patcher.forget(turn_id);
    }

    /// The commands that run and whose session id the model was told.
    #[must_use]
    pub fn background_terminals(&self) -> Vec<BackgroundTerminal> {
        self.shared
            .registry()
            .background()
            .map(|(session, command, group)| BackgroundTerminal {
                item_id: command.item_id.clone(),
                process_id: session.to_string(),
                command: command.script.clone(),
                cwd: command.folder.clone(),
                os_pid: group.pid(),
            })
            .collect()
    }

    /// Ends one of [`Self::background_terminals`]; whether there was such a one. Its
    /// item completes as failed.
    pub fn terminate(&self, process_id: &str) -> bool {
        let Ok(session) = process_id.parse::<i32>() else {
            return false;
        };
        let group = {
            let mut registry = self.shared.registry();
            let found = registry
                .background()
                .find(|(id, ..)| *id == session)
                .map(|(.., group)| Arc::clone(group));
            if found.is_some() {
                registry.remove(session);
            }
            found
        };
        group.inspect(|group| group.end()).is_some()
    }

    /// Ends all of [`Self::background_terminals`].
    pub fn clean(&self) {
        for terminal in self.background_terminals() {
            self.terminate(&terminal.process_id);
        }
    }

    /// Ends everything: no call is answered any more, every command is asked to end,
    /// killed if it does not, and reaped. Takes [`SHUTDOWN_TIME_MAX`] at most and does
    /// not need its events to be read; items complete if there is room for their
    /// events, at the latest shortly behind the end of the future.
    /// The end begins at once; the future waits for it and borrows nothing.
    pub fn shutdown(&self) -> impl Future<Output = ()> + Send + use<> {
        let groups = self.shared.registry().close();
        self.shared.closed.cancel();
        for group in &groups {
            group.end();
        }
        let left = self.shared.owner.retire();
        async move {
            let all_reaped = async {
                for group in &groups {
                    group.reaped().await;
                }
            };
            if timeout(SHUTDOWN_TIME_MAX, all_reaped).await.is_err() {
                tracing::warn!("a command could not be killed in time");
            }
            // What left its session survived its command, but not its thread.
            if let Some(scope) = left {
                let _ = tokio::task::spawn_blocking(move || sweep::kill_all(scope)).await;
            }
        }
    }
}

impl Drop for Toolbox {
    fn drop(&mut self) {
        let groups = self.shared.registry().close();
        self.shared.closed.cancel();
        for group in groups {
            group.kill();
        }
    }
}

/// Runs a call to its answer.
async fn run(handle: Call, call: ToolCall, offer: Offer) {
    let ToolCall {
        call_id: _,
        name,
        namespace,
        payload,
    } = call;
    let name = format!("{}{name}", namespace.unwrap_or_default());
    let arguments = match payload {
        ToolPayload::Custom { input } if name == "apply_patch" => {
            return apply_patch(handle, input).await;
        }
        ToolPayload::Custom { .. } => {
            return handle
                .answer(format!("unsupported custom tool call: {name}"))
                .await;
        }
        ToolPayload::Function { arguments } => arguments,
    };
    match name.as_str() {
        "exec_command" if offer.commands => match parsed(&arguments) {
            Ok(params) => Box::pin(exec::exec_command(handle, params)).await,
            Err(text) => handle.answer(text).await,
        },
        "write_stdin" if offer.commands => match parsed(&arguments) {
            Ok(params) => exec::write_stdin(handle, params).await,
            Err(text) => handle.answer(text).await,
        },
        "apply_patch" => match parsed::<PatchParams>(&arguments) {
            Ok(params) => apply_patch(handle, params.input).await,
            Err(text) => handle.answer(text).await,
        },
        "update_plan" => match parsed::<update_plan::PlanParams>(&arguments) {
            Ok(params) => {
                let event: ToolEvent = params.into();
                handle.sink().send(event).await;
                handle.answer("Plan updated").await;
            }
            Err(text) => handle.answer(text).await,
        },
        "request_user_input" if offer.user_input => match parsed(&arguments) {
            Ok(params) => user_input::request(handle, params).await,
            Err(text) => handle.answer(text).await,
        },
        "request_permissions" if offer.request_permissions => match parsed(&arguments) {
            Ok(params) => permissions::request(handle, params).await,
            Err(text) => handle.answer(text).await,
        },
        "view_image" => match parsed(&arguments) {
            Ok(params) => image::view(handle, params).await,
            Err(text) => handle.answer(text).await,
        },
        _ => handle.answer(format!("unsupported call: {name}")).await,
    }
}

/// Arguments of `apply_patch` as a function tool.
#[derive(serde::Deserialize)]
struct PatchParams {
    input: String,
}

async fn apply_patch(handle: Call, patch: String) {
    let folder = handle.context.cwd.clone();
    if let Some(Ok(text) | Err(text)) = exec::apply_patch(&handle, folder, patch).await {
        handle.answer(text).await;
    }
}

/// The arguments of a function call.
fn parsed<T: DeserializeOwned>(arguments: &str) -> Result<T, String> {
    serde_json::from_str(arguments)
        .map_err(|error| format!("failed to parse function arguments: {error}"))
}
