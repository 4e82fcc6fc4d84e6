use std::path::Path;

use expect_test::{Expect, expect};
use serde_json::{Value as Json, json};
use toml::Value;

use super::{Edit, MergeStrategy, WriteError, WriteOutcome, WriteStatus};
use crate::test_home::{TestHome, no_request};
use crate::words::TrustLevel;

const START: &str = "# top\nmodel = \"m\"\n# keep me\nmodel_verbosity = \"low\"   # trailing\n\n[history] # h\n\
                     persistence = \"none\"\n# inside\n[mcp_servers.a]\ncommand = \"x\"\nargs = [\"1\", \"2\"]\n";

fn edit(key_path: &str, value: Json, merge_strategy: MergeStrategy) -> Edit {
    Edit {
        key_path: key_path.to_owned(),
        value,
        merge_strategy,
    }
}

fn set(key_path: &str, value: Json) -> Edit {
    edit(key_path, value, MergeStrategy::Replace)
}

fn write(home: &TestHome, edits: &[Edit]) -> Result<WriteOutcome, WriteError> {
    home.loader().batch_write(edits, None, None)
}

/// Applies `edits` to [`START`] and compares the whole file.
fn check(edits: &[Edit], expected: &Expect) {
    let home = TestHome::new();
    home.write("home/config.toml", START);
    write(&home, edits).expect("the test's edits are fine");
    expected.assert_eq(&home.read("home/config.toml"));
}

/// The text of the refusal; the file must be as it was.
fn refused(edits: &[Edit]) -> String {
    let home = TestHome::new();
    home.write("home/config.toml", START);
    let error = write(&home, edits).expect_err("the test's edits are wrong");
    assert_eq!(home.read("home/config.toml"), START);
    assert_eq!(error.code(), Some("configValidationError"));
    error.to_string()
}

#[test]
fn a_changed_value_keeps_comments_and_order() {
    check(
        &[set("model_verbosity", json!("high"))],
        &expect![[r##"
        # top
        model = "m"
        # keep me
        model_verbosity = "high"   # trailing

        [history] # h
        persistence = "none"
        # inside
        [mcp_servers.a]
        command = "x"
        args = ["1", "2"]
    "##]],
    );
}

#[test]
fn null_removes_a_key_and_a_missing_one_is_fine() {
    check(
        &[
            set("model_verbosity", Json::Null),
            set("nothing.there", Json::Null),
            set("model.x", Json::Null),
        ],
        &expect![[r##"
            # top
            model = "m"

            [history] # h
            persistence = "none"
            # inside
            [mcp_servers.a]
            command = "x"
            args = ["1", "2"]
        "##]],
    );
}

#[test]
fn new_values_go_before_the_tables_and_new_tables_behind() {
    check(
        &[
            set("service_tier", json!("flex")),
            set(
                "a.b",
                json!({"x": 1, "y": [1, {"z": true}], "t": {"u": 1.0}}),
            ),
            set("projects.\"/tmp/x.y\".trust_level", json!("trusted")),
        ],
        &expect![[r##"
            # top
            model = "m"
            # keep me
            model_verbosity = "low"   # trailing
            service_tier = "flex"

            [history] # h
            persistence = "none"
            # inside
            [mcp_servers.a]
            command = "x"
            args = ["1", "2"]

            [a.b]
            x = 1
            y = [1, { z = true }]

            [a.b.t]
            u = 1.0

            [projects."/tmp/x.y"]
            trust_level = "trusted"
        "##]],
    );
}

#[test]
fn an_object_replaces_or_joins_what_is_there() {
    let args = json!({"args": ["9"]});
    check(
        &[edit("mcp_servers.a", args, MergeStrategy::Upsert)],
        &expect![[r##"
            # top
            model = "m"
            # keep me
            model_verbosity = "low"   # trailing

            [history] # h
            persistence = "none"
            # inside
            [mcp_servers.a]
            command = "x"
            args = ["9"]
        "##]],
    );
    let command = json!({"command": "z"});
    check(
        &[edit("mcp_servers.a", command, MergeStrategy::Replace)],
        &expect![[r##"
            # top
            model = "m"
            # keep me
            model_verbosity = "low"   # trailing

            [history] # h
            persistence = "none"
            # inside
            [mcp_servers.a]
            command = "z"
        "##]],
    );
}

#[test]
fn tables_written_on_one_line_stay_there() {
    let home = TestHome::new();
    home.write("home/config.toml", "t = { a = 1, b = { c = 2 } } # t\n");
    write(
        &home,
        &[
            set("t.a", json!({"x": 1})),
            set("t.b.c", json!("s")),
            set("t.n.m", json!([1])),
        ],
    )
    .expect("the test's edits are fine");
    expect![[r#"
        t = { a = { x = 1 }, b = { c = "s" } , n = { m = [1] } } # t
    "#]]
    .assert_eq(&home.read("home/config.toml"));
}

#[test]
fn a_value_and_a_table_can_take_each_others_place() {
    let home = TestHome::new();
    home.write("home/config.toml", "x = 1\n[y]\na = 1\n");
    write(&home, &[set("x", json!({"a": 1})), set("y", json!(2))]).expect("the edits are fine");
    let table: toml::Table = home.read("home/config.toml").parse().expect("it is TOML");
    assert_eq!(table, "x.a = 1\ny = 2".parse().expect("it is TOML"));
}

#[test]
fn wrong_edits_are_refused_with_the_reason() {
    assert_eq!(refused(&[set("", json!(1))]), "keyPath must not be empty");
    assert_eq!(
        refused(&[set("a..b", json!(1))]),
        "keyPath segments must not be empty"
    );
    assert_eq!(
        refused(&[set("model.x", json!(1))]),
        "cannot set value on non-table parent"
    );
    assert_eq!(
        refused(&[set("a", json!({"n": null}))]),
        "invalid value: invalid type: null, expected any valid TOML value"
    );
    assert_eq!(
        refused(&[set("a", json!(u64::MAX))]),
        "invalid value: u64 value was too large"
    );
    assert_eq!(
        refused(&[set("model_context_window", json!("big"))]),
        "Invalid configuration: invalid type: string \"big\", expected i64\nin `model_context_window`\n"
    );
    assert!(refused(&[set("model_providers.openai", json!({"name": "x"}))]).contains("`openai`"));
}

#[test]
fn a_batch_is_all_or_nothing() {
    let edits = [
        set("model", json!("new")),
        set("model_verbosity", json!("zz")),
    ];
    assert!(refused(&edits).starts_with("Invalid configuration: unknown variant `zz`"));
}

#[test]
fn only_the_users_file_can_be_written() {
    let home = TestHome::new();
    let loader = home.loader();
    for path in ["/etc/codex/config.toml", "config.toml"] {
        let error = loader
            .write_value(set("model", json!("m")), Some(Path::new(path)), None)
            .expect_err("it is not the user's file");
        assert_eq!(error.code(), Some("configLayerReadonly"));
    }
    let user = loader.user_file();
    let outcome = loader
        .write_value(set("model", json!("m")), Some(&user), None)
        .expect("it is the user's file");
    assert_eq!(outcome.file_path, user);
    assert_eq!(home.read("home/config.toml"), "model = \"m\"\n");
}

#[test]
fn a_version_guards_against_lost_changes() {
    let home = TestHome::new();
    home.write("home/config.toml", START);
    let loader = home.loader();
    let now = loader
        .batch_write(&[], None, None)
        .expect("nothing to do")
        .version;
    let next = loader
        .write_value(set("model", json!("a")), None, Some(&now))
        .expect("the version is right");
    assert_ne!(next.version, now);
    let error = loader
        .write_value(set("model", json!("b")), None, Some(&now))
        .expect_err("the version is old");
    assert_eq!(error.code(), Some("configVersionConflict"));
    let again = loader.batch_write(&[], None, Some(&next.version));
    assert_eq!(again.expect("nothing to do").version, next.version);
}

#[test]
fn a_value_without_effect_says_which_layer_wins() {
    let home = TestHome::new();
    let loader = home.loader_with(&[("model", Value::from("line"))]);
    let outcome = loader
        .batch_write(
            &[set("review_model", json!("r")), set("model", json!("file"))],
            None,
            None,
        )
        .expect("the edits are fine");
    assert_eq!(outcome.status, WriteStatus::OkOverridden);
    let json = serde_json::to_value(&outcome).expect("it serialises");
    let overridden = &json["overriddenMetadata"];
    assert_eq!(overridden["message"], "Overridden by session flags");
    assert_eq!(overridden["effectiveValue"], "line");
    assert_eq!(
        overridden["overridingLayer"]["name"],
        json!({"type": "sessionFlags"})
    );
    let same = loader.write_value(set("model", json!("line")), None, None);
    assert_eq!(same.expect("the edit is fine").status, WriteStatus::Ok);
}

#[test]
fn a_broken_file_is_not_touched() {
    let home = TestHome::new();
    home.write("home/config.toml", "model = = 3");
    let error = write(&home, &[set("model", json!("m"))]).expect_err("it is broken");
    assert_eq!(error.code(), None);
    assert!(
        home.hide(&error.to_string())
            .starts_with("failed to load configuration: $T/home/config.toml:1:9: "),
        "{error}"
    );
    assert_eq!(home.read("home/config.toml"), "model = = 3");
}

#[test]
fn trust_is_written_once_for_the_repository() {
    let home = TestHome::new();
    let project = home.repository("p");
    home.write(
        "home/config.toml",
        "# mine\nprojects.'/x'.trust_level = 'trusted'\n",
    );
    home.write("p/.codex/config.toml", "model = 'project'");
    let loader = home.loader();
    let cwd = home.folder("p/sub");
    let model = || {
        let config = loader.load(Some(&cwd), &no_request()).expect("it loads");
        config.model.clone()
    };
    assert_eq!(model(), None);
    assert!(loader.mark_trusted(&cwd).expect("it can be written"));
    assert_eq!(model().as_deref(), Some("project"));
    let trust = loader.project_trust(&cwd).expect("it can be read");
    assert_eq!(
        (trust.folder, trust.level),
        (project, Some(TrustLevel::Trusted))
    );
    assert!(!loader.mark_trusted(&cwd).expect("nothing to write"));
    let text = home.hide(&home.read("home/config.toml"));
    assert!(
        text.starts_with("# mine\n") && text.contains("$T/p"),
        "{text}"
    );
}

#[test]
fn an_untrusted_project_stays_untrusted() {
    let home = TestHome::new();
    let project = home.repository("p");
    let text = format!(
        "[projects.'{}']\ntrust_level = 'untrusted'\n",
        project.display()
    );
    home.write("home/config.toml", &text);
    assert!(
        !home
            .loader()
            .mark_trusted(&project)
            .expect("nothing to write")
    );
    assert_eq!(home.read("home/config.toml"), text);
}
