//! What clients are told of a patch while the model writes it.

use loomd_testkit::TestServer;
use serde_json::{Value, json};

const PATCH: &str = "*** Begin Patch\n*** Add File: n.txt\n+one\n+two\n*** Update File: a.txt\n\
                     @@\n-1\n+uno\n 2\n*** End Patch";

/// A turn whose model writes the patch in pieces.
fn prompt() -> String {
    let call = |input: &str| {
        json!({
            "type": "custom_tool_call", "id": "ctc_1", "call_id": "call_m1",
            "name": "apply_patch", "input": input,
        })
    };
    let mut events = vec![json!({
        "type": "response.output_item.added", "output_index": 0, "item": call(""),
    })];
    events.extend(PATCH.split_inclusive([' ', '\n']).map(|delta| {
        json!({
            "type": "response.custom_tool_call_input.delta",
            "output_index": 0, "item_id": "ctc_1", "delta": delta,
        })
    }));
    events.push(json!({
        "type": "response.output_item.done", "output_index": 0, "item": call(PATCH),
    }));
    events.push(json!({"type": "response.completed", "response": {"id": "resp_1"}}));
    format!("go\n@@ {}", json!([{"events": events}, {"say": "done"}]))
}

/// What is told of the patch, and the turn's diffs.
async fn told(config: &str) -> Vec<Value> {
    let server = TestServer::with_config(config);
    std::fs::write(server.work().join("a.txt"), "1\n2\n").expect("written");
    let mut client = server.client().await;
    let thread = client.start_thread(&server.work()).await;
    let notes = client.run_turn(&thread, &prompt()).await;
    let content = std::fs::read_to_string(server.work().join("a.txt")).expect("read");
    assert_eq!(content, "uno\n2\n");
    let is_told = |note: &Value| {
        let of_patch = note["params"]["item"]["type"] == "fileChange";
        let method = note["method"].as_str().unwrap_or_default();
        of_patch || matches!(method, "item/fileChange/patchUpdated" | "turn/diff/updated")
    };
    notes.into_iter().filter(is_told).collect()
}

#[tokio::test]
async fn a_patch_is_told_while_it_is_written_if_the_feature_is_on() {
    let notes = told("[features]\napply_patch_streaming_events = true").await;
    let methods: Vec<&str> = notes
        .iter()
        .filter_map(|note| note["method"].as_str())
        .collect();
    let updates = methods
        .iter()
        .take_while(|method| **method == "item/fileChange/patchUpdated");
    // The first change at once, the whole before the item; in between as time goes by.
    let updates = updates.count();
    assert!(updates >= 2, "{methods:?}");
    assert_eq!(
        methods[updates..],
        [
            "item/started",
            "item/completed",
            "turn/diff/updated",
            "turn/diff/updated",
            "turn/diff/updated",
        ]
    );
    let shown = |note: &Value| {
        assert_eq!(note["params"]["itemId"], "call_m1");
        note["params"]["changes"].clone()
    };
    assert_eq!(
        shown(&notes[0]),
        json!([{"path": "n.txt", "kind": {"type": "add"}, "diff": ""}])
    );
    assert_eq!(
        shown(&notes[updates - 1]),
        json!([
            {
                "path": "a.txt", "kind": {"type": "update", "move_path": null},
                "diff": "@@\n-1\n-2\n+uno\n+2\n",
            },
            {"path": "n.txt", "kind": {"type": "add"}, "diff": "one\ntwo\n"},
        ])
    );
    assert_eq!(notes[updates]["params"]["item"]["id"], "call_m1");
}

#[tokio::test]
async fn without_the_feature_it_is_told_with_its_item() {
    let notes = told("").await;
    let methods: Vec<&str> = notes
        .iter()
        .filter_map(|note| note["method"].as_str())
        .collect();
    assert_eq!(methods[..2], ["item/started", "item/completed"]);
}
