//! JSON-RPC connections: envelope, framing, transports, the outgoing queue.
//!
//! The way in: bytes → frame ([`Listen`] names the transports) → [`Incoming`] → the
//! server's [`Session`], one message at a time per connection. The way out:
//! [`Message`] (encoded once, shared by all who get it) → a connection's [`Outbound`]
//! → its writer. Sending never waits; a client that does not read is bounded by
//! [`EVENT_BYTES_MAX`] and [`REPLY_BYTES_MAX`] and then loses its connection.
//!
//! Invariants: whatever a peer sends, it costs at most its own connection; what is not
//! an envelope is dropped without an answer; each session is closed exactly once.
//!
//! Deliberately absent: methods, params, error codes, threads. The crate ends at the
//! envelope; nothing here knows what a request is for, who waits for an answer, or what
//! a client may see.

mod close;
mod connection;
mod envelope;
mod lines;
mod listen;
mod memory;
mod message;
mod pending;
mod queue;
mod standard;
mod stdio;
mod writer;
mod ws;

pub use close::{CloseReason, Closed};
pub use connection::{Peer, Principal, Service, Session, Transport};
pub use envelope::{Dropped, Incoming, RequestId, RpcError, parse};
pub use lines::LINE_BYTES_MAX;
pub use listen::{InvalidListen, Listen};
pub use memory::{MemoryClient, memory, memory_as};
pub use message::{
    Class, MergeKey, Message, encode_error, encode_notification, encode_request, encode_response,
};
pub use pending::ServerRequestIds;
pub use queue::{EVENT_BYTES_MAX, Outbound, REPLY_BYTES_MAX};
pub use stdio::{serve_stdio, serve_stream};
pub use writer::FLUSH_TIMEOUT;
pub use ws::frame::{FRAME_BYTES_MAX, MESSAGE_BYTES_MAX};
pub use ws::{
    AuthPolicy, CONNECTIONS_MAX, HANDSHAKE_TIMEOUT, UnixBindError, UnixListener,
    WebSocketBindError, WebSocketListener, default_socket_path,
};
