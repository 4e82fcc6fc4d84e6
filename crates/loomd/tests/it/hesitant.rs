//! A client that thinks before it answers, and servers that are killed meanwhile.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use loomd_base::Dice;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::bench::{Bench, StdioServer, prompt, send_signal};
use crate::waiting::{COMMAND, asking, ended, resumed};

/// Servers that are killed one after the other, all on the same thread.
const KILLS: usize = 16;

/// A client that accepts everything after a while, and what it has been told.
struct Hesitant {
    dice: Dice,
    /// The question it will answer, and how much else it asks the server before that.
    open: Option<(Value, usize)>,
    /// Turns that began, by the word that their commands write.
    turns: usize,
    /// How the commands of each turn ended.
    ended: BTreeMap<String, Value>,
}

impl Hesitant {
    /// Begins a turn whose command writes a word of its own.
    fn begin(&mut self, server: &mut StdioServer, thread: &str) {
        self.turns += 1;
        let word = format!("word{}", self.turns);
        let answers = json!([{"exec": format!("echo {word} >> log")}, {"say": "so"}]);
        let input = json!([{"type": "text", "text": prompt("go", &answers)}]);
        // The server may be gone before it reads this.
        let _gone = server.send("turn/start", &json!({"threadId": thread, "input": input}));
    }

    /// Does something else, or answers.
    fn go_on(&mut self, server: &mut StdioServer) {
        let _gone = match self.open.take() {
            Some((id, 0)) => server.try_respond(&id, &json!({"decision": "accept"})),
            Some((id, more)) => {
                self.open = Some((id, more - 1));
                server.send("thread/loaded/list", &json!({})).map(drop)
            }
            None => Ok(()),
        };
    }

    /// Accepts, and begins the next turn behind each, until the server is gone. Kills it
    /// with a question open, behind so many others.
    fn serve(&mut self, server: &mut StdioServer, thread: &str, mut kill_behind: Option<usize>) {
        while let Some(message) = server.next() {
            let params = &message["params"];
            match message["method"].as_str() {
                Some(COMMAND) if kill_behind == Some(0) => {
                    send_signal(&server.child, Signal::KILL);
                }
                Some(COMMAND) => {
                    kill_behind = kill_behind.map(|left| left - 1);
                    self.open = Some((message["id"].clone(), self.dice.below(200)));
                    self.go_on(server);
                }
                None if message["result"].get("data").is_some() => self.go_on(server),
                Some("item/completed") if params["item"]["type"] == "commandExecution" => {
                    let command = params["item"]["command"].as_str().unwrap();
                    let word = command
                        .split_whitespace()
                        .find(|word| word.starts_with("word"));
                    let status = params["item"]["status"].clone();
                    let earlier = self.ended.insert(word.unwrap().to_owned(), status);
                    assert_eq!(earlier, None, "an item ended twice");
                }
                Some("turn/completed") => self.begin(server, thread),
                Some(_) | None => {}
            }
        }
    }
}

#[test]
fn at_whatever_moment_it_is_killed_nothing_that_was_accepted_runs_twice() {
    let chosen = std::env::var("LOOMD_KILL_SEED").ok();
    let seed = chosen.map_or(20_261_128, |text| text.parse().expect("a number"));
    println!("seed {seed}");
    let mut dice = Dice::new(seed);
    let mut told = Hesitant {
        dice: Dice::new(seed),
        open: None,
        turns: 0,
        ended: BTreeMap::new(),
    };
    let bench = Bench::new();
    let answers = json!([{"say": "hello"}]);
    let (mut server, thread) = asking(&bench, &answers, Value::Null);
    ended(&mut server);
    let mut gone_on = 0;
    told.begin(&mut server, &thread);
    for kill in 0..KILLS {
        let behind = (kill % 2 == 0).then_some(2);
        let killer = behind.is_none().then(|| {
            let pid = Pid::from_child(&server.child);
            let delay = u64::try_from(dice.below(120_000)).expect("a delay");
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_micros(delay));
                kill_process(pid, Signal::KILL).unwrap();
            })
        });
        told.serve(&mut server, &thread, behind);
        told.open = None;
        if let Some(killer) = killer {
            killer.join().unwrap();
        }
        let (_, _killed) = server.end();

        server = StdioServer::start(&bench);
        let resumed = resumed(&mut server, &thread);
        let waits = resumed["status"]["type"] == "active";
        println!("kill {kill}: turn {}, waits: {waits}", told.turns);
        assert!(waits || behind.is_none(), "a question is gone");
        if waits {
            gone_on += 1;
        } else {
            told.begin(&mut server, &thread);
        }
    }
    server.kill();
    let log = fs::read_to_string(bench.work().join("log")).unwrap_or_default();
    let mut runs: BTreeMap<&str, usize> = BTreeMap::new();
    for word in log.lines() {
        *runs.entry(word).or_default() += 1;
    }
    assert!(
        runs.values().all(|count| *count == 1),
        "ran twice: {runs:?}"
    );
    for (word, status) in &told.ended {
        if status == "completed" {
            assert!(runs.contains_key(&**word), "{word} is said to have run");
        }
    }
    assert!(told.ended.len() >= KILLS, "{} commands", told.ended.len());
    println!("{} turns, {gone_on} of them went on", told.turns);
}
