//! The app-server v2 wire vocabulary: every type that crosses a connection,
//! named as the reference's JSON schema (0.169.0) names it.
//!
//! Invariants: a type reads what any version of the official clients sends
//! (null counts as absent, unknown members are ignored) and writes exactly the
//! members that the reference writes, nulls included. Deliberately absent: IO,
//! async, the JSON-RPC envelope (crate `rpc`), and every rule about when a
//! message is sent.

mod dynamic_tool;
mod guardian;
mod hook;
mod input;
mod item;
mod item_events;
mod item_parts;
mod path;
mod policy;
mod request_id;
mod thread;
mod thread_act;
mod thread_events;
mod thread_manage;
mod thread_open;
mod thread_read;
mod turn;
mod turn_error;
mod turn_events;
mod wire;

pub use dynamic_tool::*;
pub use guardian::*;
pub use hook::*;
pub use input::*;
pub use item::*;
pub use item_events::*;
pub use item_parts::*;
pub use path::*;
pub use policy::*;
pub use request_id::*;
pub use thread::*;
pub use thread_act::*;
pub use thread_events::*;
pub use thread_manage::*;
pub use thread_open::*;
pub use thread_read::*;
pub use turn::*;
pub use turn_error::*;
pub use turn_events::*;
