//! The exported schemas, built in, and how they are laid out as files: the
//! layout that `codex app-server generate-json-schema` and `generate-ts` use, so
//! that generators of clients find what they look for.
//!
//! Deliberately absent: writing the files. Files here are names and contents.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

const JSON_STABLE: &str = include_str!("../../../schema/json/stable.json");
const JSON_EXPERIMENTAL: &str = include_str!("../../../schema/json/experimental.json");
const TYPESCRIPT_STABLE: &str = include_str!("../../../schema/ts/stable.ts");
const TYPESCRIPT_EXPERIMENTAL: &str = include_str!("../../../schema/ts/experimental.ts");

const DRAFT: &str = "http://json-schema.org/draft-07/schema#";

/// A file to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaFile {
    /// Relative, with forward slashes.
    pub path: String,
    /// The whole text.
    pub contents: String,
}

/// The committed JSON Schema bundle; the doc of `export` says what is in it.
pub fn json_bundle(experimental: bool) -> &'static str {
    if experimental {
        JSON_EXPERIMENTAL
    } else {
        JSON_STABLE
    }
}

/// The committed TypeScript, all types in one text.
pub fn typescript_bundle(experimental: bool) -> &'static str {
    if experimental {
        TYPESCRIPT_EXPERIMENTAL
    } else {
        TYPESCRIPT_STABLE
    }
}

/// The JSON Schema files: one per message type, the unions of messages, and two
/// bundles of everything.
///
/// # Errors
///
/// When `bundle` is not a schema bundle.
pub fn json_schema_files(bundle: &str) -> serde_json::Result<Vec<SchemaFile>> {
    let bundle: Value = serde_json::from_str(bundle)?;
    let empty = Map::new();
    let section = |name: &str| bundle[name].as_object().unwrap_or(&empty);
    let mut definitions = section("definitions").clone();
    let mut files = Vec::new();

    for (place, call) in (section("methods")
        .iter()
        .map(|(name, call)| (method_place(name), call)))
    .chain(section("serverRequests").values().map(|call| ("", call)))
    {
        for name in [&call["params"], &call["response"]] {
            if let Some(name) = name.as_str() {
                files.push(type_file(place, name, &definitions));
            }
        }
    }
    for payload in section("notifications").values().filter_map(Value::as_str) {
        files.push(type_file("v2/", payload, &definitions));
    }
    for (name, union) in unions(&bundle) {
        definitions.insert(name.to_owned(), union);
        files.push(type_file("", name, &definitions));
    }
    files.push(type_file("", "RequestId", &definitions));
    files.extend(bundles(&definitions));
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files.dedup();
    Ok(files)
}

/// The TypeScript files: one per type, with its imports, and an index.
pub fn typescript_files(text: &str) -> Vec<SchemaFile> {
    let types: Vec<(&str, &str)> = text
        .lines()
        .filter_map(|line| {
            let name = line.strip_prefix("export type ")?.split(' ').next()?;
            Some((name, line))
        })
        .collect();
    let names: BTreeSet<&str> = types.iter().map(|(name, _)| *name).collect();
    let mut files: Vec<SchemaFile> = types
        .iter()
        .map(|(name, line)| typescript_file(name, line, &names))
        .collect();
    let index = types
        .iter()
        .map(|(name, _)| {
            format!(
                "export type {{ {name} }} from \"./{}{name}\";\n",
                typescript_place(name)
            )
        })
        .collect();
    files.push(SchemaFile {
        path: "index.ts".to_owned(),
        contents: index,
    });
    files
}

/// Calls `found` with the name of each definition that a schema refers to.
pub(crate) fn references(schema: &Value, found: &mut dyn FnMut(&str)) {
    match schema {
        Value::Object(object) => {
            if let Some(Value::String(reference)) = object.get("$ref") {
                found(type_of_reference(reference));
            }
            for value in object.values() {
                references(value, found);
            }
        }
        Value::Array(values) => {
            for value in values {
                references(value, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The name at the end of a reference.
pub(crate) fn type_of_reference(reference: &str) -> &str {
    reference.rsplit('/').next().unwrap_or(reference)
}

fn method_place(method: &str) -> &'static str {
    if method == "initialize" { "v1/" } else { "v2/" }
}

fn type_file(place: &str, name: &str, definitions: &Map<String, Value>) -> SchemaFile {
    let mut root = Map::new();
    root.insert("$schema".to_owned(), DRAFT.into());
    root.insert("title".to_owned(), name.into());
    let schema = definitions.get(name);
    root.extend(
        schema
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default(),
    );
    let needed = needed(name, definitions);
    if !needed.is_empty() {
        root.insert("definitions".to_owned(), Value::Object(needed));
    }
    SchemaFile {
        path: format!("{place}{name}.json"),
        contents: pretty(&Value::Object(root)),
    }
}

/// The definitions that a type needs, without itself.
fn needed(name: &str, definitions: &Map<String, Value>) -> Map<String, Value> {
    let mut found = BTreeSet::new();
    let mut open = vec![name.to_owned()];
    while let Some(name) = open.pop() {
        if let Some(schema) = definitions.get(&name) {
            references(schema, &mut |name| {
                if found.insert(name.to_owned()) {
                    open.push(name.to_owned());
                }
            });
        }
    }
    definitions
        .iter()
        .filter(|(name, _)| found.contains(*name))
        .map(|(name, schema)| (name.clone(), schema.clone()))
        .collect()
}

fn unions(bundle: &Value) -> [(&'static str, Value); 4] {
    let rows = |section: &str| bundle[section].as_object().cloned().unwrap_or_default();
    let requests = |section: &str| {
        let rows = rows(section);
        json!({ "oneOf": rows.iter().map(|(name, call)| request(name, &call["params"])).collect::<Vec<_>>() })
    };
    let notifications: Vec<Value> = rows("notifications")
        .iter()
        .map(|(name, payload)| {
            message(
                name,
                json!({ "params": reference(payload) }),
                &["method", "params"],
            )
        })
        .collect();
    let initialized = message("initialized", json!({}), &["method"]);
    [
        ("ClientNotification", json!({ "oneOf": [initialized] })),
        ("ClientRequest", requests("methods")),
        ("ServerNotification", json!({ "oneOf": notifications })),
        ("ServerRequest", requests("serverRequests")),
    ]
}

fn request(name: &str, params: &Value) -> Value {
    let id = reference(&"RequestId".into());
    if params.is_null() {
        let members = json!({ "id": id, "params": { "type": "null" } });
        message(name, members, &["id", "method"])
    } else {
        let members = json!({ "id": id, "params": reference(params) });
        message(name, members, &["id", "method", "params"])
    }
}

fn message(name: &str, mut members: Value, required: &[&str]) -> Value {
    members["method"] = json!({ "type": "string", "enum": [name] });
    json!({ "type": "object", "properties": members, "required": required })
}

fn reference(name: &Value) -> Value {
    json!({ "$ref": format!("#/definitions/{}", name.as_str().unwrap_or_default()) })
}

/// Everything in one file: flat, and with the types under `v2`.
fn bundles(definitions: &Map<String, Value>) -> [SchemaFile; 2] {
    const UNIONS: [&str; 4] = [
        "ClientNotification",
        "ClientRequest",
        "ServerNotification",
        "ServerRequest",
    ];
    let flat = json!({
        "$schema": DRAFT,
        "title": "CodexAppServerProtocolV2",
        "type": "object",
        "definitions": definitions,
    });
    let mut moved = Value::Object(definitions.clone());
    move_references(&mut moved);
    let mut nested = Map::new();
    for union in UNIONS {
        if let Some(schema) = moved.as_object_mut().and_then(|types| types.remove(union)) {
            nested.insert(union.to_owned(), schema);
        }
    }
    nested.insert("v2".to_owned(), moved);
    let nested = json!({
        "$schema": DRAFT,
        "title": "CodexAppServerProtocol",
        "type": "object",
        "definitions": nested,
    });
    [
        ("codex_app_server_protocol.schemas.json", nested),
        ("codex_app_server_protocol.v2.schemas.json", flat),
    ]
    .map(|(path, bundle)| SchemaFile {
        path: path.to_owned(),
        contents: pretty(&bundle),
    })
}

fn move_references(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if let Some(Value::String(reference)) = object.get_mut("$ref") {
                *reference = format!("#/definitions/v2/{}", type_of_reference(reference));
            }
            object.values_mut().for_each(move_references);
        }
        Value::Array(values) => values.iter_mut().for_each(move_references),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

fn typescript_place(name: &str) -> &'static str {
    match name {
        "ClientNotification" | "ClientRequest" | "InitializeParams" | "InitializeResponse"
        | "RequestId" | "ServerNotification" | "ServerRequest" => "",
        _ => "v2/",
    }
}

fn typescript_file(name: &str, line: &str, names: &BTreeSet<&str>) -> SchemaFile {
    let place = typescript_place(name);
    let body = line.split_once(" = ").map_or("", |(_, body)| body);
    let used: BTreeSet<&str> = identifiers(body)
        .filter(|word| *word != name && names.contains(word))
        .collect();
    let mut contents = String::new();
    for used in used {
        let from = match (place, typescript_place(used)) {
            ("", there) => format!("./{there}{used}"),
            (_, "") => format!("../{used}"),
            (_, _) => format!("./{used}"),
        };
        contents.push_str(&format!("import type {{ {used} }} from \"{from}\";\n"));
    }
    contents.push_str(&format!("\n{line}\n"));
    SchemaFile {
        path: format!("{place}{name}.ts"),
        contents,
    }
}

/// The words of a type that are not inside quotes.
fn identifiers(text: &str) -> impl Iterator<Item = &str> {
    text.split('"')
        .step_by(2)
        .flat_map(|part| part.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'))
}
