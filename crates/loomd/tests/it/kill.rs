//! kill -9 in the middle of things, and what the next server knows of them.

use std::collections::BTreeMap;
use std::time::Duration;

use loomd_base::Dice;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::bench::{Bench, StdioServer, prompt, send_signal};

fn items(turn: &Value, kind: &str) -> Vec<Value> {
    turn["items"]
        .as_array()
        .expect("a turn has items")
        .iter()
        .filter(|item| item["type"] == kind)
        .cloned()
        .collect()
}

/// A server with a thread.
fn with_thread(bench: &Bench) -> (StdioServer, String) {
    let mut server = StdioServer::start(bench);
    let started = server.request("thread/start", json!({}));
    let thread = started["thread"]["id"].as_str().expect("an id").to_owned();
    (server, thread)
}

#[test]
fn a_killed_server_comes_back_with_all_that_its_client_had_seen() {
    let bench = Bench::new();
    let (mut server, thread) = with_thread(&bench);
    let script = prompt(
        "go",
        &json!([
            {"exec": "echo done before the end"},
            {"say": "one two three four five", "deltas": 23, "gate_end": "never"},
        ]),
    );
    let input = json!([{"type": "text", "text": script}]);
    server.request("turn/start", json!({"threadId": thread, "input": input}));
    let mut seen = String::new();
    while !seen.contains("three") {
        let note = server.until(|note| note["method"] == "item/agentMessage/delta");
        seen.push_str(note["params"]["delta"].as_str().expect("a text"));
    }
    send_signal(&server.child, Signal::KILL);
    // What was on its way when the signal came was seen as well.
    while let Some(note) = server.next() {
        if note["method"] == "item/agentMessage/delta" {
            seen.push_str(note["params"]["delta"].as_str().expect("a text"));
        }
    }
    let (_, _killed) = server.end();

    let mut server = StdioServer::start(&bench);
    let resumed = server.request("thread/resume", json!({"threadId": thread}));
    let turns = resumed["thread"]["turns"].as_array().expect("turns");
    assert_eq!(turns.len(), 1);
    assert_eq!(turns[0]["status"], "interrupted");
    let commands = items(&turns[0], "commandExecution");
    assert_eq!(commands[0]["aggregatedOutput"], "done before the end\n");
    let messages = items(&turns[0], "agentMessage");
    let shown = messages[0]["text"].as_str().expect("a text");
    assert!(
        shown.starts_with(&seen),
        "the client saw {seen:?}, the next server shows {shown:?}"
    );
    let input = json!([{"type": "text", "text": "and on"}]);
    server.request("turn/start", json!({"threadId": thread, "input": input}));
    let done = server.until(|note| note["method"] == "turn/completed");
    assert_eq!(done["params"]["turn"]["status"], "completed");
}

/// What a client was told before the server was killed.
#[derive(Default)]
struct Seen {
    /// Turns whose start was answered.
    accepted: Vec<String>,
    /// Items that ended, by their ids.
    ended: BTreeMap<String, Value>,
    /// What was streamed of messages that had not ended.
    streamed: BTreeMap<String, String>,
    /// Turns that ended, with how they did.
    turns: BTreeMap<String, Value>,
}

impl Seen {
    fn take(&mut self, message: &Value) {
        let params = &message["params"];
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        match message["method"].as_str() {
            None => self
                .accepted
                .extend(message["result"]["turn"]["id"].as_str().map(str::to_owned)),
            Some("item/agentMessage/delta") => {
                let streamed = self.streamed.entry(text(&params["itemId"])).or_default();
                streamed.push_str(&text(&params["delta"]));
            }
            Some("item/completed") => {
                let id = text(&params["item"]["id"]);
                self.streamed.remove(&id);
                self.ended.insert(id, params["item"].clone());
            }
            Some("turn/completed") => {
                let turn = &params["turn"];
                self.turns.insert(text(&turn["id"]), turn["status"].clone());
            }
            Some(_) => {}
        }
    }

    /// All of it is in the thread as the next server has it.
    fn check(&self, thread: &Value) {
        let turns = thread["turns"].as_array().expect("turns");
        let known = |id: &str| turns.iter().find(|turn| turn["id"] == id);
        for id in &self.accepted {
            assert!(known(id).is_some(), "turn {id} was accepted and is lost");
        }
        for (id, status) in &self.turns {
            let turn = known(id).unwrap_or_else(|| panic!("turn {id} had ended and is lost"));
            assert_eq!(&turn["status"], status, "turn {id}");
        }
        let items: BTreeMap<&str, &Value> = turns
            .iter()
            .flat_map(|turn| turn["items"].as_array().expect("items"))
            .map(|item| (item["id"].as_str().expect("an id"), item))
            .collect();
        for (id, item) in &self.ended {
            assert_eq!(
                items.get(id.as_str()),
                Some(&item),
                "an item that had ended"
            );
        }
        for (id, streamed) in &self.streamed {
            let item = items.get(id.as_str());
            let shown = item
                .and_then(|item| item["text"].as_str())
                .unwrap_or_default();
            assert!(
                shown.starts_with(streamed),
                "{streamed:?} was seen, {shown:?} is left"
            );
        }
    }
}

/// Servers that are killed one after the other, all on the same thread.
const KILLS: usize = 12;

#[test]
fn at_whatever_moment_it_is_killed_all_that_its_client_saw_is_there() {
    let chosen = std::env::var("LOOMD_KILL_SEED").ok();
    let seed = chosen.map_or(20_261_127, |text| text.parse().expect("a number"));
    println!("seed {seed}");
    let mut dice = Dice::new(seed);
    let bench = Bench::new();
    let (mut server, thread) = with_thread(&bench);
    let script = prompt(
        "go",
        &json!([
            {"think": "hm", "exec": "echo one; sleep 0.02; echo two"},
            {"say": "one two three four five six", "deltas": 27, "delay_ms": 3},
            {"exec": "true"},
            {"say": "and done", "deltas": 8, "delay_ms": 1},
        ]),
    );
    let input = json!([{"type": "text", "text": script}]);
    // A thread is on disk from its first turn on.
    let first = json!([{"type": "text", "text": "first"}]);
    server.request("turn/start", json!({"threadId": thread, "input": first}));
    server.until(|note| note["method"] == "turn/completed");
    let mut seen = Seen::default();
    for kill in 0..KILLS {
        let pid = Pid::from_child(&server.child);
        let delay = Duration::from_micros(u64::try_from(dice.below(260_000)).expect("a delay"));
        let killer = std::thread::spawn(move || {
            std::thread::sleep(delay);
            kill_process(pid, Signal::KILL).unwrap();
        });
        // It may be gone before it reads this, or while it answers.
        let _gone = server.send("turn/start", &json!({"threadId": thread, "input": input}));
        while let Some(message) = server.next() {
            seen.take(&message);
        }
        killer.join().unwrap();
        let (_, _killed) = server.end();

        server = StdioServer::start(&bench);
        let resumed = server.request("thread/resume", json!({"threadId": thread}));
        println!(
            "kill {kill} after {delay:?}: {} items so far",
            seen.ended.len()
        );
        seen.check(&resumed["thread"]);
    }
    assert!(seen.ended.len() > KILLS, "only {} items", seen.ended.len());
}
