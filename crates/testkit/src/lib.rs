//! What tests of the server use: an in-process server and a client that checks every
//! message against the reference's schema, and a mock of the model API.

mod client;
mod helper;
pub mod mock_model;
pub mod schema;
mod server;

pub use client::TestClient;
pub use server::TestServer;
