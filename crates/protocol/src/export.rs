//! The vocabulary as JSON Schema and as TypeScript, made from the types
//! themselves. Only in builds with the feature `schema`; the results are
//! committed under `schema/` and built in from there (see `schema_files`).
//!
//! A *bundle* holds every definition once and says which types belong to which
//! message:
//!
//! ```text
//! {"methods": {NAME: {"params": TYPE or null, "response": TYPE}},
//!  "serverRequests": {NAME: {"params": TYPE, "response": TYPE}},
//!  "notifications": {NAME: TYPE},
//!  "definitions": {TYPE: SCHEMA}}
//! ```

use std::collections::{BTreeMap, BTreeSet};

use schemars::generate::{Contract, SchemaSettings};
use serde_json::{Map, Value, json};

use crate::methods::{METHODS, MethodSchemas, SchemaOf, Stability};
use crate::notifications::NOTIFICATIONS;
use crate::server_requests::SERVER_REQUESTS;

/// Members that the reference's stable schema leaves out although it sends
/// them, or takes them, all the same. Members of params that the gate knows come
/// from the table of methods.
const EXPERIMENTAL_MEMBERS: &[(&str, &[&str])] = &[
    (
        "CommandExecutionRequestApprovalParams",
        &["additionalPermissions", "availableDecisions"],
    ),
    ("Config", &["apps"]),
    ("GetAccountResponse", &["workspaceRouting"]),
    (
        "Thread",
        &[
            "attachedToThreadId",
            "canAcceptDirectInput",
            "daybreakEnabled",
            "environments",
            "extra",
        ],
    ),
    ("ThreadForkResponse", EXPERIMENTAL_SETTINGS),
    ("ThreadItemEntry", &["outputDeferred"]),
    (
        "ThreadItemOutputDeferral",
        &["commandExecution", "mcpToolCall"],
    ),
    ("ThreadListResponse", &["readStates"]),
    ("ThreadReadResponse", &["readState"]),
    ("ThreadResumeResponse", EXPERIMENTAL_SETTINGS),
    ("ThreadResumeResponse", &["initialTurnsPage"]),
    ("ThreadSettings", &["environments", "multiAgentMode"]),
    ("ThreadStartResponse", EXPERIMENTAL_SETTINGS),
];

/// Variants that the reference's stable schema leaves out: type, tag, value.
const EXPERIMENTAL_VARIANTS: &[(&str, &str, &str)] = &[(
    "McpServerElicitationRequestParams",
    "mode",
    "openai/userVerification",
)];

const EXPERIMENTAL_SETTINGS: &[&str] = &[
    "activePermissionProfile",
    "multiAgentMode",
    "runtimeWorkspaceRoots",
];

/// The schema bundle. Without `experimental` it leaves out what needs the
/// experimental capability.
pub fn bundle(experimental: bool) -> Value {
    let calls = calls(experimental);
    let mut definitions = definitions(Contract::Deserialize);
    if !experimental {
        remove_experimental(&mut definitions);
    }
    keep(&mut definitions, calls.types());
    json!({
        "methods": calls.methods,
        "serverRequests": calls.server_requests,
        "notifications": calls.notifications,
        "definitions": definitions,
    })
}

/// A bundle as it is committed: one definition to a line.
pub fn bundle_text(experimental: bool) -> String {
    let bundle = bundle(experimental);
    let mut out = String::from("{\n");
    let sections = bundle.as_object().into_iter().flatten();
    for (index, (section, rows)) in sections.enumerate() {
        let comma = if index == 0 { "" } else { ",\n" };
        out.push_str(&format!("{comma}\"{section}\":{{\n"));
        let rows: Vec<String> = rows
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, row)| format!("{}:{row}", Value::from(name.as_str())))
            .collect();
        out.push_str(&rows.join(",\n"));
        out.push_str("\n}");
    }
    out.push_str("\n}\n");
    out
}

/// The TypeScript of every type, one `export type` after the other, sorted by
/// name, with the unions `ClientRequest`, `ServerRequest`, `ServerNotification`.
///
/// A member that the server always writes is not optional; one that a client may
/// leave out is.
pub fn typescript(experimental: bool) -> String {
    let calls = calls(experimental);
    let mut read = definitions(Contract::Deserialize);
    let mut written = definitions(Contract::Serialize);
    if !experimental {
        remove_experimental(&mut read);
        remove_experimental(&mut written);
    }
    let sent = reachable(&written, calls.sent_by_server());
    keep(&mut read, calls.types());
    let mut types: BTreeMap<String, String> = read
        .iter()
        .map(|(name, schema)| {
            let text = match written.get(name).filter(|_| sent.contains(name)) {
                Some(schema) => crate::typescript::type_text(schema, true),
                None => crate::typescript::type_text(schema, false),
            };
            (name.clone(), text)
        })
        .collect();
    for (name, text) in calls.unions() {
        types.insert(name.to_owned(), text);
    }
    let mut out = String::new();
    for (name, text) in types {
        out.push_str(&format!("export type {name} = {text};\n"));
    }
    out
}

/// Which types belong to which message.
struct Calls {
    methods: Map<String, Value>,
    server_requests: Map<String, Value>,
    notifications: Map<String, Value>,
}

fn calls(experimental: bool) -> Calls {
    let shown = |stability| experimental || stability != Stability::Experimental;
    let mut calls = Calls {
        methods: Map::new(),
        server_requests: Map::new(),
        notifications: Map::new(),
    };
    for method in METHODS.iter().filter(|method| shown(method.stability)) {
        if let Some(schemas) = method.schemas {
            calls.methods.insert(method.name.to_owned(), names(schemas));
        }
    }
    for request in SERVER_REQUESTS.iter().filter(|row| shown(row.stability)) {
        let name = request.name.to_owned();
        calls.server_requests.insert(name, names(request.schemas));
    }
    // The reference lists its experimental notifications among the stable ones.
    for notification in NOTIFICATIONS.iter() {
        if let Some((payload, _)) = notification.schema {
            let name = notification.name.to_owned();
            calls.notifications.insert(name, payload.into());
        }
    }
    calls
}

fn names(schemas: MethodSchemas) -> Value {
    json!({
        "params": schemas.params.map(|(name, _)| name),
        "response": schemas.response.0,
    })
}

impl Calls {
    fn types(&self) -> BTreeSet<String> {
        let mut types = self.sent_by_server();
        for call in self.methods.values() {
            types.extend(call["params"].as_str().map(str::to_owned));
        }
        for call in self.server_requests.values() {
            types.extend(call["response"].as_str().map(str::to_owned));
        }
        types
    }

    fn sent_by_server(&self) -> BTreeSet<String> {
        let responses = self.methods.values().map(|call| &call["response"]);
        let asked = self.server_requests.values().map(|call| &call["params"]);
        responses
            .chain(asked)
            .chain(self.notifications.values())
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .chain(["RequestId".to_owned()])
            .collect()
    }

    fn unions(&self) -> [(&'static str, String); 4] {
        let request = |(name, call): (&String, &Value)| {
            let params = call["params"].as_str().unwrap_or("undefined");
            format!("{{ \"method\": \"{name}\", id: RequestId, params: {params} }}")
        };
        let union = |rows: Vec<String>| rows.join(" | ");
        [
            (
                "ClientNotification",
                "{ \"method\": \"initialized\" }".to_owned(),
            ),
            (
                "ClientRequest",
                union(self.methods.iter().map(request).collect()),
            ),
            (
                "ServerRequest",
                union(self.server_requests.iter().map(request).collect()),
            ),
            (
                "ServerNotification",
                union(
                    self.notifications
                        .iter()
                        .map(|(name, payload)| {
                            let payload = payload.as_str().unwrap_or_default();
                            format!("{{ \"method\": \"{name}\", params: {payload} }}")
                        })
                        .collect(),
                ),
            ),
        ]
    }
}

fn definitions(contract: Contract) -> Map<String, Value> {
    let mut settings = SchemaSettings::draft07();
    settings.contract = contract;
    let mut generator = settings.into_generator();
    let mut add = |schema: SchemaOf| {
        schema(&mut generator);
    };
    let methods = METHODS.iter().filter_map(|method| method.schemas);
    for schemas in methods.chain(SERVER_REQUESTS.iter().map(|request| request.schemas)) {
        if let Some((_, params)) = schemas.params {
            add(params);
        }
        add(schemas.response.1);
    }
    for notification in NOTIFICATIONS.iter() {
        if let Some((_, payload)) = notification.schema {
            add(payload);
        }
    }
    add(|schemas| schemas.subschema_for::<crate::RequestId>());
    let mut definitions = generator.take_definitions(true);
    inline_variants(&mut definitions);
    definitions
}

/// Puts the members of a variant's own type into the variant, where a generator
/// of clients sees them beside the tag, as it does in the reference's schema.
fn inline_variants(definitions: &mut Map<String, Value>) {
    let known = definitions.clone();
    for schema in definitions.values_mut() {
        for key in ["oneOf", "anyOf"] {
            let variants = schema.get_mut(key).and_then(Value::as_array_mut);
            for variant in variants.into_iter().flatten() {
                inline_variant(variant, &known);
            }
        }
    }
}

fn inline_variant(variant: &mut Value, known: &Map<String, Value>) {
    let Some(object) = variant
        .as_object_mut()
        .filter(|object| object.contains_key("properties"))
    else {
        return;
    };
    let Some(Value::Array(parts)) = object.shift_remove("allOf") else {
        return;
    };
    for part in parts {
        let reference = part.get("$ref").and_then(Value::as_str).unwrap_or_default();
        let Some(members) = known.get(crate::schema_files::type_of_reference(reference)) else {
            continue;
        };
        if let (Some(Value::Object(mine)), Some(theirs)) = (
            object.get_mut("properties"),
            members["properties"].as_object(),
        ) {
            mine.extend(theirs.clone());
        }
        if let (Some(Value::Array(mine)), Some(theirs)) =
            (object.get_mut("required"), members["required"].as_array())
        {
            mine.extend(theirs.iter().cloned());
        }
    }
}

fn remove_experimental(definitions: &mut Map<String, Value>) {
    for method in METHODS.iter() {
        let params = method.schemas.and_then(|schemas| schemas.params);
        if let Some((name, _)) = params {
            remove_members(definitions, name, method.experimental_fields);
        }
    }
    for (name, members) in EXPERIMENTAL_MEMBERS {
        remove_members(definitions, name, members);
    }
    for (name, tag, value) in EXPERIMENTAL_VARIANTS {
        let variants = definitions
            .get_mut(*name)
            .and_then(|schema| schema.get_mut("oneOf"))
            .and_then(Value::as_array_mut);
        if let Some(variants) = variants {
            variants.retain(|variant| variant["properties"][*tag]["const"] != *value);
        }
    }
}

fn remove_members(definitions: &mut Map<String, Value>, name: &str, members: &[&str]) {
    let properties = definitions
        .get_mut(name)
        .and_then(|schema| schema.get_mut("properties"))
        .and_then(Value::as_object_mut);
    if let Some(properties) = properties {
        properties.retain(|member, _| !members.contains(&member.as_str()));
    }
}

fn keep(definitions: &mut Map<String, Value>, roots: BTreeSet<String>) {
    let kept = reachable(definitions, roots);
    definitions.retain(|name, _| kept.contains(name));
    definitions.sort_keys();
}

/// The types that `roots` need, themselves included.
fn reachable(definitions: &Map<String, Value>, roots: BTreeSet<String>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open: Vec<String> = roots.into_iter().collect();
    while let Some(name) = open.pop() {
        if let Some(schema) = definitions.get(&name)
            && found.insert(name)
        {
            crate::schema_files::references(schema, &mut |name| open.push(name.to_owned()));
        }
    }
    found
}
