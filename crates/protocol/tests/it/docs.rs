//! Generated documentation is fresh. `UPDATE_EXPECT=1` rewrites it.

use crate::root;

#[test]
fn the_committed_list_of_methods_is_fresh() {
    let path = root().join("docs/generated/methods.md");
    let generated = loomd_protocol::methods_markdown();
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::create_dir_all(path.parent().expect("the file is in a folder"))
            .and_then(|()| std::fs::write(&path, &generated))
            .expect("the list can be written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == generated,
        "docs/generated/methods.md is stale; run this test with UPDATE_EXPECT=1"
    );
}
