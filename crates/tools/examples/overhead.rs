//! Measures what the runner takes for a command beyond the start of a process:
//! `cargo run -p loomd-tools --example overhead`.

#![expect(clippy::print_stdout, reason = "an example talks to its user")]

use std::process::{Command, Stdio};
use std::time::Duration;

use loomd_tools::Owner;
use loomd_tools::one_off::{Listener, OneOff, Piece};
use tokio::time::Instant;

const RUNS: u32 = 200;
const PROGRAM: &str = "/bin/true";

/// Nobody listens.
struct Nobody;

impl Listener for Nobody {
    async fn room(&self) {}

    fn tell(&self, _piece: Piece) {}
}

#[tokio::main]
async fn main() {
    let owner = Owner::default();
    // The first one starts the thread and the shell that all share.
    one_off(&owner).await;
    // In turns, so that both have the same neighbours on the machine.
    let (mut plain, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let begun = Instant::now();
        let output = tokio::task::spawn_blocking(spawned).await;
        output.expect("no panic");
        plain.push(begun.elapsed());
        let begun = Instant::now();
        one_off(&owner).await;
        ours.push(begun.elapsed());
    }
    let begun = Instant::now();
    owner.end().await;
    let sweep = begun.elapsed();
    let (plain, ours) = (middle(plain), middle(ours));
    println!(
        "{RUNS} runs of {PROGRAM}, median: plain {plain:?}, runner {ours:?}, beyond {:?}; \
         end of the owner {sweep:?}",
        ours.saturating_sub(plain)
    );
}

/// What the standard library takes: pipes, start, both streams to their end, wait.
fn spawned() {
    let mut command = Command::new(PROGRAM);
    command.stdin(Stdio::null());
    command.output().expect("it runs");
}

async fn one_off(owner: &Owner) {
    let program = OneOff {
        argv: vec![PROGRAM.to_owned()],
        folder: "/".into(),
        environment: std::env::vars_os().collect(),
        terminal: None,
        input: false,
        streamed: false,
        output_bytes_max: None,
        timeout: Some(Duration::from_secs(10)),
        confinement: None,
    };
    let (running, _handle) = program.start(owner).await.expect("it starts");
    let outcome = running.run(Nobody).await;
    assert_eq!(outcome.exit_code, 0);
}

fn middle(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
