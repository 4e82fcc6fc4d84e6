//! Lists and pages.

use loomd_testkit::TestServer;
use serde_json::{Value, json};

#[tokio::test]
async fn a_thread_is_listed_once_it_has_a_user_message() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let thread = client.start_thread(&server.work()).await;
    let list = client
        .request("thread/list", json!({}))
        .await
        .expect("a list");
    assert_eq!(list["data"], json!([]));
    client.run_turn(&thread, "what a prompt").await;
    let list = client
        .request("thread/list", json!({}))
        .await
        .expect("a list");
    assert_eq!(list["data"][0]["id"], thread);
    assert_eq!(list["data"][0]["preview"], "what a prompt");
    assert_eq!(list["data"][0]["status"]["type"], "idle");
    let none = client
        .request("thread/list", json!({"modelProviders": ["other"]}))
        .await
        .expect("a list");
    assert_eq!(none["data"], json!([]));
    let error = client
        .request("thread/list", json!({"cursor": "zz"}))
        .await
        .expect_err("a bad cursor");
    assert_eq!(error["message"], "invalid cursor: zz");
}

#[tokio::test]
async fn turns_and_items_are_paged_back_from_the_cursors_of_a_resume() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let thread = client.start_thread(&server.work()).await;
    for n in 0..3 {
        let script = format!("q{n}\n@@ [{{\"say\":\"a{n}\"}}]");
        client.run_turn(&thread, &script).await;
    }
    let resumed = client
        .request(
            "thread/resume",
            json!({"threadId": thread, "excludeTurns": true}),
        )
        .await
        .expect("resumed");
    assert_eq!(resumed["thread"]["turns"], json!([]));

    let mut cursor = resumed["turnsBackwardsCursor"].clone();
    let mut answers = Vec::new();
    while !cursor.is_null() {
        let params = json!({
            "threadId": thread, "cursor": cursor, "limit": 2, "sortDirection": "desc",
        });
        let page = client
            .request("thread/turns/list", params)
            .await
            .expect("a page");
        for turn in page["data"].as_array().expect("turns") {
            answers.push(turn["items"][1]["text"].clone());
        }
        cursor = page["nextCursor"].clone();
    }
    assert_eq!(json!(answers), json!(["a2", "a1", "a0"]));

    let params = json!({
        "threadId": thread, "cursor": resumed["itemsBackwardsCursor"], "sortDirection": "desc",
    });
    let page = client
        .request("thread/items/list", params)
        .await
        .expect("a page");
    let kinds: Vec<&Value> = page["data"]
        .as_array()
        .expect("items")
        .iter()
        .map(|entry| &entry["item"]["type"])
        .collect();
    assert_eq!(kinds.len(), 6);
    assert_eq!(kinds[0], "agentMessage");
    let error = client
        .request(
            "thread/turns/list",
            json!({"threadId": thread, "cursor": "zz"}),
        )
        .await
        .expect_err("a bad cursor");
    assert_eq!(error["message"], "invalid cursor: zz");
}

#[tokio::test]
async fn unknown_and_malformed_ids_are_told_apart() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let unknown = "01900000-0000-7000-8000-000000000000";
    for (method, id, expected) in [
        (
            "thread/read",
            unknown,
            format!("thread not loaded: {unknown}"),
        ),
        (
            "thread/resume",
            unknown,
            format!("no rollout found for thread id {unknown}"),
        ),
        (
            "thread/read",
            "zz",
            "invalid thread id: invalid character: expected an optional prefix of `urn:uuid:` \
             followed by [0-9a-fA-F-], found `z` at 1"
                .to_owned(),
        ),
        (
            "thread/resume",
            "zz",
            "invalid session id: invalid character: expected an optional prefix of `urn:uuid:` \
             followed by [0-9a-fA-F-], found `z` at 1"
                .to_owned(),
        ),
    ] {
        let error = client
            .request(method, json!({"threadId": id}))
            .await
            .expect_err("refused");
        assert_eq!(error["message"], expected, "{method}");
    }
}
