//! A small service to talk to, and what it has seen.

use std::sync::Arc;

use loomd_rpc::{
    CloseReason, Incoming, Message, Outbound, Peer, RequestId, RpcError, Service, Session,
    encode_error, encode_notification, encode_response,
};
use serde_json::json;
use serde_json::value::RawValue;
use tokio::sync::mpsc;

/// What a test waits for.
#[derive(Debug, PartialEq)]
pub(crate) enum Seen {
    Accepted(Peer),
    Notification(String),
    Answer(RequestId),
    Closed(CloseReason),
}

/// Answers `echo` with its params, `blob` with as many bytes as it is told, `flood`
/// by sending events until the connection refuses, `panic` by panicking and `leave` by
/// closing. Sends `bye` in `on_close`.
pub(crate) struct Echo {
    seen: mpsc::Sender<Seen>,
}

pub(crate) struct Watch {
    seen: mpsc::Receiver<Seen>,
}

pub(crate) fn echo() -> (Arc<Echo>, Watch) {
    let (sender, seen) = mpsc::channel(10_000);
    (Arc::new(Echo { seen: sender }), Watch { seen })
}

impl Watch {
    pub(crate) async fn next(&mut self) -> Seen {
        self.seen.recv().await.expect("the service has more to say")
    }

    pub(crate) async fn accepted(&mut self) -> Peer {
        match self.next().await {
            Seen::Accepted(peer) => peer,
            other => panic!("expected a new connection, saw {other:?}"),
        }
    }

    pub(crate) async fn closed(&mut self) -> CloseReason {
        match self.next().await {
            Seen::Closed(reason) => reason,
            other => panic!("expected the end of a connection, saw {other:?}"),
        }
    }

    /// All there is, once the service is gone.
    pub(crate) async fn rest(mut self) -> Vec<Seen> {
        let mut rest = Vec::new();
        while let Some(seen) = self.seen.recv().await {
            rest.push(seen);
        }
        rest
    }
}

impl Service for Echo {
    type Session = EchoSession;

    fn accept(&self, peer: Peer, out: Outbound) -> EchoSession {
        self.seen.try_send(Seen::Accepted(peer)).unwrap();
        EchoSession {
            out,
            seen: self.seen.clone(),
        }
    }
}

pub(crate) struct EchoSession {
    out: Outbound,
    seen: mpsc::Sender<Seen>,
}

impl Session for EchoSession {
    async fn on_message(&mut self, message: Incoming) {
        match message {
            Incoming::Request {
                id, method, params, ..
            } => {
                if let Some(answer) = self.answer(&id, &method, params) {
                    let _ = self.out.send(answer);
                }
            }
            Incoming::Notification { method, .. } => {
                self.seen.try_send(Seen::Notification(method)).unwrap();
            }
            Incoming::Response { id, .. } | Incoming::Error { id, .. } => {
                self.seen.try_send(Seen::Answer(id)).unwrap();
            }
        }
    }

    async fn on_close(&mut self, reason: CloseReason) {
        let _ = self.out.send(encode_notification("bye", &json!({}), 1));
        self.seen.send(Seen::Closed(reason)).await.unwrap();
    }
}

impl EchoSession {
    fn answer(
        &self,
        id: &RequestId,
        method: &str,
        params: Option<Box<RawValue>>,
    ) -> Option<Message> {
        Some(match method {
            "echo" => encode_response(id, &params),
            "blob" => {
                let bytes: usize = serde_json::from_str(params?.get()).unwrap();
                // Raw, because escaping this many characters takes a debug build long.
                let text = format!("\"{}\"", "x".repeat(bytes));
                encode_response(id, &RawValue::from_string(text).unwrap())
            }
            "flood" => {
                let event = encode_notification("event", &"x".repeat(10_000), 1);
                while self.out.send(event.clone()).is_ok() {}
                return None;
            }
            "panic" => panic!("asked to"),
            "leave" => {
                let _ = self.out.send(encode_response(id, &()));
                self.out.close(CloseReason::ByServer("asked to leave"));
                return None;
            }
            _ => encode_error(id, &RpcError::new(-32600, format!("no method {method}"))),
        })
    }
}
