//! Socket servers: how they start, drain and end.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, Stdio};

use futures_util::{SinkExt, StreamExt};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};

use crate::bench::{Bench, fifo, prompt, send_signal};

/// A WebSocket server and the address it told.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(bench: &Bench) -> Self {
        let mut child = bench
            .command(&["app-server", "--listen", "ws://127.0.0.1:0"])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let mut banner = BufReader::new(child.stderr.take().unwrap()).lines();
        let url = banner
            .by_ref()
            .map(Result::unwrap)
            .find_map(|line| Some(line.trim().strip_prefix("listening on: ")?.to_owned()))
            .expect("the banner names the address");
        let rest: Vec<String> = banner.take(3).map(Result::unwrap).collect();
        assert_eq!(rest.len(), 3, "{rest:?}");
        Self { child, url }
    }
}

struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    next_id: i64,
}

impl Client {
    async fn connect(server: &Server) -> Self {
        let (socket, _) = connect_async(&server.url).await.unwrap();
        let mut client = Self { socket, next_id: 0 };
        client
            .request(
                "initialize",
                json!({"clientInfo": {"name": "test", "version": "1"}}),
            )
            .await;
        client
    }

    async fn request(&mut self, method: &str, params: Value) -> Value {
        let id = self.next_id;
        self.next_id += 1;
        let frame = json!({"id": id, "method": method, "params": params});
        self.socket
            .send(Message::text(frame.to_string()))
            .await
            .unwrap();
        let answer = self
            .until(|message| message["id"] == id && message.get("method").is_none())
            .await;
        answer["result"].clone()
    }

    /// The next message; none when the connection has ended.
    async fn next(&mut self) -> Option<Value> {
        while let Some(Ok(message)) = self.socket.next().await {
            if let Message::Text(text) = message {
                return Some(serde_json::from_str(&text).unwrap());
            }
        }
        None
    }

    async fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let message = self.next().await.expect("the connection is open");
            if wanted(&message) {
                return message;
            }
        }
    }

    /// Starts a turn whose command waits until somebody writes to the pipe `gate`.
    async fn start_gated_turn(&mut self) {
        let started = self.request("thread/start", json!({})).await;
        let answers = json!([{"exec": "cat gate"}, {"say": "the gate was opened"}]);
        let input = json!([{"type": "text", "text": prompt("wait", &answers)}]);
        let thread = &started["thread"]["id"];
        self.request("turn/start", json!({"threadId": thread, "input": input}))
            .await;
        self.until(|message| {
            message["method"] == "item/started"
                && message["params"]["item"]["type"] == "commandExecution"
        })
        .await;
    }
}

#[tokio::test]
async fn drains_a_running_turn_and_tells_its_end_before_it_closes() {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let bench = Bench::new();
        let gate = fifo(&bench, "gate");
        let mut server = Server::start(&bench);
        let mut client = Client::connect(&server).await;
        client.start_gated_turn().await;
        send_signal(&server.child, signal);
        // While the turn runs, new connections and requests are still served.
        let mut late = Client::connect(&server).await;
        late.request("thread/loaded/list", json!({})).await;
        fs::write(&gate, "open\n").unwrap();
        let ended = client
            .until(|message| message["method"] == "turn/completed")
            .await;
        assert_eq!(ended["params"]["turn"]["status"], "completed");
        while client.next().await.is_some() {}
        assert_eq!(server.child.wait().unwrap().code(), Some(0));
        assert!(bench.rollouts().contains("the gate was opened"));
    }
}

#[tokio::test]
async fn a_second_sigterm_ends_it_at_once_and_a_second_sighup_does_not() {
    let bench = Bench::new();
    let gate = fifo(&bench, "gate");
    let mut server = Server::start(&bench);
    let mut client = Client::connect(&server).await;
    client.start_gated_turn().await;
    send_signal(&server.child, Signal::HUP);
    send_signal(&server.child, Signal::HUP);
    client.request("thread/loaded/list", json!({})).await;
    send_signal(&server.child, Signal::TERM);
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
    drop(gate);
}

#[tokio::test]
async fn an_idle_server_ends_with_0() {
    let bench = Bench::new();
    let mut server = Server::start(&bench);
    let _client = Client::connect(&server).await;
    send_signal(&server.child, Signal::TERM);
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
}

#[test]
fn serves_the_default_socket_keeps_it_to_itself_and_removes_it() {
    let bench = Bench::new();
    let path = bench
        .home()
        .join("app-server-control/app-server-control.sock");
    let arguments = ["app-server", "--listen", "unix://"];
    let mut first = bench.command(&arguments).spawn().unwrap();
    while UnixStream::connect(&path).is_err() {
        assert_eq!(first.try_wait().unwrap(), None, "the server has ended");
        std::thread::yield_now();
    }
    let second = bench.run(&arguments, "");
    assert_eq!(second.status.code(), Some(1));
    let expected = format!(
        "Error: app-server control socket is already in use at {}\n",
        path.display()
    );
    assert_eq!(String::from_utf8_lossy(&second.stderr), expected);

    // Bytes go through the proxy as they are, the handshake's answer included.
    let handshake = "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let mut proxy = bench
        .command(&["app-server", "proxy"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = proxy.stdin.take().unwrap();
    input.write_all(handshake.as_bytes()).unwrap();
    // The end of input may overtake the answer, so it waits for that.
    let mut answer = String::new();
    let mut output = BufReader::new(proxy.stdout.take().unwrap());
    output.read_line(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
    drop(input);
    assert_eq!(proxy.wait().unwrap().code(), Some(0));

    send_signal(&first, Signal::TERM);
    assert_eq!(first.wait().unwrap().code(), Some(0));
    assert!(!path.exists());
}
