//! Random traffic around the moment at which threads unload: several clients that do not
//! wait for each other, or for their own answers, and that come and go. In real time, and
//! thousands of times under paused time, where hours pass between two requests.

use std::collections::BTreeSet;
use std::time::Duration;

use loomd_base::Dice;
use loomd_testkit::{TestClient, TestServer};
use serde_json::{Value, json};

use crate::seed;

fn request(dice: &mut Dice, thread: &str) -> (&'static str, Value) {
    let input = json!([{"type": "text", "text": "go\n@@ [{\"say\":\"abcd\",\"deltas\":4}]"}]);
    match dice.below(15) {
        0..=2 => (
            "thread/resume",
            json!({"threadId": thread, "excludeTurns": true}),
        ),
        3..=5 => ("turn/start", json!({"threadId": thread, "input": input})),
        6 => (
            "turn/steer",
            json!({"threadId": thread, "expectedTurnId": "x", "input": input}),
        ),
        7 => ("turn/interrupt", json!({"threadId": thread, "turnId": ""})),
        8 | 9 => ("thread/unsubscribe", json!({"threadId": thread})),
        10 => ("thread/read", json!({"threadId": thread})),
        11 => (
            "thread/queue/add",
            json!({"threadId": thread, "clientUserMessageId": "queued", "input": input}),
        ),
        12 => ("thread/queue/start", json!({"threadId": thread})),
        13 => (
            "thread/goal/set",
            json!({"threadId": thread, "objective": "some", "tokenBudget": 200}),
        ),
        _ => match dice.below(3) {
            0 => (
                "thread/name/set",
                json!({"threadId": thread, "name": "a name"}),
            ),
            1 => ("thread/archive", json!({"threadId": thread})),
            _ => ("thread/unarchive", json!({"threadId": thread})),
        },
    }
}

/// One thread with a turn, which nobody watches.
async fn thread(server: &TestServer, client: &mut TestClient) -> String {
    let thread = client.start_thread(&server.work()).await;
    client.run_turn(&thread, "first").await;
    client.unsubscribe(&thread).await;
    thread
}

/// Brings a thread back from wherever the traffic left it, runs a turn, and gives the
/// ids of all its turns.
async fn comes_back(server: &TestServer, thread: &str) -> BTreeSet<String> {
    let mut client = server.client().await;
    let params = json!({"threadId": thread});
    // An error means that it is not in the archive.
    let _not_archived = client.request("thread/unarchive", params.clone()).await;
    let mut resumed = Err(Value::Null);
    for _ in 0..1000 {
        resumed = client.request("thread/resume", params.clone()).await;
        match &resumed {
            // It says itself when to try again, and ends within its time for that.
            Err(error) if error["message"].to_string().contains("is closing") => {
                tokio::task::yield_now().await;
            }
            Ok(_) | Err(_) => break,
        }
    }
    resumed.expect("a thread that was left can be resumed");
    client.run_turn(thread, "last").await;
    let params = json!({"threadId": thread, "includeTurns": true});
    let read = client.request("thread/read", params).await.expect("read");
    let turns = read["thread"]["turns"].as_array().expect("turns");
    let ids = turns.iter().map(|turn| turn["id"].as_str().expect("an id"));
    let unique: BTreeSet<String> = ids.map(str::to_owned).collect();
    assert_eq!(unique.len(), turns.len(), "a turn stands twice");
    unique
}

/// How long a request may take, whatever time it is.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Waits for the answers to all open requests, and gives the threads and turns of those
/// that accepted one.
async fn turns_of_answers(
    client: &mut TestClient,
    open: &mut Vec<(i64, String)>,
) -> Vec<(String, String)> {
    let mut accepted = Vec::new();
    for (id, thread) in open.drain(..) {
        let answer = tokio::time::timeout(ANSWER_MAX, client.answer(id)).await;
        if let Ok(answer) = answer.unwrap_or_else(|_| panic!("request {id} is not answered"))
            && let Some(turn) = answer["turn"]["id"].as_str()
        {
            accepted.push((thread, turn.to_owned()));
        }
    }
    accepted
}

/// Plays so many requests and checks that all are answered and nothing is lost. `pauses`
/// are how long the clients may wait between two of them.
async fn traffic(server: &TestServer, seed: u64, requests: usize, pauses: &[Duration]) {
    const CLIENTS: usize = 3;
    const UNANSWERED_MAX: usize = 6;
    let mut dice = Dice::new(seed);
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push((server.client().await, Vec::new()));
    }
    let mut threads = Vec::new();
    for _ in 0..3 {
        threads.push(thread(server, &mut clients[0].0).await);
    }
    let mut accepted: Vec<(String, String)> = Vec::new();
    for _ in 0..requests {
        let (client, open) = &mut clients[dice.below(CLIENTS)];
        let thread = threads[dice.below(threads.len())].clone();
        let (method, params) = request(&mut dice, &thread);
        open.push((client.send(method, params).await, thread));
        if open.len() >= UNANSWERED_MAX {
            accepted.extend(turns_of_answers(client, open).await);
            client.pending_notes();
        }
        if dice.below(20) == 0 {
            // It leaves without a word, and another one comes.
            *client = server.client().await;
            open.clear();
        }
        if let Some(pause) = pauses.get(dice.below(pauses.len() * 4 + 1)) {
            tokio::time::sleep(*pause).await;
        }
    }
    for (client, open) in &mut clients {
        accepted.extend(turns_of_answers(client, open).await);
    }
    for thread in &threads {
        let turns = comes_back(server, thread).await;
        for (_, turn) in accepted.iter().filter(|(of, _)| of == thread) {
            assert!(turns.contains(turn), "turn {turn} of {thread} is lost");
        }
    }
}

#[tokio::test]
async fn no_request_stays_without_an_answer_and_no_turn_is_lost_where_threads_unload_at_once() {
    for round in 0..12 {
        let seed = seed() + round;
        println!("seed {seed}");
        let server = TestServer::with_config("thread_unload_delay_secs = 0");
        traffic(&server, seed, 150, &[]).await;
    }
}

#[tokio::test]
async fn no_request_stays_without_an_answer_and_no_turn_is_lost_where_threads_make_room() {
    for round in 0..6 {
        let seed = seed() + 1000 + round;
        println!("seed {seed}");
        let config = "max_loaded_threads = 1\nthread_unload_delay_secs = 1";
        traffic(&TestServer::with_config(config), seed, 150, &[]).await;
    }
}

/// Runs under paused time, and requests of each; `LOOMD_TRAFFIC_RUNS` asks for more.
const PAUSED_RUNS: u64 = 240;
const PAUSED_REQUESTS: usize = 30;

#[tokio::test(start_paused = true)]
async fn under_paused_time_no_request_stays_without_an_answer_and_no_turn_is_lost() {
    let more = std::env::var("LOOMD_TRAFFIC_RUNS").ok();
    let runs = more.map_or(PAUSED_RUNS, |runs| runs.parse().expect("a number"));
    let first = seed() + 2000;
    println!("seeds from {first}");
    let pauses = [1, 999, 1000, 1001, 59_999, 60_001, 3_600_000].map(Duration::from_millis);
    for delay in [0, 1, 60] {
        let config = format!("thread_unload_delay_secs = {delay}");
        let mut server = TestServer::with_config(&config);
        for run in 0..runs.div_ceil(3) {
            if run % 50 == 0 {
                server = TestServer::with_config(&config);
            }
            let seed = first + delay * 100_000 + run;
            println!("unload delay {delay} s, seed {seed}");
            traffic(&server, seed, PAUSED_REQUESTS, &pauses).await;
        }
    }
}
