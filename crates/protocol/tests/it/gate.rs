//! What needs the experimental capability; every case was seen on 0.169.0.

use loomd_protocol::{experimental_field_used, lookup};
use serde_json::value::RawValue;

fn used(method: &str, params: &str) -> Option<&'static str> {
    let spec = lookup(method).expect("the test names a method");
    let raw = RawValue::from_string(params.to_owned()).expect("the test gives JSON");
    experimental_field_used(spec, Some(&raw))
}

#[test]
fn an_experimental_member_that_is_there_is_used() {
    assert_eq!(
        used("thread/start", r#"{"dynamicTools":[]}"#),
        Some("dynamicTools")
    );
    assert_eq!(
        used("thread/start", r#"{"experimentalRawEvents":true}"#),
        Some("experimentalRawEvents")
    );
    assert_eq!(
        used("turn/start", r#"{"permissions":"x"}"#),
        Some("permissions")
    );
    assert_eq!(
        used("turn/steer", r#"{"additionalContext":{}}"#),
        Some("additionalContext")
    );
    assert_eq!(
        used("thread/resume", r#"{"initialTurnsPage":{}}"#),
        Some("initialTurnsPage")
    );
    assert_eq!(used("thread/resume", r#"{"p\u0061th":"x"}"#), Some("path"));
}

#[test]
fn null_and_false_are_not_used() {
    assert_eq!(
        used("thread/start", r#"{"dynamicTools":null,"cwd":"/x"}"#),
        None
    );
    assert_eq!(
        used("thread/start", r#"{"experimentalRawEvents": false }"#),
        None
    );
    assert_eq!(
        used(
            "thread/list",
            r#"{"parentThreadId":null,"includeAttachedThreads":false}"#
        ),
        None
    );
    assert_eq!(used("thread/start", "{}"), None);
}

#[test]
fn the_member_declared_first_is_named() {
    let params =
        r#"{"environments":[],"dynamicTools":[],"permissions":"x","historyMode":"legacy"}"#;
    assert_eq!(used("thread/start", params), Some("permissions"));
}

#[test]
fn granular_approvals_stand_without_the_method() {
    let params = r#"{"permissions":"x","approvalPolicy":{"granular":{"rules":true}}}"#;
    assert_eq!(
        used("thread/start", params),
        Some("askForApproval.granular")
    );
    assert_eq!(
        used(
            "turn/start",
            r#"{"approvalPolicy":"never","cwd":"\"granular\""}"#
        ),
        None
    );
}

#[test]
fn looks_inside_where_the_reference_does() {
    assert_eq!(
        used(
            "thread/items/list",
            r#"{"deferOutput":{"commandExecution":true}}"#
        ),
        Some("deferOutput.commandExecution")
    );
    assert_eq!(
        used(
            "thread/items/list",
            r#"{"deferOutput":{"commandExecution":false}}"#
        ),
        None
    );
    assert_eq!(
        used(
            "account/login/start",
            r#"{"type":"amazonBedrock","apiKey":"x"}"#
        ),
        Some("amazonBedrock")
    );
    assert_eq!(
        used(
            "account/login/start",
            r#"{"type":"apiKey","apiKey":"amazonBedrock"}"#
        ),
        None
    );
}

#[test]
fn an_experimental_method_is_gated_as_a_whole() {
    assert_eq!(
        used("thread/settings/update", r#"{"permissions":"x"}"#),
        None
    );
    assert_eq!(used("thread/start", "[1]"), None);
}
