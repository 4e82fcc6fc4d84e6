//! Clients that come and go while turns run, and what each of them can put together from
//! the snapshot it was given and what it was told afterwards.

use std::collections::BTreeMap;

use loomd_base::Dice;
use loomd_testkit::{TestClient, TestServer};
use serde_json::{Value, json};

use crate::seed;

/// What a client has put together of a thread.
#[derive(Default)]
struct Known {
    /// Items by their ids, as far as they are told.
    items: BTreeMap<String, Value>,
    /// Items that were told to have ended.
    ended: usize,
    /// Status of the turns.
    turns: BTreeMap<String, String>,
}

impl Known {
    fn from_snapshot(thread: &Value) -> Self {
        let mut known = Self::default();
        for turn in thread["turns"].as_array().expect("turns") {
            known.turn(turn);
            for item in turn["items"].as_array().expect("items") {
                known.items.insert(text(&item["id"]), item.clone());
            }
        }
        known
    }

    fn turn(&mut self, turn: &Value) {
        self.turns.insert(text(&turn["id"]), text(&turn["status"]));
    }

    /// Takes what was told. When an item ends, what was put together of it must be what
    /// it ends as: nothing is missing and nothing came twice.
    fn hear(&mut self, note: &Value) {
        let params = &note["params"];
        match note["method"].as_str().unwrap_or_default() {
            "turn/started" | "turn/completed" => self.turn(&params["turn"]),
            "item/started" => {
                let item = &params["item"];
                let earlier = self.items.insert(text(&item["id"]), item.clone());
                assert!(earlier.is_none(), "an item starts twice: {item}");
            }
            "item/agentMessage/delta" => self.grow(params, "text"),
            "item/commandExecution/outputDelta" => self.grow(params, "aggregatedOutput"),
            "item/completed" => {
                let item = &params["item"];
                let known = self.items.insert(text(&item["id"]), item.clone());
                let known = known.unwrap_or_else(|| panic!("an item ends unseen: {item}"));
                for member in ["text", "aggregatedOutput"] {
                    assert_eq!(known[member], item[member], "what was told of {item}");
                }
                assert!(item["completedAtMs"].is_i64());
                self.ended += 1;
            }
            _ => {}
        }
    }

    fn grow(&mut self, params: &Value, member: &str) {
        let id = text(&params["itemId"]);
        let item = self.items.get_mut(&id).expect("a piece of a known item");
        let grown = item[member].as_str().unwrap_or_default().to_owned();
        item[member] = json!(grown + params["delta"].as_str().expect("a piece"));
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// A client that joins a thread, and what it knows of it.
async fn join(server: &TestServer, thread: &str) -> (TestClient, Known) {
    let mut client = server.client().await;
    let resumed = client
        .request("thread/resume", json!({"threadId": thread}))
        .await
        .expect("resumed");
    let known = Known::from_snapshot(&resumed["thread"]);
    (client, known)
}

async fn hear_until_idle(client: &mut TestClient, known: &mut Known) {
    for note in client.notes_until("turn/completed").await {
        known.hear(&note);
    }
}

/// One turn with a constant watcher and others that come and go at random moments of it.
/// Gives how many there were.
async fn turn_with_visitors(
    server: &TestServer,
    thread: &str,
    script: &str,
    dice: &mut Dice,
) -> usize {
    let (mut watcher, mut seen) = join(server, thread).await;
    watcher.start_turn(thread, script).await;
    let mut visitors: Vec<(TestClient, Known)> = Vec::new();
    let mut count = 0;
    let running = |seen: &Known| seen.turns.values().any(|status| status == "inProgress");
    let mut begun = false;
    while !begun || running(&seen) {
        let note = watcher.next_note().await;
        seen.hear(&note);
        begun |= running(&seen);
        match dice.below(6) {
            0 => {
                visitors.push(join(server, thread).await);
                count += 1;
            }
            1 if !visitors.is_empty() => {
                // It leaves in the middle of things, with what it was told unread.
                drop(visitors.swap_remove(dice.below(visitors.len())));
            }
            _ => {}
        }
    }
    for (client, known) in &mut visitors {
        // Who came when the turn was over hears of no end.
        if known.turns.values().any(|status| status == "inProgress") {
            hear_until_idle(client, known).await;
        }
        assert_eq!(
            known.items, seen.items,
            "what a visitor knows, and what the watcher"
        );
        assert_eq!(known.turns, seen.turns);
    }
    let (_, stored) = join(server, thread).await;
    assert_eq!(stored.items, seen.items, "the history, and what was told");
    count
}

#[tokio::test]
async fn whoever_comes_at_any_moment_puts_together_what_a_constant_watcher_saw() {
    let mut dice = Dice::new(seed());
    println!("seed {}", seed());
    let server = TestServer::new();
    let mut visitors = 0;
    for _ in 0..8 {
        let mut client = server.client().await;
        let thread = client.start_thread(&server.work()).await;
        client.run_turn(&thread, "first").await;
        for script in [
            "go\n@@ [{\"think\":\"hm\",\"say\":\"one two three four five\",\"deltas\":23,\"delay_ms\":1}]",
            "go\n@@ [{\"exec\":\"for n in 1 2 3 4 5; do echo $n; sleep 0.03; done\"},\
             {\"say\":\"done then\",\"deltas\":9,\"delay_ms\":1}]",
        ] {
            visitors += turn_with_visitors(&server, &thread, script, &mut dice).await;
        }
    }
    assert!(visitors > 50, "only {visitors} visitors");
}
