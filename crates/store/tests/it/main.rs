//! Tests of the store crate from outside.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod damage;
mod lists;
mod refreshing;
mod support;
