//! Connections as a client sees them, over every transport.

#![expect(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a helper of a test fails as a test does"
)]

mod memory;
mod stream;
mod support;
mod unix;
mod ws;
