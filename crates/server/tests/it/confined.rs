//! Commands and patches under a sandbox policy, from the request to the file.

use std::fs;
use std::path::Path;

use loomd_testkit::{TestClient, TestServer};
use serde_json::{Value, json};

const ASK_COMMAND: &str = "item/commandExecution/requestApproval";
const ASK_PATCH: &str = "item/fileChange/requestApproval";

/// A thread that may write its folder alone.
async fn thread(server: &TestServer, client: &mut TestClient, approval: Value) -> String {
    let params = json!({
        "cwd": server.work(), "approvalPolicy": approval, "sandbox": "workspace-write",
        "config": {
            "sandbox_workspace_write.exclude_slash_tmp": true,
            "sandbox_workspace_write.exclude_tmpdir_env_var": true,
        },
    });
    let started = client
        .request("thread/start", params)
        .await
        .expect("a thread");
    started["thread"]["id"].as_str().expect("an id").to_owned()
}

pub(crate) fn script(steps: &[Value]) -> String {
    let mut steps = steps.to_vec();
    steps.push(json!({ "say": "so" }));
    format!("go\n@@ {}", Value::from(steps))
}

pub(crate) fn exec(command: &str) -> Value {
    json!({ "exec": command })
}

pub(crate) fn adding(file: &Path) -> Value {
    let patch = format!(
        "*** Begin Patch\n*** Add File: {}\n+new\n*** End Patch",
        file.display()
    );
    json!({ "patch": patch })
}

/// The item that ended last, of those that a tool made.
pub(crate) fn ended(notes: &[Value]) -> Value {
    let ends = notes
        .iter()
        .filter(|note| note["method"] == "item/completed");
    let mut items = ends.map(|note| &note["params"]["item"]);
    items
        .rfind(|item| item["type"] == "commandExecution" || item["type"] == "fileChange")
        .expect("an item")
        .clone()
}

/// Reads to the end of the turn.
pub(crate) async fn rest(client: &mut TestClient) {
    client.note("turn/completed").await;
}

#[tokio::test]
async fn a_command_writes_its_folder_and_nothing_else_without_being_asked_about() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let thread = thread(&server, &mut client, "on-request".into()).await;
    let run = script(&[exec("echo x > f; echo net=$CODEX_SANDBOX_NETWORK_DISABLED")]);
    let item = ended(&client.run_turn(&thread, &run).await);
    assert_eq!(item["status"], "completed", "{item}");
    assert_eq!(item["aggregatedOutput"], "net=1\n");
    assert_eq!(fs::read(server.work().join("f")).expect("written"), b"x\n");
    for command in [
        "echo x > ../outside",
        "echo x > ../home/rules.x",
        "mkdir .git/x",
        "python3 -c 'import socket; socket.socket()'",
    ] {
        let item = ended(&client.run_turn(&thread, &script(&[exec(command)])).await);
        assert_eq!(item["status"], "failed", "{command}: {item}");
    }
    assert!(!server.work().join("../outside").exists());
    let left: Vec<_> = fs::read_dir(server.work()).expect("a folder").collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[tokio::test]
async fn what_wants_out_of_the_sandbox_is_asked_about_with_its_reason() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let thread = thread(&server, &mut client, "on-request".into()).await;
    let outside = server.work().join("../outside");
    let run = script(&[json!({ "exec": "touch ../outside", "escalate": "it must be" })]);
    for (decision, is_there) in [("decline", false), ("accept", true)] {
        client.start_turn(&thread, &run).await;
        let (id, params) = client.asked(ASK_COMMAND).await;
        assert_eq!(params["reason"], "it must be");
        client.respond(id, json!({ "decision": decision })).await;
        rest(&mut client).await;
        assert_eq!(outside.exists(), is_there, "{decision}");
    }
    fs::remove_file(&outside).expect("it was made");
    client.start_turn(&thread, &run).await;
    let (id, params) = client.asked(ASK_COMMAND).await;
    assert_eq!(
        params["proposedExecpolicyAmendment"],
        json!(["touch", "../outside"])
    );
    let amendment =
        json!({ "acceptWithExecpolicyAmendment": { "execpolicy_amendment": ["touch"] } });
    client.respond(id, json!({ "decision": amendment })).await;
    rest(&mut client).await;
    let rules = server.home().join("rules/default.rules");
    assert_eq!(
        fs::read_to_string(rules).expect("rules"),
        "prefix_rule(pattern=[\"touch\"], decision=\"allow\")\n"
    );
    // From now on it runs outside, unasked, in every thread.
    let other = self::thread(&server, &mut client, "never".into()).await;
    let item = ended(
        &client
            .run_turn(&other, &script(&[exec("touch ../more")]))
            .await,
    );
    assert_eq!(item["status"], "completed", "{item}");
    assert!(server.work().join("../more").exists());
}

#[tokio::test]
async fn rules_come_before_the_policy() {
    let server = TestServer::new();
    fs::create_dir(server.home().join("rules")).expect("made");
    fs::write(
        server.home().join("rules/my.rules"),
        "prefix_rule(pattern=[\"touch\", \"no\"], decision=\"forbidden\", justification=\"never that\")\n\
         prefix_rule(pattern=[\"touch\", \"ask\"], decision=\"prompt\", justification=\"better ask\")\n",
    )
    .expect("written");
    let mut client = server.client().await;
    let thread = thread(&server, &mut client, "on-request".into()).await;
    client
        .run_turn(&thread, &script(&[exec("true && touch no")]))
        .await;
    assert!(!server.work().join("no").exists());
    client
        .start_turn(&thread, &script(&[exec("touch ask")]))
        .await;
    let (id, params) = client.asked(ASK_COMMAND).await;
    let reason = params["reason"].as_str().expect("a reason");
    assert!(reason.ends_with("better ask"), "{reason}");
    assert_eq!(params["proposedExecpolicyAmendment"], Value::Null);
    client.respond(id, json!({ "decision": "accept" })).await;
    rest(&mut client).await;
    assert!(server.work().join("ask").exists());
}

#[tokio::test]
async fn a_patch_inside_is_written_and_one_outside_is_asked_about() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let thread = thread(&server, &mut client, "on-request".into()).await;
    let inside = server.work().join("deep/er/f");
    let item = ended(&client.run_turn(&thread, &script(&[adding(&inside)])).await);
    assert_eq!(item["status"], "completed", "{item}");
    assert_eq!(fs::read(&inside).expect("written"), b"new\n");
    std::os::unix::fs::symlink("..", server.work().join("up")).expect("linked");
    for (name, decision) in [
        ("../outside", "accept"),
        (".git/config", "accept"),
        ("up/linked", "decline"),
    ] {
        let file = server.work().join(name);
        client.start_turn(&thread, &script(&[adding(&file)])).await;
        let (id, _) = client.asked(ASK_PATCH).await;
        assert!(!file.exists(), "{name}");
        client.respond(id, json!({ "decision": decision })).await;
        rest(&mut client).await;
        assert_eq!(file.exists(), decision == "accept", "{name}");
    }
    let never = self::thread(&server, &mut client, "never".into()).await;
    let file = server.work().join("../refused");
    let notes = client.run_turn(&never, &script(&[adding(&file)])).await;
    assert!(
        notes
            .iter()
            .all(|note| note["params"]["item"]["type"] != "fileChange")
    );
    assert!(!file.exists());
}

#[tokio::test]
async fn a_patch_that_fails_in_the_sandbox_leaves_everything_as_it_was() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let thread = thread(&server, &mut client, "on-request".into()).await;
    let (own, outer) = (server.work().join("own"), server.work().join("../outer"));
    for file in [&own, &outer] {
        fs::write(file, "old\n").expect("written");
    }
    // A second name of a file outside: the path is inside, the file is not.
    fs::hard_link(&outer, server.work().join("second")).expect("linked");
    let patch = "*** Begin Patch\n*** Update File: own\n@@\n-old\n+new\n*** Update File: second\n\
                 @@\n-old\n+new\n*** End Patch";
    let item = ended(
        &client
            .run_turn(&thread, &script(&[json!({ "patch": patch })]))
            .await,
    );
    assert_eq!(item["status"], "failed", "{item}");
    for file in [&own, &outer] {
        assert_eq!(fs::read(file).expect("read"), b"old\n");
    }
}

#[tokio::test]
async fn granular_policies_ask_for_what_they_name() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let policy = |sandbox_approval: bool| {
        json!({ "granular": {
            "sandbox_approval": sandbox_approval, "rules": false, "mcp_elicitations": false,
        }})
    };
    let run = script(&[json!({ "exec": "touch ../outside", "escalate": "it must be" })]);
    let closed = thread(&server, &mut client, policy(false)).await;
    let notes = client.run_turn(&closed, &run).await;
    assert!(notes.iter().all(|note| note["method"] != ASK_COMMAND));
    let open = thread(&server, &mut client, policy(true)).await;
    client.start_turn(&open, &run).await;
    let (id, _) = client.asked(ASK_COMMAND).await;
    client.respond(id, json!({ "decision": "accept" })).await;
    rest(&mut client).await;
    assert!(server.work().join("../outside").exists());
    // What a rule allows leaves the sandbox, so where nothing may leave it none is offered.
    let removal = script(&[exec("rm -f nothing")]);
    for (thread, offers) in [(closed, 2), (open, 3)] {
        client.start_turn(&thread, &removal).await;
        let (id, params) = client.asked(ASK_COMMAND).await;
        let decisions = params["availableDecisions"].as_array().expect("a list");
        assert_eq!(decisions.len(), offers, "{decisions:?}");
        client.respond(id, json!({ "decision": "decline" })).await;
        rest(&mut client).await;
    }
}

#[tokio::test]
async fn a_broken_rules_file_is_told_and_allows_nothing() {
    let server = TestServer::new();
    fs::create_dir(server.home().join("rules")).expect("made");
    fs::write(
        server.home().join("rules/my.rules"),
        "prefix_rule(pattern=[\"touch\"], decision=\"allow\")\nprefix_rule(patern=[])\n",
    )
    .expect("written");
    let mut client = server.client().await;
    let warning = client.note("configWarning").await;
    assert_eq!(warning["range"]["start"]["line"], 2, "{warning}");
    let thread = thread(&server, &mut client, "never".into()).await;
    let item = ended(
        &client
            .run_turn(&thread, &script(&[exec("touch ../out")]))
            .await,
    );
    assert_eq!(item["status"], "failed", "{item}");
}
