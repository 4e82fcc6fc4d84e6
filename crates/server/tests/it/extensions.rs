//! loomd's own extensions: numbered events, resume after a number, observers, unload.

use loomd_testkit::{TestClient, TestServer};
use serde_json::{Value, json};

/// A client that gets events with their numbers.
async fn numbered(server: &TestServer) -> TestClient {
    numbered_without(server, &[]).await
}

/// The same, for a client that opted out of some methods.
async fn numbered_without(server: &TestServer, methods: &[&str]) -> TestClient {
    let mut client = TestClient::bare(&server.server);
    let params = json!({
        "clientInfo": {"name": "numbered", "title": null, "version": "1"},
        "capabilities": {
            "experimentalApi": true,
            "optOutNotificationMethods": methods,
            "loomd": {"eventNumbers": true},
        },
    });
    let answer = client
        .request("initialize", params)
        .await
        .expect("accepted");
    assert_eq!(answer["loomd"]["eventNumbers"], true);
    client
}

fn seq(note: &Value) -> u64 {
    note["loomd"]["seq"].as_u64().expect("a number")
}

/// The numbered notes among these.
fn events(notes: &[Value]) -> Vec<Value> {
    let numbered = notes.iter().filter(|note| note.get("loomd").is_some());
    numbered.cloned().collect()
}

/// What a note says, without the time at which it was said.
fn said(note: &Value) -> Value {
    json!([note["method"], note["params"], note["loomd"]])
}

#[tokio::test]
async fn each_event_names_the_one_before_it_and_other_clients_see_nothing_of_that() {
    let server = TestServer::new();
    let mut plain = server.client().await;
    let thread = plain.start_thread(&server.work()).await;
    plain.run_turn(&thread, "one").await;
    plain.pending_notes();
    let mut client = numbered(&server).await;
    let params = json!({"threadId": thread, "excludeTurns": true});
    let resumed = client
        .request("thread/resume", params)
        .await
        .expect("resumed");
    let mut last = resumed["loomd"]["seq"].as_u64().expect("a position");

    let script = "two\n@@ [{\"think\":\"hm\",\"exec\":\"echo hi\"},{\"say\":\"abc\",\"deltas\":3}]";
    plain.start_turn(&thread, script).await;
    let notes = client.notes_until("turn/completed").await;
    let numbered = events(&notes);
    assert!(numbered.len() > 8, "{numbered:#?}");
    for note in &numbered {
        let prev = note["loomd"]["prev"].as_u64().expect("a number");
        assert!(prev <= last && last < seq(note), "{last} then {note}");
        last = seq(note);
    }
    let unnumbered = plain.notes_until("turn/completed").await;
    assert!(events(&unnumbered).is_empty());
    let methods = |notes: &[Value]| -> Vec<String> {
        let methods = notes.iter().map(|note| note["method"].to_string());
        methods
            .filter(|method| !method.contains("status"))
            .collect()
    };
    assert_eq!(methods(&notes), methods(&unnumbered));
}

#[tokio::test]
async fn whoever_comes_back_at_any_event_gets_exactly_what_it_missed() {
    let server = TestServer::new();
    let mut watcher = numbered(&server).await;
    let thread = watcher.start_thread(&server.work()).await;
    let script = "go\n@@ [{\"think\":\"hm\",\"exec\":\"echo hi\"},\
                  {\"say\":\"abcdefghijklmnop\",\"deltas\":16,\"gate_end\":\"end\"}]";
    watcher.start_turn(&thread, script).await;
    let mut seen = Vec::new();
    let mut deltas = 0;
    while deltas < 16 {
        let notes = watcher.notes_until("item/agentMessage/delta").await;
        deltas += 1;
        seen.extend(events(&notes));
    }
    // In mid-turn, from each event on.
    for cut in 0..seen.len() {
        let mut client = numbered(&server).await;
        let after = seq(&seen[cut]);
        let params = json!({"threadId": thread, "loomd": {"after": after}});
        let resumed = client
            .request("thread/resume", params)
            .await
            .expect("resumed");
        assert_eq!(resumed["loomd"], json!({"seq": after}));
        assert_eq!(resumed["thread"]["turns"], json!([]));
        let mut missed = Vec::new();
        while missed.len() < seen.len() - cut - 1 {
            let note = client.next_note().await;
            missed.extend(events(&[note]));
        }
        let missed: Vec<Value> = missed.iter().map(said).collect();
        let expected: Vec<Value> = seen[cut + 1..].iter().map(said).collect();
        assert_eq!(missed, expected);
    }
    server.open_gate("end");
    let notes = watcher.notes_until("turn/completed").await;
    seen.extend(events(&notes));
    // After the turn, by a client that was not there since its beginning.
    let mut late = numbered(&server).await;
    let params = json!({"threadId": thread, "loomd": {"after": seq(&seen[0])}});
    late.request("thread/resume", params)
        .await
        .expect("resumed");
    let rest = late.notes_until("turn/completed").await;
    let rest: Vec<Value> = events(&rest).iter().map(said).collect();
    let expected: Vec<Value> = seen[1..].iter().map(said).collect();
    assert_eq!(rest, expected);
}

#[tokio::test]
async fn what_is_not_known_any_more_is_a_resync_and_never_a_gap() {
    let mut server = TestServer::new();
    let mut client = numbered(&server).await;
    let thread = client.start_thread(&server.work()).await;
    let notes = client.run_turn(&thread, "one").await;
    let numbers: Vec<u64> = events(&notes).iter().map(seq).collect();
    let newest = *numbers.last().expect("events");
    let after = |seq: u64| json!({"threadId": thread, "loomd": {"after": seq}});

    // From the future: numbers of another life of the thread, perhaps.
    let resumed = client.request("thread/resume", after(newest + 99)).await;
    let resumed = resumed.expect("resumed");
    assert_eq!(resumed["loomd"], json!({"seq": newest, "resync": true}));
    assert_eq!(
        resumed["thread"]["turns"].as_array().expect("turns").len(),
        1
    );

    // After a restart the events are gone, but whoever has them all has them all.
    server.server.shutdown().await;
    server.restart();
    let mut client = numbered(&server).await;
    let resumed = client.request("thread/resume", after(numbers[0])).await;
    let resumed = resumed.expect("resumed");
    assert_eq!(resumed["loomd"]["resync"], true);
    let newest = resumed["loomd"]["seq"].as_u64().expect("a position");
    let resumed = client.request("thread/resume", after(newest)).await;
    assert_eq!(resumed.expect("resumed")["loomd"], json!({"seq": newest}));

    // What was taken back is not replayed.
    let turns = client
        .request("thread/turns/list", json!({"threadId": thread}))
        .await
        .expect("turns");
    let turn = turns["data"][0]["id"].clone();
    client.run_turn(&thread, "two").await;
    let params = json!({"threadId": thread, "beforeTurnId": turn});
    client
        .request("thread/revert", params)
        .await
        .expect("reverted");
    let resumed = client.request("thread/resume", after(newest)).await;
    assert_eq!(resumed.expect("resumed")["loomd"]["resync"], true);
}

#[tokio::test]
async fn an_observer_sees_everything_and_keeps_nothing_loaded() {
    let server = TestServer::with_config("thread_unload_delay_secs = 0");
    let mut owner = server.client().await;
    let mut observer = server.client().await;
    let thread = owner.start_thread(&server.work()).await;
    owner.run_turn(&thread, "one").await;
    let params = json!({"threadId": thread, "excludeTurns": true, "loomd": {"observe": true}});
    observer
        .request("thread/resume", params)
        .await
        .expect("resumed");
    owner.start_turn(&thread, "two").await;
    observer.notes_until("turn/completed").await;
    owner.unsubscribe(&thread).await;
    let closed = observer.note("thread/closed").await;
    assert_eq!(closed["threadId"], json!(thread));
}

#[tokio::test]
async fn an_owner_unloads_a_thread_but_not_what_runs_and_not_unawares_what_is_watched() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let thread = client.start_thread(&server.work()).await;
    let params = |force: bool| json!({"threadId": thread, "force": force});
    let script = "go\n@@ [{\"say\":\"abc\",\"deltas\":3,\"gate_end\":\"end\"}]";
    client.start_turn(&thread, script).await;
    client.note("item/agentMessage/delta").await;
    let refused = client.request("thread/unload", params(true)).await;
    let message = refused.expect_err("it is active")["message"].to_string();
    assert!(message.contains("is active"), "{message}");
    server.open_gate("end");
    client.notes_until("turn/completed").await;
    let refused = client.request("thread/unload", params(false)).await;
    let message = refused.expect_err("it is watched")["message"].to_string();
    assert!(message.contains("force"), "{message}");
    let answer = client.request("thread/unload", params(true)).await;
    assert_eq!(answer.expect("answered"), json!({"status": "unloading"}));
    client.note("thread/closed").await;
    let answer = client.request("thread/unload", params(false)).await;
    assert_eq!(answer.expect("answered"), json!({"status": "notLoaded"}));
}

#[tokio::test]
async fn what_a_client_opted_out_of_is_no_gap_to_it_live_or_replayed() {
    let server = TestServer::new();
    let unwanted = ["item/agentMessage/delta"];
    let mut watcher = numbered_without(&server, &unwanted).await;
    let thread = watcher.start_thread(&server.work()).await;
    let first = events(&watcher.run_turn(&thread, "one").await);
    let from = seq(first.last().expect("events"));
    let script = "two\n@@ [{\"say\":\"abc\",\"deltas\":3}]";
    watcher.start_turn(&thread, script).await;
    let live = events(&watcher.notes_until("turn/completed").await);

    let mut late = numbered_without(&server, &unwanted).await;
    let params = json!({"threadId": thread, "loomd": {"after": from}});
    late.request("thread/resume", params)
        .await
        .expect("resumed");
    let replayed = events(&late.notes_until("turn/completed").await);
    for notes in [&live, &replayed] {
        let mut last = from;
        for note in notes {
            assert_eq!(note["loomd"]["prev"], last, "{note}");
            last = seq(note);
        }
        assert!(last - from > notes.len() as u64, "nothing was held back");
    }
    let replayed: Vec<Value> = replayed.iter().map(said).collect();
    let live: Vec<Value> = live.iter().map(said).collect();
    assert_eq!(replayed, live);
}

#[tokio::test]
async fn whoever_goes_on_from_an_event_gets_the_page_it_asked_for_and_no_other_turns() {
    let server = TestServer::new();
    let mut client = numbered(&server).await;
    let thread = client.start_thread(&server.work()).await;
    let notes = client.run_turn(&thread, "one").await;
    let newest = events(&notes).iter().map(seq).max().expect("events");
    let params = json!({
        "threadId": thread,
        "initialTurnsPage": {"limit": 5},
        "loomd": {"after": newest},
    });
    let resumed = client.request("thread/resume", params).await;
    let resumed = resumed.expect("resumed");
    assert_eq!(resumed["loomd"], json!({"seq": newest}));
    assert_eq!(resumed["thread"]["turns"], json!([]));
    let page = resumed["initialTurnsPage"]["data"].as_array();
    assert_eq!(page.expect("a page").len(), 1);
}
