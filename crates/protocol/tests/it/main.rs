//! What the vocabulary promises, tested without the reference's binary.

mod docs;
mod files;
mod fixtures;
mod gate;
mod params;
mod table;
mod types;

use std::path::PathBuf;

use serde_json::Value;

/// The root of the repository.
fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The facts of the reference's schema, 0.169.0 or 0.131.0, stable or experimental.
fn reference(version: &str, kind: &str) -> Value {
    let path = root().join(format!("schema/reference/{version}/{kind}.json"));
    let text = std::fs::read_to_string(path).expect("the reference is committed");
    serde_json::from_str(&text).expect("the reference is JSON")
}
