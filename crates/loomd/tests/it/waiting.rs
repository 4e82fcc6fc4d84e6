//! kill -9 while clients are asked: the next server asks again, and the turn goes on.

use std::fs;

use serde_json::{Value, json};

use crate::bench::{Bench, StdioServer, prompt};

pub(crate) const COMMAND: &str = "item/commandExecution/requestApproval";
const PATCH: &str = "item/fileChange/requestApproval";
const INPUT: &str = "item/tool/requestUserInput";
const PERMISSIONS: &str = "item/permissions/requestApproval";

/// A server with a thread that asks about everything, in a turn with these answers.
pub(crate) fn asking(bench: &Bench, answers: &Value, more: Value) -> (StdioServer, String) {
    let mut server = StdioServer::start(bench);
    let started = server.request("thread/start", json!({"approvalPolicy": "untrusted"}));
    let thread = started["thread"]["id"].as_str().unwrap().to_owned();
    let input = json!([{"type": "text", "text": prompt("go", answers)}]);
    let mut params = json!({"threadId": thread, "input": input});
    for (name, value) in more.as_object().into_iter().flatten() {
        params[name] = value.clone();
    }
    server.request("turn/start", params);
    (server, thread)
}

/// The next question, which must be this one: its id and its params.
fn asked(server: &mut StdioServer, method: &str) -> (Value, Value) {
    let question = server.until(|message| message.get("id").is_some());
    assert_eq!(question["method"], method, "{question}");
    (question["id"].clone(), question["params"].clone())
}

pub(crate) fn resumed(server: &mut StdioServer, thread: &str) -> Value {
    server.request("thread/resume", json!({"threadId": thread}))["thread"].clone()
}

/// Another server after a kill, with the thread resumed and waiting.
fn next_server(bench: &Bench, thread: &str, flag: &str) -> StdioServer {
    let mut server = StdioServer::start(bench);
    let resumed = resumed(&mut server, thread);
    let status = json!({"type": "active", "activeFlags": [flag]});
    assert_eq!(resumed["status"], status);
    assert_eq!(resumed["turns"][0]["status"], "inProgress");
    server
}

/// How the turn ended, and how its items had, by their ids.
pub(crate) fn ended(server: &mut StdioServer) -> (Value, Vec<(String, Value)>) {
    let mut items = Vec::new();
    loop {
        let note = server
            .next()
            .expect("the turn's end before that of the output");
        let params = &note["params"];
        if note["method"] == "item/completed" && params["item"].get("status").is_some() {
            let id = params["item"]["id"].as_str().unwrap().to_owned();
            items.push((id, params["item"]["status"].clone()));
        } else if note["method"] == "turn/completed" {
            return (params["turn"]["status"].clone(), items);
        }
    }
}

/// The outputs of calls that the rollouts hold, in order.
fn outputs(bench: &Bench) -> Vec<String> {
    let rollouts = bench.rollouts();
    let lines = rollouts.lines().map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        line["payload"].clone()
    });
    lines
        .filter(|entry| {
            let kind = entry["type"].as_str().unwrap_or_default();
            kind.ends_with("call_output")
        })
        .map(|entry| entry["output"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn an_approval_is_asked_for_again_and_the_command_runs_once() {
    let bench = Bench::new();
    let log = bench.work().join("log");
    let answers = json!([{"exec": "echo ran >> log"}, {"say": "so it is"}]);
    let (mut server, thread) = asking(&bench, &answers, Value::Null);
    let (_, first) = asked(&mut server, COMMAND);
    for _ in 0..2 {
        server.kill();
        server = next_server(&bench, &thread, "waitingOnApproval");
        let (_, again) = asked(&mut server, COMMAND);
        assert_eq!(again, first, "asked again, word for word");
    }
    assert!(!log.exists(), "nothing runs before the answer");
    server.kill();

    server = next_server(&bench, &thread, "waitingOnApproval");
    let (id, _) = asked(&mut server, COMMAND);
    server.respond(&id, &json!({"decision": "accept"}));
    let resolved = server.until(|note| note["method"] == "serverRequest/resolved");
    assert_eq!(resolved["params"]["requestId"], id);
    let item = first["itemId"].as_str().unwrap().to_owned();
    let (status, items) = ended(&mut server);
    assert_eq!(status, "completed");
    assert_eq!(items, [(item, json!("completed"))]);
    assert_eq!(fs::read_to_string(&log).unwrap(), "ran\n");
    let outputs = outputs(&bench);
    assert_eq!(outputs.len(), 1);
    assert!(outputs[0].contains("exited with code 0"), "{outputs:?}");
    server.kill();

    let mut server = StdioServer::start(&bench);
    let thread = resumed(&mut server, &thread);
    assert_eq!(thread["status"]["type"], "idle");
    let turns = thread["turns"].as_array().unwrap();
    assert_eq!(turns.len(), 1);
    assert_eq!(turns[0]["status"], "completed");
    let texts: Vec<&Value> = turns[0]["items"].as_array().unwrap().iter().collect();
    assert_eq!(texts.last().unwrap()["text"], "so it is");
    assert_eq!(fs::read_to_string(&log).unwrap(), "ran\n");
}

#[test]
fn every_answer_counts_after_a_restart_as_before() {
    let patch = "*** Begin Patch\n*** Add File: new\n+text\n*** End Patch";
    for (answer, method, decision, item, turn) in [
        (
            json!({"exec": "touch new"}),
            COMMAND,
            "decline",
            "declined",
            "completed",
        ),
        (
            json!({"exec": "touch new"}),
            COMMAND,
            "cancel",
            "declined",
            "interrupted",
        ),
        (
            json!({"exec": "touch new"}),
            COMMAND,
            "perhaps",
            "failed",
            "completed",
        ),
        (
            json!({"patch": patch}),
            PATCH,
            "decline",
            "declined",
            "completed",
        ),
        (
            json!({"patch": patch}),
            PATCH,
            "accept",
            "completed",
            "completed",
        ),
    ] {
        let bench = Bench::new();
        let (mut server, thread) = asking(&bench, &json!([answer, {"say": "so"}]), Value::Null);
        asked(&mut server, method);
        server.kill();
        let mut server = next_server(&bench, &thread, "waitingOnApproval");
        let (id, _) = asked(&mut server, method);
        server.respond(&id, &json!({"decision": decision}));
        let (status, items) = ended(&mut server);
        assert_eq!(status, turn, "{decision}");
        assert_eq!(items.len(), 1, "{decision}");
        assert_eq!(items[0].1, item, "{decision}");
        let made = bench.work().join("new").exists();
        assert_eq!(made, decision == "accept", "{decision}");
    }
}

#[test]
fn a_patch_that_no_longer_fits_fails_though_it_is_allowed() {
    let bench = Bench::new();
    let file = bench.work().join("f");
    fs::write(&file, "old\n").unwrap();
    let patch = "*** Begin Patch\n*** Update File: f\n@@\n-old\n+new\n*** End Patch";
    let (mut server, thread) = asking(
        &bench,
        &json!([{"patch": patch}, {"say": "so"}]),
        Value::Null,
    );
    asked(&mut server, PATCH);
    server.kill();
    fs::write(&file, "changed by somebody\n").unwrap();
    let mut server = next_server(&bench, &thread, "waitingOnApproval");
    let (id, _) = asked(&mut server, PATCH);
    server.respond(&id, &json!({"decision": "accept"}));
    let (status, items) = ended(&mut server);
    assert_eq!(status, "completed");
    assert_eq!(items[0].1, "failed");
    assert_eq!(fs::read_to_string(&file).unwrap(), "changed by somebody\n");
}

#[test]
fn a_command_that_ran_beside_the_question_is_lost_and_the_model_is_told() {
    let bench = Bench::new();
    let answers = json!([
        {"calls": [{"exec": "echo began; sleep 600"}, {"exec": "echo ran >> log"}]},
        {"say": "so"},
    ]);
    let (mut server, thread) = asking(&bench, &answers, Value::Null);
    let first = asked(&mut server, COMMAND);
    let second = asked(&mut server, COMMAND);
    let is_sleep = |question: &(Value, Value)| {
        let command = question.1["command"].as_str().unwrap();
        command.contains("sleep")
    };
    let (sleeps, waits) = if is_sleep(&first) {
        (first, second)
    } else {
        (second, first)
    };
    server.respond(&sleeps.0, &json!({"decision": "accept"}));
    server.until(|note| note["method"] == "item/commandExecution/outputDelta");
    server.kill();

    let mut server = next_server(&bench, &thread, "waitingOnApproval");
    let (id, again) = asked(&mut server, COMMAND);
    assert_eq!(again, waits.1);
    server.respond(&id, &json!({"decision": "accept"}));
    let (status, items) = ended(&mut server);
    assert_eq!(status, "completed");
    assert_eq!(items.len(), 1, "the lost one had ended before: {items:?}");
    let outputs = outputs(&bench);
    assert_eq!(outputs.len(), 2);
    assert!(
        outputs[0].starts_with("The server was restarted"),
        "{outputs:?}"
    );
    assert!(outputs[1].contains("exited with code 0"), "{outputs:?}");
    let resumed = resumed(&mut server, &thread);
    let lost = resumed["turns"][0]["items"].as_array().unwrap().iter();
    let lost: Vec<&Value> = lost.filter(|item| item["status"] == "failed").collect();
    assert_eq!(lost.len(), 1);
    assert_eq!(lost[0]["aggregatedOutput"], "began\n");
}

#[test]
fn what_was_allowed_and_ran_is_not_asked_for_again() {
    let bench = Bench::new();
    let answers = json!([{"exec": "echo ran >> log; echo began; sleep 600"}, {"say": "so"}]);
    let (mut server, thread) = asking(&bench, &answers, Value::Null);
    asked(&mut server, COMMAND);
    server.kill();
    let mut server = next_server(&bench, &thread, "waitingOnApproval");
    let (id, _) = asked(&mut server, COMMAND);
    server.respond(&id, &json!({"decision": "accept"}));
    server.until(|note| note["method"] == "item/commandExecution/outputDelta");
    server.kill();
    let mut server = StdioServer::start(&bench);
    let resumed = resumed(&mut server, &thread);
    assert_eq!(resumed["status"]["type"], "idle");
    assert_eq!(resumed["turns"][0]["status"], "interrupted");
    let items = resumed["turns"][0]["items"].as_array().unwrap();
    let command = items.last().unwrap();
    assert_eq!(command["status"], "failed");
    assert_eq!(command["aggregatedOutput"], "began\n");
    assert_eq!(
        fs::read_to_string(bench.work().join("log")).unwrap(),
        "ran\n"
    );
}

#[test]
fn questions_of_the_model_to_the_user_are_asked_again() {
    let bench = Bench::new();
    let question = json!({"questions": [{"id": "q", "header": "H", "question": "Which?",
        "options": [{"label": "a", "description": "A"}]}]});
    let plan = json!({"collaborationMode": {"mode": "plan", "settings": {"model": "offline"}}});
    let answers = json!([{"call": ["request_user_input", question]}, {"say": "so"}]);
    let (mut server, thread) = asking(&bench, &answers, plan);
    let (_, first) = asked(&mut server, INPUT);
    server.kill();
    let mut server = next_server(&bench, &thread, "waitingOnUserInput");
    let (id, again) = asked(&mut server, INPUT);
    assert_eq!(again, first);
    let answer = json!({"answers": {"q": {"answers": ["a"]}}});
    server.respond(&id, &answer);
    assert_eq!(ended(&mut server).0, "completed");
    assert_eq!(outputs(&bench), [answer.to_string()]);
}

#[test]
fn permissions_are_asked_for_again() {
    let bench = Bench::new();
    let config = bench.home().join("config.toml");
    let text =
        fs::read_to_string(&config).unwrap() + "[features]\nrequest_permissions_tool = true\n";
    fs::write(&config, text).unwrap();
    let wanted = json!({"reason": "why", "permissions": {"file_system": {"write": ["/opt/x"]}}});
    let answers = json!([{"call": ["request_permissions", wanted]}, {"say": "so"}]);
    let (mut server, thread) = asking(&bench, &answers, Value::Null);
    let (_, first) = asked(&mut server, PERMISSIONS);
    server.kill();
    let mut server = next_server(&bench, &thread, "waitingOnApproval");
    let (id, again) = asked(&mut server, PERMISSIONS);
    assert_eq!(again, first);
    let given = json!({"permissions": {"fileSystem": {"write": ["/opt/x/y", "/etc"]}}});
    server.respond(&id, &given);
    assert_eq!(ended(&mut server).0, "completed");
    let told =
        r#"{"permissions":{"network":null,"file_system":{"write":["/opt/x/y"]}},"scope":"turn"}"#;
    assert_eq!(outputs(&bench), [told]);
}

#[test]
fn the_owner_can_end_what_waits_since_before_a_restart() {
    for end in [
        "turn/interrupt",
        "thread/archive",
        "thread/archive, unseen",
        "thread/delete",
    ] {
        let bench = Bench::new();
        let answers = json!([{"exec": "touch here"}, {"say": "so"}]);
        let (mut server, thread) = asking(&bench, &answers, Value::Null);
        let (_, question) = asked(&mut server, COMMAND);
        server.kill();
        let method = end.split(',').next().unwrap();
        let mut params = json!({"threadId": thread});
        let mut server = if end.contains("unseen") {
            StdioServer::start(&bench)
        } else {
            params["turnId"] = question["turnId"].clone();
            next_server(&bench, &thread, "waitingOnApproval")
        };
        if method != "turn/interrupt" {
            params.as_object_mut().unwrap().remove("turnId");
        }
        server.request(method, params);
        if method == "thread/delete" {
            server.kill();
            assert_eq!(
                fs::read_dir(bench.home().join("loomd/thread_state"))
                    .unwrap()
                    .count(),
                0
            );
            continue;
        }
        if method == "thread/archive" {
            server.request("thread/unarchive", json!({"threadId": thread}));
        }
        server.kill();
        let mut server = StdioServer::start(&bench);
        let resumed = resumed(&mut server, &thread);
        assert_eq!(resumed["status"]["type"], "idle", "{end}");
        assert_eq!(resumed["turns"][0]["status"], "interrupted", "{end}");
        assert!(!bench.work().join("here").exists(), "{end}");
    }
}
