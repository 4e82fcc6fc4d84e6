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
mod command_exec;
mod config;
mod dynamic_tool;
mod elicitation;
mod environment;
#[cfg(feature = "schema")]
pub mod export;
mod ext;
mod external_agent;
mod feedback;
mod fs;
mod guardian;
mod hook;
mod host_request;
mod initialize;
mod input;
mod item;
mod item_events;
mod item_parts;
mod markdown;
mod mcp;
mod memory;
pub mod methods;
mod misc;
mod model;
mod notifications;
mod old;
mod organise;
mod params;
mod path;
mod permission;
mod plugin;
mod policy;
mod process;
mod provider;
mod queue;
mod rate_limit;
mod raw_response;
mod realtime;
mod remote_control;
mod request_id;
mod review;
mod sample;
mod schema_files;
mod search;
mod server_requests;
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
#[cfg(feature = "schema")]
mod typescript;
mod user_input_request;
mod windows_sandbox;
mod wire;

pub use account::*;
pub use approval::*;
pub use approval_v1::*;
pub use command_exec::*;
pub use config::*;
pub use dynamic_tool::*;
pub use elicitation::*;
pub use fs::*;
pub use guardian::*;
pub use hook::*;
pub use host_request::*;
pub use initialize::*;
pub use input::*;
pub use item::*;
pub use item_events::*;
pub use item_parts::*;
pub use markdown::*;
pub use mcp::*;
pub use memory::*;
pub use methods::{METHODS, Method, MethodSpec, NoParams, Stability, State, lookup};
#[cfg(feature = "schema")]
pub use methods::{MethodSchemas, SchemaOf};
pub use misc::*;
pub use model::*;
pub use notifications::*;
pub use old::*;
pub use params::*;
pub use path::*;
pub use permission::*;
pub use plugin::*;
pub use policy::*;
pub use process::*;
pub use queue::*;
pub use rate_limit::*;
pub use raw_response::*;
pub use remote_control::*;
pub use request_id::*;
pub use schema_files::*;
pub use search::*;
pub use server_requests::*;
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
