//! `exec_command` and `write_stdin`: commands in a shell, with or without a terminal,
//! that may outlive the call and the turn that started them.
//!
//! A call is checked here and handed to the [`driver`] of its command, which owns the
//! process from then on. A command that only calls `apply_patch` becomes a patch and
//! never reaches a shell.

pub(crate) mod actions;
mod admission;
pub(crate) mod buffer;
pub(crate) mod driver;
pub(crate) mod env;
mod guardian;
mod item;
mod launcher;
pub(crate) mod orphans;
pub(crate) mod params;
pub(crate) mod process;
mod shell;
mod stat;
pub(crate) mod streams;
pub(crate) mod sweep;
mod sys;
pub(crate) mod tag;
pub(crate) mod text;
mod work;

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::Duration;

use loomd_events::ToolEvent;
use loomd_protocol::CommandExecutionSource;
use tokio::sync::mpsc;

use self::admission::{Admission, Applicant, admit};
use self::driver::{Driver, Input, REQUESTS_MAX, Request};
use self::item::CommandItem;
use self::params::{ExecParams, WriteParams};
use self::process::{Process, Program};
use self::streams::{Streams, TerminalSize};
use self::text::{OutputLimit, Report, State};
use crate::call::Call;
use crate::confine::{Confinement, network_variable};
use crate::gate;
use crate::patch::plan::absolute;
use crate::patch::{PatchCall, heredoc};
use crate::registry::{CommandState, NewCommand};
use crate::shared::Shared;

pub(crate) use self::work::as_io as sandbox_error;

/// Starts a command that belongs to the server itself.
///
/// # Errors
/// What the system says.
pub(crate) async fn launch(command: Command) -> io::Result<Child> {
    launcher::launch(command, false).await
}

/// What a model reads that typed a patch where a command belongs.
const BARE_PATCH: &str = "apply_patch verification failed: patch detected without explicit call \
                          to apply_patch. Rerun as [\"apply_patch\", \"<patch>\"]";

/// What a model reads that wants more inside the sandbox for one command.
const MORE_INSIDE: &str = "additional permissions are disabled; where the command needs them, ask \
                           with `require_escalated` and a justification to run it outside of the \
                           sandbox";

/// A command as it will run.
struct Wanted {
    /// What the model or the user wrote.
    script: String,
    /// Where it runs.
    folder: PathBuf,
    /// Shell, flag, script.
    argv: [String; 3],
    /// The same as one quoted line.
    line: String,
    /// Whether it gets a terminal.
    tty: bool,
    /// What confines it, if anything does.
    confinement: Option<Confinement>,
    /// By what it sees that it has no network.
    variable: Option<(OsString, OsString)>,
    /// Whose it is.
    source: CommandExecutionSource,
    /// How long its call waits.
    patience: Duration,
    /// How much output the model gets.
    limit: OutputLimit,
    /// How its call is answered.
    input: Input,
}

/// Runs `exec_command`.
pub(crate) async fn exec_command(call: Call, params: ExecParams) {
    let folder = match params.workdir.as_deref() {
        None | Some("") => call.context.cwd.clone(),
        Some(folder) => absolute(&call.context.cwd, folder),
    };
    if params.wants_more_inside() {
        let refused = gate::refuses_escalation(&call.context.approval_policy);
        return call.answer(refused.unwrap_or(MORE_INSIDE)).await;
    }
    if heredoc::is_bare_patch(&params.cmd) {
        return call.answer(BARE_PATCH).await;
    }
    if let Some(found) = heredoc::recognise(&params.cmd) {
        let folder = absolute(&folder, found.folder.unwrap_or_default());
        return patch_by_shell(call, folder, found.patch).await;
    }
    let shared = Arc::clone(call.shared());
    let shell = shell::choose(
        &shared.shell,
        params.shell.as_deref(),
        shared.environment.search_path(),
    );
    let flag = if params.login() { "-lc" } else { "-c" };
    let argv = [
        shell.display().to_string(),
        flag.to_owned(),
        params.cmd.clone(),
    ];
    let line = quoted(&argv);
    let applicant = Applicant {
        params: &params,
        argv: &argv,
        line: &line,
        folder: &folder,
    };
    let place = match Box::pin(admit(&call, &applicant)).await {
        Admission::Runs(place) => place,
        Admission::Refused(text) => return call.answer(text).await,
        Admission::TurnEnds => return,
    };
    let confinement = shared.confinement(&call.context, place);
    let wanted = Wanted {
        script: params.cmd.clone(),
        folder,
        argv,
        line,
        tty: params.tty(),
        variable: network_variable(&call.context.sandbox_policy, confinement.as_ref()),
        confinement,
        source: CommandExecutionSource::UnifiedExecStartup,
        patience: params.patience(),
        limit: shared.output_limit.at_most(params.output_tokens()),
        input: Input::Start,
    };
    start(call, wanted).await;
}

/// Runs a command that the user gave, not the model: without approval and sandbox, in
/// the working folder, for at most `time`.
pub(crate) async fn user_command(call: Call, script: String, time: Duration) {
    let shared = Arc::clone(call.shared());
    let shell = shell::choose(&shared.shell, None, shared.environment.search_path());
    let argv = [
        shell.display().to_string(),
        "-lc".to_owned(),
        script.clone(),
    ];
    let wanted = Wanted {
        folder: call.context.cwd.clone(),
        line: quoted(&argv),
        argv,
        tty: false,
        confinement: None,
        variable: None,
        source: CommandExecutionSource::UserShell,
        patience: time,
        limit: shared.output_limit,
        input: Input::StartForUser(script.clone()),
        script,
    };
    start(call, wanted).await;
}

/// A command's words as one line.
fn quoted(argv: &[String; 3]) -> String {
    shlex::try_join(argv.iter().map(String::as_str))
        .unwrap_or_else(|_| "<command included NUL byte>".to_owned())
}

/// Why something did not run that the user was asked about.
const REJECTED_BY_USER: &str = "rejected by user";

/// Starts a command and drives it to its end.
async fn start(call: Call, wanted: Wanted) {
    let shared = Arc::clone(call.shared());
    let Wanted {
        script,
        folder,
        argv,
        line,
        tty,
        confinement,
        variable,
        source,
        patience,
        limit,
        input,
    } = wanted;
    let is_free = confinement
        .as_ref()
        .is_none_or(|confinement| confinement.bounds.is_open());
    let begun = shared.clock.now();
    let mut item = CommandItem::new(call.id(), &line, &script, &folder, begun, source);
    let program = Program {
        argv: argv.iter().map(OsString::from).collect(),
        folder: folder.clone(),
        environment: environment(&shared, call.id(), variable),
        streams: if tty {
            Streams::Terminal(TerminalSize::default())
        } else {
            Streams::Merged
        },
        confinement,
        tag: shared.owner.next(),
    };
    let process = match Process::start(program).await {
        Ok(process) => process,
        Err(error) => return not_started(call, &item, &error).await,
    };
    let (requests, queue) = mpsc::channel(REQUESTS_MAX);
    let new = NewCommand {
        call: call.serial(),
        item_id: call.id().to_owned(),
        script,
        folder,
        state: CommandState::Running {
            group: Arc::clone(process.group()),
            requests,
            tty,
        },
    };
    let added = shared.registry().add(new, || shared.random());
    let Some((session, pruned)) = added else {
        // The turn was interrupted meanwhile; dropping the process ends it.
        return;
    };
    if let Some(pruned) = pruned {
        pruned.end();
    }
    if source != CommandExecutionSource::UserShell {
        item.set_session(session);
    }
    let first = Request {
        input,
        patience,
        limit,
        call,
    };
    let driver = Driver::new(process, queue, session, item, &first.call);
    driver.run(first).await;
    if is_free {
        shared.sandbox.unconfined_ran();
    }
}

/// Tells that a command could not be started.
async fn not_started(call: Call, item: &CommandItem, error: &std::io::Error) {
    let reason = format!("Failed to create unified exec process: {error}");
    let now = call.shared().clock.now();
    let sink = call.sink().clone();
    sink.send(ToolEvent::ItemStarted(item.started())).await;
    let completed = item.completed(now, -1, reason.clone());
    sink.send(ToolEvent::ItemCompleted(completed)).await;
    call.answer(rejected(&reason)).await;
}

/// The text for a command that did not come to run.
pub(crate) fn rejected(reason: &str) -> String {
    let rejection = format!("Rejected({reason:?})");
    format!("exec_command failed: CreateProcess {{ message: {rejection:?} }}")
}

async fn patch_by_shell(call: Call, folder: PathBuf, patch: String) {
    let clock = Arc::clone(&call.shared().clock);
    let begun = clock.now().mono;
    let text = match apply_patch(&call, folder, patch).await {
        None => return,
        Some(Ok(text)) => {
            let waited = clock.now().mono.saturating_sub(begun).as_secs_f64();
            format!("Wall time: {waited:.4} seconds\nOutput:\n{text}")
        }
        Some(Err(text)) => text,
    };
    call.answer(text).await;
}

/// Runs a patch in `folder`; the text for the model, `Err` if it was refused. `None` when
/// the call is not to be answered, because the turn ends.
pub(crate) async fn apply_patch(
    call: &Call,
    folder: PathBuf,
    patch: String,
) -> Option<Result<String, String>> {
    let patch = PatchCall {
        patch,
        folder,
        turn_folder: call.context.cwd.clone(),
    };
    call.shared().patcher.run(call, patch).await
}

fn environment(
    shared: &Shared,
    call_id: &str,
    variable: Option<(OsString, OsString)>,
) -> Vec<(OsString, OsString)> {
    let own = [
        ("CODEX_SESSION_ID", shared.session_id.to_string()),
        ("CODEX_THREAD_ID", shared.thread_id.to_string()),
        ("CODEX_TOOL_CALL_ID", call_id.to_owned()),
        ("CODEX_VERSION", shared.version.to_string()),
    ];
    shared
        .environment
        .variables()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .chain(own.map(|(name, value)| (name.into(), value.into())))
        .chain(variable)
        .collect()
}

/// Runs `write_stdin`.
pub(crate) async fn write_stdin(call: Call, params: WriteParams) {
    let session = params.session_id;
    let shared = Arc::clone(call.shared());
    let limit = shared.output_limit.at_most(params.output_tokens());
    let found = {
        let mut registry = shared.registry();
        match registry.command(session).map(|command| &command.state) {
            None => Found::Nothing,
            Some(CommandState::Running { requests, tty, .. }) => Found::Running {
                requests: requests.clone(),
                tty: *tty,
            },
            Some(CommandState::Ended { .. }) => registry
                .remove(session)
                .map_or(Found::Nothing, |command| Found::ended(command.state)),
        }
    };
    match found {
        Found::Nothing => {
            call.answer(format!("write_stdin failed: Unknown process id {session}"))
                .await;
        }
        Found::Ended { code, unread } => {
            let text = Report {
                chunk_id: &chunk_id(&shared),
                waited: Duration::ZERO,
                state: State::Exited(code),
                output: &unread,
                limit,
            }
            .render();
            call.answer(text).await;
        }
        Found::Running { requests, tty } => {
            let chars = params.chars().to_owned();
            let input = match (tty, chars.as_str()) {
                (true, _) | (false, "") => Input::Write(chars),
                (false, "\u{3}") => Input::Interrupt(chars),
                (false, _) => return call.answer(STDIN_CLOSED).await,
            };
            let request = Request {
                call,
                input,
                patience: params.patience(),
                limit,
            };
            if let Err(mpsc::error::SendError(request)) = requests.send(request).await {
                // The command ended in this moment, and its rest is in the registry.
                Box::pin(write_stdin(request.call, params)).await;
            }
        }
    }
}

const STDIN_CLOSED: &str = "write_stdin failed: stdin is closed for this session; rerun \
                            exec_command with tty=true to keep stdin open";

/// What a session id stands for.
enum Found {
    Nothing,
    Running {
        requests: mpsc::Sender<Request>,
        tty: bool,
    },
    Ended {
        code: i32,
        unread: buffer::HeadTail,
    },
}

impl Found {
    fn ended(state: CommandState) -> Self {
        match state {
            CommandState::Ended { code, unread } => Self::Ended { code, unread },
            CommandState::Running { .. } => Self::Nothing,
        }
    }
}

/// Six hex digits that name one piece of output.
fn chunk_id(shared: &Shared) -> String {
    format!("{:06x}", shared.random() & 0x00FF_FFFF)
}
