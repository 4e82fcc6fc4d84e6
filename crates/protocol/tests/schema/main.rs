//! The schemas made from the types: the same facts as the reference's, and the
//! committed exports are fresh. Needs the feature `schema`.

mod fresh;
mod same_facts;

use std::path::PathBuf;

/// The root of the repository.
fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}
