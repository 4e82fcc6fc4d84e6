//! `process/spawn`: answered at once, its end a notification.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use loomd_testkit::{TestClient, TestServer};
use serde_json::{Value, json};

/// A process `h` with other members of its params.
fn process(command: &[&str], more: &Value) -> Value {
    let mut params = json!({ "command": command, "cwd": "/", "processHandle": "h" });
    let members = params.as_object_mut().expect("an object");
    members.extend(more.as_object().expect("an object").clone());
    params
}

async fn spawn(client: &mut TestClient, params: Value) {
    let answer = client.request("process/spawn", params).await;
    assert_eq!(answer, Ok(json!({})));
}

fn exited(code: i32, stdout: &str, stderr: &str) -> Value {
    json!({
        "processHandle": "h", "exitCode": code, "outputDrainTimedOut": false,
        "stdout": stdout, "stdoutCapReached": false,
        "stderr": stderr, "stderrCapReached": false,
    })
}

async fn end(client: &mut TestClient) -> Value {
    client.note("process/exited").await
}

#[tokio::test]
async fn the_end_tells_what_was_printed() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let script = ["sh", "-c", "pwd; echo e >&2; cat; exit 4"];
    spawn(&mut client, process(&script, &json!({}))).await;
    assert_eq!(end(&mut client).await, exited(4, "/\n", "e\n"));
    spawn(
        &mut client,
        process(&["sleep", "9"], &json!({ "timeoutMs": 50 })),
    )
    .await;
    assert_eq!(end(&mut client).await, exited(124, "", ""));
    let long = ["sh", "-c", "head -c 1048577 /dev/zero | tr '\\0' x"];
    for (cap, bytes, reached) in [
        (json!({}), 1_048_576, true),
        (json!({ "outputBytesCap": null }), 1_048_577, false),
        (json!({ "outputBytesCap": 7 }), 7, true),
    ] {
        spawn(&mut client, process(&long, &cap)).await;
        let note = end(&mut client).await;
        assert_eq!(note["stdout"].as_str().map(str::len), Some(bytes));
        assert_eq!(note["stdoutCapReached"], reached);
    }
}

#[tokio::test]
async fn streamed_output_comes_before_the_end() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let more = json!({ "streamStdoutStderr": true, "outputBytesCap": 4 });
    spawn(&mut client, process(&["sh", "-c", "echo 12345678"], &more)).await;
    let notes = client.notes_until("process/exited").await;
    let deltas: Vec<&Value> = notes
        .iter()
        .filter(|note| note["method"] == "process/outputDelta")
        .map(|note| &note["params"])
        .collect();
    let expected = json!({
        "processHandle": "h", "stream": "stdout",
        "deltaBase64": STANDARD.encode("1234"), "capReached": true,
    });
    assert_eq!(deltas, [&expected]);
    let mut told = exited(0, "", "");
    told["stdoutCapReached"] = true.into();
    assert_eq!(notes.last().expect("an end")["params"], told);
}

#[tokio::test]
async fn it_is_written_to_and_killed() {
    let server = TestServer::new();
    let mut client = server.client().await;
    spawn(
        &mut client,
        process(&["cat"], &json!({ "streamStdin": true })),
    )
    .await;
    let twice = client
        .refusal("process/spawn", process(&["true"], &json!({})))
        .await;
    assert_eq!(
        twice,
        (-32600, "duplicate active process handle: \"h\"".to_owned())
    );
    let write = json!({ "processHandle": "h", "deltaBase64": STANDARD.encode("hi") });
    let close = json!({ "processHandle": "h", "closeStdin": true });
    for params in [write, close.clone()] {
        let answer = client.request("process/writeStdin", params).await;
        assert_eq!(answer, Ok(json!({})));
    }
    assert_eq!(end(&mut client).await, exited(0, "hi", ""));

    spawn(&mut client, process(&["sleep", "9"], &json!({}))).await;
    let refusal = client.refusal("process/writeStdin", close).await;
    assert_eq!(
        refusal,
        (
            -32600,
            "stdin streaming is not enabled for this process".to_owned()
        )
    );
    let h = json!({ "processHandle": "h" });
    assert_eq!(
        client.request("process/kill", h.clone()).await,
        Ok(json!({}))
    );
    assert_eq!(end(&mut client).await, exited(137, "", ""));

    spawn(
        &mut client,
        process(&["sleep", "9"], &json!({ "tty": true })),
    )
    .await;
    let size = json!({ "processHandle": "h", "size": { "rows": 9, "cols": 8 } });
    assert_eq!(
        client.request("process/resizePty", size).await,
        Ok(json!({}))
    );
    assert_eq!(client.request("process/kill", h).await, Ok(json!({})));
    assert_eq!(end(&mut client).await, exited(1, "", ""));
}

#[tokio::test]
async fn what_is_wrong_is_said_in_the_references_words_and_order() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let zero = json!({ "rows": 0, "cols": 1 });
    for (method, params, code, text) in [
        (
            "spawn",
            process(&[], &json!({ "processHandle": "" })),
            -32600,
            "command must not be empty",
        ),
        (
            "spawn",
            process(&["true"], &json!({ "processHandle": "", "timeoutMs": -1 })),
            -32600,
            "processHandle must not be empty",
        ),
        (
            "spawn",
            process(&["true"], &json!({ "size": zero, "timeoutMs": -1 })),
            -32602,
            "process/spawn size requires tty: true",
        ),
        (
            "spawn",
            process(&["true"], &json!({ "size": zero, "tty": true })),
            -32602,
            "process size rows and cols must be greater than 0",
        ),
        (
            "spawn",
            process(&["true"], &json!({ "timeoutMs": -1 })),
            -32602,
            "process/spawn timeoutMs must be non-negative, got -1",
        ),
        (
            "spawn",
            process(&["true"], &json!({ "cwd": "rel" })),
            -32600,
            "Invalid request: AbsolutePathBuf deserialized without a base path",
        ),
        (
            "spawn",
            process(&["nope-x"], &json!({})),
            -32603,
            "failed to spawn process: No such file or directory (os error 2)",
        ),
        (
            "spawn",
            process(&[""], &json!({})),
            -32603,
            "failed to spawn process: missing program for pipe spawn",
        ),
        (
            "writeStdin",
            json!({ "processHandle": "h" }),
            -32602,
            "process/writeStdin requires deltaBase64 or closeStdin",
        ),
        (
            "writeStdin",
            json!({ "processHandle": "h", "deltaBase64": "YQ" }),
            -32602,
            "invalid deltaBase64: Invalid padding",
        ),
        (
            "kill",
            json!({ "processHandle": "" }),
            -32600,
            "no active process for process handle \"\"",
        ),
        (
            "resizePty",
            json!({ "processHandle": "h", "size": { "rows": 1, "cols": 1 } }),
            -32600,
            "no active process for process handle \"h\"",
        ),
        (
            "resizePty",
            json!({ "processHandle": "h", "size": zero }),
            -32602,
            "process size rows and cols must be greater than 0",
        ),
    ] {
        let method = format!("process/{method}");
        let refusal = client.refusal(&method, params.clone()).await;
        assert_eq!(refusal, (code, text.to_owned()), "{method} {params}");
    }
}

#[tokio::test]
async fn what_a_session_of_its_own_holds_open_is_not_waited_for_long() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let script = ["sh", "-c", "setsid sleep 3 & echo hi"];
    spawn(&mut client, process(&script, &json!({}))).await;
    let mut told = exited(0, "hi\n", "");
    told["outputDrainTimedOut"] = true.into();
    assert_eq!(end(&mut client).await, told);
}
