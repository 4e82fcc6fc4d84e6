//! kill -9 in the middle of a streamed answer, and what the next server knows of it.

use rustix::process::Signal;
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

#[test]
fn a_killed_server_comes_back_with_all_that_its_client_had_seen() {
    let bench = Bench::new();
    let mut server = StdioServer::start(&bench);
    let started = server.request("thread/start", json!({}));
    let thread = started["thread"]["id"].as_str().expect("an id").to_owned();
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
