//! Subscriptions, resume, unload, archive.

use loomd_testkit::TestServer;
use serde_json::{Value, json};

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

#[tokio::test]
async fn a_stored_thread_resumes_with_all_its_turns_after_a_restart() {
    let mut server = TestServer::new();
    let mut client = server.client().await;
    let thread = client.start_thread(&server.work()).await;
    client
        .run_turn(
            &thread,
            "one\n@@ [{\"think\":\"hm\",\"exec\":\"echo hi\"},{\"say\":\"first\"}]",
        )
        .await;
    client
        .run_turn(&thread, "two\n@@ [{\"say\":\"second\"}]")
        .await;
    let live = client
        .request(
            "thread/read",
            json!({"threadId": thread, "includeTurns": true}),
        )
        .await
        .expect("read");
    server.server.shutdown().await;

    server.restart();
    let mut client = server.client().await;
    let stored = client
        .request(
            "thread/read",
            json!({"threadId": thread, "includeTurns": true}),
        )
        .await
        .expect("read without loading");
    assert_eq!(stored["thread"]["status"]["type"], "notLoaded");
    assert_eq!(stored["thread"]["turns"], live["thread"]["turns"]);
    let loaded = client
        .request("thread/loaded/list", json!({}))
        .await
        .expect("a list");
    assert_eq!(loaded["data"], json!([]));

    let resumed = client
        .request("thread/resume", json!({"threadId": thread}))
        .await
        .expect("resumed");
    assert_eq!(resumed["thread"]["turns"], live["thread"]["turns"]);
    assert_eq!(resumed["thread"]["preview"], live["thread"]["preview"]);
    let usage = client.note("thread/tokenUsage/updated").await;
    assert_eq!(usage["tokenUsage"]["total"]["totalTokens"], 3 * 130);
    let notes = client.run_turn(&thread, "three").await;
    assert_eq!(
        notes.last().expect("a note")["params"]["turn"]["status"],
        "completed"
    );
}

#[tokio::test]
async fn a_second_client_joins_in_mid_turn_without_gap_or_repeat() {
    let server = TestServer::new();
    let mut first = server.client().await;
    let thread = first.start_thread(&server.work()).await;
    let script = "go\n@@ [{\"say\":\"abcdefghij\",\"deltas\":10,\"gate_end\":\"end\"}]";
    first.start_turn(&thread, script).await;
    for _ in 0..4 {
        first.note("item/agentMessage/delta").await;
    }
    let mut second = server.client().await;
    let resumed = second
        .request("thread/resume", json!({"threadId": thread}))
        .await
        .expect("resumed");
    let turns = resumed["thread"]["turns"].as_array().expect("turns");
    assert_eq!(turns.len(), 1);
    assert_eq!(turns[0]["status"], "inProgress");
    let shown = turns[0]["items"]
        .as_array()
        .expect("items")
        .iter()
        .find(|item| item["type"] == "agentMessage")
        .map_or_else(String::new, |item| text(&item["text"]));
    server.open_gate("end");
    let notes = second.notes_until("turn/completed").await;
    let rest: String = notes
        .iter()
        .filter(|note| note["method"] == "item/agentMessage/delta")
        .map(|note| text(&note["params"]["delta"]))
        .collect();
    assert_eq!(shown + &rest, "abcdefghij");
    let other = first.notes_until("turn/completed").await;
    assert_eq!(
        other.last().expect("a note")["params"],
        notes.last().expect("a note")["params"]
    );
}

#[tokio::test]
async fn whoever_joins_while_a_command_runs_is_shown_its_output_from_the_beginning() {
    let server = TestServer::new();
    let mut first = server.client().await;
    let thread = first.start_thread(&server.work()).await;
    let script = "go\n@@ [{\"exec\":\"echo one; until [ -e go ]; do sleep 0.01; done; echo two\"},\
                  {\"say\":\"done\"}]";
    first.start_turn(&thread, script).await;
    let told = first.note("item/commandExecution/outputDelta").await;
    assert_eq!(told["delta"], "one\n");

    let mut second = server.client().await;
    let resumed = second
        .request("thread/resume", json!({"threadId": thread}))
        .await
        .expect("resumed");
    let items = resumed["thread"]["turns"][0]["items"]
        .as_array()
        .expect("items");
    let command = items.last().expect("a command");
    assert_eq!(command["type"], "commandExecution");
    assert_eq!(command["status"], "inProgress");
    assert_eq!(command["aggregatedOutput"], "one\n");
    std::fs::write(server.work().join("go"), "").expect("a file");
    let rest = second.note("item/commandExecution/outputDelta").await;
    assert_eq!(rest["delta"], "two\n");
    let ended = second.note("item/completed").await;
    assert_eq!(ended["item"]["aggregatedOutput"], "one\ntwo\n");
}

#[tokio::test]
async fn unsubscribing_and_leaving_end_what_a_client_is_told() {
    let server = TestServer::new();
    let mut first = server.client().await;
    let mut second = server.client().await;
    let thread = first.start_thread(&server.work()).await;
    first.run_turn(&thread, "hello").await;
    first.pending_notes();
    let id = json!({"threadId": thread});
    for expected in ["unsubscribed", "notSubscribed"] {
        let answer = first
            .request("thread/unsubscribe", id.clone())
            .await
            .expect("never an error");
        assert_eq!(answer["status"], expected);
    }
    let unknown = json!({"threadId": "01900000-0000-7000-8000-000000000000"});
    let answer = first
        .request("thread/unsubscribe", unknown)
        .await
        .expect("never an error");
    assert_eq!(answer["status"], "notLoaded");
    second
        .request(
            "thread/resume",
            json!({"threadId": thread, "excludeTurns": true}),
        )
        .await
        .expect("resumed");
    let notes = second.run_turn(&thread, "hello").await;
    assert!(notes.iter().any(|note| note["method"] == "item/completed"));
    let seen: Vec<Value> = first.pending_notes();
    assert!(
        seen.iter()
            .all(|note| !text(&note["method"]).starts_with("item/")),
        "{seen:?}"
    );
}

#[tokio::test]
async fn an_unwatched_idle_thread_unloads_and_can_be_resumed() {
    let server = TestServer::with_config("thread_unload_delay_secs = 0");
    let mut client = server.client().await;
    let thread = client.start_thread(&server.work()).await;
    client.run_turn(&thread, "hello").await;
    let answer = client
        .request("thread/unsubscribe", json!({"threadId": thread}))
        .await
        .expect("answered before the unload");
    assert_eq!(answer["status"], "unsubscribed");
    let closed = client.notes_until("thread/closed").await;
    let gone = closed.iter().find(|note| {
        note["method"] == "thread/status/changed" && note["params"]["status"]["type"] == "notLoaded"
    });
    assert!(gone.is_some(), "{closed:?}");
    let error = client
        .request("turn/start", json!({"threadId": thread, "input": []}))
        .await
        .expect_err("not loaded");
    assert_eq!(error["message"], format!("thread not found: {thread}"));
    client
        .request("thread/resume", json!({"threadId": thread}))
        .await
        .expect("resumed");
}

#[tokio::test]
async fn archive_ends_a_running_turn_and_unarchive_brings_the_thread_back() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let thread = client.start_thread(&server.work()).await;
    let script = "go\n@@ [{\"exec\":\"sleep 300\"},{\"say\":\"never\"}]";
    client.start_turn(&thread, script).await;
    client.note("item/started").await;
    let id = json!({"threadId": thread});
    client
        .request("thread/archive", id.clone())
        .await
        .expect("archived");
    let done = client.note("turn/completed").await;
    assert_eq!(done["turn"]["status"], "interrupted");
    assert_eq!(client.note("thread/archived").await["threadId"], thread);

    let error = client
        .request("thread/resume", id.clone())
        .await
        .expect_err("archived");
    assert_eq!(
        error["message"],
        format!(
            "session {thread} is archived. Run `codex unarchive {thread}` to unarchive it first."
        )
    );
    let error = client
        .request("thread/archive", id.clone())
        .await
        .expect_err("twice");
    assert_eq!(
        error["message"],
        format!("no rollout found for thread id {thread}")
    );
    let archived = client
        .request("thread/list", json!({"archived": true}))
        .await
        .expect("a list");
    assert_eq!(archived["data"][0]["id"], thread);
    let answer = client
        .request("thread/unarchive", id.clone())
        .await
        .expect("back");
    assert_eq!(answer["thread"]["id"], thread);
    let error = client
        .request("thread/unarchive", id.clone())
        .await
        .expect_err("twice");
    assert_eq!(
        error["message"],
        format!("no archived rollout found for thread id {thread}")
    );
    client.request("thread/resume", id).await.expect("resumed");
}

#[tokio::test]
async fn names_are_trimmed_told_to_all_and_kept() {
    let mut server = TestServer::new();
    let mut client = server.client().await;
    let mut other = server.client().await;
    let thread = client.start_thread(&server.work()).await;
    client.run_turn(&thread, "hello").await;
    let error = client
        .request("thread/name/set", json!({"threadId": thread, "name": "  "}))
        .await
        .expect_err("empty");
    assert_eq!(error["message"], "thread name must not be empty");
    client
        .request(
            "thread/name/set",
            json!({"threadId": thread, "name": " The plan "}),
        )
        .await
        .expect("named");
    assert_eq!(
        other.note("thread/name/updated").await["threadName"],
        "The plan"
    );
    server.server.shutdown().await;
    server.restart();
    let mut client = server.client().await;
    let list = client
        .request("thread/list", json!({}))
        .await
        .expect("a list");
    assert_eq!(list["data"][0]["name"], "The plan");
    client
        .request(
            "thread/name/set",
            json!({"threadId": thread, "name": "stored"}),
        )
        .await
        .expect("stored threads can be named");
    let read = client
        .request("thread/read", json!({"threadId": thread}))
        .await
        .expect("read");
    assert_eq!(read["thread"]["name"], "stored");
}

#[tokio::test]
async fn an_ephemeral_thread_leaves_nothing_on_disk() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let answer = client
        .request(
            "thread/start",
            json!({"cwd": server.work(), "ephemeral": true}),
        )
        .await
        .expect("started");
    let thread = text(&answer["thread"]["id"]);
    assert_eq!(answer["thread"]["path"], Value::Null);
    client.run_turn(&thread, "hello").await;
    assert!(!server.home().join("sessions").exists());
    let error = client
        .request(
            "thread/read",
            json!({"threadId": thread, "includeTurns": true}),
        )
        .await
        .expect_err("no turns");
    assert_eq!(
        error["message"],
        "ephemeral threads do not support includeTurns"
    );
}
