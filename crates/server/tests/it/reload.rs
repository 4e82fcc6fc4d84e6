//! thread/revert, thread/rollback, and a resume that changes settings.

use loomd_testkit::{TestClient, TestServer};
use serde_json::{Value, json};

/// The texts of a thread's turns: per turn what was said by either side.
fn said(turns: &Value) -> Vec<Vec<String>> {
    let text = |item: &Value| {
        let text = item.get("text").or_else(|| item["content"][0].get("text"));
        let text = text.and_then(Value::as_str).unwrap_or_default();
        text.lines().next().unwrap_or_default().to_owned()
    };
    let turns = turns.as_array().expect("turns");
    turns
        .iter()
        .map(|turn| {
            turn["items"]
                .as_array()
                .expect("items")
                .iter()
                .map(text)
                .collect()
        })
        .collect()
}

fn statuses(notes: &[Value]) -> Vec<String> {
    notes
        .iter()
        .map(|note| {
            let status = note["params"]["status"]["type"].as_str();
            let method = note["method"].as_str().expect("a method");
            status.unwrap_or(method).to_owned()
        })
        .collect()
}

async fn three_turns(server: &TestServer, client: &mut TestClient) -> (String, Vec<String>) {
    let thread = client.start_thread(&server.work()).await;
    let mut ids = Vec::new();
    for word in ["one", "two", "three"] {
        let script = format!("{word}\n@@ [{{\"say\":\"said {word}\"}}]");
        ids.push(client.start_turn(&thread, &script).await);
        client.note("turn/completed").await;
    }
    client.pending_notes();
    (thread, ids)
}

async fn read(client: &mut TestClient, thread: &str) -> Value {
    let params = json!({"threadId": thread, "includeTurns": true});
    let answer = client.request("thread/read", params).await.expect("read");
    answer["thread"]["turns"].clone()
}

#[tokio::test]
async fn a_revert_takes_back_a_turn_and_all_later_ones_for_good() {
    let mut server = TestServer::new();
    let mut client = server.client().await;
    let mut other = server.client().await;
    let (thread, ids) = three_turns(&server, &mut client).await;
    let revert = |turn: &str| json!({"threadId": thread, "beforeTurnId": turn});

    let error = client
        .request("thread/revert", revert("nope"))
        .await
        .expect_err("no such turn");
    assert_eq!(error["message"], "turn not found: nope");
    let answer = client
        .request("thread/revert", revert(&ids[1]))
        .await
        .expect("reverted");
    assert_eq!(answer["thread"]["turns"], json!([]));
    assert_eq!(answer["thread"]["status"]["type"], "idle");
    assert!(answer["turnsBackwardsCursor"].is_string());
    // Nobody heard of the revert that was refused.
    let heard = statuses(&other.notes_until("thread/reverted").await);
    let told = ["active", "idle", "notLoaded", "idle", "thread/reverted"];
    assert_eq!(heard[heard.len() - told.len()..], told);
    assert_eq!(
        said(&read(&mut client, &thread).await),
        [["one", "said one"]]
    );

    // The subscription was kept, and the model knows nothing of what was taken back.
    let notes = client
        .run_turn(&thread, "four\n@@ [{\"say\":\"said four\"}]")
        .await;
    assert_eq!(notes.last().expect("a note")["method"], "turn/completed");
    let seen = [["one", "said one"], ["four", "said four"]];
    assert_eq!(said(&read(&mut client, &thread).await), seen);
    let usage = notes
        .iter()
        .find(|note| note["method"] == "thread/tokenUsage/updated");
    let total = &usage.expect("tokens")["params"]["tokenUsage"]["total"]["totalTokens"];
    assert_eq!(*total, 2 * 130);

    server.server.shutdown().await;
    server.restart();
    let mut client = server.client().await;
    assert_eq!(said(&read(&mut client, &thread).await), seen);
    let error = client
        .request("thread/revert", revert(&ids[0]))
        .await
        .expect_err("a stored thread is not reverted");
    assert_eq!(error["message"], format!("thread not found: {thread}"));
}

#[tokio::test]
async fn a_revert_in_mid_turn_ends_the_turn_and_its_commands_first() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let (thread, ids) = three_turns(&server, &mut client).await;
    let running = client
        .start_turn(
            &thread,
            "go\n@@ [{\"exec\":\"sleep 300\"},{\"say\":\"never\"}]",
        )
        .await;
    client.note("item/started").await;
    client.note("item/started").await;
    let id = client
        .send(
            "thread/revert",
            json!({"threadId": thread, "beforeTurnId": running}),
        )
        .await;
    // Mail that comes while the thread is rebuilt waits, and is served.
    let read_id = client
        .send("thread/resume", json!({"threadId": thread}))
        .await;
    client.answer(id).await.expect("reverted");
    let resumed = client.answer(read_id).await.expect("resumed");
    assert_eq!(
        resumed["thread"]["turns"].as_array().expect("turns").len(),
        3
    );
    let notes = client.notes_until("thread/reverted").await;
    let methods: Vec<&str> = notes
        .iter()
        .filter(|note| note["method"] != "thread/readState/changed")
        .map(|note| note["method"].as_str().expect("a method"))
        .collect();
    let ended = methods
        .iter()
        .position(|method| *method == "turn/completed");
    let gone = notes
        .iter()
        .filter(|note| note["method"] != "thread/readState/changed")
        .position(|note| note["params"]["status"]["type"] == "notLoaded");
    assert!(ended < gone, "{methods:?}");
    let item = notes
        .iter()
        .find(|note| note["method"] == "item/completed")
        .expect("the command's item completes");
    assert_eq!(item["params"]["item"]["type"], "commandExecution");
    assert_eq!(
        read(&mut client, &thread)
            .await
            .as_array()
            .expect("turns")
            .len(),
        ids.len()
    );
}

#[tokio::test]
async fn an_older_client_rolls_back_from_the_end() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let (thread, _ids) = three_turns(&server, &mut client).await;
    let back = |count: u32| json!({"threadId": thread, "numTurns": count});
    let error = client
        .request("thread/rollback", back(0))
        .await
        .expect_err("none");
    assert_eq!(error["message"], "numTurns must be >= 1");
    let answer = client
        .request("thread/rollback", back(1))
        .await
        .expect("rolled back");
    let left = [["one", "said one"], ["two", "said two"]];
    assert_eq!(said(&answer["thread"]["turns"]), left);
    let usage = client.note("thread/tokenUsage/updated").await;
    assert_eq!(usage["tokenUsage"]["total"]["totalTokens"], 2 * 130);
    let heard: Vec<Value> = client.notes_until("thread/reverted").await;
    assert_eq!(statuses(&heard), ["thread/reverted"]);

    client
        .start_turn(&thread, "go\n@@ [{\"say\":\"x\",\"gate_end\":\"end\"}]")
        .await;
    client.note("turn/started").await;
    let error = client
        .request("thread/rollback", back(1))
        .await
        .expect_err("in mid-turn");
    assert_eq!(
        error["message"],
        "Cannot rollback while a turn is in progress."
    );
    server.open_gate("end");
    client.note("turn/completed").await;
    let answer = client
        .request("thread/rollback", back(99))
        .await
        .expect("rolled back");
    assert_eq!(answer["thread"]["turns"], json!([]));
}

#[tokio::test]
async fn overrides_of_a_resume_count_only_for_a_thread_that_nobody_watches() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let (thread, _ids) = three_turns(&server, &mut client).await;
    let resume = |model: &str| json!({"threadId": thread, "model": model, "excludeTurns": true});
    let unsubscribe = json!({"threadId": thread});

    let watched = client
        .request("thread/resume", resume("other"))
        .await
        .expect("resumed");
    assert_eq!(watched["model"], "offline");
    client
        .request("thread/unsubscribe", unsubscribe.clone())
        .await
        .expect("unsubscribed");
    client.pending_notes();
    let unwatched = client
        .request("thread/resume", resume("other"))
        .await
        .expect("resumed");
    assert_eq!(unwatched["model"], "other");
    let heard = client.notes_until("thread/goal/cleared").await;
    let heard = statuses(&heard);
    let told = [
        "notLoaded",
        "warning",
        "idle",
        "thread/tokenUsage/updated",
        "thread/goal/cleared",
    ];
    assert_eq!(heard, told);
    // What does not differ changes nothing.
    client
        .request("thread/unsubscribe", unsubscribe.clone())
        .await
        .expect("unsubscribed");
    client
        .request("thread/resume", resume("other"))
        .await
        .expect("resumed");
    let heard = client.notes_until("thread/goal/cleared").await;
    assert!(
        !statuses(&heard).contains(&"notLoaded".to_owned()),
        "{heard:?}"
    );
    let notes = client.run_turn(&thread, "four").await;
    assert_eq!(notes.last().expect("a note")["method"], "turn/completed");
    assert_eq!(
        read(&mut client, &thread)
            .await
            .as_array()
            .expect("turns")
            .len(),
        4
    );

    // A thread that cannot be rebuilt is not left half alive, and can be loaded again.
    client
        .request("thread/unsubscribe", unsubscribe)
        .await
        .expect("unsubscribed");
    let bad = json!({"threadId": thread, "modelProvider": "nope", "excludeTurns": true});
    client
        .request("thread/resume", bad)
        .await
        .expect_err("no such provider");
    let error = client
        .request("turn/start", json!({"threadId": thread, "input": []}))
        .await
        .expect_err("not loaded");
    assert_eq!(error["message"], format!("thread not found: {thread}"));
    client
        .request("thread/resume", json!({"threadId": thread}))
        .await
        .expect("loaded again");
}
