//! The races of the lifecycle, each under the name of what must come of it. Those that
//! other files play are named here as well, so that one list has them all:
//!
//! | Race | Test |
//! | --- | --- |
//! | a resume at the moment of the unload | `a_resume_at_the_moment_of_the_unload_…` |
//! | a turn, a steer, a command, items or settings at that moment | `whatever_comes_at_the_moment_…` |
//! | a subscriber between the deadline and the look at it | `who_comes_before_the_deadline_…` |
//! | a turn that a stranger started on an unwatched thread | `a_turn_that_nobody_watches_…` |
//! | unsubscribe in mid-turn, then resume | `who_leaves_and_comes_back_in_mid_turn_…` |
//! | a disconnect with an approval pending | `approvals::an_approval_outlives_its_client_and_another_one_answers_it` |
//! | two answers to one approval | `approvals::of_two_answers_the_first_counts_and_both_see_it_resolved_once` |
//! | interrupt, archive, delete, revert with an approval pending | `approvals::what_ends_the_turn_ends_the_question_and_late_answers_are_ignored`, `reload::a_revert_in_mid_turn_…` |
//! | two resumes at once; resumes with overrides | `resume::two_resumes_at_once_…`, `reload::overrides_of_a_resume_…` |
//! | an actor that is replaced: revert, cold resume, unload and resume in a tight loop | `events_go_on_without_gap_or_repeat_…` |
//! | a fork in mid-turn; a fork of a thread that is being unloaded | `forks::a_fork_in_mid_turn_…`, `a_fork_at_the_moment_of_the_unload_…` |
//! | a shutdown that hangs; an archive while unloading | `what_does_not_want_to_end_…`, `an_archive_at_the_moment_of_the_unload_…` |
//! | a kill in mid-turn | `kill::…` of the binary |
//! | an answer whose client leaves; an answer to no question | `approvals::an_answer_counts_though_its_client_leaves_at_once`, `an_answer_to_no_question_harms_nobody` |
//! | a thread that is made during a handshake | `who_is_in_its_handshake_is_not_told_…` |
//! | an unload delay of zero | `with_no_delay_the_answer_comes_before_the_end` |
//!
//! All of them together, at random: `random_traffic`, `coming_and_going`, and the search
//! over the core (`cargo xtask lifecycle`).

use std::time::Duration;

use loomd_testkit::{TestClient, TestServer};
use serde_json::{Value, json};

/// Rounds of a race that only chance decides.
const ROUNDS: usize = 40;

fn at_once() -> TestServer {
    TestServer::with_config("thread_unload_delay_secs = 0")
}

/// A thread with a turn, watched by this client.
async fn thread(server: &TestServer, client: &mut TestClient) -> String {
    let thread = client.start_thread(&server.work()).await;
    client.run_turn(&thread, "first").await;
    thread
}

fn message(error: &Value) -> &str {
    error["message"].as_str().unwrap_or_default()
}

async fn status(client: &mut TestClient, thread: &str) -> String {
    let read = client
        .request("thread/read", json!({"threadId": thread}))
        .await
        .expect("read");
    let status = read["thread"]["status"]["type"].as_str();
    status.expect("a status").to_owned()
}

/// Resumes, again and again while the thread says that it is closing.
async fn resume(client: &mut TestClient, thread: &str) -> Value {
    for _ in 0..10_000 {
        let params = json!({"threadId": thread, "excludeTurns": true});
        match client.request("thread/resume", params).await {
            Ok(resumed) => return resumed,
            Err(error) if message(&error).contains("is closing") => {
                tokio::task::yield_now().await;
            }
            Err(error) => panic!("not resumed: {error}"),
        }
    }
    panic!("a thread closes for ever");
}

#[tokio::test]
async fn a_resume_at_the_moment_of_the_unload_is_told_to_retry_or_has_the_thread() {
    let server = at_once();
    let mut client = server.client().await;
    let thread = thread(&server, &mut client).await;
    for _ in 0..ROUNDS {
        let params = json!({"threadId": thread});
        client.send("thread/unsubscribe", params).await;
        let params = json!({"threadId": thread, "excludeTurns": true});
        let answer = client.request("thread/resume", params).await;
        if let Err(error) = answer {
            assert_eq!(
                message(&error),
                format!(
                    "thread {thread} is closing; retry thread/resume after the thread is closed"
                )
            );
            resume(&mut client, &thread).await;
        }
        client.run_turn(&thread, "go").await;
    }
}

#[tokio::test]
async fn whatever_comes_at_the_moment_of_the_unload_is_done_or_refused_and_never_kept_waiting() {
    let server = at_once();
    let mut client = server.client().await;
    let thread = thread(&server, &mut client).await;
    let input = json!([{"type": "text", "text": "go"}]);
    let requests = [
        ("turn/start", json!({"threadId": thread, "input": input})),
        (
            "turn/steer",
            json!({"threadId": thread, "expectedTurnId": "x", "input": input}),
        ),
        (
            "thread/shellCommand",
            json!({"threadId": thread, "command": "true"}),
        ),
        (
            "thread/inject_items",
            json!({"threadId": thread, "items": [{"type": "message", "role": "user", "content": []}]}),
        ),
        (
            "thread/settings/update",
            json!({"threadId": thread, "effort": "low"}),
        ),
    ];
    let allowed = [
        format!("thread {thread} is closing; retry after the thread is closed"),
        format!("thread not found: {thread}"),
        "no active turn to steer".to_owned(),
        "expected active turn id `x` but found".to_owned(),
    ];
    for round in 0..ROUNDS {
        let params = json!({"threadId": thread});
        client.send("thread/unsubscribe", params).await;
        let (method, params) = requests[round % requests.len()].clone();
        if let Err(error) = client.request(method, params).await {
            let known = |text: &String| message(&error).starts_with(text.as_str());
            assert!(allowed.iter().any(known), "{method}: {error}");
        }
        resume(&mut client, &thread).await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_comes_before_the_deadline_keeps_the_thread_loaded() {
    let server = TestServer::with_config("thread_unload_delay_secs = 60");
    let mut client = server.client().await;
    let thread = thread(&server, &mut client).await;
    client.unsubscribe(&thread).await;
    tokio::time::sleep(Duration::from_millis(59_990)).await;
    resume(&mut client, &thread).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(status(&mut client, &thread).await, "idle");
    client.unsubscribe(&thread).await;
    tokio::time::sleep(Duration::from_millis(59_990)).await;
    assert_eq!(status(&mut client, &thread).await, "idle");
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(status(&mut client, &thread).await, "notLoaded");
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_nobody_watches_is_not_cut_off_and_the_delay_counts_from_its_end() {
    let server = TestServer::with_config("thread_unload_delay_secs = 60");
    let mut client = server.client().await;
    let thread = thread(&server, &mut client).await;
    client.unsubscribe(&thread).await;
    tokio::time::sleep(Duration::from_secs(50)).await;
    let mut stranger = server.client().await;
    let script = "go\n@@ [{\"say\":\"x\",\"gate_end\":\"end\"}]";
    stranger.start_turn(&thread, script).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(status(&mut stranger, &thread).await, "active");
    server.open_gate("end");
    tokio::time::sleep(Duration::from_secs(59)).await;
    assert_eq!(status(&mut stranger, &thread).await, "idle");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(status(&mut stranger, &thread).await, "notLoaded");
    let read = stranger
        .request(
            "thread/read",
            json!({"threadId": thread, "includeTurns": true}),
        )
        .await
        .expect("read");
    assert_eq!(read["thread"]["turns"][1]["status"], "completed");
}

#[tokio::test]
async fn who_leaves_and_comes_back_in_mid_turn_goes_on_exactly_behind_the_snapshot() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let thread = thread(&server, &mut client).await;
    let script = "go\n@@ [{\"say\":\"abcdefghij\",\"deltas\":10,\"delay_ms\":20}]";
    client.start_turn(&thread, script).await;
    for _ in 0..3 {
        client.note("item/agentMessage/delta").await;
    }
    client.unsubscribe(&thread).await;
    client.pending_notes();
    let params = json!({"threadId": thread});
    let resumed = client
        .request("thread/resume", params)
        .await
        .expect("resumed");
    let turns = resumed["thread"]["turns"].as_array().expect("turns");
    assert_eq!(turns.len(), 2);
    assert_eq!(turns[1]["status"], "inProgress");
    let items = turns[1]["items"].as_array().expect("items");
    let shown = items
        .iter()
        .find(|item| item["type"] == "agentMessage")
        .map_or("", |item| item["text"].as_str().expect("a text"));
    assert!((3..10).contains(&shown.len()), "in mid-turn, not {shown:?}");
    let notes = client.notes_until("turn/completed").await;
    let count = |method: &str| notes.iter().filter(|note| note["method"] == method).count();
    assert_eq!((count("item/started"), count("item/completed")), (0, 1));
    let rest: String = notes
        .iter()
        .filter(|note| note["method"] == "item/agentMessage/delta")
        .map(|note| note["params"]["delta"].as_str().expect("a piece"))
        .collect();
    assert_eq!(format!("{shown}{rest}"), "abcdefghij");
}

#[tokio::test]
async fn events_go_on_without_gap_or_repeat_however_often_the_thread_is_replaced() {
    let server = at_once();
    let mut client = server.bare_client();
    let params = json!({
        "clientInfo": {"name": "testkit", "version": "1.0"},
        "capabilities": {"experimentalApi": true, "loomd": {"eventNumbers": true}},
    });
    client
        .request("initialize", params)
        .await
        .expect("accepted");
    let thread = thread(&server, &mut client).await;
    client.pending_notes();
    for round in 0..12 {
        match round % 3 {
            0 => {
                let turn = client.start_turn(&thread, "to be taken back").await;
                client.note("turn/completed").await;
                let params = json!({"threadId": thread, "beforeTurnId": turn});
                client
                    .request("thread/revert", params)
                    .await
                    .expect("reverted");
            }
            1 => {
                client.unsubscribe(&thread).await;
                resume(&mut client, &thread).await;
            }
            _ => {
                let params = json!({"threadId": thread, "force": true});
                client
                    .request("thread/unload", params)
                    .await
                    .expect("unloading");
                resume(&mut client, &thread).await;
            }
        }
        client.pending_notes();
        let notes = client.run_turn(&thread, "go").await;
        // Each event names its own number and that of the one before it.
        let numbers: Vec<(u64, u64)> = notes
            .iter()
            .filter_map(|note| {
                let own = &note["loomd"];
                Some((own["prev"].as_u64()?, own["seq"].as_u64()?))
            })
            .collect();
        assert!(numbers.len() > 5, "round {round}: {notes:?}");
        let gapless = numbers.windows(2).all(|pair| pair[0].1 == pair[1].0);
        let rising = numbers.iter().all(|(prev, seq)| prev < seq);
        assert!(gapless && rising, "round {round}: {numbers:?}");
        let items = |method: &str| {
            let of_method = notes.iter().filter(|note| note["method"] == method);
            of_method.count()
        };
        assert_eq!(items("turn/started"), 1, "round {round}");
        assert_eq!(items("item/started"), 2, "round {round}");
        assert_eq!(items("item/completed"), 2, "round {round}");
    }
}

#[tokio::test]
async fn a_fork_at_the_moment_of_the_unload_has_all_of_its_source() {
    let server = at_once();
    let mut client = server.client().await;
    let source = thread(&server, &mut client).await;
    for _ in 0..ROUNDS {
        client.run_turn(&source, "go").await;
        let params = json!({"threadId": source});
        let before = client
            .request(
                "thread/turns/list",
                json!({"threadId": source, "limit": 100}),
            )
            .await
            .expect("turns");
        client.send("thread/unsubscribe", params).await;
        let fork = client
            .request("thread/fork", json!({"threadId": source}))
            .await
            .expect("forked");
        assert_eq!(
            fork["thread"]["turns"].as_array().map(Vec::len),
            before["data"].as_array().map(Vec::len)
        );
        resume(&mut client, &source).await;
    }
}

#[tokio::test]
async fn an_archive_at_the_moment_of_the_unload_ends_the_thread_once() {
    let server = at_once();
    let mut client = server.client().await;
    for _ in 0..ROUNDS {
        let thread = thread(&server, &mut client).await;
        client.pending_notes();
        let params = json!({"threadId": thread});
        client.send("thread/unsubscribe", params.clone()).await;
        client
            .request("thread/archive", params)
            .await
            .expect("archived");
        let notes = client.notes_until("thread/archived").await;
        let ends = notes
            .iter()
            .filter(|note| note["params"]["status"]["type"] == "notLoaded")
            .count();
        assert_eq!(ends, 1, "{notes:?}");
        let closed = notes
            .iter()
            .filter(|note| note["method"] == "thread/closed");
        assert!(closed.count() <= 1, "{notes:?}");
    }
}

#[tokio::test]
async fn what_does_not_want_to_end_holds_the_end_of_its_thread_up_for_a_moment_only() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let thread = client.start_thread(&server.work()).await;
    let script = "go\n@@ [{\"exec\":\"trap '' TERM HUP INT; echo $$; while :; do sleep 0.05; done\"},\
                  {\"say\":\"never\"}]";
    client.start_turn(&thread, script).await;
    let output = client.note("item/commandExecution/outputDelta").await;
    let pid = output["delta"]
        .as_str()
        .expect("a number")
        .trim()
        .to_owned();
    // Others are told at once that the thread closes, however long that takes.
    let mut other = server.client().await;
    let params = json!({"threadId": thread});
    let archive = client.send("thread/archive", params.clone()).await;
    let refused = loop {
        match other.request("thread/resume", params.clone()).await {
            Ok(_) => tokio::task::yield_now().await,
            Err(error) => break error,
        }
    };
    assert!(message(&refused).contains("is closing"), "{refused}");
    let ended = tokio::time::timeout(Duration::from_secs(10), client.answer(archive)).await;
    ended
        .expect("within the time for an end")
        .expect("archived");
    let process = std::path::Path::new("/proc").join(&pid);
    assert!(!process.exists(), "the command {pid} runs on");
}

#[tokio::test]
async fn an_answer_to_no_question_harms_nobody() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let thread = thread(&server, &mut client).await;
    for id in [0, -1, i64::MAX] {
        client.respond(id, json!({"decision": "accept"})).await;
        client.refuse(id, "no").await;
    }
    client.raw("{\"id\":\"x\",\"result\":{}}").await;
    client.run_turn(&thread, "go").await;
}

#[tokio::test]
async fn who_is_in_its_handshake_is_not_told_of_what_happens_and_not_subscribed() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let mut late = server.bare_client();
    let thread = thread(&server, &mut client).await;
    assert!(late.pending_notes().is_empty());
    let params = json!({"clientInfo": {"name": "late", "version": "1"}});
    late.request("initialize", params).await.expect("accepted");
    client.run_turn(&thread, "go").await;
    late.request("thread/loaded/list", json!({}))
        .await
        .expect("a list");
    let methods: Vec<String> = late
        .pending_notes()
        .iter()
        .map(|note| note["method"].as_str().expect("a method").to_owned())
        .filter(|method| method.starts_with("turn/") || method.starts_with("item/"))
        .collect();
    assert!(methods.is_empty(), "{methods:?}");
}

#[tokio::test]
async fn with_no_delay_the_answer_comes_before_the_end() {
    let server = at_once();
    let mut client = server.client().await;
    let thread = thread(&server, &mut client).await;
    client.pending_notes();
    let id = client
        .send("thread/unsubscribe", json!({"threadId": thread}))
        .await;
    let answer = client.answer(id).await.expect("an answer");
    assert_eq!(answer["status"], "unsubscribed");
    // The answer stood before these, or they would have been taken with it.
    assert!(client.pending_notes().is_empty());
    let notes = client.notes_until("thread/closed").await;
    let status = &notes[notes.len() - 2];
    assert_eq!(status["params"]["status"]["type"], "notLoaded");
}
