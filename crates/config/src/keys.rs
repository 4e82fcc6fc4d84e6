//! The keys that `config/read` shows, and their defaults.
//!
//! A client reads this answer as "every known key, null when unset", so the list is
//! a fact of the protocol (seen in 0.169.0), also for keys loomd does nothing with.
//! Their order is that of one answer; it has no meaning.

use serde_json::{Map, Value as Json, json};

use crate::snapshot::{PROJECT_DOC_BYTES_DEFAULT, ROOT_MARKER_DEFAULT, TERMINAL_TIMEOUT_DEFAULT};

/// Top-level keys of loomd's own. Clients that know the answer by heart are not shown
/// them.
pub(crate) const OWN_KEYS: [&str; 3] = [
    "background_unload_delay_secs",
    "max_loaded_bytes",
    "max_loaded_threads",
];

/// The top-level keys.
pub(crate) const KEYS: [&str; 107] = [
    "model",
    "review_model",
    "model_context_window",
    "model_auto_compact_token_limit",
    "model_auto_compact_token_limit_scope",
    "model_provider",
    "approval_policy",
    "approvals_reviewer",
    "sandbox_mode",
    "sandbox_workspace_write",
    "forced_chatgpt_workspace_id",
    "forced_login_method",
    "web_search",
    "client_search_provider",
    "tools",
    "instructions",
    "developer_instructions",
    "compact_prompt",
    "model_reasoning_effort",
    "model_reasoning_summary",
    "model_verbosity",
    "service_tier",
    "analytics",
    "apps",
    "browser_use",
    "computer_use",
    "desktop",
    "disable_paste_burst",
    "experimental_realtime_ws_startup_context",
    "orchestrator",
    "log_dir",
    "ghost_snapshot",
    "thread_unload_delay_secs",
    "openai_base_url",
    "experimental_thread_store",
    "feedback",
    "mcp_servers",
    "features",
    "mcp_optional_startup_grace_ms",
    "include_environment_context",
    "chatgpt_base_url",
    "experimental_realtime_ws_model",
    "js_repl_node_module_dirs",
    "mcp_enterprise_managed_auth",
    "plugins",
    "experimental_realtime_ws_backend_prompt",
    "shell_environment_policy",
    "plan_mode_reasoning_effort",
    "suppress_unstable_features_warning",
    "project_root_markers",
    "mcp_oauth_credentials_store",
    "mcp_oauth_callback_url",
    "model_providers",
    "js_repl_node_path",
    "notify",
    "windows",
    "experimental_thread_store_endpoint",
    "default_permissions",
    "allow_login_shell",
    "model_catalog_json",
    "include_apps_instructions",
    "include_environment_context_time",
    "model_post_turn_compact_threshold_percent",
    "tool_output_token_limit",
    "daybreak",
    "profiles",
    "tool_suggest",
    "memories",
    "notice",
    "experimental_compact_prompt_file",
    "experimental_use_unified_exec_tool",
    "history",
    "file_opener",
    "apps_mcp_product_sku",
    "project_doc_max_bytes",
    "profile",
    "cloud",
    "realtime",
    "agents",
    "model_instructions_file",
    "projects",
    "project_doc_fallback_filenames",
    "experimental_realtime_ws_base_url",
    "permissions",
    "allow_symlinked_codex_home",
    "skills",
    "marketplaces",
    "hide_agent_reasoning",
    "check_for_update_on_startup",
    "include_collaboration_mode_instructions",
    "cli_auth_credentials_store",
    "background_terminal_max_timeout",
    "oss_provider",
    "mcp_oauth_callback_port",
    "show_raw_agent_reasoning",
    "hooks",
    "otel",
    "sqlite_home",
    "include_permissions_instructions",
    "experimental_realtime_webrtc_call_base_url",
    "tui",
    "auto_review",
    "goals",
    "personality",
    "responses_api_metadata",
    "audio",
    "experimental_realtime_start_instructions",
];

/// The keys of `[model_providers.ID]`.
pub(crate) const PROVIDER_KEYS: [&str; 24] = [
    "name",
    "base_url",
    "model_catalog_url",
    "env_key",
    "env_key_instructions",
    "experimental_bearer_token",
    "auth",
    "gateway_oauth",
    "aws",
    "project_id",
    "location",
    "credential_file",
    "wire_api",
    "capabilities",
    "query_params",
    "http_headers",
    "env_http_headers",
    "request_max_retries",
    "stream_max_retries",
    "stream_idle_timeout_ms",
    "websocket_connect_timeout_ms",
    "requires_openai_auth",
    "supports_websockets",
    "supports_standalone_web_search",
];

/// The keys of `[shell_environment_policy]`.
pub(crate) const SHELL_ENVIRONMENT_KEYS: [&str; 7] = [
    "inherit",
    "ignore_default_excludes",
    "exclude",
    "set",
    "include_only",
    "filters",
    "experimental_use_profile",
];

/// The keys of `[sandbox_workspace_write]`.
pub(crate) const WORKSPACE_WRITE_KEYS: [&str; 4] = [
    "writable_roots",
    "network_access",
    "exclude_tmpdir_env_var",
    "exclude_slash_tmp",
];

/// The keys of `[history]`.
pub(crate) const HISTORY_KEYS: [&str; 2] = ["persistence", "max_bytes"];

/// What `config/read` shows for a key that is not set.
pub(crate) fn unset(key: &str) -> Json {
    match key {
        "shell_environment_policy" => nulls(&SHELL_ENVIRONMENT_KEYS),
        "history" => json!({"persistence": "save-all", "max_bytes": null}),
        "project_root_markers" => json!([ROOT_MARKER_DEFAULT]),
        "project_doc_max_bytes" => json!(PROJECT_DOC_BYTES_DEFAULT),
        "background_terminal_max_timeout" => json!(TERMINAL_TIMEOUT_DEFAULT.as_secs() * 1000),
        "project_doc_fallback_filenames" => json!([]),
        "features" | "marketplaces" | "mcp_servers" | "model_providers" | "plugins"
        | "profiles" => json!({}),
        "allow_login_shell"
        | "include_apps_instructions"
        | "include_collaboration_mode_instructions"
        | "include_environment_context"
        | "include_environment_context_time"
        | "include_permissions_instructions" => json!(true),
        "hide_agent_reasoning" => json!(false),
        "mcp_oauth_credentials_store" => json!("auto"),
        "cli_auth_credentials_store" => json!("file"),
        "file_opener" => json!("vscode"),
        "chatgpt_base_url" => json!("https://chatgpt.com/backend-api/"),
        _ => Json::Null,
    }
}

/// What `config/read` shows for a key that is set: sections get their unset keys.
pub(crate) fn set(key: &str, value: Json) -> Json {
    match key {
        // The old word is shown as the one that took its place (seen in 0.169.0).
        "approval_policy" if value == "on-failure" => json!("on-request"),
        "shell_environment_policy" => over(nulls(&SHELL_ENVIRONMENT_KEYS), value),
        "history" => over(unset(key), value),
        "sandbox_workspace_write" => over(
            json!({
                "writable_roots": [],
                "network_access": false,
                "exclude_tmpdir_env_var": false,
                "exclude_slash_tmp": false,
            }),
            value,
        ),
        "model_providers" => each(value, |provider| over(provider_unset(), provider)),
        "mcp_servers" => each(value, |server| {
            let unset =
                json!({"environment_id": "local", "enabled": true, "tool_timeout_sec": null});
            over(unset, server)
        }),
        _ => value,
    }
}

fn provider_unset() -> Json {
    let set = json!({
        "wire_api": "responses",
        "requires_openai_auth": false,
        "supports_websockets": false,
        "supports_standalone_web_search": false,
    });
    over(nulls(&PROVIDER_KEYS), set)
}

fn nulls(keys: &[&str]) -> Json {
    let nulls: Map<_, _> = keys
        .iter()
        .map(|key| ((*key).to_owned(), Json::Null))
        .collect();
    Json::Object(nulls)
}

fn over(base: Json, value: Json) -> Json {
    match (base, value) {
        (Json::Object(mut base), Json::Object(value)) => {
            base.extend(value);
            Json::Object(base)
        }
        (_, value) => value,
    }
}

fn each(value: Json, change: impl Fn(Json) -> Json) -> Json {
    match value {
        Json::Object(entries) => Json::Object(
            entries
                .into_iter()
                .map(|(key, value)| (key, change(value)))
                .collect(),
        ),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_) => value,
    }
}
