//! Messages of the real 0.169.0, read and written again: the types must lose
//! nothing and add nothing, nulls included. Ids, times, paths and long texts in
//! the fixtures are replaced by plain ones.

use loomd_protocol::{Method, ServerNotification, ServerRequestParams, State, lookup};
use serde_json::Value;
use serde_json::value::RawValue;

const MESSAGES: &str = include_str!("../fixtures/0.169.0.jsonl");

macro_rules! responses {
    ($method:expr, $body:expr; $($marker:ident)*) => {
        match $method {
            $( loomd_protocol::$marker::NAME => Some(rewritten_as::<<loomd_protocol::$marker as Method>::Response>($body)), )*
            _ => None,
        }
    };
}

fn rewritten_as<T: serde::de::DeserializeOwned + serde::Serialize>(body: &RawValue) -> Value {
    let typed: T = serde_json::from_str(body.get())
        .unwrap_or_else(|error| panic!("{error} in {}", body.get()));
    serde_json::to_value(typed).expect("types of the vocabulary are JSON")
}

fn response(method: &str, body: &RawValue) -> Option<Value> {
    responses!(method, body;
        Initialize ThreadStart ThreadResume ThreadFork ThreadRead ThreadList ThreadLoadedList
        ThreadTurnsList ThreadItemsList ThreadUnsubscribe ThreadNameSet ThreadArchive
        ThreadUnarchive ThreadDelete ThreadSettingsUpdate
        ThreadReadStateUpdate ThreadInjectItems
        ThreadBackgroundTerminalsList ThreadBackgroundTerminalsTerminate
        ThreadBackgroundTerminalsClean ThreadGoalGet ThreadGoalSet ThreadGoalClear
        ThreadQueueAdd ThreadQueueList ThreadQueueUpdate ThreadQueueDelete ThreadQueueReorder
        ThreadQueueStart ThreadShellCommand
        ThreadMetadataUpdate TurnStart TurnSteer TurnInterrupt ModelList
        ModelProviderCapabilitiesRead ConfigRead ConfigRequirementsRead ConfigValueWrite
        ConfigBatchWrite AccountRead AccountLoginStart AccountLogout
        AccountBedrockCheckGovCloudRequirements AccountRateLimitsRead SkillsList HooksList
        PluginList PluginInstalled AppList PermissionProfileList McpServerStatusList
        CollaborationModeList ExperimentalFeatureList MockExperimentalMethod ServerDiagnostics
        RemoteControlStatusRead)
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message<'a> {
    response: Option<String>,
    notification: Option<String>,
    server_request: Option<String>,
    #[serde(borrow)]
    body: &'a RawValue,
}

/// The message as our types write it; none where there is no type.
fn rewritten(message: &Message<'_>) -> Option<Value> {
    if let Some(method) = &message.response {
        return response(method, message.body);
    }
    if let Some(method) = &message.notification {
        let typed = ServerNotification::parse(method, message.body)?.expect("params fit");
        assert_eq!(typed.method(), method);
        let mut out = Vec::new();
        typed.write_params(&mut out);
        return serde_json::from_slice(&out).expect("params are JSON");
    }
    let method = message.server_request.as_ref().expect("one of three kinds");
    let typed = ServerRequestParams::parse(method, message.body)?.expect("params fit");
    assert_eq!(typed.method(), method);
    let mut out = Vec::new();
    typed.write_params(&mut out);
    serde_json::from_slice(&out).expect("params are JSON")
}

#[test]
fn writes_what_the_reference_writes() {
    let mut untyped = Vec::new();
    let mut wrong = Vec::new();
    for line in MESSAGES.lines() {
        let message: Message<'_> = serde_json::from_str(line).expect("a fixture is JSON");
        let expected: Value = serde_json::from_str(message.body.get()).expect("a body is JSON");
        match rewritten(&message) {
            Some(written) if written == expected => {}
            Some(written) => wrong.push(format!("{line}\n  is written as {written}")),
            None => untyped.extend(message.response),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for method in untyped {
        let state = lookup(&method).map(|method| method.state);
        assert_ne!(
            state,
            Some(State::Implemented),
            "add {method} to `response` above"
        );
    }
}
