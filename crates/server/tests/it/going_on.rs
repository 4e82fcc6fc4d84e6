//! Turns that no client starts: the queue and goals. And the user's own commands.

use loomd_testkit::{TestClient, TestServer};
use serde_json::{Value, json};

fn input(text: &str) -> Value {
    json!([{"type": "text", "text": text, "text_elements": []}])
}

async fn enqueue(client: &mut TestClient, thread: &str, id: &str) -> String {
    let text = format!("go\n@@ [{{\"say\":\"{id}\"}}]");
    let added = client
        .request(
            "thread/queue/add",
            json!({"threadId": thread, "clientUserMessageId": id, "input": input(&text)}),
        )
        .await
        .expect("added");
    let id = added["queuedSubmission"]["id"].as_str();
    id.expect("an id").to_owned()
}

async fn waiting(client: &mut TestClient, thread: &str) -> Vec<String> {
    let listed = client
        .request("thread/queue/list", json!({"threadId": thread}))
        .await
        .expect("a list");
    let data = listed["data"].as_array().expect("entries");
    data.iter()
        .map(|entry| {
            entry["clientUserMessageId"]
                .as_str()
                .expect("an id")
                .to_owned()
        })
        .collect()
}

/// The thread's rollout, which has what the model is told.
async fn rollout(client: &mut TestClient, thread: &str) -> String {
    let read = client
        .request("thread/read", json!({"threadId": thread}))
        .await
        .expect("read");
    let path = read["thread"]["path"].as_str().expect("a path");
    std::fs::read_to_string(path).expect("a rollout")
}

/// The client's ids of the messages that turns began with, up to so many turns.
async fn turns_begun_with(client: &mut TestClient, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for _ in 0..count {
        for note in client.notes_until("turn/completed").await {
            let item = &note["params"]["item"];
            if note["method"] == "item/completed" && item["type"] == "userMessage" {
                ids.push(item["clientId"].as_str().unwrap_or("none").to_owned());
            }
        }
    }
    ids
}

#[tokio::test]
async fn what_is_queued_becomes_turns_in_order_behind_the_running_one() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let thread = client.start_thread(&server.work()).await;
    client
        .start_turn(&thread, "go\n@@ [{\"say\":\"x\",\"gate_end\":\"end\"}]")
        .await;
    let first = enqueue(&mut client, &thread, "first").await;
    let second = enqueue(&mut client, &thread, "second").await;
    client
        .request(
            "thread/queue/reorder",
            json!({"threadId": thread, "queuedSubmissionIds": [second, first]}),
        )
        .await
        .expect("reordered");
    assert_eq!(waiting(&mut client, &thread).await, ["second", "first"]);
    server.open_gate("end");
    let begun = turns_begun_with(&mut client, 3).await;
    assert_eq!(begun, ["none", "second", "first"]);
    assert!(waiting(&mut client, &thread).await.is_empty());
}

#[tokio::test]
async fn what_waits_survives_a_restart_and_begins_behind_the_resume() {
    let mut server = TestServer::new();
    let mut client = server.client().await;
    let thread = client.start_thread(&server.work()).await;
    client
        .start_turn(&thread, "go\n@@ [{\"say\":\"x\",\"gate_end\":\"never\"}]")
        .await;
    enqueue(&mut client, &thread, "first").await;
    server.server.shutdown().await;
    server.restart();

    let mut client = server.client().await;
    enqueue(&mut client, &thread, "second").await;
    assert_eq!(waiting(&mut client, &thread).await, ["first", "second"]);
    let refused = client
        .request("thread/queue/start", json!({"threadId": thread}))
        .await
        .expect_err("nobody has resumed it");
    assert_eq!(
        refused["message"],
        "resume the thread before starting a queued message"
    );
    client
        .request(
            "thread/resume",
            json!({"threadId": thread, "excludeTurns": true}),
        )
        .await
        .expect("resumed");
    assert_eq!(turns_begun_with(&mut client, 2).await, ["first", "second"]);
    let state = server.home().join("loomd/thread_state");
    let left = std::fs::read_dir(state).expect("a folder").count();
    assert_eq!(left, 0, "nothing is kept of a queue that is empty");
}

#[tokio::test]
async fn what_began_before_a_crash_does_not_begin_again() {
    let mut server = TestServer::new();
    let mut client = server.client().await;
    let thread = client.start_thread(&server.work()).await;
    client
        .start_turn(&thread, "go\n@@ [{\"say\":\"x\",\"gate_end\":\"end\"}]")
        .await;
    enqueue(&mut client, &thread, "once").await;
    let file = server
        .home()
        .join("loomd/thread_state")
        .join(format!("{thread}.json"));
    let before = std::fs::read(&file).expect("what waits is on disk");
    server.open_gate("end");
    assert_eq!(turns_begun_with(&mut client, 2).await, ["none", "once"]);
    server.server.shutdown().await;
    // As if the server had been killed behind the turn's beginning, before it could
    // write that nothing waits any more.
    std::fs::write(&file, before).expect("written");

    server.restart();
    let mut client = server.client().await;
    assert!(waiting(&mut client, &thread).await.is_empty());
}

#[tokio::test]
async fn the_queue_refuses_what_the_reference_refuses() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let unknown = "01990000-0000-7000-8000-00000000dead";
    let thread = client.start_thread(&server.work()).await;
    let ephemeral = client
        .request(
            "thread/start",
            json!({"cwd": server.work(), "ephemeral": true}),
        )
        .await
        .expect("started");
    let ephemeral = ephemeral["thread"]["id"].as_str().expect("an id");
    let add = |thread: &str, input: Value| json!({"threadId": thread, "clientUserMessageId": "m", "input": input});
    let not_there = format!(
        "failed to read thread: invalid thread-store request: no rollout found for thread id {unknown}"
    );
    let keeps_nothing =
        format!("ephemeral thread does not support queued submissions: {ephemeral}");
    for (method, params, code, message) in [
        ("list", json!({"threadId": unknown}), -32603, &*not_there),
        ("add", add(ephemeral, input("x")), -32600, &*keeps_nothing),
        (
            "add",
            add(&thread, json!([])),
            -32600,
            "only user input can be added to the user-message queue",
        ),
        (
            "list",
            json!({"threadId": thread, "cursor": "zz"}),
            -32600,
            "invalid queue pagination cursor: invalid digit found in string",
        ),
        (
            "start",
            json!({"threadId": thread}),
            -32600,
            "queue is empty",
        ),
        (
            "start",
            json!({"threadId": thread, "queuedSubmissionId": "zz"}),
            -32600,
            "queued submission not found: zz",
        ),
    ] {
        let refusal = client
            .refusal(&format!("thread/queue/{method}"), params)
            .await;
        assert_eq!(refusal, (code, message.to_owned()));
    }
}

#[tokio::test]
async fn a_queue_that_is_full_says_so() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let thread = client.start_thread(&server.work()).await;
    client
        .start_turn(&thread, "go\n@@ [{\"say\":\"x\",\"gate_end\":\"never\"}]")
        .await;
    for number in 0..256 {
        enqueue(&mut client, &thread, &number.to_string()).await;
    }
    let params = json!({"threadId": thread, "clientUserMessageId": "m", "input": input("x")});
    let error = client
        .request("thread/queue/add", params)
        .await
        .expect_err("full");
    let message = error["message"].as_str().expect("a text");
    assert!(
        message.starts_with("the queue is full (at most 256"),
        "{message}"
    );
    let page = client
        .request(
            "thread/queue/list",
            json!({"threadId": thread, "cursor": "250"}),
        )
        .await
        .expect("a page");
    assert_eq!(page["data"].as_array().map(Vec::len), Some(6));
    assert_eq!(page["nextCursor"], Value::Null);
}

#[tokio::test]
async fn a_goal_of_the_model_s_is_worked_towards_until_its_budget_is_used() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let thread = client.start_thread(&server.work()).await;
    // A response counts 110 tokens; the one that makes the goal does not count for it.
    let script = "go\n@@ [{\"call\":[\"create_goal\",{\"objective\":\"a < b\",\"token_budget\":200}]},\
                  {\"say\":\"begun\"}]";
    client.start_turn(&thread, script).await;
    let mut used = Vec::new();
    for _ in 0..2 {
        for note in client.notes_until("turn/completed").await {
            if note["method"] == "thread/goal/updated" {
                let goal = &note["params"]["goal"];
                used.push((goal["tokensUsed"].clone(), goal["status"].clone()));
            }
        }
    }
    let expected = [(0, "active"), (110, "active"), (220, "budgetLimited")];
    assert_eq!(
        used,
        expected.map(|(used, status)| (json!(used), json!(status)))
    );
    let told = rollout(&mut client, &thread).await;
    assert!(
        told.contains("<objective>\\na &lt; b\\n</objective>"),
        "{told}"
    );
    let read = client
        .request("thread/turns/list", json!({"threadId": thread}))
        .await
        .expect("turns");
    assert_eq!(read["data"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn a_goal_that_was_set_on_a_stored_thread_is_worked_towards_behind_a_resume() {
    let mut server = TestServer::new();
    let mut client = server.client().await;
    let thread = client.start_thread(&server.work()).await;
    let set = |more: Value| {
        let mut params = json!({"threadId": thread});
        let members = more.as_object().expect("members");
        params
            .as_object_mut()
            .expect("members")
            .extend(members.clone());
        params
    };
    let goal = json!({"objective": "all", "tokenBudget": 100, "status": "paused"});
    client
        .request("thread/goal/set", set(goal))
        .await
        .expect("set");
    server.server.shutdown().await;

    server.restart();
    let mut client = server.client().await;
    let goal = client
        .request("thread/goal/set", set(json!({"status": "active"})))
        .await
        .expect("set");
    assert_eq!(goal["goal"]["status"], "active");
    let listed = client
        .request("thread/list", json!({}))
        .await
        .expect("a list");
    assert_eq!(
        listed["data"][0]["preview"], "all",
        "lists show it by its goal"
    );
    client
        .request(
            "thread/resume",
            json!({"threadId": thread, "excludeTurns": true}),
        )
        .await
        .expect("resumed");
    let notes = client.notes_until("turn/completed").await;
    let goals: Vec<(&Value, &Value)> = notes
        .iter()
        .filter(|note| note["method"] == "thread/goal/updated")
        .map(|note| {
            (
                &note["params"]["turnId"],
                &note["params"]["goal"]["tokensUsed"],
            )
        })
        .collect();
    let turn = &notes.last().expect("a note")["params"]["turn"]["id"];
    // The answer to the change, the snapshot of the resume, the turn.
    let zero = json!(0);
    assert_eq!(
        goals,
        [
            (&Value::Null, &zero),
            (&Value::Null, &zero),
            (turn, &json!(110))
        ]
    );
}

#[tokio::test]
async fn a_damaged_state_is_put_aside_and_told_of() {
    let mut server = TestServer::new();
    let mut client = server.client().await;
    let thread = client.start_thread(&server.work()).await;
    client.run_turn(&thread, "go").await;
    server.server.shutdown().await;
    let folder = server.home().join("loomd/thread_state");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join(format!("{thread}.json")), "{").expect("written");

    server.restart();
    let mut client = server.client().await;
    client
        .request(
            "thread/resume",
            json!({"threadId": thread, "excludeTurns": true}),
        )
        .await
        .expect("resumed all the same");
    let warning = client.note("warning").await;
    let message = warning["message"].as_str().expect("a text");
    assert!(
        message.contains("The goal and the queue of this thread are lost"),
        "{message}"
    );
    let aside = std::fs::read_to_string(folder.join(format!("{thread}.damaged")));
    assert_eq!(aside.expect("it is kept"), "{");
}

#[tokio::test]
async fn a_command_of_the_users_runs_and_the_model_reads_of_it() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let thread = client.start_thread(&server.work()).await;
    let run = |command: &str, time: Value| json!({"threadId": thread, "command": command, "timeoutMs": time});
    client
        .request("thread/shellCommand", run("echo hi; exit 3", Value::Null))
        .await
        .expect("answered at once");
    let notes = client.notes_until("turn/completed").await;
    let item = notes
        .iter()
        .find(|note| note["method"] == "item/completed")
        .map(|note| &note["params"]["item"])
        .expect("an item");
    assert_eq!(item["source"], "userShell");
    assert_eq!(
        (&item["exitCode"], &item["status"]),
        (&json!(3), &json!("failed"))
    );
    assert_eq!(item["aggregatedOutput"], "hi\n");

    client
        .request("thread/shellCommand", run("sleep 60", json!(50)))
        .await
        .expect("answered at once");
    let notes = client.notes_until("turn/completed").await;
    let item = &notes[notes.len() - 4..];
    assert!(
        item.iter()
            .any(|note| note["params"]["item"]["exitCode"] == 124),
        "{notes:?}"
    );
    client.run_turn(&thread, "and now").await;
    let told = rollout(&mut client, &thread).await;
    assert!(
        told.contains("<command>\\necho hi; exit 3\\n</command>"),
        "{told}"
    );
    assert!(told.contains("Exit code: 3"), "{told}");
    for (params, code, message) in [
        (run("  ", Value::Null), -32600, "command must not be empty"),
        (
            run("ls", json!(-1)),
            -32602,
            "thread/shellCommand timeoutMs must be non-negative, got -1",
        ),
    ] {
        let refusal = client.refusal("thread/shellCommand", params).await;
        assert_eq!(refusal, (code, message.to_owned()));
    }
}

#[tokio::test]
async fn an_interrupt_ends_a_command_of_the_users() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let thread = client.start_thread(&server.work()).await;
    client
        .request(
            "thread/shellCommand",
            json!({"threadId": thread, "command": "echo begun; sleep 60"}),
        )
        .await
        .expect("answered at once");
    client.note("item/commandExecution/outputDelta").await;
    client
        .request("turn/interrupt", json!({"threadId": thread, "turnId": ""}))
        .await
        .expect("interrupted");
    let notes = client.notes_until("turn/completed").await;
    let ended = notes
        .iter()
        .find(|note| note["method"] == "item/completed")
        .expect("the item ends before its turn");
    assert_eq!(ended["params"]["item"]["status"], "failed");
    let status = &notes.last().expect("a note")["params"]["turn"]["status"];
    assert_eq!(status, "interrupted");
}
