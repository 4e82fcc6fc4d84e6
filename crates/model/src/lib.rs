//! How loomd asks a model: requests, streams, retries.
//!
//! [`Model`] is all that a thread's shell sees: a request goes in, a bounded stream
//! of [`ModelEvent`]s comes out. [`ResponsesModel`] speaks the Responses API over
//! HTTP and SSE; [`OfflineModel`] is a deterministic stand-in inside the product
//! that goes the same way from the response's bytes on.
//!
//! ```text
//! request.rs    ModelRequest → body and headers
//! engine.rs     the two retry loops around one attempt
//! transport     http.rs (reqwest) or offline (script) → status, headers, bytes
//! sse.rs        bytes → event data
//! translate.rs  event data → ModelEvent, output.rs: one output item
//! failure.rs    status, error body or failed event → ModelFailure and what to do
//! limits.rs     response headers → RateLimitSnapshot
//! ```
//!
//! Invariants: a stream ends with exactly one `Completed` or `Failed`, unless it is
//! cancelled; nothing here waits without a limit for a host (idle time-out) or keeps
//! more than [`sse::EVENT_BYTES_MAX`] of an event. Deliberately absent: threads,
//! connections, tools, and reading of configuration or of the environment.
//!
//! [`ModelEvent`]: loomd_events::ModelEvent

mod auth;
mod engine;
mod failure;
mod http;
mod instructions;
mod limits;
mod model;
pub mod offline;
mod output;
mod provider;
mod request;
mod responses;
pub mod sse;
mod translate;
mod transport;

pub use auth::{Auth, AuthCommand, Credential, NoAuth, ProviderAuth, Secret};
pub use http::HttpClient;
pub use instructions::base_instructions;
pub use model::{EVENTS_MAX, Model};
pub use offline::OfflineModel;
pub use provider::{Env, Provider};
pub use request::{ModelRequest, RequestIdentity, RequestKind};
pub use responses::ResponsesModel;
