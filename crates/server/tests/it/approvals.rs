//! Questions to clients: asked of all, settled once, asked again of who resumes, never
//! taken for a "yes" when the answer is none.

use std::fs;

use loomd_testkit::{TestClient, TestServer};
use serde_json::{Value, json};

const ASK: &str = "item/commandExecution/requestApproval";

/// Starts a thread that asks about everything, with a turn that wants to touch a file.
async fn asking(server: &TestServer, client: &mut TestClient) -> (String, String) {
    let thread = asking_thread(server, client).await;
    let turn = client
        .start_turn(
            &thread,
            "go\n@@ [{\"exec\":\"touch here\"},{\"say\":\"so\"}]",
        )
        .await;
    (thread, turn)
}

pub(crate) async fn asking_thread(server: &TestServer, client: &mut TestClient) -> String {
    let answer = client
        .request(
            "thread/start",
            json!({"cwd": server.work(), "approvalPolicy": "untrusted"}),
        )
        .await
        .expect("a thread");
    answer["thread"]["id"].as_str().expect("an id").to_owned()
}

fn accept() -> Value {
    json!({"decision": "accept"})
}

/// Methods of the notes up to and with `turn/completed`, and how the turn ended.
pub(crate) async fn rest(client: &mut TestClient) -> (Vec<String>, Value) {
    let notes = client.notes_until("turn/completed").await;
    let methods = notes
        .iter()
        .map(|note| note["method"].as_str().expect("a method").to_owned())
        .collect();
    let last = notes.last().expect("at least the turn's end");
    (methods, last["params"]["turn"]["status"].clone())
}

#[tokio::test]
async fn an_observer_sees_what_comes_of_a_question_and_is_not_asked() {
    let server = TestServer::new();
    let mut owner = server.client().await;
    let mut observer = server.client().await;
    let thread = asking_thread(&server, &mut owner).await;
    owner
        .run_turn(&thread, "hello\n@@ [{\"say\":\"hi\"}]")
        .await;
    observer
        .request(
            "thread/resume",
            json!({"threadId": thread, "excludeTurns": true, "loomd": {"observe": true}}),
        )
        .await
        .expect("resumed");
    owner
        .start_turn(
            &thread,
            "go\n@@ [{\"exec\":\"touch here\"},{\"say\":\"so\"}]",
        )
        .await;
    let (id, _) = owner.asked(ASK).await;
    owner.respond(id, accept()).await;
    let (methods, status) = rest(&mut observer).await;
    assert_eq!(status, "completed");
    assert!(methods.contains(&"serverRequest/resolved".to_owned()));
    assert!(!methods.contains(&ASK.to_owned()), "{methods:?}");
}

#[tokio::test]
async fn of_two_answers_the_first_counts_and_both_see_it_resolved_once() {
    let server = TestServer::new();
    let mut first = server.client().await;
    let mut second = server.client().await;
    let thread = asking_thread(&server, &mut first).await;
    first
        .run_turn(&thread, "hello\n@@ [{\"say\":\"hi\"}]")
        .await;
    second
        .request(
            "thread/resume",
            json!({"threadId": thread, "excludeTurns": true}),
        )
        .await
        .expect("resumed");
    first
        .start_turn(
            &thread,
            "go\n@@ [{\"exec\":\"touch here\"},{\"say\":\"so\"}]",
        )
        .await;
    let (id, _) = first.asked(ASK).await;
    let (same, _) = second.asked(ASK).await;
    assert_eq!(id, same);
    first.respond(id, json!({"decision": "decline"})).await;
    // Whatever comes first at the server, one of them is late.
    second.respond(id, accept()).await;
    for client in [&mut first, &mut second] {
        let (methods, status) = rest(client).await;
        let resolved = methods
            .iter()
            .filter(|method| *method == "serverRequest/resolved")
            .count();
        assert_eq!(resolved, 1, "{methods:?}");
        assert_eq!(status, "completed");
    }
}

#[tokio::test]
async fn an_approval_outlives_its_client_and_another_one_answers_it() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let (thread, turn) = asking(&server, &mut client).await;
    let (id, asked) = client.asked(ASK).await;
    drop(client);

    let mut other = server.client().await;
    let resumed = other
        .request("thread/resume", json!({"threadId": thread}))
        .await
        .expect("resumed");
    let status = &resumed["thread"]["status"];
    assert_eq!(status["type"], "active");
    assert_eq!(status["activeFlags"], json!(["waitingOnApproval"]));
    let (same, again) = other.asked(ASK).await;
    assert_eq!((same, &again), (id, &asked), "asked again, word for word");
    assert_eq!(again["turnId"], turn);
    other.respond(id, accept()).await;
    let (methods, status) = rest(&mut other).await;
    assert_eq!(methods[0], "serverRequest/resolved");
    assert_eq!(status, "completed");
    assert!(server.work().join("here").exists());
}

#[tokio::test]
async fn an_answer_counts_though_its_client_leaves_at_once() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let mut watcher = server.client().await;
    let (thread, _) = asking(&server, &mut client).await;
    let (id, _) = client.asked(ASK).await;
    watcher
        .request(
            "thread/resume",
            json!({"threadId": thread, "excludeTurns": true}),
        )
        .await
        .expect("resumed");
    watcher.asked(ASK).await;
    client.respond(id, accept()).await;
    client.close().await;
    let (_, status) = rest(&mut watcher).await;
    assert_eq!(status, "completed");
    assert!(server.work().join("here").exists());
}

#[tokio::test]
async fn what_is_no_yes_is_a_no() {
    let server = TestServer::new();
    let mut client = server.client().await;
    for (answer, item, turn) in [
        (json!({"decision": "decline"}), "declined", "completed"),
        (json!({"decision": "cancel"}), "declined", "interrupted"),
        (json!({"decision": "perhaps"}), "failed", "completed"),
        (json!([]), "failed", "completed"),
        (Value::Null, "failed", "completed"),
    ] {
        asking(&server, &mut client).await;
        let (id, _) = client.asked(ASK).await;
        if answer.is_null() {
            client.refuse(id, "no dialogue here").await;
        } else {
            client.respond(id, answer.clone()).await;
        }
        let ended = client.note("item/completed").await;
        assert_eq!(ended["item"]["status"], item, "{answer}");
        let (_, status) = rest(&mut client).await;
        assert_eq!(status, turn, "{answer}");
        assert!(!server.work().join("here").exists(), "{answer}");
    }
}

#[tokio::test]
async fn what_ends_the_turn_ends_the_question_and_late_answers_are_ignored() {
    let server = TestServer::new();
    for end in ["turn/interrupt", "thread/archive", "thread/delete"] {
        let mut client = server.client().await;
        let (thread, turn) = asking(&server, &mut client).await;
        let (id, _) = client.asked(ASK).await;
        let mut params = json!({ "threadId": thread });
        if end == "turn/interrupt" {
            params["turnId"] = turn.into();
        }
        client.request(end, params).await.expect("done");
        let ended = client.note("item/completed").await;
        assert_eq!(ended["item"]["status"], "declined", "{end}");
        let (_, status) = rest(&mut client).await;
        assert_eq!(status, "interrupted", "{end}");
        let resolved = client.note("serverRequest/resolved").await;
        assert_eq!(resolved["requestId"], id, "{end}");
        client.respond(id, accept()).await;
        client.respond(9_999, accept()).await;
        client
            .request("thread/loaded/list", json!({}))
            .await
            .expect("the connection goes on");
        assert!(!server.work().join("here").exists(), "{end}");
    }
}

#[tokio::test]
async fn a_yes_for_the_session_covers_the_same_command_and_no_other() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let thread = asking_thread(&server, &mut client).await;
    let run = |command: &str| format!("go\n@@ [{{\"exec\":\"{command}\"}},{{\"say\":\"so\"}}]");
    client.start_turn(&thread, &run("touch a")).await;
    let (id, params) = client.asked(ASK).await;
    assert_eq!(
        params["availableDecisions"],
        json!([
            "accept",
            { "acceptWithExecpolicyAmendment": { "execpolicy_amendment": ["touch", "a"] } },
            "cancel",
        ])
    );
    client
        .respond(id, json!({"decision": "acceptForSession"}))
        .await;
    rest(&mut client).await;
    let notes = client.run_turn(&thread, &run("touch a")).await;
    assert!(notes.iter().all(|note| note["method"] != ASK));
    client.start_turn(&thread, &run("touch b")).await;
    let (id, _) = client.asked(ASK).await;
    client.respond(id, json!({"decision": "decline"})).await;
    rest(&mut client).await;
    assert!(!server.work().join("b").exists());
}

#[tokio::test]
async fn a_patch_is_asked_about_and_checked_again_after_the_answer() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let file = server.work().join("f");
    fs::write(&file, "old\n").expect("a file");
    let thread = asking_thread(&server, &mut client).await;
    let script = "go\n@@ [{\"patch\":\"*** Begin Patch\\n*** Update File: f\\n@@\\n-old\\n+new\\n\
                  *** End Patch\"},{\"say\":\"so\"}]";
    for (meanwhile, status, left) in [
        (None, "completed", "new\n"),
        (
            Some("changed by somebody\n"),
            "failed",
            "changed by somebody\n",
        ),
    ] {
        fs::write(&file, "old\n").expect("a file");
        client.start_turn(&thread, script).await;
        let (id, _) = client.asked("item/fileChange/requestApproval").await;
        if let Some(text) = meanwhile {
            fs::write(&file, text).expect("a file");
        }
        client.respond(id, accept()).await;
        let ended = client.note("item/completed").await;
        assert_eq!(ended["item"]["status"], status);
        rest(&mut client).await;
        assert_eq!(fs::read_to_string(&file).expect("the file"), left);
    }
}

#[tokio::test]
async fn questions_that_are_open_at_once_are_settled_in_any_order() {
    let server = TestServer::new();
    let mut first = server.client().await;
    let mut second = server.client().await;
    let thread = asking_thread(&server, &mut first).await;
    let script = "go\n@@ [{\"calls\":[{\"exec\":\"touch a\"},{\"exec\":\"touch b\"},\
                  {\"exec\":\"touch c\"}]},{\"say\":\"so\"}]";
    first.start_turn(&thread, script).await;
    let mut asked = Vec::new();
    for _ in 0..3 {
        let (id, params) = first.asked(ASK).await;
        let command = params["command"].as_str().expect("a command").to_owned();
        asked.push((id, command.chars().rev().find(|c| c.is_alphabetic())));
    }
    let resumed = json!({"threadId": thread, "excludeTurns": true});
    second
        .request("thread/resume", resumed)
        .await
        .expect("resumed");
    for (id, _) in &asked {
        let (again, _) = second.asked(ASK).await;
        assert_eq!(again, *id, "in the order in which they were asked");
    }
    // The newest first, by whoever likes; a second answer to each is late.
    for (at, (id, file)) in asked.iter().rev().enumerate() {
        let decision = if *file == Some('b') {
            "decline"
        } else {
            "accept"
        };
        let late = if *file == Some('b') {
            "accept"
        } else {
            "decline"
        };
        let clients = if at % 2 == 0 {
            [&mut first, &mut second]
        } else {
            [&mut second, &mut first]
        };
        let [one, other] = clients;
        one.respond(*id, json!({"decision": decision})).await;
        one.note("serverRequest/resolved").await;
        let resolved = other.note("serverRequest/resolved").await;
        assert_eq!(resolved["requestId"], *id);
        other.respond(*id, json!({"decision": late})).await;
    }
    let (_, status) = rest(&mut first).await;
    assert_eq!(status, "completed");
    let made = ["a", "b", "c"].map(|file| server.work().join(file).exists());
    assert_eq!(made, [true, false, true]);
}
