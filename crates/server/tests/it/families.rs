//! Archive, unarchive and delete of a thread whose subagents have threads of their own.

use std::path::PathBuf;

use loomd_testkit::{TestClient, TestServer};
use serde_json::{Value, json};

/// Three threads on disk, each the subagent of the one before, as the reference writes them.
async fn family(server: &mut TestServer) -> Vec<String> {
    let mut client = server.client().await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        let thread = client.start_thread(&server.work()).await;
        client.run_turn(&thread, "go").await;
        ids.push(thread);
    }
    let mut paths = Vec::new();
    for id in &ids {
        let read = client
            .request("thread/read", json!({"threadId": id}))
            .await
            .expect("read");
        paths.push(PathBuf::from(
            read["thread"]["path"].as_str().expect("a path"),
        ));
    }
    server.server.shutdown().await;
    for (child, parent) in [(1, 0), (2, 1)] {
        let text = std::fs::read_to_string(&paths[child]).expect("a rollout");
        let (first, rest) = text.split_once('\n').expect("lines");
        let mut meta: Value = serde_json::from_str(first).expect("JSON");
        meta["payload"]["parent_thread_id"] = json!(ids[parent]);
        meta["payload"]["source"] = json!({"subagent": {"thread_spawn": {
            "parent_thread_id": ids[parent], "depth": child, "agent_path": null,
            "agent_nickname": "Nick", "agent_role": null,
        }}});
        std::fs::write(&paths[child], format!("{meta}\n{rest}")).expect("written");
    }
    server.restart();
    ids
}

async fn told(client: &mut TestClient, method: &str, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for _ in 0..count {
        let note = client.note(method).await;
        ids.push(note["threadId"].as_str().expect("an id").to_owned());
    }
    ids
}

#[tokio::test]
async fn a_thread_goes_and_comes_back_with_its_subagents() {
    let mut server = TestServer::new();
    let ids = family(&mut server).await;
    let [a, b, c] = [&ids[0], &ids[1], &ids[2]];
    let mut client = server.client().await;
    let params = |id: &str| json!({"threadId": id});
    // A subagent's turn ends with its thread.
    client
        .request(
            "thread/resume",
            json!({"threadId": c, "excludeTurns": true}),
        )
        .await
        .expect("resumed");
    client
        .start_turn(c, "go\n@@ [{\"say\":\"x\",\"gate_end\":\"never\"}]")
        .await;
    client
        .request("thread/archive", params(a))
        .await
        .expect("archived");
    let ended = client.note("turn/completed").await;
    assert_eq!(ended["turn"]["status"], "interrupted");
    assert_eq!(told(&mut client, "thread/archived", 3).await, [&**a, c, b]);
    client
        .request("thread/unarchive", params(b))
        .await
        .expect("back");
    assert_eq!(told(&mut client, "thread/unarchived", 2).await, [&**b, c]);
    client
        .request("thread/unarchive", params(a))
        .await
        .expect("back");
    assert_eq!(told(&mut client, "thread/unarchived", 1).await, [&**a]);
    let below = client
        .request(
            "thread/list",
            json!({"ancestorThreadId": a, "sourceKinds": ["subAgent"], "sortDirection": "asc"}),
        )
        .await
        .expect("a list");
    let below: Vec<&Value> = below["data"]
        .as_array()
        .expect("threads")
        .iter()
        .map(|thread| &thread["id"])
        .collect();
    assert_eq!(below, [&**b, c]);

    client
        .request("thread/delete", params(a))
        .await
        .expect("deleted");
    assert_eq!(told(&mut client, "thread/deleted", 3).await, [&**c, b, a]);
    for id in &ids {
        let error = client
            .request("thread/read", params(id))
            .await
            .expect_err("gone");
        assert_eq!(error["message"], format!("thread not loaded: {id}"));
    }
}

#[tokio::test]
async fn what_the_reference_s_forks_continue_is_not_deleted() {
    let mut server = TestServer::new();
    let mut client = server.client().await;
    let source = client.start_thread(&server.work()).await;
    client.run_turn(&source, "go").await;
    let fork = client.start_thread(&server.work()).await;
    client.run_turn(&fork, "go").await;
    let read = client
        .request("thread/read", json!({"threadId": fork}))
        .await
        .expect("read");
    let path = PathBuf::from(read["thread"]["path"].as_str().expect("a path"));
    server.server.shutdown().await;
    let text = std::fs::read_to_string(&path).expect("a rollout");
    let (first, rest) = text.split_once('\n').expect("lines");
    let mut meta: Value = serde_json::from_str(first).expect("JSON");
    meta["payload"]["history_base"] = json!({"thread_id": source, "end_ordinal_exclusive": 3});
    std::fs::write(&path, format!("{meta}\n{rest}")).expect("written");
    server.restart();

    let mut client = server.client().await;
    let mut delete = async |id: &str| {
        client
            .request("thread/delete", json!({"threadId": id}))
            .await
    };
    let error = delete(&source).await.expect_err("refused");
    assert_eq!(
        error["message"],
        format!("cannot delete thread {source}: forked history still references it")
    );
    delete(&fork).await.expect("the fork itself may go");
    delete(&source).await.expect("now it may");
}
