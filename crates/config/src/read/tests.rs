use serde_json::{Value as Json, json};
use toml::Value;

use crate::error::ReadError;
use crate::keys::KEYS;
use crate::test_home::TestHome;

fn read(home: &TestHome, layers: bool) -> Json {
    let read = home.loader().read(None, layers).expect("it can be read");
    serde_json::to_value(read).expect("it serialises")
}

#[test]
fn every_known_key_is_there_in_order_and_null_when_unset() {
    let answer = read(&TestHome::new(), false);
    let config = answer["config"].as_object().expect("an object");
    assert_eq!(
        config.keys().collect::<Vec<_>>(),
        KEYS.iter().collect::<Vec<_>>()
    );
    assert_eq!(config["model"], Json::Null);
    assert_eq!(config["project_root_markers"], json!([".git"]));
    assert_eq!(config["background_terminal_max_timeout"], json!(300_000));
    assert_eq!(
        config["history"],
        json!({"persistence": "save-all", "max_bytes": null})
    );
    assert_eq!(answer["origins"], json!({}));
    assert_eq!(answer["layers"], Json::Null);
}

#[test]
fn set_sections_get_their_unset_keys() {
    let home = TestHome::new();
    home.write(
        "home/config.toml",
        "[sandbox_workspace_write]\nnetwork_access = true\n[mcp_servers.s]\ncommand = 'c'\n\
         [model_providers.p]\nname = 'P'\n[shell_environment_policy]\nexclude = ['A*']",
    );
    let config = &read(&home, false)["config"];
    assert_eq!(
        config["sandbox_workspace_write"],
        json!({"writable_roots": [], "network_access": true, "exclude_tmpdir_env_var": false, "exclude_slash_tmp": false})
    );
    assert_eq!(
        config["mcp_servers"]["s"],
        json!({"environment_id": "local", "enabled": true, "tool_timeout_sec": null, "command": "c"})
    );
    assert_eq!(config["model_providers"]["p"]["wire_api"], "responses");
    assert_eq!(config["model_providers"]["p"]["base_url"], Json::Null);
    assert_eq!(config["shell_environment_policy"]["exclude"], json!(["A*"]));
    assert_eq!(config["shell_environment_policy"]["inherit"], Json::Null);
}

#[test]
fn layers_have_names_versions_and_contents_uppermost_first() {
    let home = TestHome::new();
    let user = home.write("home/config.toml", "model = 'm'\nunknown = 1");
    let read = home
        .loader_with(&[("model", Value::from("line"))])
        .read(None, true)
        .expect("it can be read");
    let layers = serde_json::to_value(&read.layers).expect("it serialises");
    assert_eq!(layers[0]["name"], json!({"type": "sessionFlags"}));
    assert_eq!(
        layers[1],
        json!({
            "name": {"type": "user", "file": user, "profile": null},
            "version": "sha256:f2fc8b26e0dde4f193bee37cb420873f71a331ea5f8e3f6e64b570e51e82f016",
            "config": {"model": "m", "unknown": 1},
        })
    );
    assert_eq!(
        layers[2],
        json!({
            "name": {"type": "system", "file": home.path("etc/config.toml")},
            "version": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
            "config": {},
        })
    );
    assert_eq!(read.config["model"], "line");
    assert_eq!(
        read.origins["model"]["name"],
        json!({"type": "sessionFlags"})
    );
    assert_eq!(read.origins["unknown"]["name"]["type"], "user");
    assert_eq!(read.config.get("unknown"), None);
}

#[test]
fn origins_name_leaves_and_array_items() {
    let home = TestHome::new();
    home.write(
        "etc/config.toml",
        "notify = ['x', 'y', 'z']\nhistory.max_bytes = 3",
    );
    home.write(
        "home/config.toml",
        "notify = ['a', 'b']\n[history]\npersistence = 'none'\n[memories]\n",
    );
    let origins = &read(&home, false)["origins"];
    let kinds: Vec<_> = origins
        .as_object()
        .expect("an object")
        .iter()
        .map(|(key, origin)| {
            (
                key.as_str(),
                origin["name"]["type"].as_str().expect("a word"),
            )
        })
        .collect();
    assert_eq!(
        kinds,
        [
            ("history.max_bytes", "system"),
            ("history.persistence", "user"),
            ("notify.0", "user"),
            ("notify.1", "user"),
        ]
    );
}

#[test]
fn a_project_layer_that_is_not_trusted_shows_but_does_not_count() {
    let home = TestHome::new();
    let project = home.repository("p");
    home.write("p/.codex/config.toml", "model = 'evil'\nnotify = ['x']");
    home.folder("p/sub/.codex");
    let read = home
        .loader()
        .read(Some(&project.join("sub")), true)
        .expect("it can be read");
    assert_eq!(read.config["model"], Json::Null);
    let layers = serde_json::to_value(&read.layers).expect("it serialises");
    assert_eq!(layers[0]["config"], json!({}));
    assert_eq!(
        layers[1]["name"],
        json!({"type": "project", "dotCodexFolder": project.join(".codex")})
    );
    assert_eq!(layers[1]["config"], json!({"model": "evil"}));
    let reason = layers[1]["disabledReason"].as_str().expect("a reason");
    assert!(reason.contains(project.to_str().expect("text")), "{reason}");
}

#[test]
fn a_broken_file_and_a_wrong_type_are_told_apart() {
    let home = TestHome::new();
    home.write("home/config.toml", "model = = 3");
    let error = home.loader().read(None, false).expect_err("it is broken");
    assert!(matches!(error, ReadError::Layers(_)));
    assert!(
        home.hide(&error.to_string())
            .starts_with("failed to read configuration layers: $T/home/config.toml:1:9: "),
        "{error}"
    );
    home.write("home/config.toml", "model_context_window = 'big'");
    let error = home.loader().read(None, false).expect_err("it is wrong");
    assert_eq!(
        error.to_string(),
        "invalid configuration: invalid type: string \"big\", expected i64\nin `model_context_window`\n"
    );
}

#[test]
fn an_unknown_provider_can_still_be_read_and_mended() {
    let home = TestHome::new();
    home.write("home/config.toml", "model_provider = 'nope'");
    assert_eq!(read(&home, false)["config"]["model_provider"], "nope");
}

#[test]
fn the_old_approval_word_is_shown_as_the_one_that_took_its_place() {
    let home = TestHome::new();
    home.write("home/config.toml", "approval_policy = 'on-failure'");
    assert_eq!(
        read(&home, false)["config"]["approval_policy"],
        "on-request"
    );
}
