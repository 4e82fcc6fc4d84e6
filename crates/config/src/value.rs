//! Helpers on TOML values: merging, key paths, the canonical hash, JSON.

use std::fmt::Write as _;

use serde_json::Value as Json;
use sha2::{Digest, Sha256};
use toml::{Table, Value};

/// Puts `upper` over `base`: tables are merged key by key, anything else replaces.
pub(crate) fn merge(base: &mut Table, upper: &Table) {
    for (key, value) in upper {
        match (base.get_mut(key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => merge(below, above),
            _ => {
                base.insert(key.clone(), value.clone());
            }
        }
    }
}

/// The value at `path`, or nothing when a part of it is no table.
pub(crate) fn at<'a>(table: &'a Table, path: &[String]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    let mut value = table.get(first)?;
    for part in rest {
        value = value.as_table()?.get(part)?;
    }
    Some(value)
}

/// Puts `value` at `path`, making tables on the way and replacing what is none.
pub(crate) fn put(table: &mut Table, path: &[String], value: Value) {
    let Some((last, parents)) = path.split_last() else {
        return;
    };
    let mut table = table;
    for part in parents {
        let next = table
            .entry(part.clone())
            .or_insert_with(|| Value::Table(Table::new()));
        if !next.is_table() {
            *next = Value::Table(Table::new());
        }
        let Value::Table(inner) = next else { return };
        table = inner;
    }
    match (table.get_mut(last), value) {
        (Some(Value::Table(below)), Value::Table(above)) => merge(below, &above),
        (_, value) => {
            table.insert(last.clone(), value);
        }
    }
}

/// What is wrong with a dotted key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyPathFault {
    /// There is nothing.
    Empty,
    /// A part between two dots is empty.
    EmptySegment,
}

/// Splits `a."b.c".d` at its dots; a part may stand in double or single quotes.
/// A quote that never ends is an ordinary character.
pub(crate) fn key_path(text: &str) -> Result<Vec<String>, KeyPathFault> {
    let text = text.trim();
    if text.is_empty() {
        return Err(KeyPathFault::Empty);
    }
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        let (part, after) = first_part(rest);
        if part.is_empty() {
            return Err(KeyPathFault::EmptySegment);
        }
        parts.push(part.to_owned());
        match after {
            Some(after) => rest = after,
            None => return Ok(parts),
        }
    }
}

fn first_part(text: &str) -> (&str, Option<&str>) {
    for quote in ['"', '\''] {
        let Some(quoted) = text.strip_prefix(quote) else {
            continue;
        };
        let Some((part, after)) = quoted.split_once(quote) else {
            continue;
        };
        if after.is_empty() {
            return (part, None);
        }
        if let Some(after) = after.strip_prefix('.') {
            return (part, Some(after));
        }
    }
    match text.split_once('.') {
        Some((part, after)) => (part, Some(after)),
        None => (text, None),
    }
}

/// The version of a layer: `sha256:` and the hex hash of its content as JSON with
/// sorted keys and no spaces. Seen in the reference, so that a client that keeps a
/// version can go from one program to the other.
pub(crate) fn version(table: &Table) -> String {
    let mut text = String::new();
    canonical_table(table, &mut text);
    let mut version = "sha256:".to_owned();
    for byte in Sha256::digest(text.as_bytes()) {
        let _ = write!(version, "{byte:02x}");
    }
    version
}

fn canonical_table(table: &Table, out: &mut String) {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.as_str());
    out.push('{');
    for (index, (key, value)) in entries.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        let _ = write!(out, "{}:", Json::from(key.as_str()));
        canonical(value, out);
    }
    out.push('}');
}

fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Table(table) => canonical_table(table, out),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                canonical(item, out);
            }
            out.push(']');
        }
        Value::String(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Datetime(_) => {
            let _ = write!(out, "{}", to_json(value));
        }
    }
}

/// The JSON form. A date becomes the one-key object the reference shows for it; a
/// float that JSON cannot hold becomes null.
pub(crate) fn to_json(value: &Value) -> Json {
    match value {
        Value::String(text) => Json::from(text.as_str()),
        Value::Integer(number) => Json::from(*number),
        Value::Float(number) => Json::from(*number),
        Value::Boolean(flag) => Json::from(*flag),
        Value::Datetime(date) => serde_json::json!({"$__toml_private_datetime": date.to_string()}),
        Value::Array(items) => Json::Array(items.iter().map(to_json).collect()),
        Value::Table(table) => Json::Object(table_to_json(table)),
    }
}

pub(crate) fn table_to_json(table: &Table) -> serde_json::Map<String, Json> {
    table
        .iter()
        .map(|(key, value)| (key.clone(), to_json(value)))
        .collect()
}

/// Why a JSON value has no TOML form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoToml {
    /// TOML knows no null.
    Null,
    /// TOML integers have 64 bits and a sign.
    TooLarge,
}

impl NoToml {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Null => "invalid type: null, expected any valid TOML value",
            Self::TooLarge => "u64 value was too large",
        }
    }
}

/// The TOML form of a JSON value without nulls.
pub(crate) fn from_json(value: &Json) -> Result<Value, NoToml> {
    Ok(match value {
        Json::Null => return Err(NoToml::Null),
        Json::Bool(flag) => Value::Boolean(*flag),
        Json::String(text) => Value::String(text.clone()),
        Json::Number(number) => match (number.as_i64(), number.is_u64(), number.as_f64()) {
            (Some(integer), _, _) => Value::Integer(integer),
            (None, false, Some(float)) => Value::Float(float),
            (None, true, _) | (None, false, None) => return Err(NoToml::TooLarge),
        },
        Json::Array(items) => Value::Array(items.iter().map(from_json).collect::<Result<_, _>>()?),
        Json::Object(entries) => Value::Table(
            entries
                .iter()
                .map(|(key, value)| Ok((key.clone(), from_json(value)?)))
                .collect::<Result<_, _>>()?,
        ),
    })
}

/// The TOML form of a JSON value with its nulls left out, for overrides of a
/// request: there a null means "not given".
pub(crate) fn from_json_without_nulls(value: &Json) -> Result<Option<Value>, NoToml> {
    Ok(match value {
        Json::Null => None,
        Json::Array(items) => Some(Value::Array(
            items
                .iter()
                .filter_map(|item| from_json_without_nulls(item).transpose())
                .collect::<Result<_, _>>()?,
        )),
        Json::Object(entries) => {
            let mut table = Table::new();
            for (key, value) in entries {
                if let Some(value) = from_json_without_nulls(value)? {
                    table.insert(key.clone(), value);
                }
            }
            Some(Value::Table(table))
        }
        Json::Bool(_) | Json::Number(_) | Json::String(_) => Some(from_json(value)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Table {
        text.parse().expect("the test's TOML parses")
    }

    #[test]
    fn merging_goes_into_tables_and_replaces_arrays() {
        let mut base = table("a = 1\n[t]\nx = [1, 2]\ny = 2");
        merge(&mut base, &table("[t]\nx = [3]\n[a]\nz = 1"));
        assert_eq!(base, table("[t]\nx = [3]\ny = 2\n[a]\nz = 1"));
    }

    #[test]
    fn key_paths_keep_dots_inside_quotes() {
        assert_eq!(
            key_path(r#"projects."/tmp/x.y".trust_level"#),
            Ok(vec![
                "projects".into(),
                "/tmp/x.y".into(),
                "trust_level".into()
            ])
        );
        assert_eq!(
            key_path("projects./tmp/x.trust_level"),
            Ok(vec![
                "projects".into(),
                "/tmp/x".into(),
                "trust_level".into()
            ])
        );
        assert_eq!(key_path("it's"), Ok(vec!["it's".into()]));
        assert_eq!(key_path(" "), Err(KeyPathFault::Empty));
        assert_eq!(key_path("a..b"), Err(KeyPathFault::EmptySegment));
        assert_eq!(key_path(".a"), Err(KeyPathFault::EmptySegment));
        assert_eq!(key_path("a."), Err(KeyPathFault::EmptySegment));
    }

    /// The hashes were answered by the reference (0.169.0) for these contents.
    #[test]
    fn versions_are_those_of_the_reference() {
        assert_eq!(
            version(&Table::new()),
            "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
        );
        assert_eq!(
            version(&table(
                "model_verbosity = \"low\"\ntools.web_search = false\nmodel_reasoning_summary = \"none\""
            )),
            "sha256:91a48f5b6e10f86ab110a2b6d240b5ca6d00a5946489e668dd015dda5b528cce"
        );
    }

    #[test]
    fn dates_show_as_the_reference_shows_them() {
        assert_eq!(
            Json::Object(table_to_json(&table("d = 2020-01-01T00:00:00Z\nf = 2.0"))).to_string(),
            r#"{"d":{"$__toml_private_datetime":"2020-01-01T00:00:00Z"},"f":2.0}"#
        );
    }

    #[test]
    fn nulls_of_a_request_are_left_out() {
        let value = serde_json::json!({"a": null, "b": [1, null], "c": {"d": null}});
        let value = from_json_without_nulls(&value)
            .expect("it has a TOML form")
            .expect("it is not null");
        assert_eq!(value.to_string(), "{ b = [1], c = {} }");
    }

    #[test]
    fn what_toml_cannot_hold_is_refused() {
        assert_eq!(from_json(&serde_json::json!([null])), Err(NoToml::Null));
        assert_eq!(
            from_json(&serde_json::json!(u64::MAX)),
            Err(NoToml::TooLarge)
        );
    }
}
