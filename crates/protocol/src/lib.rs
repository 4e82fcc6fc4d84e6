//! The app-server v2 wire vocabulary: every type that crosses a connection,
//! named as the reference's JSON schema (0.169.0) names it.
//!
//! Invariants: a type reads what any version of the official clients sends
//! (null counts as absent, unknown members are ignored) and writes exactly the
//! members that the reference writes, nulls included. Deliberately absent: IO,
//! async, the JSON-RPC envelope (crate `rpc`), and every rule about when a
//! message is sent.
//!
//! Members carry a doc where their name does not say it all: units, limits,
//! what null or absence means.
#![expect(
    missing_docs,
    reason = "a member's name is the wire's; a test sees to it that every type has a doc"
)]

mod account;
mod approval;
mod approval_v1;
mod config;
mod dynamic_tool;
mod elicitation;
mod guardian;
mod hook;
mod host_request;
mod initialize;
mod input;
mod item;
mod item_events;
mod item_parts;
mod mcp;
mod misc;
mod model;
mod path;
mod permission;
mod plugin;
mod policy;
mod rate_limit;
mod request_id;
mod skill;
mod thread;
mod thread_act;
mod thread_events;
mod thread_manage;
mod thread_open;
mod thread_read;
mod turn;
mod turn_error;
mod turn_events;
mod user_input_request;
mod wire;

pub use account::*;
pub use approval::*;
pub use approval_v1::*;
pub use config::*;
pub use dynamic_tool::*;
pub use elicitation::*;
pub use guardian::*;
pub use hook::*;
pub use host_request::*;
pub use initialize::*;
pub use input::*;
pub use item::*;
pub use item_events::*;
pub use item_parts::*;
pub use mcp::*;
pub use misc::*;
pub use model::*;
pub use path::*;
pub use permission::*;
pub use plugin::*;
pub use policy::*;
pub use rate_limit::*;
pub use request_id::*;
pub use skill::*;
pub use thread::*;
pub use thread_act::*;
pub use thread_events::*;
pub use thread_manage::*;
pub use thread_open::*;
pub use thread_read::*;
pub use turn::*;
pub use turn_error::*;
pub use turn_events::*;
pub use user_input_request::*;
