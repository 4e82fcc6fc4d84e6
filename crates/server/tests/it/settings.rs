//! Configuration, account and lists, over the wire.

use std::fs;

use loomd_testkit::{TestClient, TestServer};
use serde_json::{Value, json};

/// The code, text and data of a refusal.
async fn refusal(client: &mut TestClient, method: &str, params: Value) -> (i64, String, Value) {
    let error = client
        .request(method, params)
        .await
        .expect_err("it is refused");
    (
        error["code"].as_i64().expect("an error has a code"),
        error["message"]
            .as_str()
            .expect("an error has a text")
            .to_owned(),
        error["data"].clone(),
    )
}

async fn result(client: &mut TestClient, method: &str, params: Value) -> Value {
    client
        .request(method, params)
        .await
        .expect("it is answered")
}

fn invalid(text: &str) -> (i64, String, Value) {
    (-32600, text.to_owned(), Value::Null)
}

/// A provider of one's own, which needs no login.
const OWN: &str = "[model_providers.own]\nname = 'Own'\nbase_url = 'http://127.0.0.1:9/v1'";

/// A server whose provider takes the OpenAI login.
fn with_openai() -> TestServer {
    let server = TestServer::new();
    write_config(&server, "model_provider = 'openai'");
    server
}

fn write_config(server: &TestServer, text: &str) {
    fs::write(server.home().join("config.toml"), text).expect("the file can be written");
}

#[tokio::test]
async fn a_written_value_is_read_back_with_its_layer_and_version() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let edit = json!({"keyPath": "model_verbosity", "value": "low", "mergeStrategy": "replace"});
    // Both are sent before the first is answered: the read stands behind the write.
    let write = client.send("config/value/write", edit).await;
    let read = client
        .send("config/read", json!({"includeLayers": true, "cwd": "."}))
        .await;
    let written = client.answer(write).await.expect("it is written");
    assert_eq!(written["status"], "ok");
    assert_eq!(
        written["filePath"],
        json!(server.home().join("config.toml"))
    );
    let read = client.answer(read).await.expect("it is read");
    assert_eq!(read["config"]["model_verbosity"], "low");
    assert_eq!(read["config"]["model_provider"], "offline");
    assert_eq!(read["config"]["review_model"], Value::Null);
    assert_eq!(
        read["origins"]["model_verbosity"]["version"],
        written["version"]
    );
    assert_eq!(read["layers"][0]["name"]["type"], "user");
    assert_eq!(read["layers"][0]["version"], written["version"]);

    let plain = result(&mut client, "config/read", json!({})).await;
    assert_eq!(plain.get("layers"), None);
}

#[tokio::test]
async fn a_batch_is_written_whole_or_not_at_all() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let edit = |key: &str, value: Value| json!({"keyPath": key, "value": value, "mergeStrategy": "upsert"});
    let bad = json!({"edits": [edit("model_verbosity", json!("low")), edit("model", json!(5))]});
    let (code, _, data) = refusal(&mut client, "config/batchWrite", bad).await;
    assert_eq!(
        (code, data),
        (
            -32600,
            json!({"config_write_error_code": "configValidationError"})
        )
    );
    let read = result(&mut client, "config/read", json!({})).await;
    assert_eq!(read["config"]["model_verbosity"], Value::Null);

    let good =
        json!({"edits": [edit("model_verbosity", json!("low")), edit("unknown.key", json!(1))]});
    let written = result(&mut client, "config/batchWrite", good).await;
    let none = result(&mut client, "config/batchWrite", json!({"edits": []})).await;
    assert_eq!(none["version"], written["version"]);
}

#[tokio::test]
async fn writes_are_refused_with_the_words_clients_look_for() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let write = |more: Value| {
        let mut params = json!({"keyPath": "a.b", "value": 1, "mergeStrategy": "replace"});
        for (key, value) in more.as_object().expect("an object") {
            params[key] = value.clone();
        }
        params
    };
    let cases = [
        (
            json!({"keyPath": ""}),
            "configValidationError",
            "keyPath must not be empty",
        ),
        (
            json!({"filePath": "/tmp/other.toml"}),
            "configLayerReadonly",
            "Only writes to the user config are allowed",
        ),
        (
            json!({"expectedVersion": "sha256:0"}),
            "configVersionConflict",
            "Configuration was modified since last read. Fetch latest version and retry.",
        ),
    ];
    for (more, word, text) in cases {
        let error = refusal(&mut client, "config/value/write", write(more)).await;
        let data = json!({ "config_write_error_code": word });
        assert_eq!(error, (-32600, text.to_owned(), data));
    }
}

#[tokio::test]
async fn a_broken_file_leaves_a_server_that_can_be_looked_at() {
    let server = TestServer::new();
    write_config(&server, "model = = 3");
    let mut client = server.client().await;
    let note = client.note("configWarning").await;
    assert_eq!(note["path"], json!(server.home().join("config.toml")));
    assert_eq!(note["range"]["start"], json!({"line": 1, "column": 9}));

    let (code, text, _) = refusal(&mut client, "config/read", json!({})).await;
    assert_eq!(code, -32603);
    assert!(
        text.starts_with("failed to read configuration layers: "),
        "{text}"
    );
    let (code, text, _) = refusal(&mut client, "permissionProfile/list", json!({})).await;
    assert_eq!(code, -32603);
    assert!(text.starts_with("failed to reload config: "), "{text}");
    let models = result(&mut client, "model/list", json!({})).await;
    assert_eq!(models["data"][0]["isDefault"], true);
    let hooks = result(&mut client, "hooks/list", json!({})).await;
    assert_eq!(hooks["data"][0]["errors"].as_array().map(Vec::len), Some(1));
    let skills = result(&mut client, "skills/list", json!({})).await;
    assert_eq!(
        skills["data"][0]["errors"].as_array().map(Vec::len),
        Some(1)
    );
    let account = result(&mut client, "account/read", json!({})).await;
    assert_eq!(account["requiresOpenaiAuth"], true);
}

#[tokio::test]
async fn a_rules_file_with_a_fault_is_told_when_a_client_comes() {
    let server = TestServer::new();
    let folder = server.home().join("rules");
    std::fs::create_dir(&folder).expect("made");
    let file = folder.join("own.rules");
    std::fs::write(
        &file,
        "prefix_rule(pattern=[\"x\"])\nprefix_rule(pattern=1)\n",
    )
    .expect("written");
    let mut client = server.client().await;
    let note = client.note("configWarning").await;
    assert_eq!(note["path"], json!(file));
    assert_eq!(note["range"]["start"]["line"], 2, "{note}");
}

#[tokio::test]
async fn nothing_is_required_by_a_provider_of_ones_own_even_after_a_login() {
    let server = TestServer::with_config(OWN);
    let mut client = server.client().await;
    let key = json!({"type": "apiKey", "apiKey": "sk-1"});
    result(&mut client, "account/login/start", key).await;
    let none = json!({
        "account": null, "userId": null, "requiresOpenaiAuth": false, "workspaceRouting": null,
    });
    assert_eq!(result(&mut client, "account/read", json!({})).await, none);
    let status = json!({"authMethod": null, "authToken": null, "requiresOpenaiAuth": false});
    let params = json!({"includeToken": true});
    assert_eq!(result(&mut client, "getAuthStatus", params).await, status);
}

#[tokio::test]
async fn a_login_is_answered_and_then_told_to_everyone() {
    let server = with_openai();
    let mut client = server.client().await;
    let mut other = server.client().await;
    let before = result(&mut client, "account/read", json!({})).await;
    assert_eq!(before["account"], Value::Null);
    assert_eq!(before["requiresOpenaiAuth"], true);

    client.pending_notes();
    let key = json!({"type": "apiKey", "apiKey": "sk-1"});
    let answer = result(&mut client, "account/login/start", key).await;
    assert_eq!(answer, json!({"type": "apiKey"}));
    assert_eq!(client.pending_notes(), Vec::<Value>::new());
    for watcher in [&mut client, &mut other] {
        let completed = watcher.note("account/login/completed").await;
        assert_eq!(
            completed,
            json!({"loginId": null, "success": true, "error": null, "onboardingEntrypoint": null})
        );
        let updated = watcher.note("account/updated").await;
        assert_eq!(updated, json!({"authMode": "apikey", "planType": null}));
    }
    let after = result(&mut client, "account/read", json!({})).await;
    assert_eq!(after["account"], json!({"type": "apiKey"}));
    let shown = result(&mut client, "getAuthStatus", json!({"includeToken": true})).await;
    assert_eq!(shown["authToken"], "sk-1");
    let hidden = result(&mut client, "getAuthStatus", json!({})).await;
    assert_eq!(
        hidden,
        json!({"authMethod": "apikey", "authToken": null, "requiresOpenaiAuth": true})
    );

    assert_eq!(
        result(&mut client, "account/logout", Value::Null).await,
        json!({})
    );
    let updated = other.note("account/updated").await;
    assert_eq!(updated, json!({"authMode": null, "planType": null}));
    assert!(!server.home().join("auth.json").exists());
}

#[tokio::test]
async fn logins_that_cannot_be_are_refused_and_stored_nowhere() {
    let server = with_openai();
    let mut client = server.client().await;
    let chatgpt = "ChatGPT login is disabled. Use API key login instead.";
    let cases = [
        (json!({"type": "chatgpt"}), chatgpt),
        (json!({"type": "chatgptDeviceCode"}), chatgpt),
        (
            json!({"type": "apiKey", "apiKey": ""}),
            "apiKey must not be empty",
        ),
        (
            json!({"type": "amazonBedrock", "apiKey": "x", "region": "y"}),
            "Amazon Bedrock login is not supported. Use API key login instead.",
        ),
    ];
    for (params, text) in cases {
        let error = refusal(&mut client, "account/login/start", params).await;
        assert_eq!(error, invalid(text));
    }
    write_config(&server, "forced_login_method = 'chatgpt'");
    let key = json!({"type": "apiKey", "apiKey": "sk-1"});
    assert_eq!(
        refusal(&mut client, "account/login/start", key).await,
        invalid("API key login is disabled. Use ChatGPT login instead.")
    );
    assert!(!server.home().join("auth.json").exists());
}

#[tokio::test]
async fn account_services_say_which_login_they_miss() {
    let server = with_openai();
    let mut client = server.client().await;
    let rate_limits = "account/rateLimits/read";
    assert_eq!(
        refusal(&mut client, rate_limits, Value::Null).await,
        invalid("codex account authentication required to read rate limits")
    );
    let key = json!({"type": "apiKey", "apiKey": "sk-1"});
    result(&mut client, "account/login/start", key).await;
    assert_eq!(
        refusal(&mut client, rate_limits, json!({})).await,
        invalid("chatgpt authentication required to read rate limits")
    );
    assert_eq!(
        refusal(&mut client, "account/usage/read", Value::Null).await,
        invalid("chatgpt authentication required to read token usage")
    );
    assert_eq!(
        refusal(&mut client, "plugin/share/list", json!({})).await,
        invalid(
            "list remote plugin shares: chatgpt authentication required for remote plugin catalog; \
             api key auth is not supported"
        )
    );
}

#[tokio::test]
async fn models_come_in_pages_and_every_effort_is_one_that_old_clients_know() {
    let server = with_openai();
    let mut client = server.client().await;
    let all = result(&mut client, "model/list", json!({"includeHidden": true})).await;
    let models = all["data"].as_array().expect("a list");
    let defaults = models.iter().filter(|model| model["isDefault"] == true);
    assert_eq!(defaults.count(), 1);
    let known = ["none", "minimal", "low", "medium", "high", "xhigh"];
    for model in models {
        let efforts = model["supportedReasoningEfforts"]
            .as_array()
            .expect("a list");
        for effort in efforts {
            let word = effort["reasoningEffort"].as_str().expect("a word");
            assert!(known.contains(&word), "{word}");
        }
    }
    let visible = result(&mut client, "model/list", json!({})).await;
    let visible = visible["data"].as_array().expect("a list");
    assert!(visible.len() < models.len());
    assert!(visible.iter().all(|model| model["hidden"] == false));

    let first = result(&mut client, "model/list", json!({"limit": 1})).await;
    assert_eq!(first["nextCursor"], "1");
    let rest = result(&mut client, "model/list", json!({"cursor": "1"})).await;
    let rest = rest["data"].as_array().expect("a list");
    assert_eq!(rest.as_slice(), &visible[1..]);
    assert_eq!(
        refusal(&mut client, "model/list", json!({"cursor": "zz"})).await,
        invalid("invalid cursor: zz")
    );
    let (code, _, data) =
        refusal(&mut client, "model/list", json!({"modelProvider": "nope"})).await;
    assert_eq!(
        (code, data),
        (
            -32600,
            json!({"type": "modelProviderNotConfigured", "modelProvider": "nope"})
        )
    );
}

#[tokio::test]
async fn small_lists_have_the_form_of_the_reference() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let cases = [
        (
            "configRequirements/read",
            Value::Null,
            json!({"supportsIndependentSpeedModes": true, "requirements": null}),
        ),
        (
            "collaborationMode/list",
            json!({}),
            json!({"data": [
                {"name": "Plan", "mode": "plan", "model": null, "reasoning_effort": "medium"},
                {"name": "Default", "mode": "default", "model": null, "reasoning_effort": null},
            ]}),
        ),
        (
            "permissionProfile/list",
            json!({"limit": 2}),
            json!({"data": [
                {"id": ":read-only", "description": null, "allowed": true},
                {"id": ":workspace", "description": null, "allowed": true},
            ], "nextCursor": "2"}),
        ),
        (
            "plugin/list",
            json!({}),
            json!({"marketplaces": [], "marketplaceLoadErrors": [], "featuredPluginIds": []}),
        ),
        (
            "plugin/installed",
            json!({}),
            json!({"marketplaces": [], "marketplaceLoadErrors": []}),
        ),
        (
            "app/list",
            json!({}),
            json!({"data": [], "nextCursor": null}),
        ),
        (
            "mock/experimentalMethod",
            json!({"value": "x"}),
            json!({"echoed": "x"}),
        ),
        (
            "account/bedrock/checkGovCloudRequirements",
            json!({}),
            json!({"isGovCloud": false, "shouldWarn": false}),
        ),
        (
            "hooks/list",
            json!({"cwds": ["."]}),
            json!({"data": [{"cwd": ".", "hooks": [], "warnings": [], "errors": []}]}),
        ),
    ];
    for (method, params, expected) in cases {
        assert_eq!(
            result(&mut client, method, params).await,
            expected,
            "{method}"
        );
    }
}

#[tokio::test]
async fn what_is_configured_but_does_not_run_says_so() {
    let config = "[mcp_servers.b]\ncommand = '/bin/false'\n[mcp_servers.a]\nurl = 'http://h/m'\n\
                  [[hooks.Stop]]\nhooks = [{type = 'command', command = 'true'}]";
    let server = TestServer::with_config(config);
    let mut client = server.client().await;
    let servers = result(&mut client, "mcpServerStatus/list", json!({})).await;
    let names: Vec<_> = servers["data"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|server| (server["name"].as_str(), server["toolsError"].is_string()))
        .collect();
    assert_eq!(names, [(Some("a"), true), (Some("b"), true)]);
    let one = result(
        &mut client,
        "mcpServerStatus/list",
        json!({"serverName": "b"}),
    )
    .await;
    assert_eq!(one["data"].as_array().map(Vec::len), Some(1));
    let hooks = result(&mut client, "hooks/list", json!({})).await;
    assert_eq!(
        hooks["data"][0]["warnings"].as_array().map(Vec::len),
        Some(1)
    );
}

#[tokio::test]
async fn a_thread_that_is_named_must_be_loaded() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let unknown = "01a20586-475a-7062-ab68-dd543e765ab4";
    for method in [
        "thread/goal/get",
        "hooks/list",
        "app/list",
        "mcpServerStatus/list",
        "experimentalFeature/list",
        "thread/realtime/stop",
    ] {
        assert_eq!(
            refusal(&mut client, method, json!({"threadId": unknown})).await,
            invalid(&format!("thread not found: {unknown}")),
            "{method}"
        );
        let (_, text, _) = refusal(&mut client, method, json!({"threadId": "x"})).await;
        assert!(text.starts_with("invalid thread id: "), "{method}: {text}");
    }
    let thread = client.start_thread(&server.work()).await;
    let named = json!({ "threadId": thread });
    assert_eq!(
        result(&mut client, "thread/goal/get", named.clone()).await,
        json!({"goal": null})
    );
    let hooks = result(&mut client, "hooks/list", named.clone()).await;
    assert_eq!(hooks["data"][0]["cwd"], json!(server.work()));
    assert_eq!(
        refusal(&mut client, "thread/realtime/stop", named).await,
        invalid(&format!(
            "thread {thread} does not support realtime conversation"
        ))
    );
}

#[tokio::test]
async fn the_server_tells_of_itself() {
    let server = TestServer::new();
    let mut client = server.client().await;
    let status = client.note("remoteControl/status/changed").await;
    let read = result(&mut client, "remoteControl/status/read", Value::Null).await;
    assert_eq!(read, status);
    let kept = fs::read_to_string(server.home().join("installation_id")).expect("it is kept");
    assert_eq!(read["installationId"], kept);

    client.start_thread(&server.work()).await;
    let told = result(&mut client, "server/diagnostics", json!({})).await;
    assert_eq!(told["process"]["id"], std::process::id());
    let gauges: Vec<_> = told["gauges"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|gauge| (gauge["name"].as_str(), gauge["value"].as_u64()))
        .collect();
    assert_eq!(
        gauges,
        [
            (Some("app.connections.open"), Some(1)),
            (Some("app.threads.loaded"), Some(1)),
            (Some("app.threads.active"), Some(0)),
        ]
    );
}

#[tokio::test]
async fn a_home_that_cannot_be_written_still_has_an_id_for_the_run() {
    let server = TestServer::new();
    let path = server.home().join("installation_id");
    fs::create_dir(&path).expect("a folder in the file's place");
    let mut client = server.client().await;
    let told = client.note("remoteControl/status/changed").await;
    let read = result(&mut client, "remoteControl/status/read", Value::Null).await;
    assert_eq!(read["installationId"], told["installationId"]);
    assert_eq!(told["installationId"].as_str().map(str::len), Some(36));
}

#[tokio::test]
async fn faults_of_a_method_without_a_handler_are_found_in_the_references_order() {
    let server = TestServer::new();
    let mut bare = server.bare_client();
    assert_eq!(
        refusal(&mut bare, "app/read", json!({})).await,
        invalid("Invalid request: missing field `appIds`")
    );
    assert_eq!(
        refusal(&mut bare, "app/read", json!({"appIds": []})).await,
        invalid("Not initialized")
    );
    let hello = json!({"clientInfo": {"name": "plain", "version": "1"}});
    result(&mut bare, "initialize", hello).await;
    assert_eq!(
        refusal(&mut bare, "accountSession/list", json!({})).await,
        invalid("accountSession/list requires experimentalApi capability")
    );
    assert_eq!(
        result(&mut bare, "app/read", json!({"appIds": ["a"]})).await,
        json!({"apps": [], "missingAppIds": ["a"]})
    );
    let (code, text, _) = refusal(&mut bare, "thread/turns/items/list", json!({})).await;
    assert_eq!(code, -32600);
    assert!(
        text.starts_with(
            "Invalid request: unknown variant `thread/turns/items/list`, expected one of `"
        ),
        "{text}"
    );
}
