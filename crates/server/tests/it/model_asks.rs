//! The model asks the user: questions in plan mode, and for permissions.

use std::fs;

use loomd_testkit::TestServer;
use serde_json::{Value, json};

use crate::approvals::{asking_thread, rest};

#[tokio::test]
async fn the_model_asks_the_user_in_plan_mode_and_only_there() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let thread = asking_thread(&server, &mut client).await;
    let text = "go\n@@ [{\"call\":[\"request_user_input\",{\"questions\":[{\"id\":\"q\",\"header\":\
                \"H\",\"question\":\"Which?\",\"options\":[{\"label\":\"a\",\"description\":\"A\"}]}\
                ]}]},{\"say\":\"so\"}]";
    let notes = client.run_turn(&thread, text).await;
    assert!(notes.iter().all(|note| note.get("id").is_none()));
    let output = |server: &TestServer| {
        let rollout = only_rollout(&server.home());
        let lines = rollout.lines().rev();
        let mut lines = lines.filter(|line| line.contains("\"function_call_output\""));
        let line: Value = serde_json::from_str(lines.next().expect("an output")).expect("JSON");
        line["payload"]["output"]
            .as_str()
            .expect("a text")
            .to_owned()
    };
    assert_eq!(
        output(&server),
        "request_user_input is unavailable in Default mode"
    );
    let mode = json!({"mode": "plan", "settings": {"model": "offline"}});
    for (answer, expected) in [
        (
            json!({"answers": {"q": {"answers": ["a"]}}}),
            r#"{"answers":{"q":{"answers":["a"]}}}"#,
        ),
        (Value::Null, r#"{"answers":{}}"#),
    ] {
        let input = json!([{"type": "text", "text": text}]);
        let params = json!({"threadId": thread, "input": input, "collaborationMode": mode});
        client.request("turn/start", params).await.expect("a turn");
        let (id, asked) = client.asked("item/tool/requestUserInput").await;
        assert_eq!(asked["isBlocking"], true);
        let view = client
            .request("thread/read", json!({"threadId": thread}))
            .await
            .expect("read");
        let flags = &view["thread"]["status"]["activeFlags"];
        assert_eq!(*flags, json!(["waitingOnUserInput"]));
        if answer.is_null() {
            client.refuse(id, "nobody is here").await;
        } else {
            client.respond(id, answer).await;
        }
        let (methods, status) = rest(&mut client).await;
        assert_eq!(status, "completed");
        assert!(methods.contains(&"serverRequest/resolved".to_owned()));
        assert_eq!(output(&server), expected);
    }
}

#[tokio::test]
async fn what_was_cut_short_is_told_as_the_call_came() {
    for (step, asked, kind, words) in [
        (
            r#"{"exec":"touch here"}"#,
            "item/commandExecution/requestApproval",
            "\"function_call_output\"",
            "Wall time: ",
        ),
        (
            r#"{"patch":"*** Begin Patch\n*** Add File: f\n+one\n*** End Patch"}"#,
            "item/fileChange/requestApproval",
            "\"custom_tool_call_output\"",
            "aborted by user after ",
        ),
    ] {
        let server = TestServer::new();
        let mut client = server.client().await;
        let thread = asking_thread(&server, &mut client).await;
        let turn = client
            .start_turn(&thread, &format!("go\n@@ [{step},{{\"say\":\"so\"}}]"))
            .await;
        client.asked(asked).await;
        client
            .request(
                "turn/interrupt",
                json!({"threadId": thread, "turnId": turn}),
            )
            .await
            .expect("interrupted");
        rest(&mut client).await;
        let rollout = only_rollout(&server.home());
        let line = rollout.lines().rev().find(|line| line.contains(kind));
        let line: Value = serde_json::from_str(line.expect("an output")).expect("JSON");
        let output = line["payload"]["output"].as_str().expect("a text");
        assert!(output.starts_with(words), "{output}");
        assert!(output.contains("aborted by user"), "{output}");
    }
}

fn only_rollout(folder: &std::path::Path) -> String {
    let mut folders = vec![folder.join("sessions")];
    let mut text = String::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                text = fs::read_to_string(path).expect("a rollout");
            }
        }
    }
    text
}

#[tokio::test]
async fn permissions_are_asked_for_only_where_the_feature_is_on() {
    let script = "go\n@@ [{\"call\":[\"request_permissions\",{\"permissions\":{\"network\":\
                  {\"enabled\":true}}}]},{\"say\":\"so\"}]";
    let server = TestServer::new();
    let mut client = server.client().await;
    let thread = asking_thread(&server, &mut client).await;
    client.run_turn(&thread, script).await;
    assert!(only_rollout(&server.home()).contains("unsupported call: request_permissions"));

    let server = TestServer::with_config("[features]\nrequest_permissions_tool = true");
    let mut client = server.client().await;
    let thread = asking_thread(&server, &mut client).await;
    client.start_turn(&thread, script).await;
    let (id, asked) = client.asked("item/permissions/requestApproval").await;
    let wanted = json!({"network": {"enabled": true}, "fileSystem": null});
    assert_eq!(asked["permissions"], wanted);
    client.respond(id, json!({"permissions": wanted})).await;
    let (methods, status) = rest(&mut client).await;
    assert_eq!(status, "completed");
    assert!(methods.contains(&"serverRequest/resolved".to_owned()));
    let told = r#"{\"permissions\":{\"network\":{\"enabled\":true},\"file_system\":null},\"scope\":\"turn\"}"#;
    assert!(only_rollout(&server.home()).contains(told));
}

/// Clients take them away from threads that should only answer, such as one that finds a
/// title.
#[tokio::test]
async fn tools_that_a_thread_goes_without_are_not_known_in_it() {
    let server = TestServer::new();
    let mut client = server.client().await;
    for call in [
        json!(["exec_command", {"cmd": "touch here"}]),
        json!(["write_stdin", {"session_id": 1}]),
    ] {
        let params = json!({
            "cwd": server.work(), "approvalPolicy": "never", "sandbox": "danger-full-access",
            "config": { "features.shell_tool": false },
        });
        let started = client
            .request("thread/start", params)
            .await
            .expect("a thread");
        let thread = &started["thread"];
        let steps = json!([{ "call": call }, { "say": "so" }]);
        let id = thread["id"].as_str().expect("an id");
        client.run_turn(id, &format!("go\n@@ {steps}")).await;
        let rollout = thread["path"].as_str().expect("a path");
        let told = format!("unsupported call: {}", call[0].as_str().expect("a name"));
        let rollout = fs::read_to_string(rollout).expect("a rollout");
        assert!(rollout.contains(&told), "{rollout}");
    }
    assert!(!server.work().join("here").exists());
}
