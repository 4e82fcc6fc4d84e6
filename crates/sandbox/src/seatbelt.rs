//! macOS: the system's own sandbox, which is told a policy text and then becomes the
//! program. Compiled everywhere, so that the text is tested everywhere; used there only.

#![cfg_attr(
    not(target_os = "macos"),
    allow(dead_code, reason = "used on macOS only")
)]

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use crate::backend::{Backend, Confined, Error, Guard, Job, What};
use crate::policy::{Decision, PROTECTED, Policy, RootKind};

/// The program, by its full path, so that no other of that name is taken.
const PROGRAM: &str = "/usr/bin/sandbox-exec";

/// Confines by `sandbox-exec`.
pub(crate) struct Seatbelt;

impl Backend for Seatbelt {
    fn command(&self, policy: &Policy, job: &Job<'_>) -> Result<Confined, Error> {
        let What::Program(argv) = job.what else {
            return Err(Error::Unavailable(
                "functions of the server cannot be confined on this system".to_owned(),
            ));
        };
        let mut command = Command::new(PROGRAM);
        command
            .arg("-p")
            .arg(text(policy))
            .args(argv)
            .current_dir(job.folder);
        Ok(Confined {
            command,
            guard: Guard::default(),
            status: None,
        })
    }
}

/// The policy as the system's sandbox reads it. The last rule that fits decides.
fn text(policy: &Policy) -> String {
    let mut text = String::from(
        "(version 1)\n(allow default)\n(deny file-write*)\n\
         (allow file-write* (literal \"/dev/null\") (literal \"/dev/zero\") (literal \"/dev/tty\"))\n\
         (allow file-ioctl (literal \"/dev/tty\"))\n",
    );
    for (path, decision) in policy.resolved().outermost_first() {
        match decision {
            Decision::Write(kind) => {
                rule(&mut text, "allow file-read* file-write*", "subpath", path);
                protect(&mut text, kind, path);
            }
            Decision::Read => {
                rule(&mut text, "allow file-read*", "subpath", path);
                rule(&mut text, "deny file-write*", "subpath", path);
            }
            Decision::Hide => rule(&mut text, "deny file-read* file-write*", "subpath", path),
        }
    }
    // A second name of a file could not be told from the first one.
    text.push_str("(deny file-link)\n");
    if !policy.network {
        text.push_str("(deny network*)\n(deny system-socket)\n");
    }
    text
}

/// Denies writing what is protected by its name in a root.
fn protect(text: &mut String, kind: RootKind, root: &Path) {
    if kind == RootKind::Open {
        return;
    }
    for name in PROTECTED {
        rule(text, "deny file-write*", "subpath", &root.join(name));
    }
    if kind == RootKind::Workspace {
        let names = PROTECTED.map(|name| name.replace('.', "\\.")).join("|");
        let top = pattern(&root.display().to_string());
        // Infallible for a string.
        let _ = writeln!(
            text,
            "(deny file-write* (regex #\"^{top}/(.*/)?({names})(/|$)\"))"
        );
    }
}

fn rule(text: &mut String, what: &str, how: &str, path: &Path) {
    // Infallible for a string.
    let _ = writeln!(
        text,
        "({what} ({how} {}))",
        quoted(&path.display().to_string())
    );
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A path as a pattern. A letter that means something to patterns, or would end the text,
/// becomes one that fits any: better a rule that denies too much.
fn pattern(path: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/_-".contains(c);
    path.chars()
        .map(|c| if plain(c) { c } else { '.' })
        .collect()
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::policy::Root;

    #[test]
    fn the_text_allows_the_roots_and_nothing_protected() {
        let policy = Policy {
            writable: vec![
                Root::workspace("/none/my \"work\""),
                Root::temporary("/none/tmp"),
            ],
            read_only: vec!["/none/home".into()],
            hidden: vec!["/none/secret".into()],
            network: false,
        };
        expect![[r#"
            (version 1)
            (allow default)
            (deny file-write*)
            (allow file-write* (literal "/dev/null") (literal "/dev/zero") (literal "/dev/tty"))
            (allow file-ioctl (literal "/dev/tty"))
            (allow file-read* (subpath "/none/home"))
            (deny file-write* (subpath "/none/home"))
            (allow file-read* file-write* (subpath "/none/my \"work\""))
            (deny file-write* (subpath "/none/my \"work\"/.git"))
            (deny file-write* (subpath "/none/my \"work\"/.codex"))
            (deny file-write* (subpath "/none/my \"work\"/.agents"))
            (deny file-write* (subpath "/none/my \"work\"/.aws"))
            (deny file-write* (regex #"^/none/my..work./(.*/)?(\.git|\.codex|\.agents|\.aws)(/|$)"))
            (deny file-read* file-write* (subpath "/none/secret"))
            (allow file-read* file-write* (subpath "/none/tmp"))
            (deny file-write* (subpath "/none/tmp/.git"))
            (deny file-write* (subpath "/none/tmp/.codex"))
            (deny file-write* (subpath "/none/tmp/.agents"))
            (deny file-write* (subpath "/none/tmp/.aws"))
            (deny file-link)
            (deny network*)
            (deny system-socket)
        "#]]
        .assert_eq(&text(&policy));
    }

    #[test]
    fn read_only_with_network_allows_no_folder() {
        let policy = Policy {
            network: true,
            ..Policy::default()
        };
        let text = text(&policy);
        assert!(
            !text.contains("subpath") && !text.contains("network"),
            "{text}"
        );
    }
}
