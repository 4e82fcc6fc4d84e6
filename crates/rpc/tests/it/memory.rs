//! Connections inside this process.

use loomd_rpc::{CloseReason, Principal, Transport, memory, memory_as};

use crate::support::{Seen, echo};

#[tokio::test]
async fn echoes_ids_with_their_type() {
    let (service, _watch) = echo();
    let mut client = memory(service);
    for (sent, received) in [
        (
            r#"{"id":1,"method":"echo","params":[1]}"#,
            r#"{"id":1,"result":[1]}"#,
        ),
        (
            r#"{"id":"1","method":"echo"}"#,
            r#"{"id":"1","result":null}"#,
        ),
        (
            r#"{"id":-9007199254740993,"method":"x"}"#,
            r#"{"error":{"code":-32600,"message":"no method x"},"id":-9007199254740993}"#,
        ),
    ] {
        client.send(sent).await.unwrap();
        assert_eq!(client.recv().await.unwrap(), received);
    }
}

#[tokio::test]
async fn gives_back_what_was_not_read_when_it_is_closed() {
    let (service, watch) = echo();
    let client = memory_as(service, Principal::Subject("ann".into()));
    client.send("garbage").await.unwrap();
    client.send(r#"{"id":1,"method":"echo"}"#).await.unwrap();
    let id = client.id();
    let rest = client.close().await;
    assert_eq!(
        rest,
        [
            r#"{"id":1,"result":null}"#,
            r#"{"method":"bye","params":{},"emittedAtMs":1}"#
        ]
    );
    let seen = watch.rest().await;
    let [Seen::Accepted(peer), Seen::Closed(CloseReason::PeerClosed)] = &seen[..] else {
        panic!("{seen:?}");
    };
    assert_eq!(peer.id, id);
    assert_eq!(peer.transport, Transport::Memory);
    assert_eq!(peer.principal, Principal::Subject("ann".into()));
}

#[tokio::test]
async fn closes_when_it_is_dropped() {
    let (service, mut watch) = echo();
    drop(memory(service));
    watch.accepted().await;
    assert_eq!(watch.closed().await, CloseReason::PeerClosed);
}

#[tokio::test]
async fn ends_after_the_last_message_when_the_server_closes() {
    let (service, _watch) = echo();
    let mut client = memory(service);
    client.send(r#"{"id":1,"method":"leave"}"#).await.unwrap();
    assert_eq!(client.recv().await.unwrap(), r#"{"id":1,"result":null}"#);
    assert_eq!(client.recv().await, None);
    assert_eq!(
        client.close_reason(),
        Some(CloseReason::ByServer("asked to leave"))
    );
}
