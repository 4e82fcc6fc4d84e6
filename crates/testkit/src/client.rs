//! A client for tests: talks to an in-process server over memory, checks every message
//! it gets against the reference's schema, and keeps notifications until a test asks.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use loomd_rpc::MemoryClient;
use loomd_server::{Server, ServerService};
use serde_json::{Value, json};

use crate::schema;

/// How long a test waits for a message that must come. Generous: it is only reached
/// when something is wrong.
const PATIENCE: Duration = Duration::from_secs(30);

/// One connection to a server under test.
pub struct TestClient {
    wire: MemoryClient,
    next_id: i64,
    /// Methods of the requests that have no answer yet.
    open: BTreeMap<i64, String>,
    answers: BTreeMap<i64, Result<Value, Value>>,
    notes: VecDeque<Value>,
}

impl TestClient {
    /// Connects and initialises as an experimental client.
    pub async fn connect(server: &Arc<Server>) -> Self {
        let mut client = Self::bare(server);
        let params = json!({
            "clientInfo": {"name": "testkit", "title": null, "version": "1.0"},
            "capabilities": {"experimentalApi": true},
        });
        client
            .request("initialize", params)
            .await
            .expect("initialize is accepted");
        client
    }

    /// Connects without the handshake.
    #[must_use]
    pub fn bare(server: &Arc<Server>) -> Self {
        Self {
            wire: loomd_rpc::memory(Arc::new(ServerService(Arc::clone(server)))),
            next_id: 0,
            open: BTreeMap::new(),
            answers: BTreeMap::new(),
            notes: VecDeque::new(),
        }
    }

    /// Sends a request and returns its id without waiting.
    pub async fn send(&mut self, method: &str, params: Value) -> i64 {
        self.next_id += 1;
        let id = self.next_id;
        let frame = json!({"id": id, "method": method, "params": params});
        self.open.insert(id, method.to_owned());
        self.raw(frame.to_string()).await;
        id
    }

    /// Sends a frame as it is.
    pub async fn raw(&mut self, frame: impl Into<Vec<u8>>) {
        let frame: Vec<u8> = frame.into();
        self.wire
            .send(frame)
            .await
            .expect("the server keeps the connection");
    }

    /// Sends a request and waits for its answer: the result, or the error object.
    ///
    /// # Errors
    /// The server's error object.
    pub async fn request(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        let id = self.send(method, params).await;
        self.answer(id).await
    }

    /// Sends a request that the server must refuse: the code and the text of its error.
    ///
    /// # Panics
    /// When the server accepts it.
    pub async fn refusal(&mut self, method: &str, params: Value) -> (i64, String) {
        let error = self.request(method, params).await.expect_err("a refusal");
        let text = error["message"].as_str().expect("a text");
        (error["code"].as_i64().expect("a code"), text.to_owned())
    }

    /// Waits for the answer to a request that was sent.
    ///
    /// # Errors
    /// The server's error object.
    pub async fn answer(&mut self, id: i64) -> Result<Value, Value> {
        loop {
            if let Some(answer) = self.answers.remove(&id) {
                return answer;
            }
            self.take().await;
        }
    }

    /// Waits for the next notification of a method, passing over others.
    pub async fn note(&mut self, method: &str) -> Value {
        loop {
            while let Some(note) = self.notes.pop_front() {
                if note["method"] == method {
                    return note["params"].clone();
                }
            }
            self.take().await;
        }
    }

    /// Ends this client's subscription of a thread.
    ///
    /// # Panics
    /// When the server refuses, or there was none.
    pub async fn unsubscribe(&mut self, thread: &str) {
        let params = json!({"threadId": thread});
        let answer = self.request("thread/unsubscribe", params).await;
        assert_eq!(
            answer.expect("unsubscribe is answered")["status"],
            "unsubscribed"
        );
    }

    /// Waits for the next notification, whatever it is.
    pub async fn next_note(&mut self) -> Value {
        loop {
            if let Some(note) = self.notes.pop_front() {
                return note;
            }
            self.take().await;
        }
    }

    /// Takes notifications up to and with the first of a method, in order.
    pub async fn notes_until(&mut self, method: &str) -> Vec<Value> {
        let mut seen = Vec::new();
        loop {
            while let Some(note) = self.notes.pop_front() {
                let last = note["method"] == method;
                seen.push(note);
                if last {
                    return seen;
                }
            }
            self.take().await;
        }
    }

    /// Waits for the next request of the server's of a method, passing over whatever else
    /// comes: its id and params.
    pub async fn asked(&mut self, method: &str) -> (i64, Value) {
        loop {
            while let Some(note) = self.notes.pop_front() {
                if note["method"] == method {
                    let id = note["id"].as_i64().expect("requests have integer ids");
                    return (id, note["params"].clone());
                }
            }
            self.take().await;
        }
    }

    /// Answers a request of the server's.
    pub async fn respond(&mut self, id: i64, result: Value) {
        self.raw(json!({"id": id, "result": result}).to_string())
            .await;
    }

    /// Refuses a request of the server's.
    pub async fn refuse(&mut self, id: i64, message: &str) {
        let error = json!({"code": -32000, "message": message});
        self.raw(json!({"id": id, "error": error}).to_string())
            .await;
    }

    /// Closes the connection after everything that was sent, as a client does that
    /// leaves; dropping it is like a client that is killed.
    pub async fn close(self) {
        self.wire.close().await;
    }

    /// Notifications that came and nobody has asked for, without waiting.
    pub fn pending_notes(&mut self) -> Vec<Value> {
        self.notes.drain(..).collect()
    }

    /// Starts a thread in a folder and returns its id.
    pub async fn start_thread(&mut self, cwd: &std::path::Path) -> String {
        let answer = self
            .request("thread/start", json!({ "cwd": cwd }))
            .await
            .expect("thread/start is accepted");
        answer["thread"]["id"]
            .as_str()
            .expect("a thread has an id")
            .to_owned()
    }

    /// Starts a turn with a text and returns its id.
    pub async fn start_turn(&mut self, thread: &str, text: &str) -> String {
        let params = json!({"threadId": thread, "input": [{"type": "text", "text": text}]});
        let answer = self
            .request("turn/start", params)
            .await
            .expect("turn/start is accepted");
        answer["turn"]["id"]
            .as_str()
            .expect("a turn has an id")
            .to_owned()
    }

    /// Runs a turn to its end and returns the notifications it caused.
    pub async fn run_turn(&mut self, thread: &str, text: &str) -> Vec<Value> {
        self.start_turn(thread, text).await;
        self.notes_until("turn/completed").await
    }

    async fn take(&mut self) {
        let frame = tokio::time::timeout(PATIENCE, self.wire.recv())
            .await
            .expect("the server says something in time")
            .expect("the connection stays open");
        let message: Value = serde_json::from_slice(&frame).expect("the server writes JSON");
        if message.get("method").is_some() {
            schema::check_from_server(&message);
            self.notes.push_back(message);
            return;
        }
        let id = message["id"].as_i64().expect("answers carry our ids");
        let method = self
            .open
            .remove(&id)
            .expect("each request is answered once, and only requests are");
        match message.get("error") {
            Some(error) => {
                self.answers.insert(id, Err(error.clone()));
            }
            None => {
                schema::check_result(&method, &message["result"]);
                self.answers.insert(id, Ok(message["result"].clone()));
            }
        }
    }
}
