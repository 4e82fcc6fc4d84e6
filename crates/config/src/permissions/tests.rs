use super::*;

fn environment() -> Environment {
    Environment {
        vars: [].into(),
        home_dir: Some(PathBuf::from("/home/ada")),
        current_dir: PathBuf::from("/"),
    }
}

fn resolve(id: &str, text: &str) -> Result<Access, String> {
    let config = toml::from_str(text).expect("the test's TOML has the right types");
    let write = SandboxWorkspaceWrite::default();
    access(id, &config, &write, &environment()).map_err(|error| error.to_string())
}

fn mode(id: &str, text: &str) -> Result<SandboxMode, String> {
    resolve(id, text).map(|access| access.mode)
}

/// The rules of the profile `c`, shortly.
fn shown(text: &str) -> Vec<String> {
    let access = resolve("c", text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let files = access.profile.and_then(|profile| profile.files);
    let rules = files.expect("a configured profile has rules").rules;
    let shown = |rule: FileRule| format!("{:?} {:?}", rule.access, rule.place);
    rules.into_iter().map(shown).collect()
}

#[test]
fn built_in_profiles_are_the_sandbox_modes() {
    assert_eq!(mode(":read-only", ""), Ok(SandboxMode::ReadOnly));
    assert_eq!(mode(":workspace", ""), Ok(SandboxMode::WorkspaceWrite));
    assert_eq!(
        mode(":danger-full-access", ""),
        Ok(SandboxMode::DangerFullAccess)
    );
}

#[test]
fn a_profile_becomes_rules_and_the_nearest_mode() {
    let text = "[permissions.c]\nextends = ':workspace'\nnetwork.enabled = true\n\
                [permissions.c.filesystem]\n'/data/**' = 'write'\n'/etc/x' = 'none'\n'~/y' = 'write'\n\
                [permissions.c.filesystem.':project_roots']\n'docs' = 'read'\n'**/*.env' = 'deny'\n\
                [permissions.c.workspace_roots]\n'/more' = true\n'/not' = false";
    assert_eq!(
        shown(text),
        [
            "Read Root",
            "Write Workspace(\"\")",
            "Read Workspace(\"docs\")",
            "Deny WorkspaceGlob(\"**/*.env\")",
            "Write Tmpdir",
            "Write SlashTmp",
            "Write Path(\"/data\")",
            "Deny Path(\"/etc/x\")",
            "Write Path(\"/home/ada/y\")",
        ]
    );
    let access = resolve("c", text).expect("it is right");
    assert_eq!(access.mode, SandboxMode::WorkspaceWrite);
    let write = access.write;
    assert_eq!(
        write.writable_roots,
        ["/more", "/data", "/home/ada/y"].map(PathBuf::from)
    );
    assert!(write.network_access && !write.exclude_slash_tmp);
    let profile = access.profile.expect("a profile");
    assert_eq!(profile.extends.as_deref(), Some(":workspace"));
    let files = profile.files.expect("rules");
    assert_eq!(files.workspace_roots, [PathBuf::from("/more")]);
}

#[test]
fn what_a_profile_says_comes_over_what_it_builds_on() {
    let text = "[permissions.c]\nextends = 'd'\n[permissions.c.filesystem]\n'/a' = 'read'\n\
                glob_scan_max_depth = 3\n\
                [permissions.d]\nextends = ':read-only'\n[permissions.d.filesystem]\n\
                '/a' = 'deny'\n'/b/[a-c]?' = 'deny'";
    assert_eq!(
        shown(text),
        ["Read Root", "Read Path(\"/a\")", "Deny Glob(\"/b/[a-c]?\")"]
    );
    assert_eq!(mode("c", text), Ok(SandboxMode::ReadOnly));
}

#[test]
fn what_is_not_given_is_not_there() {
    assert_eq!(shown("[permissions.c]\ndescription = 'x'"), [""; 0]);
    let text = "[permissions.c.filesystem]\n':minimal' = 'read'\n':later' = 'write'\n'/' = 'write'";
    assert_eq!(shown(text), ["Write Root", "Read Minimal"]);
    // Everything may be written, and still there is a sandbox around it.
    assert_eq!(mode("c", text), Ok(SandboxMode::WorkspaceWrite));
}

#[test]
fn what_makes_no_sense_is_refused_with_the_reason() {
    let fs = |rest: &str| format!("[permissions.c.filesystem]\n{rest}");
    for (text, expected) in [
        (
            fs("'src' = 'write'"),
            "filesystem path `src` must be absolute, use `~/...`, or start with `:`",
        ),
        (
            fs("'/a/*.env' = 'write'"),
            "filesystem glob path `/a/*.env` only supports `deny` access; use an exact path or \
             trailing `/**` for `write` subtree access",
        ),
        (
            fs("':workspace_roots' = {'../x' = 'write'}"),
            "filesystem subpath `../x` must be a descendant path without `.` or `..` components",
        ),
        (
            fs("':tmpdir' = {'x' = 'deny'}"),
            "filesystem path `:tmpdir` does not support nested entries",
        ),
        (
            fs("'/a' = 'all'"),
            "filesystem path `/a` must be given `read`, `write` or `deny`",
        ),
        (
            fs("':later' = 'deny'"),
            "filesystem path `:later` is not known, so it cannot be denied",
        ),
        (
            fs("glob_scan_max_depth = 0"),
            "glob_scan_max_depth must be at least 1",
        ),
        (
            "[permissions.c]\nextends = 'other'".to_owned(),
            "permissions profile `c` extends undefined profile `other`",
        ),
        (
            "[permissions.c]\nextends = 'd'\n[permissions.d]\nextends = 'c'".to_owned(),
            "permissions profile inheritance cycle detected: c -> d -> c",
        ),
        (
            "[permissions.c]\nextends = ':danger-full-access'".to_owned(),
            "permissions profile `c` cannot extend unsupported built-in profile \
             `:danger-full-access`",
        ),
        (
            "[permissions.c]\n[permissions.':d']".to_owned(),
            "permissions profile `:d` uses a reserved built-in profile prefix",
        ),
        (
            "[permissions.c.network]\nenabled = true\ndomains = {'example.com' = 'allow'}"
                .to_owned(),
            "permissions profile `c` is not supported: it has rules for single domains \
             (`network.domains`), which loomd cannot enforce; it can only let everything through \
             or nothing",
        ),
    ] {
        assert_eq!(mode("c", &text), Err(expected.to_owned()), "{text}");
    }
    for (id, expected) in [
        (
            ":x",
            "default_permissions refers to unknown built-in profile `:x`",
        ),
        (
            "nope",
            "default_permissions requires a `[permissions]` table",
        ),
    ] {
        assert_eq!(mode(id, ""), Err(expected.to_owned()));
    }
    // Without a network there is nothing to tell apart in it.
    let off = "[permissions.c.network]\ndomains = {'example.com' = 'allow'}";
    assert_eq!(mode("c", off), Ok(SandboxMode::ReadOnly));
}
