//! Turns from start to end, over the wire.

use loomd_testkit::{TestClient, TestServer};
use serde_json::{Value, json};

fn prompt(script: Value) -> String {
    format!("go\n@@ {script}")
}

fn methods(notes: &[Value]) -> Vec<&str> {
    notes
        .iter()
        .filter_map(|note| note["method"].as_str())
        .collect()
}

async fn ready(server: &TestServer) -> (TestClient, String) {
    let mut client = server.client().await;
    let thread = client.start_thread(&server.work()).await;
    client.note("thread/started").await;
    (client, thread)
}

#[tokio::test]
async fn a_plain_turn_is_told_in_the_reference_s_order() {
    let server = TestServer::new();
    let (mut client, thread) = ready(&server).await;
    let notes = client
        .run_turn(
            &thread,
            &prompt(json!([{"say": "one two three", "deltas": 3}])),
        )
        .await;
    assert_eq!(
        methods(&notes),
        [
            "thread/status/changed",
            "turn/started",
            "item/started",
            "item/completed",
            "item/started",
            "item/agentMessage/delta",
            "item/agentMessage/delta",
            "item/agentMessage/delta",
            "item/agentMessage/delta",
            "item/completed",
            "thread/tokenUsage/updated",
            "account/rateLimits/updated",
            "thread/readState/changed",
            "thread/status/changed",
            "turn/completed",
        ]
    );
    let text: String = notes
        .iter()
        .filter(|note| note["method"] == "item/agentMessage/delta")
        .filter_map(|note| note["params"]["delta"].as_str())
        .collect();
    assert_eq!(text, "one two three");
    let turn = &notes.last().expect("a last note")["params"]["turn"];
    assert_eq!(turn["status"], "completed");
    assert_eq!(turn["items"][0]["text"], "one two three");
    assert_eq!(turn["itemsView"], "summary");
}

#[tokio::test]
async fn a_command_and_a_patch_change_files_and_are_told_as_items() {
    let server = TestServer::new();
    let (mut client, thread) = ready(&server).await;
    let script = json!([
        {"exec": "printf hello > made.txt; printf out"},
        {"patch": "*** Begin Patch\n*** Add File: patched.txt\n+one\n*** End Patch"},
        {"plan": [["look", "completed"], ["act", "in_progress"]]},
        {"say": "done"},
    ]);
    let notes = client.run_turn(&thread, &prompt(script)).await;
    let read = |name| std::fs::read_to_string(server.work().join(name)).expect("a file");
    assert_eq!(read("made.txt"), "hello");
    assert_eq!(read("patched.txt"), "one\n");
    let ended: Vec<&Value> = notes
        .iter()
        .filter(|note| note["method"] == "item/completed")
        .map(|note| &note["params"]["item"])
        .collect();
    let kinds: Vec<&str> = ended
        .iter()
        .filter_map(|item| item["type"].as_str())
        .collect();
    assert_eq!(
        kinds,
        [
            "userMessage",
            "commandExecution",
            "fileChange",
            "agentMessage"
        ]
    );
    assert_eq!(ended[1]["aggregatedOutput"], "out");
    assert_eq!(ended[1]["exitCode"], 0);
    assert_eq!(ended[2]["changes"][0]["kind"]["type"], "add");
    assert!(methods(&notes).contains(&"turn/diff/updated"));
    assert!(methods(&notes).contains(&"turn/plan/updated"));
}

#[tokio::test]
async fn an_interrupt_ends_the_turn_and_its_command() {
    let server = TestServer::new();
    let (mut client, thread) = ready(&server).await;
    let script = prompt(json!([{"exec": "echo $$; exec sleep 300"}, {"say": "never"}]));
    let turn = client.start_turn(&thread, &script).await;
    let printed = client.note("item/commandExecution/outputDelta").await;
    let pid = printed["delta"].as_str().expect("a text").trim().to_owned();
    let wrong = json!({"threadId": thread, "turnId": "other"});
    let error = client
        .request("turn/interrupt", wrong)
        .await
        .expect_err("refused");
    assert_eq!(
        error["message"],
        format!("expected active turn id other but found {turn}")
    );
    client
        .request(
            "turn/interrupt",
            json!({"threadId": thread, "turnId": turn}),
        )
        .await
        .expect("answered when the turn has ended");
    let done = client.note("turn/completed").await;
    assert_eq!(done["turn"]["status"], "interrupted");
    let ended = client.note("item/completed").await;
    assert_eq!(ended["item"]["status"], "failed");
    assert_eq!(ended["turnId"], turn);
    assert!(
        !std::path::Path::new("/proc").join(&pid).exists(),
        "the command outlived its turn"
    );
    let late = json!({"threadId": thread, "turnId": turn});
    let error = client
        .request("turn/interrupt", late)
        .await
        .expect_err("refused");
    assert_eq!(error["message"], "no active turn to interrupt");
}

#[tokio::test]
async fn a_steer_joins_the_running_turn() {
    let server = TestServer::new();
    let (mut client, thread) = ready(&server).await;
    let script = prompt(json!([{"exec": "read line < steered; echo $line"}, {"say": "done"}]));
    let fifo = server.work().join("steered");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .expect("mkfifo")
            .success()
    );
    let turn = client.start_turn(&thread, &script).await;
    let steer = json!({
        "threadId": thread, "expectedTurnId": turn, "clientUserMessageId": "mine",
        "input": [{"type": "text", "text": "more"}],
    });
    let answer = client.request("turn/steer", steer).await.expect("accepted");
    assert_eq!(answer["turnId"], turn);
    let again = client.start_turn(&thread, "and more").await;
    assert_eq!(again, turn, "a turn/start while a turn runs steers it");
    tokio::task::spawn_blocking(move || std::fs::write(fifo, "go\n"))
        .await
        .expect("the writer ran")
        .expect("the command reads");
    let notes = client.notes_until("turn/completed").await;
    let users: Vec<&Value> = notes
        .iter()
        .filter(|note| note["method"] == "item/completed")
        .map(|note| &note["params"]["item"])
        .filter(|item| item["type"] == "userMessage")
        .collect();
    assert_eq!(users.len(), 3, "{users:?}");
    assert_eq!(users[1]["clientId"], "mine");
}

#[tokio::test]
async fn a_failing_model_fails_the_turn_and_the_next_one_works() {
    let server = TestServer::new();
    let (mut client, thread) = ready(&server).await;
    let script = prompt(json!([{"error": [400, {"error": {"message": "no"}}]}]));
    let notes = client.run_turn(&thread, &script).await;
    let error = notes
        .iter()
        .find(|note| note["method"] == "error")
        .expect("an error");
    assert_eq!(error["params"]["willRetry"], false);
    let done = notes.last().expect("a last note");
    assert_eq!(done["params"]["turn"]["status"], "failed");
    assert_eq!(done["params"]["turn"]["error"], error["params"]["error"]);
    let again = client.run_turn(&thread, "hello").await;
    assert_eq!(
        again.last().expect("a note")["params"]["turn"]["status"],
        "completed"
    );
}

#[tokio::test]
async fn errors_of_turns_name_what_is_wrong() {
    let server = TestServer::new();
    let (mut client, thread) = ready(&server).await;
    let unknown = "01900000-0000-7000-8000-000000000000";
    let text = json!([{"type": "text", "text": "x"}]);
    for (method, params, expected) in [
        (
            "turn/start",
            json!({"threadId": unknown, "input": []}),
            format!("thread not found: {unknown}"),
        ),
        (
            "turn/steer",
            json!({"threadId": thread, "expectedTurnId": "x", "input": text}),
            "no active turn to steer".to_owned(),
        ),
        (
            "turn/interrupt",
            json!({"threadId": thread, "turnId": "x"}),
            "no active turn to interrupt".to_owned(),
        ),
    ] {
        let error = client.request(method, params).await.expect_err("refused");
        assert_eq!(error["message"], expected);
    }
    let long = "x".repeat(1_048_577);
    let params = json!({"threadId": thread, "input": [{"type": "text", "text": long}]});
    let error = client
        .request("turn/start", params)
        .await
        .expect_err("too long");
    assert_eq!(error["code"], -32602);
    assert_eq!(error["data"]["actual_chars"], 1_048_577);
}
