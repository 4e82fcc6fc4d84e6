use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value as Json, json};
use toml::Value;

use crate::error::ConfigError;
use crate::snapshot::Config;
use crate::test_home::{TestHome, no_request};
use crate::words::{
    ApprovalPolicy, EnvironmentInherit, GranularApproval, HistoryPersistence, SandboxMode,
    TrustLevel,
};

fn load(home: &TestHome, cwd: Option<&Path>) -> Result<Arc<Config>, ConfigError> {
    home.loader().load(cwd, &no_request())
}

fn user(text: &str) -> Result<Arc<Config>, ConfigError> {
    let home = TestHome::new();
    home.write("home/config.toml", text);
    load(&home, None)
}

fn loaded(text: &str) -> Arc<Config> {
    user(text).expect("the test's configuration loads")
}

/// The error of the user's file `text`, with the test's folder hidden.
fn fault(text: &str) -> String {
    let home = TestHome::new();
    home.write("home/config.toml", text);
    let error = load(&home, None).expect_err("the test's configuration is wrong");
    home.hide(&error.to_string())
}

fn request(value: Json) -> Map<String, Json> {
    value.as_object().expect("an object").clone()
}

fn trusted(folder: &Path) -> String {
    format!(
        "[projects.'{}']\ntrust_level = 'trusted'\n",
        folder.display()
    )
}

#[test]
fn without_files_there_are_defaults() {
    let config = load(&TestHome::new(), None).expect("no file is fine");
    assert_eq!(config.model, None);
    assert_eq!(config.model_provider, "openai");
    assert_eq!(
        config.providers.keys().collect::<Vec<_>>(),
        ["lmstudio", "offline", "ollama", "openai"]
    );
    assert_eq!(config.approval_policy, ApprovalPolicy::OnRequest);
    assert_eq!(config.sandbox_mode, SandboxMode::ReadOnly);
    assert_eq!(
        config
            .active_permission_profile
            .as_ref()
            .map(|profile| profile.id.as_str()),
        Some(":read-only")
    );
    assert_eq!(config.thread_unload_delay, Duration::from_secs(1800));
    assert_eq!(config.project_doc_max_bytes, 32768);
    assert_eq!(config.project_root_markers, [".git"]);
    assert!(config.shell_environment_policy.ignore_default_excludes);
    assert!(config.include.environment && config.allow_login_shell);
}

#[test]
fn settings_are_read() {
    let config = loaded(
        "model = 'm'\nmodel_provider = 'p'\nmodel_reasoning_effort = 'any word'\nservice_tier = 'flex'\n\
         model_context_window = 1000\nmodel_auto_compact_token_limit = -1\nthread_unload_delay_secs = 0\n\
         approval_policy = {granular = {sandbox_approval = true, rules = false, mcp_elicitations = true}}\n\
         background_terminal_max_timeout = 5\nnotify = ['a', 'b']\ninstructions = 'I'\n\
         include_environment_context = false\n\
         [model_providers.p]\nname = 'P'\nbase_url = 'http://x'\nunknown = 3\n\
         [shell_environment_policy]\ninherit = 'core'\nset = {A = 'b'}\n\
         [history]\npersistence = 'none'\n\
         [agents]\nmax_threads = 3\n[agents.scout]\ndescription = 'd'\n\
         [features]\nx = true\n[tools.update_plan]\nenabled = false\n\
         [mcp_servers.s]\ncommand = 'c'\nodd = [1]\n\
         [unknown]\nd = 2020-01-01\n",
    );
    assert_eq!(config.model.as_deref(), Some("m"));
    assert_eq!(config.provider().base_url.as_deref(), Some("http://x"));
    assert_eq!(config.effort.as_deref(), Some("any word"));
    assert_eq!(config.context_window, Some(1000));
    assert_eq!(config.auto_compact_token_limit, None);
    assert_eq!(config.thread_unload_delay, Duration::ZERO);
    assert_eq!(
        config.approval_policy,
        ApprovalPolicy::Granular(GranularApproval {
            sandbox_approval: true,
            rules: false,
            skill_approval: false,
            request_permissions: false,
            mcp_elicitations: true,
        })
    );
    assert_eq!(
        config.background_terminal_max_timeout,
        Duration::from_millis(5)
    );
    assert_eq!(config.base_instructions.as_deref(), Some("I"));
    assert!(!config.include.environment);
    assert_eq!(
        config.shell_environment_policy.inherit,
        EnvironmentInherit::Core
    );
    assert_eq!(config.history.persistence, HistoryPersistence::None);
    assert_eq!(
        (
            config.agent_limits.max_threads,
            config.agent_limits.max_depth
        ),
        (3, 1)
    );
    assert_eq!(config.feature("x"), Some(true));
    assert_eq!(config.feature("y"), None);
    assert_eq!(config.tool("update_plan"), Some(false));
    assert_eq!(config.mcp_servers["s"], json!({"command": "c", "odd": [1]}));
}

#[test]
fn untrusted_and_on_failure_do_not_stop_the_program() {
    assert_eq!(
        loaded("approval_policy = 'untrusted'").approval_policy,
        ApprovalPolicy::Untrusted
    );
    assert_eq!(
        loaded("approval_policy = 'on-failure'").approval_policy,
        ApprovalPolicy::OnRequest
    );
}

#[test]
fn layers_win_in_their_order() {
    let home = TestHome::new();
    let project = home.repository("p");
    let deep = home.folder("p/deep");
    home.write(
        "etc/config.toml",
        "model = 'system'\nreview_model = 'system'\nservice_tier = 'system'\npersonality = 'system'",
    );
    home.write(
        "home/config.toml",
        &format!(
            "model = 'user'\nreview_model = 'user'\nservice_tier = 'user'\n{}",
            trusted(&project)
        ),
    );
    home.write(
        "p/.codex/config.toml",
        "model = 'root'\nreview_model = 'root'",
    );
    home.write("p/deep/.codex/config.toml", "model = 'deep'");
    let loader = home.loader_with(&[("developer_instructions", Value::from("line"))]);
    let config = loader
        .load(Some(&deep), &request(json!({"compact_prompt": "request"})))
        .expect("all layers are fine");
    assert_eq!(config.model.as_deref(), Some("deep"));
    assert_eq!(config.review_model.as_deref(), Some("root"));
    assert_eq!(config.service_tier.as_deref(), Some("user"));
    assert_eq!(config.personality.as_deref(), Some("system"));
    assert_eq!(config.developer_instructions.as_deref(), Some("line"));
    assert_eq!(config.compact_prompt.as_deref(), Some("request"));

    let over =
        json!({"model": "request", "developer_instructions": "request", "review_model": null});
    let config = loader
        .load(Some(&deep), &request(over))
        .expect("all layers are fine");
    assert_eq!(config.model.as_deref(), Some("request"));
    assert_eq!(config.developer_instructions.as_deref(), Some("request"));
    assert_eq!(config.review_model.as_deref(), Some("root"));
}

#[test]
fn a_project_counts_only_when_it_is_trusted() {
    let home = TestHome::new();
    let project = home.repository("p");
    home.write("p/.codex/config.toml", "model = 'project'");
    let model = |home: &TestHome| {
        let config = load(home, Some(&project)).expect("it loads");
        config.model.clone()
    };
    assert_eq!(model(&home), None);
    home.write(
        "home/config.toml",
        &trusted(&project).replace("'trusted'", "'untrusted'"),
    );
    assert_eq!(model(&home), None);
    let config = load(&home, Some(&project)).expect("it loads");
    assert_eq!(config.approval_policy, ApprovalPolicy::Untrusted);
    assert_eq!(config.sandbox_mode, SandboxMode::WorkspaceWrite);
    home.write("home/config.toml", &trusted(&project));
    assert_eq!(model(&home).as_deref(), Some("project"));
    let config = load(&home, Some(&project)).expect("it loads");
    assert_eq!(
        config
            .active_permission_profile
            .as_ref()
            .map(|profile| profile.id.as_str()),
        Some(":workspace")
    );
    let trust = config.trust.as_ref().expect("there is a working folder");
    assert_eq!(
        (trust.folder.as_path(), trust.level),
        (project.as_path(), Some(TrustLevel::Trusted))
    );
}

#[test]
fn a_folder_trusted_by_itself_does_not_let_its_parents_in() {
    let home = TestHome::new();
    home.repository("p");
    let deep = home.folder("p/deep");
    home.write("p/.codex/config.toml", "review_model = 'root'");
    home.write("p/deep/.codex/config.toml", "model = 'deep'");
    home.write("home/config.toml", &trusted(&deep));
    let config = load(&home, Some(&deep)).expect("it loads");
    assert_eq!(config.model.as_deref(), Some("deep"));
    assert_eq!(config.review_model, None);
    let disabled: Vec<_> = config
        .layers
        .iter()
        .filter_map(|layer| layer.disabled.clone())
        .collect();
    assert_eq!(disabled.len(), 1);
    assert!(
        disabled[0].contains("trust_level = \"trusted\""),
        "{}",
        disabled[0]
    );
}

#[test]
fn a_project_may_not_choose_where_requests_go() {
    let home = TestHome::new();
    let project = home.repository("p");
    home.write("home/config.toml", &trusted(&project));
    home.write(
        "p/.codex/config.toml",
        "model = 'm'\nmodel_provider = 'evil'\nnotify = ['x']\nopenai_base_url = 'http://evil'\n\
         [model_providers.evil]\nname = 'x'",
    );
    let config = load(&home, Some(&project)).expect("it loads");
    assert_eq!(config.model.as_deref(), Some("m"));
    assert_eq!(config.model_provider, "openai");
    assert!(config.notify.is_empty());
    assert_eq!(
        config.provider().base_url.as_deref(),
        Some("https://api.openai.com/v1")
    );
}

#[test]
fn a_broken_project_file_stops_only_a_trusted_project() {
    let home = TestHome::new();
    let project = home.repository("p");
    home.write("p/.codex/config.toml", "model = = 3");
    assert!(load(&home, Some(&project)).is_ok());
    home.write("home/config.toml", &trusted(&project));
    let error = load(&home, Some(&project)).expect_err("it is broken");
    assert!(
        home.hide(&error.to_string())
            .starts_with("$T/p/.codex/config.toml:1:9: "),
        "{error}"
    );
}

#[test]
fn the_home_is_not_a_project_folder() {
    let home = TestHome::new();
    let cwd = home.folder("user");
    let loader = super::Loader::new(home.path("user/.codex"), Vec::new(), home.environment())
        .with_system_file(home.path("none"));
    home.write(
        "user/.codex/config.toml",
        &format!("model_provider = 'offline'\n{}", trusted(&cwd)),
    );
    let config = loader.load(Some(&cwd), &no_request()).expect("it loads");
    assert_eq!(config.layers.len(), 3);
    assert_eq!(config.model_provider, "offline");
}

#[test]
fn errors_name_file_line_and_column() {
    let cases = [
        ("model = 'a'\nfoo = = 3\n", "$T/home/config.toml:2:7: "),
        (
            "model = 'a'\nmodel = 'b'\n",
            "$T/home/config.toml:2:1: duplicate key",
        ),
        (
            "# x\nmodel_context_window = 'big'",
            "$T/home/config.toml:2:24: invalid type: string \"big\", expected i64",
        ),
        (
            "model_reasoning_summary = 'zzz'",
            "$T/home/config.toml:1:27: unknown variant `zzz`, expected one of `auto`, `concise`, `detailed`, `none`",
        ),
        (
            "[sandbox_workspace_write]\nnetwork_access = 'yes'",
            "$T/home/config.toml:2:18: invalid type: string \"yes\", expected a boolean",
        ),
        (
            "project_doc_max_bytes = -1",
            "$T/home/config.toml:1:25: invalid value: integer `-1`, expected usize",
        ),
        (
            "[projects.'/x']\ntrust_level = 'maybe'",
            "$T/home/config.toml:2:15: unknown variant `maybe`, expected `trusted` or `untrusted`",
        ),
        (
            "[mcp_servers.a]\nurl = 'http://x'\ncommand = 'x'",
            "$T/home/config.toml:1:1: url is not supported for stdio",
        ),
        (
            "[mcp_servers.a]\nurl = 'http://x'\nbearer_token = 'x'",
            "$T/home/config.toml:1:1: bearer_token is not supported for streamable_http",
        ),
        (
            "[mcp_servers.a]\nargs = []",
            "$T/home/config.toml:1:1: invalid transport",
        ),
        (
            "[model_providers.ch]\nbase_url = 'http://x'",
            "$T/home/config.toml:1:2: model_providers.ch: provider name must not be empty",
        ),
        (
            "[model_providers.openai]\nname = 'x'",
            "$T/home/config.toml:1:2: model_providers contains reserved built-in provider IDs: `openai`.",
        ),
        (
            "[model_providers.ch]\nname = 'x'\nwire_api = 'chat'",
            "$T/home/config.toml:3:12: `wire_api = \"chat\"` is no longer supported.\nHow to fix: ",
        ),
        ("model_provider = 'nope'", "Model provider `nope` not found"),
        (
            "default_permissions = ':x'",
            "default_permissions refers to unknown built-in profile `:x`",
        ),
        (
            "model_instructions_file = 'no.md'",
            "failed to read model instructions file $T/home/no.md: No such file or directory (os error 2)",
        ),
    ];
    for (text, expected) in cases {
        let fault = fault(text);
        assert!(fault.starts_with(expected), "{fault}\nexpected {expected}");
    }
}

#[test]
fn the_range_of_an_error_covers_the_value() {
    let error = user("model_verbosity = 'zzz'").expect_err("it is wrong");
    let warning = serde_json::to_value(error.to_warning()).expect("it serialises");
    assert_eq!(warning["summary"], "Invalid configuration; using defaults.");
    assert_eq!(
        warning["range"],
        json!({"start": {"line": 1, "column": 19}, "end": {"line": 1, "column": 23}})
    );
}

#[test]
fn an_error_in_an_override_names_the_key() {
    let home = TestHome::new();
    let fault = |over: Json| {
        let error = home.loader().load(None, &request(over));
        error.expect_err("it is wrong").to_string()
    };
    assert_eq!(
        fault(json!({"model_context_window": "big"})),
        "invalid type: string \"big\", expected i64\nin `model_context_window`\n"
    );
    assert_eq!(
        fault(json!({"history": {"persistence": "zz"}})),
        "unknown variant `zz`, expected `save-all` or `none`\nin `history.persistence`\n"
    );
    assert_eq!(
        fault(json!({"a.b": u64::MAX})),
        "u64 value was too large\nin `a.b`\n"
    );
}

#[test]
fn profiles_stand_between_the_user_and_the_project() {
    let home = TestHome::new();
    home.write(
        "home/config.toml",
        "profile = 'one'\nmodel = 'user'\nreview_model = 'user'\nservice_tier = 'user'\n\
         [profiles.one]\nmodel = 'table'\nreview_model = 'table'",
    );
    home.write("home/one.config.toml", "model = 'file'");
    home.write("home/two.config.toml", "service_tier = 'two'");
    let config = load(&home, None).expect("it loads");
    assert_eq!(config.model.as_deref(), Some("file"));
    assert_eq!(config.review_model.as_deref(), Some("table"));
    assert_eq!(config.service_tier.as_deref(), Some("user"));

    let two = home.loader().with_profile("two".to_owned());
    let config = two.load(None, &no_request()).expect("it loads");
    assert_eq!(config.model.as_deref(), Some("user"));
    assert_eq!(config.service_tier.as_deref(), Some("two"));
}

#[test]
fn a_profile_name_cannot_leave_the_home() {
    let home = TestHome::new();
    home.write("x.config.toml", "model = 'outside'");
    for name in ["../x", "missing", ""] {
        let error = home.loader().load(None, &request(json!({"profile": name})));
        assert_eq!(
            error.expect_err("there is none"),
            ConfigError::UnknownProfile(name.to_owned())
        );
    }
}

#[test]
fn the_uppermost_word_on_permissions_decides() {
    let home = TestHome::new();
    home.write(
        "home/config.toml",
        "default_permissions = ':workspace'\nsandbox_mode = 'read-only'",
    );
    let mode = |over: Json| {
        let config = home
            .loader()
            .load(None, &request(over))
            .expect("the test's configuration loads");
        (
            config.sandbox_mode,
            config
                .active_permission_profile
                .clone()
                .map(|profile| profile.id),
        )
    };
    assert_eq!(
        mode(json!({})),
        (SandboxMode::WorkspaceWrite, Some(":workspace".to_owned()))
    );
    assert_eq!(
        mode(json!({"sandbox_mode": "danger-full-access"})),
        (SandboxMode::DangerFullAccess, None)
    );
}

#[test]
fn instruction_files_lie_beside_the_file_that_names_them() {
    let home = TestHome::new();
    home.write("home/base.md", "  B\n");
    home.write("home/compact.md", "C");
    home.write(
        "home/config.toml",
        "model_instructions_file = 'base.md'\ninstructions = 'I'\nexperimental_compact_prompt_file = 'compact.md'",
    );
    let config = load(&home, None).expect("it loads");
    assert_eq!(config.base_instructions.as_deref(), Some("B"));
    assert_eq!(config.compact_prompt.as_deref(), Some("C"));
    home.write("home/base.md", " ");
    let error = load(&home, None)
        .expect_err("the file is empty")
        .to_string();
    assert!(error.ends_with("base.md: it is empty"), "{error}");
}

#[test]
fn a_relative_working_folder_counts_from_the_process() {
    let home = TestHome::new();
    home.repository("p");
    let config = load(&home, Some(Path::new("./p/x/.."))).expect("it loads");
    assert_eq!(config.cwd, Some(home.path("p")));
    assert_eq!(config.project_root, Some(home.path("p")));
}

#[test]
fn a_broken_file_leaves_defaults_and_a_warning() {
    let home = TestHome::new();
    let path = home.write("home/config.toml", "model = = 3");
    let loader = home.loader();
    let warnings = loader.warnings(None);
    assert_eq!(warnings.len(), 1);
    assert_eq!(
        warnings[0].summary,
        "Invalid configuration; using defaults."
    );
    assert_eq!(warnings[0].path.as_ref(), Some(&path));
    assert_eq!(loader.defaults().model_provider, "openai");
    home.write("home/config.toml", "model = 'm'");
    assert_eq!(loader.warnings(None), []);
}

#[test]
fn ignored_settings_are_told() {
    let home = TestHome::new();
    home.repository(".");
    home.write(
        "home/config.toml",
        &format!(
            "modle = 'x'\n[history]\nsize = 1\n[model_providers.p]\nname = 'p'\nurl = 'x'\n{}",
            trusted(&home.path("").components().collect::<PathBuf>())
        ),
    );
    home.write(".codex/config.toml", "model_provider = 'p'\n");
    let told: Vec<_> = home
        .loader()
        .warnings(None)
        .into_iter()
        .map(|warning| home.hide(&format!("{} {:?}", warning.summary, warning.details)))
        .collect();
    expect_test::expect![[r#"
        [
            "$T/.codex/config.toml may not set model_provider; set it in your own config file instead. None",
            "Unknown configuration settings are ignored: 3. Check their spelling. Some(\"`history.size` in $T/home/config.toml; `model_providers.p.url` in $T/home/config.toml; `modle` in $T/home/config.toml\")",
        ]
    "#]].assert_debug_eq(&told);
}

#[test]
fn an_untrusted_project_is_told_once() {
    let home = TestHome::new();
    home.repository(".");
    home.write(".codex/config.toml", "");
    let warnings = home.loader().warnings(None);
    assert_eq!(warnings.len(), 1);
    assert!(
        warnings[0].summary.contains("is not a trusted project"),
        "{}",
        warnings[0].summary
    );
}

#[test]
fn an_unchanged_configuration_loads_without_reading_again() {
    let home = TestHome::new();
    home.write("home/config.toml", "model = 'm'");
    let loader = home.loader();
    let first = loader.load(None, &no_request()).expect("it loads");
    let again = loader.load(None, &no_request()).expect("it loads");
    let user = |config: &Config| std::ptr::from_ref(config.layers[1].table());
    assert_eq!(user(&first), user(&again));
}
