//! The committed exports are what the types say. `UPDATE_EXPECT=1` rewrites them.

use loomd_protocol::export;

use crate::root;

#[track_caller]
fn fresh(path: &str, generated: &str) {
    let path = root().join(path);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, generated).expect("the export can be written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == generated,
        "{} is stale; run this test with UPDATE_EXPECT=1",
        path.display()
    );
}

#[test]
fn the_committed_json_schemas_are_fresh() {
    fresh("schema/json/stable.json", &export::bundle_text(false));
    fresh("schema/json/experimental.json", &export::bundle_text(true));
}

#[test]
fn the_committed_typescript_is_fresh() {
    fresh("schema/ts/stable.ts", &export::typescript(false));
    fresh("schema/ts/experimental.ts", &export::typescript(true));
}
