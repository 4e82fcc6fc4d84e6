//! `loomd exec`: its events, its answer, its ends.

use std::fs;
use std::io::{BufRead, BufReader, Write};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::bench::{Bench, code, fifo, prompt, send_signal, stderr, stdout};

const SDK: [&str; 3] = ["exec", "--experimental-json", "--skip-git-repo-check"];

fn events(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn types(events: &[Value]) -> Vec<String> {
    events
        .iter()
        .filter(|event| event["item"]["type"] != "error")
        .map(|event| match event["item"]["type"].as_str() {
            Some(kind) => format!("{} {kind}", event["type"].as_str().unwrap()),
            None => event["type"].as_str().unwrap().to_owned(),
        })
        .collect()
}

#[test]
fn tells_a_turn_as_the_typescript_sdk_reads_it() {
    let bench = Bench::new();
    let answers = json!([{"exec": "echo hello; echo hello > made.txt"}, {"say": "it is written"}]);
    let output = bench.run(&SDK, &prompt("write", &answers));
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
    let events = events(&stdout(&output));
    let expected = [
        "thread.started",
        "turn.started",
        "item.started command_execution",
        "item.completed command_execution",
        "item.completed agent_message",
        "turn.completed",
    ];
    assert_eq!(types(&events), expected);
    let command = &events
        .iter()
        .find(|event| event["type"] == "item.completed" && event["item"]["exit_code"] == 0)
        .expect("a command that went well")["item"];
    assert_eq!(command["aggregated_output"], "hello\n");
    assert_eq!(command["status"], "completed");
    let made = fs::read_to_string(bench.work().join("made.txt")).unwrap();
    assert_eq!(made, "hello\n");
}

#[test]
fn goes_on_with_a_thread_and_adds_up_its_tokens() {
    let bench = Bench::new();
    let answers = json!([{"say": "one", "tokens": [200, 40, 60, 10]}]);
    let first = events(&stdout(&bench.run(&SDK, &prompt("first", &answers))));
    let thread = first[0]["thread_id"].as_str().unwrap();
    let resume = [&SDK[..], &["resume", thread]].concat();
    let second = events(&stdout(&bench.run(&resume, &prompt("second", &answers))));
    assert_eq!(second[0], first[0]);
    let usage = |events: &[Value]| events.last().unwrap()["usage"]["input_tokens"].clone();
    assert_eq!((usage(&first), usage(&second)), (json!(200), json!(400)));

    let last = [&SDK[..], &["resume", "--last"]].concat();
    let third = events(&stdout(&bench.run(&last, &prompt("third", &answers))));
    assert_eq!(third[0], first[0]);
    assert!(bench.rollouts().contains("\"source\":\"exec\""));
}

#[test]
fn prints_the_answer_alone_on_standard_output() {
    let bench = Bench::new();
    let answers = json!([{"exec": "echo noise"}, {"say": "the answer"}]);
    let arguments = [
        "exec",
        "--skip-git-repo-check",
        "-o",
        "last.txt",
        &prompt("ask", &answers),
    ];
    let output = bench.run(&arguments, "");
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
    assert_eq!(stdout(&output), "the answer\n");
    let progress = stderr(&output);
    assert!(progress.contains("| noise"), "{progress}");
    let last = fs::read_to_string(bench.work().join("last.txt")).unwrap();
    assert_eq!(last, "the answer");
}

#[test]
fn a_turn_that_fails_ends_with_1() {
    let bench = Bench::new();
    let answers = json!([{"error": [400, {"error": {"message": "bad thing"}}]}]);
    let output = bench.run(&SDK, &prompt("ask", &answers));
    assert_eq!(code(&output), Some(1));
    let events = events(&stdout(&output));
    let last = events.last().unwrap();
    assert_eq!(last["type"], "turn.failed");
    let message = last["error"]["message"].as_str().unwrap();
    assert!(message.contains("bad thing"), "{message}");
}

#[test]
fn refuses_what_it_cannot_do_before_it_starts() {
    let bench = Bench::new();
    for (arguments, input, expected) in [
        (
            &["exec", "--json"][..],
            "hi",
            "is not inside a Git repository",
        ),
        (&SDK[..], " \n", "No prompt provided via stdin."),
        (
            &["exec", "--skip-git-repo-check", "--cd", "nowhere"],
            "hi",
            "there is no folder",
        ),
        (
            &[
                "exec",
                "--skip-git-repo-check",
                "--output-schema",
                "nowhere",
            ],
            "hi",
            "failed to read output schema file nowhere",
        ),
        (
            &["exec", "--skip-git-repo-check", "resume", "no such name"],
            "hi",
            "there is no thread with the id or name `no such name`",
        ),
    ] {
        let output = bench.run(arguments, input);
        assert_eq!(code(&output), Some(1), "{arguments:?}");
        let text = stderr(&output);
        assert!(text.contains(expected), "{arguments:?}: {text}");
        assert_eq!(stdout(&output), "");
    }
}

#[test]
fn works_inside_a_git_repository_without_a_flag() {
    let bench = Bench::new();
    fs::create_dir(bench.work().join(".git")).unwrap();
    fs::write(bench.work().join(".git/HEAD"), "ref: refs/heads/main\n").unwrap();
    let below = bench.work().join("a/b");
    fs::create_dir_all(&below).unwrap();
    let answers = json!([{"say": "yes"}]);
    let output = bench.run(&["exec", "--cd", "a/b"], &prompt("ask", &answers));
    assert_eq!(stdout(&output), "yes\n", "{}", stderr(&output));
}

#[test]
fn a_signal_ends_the_turn_and_its_command() {
    for (signal, expected) in [(Signal::TERM, 143), (Signal::INT, 1), (Signal::HUP, 129)] {
        let bench = Bench::new();
        let pipe = fifo(&bench, "alive");
        let mut child = bench.command(&SDK).spawn().unwrap();
        // The command holds the pipe open for writing until it is gone.
        let answers = json!([{"exec": "exec 3> alive; sleep 1000"}, {"say": "never said"}]);
        let mut input = child.stdin.take().unwrap();
        input
            .write_all(prompt("wait", &answers).as_bytes())
            .unwrap();
        drop(input);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let started = lines
            .by_ref()
            .map(Result::unwrap)
            .find(|line| line.contains("item.started"));
        assert!(started.is_some());
        let held = fs::File::open(&pipe).unwrap();
        send_signal(&child, signal);
        assert_eq!(child.wait().unwrap().code(), Some(expected));
        assert_eq!(std::io::read_to_string(held).unwrap(), "");
        let rest: Vec<String> = lines.map(Result::unwrap).collect();
        assert!(!rest.iter().any(|line| line.contains("turn.completed")));
        // The thread can be gone on with.
        let again = [&SDK[..], &["resume", "--last"]].concat();
        let output = bench.run(&again, &prompt("go on", &json!([{"say": "back"}])));
        assert_eq!(code(&output), Some(0), "{}", stderr(&output));
    }
}

#[test]
fn threads_lists_what_exec_did_and_doctor_finds_it_whole() {
    let bench = Bench::new();
    let answers = json!([{"say": "yes"}]);
    let output = bench.run(&SDK, &prompt("a first message", &answers));
    let id = events(&stdout(&output))[0]["thread_id"].clone();
    let listed = bench.run(&["threads", "--json"], "");
    let listed = events(&stdout(&listed));
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0]["id"], id);
    assert_eq!(listed[0]["source"], "exec");
    let table = stdout(&bench.run(&["threads"], ""));
    assert!(table.contains("a first message"), "{table}");
    assert!(
        table.lines().all(|line| line.chars().count() <= 80),
        "{table}"
    );
    let doctor = bench.run(&["doctor"], "");
    assert_eq!(code(&doctor), Some(0), "{}", stdout(&doctor));
    assert!(stdout(&doctor).contains("1 stored"), "{}", stdout(&doctor));
}
