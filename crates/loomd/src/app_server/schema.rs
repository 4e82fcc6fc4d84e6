//! `loomd app-server generate-json-schema` and `generate-ts`.
//!
//! The bundles are made from the types of the protocol when loomd is developed, and
//! travel inside the program. JSON Schema is written as the reference lays it out: the
//! bundle, and a file for each message with the definitions it needs, so that a client
//! that looks for `v2/TurnStartParams.json` finds it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, ensure};
use clap::Args;
use serde_json::{Map, Value, json};

const JSON_STABLE: &str = include_str!("../../../../schema/json/stable.json");
const JSON_EXPERIMENTAL: &str = include_str!("../../../../schema/json/experimental.json");
const TS_STABLE: &str = include_str!("../../../../schema/ts/stable.ts");
const TS_EXPERIMENTAL: &str = include_str!("../../../../schema/ts/experimental.ts");

/// Names of the files that hold everything.
const BUNDLE_JSON: &str = "codex_app_server_protocol.schemas.json";
const BUNDLE_TS: &str = "index.ts";

/// Messages of the protocol's first version, which live on in the handshake.
const FIRST_VERSION: [&str; 2] = ["InitializeParams", "InitializeResponse"];

/// Messages and unions that belong to no version: their files lie at the top.
const TOP: [&str; 29] = [
    "ApplyPatchApprovalParams",
    "ApplyPatchApprovalResponse",
    "AttestationGenerateParams",
    "AttestationGenerateResponse",
    "ChatgptAuthTokensRefreshParams",
    "ChatgptAuthTokensRefreshResponse",
    "ClientNotification",
    "ClientRequest",
    "CommandExecutionRequestApprovalParams",
    "CommandExecutionRequestApprovalResponse",
    "DynamicToolCallParams",
    "DynamicToolCallResponse",
    "ExecCommandApprovalParams",
    "ExecCommandApprovalResponse",
    "FileChangeRequestApprovalParams",
    "FileChangeRequestApprovalResponse",
    "FuzzyFileSearchParams",
    "FuzzyFileSearchResponse",
    "FuzzyFileSearchSessionCompletedNotification",
    "FuzzyFileSearchSessionUpdatedNotification",
    "McpServerElicitationRequestParams",
    "McpServerElicitationRequestResponse",
    "PermissionsRequestApprovalParams",
    "PermissionsRequestApprovalResponse",
    "RequestId",
    "ServerNotification",
    "ServerRequest",
    "ToolRequestUserInputParams",
    "ToolRequestUserInputResponse",
];

/// Flags of both commands.
#[derive(Debug, Args)]
pub(super) struct SchemaArgs {
    /// The folder to write to; it is made if it is missing
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,

    /// With the methods and members that need the experimental capability
    #[arg(long)]
    experimental: bool,
}

/// Flags of `generate-ts`.
#[derive(Debug, Args)]
pub(super) struct TypeScriptArgs {
    #[command(flatten)]
    schema: SchemaArgs,

    /// Accepted for compatibility; the files are formatted already
    #[arg(short, long, hide = true, value_name = "PRETTIER_BIN")]
    prettier: Option<PathBuf>,
}

pub(super) fn json(args: &SchemaArgs) -> anyhow::Result<ExitCode> {
    let bundle = if args.experimental {
        JSON_EXPERIMENTAL
    } else {
        JSON_STABLE
    };
    let bundle: Value = serde_json::from_str(bundle).context("the bundled schema is broken")?;
    let files = files(&bundle);
    ensure!(!files.is_empty(), "this build carries no schema");
    write(&args.out, Path::new(BUNDLE_JSON), &pretty(&bundle)?)?;
    for (name, schema) in files {
        write(&args.out, &name, &pretty(&schema)?)?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn typescript(args: &TypeScriptArgs) -> anyhow::Result<ExitCode> {
    let bundle = if args.schema.experimental {
        TS_EXPERIMENTAL
    } else {
        TS_STABLE
    };
    ensure!(
        !bundle.trim().is_empty(),
        "this build carries no TypeScript types"
    );
    write(&args.schema.out, Path::new(BUNDLE_TS), bundle)?;
    Ok(ExitCode::SUCCESS)
}

/// A file for each message of a bundle, by its path.
fn files(bundle: &Value) -> Vec<(PathBuf, Value)> {
    let Some(Value::Object(definitions)) = bundle.get("definitions") else {
        return Vec::new();
    };
    definitions
        .keys()
        .filter_map(|name| Some((path(name)?, standalone(definitions, name))))
        .collect()
}

/// Where the file of a definition goes; none for those that are parts of messages.
fn path(name: &str) -> Option<PathBuf> {
    let file = format!("{name}.json");
    if TOP.contains(&name) {
        return Some(file.into());
    }
    if FIRST_VERSION.contains(&name) {
        return Some(Path::new("v1").join(file));
    }
    ["Params", "Response", "Notification"]
        .iter()
        .any(|end| name.ends_with(end))
        .then(|| Path::new("v2").join(file))
}

/// One definition as a schema of its own, with the definitions it needs.
fn standalone(definitions: &Map<String, Value>, name: &str) -> Value {
    let mut needed = BTreeSet::new();
    let mut left = vec![name];
    while let Some(current) = left.pop() {
        let Some(schema) = definitions.get(current) else {
            continue;
        };
        let mut references = Vec::new();
        collect_references(schema, &mut references);
        for reference in references {
            if needed.insert(reference) {
                left.push(reference);
            }
        }
    }
    let mut file = Map::new();
    file.insert(
        "$schema".to_owned(),
        json!("http://json-schema.org/draft-07/schema#"),
    );
    file.insert("title".to_owned(), json!(name));
    if let Some(Value::Object(schema)) = definitions.get(name) {
        file.extend(schema.clone());
    }
    let needed: Map<String, Value> = needed
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), definitions.get(name)?.clone())))
        .collect();
    if !needed.is_empty() {
        file.insert("definitions".to_owned(), Value::Object(needed));
    }
    Value::Object(file)
}

fn collect_references<'a>(schema: &'a Value, found: &mut Vec<&'a str>) {
    match schema {
        Value::Object(members) => {
            let target = members.get("$ref").and_then(Value::as_str);
            found.extend(target.and_then(|target| target.strip_prefix("#/definitions/")));
            for member in members.values() {
                collect_references(member, found);
            }
        }
        Value::Array(values) => {
            for value in values {
                collect_references(value, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn pretty(value: &Value) -> anyhow::Result<String> {
    let mut text = serde_json::to_string_pretty(value).context("a schema cannot be encoded")?;
    text.push('\n');
    Ok(text)
}

fn write(out: &Path, name: &Path, content: &str) -> anyhow::Result<()> {
    let path = out.join(name);
    let folder = path.parent().unwrap_or(out);
    fs::create_dir_all(folder).with_context(|| format!("failed to create {}", folder.display()))?;
    fs::write(&path, content).with_context(|| format!("failed to write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle() -> Value {
        json!({"definitions": {
            "ClientRequest": {"oneOf": [{"$ref": "#/definitions/RequestId"}]},
            "RequestId": {"type": "string"},
            "InitializeParams": {"type": "object"},
            "Turn": {"properties": {"status": {"$ref": "#/definitions/TurnStatus"}}},
            "TurnStartParams": {"properties": {"turn": {"$ref": "#/definitions/Turn"}}},
            "TurnStatus": {"type": "string"},
        }})
    }

    #[test]
    fn lays_messages_out_as_the_reference_does() {
        let paths: Vec<String> = files(&bundle())
            .into_iter()
            .map(|(path, _)| path.display().to_string())
            .collect();
        let expected = [
            "ClientRequest.json",
            "RequestId.json",
            "v1/InitializeParams.json",
            "v2/TurnStartParams.json",
        ];
        assert_eq!(paths, expected);
    }

    #[test]
    fn a_message_comes_with_every_definition_it_needs_and_no_other() {
        let bundle = bundle();
        let definitions = bundle["definitions"].as_object().unwrap();
        let schema = standalone(definitions, "TurnStartParams");
        assert_eq!(schema["title"], "TurnStartParams");
        let names: Vec<&String> = schema["definitions"].as_object().unwrap().keys().collect();
        assert_eq!(names, ["Turn", "TurnStatus"]);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let error = write(Path::new("/dev/null/x"), Path::new("a.json"), "{}").unwrap_err();
        assert_eq!(error.to_string(), "failed to create /dev/null/x");
    }

    #[test]
    fn the_bundles_are_json() {
        for bundle in [JSON_STABLE, JSON_EXPERIMENTAL] {
            assert!(serde_json::from_str::<Value>(bundle).is_ok());
        }
    }
}
