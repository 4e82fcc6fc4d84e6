//! thread/resume: what it is asked by, what is in its answer, what it is refused.

use loomd_testkit::{TestClient, TestServer};
use serde_json::{Value, json};

const UNKNOWN: &str = "01900000-0000-7000-8000-000000000000";

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn invalid(message: impl Into<String>) -> (i64, String) {
    (-32600, message.into())
}

async fn turns(
    server: &TestServer,
    client: &mut TestClient,
    count: usize,
) -> (String, Vec<String>) {
    let thread = client.start_thread(&server.work()).await;
    let mut ids = Vec::new();
    for number in 0..count {
        ids.push(client.start_turn(&thread, &format!("turn {number}")).await);
        client.note("turn/completed").await;
    }
    client.pending_notes();
    (thread, ids)
}

fn methods(notes: &[Value]) -> Vec<String> {
    notes.iter().map(|note| text(&note["method"])).collect()
}

#[tokio::test]
async fn a_history_makes_a_new_thread_whose_model_remembers_it() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let (running, _ids) = turns(&server, &mut client, 1).await;
    let message = |role: &str, kind: &str, text: &str| json!({"type": "message", "role": role, "content": [{"type": kind, "text": text}]});
    let history = json!([
        message("user", "input_text", "old question"),
        message("assistant", "output_text", "old answer"),
    ]);
    let resume = |id: &str, history: Value| json!({"threadId": id, "history": history});
    assert_eq!(
        client
            .refusal("thread/resume", resume(&running, history.clone()))
            .await,
        invalid(format!(
            "cannot resume thread {running} with history while it is already running"
        ))
    );
    assert_eq!(
        client
            .refusal("thread/resume", resume(UNKNOWN, json!([])))
            .await,
        invalid("history must not be empty")
    );
    let (code, message) = client
        .refusal("thread/resume", resume(UNKNOWN, json!([7])))
        .await;
    assert_eq!(code, -32600);
    assert!(
        message.starts_with("history[0] is not a valid response item"),
        "{message}"
    );

    let answer = client
        .request("thread/resume", resume("any text", history))
        .await
        .expect("made");
    let thread = text(&answer["thread"]["id"]);
    assert_ne!(thread, UNKNOWN);
    assert_eq!(answer["thread"]["turns"], json!([]));
    let notes = client.notes_until("thread/goal/cleared").await;
    assert_eq!(
        methods(&notes),
        ["thread/status/changed", "thread/goal/cleared"]
    );
    let path = text(&answer["thread"]["path"]);
    let rollout = std::fs::read_to_string(path).expect("it is on disk at once");
    assert!(rollout.contains("old question") && rollout.contains("old answer"));
    client.run_turn(&thread, "next").await;
    let listed = client
        .request("thread/turns/list", json!({"threadId": thread}))
        .await
        .expect("turns");
    assert_eq!(listed["data"].as_array().expect("turns").len(), 1);
}

#[tokio::test]
async fn a_path_must_be_the_one_that_the_thread_is_kept_at() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let (thread, _ids) = turns(&server, &mut client, 1).await;
    let read = client
        .request("thread/read", json!({"threadId": thread}))
        .await
        .expect("read");
    let path = text(&read["thread"]["path"]);
    let resume = |id: &str, path: &str| json!({"threadId": id, "path": path, "excludeTurns": true});
    for (id, path) in [("zz", path.as_str()), (&thread, &path), (&thread, "")] {
        let answer = client
            .request("thread/resume", resume(id, path))
            .await
            .expect("the right one, or none");
        assert_eq!(answer["thread"]["id"], thread);
    }
    assert_eq!(
        client
            .refusal("thread/resume", resume(&thread, "/other.jsonl"))
            .await,
        invalid(format!(
            "cannot resume running thread {thread} with stale path: requested `/other.jsonl`, \
             active `{path}`"
        ))
    );
    assert_eq!(
        client
            .refusal("thread/resume", resume(UNKNOWN, "/other.jsonl"))
            .await,
        invalid("failed to resolve rollout path `/other.jsonl`: file does not exist")
    );
    assert_eq!(
        client
            .refusal("thread/resume", json!({"threadId": UNKNOWN}))
            .await,
        invalid(format!("no rollout found for thread id {UNKNOWN}"))
    );
    let both = json!({"threadId": thread, "permissions": ":x", "sandbox": "read-only"});
    assert_eq!(
        client.refusal("thread/resume", both).await,
        invalid("`permissions` cannot be combined with `sandbox`")
    );
}

#[tokio::test]
async fn the_page_and_the_cursors_are_those_of_the_whole_thread() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let (thread, ids) = turns(&server, &mut client, 4).await;
    let script = "go\n@@ [{\"say\":\"so far\",\"gate_end\":\"end\"}]";
    let running = client.start_turn(&thread, script).await;
    client.note("item/agentMessage/delta").await;
    let page = json!({"limit": 2});
    let params = json!({"threadId": thread, "excludeTurns": true, "initialTurnsPage": page});
    let answer = client
        .request("thread/resume", params)
        .await
        .expect("resumed");
    assert_eq!(answer["thread"]["turns"], json!([]));
    let page = &answer["initialTurnsPage"];
    let shown: Vec<String> = page["data"]
        .as_array()
        .expect("turns")
        .iter()
        .map(|turn| text(&turn["id"]))
        .collect();
    assert_eq!(shown, [running.clone(), ids[3].clone()]);
    assert_eq!(page["data"][0]["status"], "inProgress");
    let kinds: Vec<String> = page["data"][0]["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|item| text(&item["type"]))
        .collect();
    assert_eq!(kinds, ["userMessage", "agentMessage"]);
    // The pages that follow are had from the list, by the page's or the answer's cursor.
    let list = |cursor: &Value| json!({"threadId": thread, "cursor": cursor, "limit": 9});
    let next = client
        .request("thread/turns/list", list(&page["nextCursor"]))
        .await
        .expect("the rest");
    let rest = next["data"].as_array().expect("turns");
    assert_eq!(rest.len(), 3);
    assert_eq!(rest[0]["id"], json!(ids[2]));
    let all = client
        .request("thread/turns/list", list(&answer["turnsBackwardsCursor"]))
        .await
        .expect("all");
    assert_eq!(all["data"].as_array().expect("turns").len(), 5);
    let items = json!({"threadId": thread, "cursor": answer["itemsBackwardsCursor"],
                       "sortDirection": "desc"});
    let items = client
        .request("thread/items/list", items)
        .await
        .expect("items");
    assert_eq!(items["data"][0]["item"]["text"], "so far");

    let page = json!({"limit": 1, "sortDirection": "asc", "itemsView": "full"});
    let params = json!({"threadId": thread, "excludeTurns": true, "initialTurnsPage": page});
    let answer = client
        .request("thread/resume", params)
        .await
        .expect("resumed");
    assert_eq!(answer["initialTurnsPage"]["data"][0]["id"], json!(ids[0]));
    assert!(answer["initialTurnsPage"]["nextCursor"].is_string());
    server.open_gate("end");
    client.note("turn/completed").await;
}

#[tokio::test]
async fn two_resumes_at_once_load_a_thread_once_and_a_changed_model_is_told() {
    let mut server = TestServer::new();
    let mut client = server.client().await;
    let (thread, _ids) = turns(&server, &mut client, 1).await;
    server.server.shutdown().await;
    server.restart();
    let mut client = server.client().await;
    client.note("remoteControl/status/changed").await;
    let resume = |model: &str| json!({"threadId": thread, "model": model, "excludeTurns": true});
    let first = client.send("thread/resume", resume("m1")).await;
    let second = client.send("thread/resume", resume("m2")).await;
    assert_eq!(client.answer(first).await.expect("resumed")["model"], "m1");
    assert_eq!(client.answer(second).await.expect("resumed")["model"], "m1");
    client.note("warning").await;
    let mut heard = methods(&client.notes_until("thread/goal/cleared").await);
    heard.extend(methods(&client.notes_until("thread/goal/cleared").await));
    // The usage comes with the resume that loads the thread, with turns or without.
    assert_eq!(
        heard,
        [
            "thread/status/changed",
            "thread/tokenUsage/updated",
            "thread/goal/cleared",
            "thread/goal/cleared",
        ]
    );
}

#[tokio::test]
async fn what_keeps_nothing_on_disk_is_not_resumed() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let fresh = client.start_thread(&server.work()).await;
    let no_rollout = |id: &str| invalid(format!("no rollout found for thread id {id}"));
    let resume = |id: &str| json!({"threadId": id});
    let bare = |id: &str| json!({"threadId": id, "excludeTurns": true});
    for params in [resume(&fresh), bare(&fresh)] {
        assert_eq!(
            client.refusal("thread/resume", params).await,
            (-32601, "list_turns is not supported yet".to_owned())
        );
    }
    let params = json!({"cwd": server.work(), "ephemeral": true});
    let answer = client
        .request("thread/start", params)
        .await
        .expect("started");
    let ephemeral = text(&answer["thread"]["id"]);
    client.run_turn(&ephemeral, "hello").await;
    for params in [resume(&ephemeral), bare(&ephemeral)] {
        assert_eq!(
            client.refusal("thread/resume", params).await,
            no_rollout(&ephemeral)
        );
    }
}

#[tokio::test]
async fn a_connection_that_leaves_during_its_resume_harms_nobody() {
    let mut server = TestServer::with_config("thread_unload_delay_secs = 0");
    let mut client = server.client().await;
    let (thread, _ids) = turns(&server, &mut client, 1).await;
    server.server.shutdown().await;
    server.restart();
    let mut watcher = server.client().await;
    let mut leaver = server.client().await;
    leaver
        .send("thread/resume", json!({"threadId": thread}))
        .await;
    // An entry is there as soon as the thread begins to load.
    loop {
        let loaded = watcher
            .request("thread/loaded/list", json!({}))
            .await
            .expect("a list");
        if loaded["data"] == json!([thread]) {
            break;
        }
    }
    drop(leaver);
    // The thread was loaded for nobody, and is unloaded again.
    watcher.note("thread/closed").await;
    let answer = watcher
        .request("thread/resume", json!({"threadId": thread}))
        .await
        .expect("resumed");
    assert_eq!(
        answer["thread"]["turns"].as_array().expect("turns").len(),
        1
    );
}

/// Adds a call of an MCP server's tool and a generated image to a stored turn.
fn add_foreign_items(path: &str, thread: &str, turn: &str) {
    let rollout = std::fs::read_to_string(path).expect("a rollout");
    let lines: Vec<Value> = rollout
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let is_end = |line: &Value| line["payload"]["type"] == "task_complete";
    let mut out = Vec::new();
    for line in lines {
        if is_end(&line) {
            for item in [
                json!({"type": "McpToolCall", "id": "call", "server": "s", "tool": "t",
                       "arguments": {"secret": 1}, "status": "completed",
                       "result": {"content": [{"type": "text", "text": "secret"}],
                                  "structuredContent": {"secret": 2}, "_meta": null}}),
                json!({"type": "McpToolCall", "id": "failed", "server": "s", "tool": "t",
                       "arguments": {"secret": 1}, "status": "failed",
                       "error": {"message": "secret"}}),
                json!({"type": "ImageGeneration", "id": "image", "status": "completed",
                       "revised_prompt": "secret", "result": "AAAA"}),
            ] {
                let payload = json!({"type": "item_completed", "thread_id": thread,
                                     "turn_id": turn, "item": item});
                out.push(json!({"timestamp": line["timestamp"], "type": "event_msg",
                                "payload": payload}));
            }
        }
        out.push(line);
    }
    let mut text = String::new();
    for (ordinal, mut line) in out.into_iter().enumerate() {
        line["ordinal"] = json!(ordinal);
        text.push_str(&line.to_string());
        text.push('\n');
    }
    std::fs::write(path, text).expect("written");
}

#[tokio::test]
async fn remote_clients_get_redacted_turns_and_nobody_else() {
    let mut server = TestServer::new();
    let mut client = server.client().await;
    let (thread, ids) = turns(&server, &mut client, 1).await;
    let read = client
        .request("thread/read", json!({"threadId": thread}))
        .await
        .expect("read");
    server.server.shutdown().await;
    add_foreign_items(&text(&read["thread"]["path"]), &thread, &ids[0]);
    server.restart();
    let params = json!({"threadId": thread, "initialTurnsPage": {"itemsView": "full"}});
    let mut plain = server.client().await;
    let answer = plain
        .request("thread/resume", params.clone())
        .await
        .expect("resumed");
    let items = &answer["thread"]["turns"][0]["items"];
    assert_eq!(items.as_array().expect("items").len(), 5);
    assert!(items.to_string().contains("secret"));

    let mut remote = server.bare_client();
    let hello = json!({"clientInfo": {"name": "codex_chatgpt_ios_remote", "version": "1"},
                       "capabilities": {"experimentalApi": true}});
    remote.request("initialize", hello).await.expect("hello");
    let answer = remote
        .request("thread/resume", params)
        .await
        .expect("resumed");
    let items = &answer["thread"]["turns"][0]["items"];
    assert_eq!(items, &answer["initialTurnsPage"]["data"][0]["items"]);
    assert_eq!(items.as_array().expect("items").len(), 4, "no image");
    assert!(!items.to_string().contains("secret"), "{items}");
    assert_eq!(items[2]["arguments"], "[redacted]");
    assert_eq!(items[2]["result"]["content"][0]["text"], "[redacted]");
    assert_eq!(items[3]["error"]["message"], "[redacted]");
}
