//! `command/exec`: what is refused, with which code and words.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use loomd_testkit::TestServer;
use serde_json::{Value, json};

use crate::command_exec::{done, with};

#[tokio::test]
async fn what_is_wrong_is_said_in_the_references_words_and_order() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let zero = json!({ "rows": 0, "cols": 1 });
    let none: &[&str] = &[];
    let read_only = json!({ "type": "readOnly" });
    for (params, code, text) in [
        (
            with(none, &json!({ "timeoutMs": 5, "disableTimeout": true })),
            -32600,
            "command must not be empty",
        ),
        (
            with(
                &["true"],
                &json!({ "size": zero, "sandboxPolicy": read_only, "permissionProfile": ":workspace" }),
            ),
            -32600,
            "`permissionProfile` cannot be combined with `sandboxPolicy`",
        ),
        (
            with(
                &["true"],
                &json!({ "size": zero, "outputBytesCap": 1, "disableOutputCap": true }),
            ),
            -32602,
            "command/exec size requires tty: true",
        ),
        (
            with(&["true"], &json!({ "size": zero, "tty": true })),
            -32602,
            "command/exec size rows and cols must be greater than 0",
        ),
        (
            with(
                &["true"],
                &json!({ "outputBytesCap": 1, "disableOutputCap": true, "timeoutMs": -1 }),
            ),
            -32602,
            "command/exec cannot set both outputBytesCap and disableOutputCap",
        ),
        (
            with(
                &["true"],
                &json!({ "timeoutMs": -1, "disableTimeout": true }),
            ),
            -32602,
            "command/exec cannot set both timeoutMs and disableTimeout",
        ),
        (
            with(
                &["true"],
                &json!({ "timeoutMs": -1, "permissionProfile": ":nope" }),
            ),
            -32602,
            "command/exec timeoutMs must be non-negative, got -1",
        ),
        (
            with(
                &["true"],
                &json!({ "tty": true, "permissionProfile": ":nope" }),
            ),
            -32600,
            "invalid permission profile: default_permissions refers to unknown built-in profile `:nope`",
        ),
        (
            with(&["true"], &json!({ "permissionProfile": "mine" })),
            -32600,
            "invalid permission profile: default_permissions requires a `[permissions]` table",
        ),
        (
            with(&["true"], &json!({ "streamStdin": true })),
            -32600,
            "command/exec tty or streaming requires a client-supplied processId",
        ),
        (
            with(&[""], &json!({})),
            -32603,
            "failed to spawn command: missing program for pipe spawn",
        ),
        (
            with(&["nope-x"], &json!({})),
            -32603,
            "failed to spawn command: No such file or directory (os error 2)",
        ),
        (
            with(&["true"], &json!({ "cwd": "/nope" })),
            -32603,
            "failed to spawn command: No such file or directory (os error 2)",
        ),
        (
            with(&["/etc/passwd"], &json!({})),
            -32603,
            "failed to spawn command: Permission denied (os error 13)",
        ),
        (
            with(&["echo", "a\0b"], &json!({})),
            -32603,
            "failed to spawn command: nul byte found in provided data",
        ),
        (
            with(&["echo"], &json!({ "env": { "A": "a\0b" } })),
            -32603,
            "failed to spawn command: data provided contains a nul byte",
        ),
        (
            with(&["echo"], &json!({ "env": { "PATH": "/nope" } })),
            -32603,
            "failed to spawn command: No such file or directory (os error 2)",
        ),
    ] {
        let shown = params.to_string();
        let refusal = client.refusal("command/exec", params).await;
        assert_eq!(refusal, (code, text.to_owned()), "{shown}");
    }
}

#[tokio::test]
async fn orders_that_cannot_be_carried_out_say_why() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let mut other = server.client().await;
    let sleep = |id: &str, more: Value| {
        let mut params = with(&["sleep", "infinity"], &more);
        params["processId"] = id.into();
        params
    };
    let closed = client.send("command/exec", sleep("p", json!({}))).await;
    let open = client
        .send("command/exec", sleep("i", json!({ "streamStdin": true })))
        .await;
    let close = json!({ "processId": "i", "closeStdin": true });
    for _ in 0..2 {
        let answer = client.request("command/exec/write", close.clone()).await;
        assert_eq!(answer, Ok(json!({})));
    }
    let big = STANDARD.encode(vec![b'x'; 1_048_577]);
    for (method, params, code, text) in [
        (
            "write",
            json!({ "processId": "p" }),
            -32602,
            "command/exec/write requires deltaBase64 or closeStdin",
        ),
        (
            "write",
            json!({ "processId": "x", "deltaBase64": "!!" }),
            -32602,
            "invalid deltaBase64: Invalid symbol 33, offset 0.",
        ),
        (
            "write",
            json!({ "processId": "p", "deltaBase64": "eA==" }),
            -32600,
            "stdin streaming is not enabled for this command/exec",
        ),
        (
            "write",
            json!({ "processId": "p", "closeStdin": true }),
            -32600,
            "stdin streaming is not enabled for this command/exec",
        ),
        (
            "write",
            json!({ "processId": "i", "deltaBase64": "eA==" }),
            -32600,
            "stdin is already closed",
        ),
        (
            "resize",
            json!({ "processId": "p", "size": { "rows": 1, "cols": 1 } }),
            -32600,
            "failed to resize PTY: process is not attached to a PTY",
        ),
        (
            "resize",
            json!({ "processId": "x", "size": { "rows": 0, "cols": 1 } }),
            -32602,
            "command/exec size rows and cols must be greater than 0",
        ),
        (
            "resize",
            json!({ "processId": "x", "size": { "rows": 1, "cols": 1 } }),
            -32600,
            "no active command/exec for process id \"x\"",
        ),
        (
            "terminate",
            json!({ "processId": "x" }),
            -32600,
            "no active command/exec for process id \"x\"",
        ),
    ] {
        let method = format!("command/exec/{method}");
        let refusal = client.refusal(&method, params.clone()).await;
        assert_eq!(refusal, (code, text.to_owned()), "{method} {params}");
    }
    let twice = client.refusal("command/exec", sleep("p", json!({}))).await;
    assert_eq!(
        twice,
        (
            -32600,
            "duplicate active command/exec process id: \"p\"".to_owned()
        )
    );
    let p = json!({ "processId": "p" });
    let not_mine = other.refusal("command/exec/terminate", p.clone()).await;
    assert_eq!(not_mine.0, -32600);
    for (name, id) in [("p", closed), ("i", open)] {
        let params = json!({ "processId": name });
        let ended = client.request("command/exec/terminate", params).await;
        assert_eq!(ended, Ok(json!({})));
        assert_eq!(client.answer(id).await, Ok(done(137, "", "")));
    }
    let more = json!({ "processId": "i", "streamStdin": true });
    client
        .send("command/exec", with(&["sleep", "infinity"], &more))
        .await;
    let params = json!({ "processId": "i", "deltaBase64": big });
    let (code, text) = client.refusal("command/exec/write", params).await;
    assert_eq!(code, -32600);
    assert!(text.contains("at most 1048576 may wait"), "{text}");
}

#[tokio::test]
async fn one_connection_has_so_many_at_a_time() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let params = with(&["sleep", "infinity"], &json!({}));
    for _ in 0..128 {
        client.send("command/exec", params.clone()).await;
    }
    let refusal = client.refusal("command/exec", params).await;
    let text = "this connection runs 128 programs already";
    assert_eq!(refusal, (-32600, text.to_owned()));
}
