//! initialize, the experimental gate, opt-outs, errors before any thread.

use loomd_testkit::TestServer;
use serde_json::{Value, json};

fn message(error: &Value) -> &str {
    error["message"].as_str().expect("errors have a message")
}

#[tokio::test]
async fn the_answer_to_initialize_says_who_and_where() {
    let server = TestServer::new();
    let mut client = server.bare_client();
    let params = json!({"clientInfo": {"name": "probe", "version": "1.0"}});
    let answer = client
        .request("initialize", params)
        .await
        .expect("accepted");
    let agent = answer["userAgent"].as_str().expect("a text");
    assert!(agent.starts_with("probe/0.169.0 ("), "{agent}");
    assert!(agent.contains("(probe; 1.0)"), "{agent}");
    assert_eq!(answer["codexHome"], json!(server.home()));
    assert_eq!(answer["platformOs"], "linux");
    let status = client.note("remoteControl/status/changed").await;
    assert_eq!(status["status"], "disabled");
}

#[tokio::test]
async fn nothing_but_initialize_is_served_before_it_and_only_once() {
    let server = TestServer::new();
    let mut client = server.bare_client();
    let early = client
        .request("thread/list", json!({}))
        .await
        .expect_err("refused");
    assert_eq!(
        (early["code"].as_i64(), message(&early)),
        (Some(-32600), "Not initialized")
    );
    let bad = json!({"clientInfo": {"name": "a\nb", "version": "1"}});
    let refused = client
        .request("initialize", bad)
        .await
        .expect_err("refused");
    assert_eq!(
        message(&refused),
        "Invalid clientInfo.name: 'a\nb'. Must be a valid HTTP header value."
    );
    let good = json!({"clientInfo": {"name": "a", "version": "1"}});
    client
        .request("initialize", good.clone())
        .await
        .expect("accepted");
    let again = client
        .request("initialize", good)
        .await
        .expect_err("refused");
    assert_eq!(message(&again), "Already initialized");
}

#[tokio::test]
async fn faults_of_parameters_come_before_the_handshake_check() {
    let server = TestServer::new();
    let mut client = server.bare_client();
    for (method, params, expected) in [
        (
            "no/such",
            json!({}),
            "Invalid request: unknown variant `no/such`, expected one of `",
        ),
        (
            "thread/read",
            Value::Null,
            "Invalid request: missing field `params`",
        ),
        (
            "thread/read",
            json!({}),
            "Invalid request: missing field `threadId`",
        ),
        (
            "thread/read",
            json!({"threadId": 5}),
            "Invalid request: invalid type: integer `5`, expected a string",
        ),
        (
            "thread/read",
            json!({"threadId": "x", "unknown": 1}),
            "Not initialized",
        ),
    ] {
        let error = client.request(method, params).await.expect_err("refused");
        assert_eq!(error["code"], -32600, "{method}");
        assert!(message(&error).starts_with(expected), "{}", message(&error));
        assert!(!message(&error).contains("line 1"), "{}", message(&error));
    }
}

#[tokio::test]
async fn a_stable_client_gets_neither_experimental_methods_nor_fields_nor_notifications() {
    let server = TestServer::new();
    let mut stable = server.bare_client();
    let params = json!({
        "clientInfo": {"name": "stable", "version": "1"},
        "capabilities": {"optOutNotificationMethods": ["turn/started", "no/such"]},
    });
    stable
        .request("initialize", params)
        .await
        .expect("accepted");
    let error = stable
        .request("thread/settings/update", json!({"threadId": "x"}))
        .await
        .expect_err("gated");
    assert_eq!(
        message(&error),
        "thread/settings/update requires experimentalApi capability"
    );
    let error = stable
        .request("thread/start", json!({"dynamicTools": []}))
        .await
        .expect_err("gated");
    assert_eq!(
        message(&error),
        "thread/start.dynamicTools requires experimentalApi capability"
    );
    let null_is_absent = json!({"cwd": server.work(), "dynamicTools": null});
    let thread = stable
        .request("thread/start", null_is_absent)
        .await
        .expect("accepted");
    let thread = thread["thread"]["id"].as_str().expect("an id").to_owned();

    let params =
        json!({"threadId": thread, "effort": "low", "input": [{"type": "text", "text": "hi"}]});
    stable
        .request("turn/start", params)
        .await
        .expect("accepted");
    let notes = stable.notes_until("turn/completed").await;
    let methods: Vec<&str> = notes
        .iter()
        .filter_map(|note| note["method"].as_str())
        .collect();
    assert!(!methods.contains(&"thread/settings/updated"), "{methods:?}");
    assert!(!methods.contains(&"turn/started"), "{methods:?}");
    assert!(methods.contains(&"item/completed"), "{methods:?}");
}

#[tokio::test]
async fn garbage_is_dropped_and_the_connection_lives_on() {
    let server = TestServer::new();
    let mut client = server.client().await;
    for garbage in [
        &b"not json"[..],
        b"",
        b"[]",
        b"{}",
        b"\xff\xfe",
        br#"{"id":null,"method":"thread/list"}"#,
        br#"{"id":1.5,"method":"thread/list"}"#,
        br#"{"id":99,"result":{}}"#,
    ] {
        client.raw(garbage).await;
    }
    client
        .request("thread/loaded/list", json!({}))
        .await
        .expect("served");
}

#[tokio::test]
async fn what_is_not_built_says_so() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let error = client
        .request(
            "review/start",
            json!({"threadId": "x", "target": {"type": "uncommittedChanges"}}),
        )
        .await
        .expect_err("not built");
    assert_eq!(error["code"], -32601);
    assert!(
        message(&error).contains("review/start"),
        "{}",
        message(&error)
    );
}
