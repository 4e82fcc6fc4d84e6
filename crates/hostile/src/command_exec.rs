//! A server that is asked for a command, without a thread.

use std::io;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::case::{Case, Oracle, Roots, Script, Way};
use crate::ground::{Ground, LIMIT, argv, unsupported};
use crate::lab::Lab;
use crate::server::{Server, result};

const METHOD: &str = "command/exec";

/// The server's `command/exec`.
pub struct CommandExec<'a>(pub &'a Server);

impl Ground for CommandExec<'_> {
    fn play(&self, lab: &mut Lab, case: &Case, script: Script) -> io::Result<String> {
        sayable(case)?;
        let argv = strings(argv(script, &lab.nonce)?);
        let mut environment: Map<String, Value> = ["HOME", "CODEX_HOME"]
            .map(|name| (name.to_owned(), Value::Null))
            .into_iter()
            .collect();
        environment.extend(
            variables(lab, self.0)
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.into())),
        );
        let mut params = json!({
            "command": argv, "cwd": lab.work, "env": environment,
            "timeoutMs": u64::try_from(LIMIT.as_millis()).unwrap_or(u64::MAX),
            "sandboxPolicy": {
                "type": "workspaceWrite", "writableRoots": lab.further_roots(),
                "networkAccess": case.network, "excludeSlashTmp": true,
                "excludeTmpdirEnvVar": true,
            },
        });
        let output = if case.way == Way::Killed {
            params["processId"] = lab.nonce.as_str().into();
            params["streamStdoutStderr"] = true.into();
            self.until_ready(&lab.nonce, params)
        } else {
            let answer = self.0.request(METHOD, params);
            answer.map(|answer| answer["stdout"].as_str().unwrap_or_default().to_owned())
        };
        watched(lab, case, self.0, output)
    }
}

impl CommandExec<'_> {
    /// Runs a command until it says `ready` or ends; then it is terminated.
    fn until_ready(&self, name: &str, params: Value) -> io::Result<String> {
        const STEP: Duration = Duration::from_millis(10);
        let notes = self.0.listen(name);
        let answer = self.0.ask(METHOD, params)?;
        let mut output = String::new();
        let mut left = LIMIT;
        let ended = loop {
            if let Ok(note) = notes.recv_timeout(STEP) {
                let bytes = note["params"]["deltaBase64"].as_str().unwrap_or_default();
                let bytes = STANDARD.decode(bytes).unwrap_or_default();
                output.push_str(&String::from_utf8_lossy(&bytes));
                if output.contains("ready\n") {
                    break None;
                }
            } else if let Ok(answer) = answer.try_recv() {
                break Some(answer);
            }
            left = left.saturating_sub(STEP);
            if left.is_zero() {
                break None;
            }
        };
        // What floods would hold the server up for as long as nobody reads.
        self.0.ignore(name);
        drop(notes);
        let ended = match ended {
            Some(answer) => Some(answer),
            None => {
                let params = json!({ "processId": name });
                self.0.request("command/exec/terminate", params)?;
                answer.recv_timeout(LIMIT).ok()
            }
        };
        result(METHOD, ended).map(|_| output)
    }
}

/// What the scripts find in their environment, with the server that runs them.
pub(crate) fn variables(lab: &Lab, server: &Server) -> Vec<(&'static str, String)> {
    let own = |(name, value): &(&'static str, String)| match *name {
        "SERVER" => (*name, server.id().to_string()),
        _ => (*name, value.clone()),
    };
    lab.variables.iter().map(own).collect()
}

pub(crate) fn strings(argv: Vec<std::ffi::OsString>) -> Vec<String> {
    argv.iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect()
}

/// Gives the output, and has the lab know if the server was hurt meanwhile.
pub(crate) fn watched(
    lab: &mut Lab,
    case: &Case,
    server: &Server,
    output: io::Result<String>,
) -> io::Result<String> {
    if case.oracle == Oracle::Server && !server.is_alive() {
        lab.is_server_hurt = true;
        return Ok("began\n".to_owned());
    }
    output
}

/// Refuses what no interface of a server can say.
pub(crate) fn sayable(case: &Case) -> io::Result<()> {
    match case.way {
        Way::Plain | Way::Killed => {}
        Way::Terminal => return Err(unsupported("the terminal is the server's own")),
        Way::ReadsOutside | Way::Beside => {
            return Err(unsupported("the server has no such way to run a command"));
        }
    }
    if case.roots == Roots::InTemporary {
        return Err(unsupported("the server's policies have no such root"));
    }
    let then = case.then.map(Script::text).unwrap_or_default();
    let text = format!("{} {} {then}", case.before, case.attempt.text());
    if text.contains("FD_") {
        return Err(unsupported("nobody can leave the server a descriptor"));
    }
    let hidden = ["HIDDEN", "hidden/", "priv", "vault", "a/b/secret"];
    if hidden.iter().any(|name| text.contains(name)) {
        return Err(unsupported("the server's policies hide nothing"));
    }
    if text.contains("kept") {
        return Err(unsupported("the server's policies keep no such folder"));
    }
    Ok(())
}
