//! WebSocket over real loopback sockets, with a client that is not ours.

use std::net::SocketAddr;

use expect_test::expect;
use futures_util::{SinkExt, StreamExt};
use loomd_base::tasks::{self, Kind};
use loomd_rpc::{
    AuthPolicy, CloseReason, FRAME_BYTES_MAX, Principal, Transport, WebSocketListener,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use tokio_util::sync::CancellationToken;

use crate::support::{Seen, Watch, echo};

struct Server {
    addr: SocketAddr,
    watch: Watch,
    shutdown: CancellationToken,
    task: JoinHandle<std::io::Result<()>>,
}

type Client = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn serve() -> Server {
    let (service, watch) = echo();
    let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = WebSocketListener::bind(loopback, AuthPolicy::None)
        .await
        .unwrap();
    let addr = listener.local_addr();
    let shutdown = CancellationToken::new();
    let task = tasks::spawn(Kind::Listener, listener.serve(service, shutdown.clone()));
    Server {
        addr,
        watch,
        shutdown,
        task,
    }
}

impl Server {
    async fn connect(&mut self) -> Client {
        let config = WebSocketConfig::default()
            .max_frame_size(None)
            .max_message_size(None);
        let url = format!("ws://{}/any/path?query=1", self.addr);
        let (client, answer) =
            tokio_tungstenite::connect_async_with_config(url, Some(config), false)
                .await
                .unwrap();
        let extra = "x-codex-websocket-max-unfragmented-message-bytes";
        assert!(!answer.headers().contains_key(extra));
        let peer = self.watch.accepted().await;
        assert_eq!(peer.principal, Principal::Local);
        assert!(matches!(peer.transport, Transport::WebSocket { .. }));
        client
    }

    /// Sends raw bytes and gives back the answer without its date.
    async fn http(&self, request: &str) -> String {
        let mut socket = TcpStream::connect(self.addr).await.unwrap();
        let request = format!("{request}Host: x\r\nConnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        answer
            .lines()
            .filter(|line| !line.starts_with("date:"))
            .map(|line| format!("{line}\n"))
            .collect()
    }
}

async fn text(client: &mut Client) -> String {
    match client.next().await.unwrap().unwrap() {
        Message::Text(text) => text.to_string(),
        other => panic!("expected text, got {other:?}"),
    }
}

/// The code and the reason of the close frame, all before it skipped.
async fn close_frame(client: &mut Client) -> (u16, String) {
    while let Some(message) = client.next().await {
        if let Message::Close(Some(frame)) = message.unwrap() {
            return (frame.code.into(), frame.reason.to_string());
        }
    }
    panic!("no close frame came");
}

fn padded(bytes: usize) -> String {
    let request = r#"{"id":1,"method":"echo"}"#;
    format!("{request}{}", " ".repeat(bytes - request.len()))
}

fn fragment(opcode: Data, payload: impl Into<Vec<u8>>, last: bool) -> Message {
    let payload: Vec<u8> = payload.into();
    Message::Frame(Frame::message(payload, OpCode::Data(opcode), last))
}

const ANSWER: &str = r#"{"id":1,"result":null}"#;

#[tokio::test]
async fn answers_on_any_path_and_drops_what_is_no_text_envelope() {
    let mut server = serve().await;
    let mut client = server.connect().await;
    client.send(Message::binary("{}".to_owned())).await.unwrap();
    client.send(Message::text("")).await.unwrap();
    client.send(Message::text("[]")).await.unwrap();
    client
        .send(fragment(Data::Text, b"{\"id\":\"\xff\"}".to_vec(), true))
        .await
        .unwrap();
    client
        .send(Message::text(r#"{"id":1,"method":"echo"}"#))
        .await
        .unwrap();
    assert_eq!(text(&mut client).await, ANSWER);
}

#[tokio::test]
async fn answers_a_ping_with_its_payload() {
    let mut server = serve().await;
    let mut client = server.connect().await;
    client
        .send(Message::Ping("are you there".into()))
        .await
        .unwrap();
    assert_eq!(
        client.next().await.unwrap().unwrap(),
        Message::Pong("are you there".into())
    );
}

#[tokio::test]
async fn answers_health_and_refuses_the_rest_of_http() {
    let server = serve().await;
    let mut shown = String::new();
    for request in [
        "GET /healthz HTTP/1.1\r\n",
        "GET /readyz HTTP/1.1\r\n",
        "HEAD /healthz HTTP/1.1\r\n",
        "POST /readyz HTTP/1.1\r\n",
        "GET /healthz HTTP/1.1\r\nOrigin: null\r\n",
        "GET / HTTP/1.1\r\nOrigin: http://127.0.0.1\r\n",
        "GET / HTTP/1.1\r\n",
        "PUT /x HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\nConnection: upgrade\r\n",
        "GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n",
        "GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
        "nonsense\r\n",
    ] {
        shown += &format!("> {}\n", request.trim_end().replace("\r\n", " | "));
        shown += &server.http(request).await;
        shown.truncate(shown.trim_end().len());
        shown += "\n\n";
    }
    expect![[r#"
        > GET /healthz HTTP/1.1
        HTTP/1.1 200 OK
        connection: close
        content-length: 0

        > GET /readyz HTTP/1.1
        HTTP/1.1 200 OK
        connection: close
        content-length: 0

        > HEAD /healthz HTTP/1.1
        HTTP/1.1 200 OK
        connection: close

        > POST /readyz HTTP/1.1
        HTTP/1.1 405 Method Not Allowed
        allow: GET,HEAD
        connection: close
        content-length: 0

        > GET /healthz HTTP/1.1 | Origin: null
        HTTP/1.1 403 Forbidden
        connection: close
        content-length: 0

        > GET / HTTP/1.1 | Origin: http://127.0.0.1
        HTTP/1.1 403 Forbidden
        connection: close
        content-length: 0

        > GET / HTTP/1.1
        HTTP/1.1 400 Bad Request
        content-type: text/plain; charset=utf-8
        connection: close
        content-length: 43

        Connection header did not include 'upgrade'

        > PUT /x HTTP/1.1
        HTTP/1.1 405 Method Not Allowed
        content-type: text/plain; charset=utf-8
        connection: close
        content-length: 28

        Request method must be `GET`

        > GET / HTTP/1.1 | Connection: upgrade
        HTTP/1.1 400 Bad Request
        content-type: text/plain; charset=utf-8
        connection: close
        content-length: 42

        Upgrade header did not include 'websocket'

        > GET / HTTP/1.1 | Connection: upgrade | Upgrade: websocket
        HTTP/1.1 400 Bad Request
        content-type: text/plain; charset=utf-8
        connection: close
        content-length: 40

        only WebSocket version 13 is spoken here

        > GET / HTTP/1.1 | Connection: upgrade | Upgrade: websocket | Sec-WebSocket-Version: 13
        HTTP/1.1 400 Bad Request
        content-type: text/plain; charset=utf-8
        connection: close
        content-length: 35

        Sec-WebSocket-Key header is missing

        > nonsense
        HTTP/1.1 400 Bad Request
        connection: close
        content-length: 0

    "#]]
    .assert_eq(&shown);
}

#[tokio::test]
async fn answers_5000_requests_written_before_any_is_read() {
    let mut server = serve().await;
    let mut client = server.connect().await;
    for id in 0..5000 {
        client
            .feed(Message::text(format!(r#"{{"id":{id},"method":"echo"}}"#)))
            .await
            .unwrap();
    }
    client.flush().await.unwrap();
    for id in 0..5000 {
        assert_eq!(
            text(&mut client).await,
            format!(r#"{{"id":{id},"result":null}}"#)
        );
    }
}

#[tokio::test]
async fn takes_a_frame_at_the_limit_and_a_larger_message_in_pieces() {
    let mut server = serve().await;
    let mut client = server.connect().await;
    client
        .send(Message::text(padded(FRAME_BYTES_MAX)))
        .await
        .unwrap();
    assert_eq!(text(&mut client).await, ANSWER);
    let large = padded(FRAME_BYTES_MAX + 10);
    let (one, two) = large.split_at(FRAME_BYTES_MAX / 2);
    client.send(fragment(Data::Text, one, false)).await.unwrap();
    client
        .send(fragment(Data::Continue, two, true))
        .await
        .unwrap();
    assert_eq!(text(&mut client).await, ANSWER);
}

#[tokio::test]
async fn closes_on_a_frame_above_the_limit() {
    let mut server = serve().await;
    let mut client = server.connect().await;
    // The header alone: final text frame, masked, its length in eight bytes.
    let mut header = vec![0x81, 0xFF];
    header.extend_from_slice(&(FRAME_BYTES_MAX as u64 + 1).to_be_bytes());
    header.extend_from_slice(&[0; 4]);
    let MaybeTlsStream::Plain(socket) = client.get_mut() else {
        panic!("there is no TLS here");
    };
    socket.write_all(&header).await.unwrap();
    assert_eq!(server.watch.closed().await, CloseReason::TooLarge);
    let (code, _) = close_frame(&mut client).await;
    assert_eq!(code, 1009);
}

#[tokio::test]
async fn sends_an_answer_of_any_size_in_one_frame() {
    let mut server = serve().await;
    let mut client = server.connect().await;
    client
        .send(Message::text(
            r#"{"id":1,"method":"blob","params":26000000}"#,
        ))
        .await
        .unwrap();
    assert_eq!(
        text(&mut client).await.len(),
        26_000_000 + r#"{"id":1,"result":""}"#.len()
    );
}

#[tokio::test]
async fn tells_a_reader_that_fell_behind_why_it_is_closed() {
    let mut server = serve().await;
    let mut slow = server.connect().await;
    let mut other = server.connect().await;
    slow.send(Message::text(r#"{"id":1,"method":"flood"}"#))
        .await
        .unwrap();
    assert_eq!(server.watch.closed().await, CloseReason::TooSlow);
    other
        .send(Message::text(r#"{"id":1,"method":"echo"}"#))
        .await
        .unwrap();
    assert_eq!(text(&mut other).await, ANSWER);
    assert_eq!(
        close_frame(&mut slow).await,
        (1008, "the peer reads too slowly".into())
    );
}

#[tokio::test]
async fn answers_a_close_frame_and_tells_the_session_once() {
    let mut server = serve().await;
    let mut client = server.connect().await;
    client.close(None).await.unwrap();
    assert_eq!(server.watch.closed().await, CloseReason::PeerClosed);
    assert_eq!(close_frame(&mut client).await.0, 1000);
    server.shutdown.cancel();
    server.task.await.unwrap().unwrap();
    assert!(server.watch.rest().await.is_empty());
}

#[tokio::test]
async fn still_sends_to_a_socket_that_has_only_stopped_sending() {
    let mut server = serve().await;
    let mut client = server.connect().await;
    client
        .send(Message::text(r#"{"id":1,"method":"echo"}"#))
        .await
        .unwrap();
    let MaybeTlsStream::Plain(socket) = client.get_mut() else {
        panic!("there is no TLS here");
    };
    socket.shutdown().await.unwrap();
    assert_eq!(server.watch.closed().await, CloseReason::PeerClosed);
    assert_eq!(text(&mut client).await, ANSWER);
    assert!(text(&mut client).await.contains("bye"));
}

#[tokio::test]
async fn notices_a_socket_that_is_gone() {
    let mut server = serve().await;
    let client = server.connect().await;
    drop(client);
    assert_eq!(server.watch.closed().await, CloseReason::PeerClosed);
}

#[tokio::test]
async fn flushes_and_says_goodbye_at_shutdown() {
    let mut server = serve().await;
    let mut client = server.connect().await;
    let half_open = TcpStream::connect(server.addr).await.unwrap();
    client
        .send(Message::text(
            r#"{"id":1,"method":"blob","params":3000000}"#,
        ))
        .await
        .unwrap();
    client
        .send(Message::text(r#"{"method":"n"}"#))
        .await
        .unwrap();
    assert_eq!(server.watch.next().await, Seen::Notification("n".into()));
    server.shutdown.cancel();
    assert!(text(&mut client).await.len() > 3_000_000);
    assert!(text(&mut client).await.contains("bye"));
    assert_eq!(
        close_frame(&mut client).await,
        (1001, "the server is shutting down".into())
    );
    drop((client, half_open));
    server.task.await.unwrap().unwrap();
    TcpStream::connect(server.addr).await.unwrap_err();
}

#[tokio::test]
async fn refuses_an_address_that_others_can_reach() {
    for (addr, shown) in [
        ("0.0.0.0:0", "0.0.0.0:0"),
        ("[::]:8080", "[::]:8080"),
        ("192.0.2.1:1", "192.0.2.1:1"),
    ] {
        let error = WebSocketListener::bind(addr.parse().unwrap(), AuthPolicy::None)
            .await
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "refusing to start non-loopback websocket listener {shown} without auth; \
                 configure `--ws-auth capability-token` or `--ws-auth signed-bearer-token`"
            )
        );
    }
}

#[tokio::test]
async fn shows_the_port_in_a_banner_that_tools_can_read() {
    let listener = WebSocketListener::bind(([127, 0, 0, 1], 0).into(), AuthPolicy::None)
        .await
        .unwrap();
    let port = listener.local_addr().port();
    expect![[r#"
        loomd app-server over WebSocket
          listening on: ws://127.0.0.1:PORT
          readyz: http://127.0.0.1:PORT/readyz
          healthz: http://127.0.0.1:PORT/healthz
          note: only this machine can connect; from elsewhere, forward the port with ssh
    "#]]
    .assert_eq(&listener.banner().replace(&port.to_string(), "PORT"));
}
