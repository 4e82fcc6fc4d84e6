//! Permission profiles, from the configuration to the file.

use std::fs;
use std::path::Path;

use loomd_testkit::{TestClient, TestServer};
use serde_json::{Value, json};

use crate::confined::{adding, ended, exec, rest, script};

/// A profile with a bit of everything. `/tmp` and the like stay out of it, since the tests
/// live there.
const PROFILE: &str = "
[permissions.mine]
description = 'Mine'
[permissions.mine.filesystem]
':root' = 'read'
[permissions.mine.filesystem.':workspace_roots']
'.' = 'write'
'docs' = 'read'
'docs/in' = 'write'
'secret' = 'deny'
'**/*.env' = 'deny'
";

/// A server with the profile, and a workspace that it means something in.
fn server() -> TestServer {
    let server = TestServer::with_config(&format!(
        "{PROFILE}\n[features]\nrequest_permissions_tool = true"
    ));
    furnish(&server.work());
    server
}

fn furnish(work: &Path) {
    for folder in ["docs/in", "secret", "sub"] {
        fs::create_dir_all(work.join(folder)).expect("made");
    }
    for file in ["secret/f", "sub/a.env", "docs/in/f"] {
        fs::write(work.join(file), "SECRET\n").expect("written");
    }
}

async fn start(client: &mut TestClient, more: Value) -> Value {
    client
        .request("thread/start", more)
        .await
        .expect("a thread")
}

async fn thread(server: &TestServer, client: &mut TestClient) -> String {
    let params = json!({
        "cwd": server.work(), "approvalPolicy": "on-request", "permissions": "mine",
    });
    let started = start(client, params).await;
    assert_eq!(
        started["activePermissionProfile"],
        json!({ "id": "mine", "extends": null })
    );
    assert_eq!(started["sandbox"]["type"], "workspaceWrite");
    started["thread"]["id"].as_str().expect("an id").to_owned()
}

/// Runs a command in the thread; its output.
async fn run(client: &mut TestClient, thread: &str, command: &str) -> String {
    let item = ended(&client.run_turn(thread, &script(&[exec(command)])).await);
    let output = item["aggregatedOutput"].as_str().unwrap_or_default();
    output.to_owned()
}

const LOOK: &str = "cat secret/f sub/a.env 2>/dev/null; echo x > docs/new; echo x > docs/in/new && \
                    echo in; echo x > own && echo own";

#[tokio::test]
async fn a_command_sees_and_writes_what_its_profile_says() {
    let server = server();
    let mut client = server.client().await;
    let thread = thread(&server, &mut client).await;
    let output = run(&mut client, &thread, LOOK).await;
    assert!(output.ends_with("in\nown\n"), "{output}");
    assert!(!output.contains("SECRET"), "{output}");
    assert!(!server.work().join("docs/new").exists());
    // Leaving the sandbox opens what may be written, and nothing that is hidden.
    let text = script(&[json!({
        "exec": "cat secret/f; echo x > docs/new; echo y > ../out", "escalate": "please",
    })]);
    client.start_turn(&thread, &text).await;
    let (id, _) = client.asked("item/commandExecution/requestApproval").await;
    client.respond(id, json!({ "decision": "accept" })).await;
    let item = ended(&client.notes_until("turn/completed").await);
    let output = item["aggregatedOutput"].as_str().expect("a text");
    assert!(output.contains("Permission denied"), "{output}");
    assert!(server.work().join("docs/new").exists() && server.work().join("../out").exists());
}

#[tokio::test]
async fn a_patch_and_an_image_go_by_the_profile_too() {
    let server = server();
    let mut client = server.client().await;
    let thread = thread(&server, &mut client).await;
    let inside = server.work().join("docs/in/new");
    client.run_turn(&thread, &script(&[adding(&inside)])).await;
    assert!(inside.exists());
    for (name, is_there) in [("docs/new", true), ("secret/new", false)] {
        let file = server.work().join(name);
        client.start_turn(&thread, &script(&[adding(&file)])).await;
        let (id, _) = client.asked("item/fileChange/requestApproval").await;
        client.respond(id, json!({ "decision": "accept" })).await;
        rest(&mut client).await;
        assert_eq!(file.exists(), is_there, "{name}");
    }
    let update = "*** Begin Patch\n*** Update File: sub/a.env\n@@\n-SECRET\n+open\n*** End Patch";
    let png = server.work().join("secret/p.png");
    fs::write(&png, b"\x89PNG\r\n\x1a\n").expect("written");
    let view = json!({ "call": ["view_image", { "path": png }] });
    let notes = client
        .run_turn(&thread, &script(&[json!({ "patch": update }), view]))
        .await;
    let made = |kind: &str| {
        let mut items = notes.iter().map(|note| &note["params"]["item"]["type"]);
        items.any(|made| made == kind)
    };
    assert!(!made("fileChange") && !made("imageView"));
    assert_eq!(
        fs::read(server.work().join("sub/a.env")).expect("read"),
        b"SECRET\n"
    );
}

#[tokio::test]
async fn what_the_user_granted_widens_the_sandbox_and_spares_questions() {
    let server = server();
    let mut client = server.client().await;
    let thread = thread(&server, &mut client).await;
    let outer = server.work().join("../granted");
    fs::create_dir(&outer).expect("made");
    let outer = outer.canonicalize().expect("real");
    let wanted = json!({
        "network": { "enabled": true },
        "file_system": { "write": [outer, "docs"], "read": ["secret"] },
    });
    let given = json!({
        "network": { "enabled": true },
        "fileSystem": {
            "write": [outer, server.work().join("docs")], "read": [server.work().join("secret")],
        },
    });
    let ask = json!({ "call": ["request_permissions", { "permissions": wanted }] });
    let network = "python3 -c 'import socket; socket.socket(); print(\"net\")'";
    let both = format!(
        "echo x > {}/f && echo x > docs/new && cat secret/f; {network}",
        outer.display()
    );
    for (scope, lasts) in [("turn", false), ("session", true)] {
        let file = outer.join(format!("by-patch-{scope}"));
        let steps = [ask.clone(), exec(&both), adding(&file)];
        client.start_turn(&thread, &script(&steps)).await;
        let (id, _) = client.asked("item/permissions/requestApproval").await;
        let answer = json!({ "permissions": given, "scope": scope });
        client.respond(id, answer).await;
        let notes = client.notes_until("turn/completed").await;
        assert!(
            notes.iter().all(|note| note.get("id").is_none()),
            "asked again: {notes:?}"
        );
        assert!(file.exists() && outer.join("f").exists());
        let done = notes.iter().find(|note| {
            note["method"] == "item/completed"
                && note["params"]["item"]["type"] == "commandExecution"
        });
        let output = done.expect("a command")["params"]["item"]["aggregatedOutput"].clone();
        let output = output.as_str().expect("a text");
        // What the profile denies is not the user's to give here.
        assert!(
            output.contains("net") && output.contains("Permission denied"),
            "{output}"
        );
        fs::remove_file(outer.join("f")).expect("it was made");
        run(&mut client, &thread, &both).await;
        assert_eq!(outer.join("f").exists(), lasts, "{scope}");
    }
}

/// The profile and the policy that the last `thread/settings/updated` told.
fn told(notes: &[Value]) -> (Value, Value) {
    let mut updates = notes
        .iter()
        .filter(|note| note["method"] == "thread/settings/updated");
    let settings = &updates.next_back().expect("an update")["params"]["threadSettings"];
    (
        settings["activePermissionProfile"]["id"].clone(),
        settings["sandboxPolicy"]["type"].clone(),
    )
}

#[tokio::test]
async fn a_turn_changes_the_profile_and_denials_outlive_another_policy() {
    let server = server();
    let mut client = server.client().await;
    let thread = thread(&server, &mut client).await;
    let turn = |more: Value, command: &str| {
        let input = json!([{ "type": "text", "text": script(&[exec(command)]) }]);
        let mut params = json!({ "threadId": thread, "input": input });
        for (key, value) in more.as_object().expect("an object") {
            params[key] = value.clone();
        }
        params
    };
    for (more, profile, policy, reads) in [
        (
            json!({ "permissions": ":read-only" }),
            json!(":read-only"),
            "readOnly",
            true,
        ),
        (
            json!({ "permissions": "mine" }),
            json!("mine"),
            "workspaceWrite",
            false,
        ),
        (
            json!({ "sandboxPolicy": { "type": "readOnly" } }),
            Value::Null,
            "readOnly",
            false,
        ),
        (
            json!({ "sandboxPolicy": { "type": "dangerFullAccess" } }),
            Value::Null,
            "dangerFullAccess",
            true,
        ),
    ] {
        let params = turn(more.clone(), "cat secret/f");
        client.request("turn/start", params).await.expect("a turn");
        let notes = client.notes_until("turn/completed").await;
        assert_eq!(told(&notes), (profile, json!(policy)), "{more}");
        let item = ended(&notes);
        let output = item["aggregatedOutput"].as_str().unwrap_or_default();
        assert_eq!(output == "SECRET\n", reads, "{more}: {output}");
    }
    for (method, params) in [
        ("turn/start", turn(json!({ "permissions": "nope" }), "true")),
        (
            "thread/settings/update",
            json!({ "threadId": thread, "permissions": "nope" }),
        ),
    ] {
        let (_, text) = client.refusal(method, params).await;
        assert_eq!(
            text,
            "failed to load configuration: default_permissions refers to undefined profile `nope`"
        );
    }
    let params = json!({ "threadId": thread, "permissions": "mine" });
    client
        .request("thread/settings/update", params)
        .await
        .expect("set");
    client.note("thread/settings/updated").await;
    assert!(
        !run(&mut client, &thread, "cat secret/f")
            .await
            .contains("SECRET")
    );
}

#[tokio::test]
async fn a_fork_and_a_restarted_thread_keep_their_profile() {
    let mut server = server();
    let mut client = server.client().await;
    let thread = thread(&server, &mut client).await;
    run(&mut client, &thread, "true").await;
    let forked = client
        .request("thread/fork", json!({ "threadId": thread }))
        .await
        .expect("a fork");
    assert_eq!(forked["activePermissionProfile"]["id"], "mine");
    let fork = forked["thread"]["id"].as_str().expect("an id").to_owned();
    assert!(
        !run(&mut client, &fork, "cat secret/f")
            .await
            .contains("SECRET")
    );
    client.close().await;
    server.restart();
    let mut client = server.client().await;
    let resume = json!({ "threadId": thread });
    let resumed = client
        .request("thread/resume", resume.clone())
        .await
        .expect("resumed");
    assert_eq!(resumed["activePermissionProfile"]["id"], "mine");
    let output = run(&mut client, &thread, LOOK).await;
    assert!(
        output.ends_with("in\nown\n") && !output.contains("SECRET"),
        "{output}"
    );
    // Another policy, and still what was denied is not shown after a restart.
    let policy = json!({ "threadId": thread, "sandboxPolicy": { "type": "readOnly" } });
    client
        .request("thread/settings/update", policy)
        .await
        .expect("set");
    client.note("thread/settings/updated").await;
    client.close().await;
    server.restart();
    let mut client = server.client().await;
    let resumed = client
        .request("thread/resume", resume)
        .await
        .expect("resumed");
    assert_eq!(resumed["activePermissionProfile"], Value::Null);
    assert_eq!(resumed["sandbox"]["type"], "readOnly");
    assert!(
        !run(&mut client, &thread, "cat secret/f")
            .await
            .contains("SECRET")
    );
}

#[tokio::test]
async fn a_profile_is_listed_and_command_exec_goes_by_it() {
    let server = TestServer::with_config(&format!(
        "{PROFILE}\n[permissions.small.filesystem]\n':minimal' = 'read'\n':workspace_roots' = 'write'"
    ));
    furnish(&server.work());
    let mut client = server.client().await;
    let listed = client
        .request("permissionProfile/list", json!({}))
        .await
        .expect("listed");
    assert_eq!(
        listed["data"][3],
        json!({ "id": "mine", "description": "Mine", "allowed": true })
    );
    for (profile, script, expected) in [
        ("mine", LOOK, "in\nown\n"),
        (
            "small",
            "cat secret/f; echo x > own && echo own; ls ../home /root /var 2>/dev/null; echo $?; \
             head -c 4 /etc/passwd",
            "SECRET\nown\n2\nroot",
        ),
    ] {
        let params = json!({
            "command": ["/bin/bash", "-c", script], "permissionProfile": profile,
            "cwd": server.work(),
        });
        let answer = client.request("command/exec", params).await.expect("ran");
        assert_eq!(answer["stdout"], expected, "{profile}: {answer}");
    }
}

async fn rollout(client: &mut TestClient, thread: &str) -> String {
    let read = client.request("thread/read", json!({ "threadId": thread }));
    let read = read.await.expect("read");
    let path = read["thread"]["path"].as_str().expect("a path");
    fs::read_to_string(path).expect("a rollout")
}

#[tokio::test]
async fn the_model_is_told_the_rules_and_nothing_of_a_hidden_file() {
    let server = server();
    fs::write(server.work().join("AGENTS.md"), "WORDS-OF-THE-PROJECT").expect("written");
    let mut client = server.client().await;
    let thread = thread(&server, &mut client).await;
    run(&mut client, &thread, "true").await;
    let text = rollout(&mut client, &thread).await;
    let work = server.work().canonicalize().expect("real");
    let work = work.display();
    for told in [
        format!("<entry access=\\\"write\\\"><path>{work}</path></entry>"),
        format!("<entry access=\\\"read\\\"><path>{work}/docs</path></entry>"),
        format!(
            "<entry access=\\\"deny\\\" escalatable=\\\"false\\\"><path>{work}/secret</path></entry>"
        ),
        format!(
            "<entry access=\\\"deny\\\" escalatable=\\\"false\\\"><glob>{work}/**/*.env</glob></entry>"
        ),
        format!("<entry access=\\\"read\\\"><path>{work}/.aws</path></entry>"),
        "a permission profile says which files".to_owned(),
        "WORDS-OF-THE-PROJECT".to_owned(),
    ] {
        assert!(text.contains(&told), "{told} is missing in {text}");
    }
    let params = json!({
        "cwd": server.work(), "permissions": "mine",
        "config": { "permissions.mine.filesystem.\":workspace_roots\".\"AGENTS.md\"": "deny" },
    });
    let started = start(&mut client, params).await;
    assert_eq!(started["activePermissionProfile"]["id"], "mine");
    let thread = started["thread"]["id"].as_str().expect("an id").to_owned();
    run(&mut client, &thread, "true").await;
    let text = rollout(&mut client, &thread).await;
    assert!(text.contains("/AGENTS.md</path>") && !text.contains("WORDS-OF-THE-PROJECT"));
}
