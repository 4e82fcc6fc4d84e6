//! From raw params to typed ones, with the reference's error texts, and the
//! experimental gate.
//!
//! Both look at a request before anything else does, so they must be cheap for
//! good input. Bad input is parsed a second time to get its error text right.

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::methods::{METHODS, Method, MethodSpec, Stability};

/// The start of every error text about a malformed request.
const INVALID_REQUEST: &str = "Invalid request: ";

/// Reads the params of a method.
///
/// # Errors
///
/// The text for the client, as the reference words it (seen on 0.169.0): for
/// example ``Invalid request: missing field `threadId` ``. It has neither a
/// position nor a path.
pub fn parse_params<M: Method>(raw: Option<&RawValue>) -> Result<M::Params, String> {
    match raw.filter(|raw| raw.get() != "null") {
        Some(raw) => parse(raw),
        None if M::SPEC.params_required => Err(format!("{INVALID_REQUEST}missing field `params`")),
        None => serde_json::from_str("{}").map_err(|error| format!("{INVALID_REQUEST}{error}")),
    }
}

fn parse<T: DeserializeOwned>(raw: &RawValue) -> Result<T, String> {
    serde_json::from_str(raw.get()).or_else(|_| {
        // The second way differs in two things: its errors have no position, and of
        // a repeated member the last one counts.
        serde_json::from_str::<Value>(raw.get())
            .and_then(serde_json::from_value)
            .map_err(|error| format!("{INVALID_REQUEST}{}", without_position(&error)))
    })
}

/// Numbers out of range are found while the text is read, at a position.
fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) if error.line() > 0 => text[..end].to_owned(),
        Some(_) | None => text,
    }
}

/// The error text for a method that does not exist.
pub fn unknown_method(name: &str) -> String {
    let mut text = format!("{INVALID_REQUEST}unknown variant `{name}`, expected one of ");
    let known = METHODS
        .iter()
        .filter(|method| method.stability != Stability::Removed0131);
    for (index, method) in known.enumerate() {
        if index > 0 {
            text.push_str(", ");
        }
        text.push('`');
        text.push_str(method.name);
        text.push('`');
    }
    text
}

/// What a request uses that needs the experimental capability: a member of the
/// params by its name (the error text is `METHOD.MEMBER requires …`), or
/// `askForApproval.granular`, which stands without the method.
///
/// As on the reference, null counts as absent, and so does false; an empty list
/// counts as present. Nothing is found in a method that is itself experimental.
pub fn experimental_field_used(spec: &MethodSpec, raw: Option<&RawValue>) -> Option<&'static str> {
    let raw = raw?.get();
    if spec.stability == Stability::Experimental || !raw.starts_with('{') {
        return None;
    }
    if granular(raw) {
        return Some("askForApproval.granular");
    }
    spec.experimental_fields
        .iter()
        .copied()
        .find_map(|field| used(raw, field))
}

fn granular(raw: &str) -> bool {
    raw.contains("\"granular\"")
        && member(raw, "approvalPolicy").is_some_and(|policy| member(policy, "granular").is_some())
}

fn used(raw: &str, field: &'static str) -> Option<&'static str> {
    if let Some(variant) = field.strip_prefix("type=") {
        let tag = member(raw, "type")?;
        return (tag.trim_matches('"') == variant).then_some(variant);
    }
    let mut value = raw;
    for name in field.split('.') {
        value = member(value, name)?;
    }
    Some(field)
}

/// The raw text of a member of an object; none where it is absent, null or false.
fn member<'a>(object: &'a str, name: &str) -> Option<&'a str> {
    struct Find<'n>(&'n str);

    impl<'de> Visitor<'de> for Find<'_> {
        type Value = Option<&'de RawValue>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a map")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut found = None;
            while let Some(key) = map.next_key::<Key<'de>>()? {
                if key.0 == self.0 {
                    found = Some(map.next_value()?);
                } else {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            Ok(found)
        }
    }

    let mut deserializer = serde_json::Deserializer::from_str(object);
    let found = serde::Deserializer::deserialize_map(&mut deserializer, Find(name)).ok()??;
    Some(found.get()).filter(|text| !matches!(*text, "null" | "false"))
}

/// A member's name, borrowed where it has no escapes.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] std::borrow::Cow<'a, str>);
