//! A toolbox in a folder of its own, and the events it sends.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use loomd_base::{SystemClock, SystemIds, ThreadId};
use loomd_events::{ToolCall, ToolContext, ToolEvent, ToolOutput, ToolPayload};
use loomd_execpolicy::RuleStore;
use loomd_protocol::{
    AskForApproval, CommandExecutionItem, FileChangeItem, ItemKind, SandboxPolicy, ThreadItem,
};
use loomd_sandbox::Sandbox;
use loomd_tools::{
    EnvironmentPolicy, Offer, OutputLimit, ShellEnvironment, Toolbox, ToolboxOptions, TurnEvent,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::mpsc;
use uuid::Uuid;

/// Room for events; tests that need a full channel ask for less.
const EVENTS: usize = 10_000;

/// An event with the turn of its call.
pub(crate) type Told = (Arc<str>, ToolEvent);

/// A toolbox and all that belongs to it.
pub(crate) struct Tools {
    pub(crate) toolbox: Toolbox,
    pub(crate) events: mpsc::Receiver<TurnEvent>,
    pub(crate) folder: TempDir,
    calls: usize,
    sandbox_policy: SandboxPolicy,
    /// Everything that was received.
    pub(crate) log: Vec<Told>,
}

impl Tools {
    pub(crate) fn new() -> Self {
        Self::with_room(EVENTS)
    }

    pub(crate) fn with_room(room: usize) -> Self {
        let (sender, events) = mpsc::channel(room);
        let folder = tempfile::tempdir().expect("a folder");
        let inherited = std::env::vars_os().chain([
            (OsString::from("A_TOKEN"), OsString::from("t")),
            (OsString::from("TERM"), OsString::from("xterm")),
            // Nobody's login files: they may take their time.
            (OsString::from("HOME"), folder.path().into()),
        ]);
        let environment = ShellEnvironment::new(inherited, &EnvironmentPolicy::default());
        let options = ToolboxOptions {
            thread_id: ThreadId(Uuid::from_u128(1)),
            session_id: ThreadId(Uuid::from_u128(2)),
            version: "0.169.0".into(),
            shell: PathBuf::from("/bin/bash"),
            environment: Arc::new(environment),
            model_output_limit: OutputLimit::Tokens(10_000),
            offer: Offer::all(),
            home: folder.path().join("home").into(),
            sandbox: Arc::new(Sandbox::with_helper(
                env!("CARGO_BIN_EXE_loomd-helper").into(),
                Arc::new(SystemClock::new()),
            )),
            rules: Arc::new(RuleStore::new(&folder.path().join("home"))),
            rule_folders: Arc::default(),
            clock: Arc::new(SystemClock::new()),
            ids: Arc::new(SystemIds::default()),
        };
        Self {
            toolbox: Toolbox::new(options, sender),
            events,
            folder,
            calls: 0,
            sandbox_policy: SandboxPolicy::DangerFullAccess,
            log: Vec::new(),
        }
    }

    /// One whose commands may write its folder alone.
    pub(crate) fn confined() -> Self {
        let mut tools = Self::new();
        tools.sandbox_policy = SandboxPolicy::WorkspaceWrite {
            network_access: false,
            writable_roots: Vec::new(),
            exclude_tmpdir_env_var: true,
            exclude_slash_tmp: true,
        };
        tools
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: &str) {
        std::fs::write(self.path(name), content).expect("written");
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("read")
    }

    pub(crate) fn context(&self, turn: &str, policy: AskForApproval) -> Arc<ToolContext> {
        Arc::new(ToolContext {
            thread_id: ThreadId(Uuid::from_u128(1)),
            session_id: ThreadId(Uuid::from_u128(2)),
            turn_id: turn.into(),
            cwd: self.folder.path().to_owned(),
            approval_policy: policy,
            sandbox_policy: self.sandbox_policy.clone(),
            file_rules: None,
        })
    }

    /// Starts a call in a turn and gives its id.
    pub(crate) fn start_in(&mut self, turn: &str, name: &str, payload: ToolPayload) -> String {
        self.calls += 1;
        let call = ToolCall {
            call_id: format!("call_{}", self.calls),
            name: name.to_owned(),
            namespace: None,
            payload,
        };
        let id = call.call_id.clone();
        self.toolbox
            .start(self.context(turn, AskForApproval::Never), call);
        id
    }

    /// Starts a call that may write its folder alone.
    pub(crate) fn start_confined(&mut self, name: &str, payload: ToolPayload) -> String {
        self.calls += 1;
        let call = ToolCall {
            call_id: format!("call_{}", self.calls),
            name: name.to_owned(),
            namespace: None,
            payload,
        };
        let id = call.call_id.clone();
        let mut context = ToolContext::clone(&self.context("turn", AskForApproval::Never));
        context.sandbox_policy = SandboxPolicy::WorkspaceWrite {
            network_access: false,
            writable_roots: Vec::new(),
            exclude_tmpdir_env_var: true,
            exclude_slash_tmp: true,
        };
        self.toolbox.start(Arc::new(context), call);
        id
    }

    pub(crate) fn start(&mut self, name: &str, arguments: Value) -> String {
        let arguments = arguments.to_string();
        self.start_in("turn", name, ToolPayload::Function { arguments })
    }

    /// Starts a command in a shell that reads no login files.
    pub(crate) fn exec(&mut self, cmd: &str) -> String {
        self.start("exec_command", json!({ "cmd": cmd, "login": false }))
    }

    pub(crate) async fn next(&mut self) -> Told {
        let (turn, event) = self.events.recv().await.expect("the toolbox lives");
        let event = (turn, *event);
        self.log.push(event.clone());
        event
    }

    /// Reads events up to the answer of a call.
    pub(crate) async fn output(&mut self, call: &str) -> ToolOutput {
        loop {
            if let (_, ToolEvent::Finished(output)) = self.next().await
                && output.call_id == call
            {
                return output;
            }
        }
    }

    /// Reads events up to the answer of a call, which is a text.
    pub(crate) async fn text(&mut self, call: &str) -> String {
        let Value::String(text) = self.output(call).await.output else {
            panic!("the answer is a text");
        };
        text
    }

    /// Reads events up to the next answer of a command: the call, and what
    /// [`shown`] makes of it.
    pub(crate) async fn next_answer(&mut self) -> (String, String) {
        loop {
            if let (_, ToolEvent::Finished(output)) = self.next().await {
                let text = output.output.as_str().expect("a text");
                return (output.call_id, shown(text));
            }
        }
    }

    /// Runs a command to its answer and gives that without its head.
    pub(crate) async fn run(&mut self, cmd: &str) -> String {
        let call = self.exec(cmd);
        shown(&self.text(&call).await)
    }

    /// Reads events until an item completed.
    pub(crate) async fn completed(&mut self, item: &str) -> ThreadItem {
        loop {
            if let (_, ToolEvent::ItemCompleted(done)) = self.next().await
                && done.id == item
            {
                return done;
            }
        }
    }

    /// The output deltas of an item so far, joined.
    pub(crate) fn deltas(&self, item: &str) -> String {
        self.log
            .iter()
            .filter_map(|(_, event)| {
                let ToolEvent::OutputDelta { item_id, delta } = event else {
                    return None;
                };
                (item_id == item).then_some(delta.as_str())
            })
            .collect()
    }

    /// The kinds of the events so far.
    pub(crate) fn kinds(&self) -> Vec<&'static str> {
        self.log.iter().map(|(_, event)| kind(event)).collect()
    }
}

pub(crate) fn kind(event: &ToolEvent) -> &'static str {
    match event {
        ToolEvent::ItemStarted(_) => "started",
        ToolEvent::OutputDelta { .. } => "delta",
        ToolEvent::TerminalInteraction { .. } => "interaction",
        ToolEvent::ItemCompleted(_) => "completed",
        ToolEvent::Plan { .. } => "plan",
        ToolEvent::TurnDiff { .. } => "diff",
        ToolEvent::Ask(_) => "ask",
        ToolEvent::TurnCancelled => "cancelled",
        ToolEvent::Finished(_) => "finished",
    }
}

/// What a command's answer says: its state and output.
pub(crate) fn shown(answer: &str) -> String {
    let mut lines = answer.splitn(3, '\n');
    let (Some(chunk), Some(wall), Some(rest)) = (lines.next(), lines.next(), lines.next()) else {
        panic!("no answer of a command: {answer}");
    };
    assert!(
        chunk.starts_with("Chunk ID: ") && chunk.len() == 16,
        "{chunk}"
    );
    assert!(
        wall.starts_with("Wall time: ") && wall.ends_with(" seconds"),
        "{wall}"
    );
    let (state, rest) = rest.split_once('\n').expect("a state");
    let (_, output) = rest.split_once("\nOutput:\n").expect("an output");
    match state.strip_prefix("Process exited with code ") {
        Some(code) => format!("{code}|{output}"),
        None => format!("running|{output}"),
    }
}

/// The session id in a command's answer.
pub(crate) fn session(answer: &str) -> i64 {
    let (_, rest) = answer
        .split_once("Process running with session ID ")
        .unwrap_or_else(|| panic!("the command ended: {answer}"));
    rest.lines()
        .next()
        .and_then(|id| id.parse().ok())
        .expect("a session id")
}

pub(crate) fn command(item: &ThreadItem) -> &CommandExecutionItem {
    let ItemKind::CommandExecution(command) = &item.kind else {
        panic!("a command, not {item:?}");
    };
    command
}

pub(crate) fn file_change(item: &ThreadItem) -> &FileChangeItem {
    let ItemKind::FileChange(change) = &item.kind else {
        panic!("a file change, not {item:?}");
    };
    change
}

/// Whether a process of this id is there, as anything but a zombie.
pub(crate) fn is_alive(pid: u32) -> bool {
    state(pid).is_some_and(|state| state != 'Z')
}

/// Whether all these processes end. They were killed already, but one that is not a
/// child of this process may take a moment to go.
pub(crate) fn all_end(pids: &[u32]) -> bool {
    const LOOKS: usize = 100_000;
    (0..LOOKS).any(|_| {
        std::thread::yield_now();
        !pids.iter().any(|pid| is_alive(*pid))
    })
}

/// The state letter of a process; `None` if there is none.
fn state(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// Those of these processes that are children of this process and not reaped.
pub(crate) fn unreaped(pids: &[u32]) -> Vec<u32> {
    let parent = |pid: u32| -> Option<u32> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
    };
    pids.iter()
        .copied()
        .filter(|pid| parent(*pid) == Some(std::process::id()))
        .collect()
}

/// A named pipe: a command that opens it waits until the test does, and the other way
/// round.
pub(crate) fn fifo(path: &Path) {
    rustix::fs::mknodat(
        rustix::fs::CWD,
        path,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .expect("a fifo");
}

/// Opens a pipe for writing, waiting for its reader, and closes it again.
pub(crate) async fn open_gate(path: PathBuf) {
    tokio::task::spawn_blocking(move || std::fs::write(path, "go\n").expect("opened"))
        .await
        .expect("no panic");
}
