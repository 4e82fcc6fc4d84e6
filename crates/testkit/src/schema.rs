//! Checks messages of a server against the reference's JSON schema.
//!
//! The schema files are facts only (names, types, what is required), see
//! `schema/strip_reference.py`. A message that does not fit ends the test with the
//! message and what is wrong with it. Methods and notifications that no schema knows
//! (loomd's own, and a few that only the wire knows) are let through.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use jsonschema::Validator;
use serde_json::{Value, json};

static REFERENCE: LazyLock<Value> = LazyLock::new(|| {
    let text = include_str!("../../../schema/reference/0.169.0/experimental.json");
    serde_json::from_str(text).expect("the schema of the reference is JSON")
});

// Guards the cache of compiled schemas; a schema is compiled once per process.
static VALIDATORS: LazyLock<Mutex<BTreeMap<String, Arc<Validator>>>> =
    LazyLock::new(Mutex::default);

/// Checks a notification or a server request.
///
/// # Panics
/// When the params do not fit the reference's schema, or a notification lacks its time.
pub fn check_from_server(message: &Value) {
    let method = message["method"].as_str().expect("a method is a string");
    let definition = if message.get("id").is_some() {
        REFERENCE["serverRequests"][method]["params"].as_str()
    } else {
        assert!(
            message["emittedAtMs"].is_i64(),
            "a notification carries its time: {message}"
        );
        REFERENCE["notifications"][method].as_str()
    };
    check(method, definition, &message["params"]);
}

/// Checks the result of a request.
///
/// # Panics
/// When it does not fit the reference's schema.
pub fn check_result(method: &str, result: &Value) {
    let definition = match method {
        // Its answer stands in no table of the schema.
        "initialize" => Some("InitializeResponse"),
        // The schema names members in snake case, the reference writes them in camel case
        // (seen on 0.169.0).
        "thread/timeline/list" => None,
        _ => REFERENCE["methods"][method]["response"].as_str(),
    };
    check(method, definition, result);
}

fn check(what: &str, definition: Option<&str>, value: &Value) {
    let Some(definition) = definition else { return };
    let validator = validator(definition);
    let errors: Vec<String> = validator
        .iter_errors(value)
        .map(|error| format!("{} at {}", error, error.instance_path()))
        .collect();
    assert!(
        errors.is_empty(),
        "{what} does not fit the reference's {definition}: {errors:#?}\n{value:#}"
    );
}

fn validator(definition: &str) -> Arc<Validator> {
    let mut validators = VALIDATORS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(validator) = validators.get(definition) {
        return Arc::clone(validator);
    }
    let schema = json!({
        "$ref": format!("#/definitions/{definition}"),
        "definitions": REFERENCE["definitions"],
    });
    let validator =
        Arc::new(jsonschema::draft7::new(&schema).expect("the reference's schema is a schema"));
    validators.insert(definition.to_owned(), Arc::clone(&validator));
    validator
}
