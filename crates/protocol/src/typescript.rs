//! One JSON Schema as one TypeScript type.

use serde_json::{Map, Value};

/// The type that a schema describes. `written` says that the schema is one of
/// what the server writes, where a member is optional only if it may be absent;
/// else a member that is not required may also be null.
pub(crate) fn type_text(schema: &Value, written: bool) -> String {
    let Some(object) = schema.as_object() else {
        return "unknown".to_owned();
    };
    let mut parts = Vec::new();
    if let Some(reference) = object.get("$ref").and_then(Value::as_str) {
        parts.push(crate::schema_files::type_of_reference(reference).to_owned());
    }
    if object.contains_key("properties") {
        parts.push(members(object, written));
    }
    for key in ["oneOf", "anyOf"] {
        if let Some(options) = object.get(key).and_then(Value::as_array) {
            parts.push(union(
                options.iter().map(|option| type_text(option, written)),
            ));
        }
    }
    if let Some(all) = object.get("allOf").and_then(Value::as_array) {
        parts.extend(all.iter().map(|part| type_text(part, written)));
    }
    if parts.is_empty() {
        return plain(object, written);
    }
    if parts.len() == 1 {
        return parts.remove(0);
    }
    let wrapped: Vec<String> = parts
        .into_iter()
        .map(|part| {
            if part.contains(" | ") {
                format!("({part})")
            } else {
                part
            }
        })
        .collect();
    wrapped.join(" & ")
}

fn union(options: impl Iterator<Item = String>) -> String {
    let mut seen: Vec<String> = Vec::new();
    for option in options {
        if !seen.contains(&option) {
            seen.push(option);
        }
    }
    seen.join(" | ")
}

fn members(object: &Map<String, Value>, written: bool) -> String {
    let required: Vec<&str> = object
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let properties = object.get("properties").and_then(Value::as_object);
    let members: Vec<String> = properties
        .into_iter()
        .flatten()
        .map(|(name, schema)| {
            let text = type_text(schema, written);
            let quoted = if name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                name.clone()
            } else {
                format!("\"{name}\"")
            };
            if required.contains(&name.as_str()) {
                format!("{quoted}: {text}")
            } else if written || text.ends_with("| null") || text == "unknown" {
                format!("{quoted}?: {text}")
            } else {
                format!("{quoted}?: {text} | null")
            }
        })
        .collect();
    if members.is_empty() {
        "Record<string, never>".to_owned()
    } else {
        format!("{{ {} }}", members.join(", "))
    }
}

fn plain(object: &Map<String, Value>, written: bool) -> String {
    if let Some(value) = object.get("const") {
        return value.to_string();
    }
    if let Some(values) = object.get("enum").and_then(Value::as_array) {
        return union(values.iter().map(Value::to_string));
    }
    match object.get("type") {
        Some(Value::String(name)) => named(name, object, written),
        Some(Value::Array(names)) => union(
            names
                .iter()
                .filter_map(Value::as_str)
                .map(|name| named(name, object, written)),
        ),
        Some(_) | None => "unknown".to_owned(),
    }
}

fn named(name: &str, object: &Map<String, Value>, written: bool) -> String {
    match name {
        "string" => "string".to_owned(),
        "integer" | "number" => "number".to_owned(),
        "boolean" => "boolean".to_owned(),
        "null" => "null".to_owned(),
        "array" => {
            let items = object.get("items").unwrap_or(&Value::Bool(true));
            format!("Array<{}>", type_text(items, written))
        }
        "object" => match object.get("additionalProperties") {
            Some(Value::Bool(false)) => "Record<string, never>".to_owned(),
            Some(values) => format!("{{ [key in string]?: {} }}", type_text(values, written)),
            None => "Record<string, never>".to_owned(),
        },
        _ => "unknown".to_owned(),
    }
}
