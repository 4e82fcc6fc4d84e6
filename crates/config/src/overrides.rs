//! Overrides from the command line (`-c key=value`) and from requests.

use serde_json::Value as Json;
use toml::{Table, Value};

use crate::error::ConfigError;
use crate::value::{from_json_without_nulls, key_path, put};

/// A `-c` argument that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OverrideError {
    /// There is no `=`.
    #[error("override `{0}` has no `=`; write key=value")]
    NoEquals(String),
    /// There is no key before the `=`, or a part of the key is empty.
    #[error("override `{0}` has an empty key; write key=value")]
    EmptyKey(String),
}

/// Reads `a.b=value`: the value is TOML, and what is no TOML is taken as a string,
/// with one pair of quotes around it removed.
///
/// # Errors
/// The argument has no `=` or no key.
pub fn parse_override(argument: &str) -> Result<(String, Value), OverrideError> {
    let (key, value) = argument
        .split_once('=')
        .ok_or_else(|| OverrideError::NoEquals(argument.to_owned()))?;
    let key = key.trim();
    if key_path(key).is_err() {
        return Err(OverrideError::EmptyKey(argument.to_owned()));
    }
    Ok((key.to_owned(), parse_value(value.trim())))
}

fn parse_value(text: &str) -> Value {
    const NAME: &str = "value";
    let parsed = format!("{NAME} = {text}").parse::<Table>();
    match parsed {
        // A line break in the text could smuggle in further keys; then it is no value.
        Ok(mut table) if table.len() == 1 => table
            .remove(NAME)
            .unwrap_or_else(|| Value::String(text.to_owned())),
        Ok(_) | Err(_) => Value::String(unquoted(text).to_owned()),
    }
}

fn unquoted(text: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(inner) = text
            .strip_prefix(quote)
            .and_then(|rest| rest.strip_suffix(quote))
        {
            return inner;
        }
    }
    text
}

/// The uppermost layer: the command line, and over it what a request asks for.
///
/// Keys of a request may be dotted or nested; nulls count as not given, and a key
/// with an empty part is ignored, as the reference does.
pub(crate) fn session_table(
    command_line: &[(String, Value)],
    request: &serde_json::Map<String, Json>,
) -> Result<Table, ConfigError> {
    let mut table = Table::new();
    for (key, value) in command_line {
        if let Ok(path) = key_path(key) {
            put(&mut table, &path, value.clone());
        }
    }
    for (key, value) in request {
        let Ok(path) = key_path(key) else { continue };
        let value = from_json_without_nulls(value)
            .map_err(|why| ConfigError::Value(format!("{}\nin `{key}`\n", why.text())))?;
        if let Some(value) = value {
            put(&mut table, &path, value);
        }
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(argument: &str) -> Value {
        parse_override(argument).expect("a key and a value").1
    }

    #[test]
    fn values_are_toml_or_else_strings() {
        assert_eq!(value("a=3"), Value::Integer(3));
        assert_eq!(value("a=[\"x\"]").to_string(), "[\"x\"]");
        assert_eq!(value("a={b=1}").to_string(), "{ b = 1 }");
        assert_eq!(value("model=gpt-5.5"), Value::String("gpt-5.5".into()));
        assert_eq!(value("web_search=\"live\""), Value::String("live".into()));
        assert_eq!(value("a=x=y"), Value::String("x=y".into()));
        assert_eq!(value("a=1\nb=2"), Value::String("1\nb=2".into()));
        assert_eq!(value("a='it's'"), Value::String("it's".into()));
    }

    #[test]
    fn an_argument_without_key_or_equals_is_refused() {
        assert_eq!(
            parse_override("model"),
            Err(OverrideError::NoEquals("model".into()))
        );
        assert_eq!(
            parse_override(" =3"),
            Err(OverrideError::EmptyKey(" =3".into()))
        );
    }

    #[test]
    fn a_request_wins_over_the_command_line_and_may_be_dotted_or_nested() {
        let command_line = [
            parse_override("features.x=true").expect("fine"),
            parse_override("model=a").expect("fine"),
        ];
        let request = serde_json::json!({
            "features.y": false, "model": "b", "history": {"persistence": "none", "max_bytes": null},
            "": 1, "a..b": 2, "profile": null,
        });
        let request = request.as_object().expect("an object");
        let expected: Table =
            "model = \"b\"\nfeatures = {x = true, y = false}\nhistory = {persistence = \"none\"}"
                .parse()
                .expect("the test's TOML parses");
        assert_eq!(session_table(&command_line, request), Ok(expected));
    }
}
