//! The tables against the reference's schema.

use std::collections::BTreeSet;

use loomd_protocol::{
    METHODS, Method, NOTIFICATIONS, SERVER_REQUESTS, Stability, State, ThreadRead, lookup,
    notification_is_experimental,
};
use serde_json::Value;

use crate::reference;

/// Gated, but not by a top-level member of its own; seen on 0.169.0.
const GATED_INSIDE: &[(&str, &[&str])] = &[
    (
        "account/login/start",
        &[
            "type=chatgptAuthTokens",
            "type=amazonBedrock",
            "type=amazonBedrockAccessKeys",
        ],
    ),
    (
        "thread/items/list",
        &["deferOutput.commandExecution", "deferOutput.mcpToolCall"],
    ),
];

fn names(reference: &Value, section: &str) -> BTreeSet<String> {
    reference[section]
        .as_object()
        .expect("a section is an object")
        .keys()
        .cloned()
        .collect()
}

#[test]
fn lists_every_method_of_the_reference_with_its_stability() {
    let stable = names(&reference("0.169.0", "stable"), "methods");
    let all = names(&reference("0.169.0", "experimental"), "methods");
    let listed: BTreeSet<String> = METHODS
        .iter()
        .filter(|method| {
            matches!(
                method.stability,
                Stability::Stable | Stability::Experimental
            )
        })
        .map(|method| method.name.to_owned())
        .collect();
    assert_eq!(listed, all);
    for method in METHODS.iter() {
        match method.stability {
            Stability::Stable => assert!(stable.contains(method.name), "{}", method.name),
            Stability::Experimental => assert!(!stable.contains(method.name), "{}", method.name),
            Stability::WireOnly | Stability::Extension | Stability::Removed0131 => {}
        }
    }
}

#[test]
fn lists_what_0_131_had_and_0_169_has_not() {
    let old = names(&reference("0.131.0", "experimental"), "methods");
    let new = names(&reference("0.169.0", "experimental"), "methods");
    for name in old.difference(&new) {
        let method = lookup(name).unwrap_or_else(|| panic!("{name} has no row"));
        assert!(
            matches!(
                method.stability,
                Stability::WireOnly | Stability::Extension | Stability::Removed0131
            ),
            "{name}"
        );
    }
    for method in METHODS.iter() {
        if method.stability == Stability::Removed0131 {
            assert!(old.contains(method.name), "{}", method.name);
        }
    }
}

#[test]
fn gates_the_members_that_only_the_experimental_schema_has() {
    let stable = reference("0.169.0", "stable");
    let all = reference("0.169.0", "experimental");
    for method in METHODS
        .iter()
        .filter(|method| method.stability == Stability::Stable)
    {
        let params = &all["methods"][method.name]["params"];
        let members = |reference: &Value| -> BTreeSet<String> {
            params
                .as_str()
                .and_then(|name| reference["definitions"][name]["properties"].as_object())
                .map(|members| members.keys().cloned().collect())
                .unwrap_or_default()
        };
        let mut expected: BTreeSet<String> = members(&all)
            .difference(&members(&stable))
            .cloned()
            .collect();
        for (name, inside) in GATED_INSIDE {
            if *name == method.name {
                expected.extend(inside.iter().map(|member| (*member).to_owned()));
            }
        }
        let gated: BTreeSet<String> = method
            .experimental_fields
            .iter()
            .map(|member| (*member).to_owned())
            .collect();
        assert_eq!(gated, expected, "{}", method.name);
    }
}

#[test]
fn knows_which_methods_name_a_thread_and_which_need_params() {
    let all = reference("0.169.0", "experimental");
    // Their params may be null as well as an object.
    let optional = [
        "account/gatewayOAuth/login",
        "account/gatewayOAuth/read",
        "account/rateLimits/read",
        "account/usage/read",
        "remoteControl/disable",
        "remoteControl/enable",
    ];
    for method in METHODS.iter().filter(|method| {
        matches!(
            method.stability,
            Stability::Stable | Stability::Experimental
        )
    }) {
        let params = all["methods"][method.name]["params"].as_str();
        let required = params.is_some() && !optional.contains(&method.name);
        assert_eq!(method.params_required, required, "{}", method.name);
        let names_thread = params.is_some_and(|params| {
            let required = &all["definitions"][params]["required"];
            required
                .as_array()
                .is_some_and(|members| members.contains(&"threadId".into()))
        });
        assert_eq!(method.thread_param, names_thread, "{}", method.name);
    }
}

#[test]
fn finds_each_method_by_its_name() {
    for method in METHODS.iter() {
        let found = lookup(method.name).expect("listed methods are found");
        assert_eq!(found.name, method.name);
    }
    assert!(lookup("thread").is_none());
    assert!(lookup("").is_none());
    assert_eq!(ThreadRead::SPEC.name, "thread/read");
    assert_eq!(ThreadRead::SPEC.state, State::Implemented);
}

#[test]
fn no_name_stands_twice() {
    let unique: BTreeSet<_> = METHODS.iter().map(|method| method.name).collect();
    assert_eq!(unique.len(), METHODS.len());
    let unique: BTreeSet<_> = NOTIFICATIONS.iter().map(|row| row.name).collect();
    assert_eq!(unique.len(), NOTIFICATIONS.len());
}

#[test]
fn lists_every_notification_and_the_two_of_raw_events() {
    let mut expected = names(&reference("0.169.0", "experimental"), "notifications");
    expected.insert("rawResponse/completed".to_owned());
    expected.insert("rawResponseItem/completed".to_owned());
    let listed: BTreeSet<String> = NOTIFICATIONS
        .iter()
        .map(|row| row.name.to_owned())
        .collect();
    assert_eq!(listed, expected);
}

#[test]
fn holds_experimental_notifications_back() {
    assert!(notification_is_experimental("thread/settings/updated"));
    assert!(notification_is_experimental("thread/realtime/closed"));
    assert!(!notification_is_experimental("turn/started"));
    assert!(!notification_is_experimental("no/such/thing"));
}

#[test]
fn lists_every_request_of_the_server() {
    let stable = names(&reference("0.169.0", "stable"), "serverRequests");
    let all = names(&reference("0.169.0", "experimental"), "serverRequests");
    let listed: BTreeSet<String> = SERVER_REQUESTS
        .iter()
        .map(|request| request.name.to_owned())
        .collect();
    assert_eq!(listed, all);
    for request in SERVER_REQUESTS {
        let is_stable = request.stability == Stability::Stable;
        assert_eq!(stable.contains(request.name), is_stable, "{}", request.name);
    }
}
