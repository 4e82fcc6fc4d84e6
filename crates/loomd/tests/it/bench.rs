//! A home folder, a folder to work in, and the program started in them.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

const CONFIG: &str = "\
model = \"offline\"
model_provider = \"offline\"
approval_policy = \"never\"
sandbox_mode = \"danger-full-access\"
";

/// A prompt that the offline model answers with `answers`, one after another.
pub(crate) fn prompt(text: &str, answers: &Value) -> String {
    format!("{text}\n@@ {answers}")
}

pub(crate) struct Bench {
    folder: TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["home", "work"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        fs::write(folder.path().join("home/config.toml"), CONFIG).unwrap();
        Self { folder }
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// The program with `arguments`, its streams piped.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_loomd"));
        command
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path())
            .env("LOOMD_HOME", self.home())
            .env("TMPDIR", self.folder.path())
            .current_dir(self.work())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs to the end with `input`.
    pub(crate) fn run(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = self.command(arguments).spawn().unwrap();
        // A program that ends without reading closes the pipe; what it says then matters.
        let _closed = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    /// Text of every rollout, in no order.
    pub(crate) fn rollouts(&self) -> String {
        let mut text = String::new();
        collect(&self.home().join("sessions"), &mut text);
        text
    }
}

fn collect(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, text);
        } else if path.extension().is_some_and(|end| end == "jsonl") {
            *text += &fs::read_to_string(&path).unwrap();
        }
    }
}

pub(crate) fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

pub(crate) fn send_signal(child: &Child, signal: Signal) {
    let pid = Pid::from_child(child);
    kill_process(pid, signal).unwrap();
}

/// A server on stdin and stdout, and a client that has shaken hands.
pub(crate) struct StdioServer {
    pub(crate) child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    next_id: i64,
}

impl StdioServer {
    pub(crate) fn start(bench: &Bench) -> Self {
        let mut child = bench
            .command(&["app-server"])
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut server = Self {
            input: child.stdin.take(),
            output: BufReader::new(child.stdout.take().unwrap()),
            child,
            next_id: 0,
        };
        server.request(
            "initialize",
            json!({"clientInfo": {"name": "test", "version": "1"}, "capabilities": {"experimentalApi": true}}),
        );
        server
    }

    /// Sends a request and gives its id, without waiting for the answer.
    pub(crate) fn send(&mut self, method: &str, params: &Value) -> std::io::Result<i64> {
        let id = self.next_id;
        self.next_id += 1;
        let frame = json!({"id": id, "method": method, "params": params});
        let input = self.input.as_mut().expect("the input is open");
        writeln!(input, "{frame}")?;
        Ok(id)
    }

    pub(crate) fn request(&mut self, method: &str, params: Value) -> Value {
        let id = self.send(method, &params).unwrap();
        loop {
            let message = self.next().expect("an answer before the end of output");
            if message["id"] == id && message.get("method").is_none() {
                assert!(message.get("result").is_some(), "refused: {message}");
                return message["result"].clone();
            }
        }
    }

    /// Answers a request of the server.
    pub(crate) fn respond(&mut self, id: &Value, result: &Value) {
        self.try_respond(id, result).unwrap();
    }

    /// The same for a server that may be gone.
    pub(crate) fn try_respond(&mut self, id: &Value, result: &Value) -> std::io::Result<()> {
        let frame = json!({"id": id, "result": result});
        let input = self.input.as_mut().expect("the input is open");
        writeln!(input, "{frame}")
    }

    /// Kills it with SIGKILL.
    pub(crate) fn kill(self) {
        send_signal(&self.child, Signal::KILL);
        self.end();
    }

    /// The next message; none at the end of output.
    pub(crate) fn next(&mut self) -> Option<Value> {
        let mut line = String::new();
        let length = self.output.read_line(&mut line).unwrap();
        (length > 0).then(|| serde_json::from_str(&line).unwrap())
    }

    /// Reads up to a notification.
    pub(crate) fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let message = self.next().expect("more output");
            if wanted(&message) {
                return message;
            }
        }
    }

    /// Starts a thread with a turn and waits until its command runs.
    pub(crate) fn start_command(&mut self, command: &str) -> String {
        let started = self.request("thread/start", json!({}));
        let thread = started["thread"]["id"].as_str().unwrap().to_owned();
        let text = prompt("wait", &json!([{"exec": command}, {"say": "never said"}]));
        self.request(
            "turn/start",
            json!({"threadId": thread, "input": [{"type": "text", "text": text}]}),
        );
        self.until(|message| {
            message["method"] == "item/started"
                && message["params"]["item"]["type"] == "commandExecution"
        });
        thread
    }

    pub(crate) fn close_input(&mut self) {
        self.input = None;
    }

    /// What is left of the output, and how the process ended.
    pub(crate) fn end(mut self) -> (Vec<Value>, std::process::ExitStatus) {
        let mut rest = Vec::new();
        while let Some(message) = self.next() {
            rest.push(message);
        }
        (rest, self.child.wait().unwrap())
    }
}

/// A named pipe: whoever writes to it waits until it is read, and the other way round.
pub(crate) fn fifo(bench: &Bench, name: &str) -> PathBuf {
    let path = bench.work().join(name);
    let status = Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(status.success());
    path
}
