//! What commands leave behind ends with what they belong to, and nothing stays a zombie.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use crate::bench::{Bench, StdioServer, prompt, send_signal};

/// Starts processes that leave their command's session, one by a double fork and without
/// its environment, and waits until they have.
const LEAVE: &str = "
    setsid sh -c 'echo > $0.up1; exec sleep infinity' NAME &
    setsid -f env -i /bin/sh -c 'trap \"\" TERM HUP; echo > $0.up2; while :; do /bin/sleep 1; done' NAME
    until [ -e NAME.up1 ] && [ -e NAME.up2 ]; do sleep 0.01; done
    i=0; while [ $i -lt 10 ]; do setsid -f true; i=$((i + 1)); done
";

/// The processes of the machine: id, state, parent.
fn processes() -> Vec<(u32, char, u32)> {
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .filter_map(|pid| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let mut fields = stat.rsplit_once(") ")?.1.split(' ');
            let state = fields.next()?.chars().next()?;
            Some((pid, state, fields.next()?.parse().ok()?))
        })
        .collect()
}

/// What runs in the working folder besides the server.
fn left(bench: &Bench, server: u32) -> usize {
    let folder = bench.work().canonicalize().unwrap();
    let here = |pid: u32| {
        std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|folder_of| folder_of == folder)
    };
    let all = processes().into_iter();
    all.filter(|(pid, state, _)| *pid != server && *state != 'Z' && here(*pid))
        .count()
}

fn zombies(server: u32) -> usize {
    let all = processes().into_iter();
    all.filter(|(_, state, parent)| *parent == server && *state == 'Z')
        .count()
}

/// Waits until something is so: what was killed takes a moment to go.
fn until(what: &str, met: impl Fn() -> bool) {
    let waited = (0..3000).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        met()
    });
    assert!(waited, "waited in vain: {what}");
}

/// A server with a thread and a connection that have both left something behind.
fn with_leftovers(bench: &Bench) -> (StdioServer, String) {
    let mut server = StdioServer::start(bench);
    let pid = server.child.id();
    let started = server.request("thread/start", json!({}));
    let thread = started["thread"]["id"].as_str().unwrap().to_owned();
    let script = LEAVE.replace("NAME", "thread");
    let text = prompt("go", &json!([{"exec": script}, {"say": "done"}]));
    let input = json!([{"type": "text", "text": text}]);
    server.request("turn/start", json!({"threadId": thread, "input": input}));
    server.until(|note| note["method"] == "turn/completed");
    let script = LEAVE.replace("NAME", "connection");
    let answer = server.request("command/exec", json!({"command": ["sh", "-c", script]}));
    assert_eq!(answer["exitCode"], 0);
    assert!(left(bench, pid) >= 4);
    until("orphans are reaped", || zombies(pid) == 0);
    (server, thread)
}

#[test]
fn what_a_thread_left_ends_when_it_is_unloaded_and_the_rest_with_the_connection() {
    let bench = Bench::new();
    let (mut server, thread) = with_leftovers(&bench);
    let pid = server.child.id();
    server.request("thread/archive", json!({"threadId": thread}));
    // Of the connection: a sleep, and a loop with a sleep of its own.
    until("the thread's are gone", || left(&bench, pid) <= 3);
    until("what was killed is reaped", || zombies(pid) == 0);
    assert!(
        left(&bench, pid) >= 2,
        "the connection's are not the thread's"
    );
    server.close_input();
    let (_, status) = server.end();
    assert!(status.success());
    assert_eq!(left(&bench, pid), 0);
}

#[test]
fn nothing_survives_a_server_that_is_asked_to_end() {
    let bench = Bench::new();
    let (server, _) = with_leftovers(&bench);
    let pid = server.child.id();
    send_signal(&server.child, Signal::TERM);
    let (_, status) = server.end();
    assert!(status.success());
    assert_eq!(left(&bench, pid), 0);
}

#[test]
fn nothing_survives_a_server_that_is_killed() {
    let bench = Bench::new();
    let (server, _) = with_leftovers(&bench);
    let pid = server.child.id();
    send_signal(&server.child, Signal::KILL);
    let (_, _killed) = server.end();
    until("the guardian ends them", || left(&bench, pid) == 0);
}
