//! thread/fork, thread/delete, read state, background terminals.

use loomd_testkit::TestServer;
use serde_json::{Value, json};

#[tokio::test]
async fn a_fork_in_mid_turn_is_a_thread_of_its_own_and_the_source_goes_on() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let source = client.start_thread(&server.work()).await;
    client
        .run_turn(&source, "one\n@@ [{\"say\":\"first\"}]")
        .await;
    let script = "two\n@@ [{\"say\":\"second\",\"gate_end\":\"end\"}]";
    let running = client.start_turn(&source, script).await;
    client.note("item/agentMessage/delta").await;

    let params = json!({"threadId": source, "lastTurnId": running});
    let error = client
        .request("thread/fork", params)
        .await
        .expect_err("in progress");
    assert!(
        error["message"]
            .as_str()
            .is_some_and(|text| text.contains("in-progress turn")),
        "{error}"
    );
    let fork = client
        .request("thread/fork", json!({"threadId": source}))
        .await
        .expect("forked");
    assert_eq!(fork["thread"]["forkedFromId"], source);
    assert_eq!(fork["thread"]["status"]["type"], "idle");
    let turns = fork["thread"]["turns"].as_array().expect("turns");
    assert_eq!(turns.len(), 2);
    assert_eq!(turns[1]["id"], running);
    assert_eq!(turns[1]["status"], "interrupted");
    let copy = fork["thread"]["id"].as_str().expect("an id").to_owned();
    assert_ne!(copy, source);

    server.open_gate("end");
    let done = client.note("turn/completed").await;
    assert_eq!(
        (&done["threadId"], &done["turn"]["status"]),
        (&json!(source), &json!("completed"))
    );
    let notes = client.run_turn(&copy, "three").await;
    assert_eq!(notes.last().expect("a note")["params"]["threadId"], copy);
}

#[tokio::test]
async fn a_deleted_thread_is_nowhere_to_be_found() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let thread = client.start_thread(&server.work()).await;
    client.run_turn(&thread, "hello").await;
    let id = json!({"threadId": thread});
    client
        .request("thread/delete", id.clone())
        .await
        .expect("deleted");
    assert_eq!(client.note("thread/deleted").await["threadId"], thread);
    let error = client
        .request("thread/resume", id.clone())
        .await
        .expect_err("gone");
    assert_eq!(
        error["message"],
        format!("no rollout found for thread id {thread}")
    );
    client.request("thread/delete", id).await.expect_err("gone");
    let list = client
        .request("thread/list", json!({}))
        .await
        .expect("a list");
    assert_eq!(list["data"], json!([]));
}

#[tokio::test]
async fn a_completed_turn_is_unread_until_a_client_says_otherwise() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let thread = client.start_thread(&server.work()).await;
    let turn = client.start_turn(&thread, "hello").await;
    let state = client.note("thread/readState/changed").await["readState"].clone();
    assert_eq!(
        state["firstUnread"],
        json!({"type": "turn", "turnId": turn})
    );
    let update = |revision: &Value| json!({"threadId": thread, "operation": {"type": "read"}, "expectedRevision": revision});
    let wrong = client
        .request("thread/readState/update", update(&json!("other")))
        .await
        .expect_err("another revision");
    assert_eq!(wrong["data"]["reason"], "readStateConflict");
    assert_eq!(wrong["data"]["readState"], state);
    let answer = client
        .request("thread/readState/update", update(&state["revision"]))
        .await
        .expect("read");
    assert_eq!(answer["readState"]["firstUnread"], Value::Null);
}

#[tokio::test]
async fn a_background_terminal_outlives_its_turn_and_can_be_ended() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let thread = client.start_thread(&server.work()).await;
    let script = "go\n@@ [{\"exec\":\"echo up; exec sleep 300\",\"yield_time_ms\":250},{\"say\":\"left running\"}]";
    client.run_turn(&thread, script).await;
    let id = json!({"threadId": thread});
    let list = client
        .request("thread/backgroundTerminals/list", id.clone())
        .await
        .expect("a list");
    let terminal = &list["data"][0];
    assert_eq!(terminal["command"], "echo up; exec sleep 300");
    let end = json!({"threadId": thread, "processId": terminal["processId"]});
    let answer = client
        .request("thread/backgroundTerminals/terminate", end.clone())
        .await
        .expect("ended");
    assert_eq!(answer["terminated"], true);
    let ended = client.note("item/completed").await;
    assert_eq!(ended["item"]["status"], "failed");
    let again = client
        .request("thread/backgroundTerminals/terminate", end)
        .await
        .expect("answered");
    assert_eq!(again["terminated"], false);
}

#[tokio::test]
async fn all_background_terminals_of_a_thread_are_ended_at_once_and_no_others() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let script = "go\n@@ [{\"calls\":[{\"exec\":\"exec sleep 300\",\"yield_time_ms\":250},\
                  {\"exec\":\"exec sleep 301\",\"yield_time_ms\":250}]},{\"say\":\"left\"}]";
    let (one, other) = (
        client.start_thread(&server.work()).await,
        client.start_thread(&server.work()).await,
    );
    for thread in [&one, &other] {
        client.run_turn(thread, script).await;
    }
    client
        .request("thread/backgroundTerminals/clean", json!({"threadId": one}))
        .await
        .expect("cleaned");
    for _ in 0..2 {
        let ended = client.note("item/completed").await;
        assert_eq!(ended["threadId"], json!(one));
        assert_eq!(ended["item"]["status"], "failed");
    }
    for (thread, left) in [(one, 0), (other, 2)] {
        let list = client
            .request(
                "thread/backgroundTerminals/list",
                json!({"threadId": thread}),
            )
            .await
            .expect("a list");
        assert_eq!(list["data"].as_array().map(Vec::len), Some(left));
    }
}

#[tokio::test]
async fn an_ephemeral_fork_remembers_its_source_and_leaves_nothing_on_disk() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let source = client.start_thread(&server.work()).await;
    client.run_turn(&source, "one").await;
    let error = client
        .request(
            "thread/fork",
            json!({"threadId": source, "ephemeral": true}),
        )
        .await
        .expect_err("its turns cannot be listed");
    assert_eq!(
        error["message"],
        "ephemeral paginated thread/fork requires `excludeTurns: true`"
    );
    let fork = client
        .request(
            "thread/fork",
            json!({"threadId": source, "ephemeral": true, "excludeTurns": true}),
        )
        .await
        .expect("forked");
    let thread = &fork["thread"];
    assert_eq!(
        (&thread["ephemeral"], &thread["path"]),
        (&json!(true), &Value::Null)
    );
    assert_eq!(thread["forkedFromId"], source);
    assert_eq!(thread["preview"], "one");
    let id = thread["id"].as_str().expect("an id");
    client.run_turn(id, "two").await;
    let error = client
        .request("thread/fork", json!({"threadId": id, "excludeTurns": true}))
        .await
        .expect_err("it is not on disk");
    assert_eq!(
        error["message"],
        format!("no rollout found for thread id {id}")
    );
    let list = client
        .request("thread/list", json!({}))
        .await
        .expect("a list");
    assert_eq!(list["data"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_fork_may_end_before_a_turn() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let source = client.start_thread(&server.work()).await;
    client.run_turn(&source, "one").await;
    let two = client.run_turn(&source, "two").await;
    let two = &two.last().expect("a note")["params"]["turn"]["id"];
    let fork = client
        .request(
            "thread/fork",
            json!({"threadId": source, "beforeTurnId": two}),
        )
        .await
        .expect("forked");
    assert_eq!(fork["thread"]["turns"].as_array().map(Vec::len), Some(1));
    for (cut, message) in [
        (json!({"beforeTurnId": "nope"}), "turn not found: nope"),
        (
            json!({"beforeTurnId": two, "lastTurnId": two}),
            "`beforeTurnId` cannot be combined with `lastTurnId`",
        ),
    ] {
        let mut params = json!({"threadId": source});
        let members = cut.as_object().expect("members").clone();
        params.as_object_mut().expect("members").extend(members);
        let error = client
            .request("thread/fork", params)
            .await
            .expect_err("refused");
        assert_eq!(error["message"], message);
    }
}
