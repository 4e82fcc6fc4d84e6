//! From raw params to typed ones, with the reference's error texts, and the
//! experimental gate.
//!
//! Both look at a request before anything else does, so they must be cheap for
//! good input. Bad input is parsed a second time to get its error text right.

use std::borrow::Cow;

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
    if spec.stability == Stability::Experimental {
        return None;
    }
    let present = Members::of(raw?.get(), |name| {
        name == APPROVAL_POLICY
            || spec
                .experimental_fields
                .iter()
                .any(|field| field.split(['.', '=']).next() == Some(name))
    })?;
    let granular = present
        .get(APPROVAL_POLICY)
        .and_then(|policy| Members::of(policy, |name| name == "granular"))
        .is_some_and(|members| members.get("granular").is_some());
    if granular {
        return Some("askForApproval.granular");
    }
    spec.experimental_fields
        .iter()
        .copied()
        .find_map(|field| used(&present, field))
}

const APPROVAL_POLICY: &str = "approvalPolicy";

fn used(present: &Members<'_>, field: &'static str) -> Option<&'static str> {
    if let Some((tag, variant)) = field.split_once('=') {
        return (present.get(tag)?.trim_matches('"') == variant).then_some(variant);
    }
    match field.split_once('.') {
        None => present.get(field).map(|_| field),
        Some((outer, inner)) => Members::of(present.get(outer)?, |name| name == inner)?
            .get(inner)
            .map(|_| field),
    }
}

/// Some members of an object, each as its raw text.
struct Members<'a>(Vec<(Cow<'a, str>, &'a str)>);

impl<'a> Members<'a> {
    /// Goes once over the text and keeps the members that are `wanted`. None for
    /// what is not an object.
    fn of(text: &'a str, wanted: impl Fn(&str) -> bool) -> Option<Self> {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let members = serde::Deserializer::deserialize_map(&mut deserializer, Collect(wanted));
        members.ok().map(Self)
    }

    /// A member that counts as present: neither null nor false.
    fn get(&self, name: &str) -> Option<&'a str> {
        let members = self.0.iter().rev();
        let (_, text) = members.into_iter().find(|(key, _)| key == name)?;
        Some(*text).filter(|text| !matches!(*text, "null" | "false"))
    }
}

struct Collect<F>(F);

impl<'de, F: Fn(&str) -> bool> Visitor<'de> for Collect<F> {
    type Value = Vec<(Cow<'de, str>, &'de str)>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(Key(key)) = map.next_key()? {
            if (self.0)(&key) {
                members.push((key, map.next_value::<&RawValue>()?.get()));
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(members)
    }
}

/// A member's name, borrowed where it has no escapes.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);
