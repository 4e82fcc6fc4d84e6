//! The Unix socket: its file, and WebSocket through it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use futures_util::{SinkExt, StreamExt};
use loomd_base::tasks::{self, Kind};
use loomd_rpc::{
    CloseReason, Principal, Transport, UnixBindError, UnixListener, default_socket_path,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_util::sync::CancellationToken;

use crate::support::{Watch, echo};

struct Server {
    watch: Watch,
    shutdown: CancellationToken,
    task: JoinHandle<std::io::Result<()>>,
}

fn serve(listener: UnixListener) -> Server {
    let (service, watch) = echo();
    let shutdown = CancellationToken::new();
    Server {
        watch,
        task: tasks::spawn(Kind::Listener, listener.serve(service, shutdown.clone())),
        shutdown,
    }
}

impl Server {
    async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap().unwrap();
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn speaks_websocket_through_a_private_file_and_removes_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/deep/s.sock");
    let listener = UnixListener::bind(&path).await.unwrap();
    assert_eq!(listener.path(), path);
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    let mut server = serve(listener);

    let mut request = "ws://localhost/any".into_client_request().unwrap();
    // A browser cannot reach the socket, so this is not looked at.
    let origin = "http://localhost".parse().unwrap();
    request.headers_mut().insert("origin", origin);
    let stream = UnixStream::connect(&path).await.unwrap();
    let (mut client, answer) = tokio_tungstenite::client_async(request, stream)
        .await
        .unwrap();
    assert_eq!(
        answer.headers()["x-codex-websocket-max-unfragmented-message-bytes"],
        "16777216"
    );
    let peer = server.watch.accepted().await;
    assert_eq!(
        (peer.transport, peer.principal),
        (Transport::Unix, Principal::Local)
    );
    client
        .send(Message::text(r#"{"id":1,"method":"echo"}"#))
        .await
        .unwrap();
    assert_eq!(
        client.next().await.unwrap().unwrap(),
        Message::text(r#"{"id":1,"result":null}"#)
    );
    client.close(None).await.unwrap();
    assert_eq!(server.watch.closed().await, CloseReason::PeerClosed);
    server.stop().await;
    assert!(!path.exists());
}

#[tokio::test]
async fn closes_on_what_is_no_upgrade() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.sock");
    let server = serve(UnixListener::bind(&path).await.unwrap());
    let mut stream = UnixStream::connect(&path).await.unwrap();
    stream
        .write_all(b"{\"id\":1,\"method\":\"initialize\"}\n")
        .await
        .unwrap();
    let mut answer = String::new();
    // The line is left unread, so the end may arrive as a reset.
    let _ = stream.read_to_string(&mut answer).await;
    assert!(!answer.contains("101 Switching"), "{answer}");

    let mut stream = UnixStream::connect(&path).await.unwrap();
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn leaves_a_socket_in_use_and_takes_over_a_stale_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.sock");
    let first = UnixListener::bind(&path).await.unwrap();
    let error = UnixListener::bind(&path).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "app-server control socket is already in use at {}",
            path.display()
        )
    );
    drop(first);
    assert!(!path.exists());

    // What a killed server leaves behind.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let second = UnixListener::bind(&path).await.unwrap();
    // Someone else's file of the same name is not removed with ours.
    fs::remove_file(&path).unwrap();
    fs::write(&path, "mine").unwrap();
    drop(second);
    assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
}

#[tokio::test]
async fn leaves_a_file_that_is_no_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.sock");
    fs::write(&path, "mine").unwrap();
    let link = folder.path().join("link.sock");
    symlink(&path, &link).unwrap();
    for path in [path, link] {
        let error = UnixListener::bind(&path).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "app-server control socket path exists and is not a socket: {}",
                path.display()
            )
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    }
}

#[tokio::test]
async fn follows_the_link_of_the_reference() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("target.sock");
    let link = folder.path().join("link.sock");
    symlink(&target, &link).unwrap();
    let live = std::os::unix::net::UnixListener::bind(&target).unwrap();
    let error = UnixListener::bind(&link).await.unwrap_err();
    assert!(matches!(error, UnixBindError::InUse(_)), "{error}");
    drop(live);
    let listener = UnixListener::bind(&link).await.unwrap();
    assert!(!fs::symlink_metadata(&link).unwrap().is_symlink());
    drop(listener);
    // A link to nothing.
    symlink(folder.path().join("nowhere"), &link).unwrap();
    UnixListener::bind(&link).await.unwrap();
}

#[tokio::test]
async fn links_a_path_that_is_too_long_to_a_short_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x".repeat(120)).join("s.sock");
    let listener = UnixListener::bind(&path).await.unwrap();
    let target = fs::read_link(&path).unwrap();
    assert_eq!(mode(&target), 0o600);
    assert_eq!(mode(target.parent().unwrap()), 0o700);
    let error = UnixListener::bind(&path).await.unwrap_err();
    assert!(matches!(error, UnixBindError::InUse(_)), "{error}");
    let server = serve(listener);
    let stream = UnixStream::connect(&target).await.unwrap();
    let (client, _) = tokio_tungstenite::client_async("ws://localhost/", stream)
        .await
        .unwrap();
    drop(client);
    server.stop().await;
    fs::symlink_metadata(&path).unwrap_err();
    assert!(!target.exists());
}

#[tokio::test]
async fn keeps_the_default_folder_private_and_waits_for_who_is_starting() {
    let home = tempfile::tempdir().unwrap();
    let path = default_socket_path(home.path());
    let folder = path.parent().unwrap();
    fs::create_dir(folder).unwrap();
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    let lock = fs::File::create(folder.join("app-server-startup.lock")).unwrap();
    lock.lock().unwrap();
    let binding = UnixListener::bind_default(home.path());
    tokio::pin!(binding);
    assert!(futures_util::poll!(binding.as_mut()).is_pending());
    lock.unlock().unwrap();
    let listener = binding.await.unwrap();
    assert_eq!(
        listener.path(),
        home.path()
            .join("app-server-control/app-server-control.sock")
    );
    assert_eq!(mode(folder), 0o700);
}
