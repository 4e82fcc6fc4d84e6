//! What one streamed delta costs, in CPU time of the server process.
//!
//! ```text
//! echo '{"id":1,"method":"deltas","params":200000}' | deltas stdio | wc -l
//! deltas ws &          # prints its address
//! deltas client ws://127.0.0.1:PORT 200000
//! ```
//!
//! Each delta is sent when the one before has been written, so each costs a write of
//! its own: the worst case, one slow model stream. `blob` in place of `deltas` sends
//! one answer of so many bytes.

#![expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a measuring tool talks to a person"
)]

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use loomd_rpc::{
    AuthPolicy, CloseReason, Incoming, Outbound, Peer, Service, Session, WebSocketListener,
    encode_notification, encode_response, serve_stdio,
};
use serde_json::json;
use serde_json::value::RawValue;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_util::sync::CancellationToken;

struct Source;

struct Deltas {
    out: Outbound,
}

impl Service for Source {
    type Session = Deltas;

    fn accept(&self, _: Peer, out: Outbound) -> Deltas {
        Deltas { out }
    }
}

impl Session for Deltas {
    async fn on_message(&mut self, message: Incoming) {
        let Incoming::Request {
            id, method, params, ..
        } = message
        else {
            return;
        };
        let count: usize = params
            .and_then(|params| params.get().parse().ok())
            .unwrap_or(0);
        let before = cpu_ms();
        if method == "blob" {
            let text = RawValue::from_string(format!("\"{}\"", "x".repeat(count)));
            let _ = self.out.send(encode_response(&id, &text.ok()));
        } else {
            for at in 0..count {
                let params = json!({
                    "threadId": "019a0000-0000-7000-8000-000000000001",
                    "turnId": "019a0000-0000-7000-8000-000000000002",
                    "itemId": "msg_0123456789abcdef",
                    "delta": " word",
                });
                let delta = encode_notification("item/agentMessage/delta", &params, at as i64);
                if self.out.send(delta.into_delta(None)).is_err() {
                    return;
                }
                // Waiting for each makes each cost a write of its own, the worst case.
                self.out.drained().await;
            }
            let _ = self.out.send(encode_response(&id, &()));
        }
        self.out.drained().await;
        let after = cpu_ms();
        let (user, system) = (after.0 - before.0, after.1 - before.1);
        let each_us = (user + system) as f64 * 1000.0 / count.max(1) as f64;
        eprintln!("{method} {count}: {user} ms user, {system} ms system, {each_us:.2} us each");
    }

    async fn on_close(&mut self, _: CloseReason) {}
}

/// User and system time of this process, to the kernel's tick of 10 ms.
fn cpu_ms() -> (u64, u64) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ms = |at| {
        let ticks: Option<u64> = fields
            .split_whitespace()
            .nth(at)
            .and_then(|t| t.parse().ok());
        10 * ticks.unwrap_or(0)
    };
    (ms(11), ms(12))
}

#[tokio::main(worker_threads = 2)]
async fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["stdio"] => {
            let outcome = serve_stdio(Arc::new(Source), CancellationToken::new()).await;
            outcome.expect("the client reads fast enough");
        }
        ["ws"] => {
            let listener = WebSocketListener::bind(([127, 0, 0, 1], 0).into(), AuthPolicy::None)
                .await
                .expect("a free port");
            eprint!("{}", listener.banner());
            let served = listener.serve(Arc::new(Source), CancellationToken::new());
            served.await.expect("accepts");
        }
        ["client", url, count] => client(url, "deltas", count).await,
        ["client", url, count, method] => client(url, method, count).await,
        _ => eprintln!("deltas stdio | ws | client URL COUNT [METHOD]"),
    }
}

async fn client(url: &str, method: &str, count: &str) {
    let config = WebSocketConfig::default()
        .max_frame_size(None)
        .max_message_size(None);
    let (mut socket, _) = tokio_tungstenite::connect_async_with_config(url, Some(config), false)
        .await
        .expect("a server listens");
    let request = format!(r#"{{"id":1,"method":"{method}","params":{count}}}"#);
    socket.send(Message::text(request)).await.expect("sent");
    let mut messages = 0;
    while let Some(Ok(message)) = socket.next().await {
        messages += 1;
        if message
            .to_text()
            .is_ok_and(|text| text.starts_with("{\"id\":1"))
        {
            break;
        }
    }
    println!("{messages} messages");
}
