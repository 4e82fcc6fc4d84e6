//! The budget of loaded threads.

use loomd_testkit::{TestClient, TestServer};
use serde_json::json;

async fn loaded(client: &mut TestClient) -> Vec<String> {
    let list = client
        .request("thread/loaded/list", json!({}))
        .await
        .expect("a list");
    let ids = list["data"].as_array().expect("ids");
    ids.iter()
        .map(|id| id.as_str().expect("an id").to_owned())
        .collect()
}

/// A thread with one turn, which nobody watches any more.
async fn left_thread(server: &TestServer, client: &mut TestClient) -> String {
    let thread = client.start_thread(&server.work()).await;
    client.run_turn(&thread, "hello").await;
    client.unsubscribe(&thread).await;
    thread
}

#[tokio::test]
async fn beyond_the_budget_the_thread_that_was_left_first_is_unloaded() {
    let server = TestServer::with_config("max_loaded_threads = 2");
    let mut client = server.client().await;
    let mut observer = server.client().await;
    let watched = client.start_thread(&server.work()).await;
    client.run_turn(&watched, "hello").await;
    let first = left_thread(&server, &mut client).await;
    let second = left_thread(&server, &mut client).await;
    let closed = observer.note("thread/closed").await;
    assert_eq!(closed["threadId"], json!(first));
    assert_eq!(loaded(&mut client).await, [watched, second]);

    // It is stored as ever, and takes the place of another when it comes back.
    client
        .request("thread/resume", json!({"threadId": first}))
        .await
        .expect("resumed");
    client.run_turn(&first, "again").await;
}

#[tokio::test]
async fn what_is_watched_or_would_be_lost_stays_whatever_the_budget() {
    let server = TestServer::with_config("max_loaded_bytes = 0");
    let mut client = server.client().await;
    let mut observer = server.client().await;
    let watched = client.start_thread(&server.work()).await;
    client.run_turn(&watched, "hello").await;
    let without_turn = client.start_thread(&server.work()).await;
    client.unsubscribe(&without_turn).await;
    let left = left_thread(&server, &mut client).await;
    let closed = observer.note("thread/closed").await;
    assert_eq!(closed["threadId"], json!(left));
    assert_eq!(loaded(&mut client).await, [watched, without_turn]);
}
