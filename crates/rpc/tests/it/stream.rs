//! Lines over a pair of streams, as stdio uses them.

use std::io;
use std::sync::Arc;

use loomd_rpc::{
    CloseReason, FLUSH_TIMEOUT, LINE_BYTES_MAX, Principal, REPLY_BYTES_MAX, RequestId, Transport,
    serve_stream,
};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::{Echo, Seen, Watch, echo};

struct Client {
    input: DuplexStream,
    output: BufReader<DuplexStream>,
    shutdown: CancellationToken,
    server: JoinHandle<io::Result<()>>,
}

fn connect() -> (Client, Watch) {
    let (service, watch) = echo();
    (connect_to(service), watch)
}

fn connect_to(service: Arc<Echo>) -> Client {
    let (input, reader) = tokio::io::duplex(64 * 1024);
    let (writer, output) = tokio::io::duplex(64 * 1024);
    let shutdown = CancellationToken::new();
    let server = serve_stream(service, (reader, writer), shutdown.clone());
    Client {
        input,
        output: BufReader::new(output),
        shutdown,
        server: loomd_base::tasks::spawn(loomd_base::tasks::Kind::Connection, server),
    }
}

impl Client {
    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.input.write_all(bytes.as_ref()).await.unwrap();
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).await.unwrap();
        line
    }

    /// Ends the input and reads what is left.
    async fn finish(self) -> (Vec<String>, io::Result<()>) {
        let Self {
            input,
            mut output,
            server,
            ..
        } = self;
        drop(input);
        let mut rest = String::new();
        output.read_to_string(&mut rest).await.unwrap();
        let lines = rest.lines().map(str::to_owned).collect();
        (lines, server.await.unwrap())
    }
}

const BYE: &str = r#"{"method":"bye","params":{},"emittedAtMs":1}"#;

#[tokio::test]
async fn drops_lines_that_are_no_envelope_and_stays_open() {
    let (mut client, watch) = connect();
    client.send(b"\n\r\nnot json\n[]\n{}\n").await;
    client
        .send(b"{\"id\":1,\"method\":\"\xff\xfe\"}\n\x00\n")
        .await;
    client.send("{\"id\":null,\"method\":\"n\"}\n").await;
    client.send("{\"id\":3,\"result\":{}}\n").await;
    client
        .send("{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"echo\"}\r\n")
        .await;
    assert_eq!(client.line().await, "{\"id\":2,\"result\":null}\n");
    let (lines, outcome) = client.finish().await;
    assert_eq!(lines, [BYE]);
    outcome.unwrap();
    let seen = watch.rest().await;
    let [Seen::Accepted(peer), after @ ..] = &seen[..] else {
        panic!("{seen:?}");
    };
    assert_eq!(
        (&peer.transport, &peer.principal),
        (&Transport::Stdio, &Principal::Local)
    );
    assert_eq!(
        after,
        [
            Seen::Notification("n".into()),
            Seen::Answer(RequestId::Integer(3)),
            Seen::Closed(CloseReason::PeerClosed)
        ]
    );
}

#[tokio::test]
async fn reads_a_line_however_it_is_cut() {
    let (mut client, _watch) = connect();
    for byte in b"{\"id\":\"\xc3\xa9\",\"method\":\"echo\"}\n{\"id\":1," {
        client.send([*byte]).await;
        tokio::task::yield_now().await;
    }
    client.send("\"method\":\"echo\"}\n").await;
    assert_eq!(client.line().await, "{\"id\":\"é\",\"result\":null}\n");
    assert_eq!(client.line().await, "{\"id\":1,\"result\":null}\n");
}

#[tokio::test]
async fn answers_everything_before_it_ends_with_its_input() {
    let (mut client, _watch) = connect();
    client
        .send("{\"id\":1,\"method\":\"blob\",\"params\":500000}\n{\"id\":2,\"method\":\"echo\"}")
        .await;
    let (lines, outcome) = client.finish().await;
    outcome.unwrap();
    assert_eq!(lines[0].len(), r#"{"id":1,"result":""}"#.len() + 500_000);
    assert_eq!(lines[1..], [r#"{"id":2,"result":null}"#, BYE]);
}

#[tokio::test]
async fn skips_a_line_above_the_limit() {
    let (mut client, _watch) = connect();
    let chunk = vec![b'x'; 1024 * 1024];
    for _ in 0..=LINE_BYTES_MAX / chunk.len() {
        client.send(&chunk).await;
    }
    client.send("\n{\"id\":1,\"method\":\"echo\"}\n").await;
    assert_eq!(client.line().await, "{\"id\":1,\"result\":null}\n");
}

#[tokio::test]
async fn answers_5000_requests_written_before_any_is_read() {
    let (mut client, _watch) = connect();
    for id in 0..5000 {
        client
            .send(format!(
                "{{\"id\":{id},\"method\":\"echo\",\"params\":{{\"n\":{id}}}}}\n"
            ))
            .await;
    }
    let (lines, _) = client.finish().await;
    assert_eq!(lines.len(), 5001);
    for (id, line) in lines[..5000].iter().enumerate() {
        assert_eq!(*line, format!(r#"{{"id":{id},"result":{{"n":{id}}}}}"#));
    }
}

/// Virtual time passes only when nothing else can happen.
async fn until_idle() {
    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn stops_reading_while_answers_fill_the_queue() {
    const BLOB: usize = 4 * 1024 * 1024;
    const REQUESTS: usize = 24;
    let (mut client, mut watch) = connect();
    watch.accepted().await;
    for id in 0..REQUESTS {
        client
            .send(format!(
                "{{\"id\":{id},\"method\":\"blob\",\"params\":{BLOB}}}\n{{\"method\":\"n{id}\"}}\n"
            ))
            .await;
    }
    until_idle().await;
    // Each notification tells that the answer before it was queued; sixteen answers of
    // this size fill the queue.
    let mut answered = 0;
    while answered * BLOB < REPLY_BYTES_MAX - BLOB {
        assert_eq!(
            watch.next().await,
            Seen::Notification(format!("n{answered}"))
        );
        answered += 1;
    }
    let next = watch.next();
    tokio::pin!(next);
    tokio::select! {
        biased;
        seen = &mut next => panic!("read on: {seen:?}"),
        () = until_idle() => {}
    }
    let (lines, outcome) = client.finish().await;
    outcome.unwrap();
    assert_eq!(lines.len(), REQUESTS + 1);
}

#[tokio::test(start_paused = true)]
async fn ends_with_an_error_when_events_pile_up() {
    let (mut client, mut watch) = connect();
    client.send("{\"id\":1,\"method\":\"flood\"}\n").await;
    watch.accepted().await;
    assert_eq!(watch.closed().await, CloseReason::TooSlow);
    let outcome = client.server.await.unwrap();
    assert_eq!(
        outcome.unwrap_err().to_string(),
        "the peer reads too slowly"
    );
    assert!(watch.rest().await.is_empty());
}

#[tokio::test]
async fn lets_an_answer_beyond_every_limit_pass() {
    let (mut client, _watch) = connect();
    let bytes = REPLY_BYTES_MAX + 1;
    client
        .send(format!(
            "{{\"id\":1,\"method\":\"blob\",\"params\":{bytes}}}\n"
        ))
        .await;
    let (lines, outcome) = client.finish().await;
    outcome.unwrap();
    assert_eq!(lines[0].len(), r#"{"id":1,"result":""}"#.len() + bytes);
    assert_eq!(lines[1..], [BYE]);
}

#[tokio::test]
async fn ends_in_order_when_its_reader_is_gone() {
    let (client, mut watch) = connect();
    let Client {
        mut input,
        output,
        server,
        ..
    } = client;
    watch.accepted().await;
    drop(output);
    input
        .write_all(b"{\"id\":1,\"method\":\"echo\"}\n")
        .await
        .unwrap();
    assert_eq!(watch.closed().await, CloseReason::PeerClosed);
    server.await.unwrap().unwrap();
    assert!(watch.rest().await.is_empty());
}

#[tokio::test]
async fn flushes_at_shutdown() {
    let (mut client, mut watch) = connect();
    client
        .send("{\"id\":1,\"method\":\"echo\"}\n{\"method\":\"n\"}\n")
        .await;
    watch.accepted().await;
    assert_eq!(watch.next().await, Seen::Notification("n".into()));
    client.shutdown.cancel();
    assert_eq!(watch.closed().await, CloseReason::Shutdown);
    assert_eq!(client.line().await, "{\"id\":1,\"result\":null}\n");
    assert_eq!(client.line().await, format!("{BYE}\n"));
    assert_eq!(client.line().await, "");
    client.server.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn waits_for_a_reader_that_does_not_read_only_so_long() {
    let (mut client, mut watch) = connect();
    client
        .send("{\"id\":1,\"method\":\"blob\",\"params\":1000000}\n{\"method\":\"n\"}\n")
        .await;
    watch.accepted().await;
    watch.next().await;
    let begun = tokio::time::Instant::now();
    client.shutdown.cancel();
    client.server.await.unwrap().unwrap();
    let took = begun.elapsed();
    assert!(took >= FLUSH_TIMEOUT && took.as_secs() == FLUSH_TIMEOUT.as_secs());
}

#[tokio::test]
async fn a_panic_of_the_session_ends_its_connection_alone() {
    let (service, mut watch) = echo();
    let mut other = connect_to(Arc::clone(&service));
    watch.accepted().await;
    let mut client = connect_to(service);
    watch.accepted().await;
    client.send("{\"id\":1,\"method\":\"panic\"}\n").await;
    assert!(matches!(watch.closed().await, CloseReason::Failed(_)));
    client.server.await.unwrap().unwrap_err();
    other.send("{\"id\":1,\"method\":\"echo\"}\n").await;
    assert_eq!(other.line().await, "{\"id\":1,\"result\":null}\n");
}
