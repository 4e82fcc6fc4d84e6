//! thread/metadata/update and the memory mode.

use loomd_testkit::TestServer;
use serde_json::{Value, json};

const UNKNOWN: &str = "01990000-0000-7000-8000-00000000dead";

fn git(sha: Value, branch: Value, origin: Value) -> Value {
    json!({"sha": sha, "branch": branch, "originUrl": origin})
}

#[tokio::test]
async fn metadata_is_patched_on_loaded_stored_and_archived_threads_and_kept() {
    let mut server = TestServer::new();
    let mut client = server.client().await;
    let thread = client.start_thread(&server.work()).await;
    client.run_turn(&thread, "go").await;
    let update = |info: Value| json!({"threadId": thread, "gitInfo": info});
    let method = "thread/metadata/update";
    let changed = client
        .request(method, update(json!({"sha": "abc", "branch": " main "})))
        .await
        .expect("changed");
    let expected = git(json!("abc"), json!("main"), Value::Null);
    assert_eq!(changed["thread"]["gitInfo"], expected);
    assert_eq!(changed["thread"]["status"]["type"], "idle");
    server.server.shutdown().await;

    server.restart();
    let mut client = server.client().await;
    let changed = client
        .request(method, update(json!({"sha": null, "originUrl": "o"})))
        .await
        .expect("changed");
    let expected = git(Value::Null, json!("main"), json!("o"));
    assert_eq!(changed["thread"]["gitInfo"], expected);
    assert_eq!(changed["thread"]["status"]["type"], "notLoaded");

    let params = json!({"threadId": thread});
    client
        .request("thread/archive", params.clone())
        .await
        .expect("archived");
    let changed = client
        .request(method, update(json!({"branch": "dev"})))
        .await
        .expect("changed");
    let expected = git(Value::Null, json!("dev"), json!("o"));
    assert_eq!(changed["thread"]["gitInfo"], expected);
    for archived in [true, false] {
        let list = client
            .request("thread/list", json!({"archived": archived}))
            .await
            .expect("a list");
        let read = client
            .request("thread/read", params.clone())
            .await
            .expect("read");
        assert_eq!(list["data"][0]["gitInfo"], expected, "archived: {archived}");
        assert_eq!(read["thread"]["gitInfo"], expected, "archived: {archived}");
        if archived {
            client
                .request("thread/unarchive", params.clone())
                .await
                .expect("unarchived");
        }
    }
    let cleared = client
        .request(method, update(json!({"branch": null, "originUrl": null})))
        .await
        .expect("changed");
    assert_eq!(cleared["thread"]["gitInfo"], Value::Null);
    let fork = client
        .request(
            "thread/fork",
            json!({"threadId": thread, "excludeTurns": true}),
        )
        .await
        .expect("forked");
    assert_eq!(fork["thread"]["gitInfo"], Value::Null);
}

#[tokio::test]
async fn metadata_refuses_what_the_reference_refuses() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let thread = client.start_thread(&server.work()).await;
    let no_rollout = format!("no rollout found for thread id {UNKNOWN}");
    for (params, message) in [
        (
            json!({"threadId": thread}),
            "thread metadata update must include at least one field",
        ),
        (
            json!({"threadId": thread, "gitInfo": {}}),
            "gitInfo must include at least one field",
        ),
        (
            json!({"threadId": thread, "gitInfo": {"originUrl": " "}}),
            "gitInfo.originUrl must not be empty",
        ),
        (
            json!({"threadId": thread, "projectId": "x"}),
            "project not found: x",
        ),
        (
            json!({"threadId": UNKNOWN, "gitInfo": {"sha": "a"}}),
            &*no_rollout,
        ),
    ] {
        let refusal = client.refusal("thread/metadata/update", params).await;
        assert_eq!(refusal, (-32600, message.to_owned()));
    }
}

#[tokio::test]
async fn the_memory_mode_is_kept_and_a_lost_thread_leaves_nothing() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let kept = client.start_thread(&server.work()).await;
    client.run_turn(&kept, "go").await;
    let lost = client.start_thread(&server.work()).await;
    for thread in [&kept, &lost] {
        client
            .request(
                "thread/memoryMode/set",
                json!({"threadId": thread, "mode": "disabled"}),
            )
            .await
            .expect("set");
    }
    let read = client
        .request("thread/memory/read", json!({"threadId": kept}))
        .await
        .expect("read");
    assert_eq!(read["summary"], Value::Null);
    let files = || {
        let folder = std::fs::read_dir(server.home().join("loomd/thread_state")).expect("a folder");
        let names = folder.map(|entry| entry.expect("an entry").file_name());
        names.collect::<Vec<_>>()
    };
    assert_eq!(files().len(), 2);
    // A thread without a turn is lost when it is unloaded.
    server.server.shutdown().await;
    assert_eq!(files(), [format!("{kept}.json").as_str()]);
}
