//! A running server, which several threads ask at once over its standard streams.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::ground::LIMIT;

/// Messages about one thread or command that wait to be read before the server is held up.
const WAITING_MAX: usize = 4096;

/// How long a server may take to end.
const END_LIMIT: Duration = Duration::from_secs(5);

/// What the server is configured with: the model that follows a script.
const CONFIG: &str = "model = \"offline\"\nmodel_provider = \"offline\"\n";

/// A server with a home of its own; it ends when this is dropped.
pub struct Server {
    child: Mutex<Child>,
    id: u32,
    input: Mutex<Option<ChildStdin>>,
    listeners: Arc<Listeners>,
    requests: AtomicU64,
    home: PathBuf,
    _folder: Option<tempfile::TempDir>,
}

/// Who waits for what the server says.
#[derive(Default)]
struct Listeners {
    /// For an answer, by the request's id.
    answers: Mutex<BTreeMap<u64, SyncSender<Value>>>,
    /// For notifications and the server's own requests, by the id of their thread or
    /// command.
    subjects: Mutex<BTreeMap<String, SyncSender<Value>>>,
}

impl Server {
    /// Starts one whose home is a temporary folder.
    ///
    /// # Errors
    /// When the folder cannot be made or the server does not start.
    pub fn start(loomd: &Path) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("hostile-").tempdir()?;
        let mut server = Self::start_at(loomd, folder.path())?;
        server._folder = Some(folder);
        Ok(server)
    }

    /// Starts one in a folder, which is made and stays.
    ///
    /// # Errors
    /// When the folder cannot be made or the server does not start.
    pub fn start_at(loomd: &Path, home: &Path) -> io::Result<Self> {
        fs::create_dir_all(home)?;
        fs::write(home.join("config.toml"), CONFIG)?;
        let mut child = Command::new(loomd)
            .arg("app-server")
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", home)
            .env("CODEX_HOME", home)
            .current_dir(home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let listeners = Arc::new(Listeners::default());
        if let Some(output) = child.stdout.take() {
            let listeners = Arc::clone(&listeners);
            thread::spawn(move || listeners.listen(output));
        }
        let server = Self {
            id: child.id(),
            input: Mutex::new(child.stdin.take()),
            child: Mutex::new(child),
            listeners,
            requests: AtomicU64::new(0),
            home: home.to_owned(),
            _folder: None,
        };
        let client = json!({ "name": "hostile", "version": "1" });
        server.request(
            "initialize",
            json!({ "clientInfo": client, "capabilities": { "experimentalApi": true } }),
        )?;
        Ok(server)
    }

    /// Its process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Its home.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Whether it still runs.
    pub(crate) fn is_alive(&self) -> bool {
        lock(&self.child).try_wait().is_ok_and(|end| end.is_none())
    }

    /// Asks and waits for the answer.
    ///
    /// # Errors
    /// When it refuses, ends, or does not answer in time.
    pub fn request(&self, method: &str, params: Value) -> io::Result<Value> {
        let answer = self.ask(method, params)?.recv_timeout(LIMIT * 2);
        result(method, answer.ok())
    }

    /// Asks; what is given has the answer as a message.
    pub(crate) fn ask(&self, method: &str, params: Value) -> io::Result<Receiver<Value>> {
        let id = self.requests.fetch_add(1, Ordering::Relaxed);
        let (tell, told) = sync_channel(1);
        lock(&self.listeners.answers).insert(id, tell);
        self.write(&json!({ "id": id, "method": method, "params": params }))?;
        Ok(told)
    }

    /// Answers a request of the server.
    pub(crate) fn answer(&self, request: &Value, result: Value) -> io::Result<()> {
        self.write(&json!({ "id": request["id"], "result": result }))
    }

    fn write(&self, message: &Value) -> io::Result<()> {
        match lock(&self.input).as_mut() {
            Some(input) => input.write_all(format!("{message}\n").as_bytes()),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// Has what the server says of a thread or command kept for the one who calls.
    pub(crate) fn listen(&self, subject: &str) -> Receiver<Value> {
        let (tell, told) = sync_channel(WAITING_MAX);
        lock(&self.listeners.subjects).insert(subject.to_owned(), tell);
        told
    }

    /// Ends that.
    pub(crate) fn ignore(&self, subject: &str) {
        lock(&self.listeners.subjects).remove(subject);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        const STEP: Duration = Duration::from_millis(10);
        drop(lock(&self.input).take());
        let mut left = END_LIMIT;
        while self.is_alive() && !left.is_zero() {
            thread::sleep(STEP);
            left = left.saturating_sub(STEP);
        }
        let mut child = lock(&self.child);
        let _ = child.kill();
        let _ = child.wait();
    }
}

impl Listeners {
    /// Hands on what the server says, until its end.
    fn listen(&self, output: ChildStdout) {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let Ok(message) = serde_json::from_str::<Value>(&line) else {
                continue;
            };
            let listener = if message.get("method").is_none() {
                let id = message["id"].as_u64();
                id.and_then(|id| lock(&self.answers).remove(&id))
            } else {
                let params = &message["params"];
                let subject = ["threadId", "processId"]
                    .iter()
                    .find_map(|name| params[*name].as_str());
                subject.and_then(|subject| lock(&self.subjects).get(subject).cloned())
            };
            // One who does not listen any more misses nothing.
            let _ = listener.map(|listener| listener.send(message));
        }
        lock(&self.answers).clear();
        lock(&self.subjects).clear();
    }
}

/// The result in an answer.
pub(crate) fn result(method: &str, answer: Option<Value>) -> io::Result<Value> {
    let Some(mut answer) = answer else {
        return Err(io::Error::other(format!("{method} is not answered")));
    };
    match answer.get_mut("result") {
        Some(result) => Ok(result.take()),
        None => Err(io::Error::other(format!("{method}: {}", answer["error"]))),
    }
}

fn lock<T>(it: &Mutex<T>) -> MutexGuard<'_, T> {
    it.lock().unwrap_or_else(PoisonError::into_inner)
}
