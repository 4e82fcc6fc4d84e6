//! `loomd app-server` on stdin and stdout: how it ends.

use std::fs;
use std::os::unix::process::ExitStatusExt;

use rustix::process::Signal;
use serde_json::json;

use crate::bench::{Bench, StdioServer, fifo, prompt, send_signal};

#[test]
fn answers_and_ends_with_0_at_the_end_of_input() {
    let bench = Bench::new();
    let mut server = StdioServer::start(&bench);
    server.close_input();
    let (_, status) = server.end();
    assert_eq!(status.code(), Some(0));
}

#[test]
fn ends_with_0_on_sigterm() {
    let bench = Bench::new();
    let server = StdioServer::start(&bench);
    send_signal(&server.child, Signal::TERM);
    let (_, status) = server.end();
    assert_eq!(status.code(), Some(0));
}

#[test]
fn sigint_and_sighup_kill_it_as_they_do_by_default() {
    for signal in [Signal::INT, Signal::HUP] {
        let bench = Bench::new();
        let server = StdioServer::start(&bench);
        send_signal(&server.child, signal);
        let (_, status) = server.end();
        assert_eq!(status.signal(), Some(signal.as_raw()));
    }
}

#[test]
fn the_end_of_input_cuts_a_turn_and_ends_its_command() {
    let bench = Bench::new();
    let pipe = fifo(&bench, "alive");
    let mut server = StdioServer::start(&bench);
    // The command holds the pipe open for writing until it is gone.
    server.start_command("exec 3> alive; sleep 1000");
    let held = fs::File::open(&pipe).unwrap();
    server.close_input();
    let (_, status) = server.end();
    assert_eq!(status.code(), Some(0));
    // Reading ends when the last writer is gone, so this waits for just that.
    assert_eq!(std::io::read_to_string(held).unwrap(), "");
}

#[test]
fn what_was_seen_is_in_the_rollout_when_the_process_has_ended() {
    let bench = Bench::new();
    let mut server = StdioServer::start(&bench);
    let started = server.request("thread/start", json!({}));
    let thread = started["thread"]["id"].as_str().unwrap().to_owned();
    let text = prompt("greet", &json!([{"say": "kept for good"}]));
    server.request(
        "turn/start",
        json!({"threadId": thread, "input": [{"type": "text", "text": text}]}),
    );
    server.until(|message| message["method"] == "turn/completed");
    server.close_input();
    send_signal(&server.child, Signal::TERM);
    let (_, status) = server.end();
    assert_eq!(status.code(), Some(0));
    assert!(bench.rollouts().contains("kept for good"));

    let mut again = StdioServer::start(&bench);
    let resumed = again.request("thread/resume", json!({"threadId": thread}));
    assert_eq!(resumed["thread"]["turns"].as_array().unwrap().len(), 1);
}
