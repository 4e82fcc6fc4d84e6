//! `command/exec`: what is answered, and what is told meanwhile.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use loomd_testkit::{TestClient, TestServer};
use serde_json::{Value, json};
use tokio::time::Instant;

/// A command with other members of its params.
pub(crate) fn with(command: &[&str], more: &Value) -> Value {
    let mut params = json!({ "command": command });
    let members = params.as_object_mut().expect("an object");
    members.extend(more.as_object().expect("an object").clone());
    params
}

fn sh(script: &str, more: &Value) -> Value {
    with(&["sh", "-c", script], more)
}

pub(crate) async fn exec(client: &mut TestClient, params: Value) -> Value {
    let answer = client.request("command/exec", params).await;
    answer.expect("the command runs")
}

pub(crate) fn done(code: i32, stdout: &str, stderr: &str) -> Value {
    json!({ "exitCode": code, "stdout": stdout, "stderr": stderr })
}

/// What was streamed before this, by its stream, and whether the cap was reached at the end.
fn streamed(client: &mut TestClient, stream: &str) -> (String, bool) {
    let mut text = Vec::new();
    let mut capped = false;
    for note in client.pending_notes() {
        let params = &note["params"];
        if note["method"] == "command/exec/outputDelta" && params["stream"] == stream {
            assert!(!capped, "nothing follows the cap");
            let delta = params["deltaBase64"].as_str().expect("a text");
            text.extend(STANDARD.decode(delta).expect("base64"));
            capped = params["capReached"].as_bool().expect("a flag");
        }
    }
    (String::from_utf8(text).expect("a text"), capped)
}

/// Waits until a streamed command has printed something that ends like this.
async fn printed(client: &mut TestClient, end: &str) -> String {
    let mut text = String::new();
    while !text.ends_with(end) {
        let note = client.note("command/exec/outputDelta").await;
        let delta = note["deltaBase64"].as_str().expect("a text");
        text += &String::from_utf8(STANDARD.decode(delta).expect("base64")).expect("a text");
    }
    text
}

#[tokio::test]
async fn streams_are_apart_and_the_exit_code_is_the_shells() {
    let server = TestServer::new();
    let mut client = server.client().await;
    for (script, expected) in [
        ("echo o; echo e >&2; exit 3", done(3, "o\n", "e\n")),
        ("kill -9 $$", done(137, "", "")),
        ("kill -15 $$", done(143, "", "")),
        ("cat; test -t 0 || echo none", done(0, "none\n", "")),
        (r"printf '\377\376abc'", done(0, "\u{fffd}\u{fffd}abc", "")),
    ] {
        assert_eq!(exec(&mut client, sh(script, &json!({}))).await, expected);
    }
}

#[tokio::test]
async fn folder_and_environment_are_the_servers_with_the_requests_changes() {
    let server = TestServer::with_config(
        "[shell_environment_policy]\nexclude = [\"FOO_*\"]\nset = { MARK = \"1\", GONE = \"1\" }",
    );
    std::fs::create_dir(server.work().join("sub")).expect("made");
    let mut client = server.client().await;
    let work = server.work().canonicalize().expect("there");
    let work = work.display();
    for (cwd, expected) in [
        (json!(null), format!("{work}\n")),
        (json!("sub"), format!("{work}/sub\n")),
        (json!("/"), "/\n".to_owned()),
    ] {
        let answer = exec(&mut client, with(&["pwd"], &json!({ "cwd": cwd }))).await;
        assert_eq!(answer, done(0, &expected, ""));
    }
    let script = "echo \"$MARK|${GONE-unset}|$NEW|${HOME-unset}|${PAGER-unset}\"";
    let env = json!({ "NEW": "2", "GONE": null, "HOME": null, "PAGER": null });
    let answer = exec(&mut client, sh(script, &json!({ "env": env }))).await;
    assert_eq!(answer, done(0, "1|unset|2|unset|unset\n", ""));
}

#[tokio::test]
async fn a_command_is_confined_to_the_folder_of_its_request() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let file = server.work().join("file");
    let sub = server.work().join("sub");
    std::fs::create_dir(&sub).expect("made");
    let touch = |more: Value| with(&["touch", file.to_str().expect("a text")], &more);
    let own_folder_only = json!({
        "type": "workspaceWrite", "excludeSlashTmp": true, "excludeTmpdirEnvVar": true,
    });
    for more in [
        json!({ "permissionProfile": ":read-only" }),
        json!({ "sandboxPolicy": { "type": "readOnly" } }),
        json!({ "sandboxPolicy": own_folder_only, "cwd": sub }),
    ] {
        let answer = exec(&mut client, touch(more)).await;
        assert_eq!(answer["exitCode"], 1, "{answer}");
        let error = answer["stderr"].as_str().expect("a text");
        assert!(error.contains("Read-only file system"), "{error}");
        assert!(!file.exists());
    }
    let missing = with(
        &["/no/such/program"],
        &json!({ "permissionProfile": ":workspace" }),
    );
    let (code, text) = client.refusal("command/exec", missing).await;
    assert_eq!(code, -32603);
    assert!(text.contains("No such file or directory"), "{text}");
    for more in [
        json!({ "permissionProfile": ":workspace" }),
        json!({ "sandboxPolicy": own_folder_only }),
        json!({ "permissionProfile": ":danger-full-access" }),
        json!({ "sandboxPolicy": { "type": "externalSandbox" } }),
    ] {
        assert_eq!(exec(&mut client, touch(more)).await, done(0, "", ""));
        std::fs::remove_file(&file).expect("it was made");
    }
}

#[tokio::test]
async fn a_time_that_is_up_gives_124_with_what_was_printed() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let params = sh("echo a; sleep infinity", &json!({ "timeoutMs": 200 }));
    assert_eq!(exec(&mut client, params).await, done(124, "a\n", ""));
    let params = with(&["sleep", "infinity"], &json!({ "timeoutMs": 0 }));
    assert_eq!(exec(&mut client, params).await, done(124, "", ""));
}

#[tokio::test]
async fn streamed_output_comes_before_the_answer_and_is_not_repeated() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let more = json!({ "processId": "p", "streamStdoutStderr": true });
    let params = sh("echo one; echo err >&2; echo two", &more);
    assert_eq!(exec(&mut client, params.clone()).await, done(0, "", ""));
    assert_eq!(
        streamed(&mut client, "stdout"),
        ("one\ntwo\n".to_owned(), false)
    );
    exec(&mut client, params).await;
    assert_eq!(streamed(&mut client, "stderr"), ("err\n".to_owned(), false));
}

#[tokio::test]
async fn the_cap_cuts_each_stream_silently() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let script = "echo 123456789; echo abcdefgh >&2";
    let params = sh(script, &json!({ "outputBytesCap": 5 }));
    assert_eq!(exec(&mut client, params).await, done(0, "12345", "abcde"));
    let params = sh("yes | head -c 3000000", &json!({}));
    let answer = exec(&mut client, params).await;
    assert_eq!(answer["stdout"].as_str().map(str::len), Some(1_048_576));
    let params = sh(
        "yes | head -c 3000000",
        &json!({ "disableOutputCap": true }),
    );
    let answer = exec(&mut client, params).await;
    assert_eq!(answer["stdout"].as_str().map(str::len), Some(3_000_000));
    let more = json!({ "outputBytesCap": 7, "processId": "p", "streamStdoutStderr": true });
    assert_eq!(exec(&mut client, sh(script, &more)).await, done(0, "", ""));
    assert_eq!(
        streamed(&mut client, "stdout"),
        ("1234567".to_owned(), true)
    );
}

#[tokio::test]
async fn input_is_written_and_closed() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let params = with(&["cat"], &json!({ "processId": "p", "streamStdin": true }));
    let id = client.send("command/exec", params).await;
    let write = |delta: &str, close: bool| json!({ "processId": "p", "deltaBase64": STANDARD.encode(delta), "closeStdin": close });
    for params in [write("hello\n", false), write("bye", true)] {
        let answer = client.request("command/exec/write", params).await;
        assert_eq!(answer, Ok(json!({})));
    }
    assert_eq!(client.answer(id).await, Ok(done(0, "hello\nbye", "")));
    let late = client
        .refusal("command/exec/write", write("x", false))
        .await;
    let gone = "no active command/exec for process id \"p\"";
    assert_eq!(late, (-32600, gone.to_owned()));
}

#[tokio::test]
async fn a_terminal_has_a_size_that_changes_and_an_end_of_input() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let script = "stty size; tty | cut -c1-5; echo e >&2; read x; stty size; echo \"got $x\"; cat";
    let more = json!({ "processId": "t", "tty": true, "size": { "rows": 5, "cols": 7 } });
    let id = client.send("command/exec", sh(script, &more)).await;
    let first = printed(&mut client, "e\r\n").await;
    assert_eq!(first, "5 7\r\n/dev/\r\ne\r\n");
    let size = json!({ "processId": "t", "size": { "rows": 50, "cols": 100 } });
    let resized = client.request("command/exec/resize", size).await;
    assert_eq!(resized, Ok(json!({})));
    let line = json!({ "processId": "t", "deltaBase64": STANDARD.encode("abc\n") });
    client
        .request("command/exec/write", line)
        .await
        .expect("written");
    let second = printed(&mut client, "got abc\r\n").await;
    assert_eq!(second, "abc\r\n50 100\r\ngot abc\r\n");
    let end = json!({ "processId": "t", "closeStdin": true });
    client
        .request("command/exec/write", end)
        .await
        .expect("closed");
    assert_eq!(client.answer(id).await, Ok(done(0, "", "")));

    let more = json!({ "processId": "t", "tty": true });
    let id = client
        .send("command/exec", with(&["sleep", "infinity"], &more))
        .await;
    let params = json!({ "processId": "t" });
    let ended = client.request("command/exec/terminate", params).await;
    assert_eq!(ended, Ok(json!({})));
    assert_eq!(client.answer(id).await, Ok(done(1, "", "")));
}

#[tokio::test]
async fn what_still_writes_is_read_and_what_holds_the_output_is_not_waited_for() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let params = sh("(sleep 0.2; echo late) & echo hi", &json!({}));
    assert_eq!(exec(&mut client, params).await, done(0, "hi\nlate\n", ""));
    let begun = Instant::now();
    let params = sh("sleep infinity & echo hi $!", &json!({}));
    let answer = exec(&mut client, params).await;
    let took = begun.elapsed();
    assert!(
        took >= Duration::from_secs(2) && took < Duration::from_secs(4),
        "{took:?}"
    );
    let printed = answer["stdout"].as_str().expect("a text");
    let pid = printed.trim().strip_prefix("hi ").expect("an id");
    assert!(ends(pid).await, "it ends with its command");
}

/// Whether a process ends soon, which was killed.
async fn ends(pid: &str) -> bool {
    let stat = format!("/proc/{pid}/stat");
    for _ in 0..200 {
        match std::fs::read_to_string(&stat) {
            Ok(stat) if !stat.contains(") Z ") => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Ok(_) | Err(_) => return true,
        }
    }
    false
}

#[tokio::test]
async fn everything_ends_with_its_connection_and_only_that() {
    let server = TestServer::new();
    let mut leaves = server.client().await;
    let mut stays = server.client().await;
    let more = json!({ "processId": "p", "streamStdoutStderr": true, "disableTimeout": true });
    // The first of the three has a session of its own.
    let script = "trap '' TERM HUP; setsid -f sh -c 'echo $$ > $0.up; exec sleep infinity' $$
        until [ -s $$.up ]; do sleep 0.01; done
        sleep infinity & echo $(cat $$.up) $$ $!; wait";
    let mut pids = Vec::new();
    for client in [&mut leaves, &mut stays] {
        client.send("command/exec", sh(script, &more)).await;
        pids.push(printed(client, "\n").await);
    }
    leaves.close().await;
    for pid in pids[0].split_whitespace() {
        assert!(ends(pid).await);
    }
    let params = json!({ "processId": "p" });
    let ended = stays.request("command/exec/terminate", params).await;
    assert_eq!(ended, Ok(json!({})), "the other one goes on");
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_its_program_up_and_loses_nothing() {
    const BYTES: usize = 30_000_000;
    let server = TestServer::new();
    let mut client = server.client().await;
    let mut other = server.client().await;
    let script = format!("yes | head -c {BYTES}; touch done");
    let more = json!({ "processId": "p", "streamStdoutStderr": true, "disableOutputCap": true });
    let id = client.send("command/exec", sh(&script, &more)).await;
    let params = with(&["sleep", "0.5"], &json!({}));
    assert_eq!(exec(&mut other, params).await, done(0, "", ""));
    assert!(
        !server.work().join("done").exists(),
        "it waits for its reader"
    );
    assert_eq!(client.answer(id).await, Ok(done(0, "", "")));
    let (text, capped) = streamed(&mut client, "stdout");
    assert_eq!((text.len(), capped), (BYTES, false));
}
