//! The layout of the exported schemas.

use std::collections::BTreeMap;

use loomd_protocol::{json_bundle, json_schema_files, typescript_bundle, typescript_files};
use serde_json::Value;

fn json_files(experimental: bool) -> BTreeMap<String, Value> {
    json_schema_files(json_bundle(experimental))
        .expect("the committed bundle is JSON")
        .into_iter()
        .map(|file| {
            let value = serde_json::from_str(&file.contents).expect("a schema is JSON");
            (file.path, value)
        })
        .collect()
}

#[test]
fn lays_types_out_where_generators_look_for_them() {
    let files = json_files(true);
    for path in [
        "ClientRequest.json",
        "ServerRequest.json",
        "ServerNotification.json",
        "ClientNotification.json",
        "CommandExecutionRequestApprovalParams.json",
        "codex_app_server_protocol.schemas.json",
        "codex_app_server_protocol.v2.schemas.json",
        "v1/InitializeParams.json",
        "v2/ThreadResumeParams.json",
        "v2/TurnStartedNotification.json",
    ] {
        assert!(files.contains_key(path), "{path} is missing");
    }
    // The official Python client looks for these members before it uses them.
    let turn = &files["v2/TurnStartParams.json"]["properties"];
    assert!(turn.get("toolOutput").is_some() && turn.get("turnTrigger").is_some());
    assert!(
        files["v2/ThreadForkParams.json"]["properties"]
            .get("excludeTurns")
            .is_some()
    );
}

#[test]
fn leaves_experimental_parts_out_of_the_stable_files() {
    let stable = json_files(false);
    let all = json_files(true);
    assert!(
        all["v2/ThreadStartParams.json"]["properties"]
            .get("dynamicTools")
            .is_some()
    );
    assert!(
        stable["v2/ThreadStartParams.json"]["properties"]
            .get("dynamicTools")
            .is_none()
    );
    assert!(all.contains_key("v2/ThreadSettingsUpdateParams.json"));
    assert!(!stable.contains_key("v2/ThreadSettingsUpdateParams.json"));
}

#[test]
fn each_file_stands_alone() {
    for (path, schema) in json_files(true) {
        let definitions = &schema["definitions"];
        check_references(&schema, &mut |reference| {
            let pointer = reference
                .strip_prefix("#/definitions")
                .expect("a local reference");
            assert!(
                definitions.pointer(pointer).is_some(),
                "{path}: {reference}"
            );
        });
    }
}

fn check_references(schema: &Value, check: &mut dyn FnMut(&str)) {
    match schema {
        Value::Object(object) => {
            if let Some(Value::String(reference)) = object.get("$ref") {
                check(reference);
            }
            object
                .values()
                .for_each(|value| check_references(value, check));
        }
        Value::Array(values) => values
            .iter()
            .for_each(|value| check_references(value, check)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn typescript_files_import_what_they_use() {
    let files: BTreeMap<String, String> = typescript_files(typescript_bundle(true))
        .into_iter()
        .map(|file| (file.path, file.contents))
        .collect();
    expect_test::expect![[r#"
        import type { Turn } from "./Turn";

        export type TurnStartedNotification = { threadId: string, turn: Turn };
    "#]]
    .assert_eq(&files["v2/TurnStartedNotification.ts"]);
    assert!(files["ClientRequest.ts"].contains("from \"./v2/ThreadStartParams\""));
    assert!(files["index.ts"].contains("export type { Thread } from \"./v2/Thread\";"));
    assert!(!typescript_bundle(false).contains("dynamicTools"));
}
