//! Tools that ask: what the question says, what the answer comes to, and calls that asked
//! before the server was started.

use std::path::PathBuf;
use std::sync::Arc;

use loomd_events::{AskOutcome, ToolAsk, ToolCall, ToolContext, ToolEvent, ToolPayload};
use loomd_protocol::{AskForApproval, ServerRequestParams, ThreadItem};
use serde_json::{Value, json};

use crate::support::{Tools, kind};

fn call(id: &str, name: &str, arguments: &Value) -> ToolCall {
    ToolCall {
        call_id: id.to_owned(),
        name: name.to_owned(),
        namespace: None,
        payload: ToolPayload::Function {
            arguments: arguments.to_string(),
        },
    }
}

fn context(tools: &Tools, policy: AskForApproval) -> Arc<ToolContext> {
    tools.context("turn", policy)
}

/// The next question.
async fn asked(tools: &mut Tools) -> ToolAsk {
    loop {
        if let (_, ToolEvent::Ask(ask)) = tools.next().await {
            return *ask;
        }
    }
}

fn answer(request: &ServerRequestParams, json: &Value) -> AskOutcome {
    let raw = serde_json::value::to_raw_value(json).expect("JSON");
    match request.parse_response(&raw) {
        Ok(response) => AskOutcome::Answered(response),
        Err(error) => AskOutcome::Failed {
            reason: error.to_string(),
        },
    }
}

/// Calls a tool that asks, answers, and gives what it asked and what the model reads.
async fn round(tools: &mut Tools, name: &str, arguments: &Value, json: &Value) -> (Value, String) {
    let called = call("c", name, arguments);
    let context = context(tools, AskForApproval::OnRequest);
    tools.toolbox.start(context, called);
    let ask = asked(tools).await;
    assert_eq!(ask.call_id, "c");
    assert_eq!(ask.item, None);
    let outcome = answer(&ask.request, json);
    tools.toolbox.settle(ask.key, outcome);
    let text = tools.text("c").await;
    let params = serde_json::to_value(&ask.request).expect("plain data");
    (params, text)
}

fn one_question() -> Value {
    json!({"questions": [{"id": "q", "header": "H", "question": "Which?", "isSecret": true,
        "options": [{"label": "a", "description": "A"}]}]})
}

#[tokio::test]
async fn answers_of_the_user_go_to_the_model_as_they_are_and_errors_are_none() {
    let mut tools = Tools::new();
    let name = "request_user_input";
    let given = json!({"answers": {"q": {"answers": ["a", "user_note: b"]}}});
    let (asked, text) = round(&mut tools, name, &one_question(), &given).await;
    assert_eq!(text, given.to_string());
    assert_eq!(
        asked["questions"],
        json!([{"id": "q", "header": "H", "question": "Which?", "isOther": true, "isSecret": true,
            "options": [{"label": "a", "description": "A"}]}])
    );
    assert_eq!(asked["isBlocking"], true);
    assert_eq!(asked["autoResolutionMs"], Value::Null);
    assert_eq!(asked["itemId"], "c");
    for none in [json!({"bad": 1}), json!([]), json!("yes")] {
        let (_, text) = round(&mut tools, name, &one_question(), &none).await;
        assert_eq!(text, r#"{"answers":{}}"#, "{none}");
    }
}

#[tokio::test]
async fn questions_without_choices_and_empty_wishes_are_not_asked() {
    let mut tools = Tools::new();
    let no_options = json!({"questions": [{"id": "q", "header": "H", "question": "?"}]});
    for (name, arguments, text) in [
        (
            "request_user_input",
            no_options,
            "request_user_input requires non-empty options for every question",
        ),
        (
            "request_user_input",
            json!({"questions": 5}),
            "failed to parse function arguments: invalid type: integer `5`, expected a sequence at \
             line 1 column 14",
        ),
        (
            "request_permissions",
            json!({"permissions": {}}),
            "request_permissions requires at least one permission",
        ),
        (
            "request_permissions",
            json!({"permissions": {"file_system": {"write": []}}}),
            "request_permissions requires at least one permission",
        ),
        (
            "request_permissions",
            json!({"reason": "x"}),
            "failed to parse function arguments: missing field `permissions` at line 1 column 14",
        ),
        (
            "request_permissions",
            json!({"environment_id": "far", "permissions": {"network": {"enabled": true}}}),
            "unknown environment `far`",
        ),
    ] {
        let id = tools.start(name, arguments);
        assert_eq!(tools.text(&id).await, text);
    }
    assert!(!tools.kinds().contains(&"ask"));
}

#[tokio::test]
async fn no_more_is_granted_than_was_asked_for_and_given() {
    let mut tools = Tools::new();
    let name = "request_permissions";
    let wanted = json!({"reason": "why", "permissions": {"network": {"enabled": true},
        "file_system": {"write": ["/opt/x", "sub/../rel"], "read": ["/etc"]}}});
    let given = json!({"permissions": {"network": {"enabled": true}, "fileSystem": {
        "write": ["/opt/x/deep", "/never", "/opt/x/../y"], "read": ["/etc/ssl", "/root"]}}});
    let (asked, text) = round(&mut tools, name, &wanted, &given).await;
    let rel = tools.path("rel").display().to_string();
    let entry = |path: &str, access: &str| json!({"path": {"type": "path", "path": path}, "access": access});
    assert_eq!(
        asked["permissions"],
        json!({"network": {"enabled": true}, "fileSystem": {
            "read": ["/etc"], "write": ["/opt/x", rel],
            "entries": [entry("/etc", "read"), entry("/opt/x", "write"), entry(&rel, "write")]}})
    );
    assert_eq!(asked["environmentId"], "local");
    assert_eq!(
        text,
        r#"{"permissions":{"network":{"enabled":true},"file_system":{"read":["/etc/ssl"],"write":["/opt/x/deep"]}},"scope":"turn"}"#
    );
    let grants = tools.toolbox.grants("turn");
    let roots: Vec<&PathBuf> = grants.writable_roots.iter().collect();
    assert_eq!(roots, [&PathBuf::from("/opt/x/deep")]);
    assert!(grants.network);
    assert!(tools.toolbox.grants("another turn").is_empty());
    tools.toolbox.end_turn("turn");
    assert!(tools.toolbox.grants("turn").is_empty());
}

#[tokio::test]
async fn a_grant_for_the_session_outlives_its_turn() {
    let mut tools = Tools::new();
    let wanted = json!({"permissions": {"network": {"enabled": true}}});
    let given = json!({"permissions": {"network": {"enabled": true}}, "scope": "session"});
    let (_, text) = round(&mut tools, "request_permissions", &wanted, &given).await;
    let told =
        r#"{"permissions":{"network":{"enabled":true},"file_system":null},"scope":"session"}"#;
    assert_eq!(text, told);
    tools.toolbox.end_turn("turn");
    assert!(tools.toolbox.grants("another turn").network);
}

#[tokio::test]
async fn an_answer_that_is_none_or_contradicts_itself_grants_nothing() {
    let mut tools = Tools::new();
    let wanted = json!({"permissions": {"network": {"enabled": true},
        "file_system": {"write": ["/opt/x"]}}});
    let nothing = r#"{"permissions":{"network":null,"file_system":null},"scope":"turn"}"#;
    let path = json!({"type": "path", "path": "/opt/x"});
    let inside = json!({"type": "path", "path": "/opt/x/secret"});
    for given in [
        json!({"permissions": {}}),
        json!({"x": 1}),
        json!({"permissions": {"network": {"enabled": true}}, "scope": "session",
            "strictAutoReview": true}),
        // What is taken away again could not be kept.
        json!({"permissions": {"fileSystem": {"entries": [
            {"path": path, "access": "write"}, {"path": inside, "access": "deny"}]}}}),
    ] {
        let (_, text) = round(&mut tools, "request_permissions", &wanted, &given).await;
        assert_eq!(text, nothing, "{given}");
        assert!(tools.toolbox.grants("turn").is_empty(), "{given}");
    }
}

#[tokio::test]
async fn nobody_is_asked_for_permissions_where_the_policy_says_never() {
    let mut tools = Tools::new();
    let wanted = json!({"permissions": {"network": {"enabled": true}}});
    let never = tools.start("request_permissions", wanted);
    let told = r#"{"permissions":{"network":null,"file_system":null},"scope":"turn"}"#;
    assert_eq!(tools.text(&never).await, told);
}

/// The item of a command that waits, as another toolbox made it.
async fn waiting_item(tools: &mut Tools, arguments: &Value) -> ThreadItem {
    let called = call("c", "exec_command", arguments);
    let context = context(tools, AskForApproval::Untrusted);
    tools.toolbox.start(context, called);
    let ask = asked(tools).await;
    tools.toolbox.cancel_turn("turn");
    tools.log.clear();
    ask.item.expect("a command has an item")
}

fn decided(decision: &str) -> AskOutcome {
    let request = json!({"threadId": "", "turnId": "", "itemId": "c", "startedAtMs": 0});
    let params = serde_json::value::to_raw_value(&request).expect("JSON");
    let request = ServerRequestParams::parse("item/commandExecution/requestApproval", &params);
    let request = request.expect("known").expect("its params");
    answer(&request, &json!({ "decision": decision }))
}

#[tokio::test]
async fn a_call_that_asked_before_hears_the_answer_whatever_the_rules_say_now() {
    let mut tools = Tools::new();
    let arguments = json!({"cmd": "echo ran >> log", "login": false});
    // Under the second policy nobody would be asked any more.
    for policy in [AskForApproval::Untrusted, AskForApproval::OnRequest] {
        for (decision, runs, last) in [
            ("decline", false, "finished"),
            ("perhaps", false, "finished"),
            ("cancel", false, "cancelled"),
            ("accept", true, "finished"),
        ] {
            let item = waiting_item(&mut tools, &arguments).await;
            let context = context(&tools, policy.clone());
            let called = call("c", "exec_command", &arguments);
            tools
                .toolbox
                .take_up(context, called, Some(item), decided(decision));
            loop {
                let (_, event) = tools.next().await;
                if ["finished", "cancelled"].contains(&kind(&event)) {
                    break;
                }
            }
            let kinds = tools.kinds();
            assert!(!kinds.contains(&"ask"), "{decision}: {kinds:?}");
            assert_eq!(kinds.last(), Some(&last), "{decision}: {kinds:?}");
            let ends = kinds.iter().filter(|kind| **kind == "completed").count();
            assert_eq!(ends, 1, "{decision}: {kinds:?}");
            let ran = std::fs::remove_file(tools.path("log")).is_ok();
            assert_eq!(ran, runs, "{decision} under {policy:?}");
        }
    }
}

#[tokio::test]
async fn a_call_that_is_refused_now_ends_the_item_that_it_had_begun() {
    let mut tools = Tools::new();
    let arguments = json!({"cmd": "true", "sandbox_permissions": "require_escalated"});
    let item = waiting_item(&mut tools, &arguments).await;
    let context = context(&tools, AskForApproval::Never);
    let called = call("c", "exec_command", &arguments);
    tools
        .toolbox
        .take_up(context, called, Some(item), decided("accept"));
    let text = tools.text("c").await;
    assert!(text.starts_with("approval policy is Never"), "{text}");
    assert_eq!(tools.kinds(), ["completed", "finished"]);
}

#[tokio::test]
async fn the_model_reads_a_no_and_no_answer_apart() {
    let mut tools = Tools::new();
    let patch = "*** Begin Patch\n*** Add File: f\n+one\n*** End Patch";
    let command = json!({"cmd": "echo x > f", "login": false});
    let rejected = |reason: &str| {
        format!("exec_command failed: CreateProcess {{ message: \"Rejected(\\\"{reason}\\\")\" }}")
    };
    for (name, arguments, decision, text, status) in [
        (
            "exec_command",
            &command,
            "decline",
            rejected("rejected by user"),
            "declined",
        ),
        (
            "exec_command",
            &command,
            "perhaps",
            rejected("approval request failed"),
            "failed",
        ),
        (
            "apply_patch",
            &json!({ "input": patch }),
            "decline",
            "patch rejected by user".to_owned(),
            "declined",
        ),
        (
            "apply_patch",
            &json!({ "input": patch }),
            "perhaps",
            "approval request failed".to_owned(),
            "declined",
        ),
    ] {
        let context = context(&tools, AskForApproval::Untrusted);
        tools.toolbox.start(context, call("c", name, arguments));
        let ask = asked(&mut tools).await;
        let outcome = answer(&ask.request, &json!({ "decision": decision }));
        tools.toolbox.settle(ask.key, outcome);
        let mut ended = None;
        let read = loop {
            let (_, event) = tools.next().await;
            if let ToolEvent::ItemCompleted(item) = event {
                ended = Some(item);
            } else if let ToolEvent::Finished(output) = event {
                break output.output;
            }
        };
        let ended = serde_json::to_value(ended.expect("an item")).expect("plain data");
        assert_eq!(ended["status"], status, "{name}, {decision}");
        assert_eq!(read, json!(text), "{name}, {decision}");
        assert!(!tools.path("f").exists());
    }
}

#[tokio::test]
async fn nothing_more_is_given_inside_the_sandbox_for_one_command() {
    let mut tools = Tools::new();
    for wish in [
        json!({"cmd": "echo x > f", "sandbox_permissions": "with_additional_permissions"}),
        json!({"cmd": "echo x > f", "additional_permissions": {"network": {"enabled": true}}}),
    ] {
        for (policy, words) in [
            (
                AskForApproval::OnRequest,
                "additional permissions are disabled",
            ),
            (AskForApproval::Never, "approval policy is Never"),
        ] {
            let context = context(&tools, policy);
            tools
                .toolbox
                .start(context, call("c", "exec_command", &wish));
            let text = tools.text("c").await;
            assert!(text.starts_with(words), "{text}");
            assert!(!tools.path("f").exists());
        }
    }
}
