//! Error texts of params, as 0.169.0 gives them. Each was seen there, except
//! where a comment says what differs here.

use loomd_protocol::{
    AccountLoginStart, AccountLogout, AccountRateLimitsRead, ConfigRead, ConfigValueWrite,
    DynamicToolSpec, Initialize, Method, ModeKind, ThreadList, ThreadRead, ThreadResume,
    ThreadSettingsUpdate, ThreadStart, TurnStart, parse_params, unknown_method,
};
use serde_json::value::RawValue;

fn raw(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).expect("the test gives JSON")
}

#[track_caller]
fn refused<M: Method>(params: &str, expected: &str) {
    match parse_params::<M>(Some(&raw(params))) {
        Ok(_) => panic!("{} took {params}", M::NAME),
        Err(text) => assert_eq!(text, format!("Invalid request: {expected}")),
    }
}

#[track_caller]
fn taken<M: Method>(params: &str) -> M::Params {
    parse_params::<M>(Some(&raw(params))).unwrap_or_else(|text| panic!("{text}"))
}

#[test]
fn names_the_missing_member() {
    refused::<ThreadRead>("{}", "missing field `threadId`");
    refused::<Initialize>("{}", "missing field `clientInfo`");
    refused::<Initialize>(r#"{"clientInfo":{}}"#, "missing field `name`");
    refused::<TurnStart>(r#"{"threadId":"t"}"#, "missing field `input`");
    refused::<TurnStart>(r#"{"threadId":"t","input":[{}]}"#, "missing field `type`");
    refused::<ConfigValueWrite>(
        r#"{"keyPath":"a","mergeStrategy":"replace"}"#,
        "missing field `value`",
    );
    refused::<AccountLoginStart>(r#"{"type":"apiKey"}"#, "missing field `apiKey`");
    refused::<ThreadStart>(
        r#"{"approvalPolicy":{"granular":{}}}"#,
        "missing field `sandbox_approval`",
    );
}

#[test]
fn names_the_wrong_type_without_position_or_path() {
    let integer = "invalid type: integer `5`, expected a string";
    refused::<TurnStart>(r#"{"threadId":5,"input":[]}"#, integer);
    refused::<ThreadStart>(r#"{"cwd":5}"#, integer);
    refused::<TurnStart>(
        r#"{"threadId":null,"input":[]}"#,
        "invalid type: null, expected a string",
    );
    refused::<TurnStart>(
        r#"{"threadId":"t","input":"x"}"#,
        r#"invalid type: string "x", expected a sequence"#,
    );
    refused::<ThreadStart>(r#"{"config":[]}"#, "invalid type: sequence, expected a map");
    refused::<ThreadStart>(
        r#"{"ephemeral":"yes"}"#,
        r#"invalid type: string "yes", expected a boolean"#,
    );
    refused::<ThreadStart>(
        r#"{"sandbox":5}"#,
        "invalid type: integer `5`, expected string or map",
    );
    refused::<ThreadList>(
        r#"{"limit":-1}"#,
        "invalid value: integer `-1`, expected u32",
    );
    refused::<ThreadList>(
        r#"{"limit":1.5}"#,
        "invalid type: floating point `1.5`, expected u32",
    );
    refused::<ThreadList>(
        "5",
        "invalid type: integer `5`, expected struct ThreadListParams",
    );
    refused::<AccountLogout>("5", "invalid type: integer `5`, expected unit");
}

#[test]
fn names_the_unknown_variant_and_the_known_ones() {
    refused::<ThreadList>(
        r#"{"sortKey":"zz"}"#,
        "unknown variant `zz`, expected one of `created_at`, `updated_at`, `recency_at`, `section_position`",
    );
    refused::<TurnStart>(
        r#"{"threadId":"t","input":[{"type":"zzz"}]}"#,
        "unknown variant `zzz`, expected one of `text`, `image`, `localImage`, `audio`, `localAudio`, `skill`, `mention`",
    );
    refused::<TurnStart>(
        r#"{"threadId":"t","input":[],"sandboxPolicy":{"type":"zz"}}"#,
        "unknown variant `zz`, expected one of `dangerFullAccess`, `readOnly`, `externalSandbox`, `workspaceWrite`",
    );
    refused::<ConfigValueWrite>(
        r#"{"keyPath":"a","mergeStrategy":"zz","value":1}"#,
        "unknown variant `zz`, expected `replace` or `upsert`",
    );
    refused::<AccountLoginStart>(
        r#"{"type":"zz"}"#,
        "unknown variant `zz`, expected one of `apiKey`, `chatgpt`, `chatgptDeviceCode`, `chatgptAuthTokens`, `amazonBedrock`, `amazonBedrockAccessKeys`",
    );
    refused::<ThreadStart>(
        r#"{"approvalPolicy":{"x":1}}"#,
        "unknown variant `x`, expected one of `untrusted`, `on-failure`, `on-request`, `granular`, `never`",
    );
    refused::<ThreadList>(
        r#"{"cwd":5}"#,
        "data did not match any variant of untagged enum ThreadListCwdFilter",
    );
    assert!(unknown_method("nope").starts_with(
        "Invalid request: unknown variant `nope`, expected one of `account/bedrock/checkGovCloudRequirements`, "
    ));
    assert!(!unknown_method("nope").contains("thread/rollback"));
}

#[test]
fn wants_params_where_the_method_takes_any() {
    let missing = Err("Invalid request: missing field `params`".to_owned());
    assert_eq!(parse_params::<ThreadList>(None), missing);
    assert_eq!(
        parse_params::<ThreadList>(Some(&raw("null"))).map(drop),
        missing.map(drop)
    );
    assert!(parse_params::<AccountLogout>(None).is_ok());
    assert!(parse_params::<AccountLogout>(Some(&raw("null"))).is_ok());
    assert!(parse_params::<AccountRateLimitsRead>(None).is_ok());
    assert!(parse_params::<AccountRateLimitsRead>(Some(&raw("null"))).is_ok());
    // The reference takes `{}` and refuses `{"x":1}`; unknown members are ignored here
    // as everywhere else.
    taken::<AccountLogout>(r#"{"x":1}"#);
}

#[test]
fn wants_absolute_paths_where_the_schema_says_so() {
    let relative = "AbsolutePathBuf deserialized without a base path";
    refused::<ThreadStart>(r#"{"runtimeWorkspaceRoots":["rel"]}"#, relative);
    refused::<ThreadStart>(r#"{"runtimeWorkspaceRoots":["~"]}"#, relative);
    refused::<TurnStart>(
        r#"{"threadId":"t","input":[],"sandboxPolicy":{"type":"workspaceWrite","writableRoots":["rel"]}}"#,
        relative,
    );
    assert_eq!(
        taken::<ThreadStart>(r#"{"cwd":"rel"}"#).cwd.as_deref(),
        Some("rel")
    );
    assert_eq!(
        taken::<ConfigRead>(r#"{"cwd":"."}"#).cwd.as_deref(),
        Some(".")
    );
}

/// The reference refuses null for members that have a default; clients that write
/// every member are better served by taking it.
#[test]
fn takes_null_for_absent_everywhere() {
    let params = taken::<ThreadResume>(r#"{"threadId":"t","excludeTurns":null,"model":null}"#);
    assert!(!params.exclude_turns);
    assert_eq!(params.model, None);
    taken::<ThreadStart>(r#"{"experimentalRawEvents":null,"dynamicTools":null}"#);
    taken::<TurnStart>(
        r#"{"threadId":"t","input":[{"type":"text","text":"x","text_elements":null}],
            "sandboxPolicy":{"type":"readOnly","networkAccess":null}}"#,
    );
}

#[test]
fn tells_clearing_from_leaving_alone() {
    let tier = |params| taken::<ThreadStart>(params).service_tier;
    assert_eq!(tier("{}"), None);
    assert_eq!(tier(r#"{"serviceTier":null}"#), Some(None));
    assert_eq!(
        tier(r#"{"serviceTier":"fast"}"#),
        Some(Some("fast".to_owned()))
    );
}

#[test]
fn ignores_unknown_members_and_takes_the_last_of_two() {
    let params = taken::<ThreadStart>(r#"{"model":"a","persistExtendedHistory":true,"model":"b"}"#);
    assert_eq!(params.model.as_deref(), Some("b"));
}

#[test]
fn refuses_an_empty_effort() {
    let text = "reasoning_effort must not be empty";
    refused::<TurnStart>(r#"{"threadId":"t","input":[],"effort":""}"#, text);
    refused::<ThreadSettingsUpdate>(r#"{"threadId":"t","effort":""}"#, text);
    refused::<TurnStart>(
        r#"{"threadId":"t","input":[],"collaborationMode":
            {"mode":"plan","settings":{"model":"m","reasoning_effort":""}}}"#,
        text,
    );
}

#[test]
fn reads_the_modes_of_older_clients() {
    for mode in ["default", "code", "pair_programming", "execute", "custom"] {
        let params = format!(
            r#"{{"threadId":"t","input":[],"collaborationMode":{{"mode":"{mode}","settings":{{"model":"m"}}}}}}"#
        );
        let mode = taken::<TurnStart>(&params).collaboration_mode;
        assert_eq!(mode.map(|mode| mode.mode), Some(ModeKind::Default));
    }
    refused::<TurnStart>(
        r#"{"threadId":"t","input":[],"collaborationMode":{"mode":"zz"}}"#,
        "unknown variant `zz`, expected one of `plan`, `code`, `custom`, `default`, `execute`, `pair_programming`",
    );
}

#[test]
fn reads_dynamic_tools_of_0_131() {
    let tools = taken::<ThreadStart>(
        r#"{"dynamicTools":[
            {"name":"a","description":"d","inputSchema":{}},
            {"namespace":"n","name":"b","description":"d","inputSchema":{},"deferLoading":true},
            {"namespace":"n","name":"c","description":"d","inputSchema":{},"exposeToContext":false}]}"#,
    )
    .dynamic_tools
    .expect("tools were given");
    assert_eq!(
        serde_json::to_value(tools).expect("tools are JSON"),
        serde_json::json!([
            {"type": "function", "name": "a", "description": "d", "inputSchema": {}},
            {"type": "namespace", "name": "n", "description": "", "tools": [
                {"type": "function", "name": "b", "description": "d", "inputSchema": {}, "deferLoading": true},
                {"type": "function", "name": "c", "description": "d", "inputSchema": {}, "deferLoading": true},
            ]},
        ])
    );
}

#[test]
fn refuses_dynamic_tools_in_both_forms() {
    let mixed = "dynamic tools must use either canonical or legacy format consistently";
    refused::<ThreadStart>(
        r#"{"dynamicTools":[{"type":"namespace","name":"a","description":"b",
            "tools":[{"name":"x","description":"b","inputSchema":{}}]}]}"#,
        mixed,
    );
    refused::<ThreadStart>(
        r#"{"dynamicTools":[{"name":"x","description":"b","inputSchema":{}},
            {"type":"function","name":"y","description":"b","inputSchema":{}}]}"#,
        mixed,
    );
    refused::<ThreadStart>(
        r#"{"dynamicTools":[{"name":"a","description":"b"}]}"#,
        "missing field `inputSchema`",
    );
    refused::<ThreadStart>(
        r#"{"dynamicTools":[{"type":"zz","name":"a","description":"b"}]}"#,
        "unknown variant `zz`, expected `function` or `namespace`",
    );
    let tools = taken::<ThreadStart>(
        r#"{"dynamicTools":[{"type":"function","name":"y","description":"b","inputSchema":{}}]}"#,
    )
    .dynamic_tools;
    assert!(matches!(
        tools.as_deref(),
        Some([DynamicToolSpec::Function { .. }])
    ));
}

/// Whatever comes, an answer comes back and nothing panics.
#[test]
fn survives_nonsense() {
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    for params in [
        "[]",
        "\"x\"",
        "true",
        "{\"limit\":1e400}",
        "{\"limit\":18446744073709551616}",
        &deep,
    ] {
        let Ok(raw) = RawValue::from_string(params.to_owned()) else {
            continue;
        };
        let text = parse_params::<ThreadList>(Some(&raw)).expect_err("nonsense is refused");
        assert!(text.starts_with("Invalid request: "), "{text}");
        assert!(!text.contains(" at line "), "{text}");
    }
}
