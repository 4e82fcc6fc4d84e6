use super::*;
use crate::command::CommandLine;
use crate::reader::render_allow;
use crate::rules::Ruling;

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn store(&self) -> RuleStore {
        RuleStore::new(self.0.path())
    }
}

fn words(line: &str) -> Vec<String> {
    shlex::split(line).expect("well formed")
}

fn judged(rules: &Rules, line: &str) -> &'static str {
    match rules.judge(&CommandLine::new(&words(line))).ruling {
        Ruling::Forbidden(_) => "forbidden",
        Ruling::Prompt(_) => "prompt",
        Ruling::Allowed => "allowed",
        Ruling::Open => "open",
    }
}

const NO: &str = "prefix_rule(pattern=['no'], decision='forbidden')\n";

#[test]
fn reads_the_rules_files_of_the_home_and_of_projects() {
    let home = Home::new();
    let store = home.store();
    assert_eq!(
        judged(&store.rules(&[]), "no"),
        "open",
        "there is no folder"
    );
    home.write("rules/b.rules", NO);
    home.write("rules/.hidden.rules", &NO.replace("no", "hidden"));
    for name in [
        "c.rule",
        "C.RULES",
        "sub/d.rules",
        "e.rules/f.rules",
        "g.rules~",
    ] {
        home.write(&format!("rules/{name}"), &NO.replace("no", "other"));
    }
    home.write("project/.codex/rules/p.rules", &NO.replace("no", "there"));
    let project = home.0.path().join("project/.codex");
    let rules = store.rules(std::slice::from_ref(&project));
    assert!(rules.errors().is_empty());
    for (line, expected) in [
        ("no", "forbidden"),
        ("hidden", "forbidden"),
        ("there", "forbidden"),
        ("other", "open"),
    ] {
        assert_eq!(judged(&rules, line), expected, "{line}");
    }
    assert_eq!(judged(&store.rules(&[]), "there"), "open");
}

#[test]
fn a_snapshot_is_shared_until_a_file_changes() {
    let home = Home::new();
    let store = home.store();
    let path = home.write("rules/a.rules", NO);
    let first = store.rules(&[]);
    assert!(Arc::ptr_eq(&first, &store.rules(&[])));

    fs::write(&path, NO.replace("no", "now")).unwrap();
    assert_eq!(judged(&store.rules(&[]), "now"), "forbidden");
    home.write("rules/b.rules", &NO.replace("no", "more"));
    assert_eq!(judged(&store.rules(&[]), "more"), "forbidden");
    fs::remove_file(&path).unwrap();
    assert_eq!(judged(&store.rules(&[]), "now"), "open");
    assert_eq!(
        judged(&first, "no"),
        "forbidden",
        "a snapshot stays as it is"
    );
}

#[test]
fn what_cannot_be_read_allows_nothing() {
    let home = Home::new();
    home.write(
        "rules/a.rules",
        &format!("{NO}prefix_rule(pattern=['touch'])"),
    );
    let store = home.store();
    assert_eq!(judged(&store.rules(&[]), "touch a"), "allowed");
    let bad = home.0.path().join("rules/bad.rules");
    let too_long = TEXT_BYTES_MAX as usize + 1;
    for bytes in [b"\xff".to_vec(), b"(".to_vec(), vec![b'\n'; too_long]] {
        fs::write(&bad, bytes).unwrap();
        let rules = store.rules(&[]);
        assert_eq!(rules.errors().len(), 1);
        assert_eq!(rules.errors()[0].path, bad);
        assert_eq!(judged(&rules, "touch a"), "open");
        assert_eq!(judged(&rules, "no"), "forbidden");
    }
    fs::remove_file(&bad).unwrap();
    assert_eq!(judged(&store.rules(&[]), "touch a"), "allowed");
}

#[cfg(unix)]
#[test]
fn a_link_to_nowhere_and_a_pipe_allow_nothing() {
    let home = Home::new();
    home.write("rules/a.rules", "prefix_rule(pattern=['touch'])");
    let link = home.0.path().join("rules/link.rules");
    std::os::unix::fs::symlink("nowhere", &link).unwrap();
    assert_eq!(judged(&home.store().rules(&[]), "touch a"), "open");
    fs::remove_file(&link).unwrap();
    let socket = std::os::unix::net::UnixListener::bind(&link).unwrap();
    assert_eq!(judged(&home.store().rules(&[]), "touch a"), "open");
    drop(socket);
}

#[test]
fn an_amendment_counts_at_once_and_is_written_once() {
    let home = Home::new();
    let store = home.store();
    assert_eq!(judged(&store.rules(&[]), "touch a"), "open");
    assert_eq!(store.allow(&words("touch")).unwrap(), Amended::Added);
    assert_eq!(judged(&store.rules(&[]), "touch a"), "allowed");
    assert_eq!(store.allow(&words("touch")).unwrap(), Amended::AlreadyThere);
    assert_eq!(
        fs::read_to_string(store.default_file()).unwrap(),
        "prefix_rule(pattern=[\"touch\"], decision=\"allow\")\n"
    );
}

#[test]
fn an_amendment_keeps_what_is_there() {
    let home = Home::new();
    let store = home.store();
    let path = home.write("rules/default.rules", "# mine, without a line end");
    store.allow(&words("touch 'a b'")).unwrap();
    store.allow(&words("mkdir")).unwrap();
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        "# mine, without a line end\n\
         prefix_rule(pattern=[\"touch\", \"a b\"], decision=\"allow\")\n\
         prefix_rule(pattern=[\"mkdir\"], decision=\"allow\")\n"
    );
}

#[test]
fn an_amendment_that_could_not_count_is_refused() {
    let home = Home::new();
    let store = home.store();
    assert!(matches!(store.allow(&[]), Err(AmendError::Empty)));
    let path = home.write("rules/default.rules", "prefix_rule(\n");
    let refused = store.allow(&words("touch")).unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!(
            "the rules file has a fault that must be mended first: {}:2:1: expected a string or \
             a list, found the end of the file",
            path.display()
        )
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), "prefix_rule(\n");
    fs::write(&path, "\n".repeat(TEXT_BYTES_MAX as usize)).unwrap();
    assert!(matches!(
        store.allow(&words("touch")),
        Err(AmendError::Full)
    ));
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(matches!(
        store.allow(&words("touch")),
        Err(AmendError::Io(_))
    ));
}

#[test]
fn amendments_at_the_same_time_are_all_kept() {
    const EACH: usize = 25;
    let home = Home::new();
    let path = home.write("rules/default.rules", "# first");
    std::thread::scope(|scope| {
        for writer in 0..4 {
            // A store each, as processes have.
            let store = home.store();
            scope.spawn(move || {
                for number in 0..EACH {
                    store
                        .allow(&[format!("w{writer}"), number.to_string()])
                        .unwrap();
                    store.allow(&words("shared")).unwrap();
                }
            });
        }
    });
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 1 + 4 * EACH + 1);
    for writer in 0..4 {
        for number in 0..EACH {
            let line = render_allow(&[format!("w{writer}"), number.to_string()]);
            assert!(lines.contains(&line.as_str()));
        }
    }
    assert!(home.store().rules(&[]).errors().is_empty());
}
