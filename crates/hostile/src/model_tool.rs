//! The tools that a server offers to its model: commands and patches.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use serde_json::{Value, json};

use crate::case::{Case, Script, Step, Way};
use crate::command_exec::{sayable, strings, variables, watched};
use crate::ground::{Ground, LIMIT, argv};
use crate::lab::Lab;
use crate::server::Server;

/// How long the model waits for a command.
const PATIENCE_MS: u64 = 30_000;
/// How long it waits for one that goes on meanwhile: so long that it runs.
const BACKGROUND_MS: u64 = 250;
/// How often a patch is tried in a race.
const TRIES: usize = 60;

/// What a thread may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Terms {
    /// Everything.
    Free,
    /// What the sandbox lets it; nobody is asked for more.
    Never,
    /// The same, and the user says no to everything else.
    Declined,
    /// The same, but the user first allows one patch for the session.
    Granted,
}

/// The tool for commands.
pub struct ModelCommand<'a>(pub &'a Server);

impl Ground for ModelCommand<'_> {
    fn play(&self, lab: &mut Lab, case: &Case, script: Script) -> io::Result<String> {
        sayable(case)?;
        let line = command_line(lab, self.0, script)?;
        let calls = [json!({ "exec": line, "yield_time_ms": PATIENCE_MS })];
        let turn = Turn {
            terms: Terms::Never,
            is_cut: case.way == Way::Killed,
        };
        let output = turn.play(self.0, lab, case, &calls);
        watched(lab, case, self.0, output)
    }
}

/// The tool for patches, with commands between them.
pub struct ModelPatch<'a> {
    /// The server, where a case needs none of its own.
    pub server: &'a Server,
    /// The program, for cases that need one.
    pub loomd: PathBuf,
    /// What the patches may do.
    pub terms: Terms,
}

impl Ground for ModelPatch<'_> {
    fn play(&self, lab: &mut Lab, case: &Case, script: Script) -> io::Result<String> {
        let own = case.home.map(|home| {
            let home: &Path = &lab.top.join(home);
            Server::start_at(&self.loomd, home)
        });
        let own = own.transpose()?;
        let server = own.as_ref().unwrap_or(self.server);
        let calls = match script {
            Script::Turn(steps) => {
                let calls: io::Result<Vec<Vec<Value>>> =
                    steps.iter().map(|it| calls(lab, server, it)).collect();
                calls?.concat()
            }
            Script::Bash(_) | Script::Python(_) => {
                let line = command_line(lab, server, script)?;
                vec![json!({ "exec": line, "yield_time_ms": PATIENCE_MS })]
            }
        };
        let turn = Turn {
            terms: self.terms,
            is_cut: false,
        };
        let output = turn.play(server, lab, case, &calls)?;
        // A patch says nothing itself.
        Ok(format!("began\n{output}"))
    }
}

/// What the model asks for in a step.
fn calls(lab: &Lab, server: &Server, step: &Step) -> io::Result<Vec<Value>> {
    let filled = |text: &str| {
        let mut all = variables(lab, server);
        // A name may be the beginning of another.
        all.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        all.into_iter()
            .fold(text.to_owned(), |text, (name, value)| {
                text.replace(&format!("${name}"), &value)
            })
    };
    let patch = |hunks: &str| {
        let hunks = filled(hunks);
        json!({ "patch": format!("*** Begin Patch\n{hunks}\n*** End Patch") })
    };
    let run = |script, wait: u64| -> io::Result<Value> {
        let line = command_line(lab, server, script)?;
        Ok(json!({ "exec": line, "yield_time_ms": wait }))
    };
    Ok(match step {
        Step::Patch(hunks) => vec![patch(hunks)],
        Step::Patches(hunks) => vec![patch(hunks); TRIES],
        Step::Run(text) => vec![run(Script::Bash(text), PATIENCE_MS)?],
        Step::Start(text) => vec![run(Script::Python(text), BACKGROUND_MS)?],
        Step::Type(folder, line) => {
            vec![json!({
                "exec": filled(line), "workdir": filled(folder), "yield_time_ms": PATIENCE_MS,
            })]
        }
    })
}

/// A script as a line for a shell, with its own environment alone. The text is in a file:
/// the server refuses some command lines by what stands in them, and it is not that which
/// is tried here.
fn command_line(lab: &Lab, server: &Server, script: Script) -> io::Result<String> {
    /// Tells files apart.
    static FILES: AtomicU64 = AtomicU64::new(0);
    let mut argv = strings(argv(script, &lab.nonce)?);
    if let (Script::Bash(_), [_, _, flag, text, _]) = (script, argv.as_mut_slice()) {
        let number = FILES.fetch_add(1, Ordering::Relaxed);
        let file = lab.top.join(format!("attempt{number}"));
        fs::write(&file, text.as_bytes())?;
        "--".clone_into(flag);
        *text = file.to_string_lossy().into_owned();
    }
    let own = variables(lab, server).into_iter();
    let parts = ["/usr/bin/env", "-i"].map(str::to_owned).into_iter();
    let parts = parts.chain(own.map(|(name, value)| format!("{name}={value}")));
    let quoted = parts.chain(argv).map(|part| quoted(&part));
    Ok(quoted.collect::<Vec<String>>().join(" "))
}

fn quoted(part: &str) -> String {
    format!("'{}'", part.replace('\'', r"'\''"))
}

/// One turn in a thread of its own.
struct Turn {
    terms: Terms,
    /// Whether the thread ends once a command said `ready`.
    is_cut: bool,
}

impl Turn {
    /// Has the model make the calls, and gives what commands printed.
    fn play(&self, server: &Server, lab: &Lab, case: &Case, calls: &[Value]) -> io::Result<String> {
        let (sandbox, approval) = match self.terms {
            Terms::Free => ("danger-full-access", "never"),
            Terms::Never => ("workspace-write", "never"),
            Terms::Declined | Terms::Granted => ("workspace-write", "on-request"),
        };
        let started = server.request(
            "thread/start",
            json!({
                "cwd": lab.work, "sandbox": sandbox, "approvalPolicy": approval,
                "config": {
                    "sandbox_workspace_write.exclude_slash_tmp": true,
                    "sandbox_workspace_write.exclude_tmpdir_env_var": true,
                    "sandbox_workspace_write.network_access": case.network,
                    "sandbox_workspace_write.writable_roots": lab.further_roots(),
                },
            }),
        )?;
        let thread = started["thread"]["id"].as_str().unwrap_or_default();
        let notes = server.listen(thread);
        let script = [calls, &[json!({ "say": "so" })]].concat();
        let text = format!("go\n@@ {}", Value::from(script));
        let input = json!([{ "type": "text", "text": text }]);
        let begun = server.request("turn/start", json!({ "threadId": thread, "input": input }));
        let output = begun.and_then(|_| self.follow(server, &notes));
        server.ignore(thread);
        drop(notes);
        let ended = server.request("thread/delete", json!({ "threadId": thread }));
        output.and_then(|output| ended.map(|_| output))
    }

    /// Reads to the end of the turn and of the commands in it.
    fn follow(&self, server: &Server, notes: &Receiver<Value>) -> io::Result<String> {
        /// How long a command may take to end after the turn.
        const REST: Duration = Duration::from_millis(300);
        let (mut open, mut output, mut has_ended) = (BTreeSet::new(), String::new(), false);
        let mut seen = String::new();
        let mut may_grant = self.terms == Terms::Granted;
        while !has_ended || !open.is_empty() {
            let note = notes.recv_timeout(if has_ended { REST } else { LIMIT * 2 });
            let note = match note {
                Ok(note) => note,
                Err(_) if has_ended => break,
                Err(_) => return Err(io::Error::other("the turn does not end")),
            };
            let item = &note["params"]["item"];
            let is_command = item["type"] == "commandExecution";
            let id = item["id"].as_str().unwrap_or_default();
            match note["method"].as_str().unwrap_or_default() {
                "item/started" if is_command => {
                    open.insert(id.to_owned());
                }
                "item/completed" if is_command => {
                    open.remove(id);
                    output.push_str(item["aggregatedOutput"].as_str().unwrap_or_default());
                }
                "item/commandExecution/outputDelta" if self.is_cut => {
                    seen.push_str(note["params"]["delta"].as_str().unwrap_or_default());
                    if seen.contains("ready\n") {
                        return Ok(seen);
                    }
                }
                "item/commandExecution/requestApproval" | "item/fileChange/requestApproval" => {
                    let decision = match std::mem::take(&mut may_grant) {
                        true => "acceptForSession",
                        false => "decline",
                    };
                    server.answer(&note, json!({ "decision": decision }))?;
                }
                "turn/completed" => has_ended = true,
                _ => {}
            }
        }
        Ok(output)
    }
}
