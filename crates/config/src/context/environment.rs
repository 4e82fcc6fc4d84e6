//! The environment block: folder, shell, date, files.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::snapshot::SandboxWorkspaceWrite;
use crate::words::SandboxMode;

const TAG: &str = "environment_context";
/// Read-only at the top of each writable folder; what the sandbox protects.
pub const PROTECTED: [&str; 4] = [".git", ".agents", ".codex", ".aws"];

/// What the block tells. An absent part is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvironmentContext {
    /// The working folder, absolute.
    pub cwd: PathBuf,
    /// Name of the shell, such as `bash`.
    pub shell: String,
    /// Local date, `YYYY-MM-DD`.
    pub current_date: Option<String>,
    /// IANA name of the time zone.
    pub timezone: Option<String>,
    /// Which files may be written.
    pub filesystem: Option<Filesystem>,
}

/// Which files commands may read and write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filesystem {
    /// The folders the work is about.
    pub workspace_roots: Vec<PathBuf>,
    /// What the sandbox lets through; none without a sandbox.
    pub restricted: Option<Vec<(Access, FilePlace)>>,
}

/// What may be done with a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Read it.
    Read,
    /// Read and write it.
    Write,
    /// Nothing, not even outside of the sandbox.
    Deny,
}

/// A place in the file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilePlace {
    /// Everything.
    Root,
    /// The folders of the system.
    Minimal,
    /// `/tmp`.
    SlashTmp,
    /// The folder `$TMPDIR` names.
    Tmpdir,
    /// A file or folder and what is below.
    Path(PathBuf),
    /// What fits an absolute pattern.
    Glob(String),
}

/// The file rules of a sandbox mode for work in `workspace_roots`, of which the first
/// is the working folder.
#[must_use]
pub fn filesystem(
    mode: SandboxMode,
    write: &SandboxWorkspaceWrite,
    workspace_roots: &[PathBuf],
) -> Filesystem {
    let mut rules = vec![(Access::Read, FilePlace::Root)];
    match mode {
        SandboxMode::ReadOnly => {}
        SandboxMode::WorkspaceWrite => {
            let roots = workspace_roots.iter().chain(
                write
                    .writable_roots
                    .iter()
                    .filter(|root| !workspace_roots.contains(root)),
            );
            let place = |path: &Path| FilePlace::Path(path.to_owned());
            rules.extend(roots.clone().map(|root| (Access::Write, place(root))));
            if !write.exclude_slash_tmp {
                rules.push((Access::Write, FilePlace::SlashTmp));
            }
            if !write.exclude_tmpdir_env_var {
                rules.push((Access::Write, FilePlace::Tmpdir));
            }
            for root in roots {
                rules.extend(PROTECTED.map(|name| (Access::Read, place(&root.join(name)))));
            }
        }
        SandboxMode::DangerFullAccess => {
            return Filesystem {
                workspace_roots: workspace_roots.to_vec(),
                restricted: None,
            };
        }
    }
    Filesystem {
        workspace_roots: workspace_roots.to_vec(),
        restricted: Some(rules),
    }
}

/// The user message part about the environment, in its tag.
#[must_use]
pub fn environment_block(now: &EnvironmentContext) -> String {
    block(None, now).unwrap_or_default()
}

/// The same with only what differs from what the model was told `before`; none when
/// nothing does.
#[must_use]
pub fn environment_difference(
    before: &EnvironmentContext,
    now: &EnvironmentContext,
) -> Option<String> {
    block(Some(before), now)
}

fn block(before: Option<&EnvironmentContext>, now: &EnvironmentContext) -> Option<String> {
    let mut lines = String::new();
    let mut line = |tag: &str, value: Option<String>, old: Option<Option<String>>| {
        if old.as_ref() == Some(&value) {
            return;
        }
        if let Some(value) = value {
            let _ = writeln!(lines, "  <{tag}>{value}</{tag}>");
        }
    };
    let path = |context: &EnvironmentContext| Some(escape(&context.cwd.display().to_string()));
    let shell = |context: &EnvironmentContext| Some(escape(&context.shell));
    let date = |context: &EnvironmentContext| context.current_date.as_deref().map(escape);
    let zone = |context: &EnvironmentContext| context.timezone.as_deref().map(escape);
    let files = |context: &EnvironmentContext| context.filesystem.as_ref().map(files);
    line("cwd", path(now), before.map(path));
    line("shell", shell(now), before.map(shell));
    line("current_date", date(now), before.map(date));
    line("timezone", zone(now), before.map(zone));
    line("filesystem", files(now), before.map(files));
    (!lines.is_empty()).then(|| format!("<{TAG}>\n{lines}</{TAG}>"))
}

fn files(filesystem: &Filesystem) -> String {
    let mut text = "<workspace_roots>".to_owned();
    for root in &filesystem.workspace_roots {
        let _ = write!(text, "<root>{}</root>", escape(&root.display().to_string()));
    }
    text.push_str("</workspace_roots>");
    let Some(rules) = &filesystem.restricted else {
        text.push_str(
            "<permission_profile type=\"disabled\"><file_system type=\"unrestricted\" /></permission_profile>",
        );
        return text;
    };
    text.push_str("<permission_profile type=\"managed\"><file_system type=\"restricted\">");
    for (access, place) in rules {
        let access = match access {
            Access::Read => "\"read\"",
            Access::Write => "\"write\"",
            Access::Deny => "\"deny\" escalatable=\"false\"",
        };
        let place = match place {
            FilePlace::Root => "<special>:root</special>".to_owned(),
            FilePlace::Minimal => "<special>:minimal</special>".to_owned(),
            FilePlace::SlashTmp => "<special>:slash_tmp</special>".to_owned(),
            FilePlace::Tmpdir => "<special>:tmpdir</special>".to_owned(),
            FilePlace::Path(path) => {
                format!("<path>{}</path>", escape(&path.display().to_string()))
            }
            FilePlace::Glob(pattern) => format!("<glob>{}</glob>", escape(pattern)),
        };
        let _ = write!(text, "<entry access={access}>{place}</entry>");
    }
    text.push_str("</file_system></permission_profile>");
    text
}

/// A folder's name must not be able to close a tag.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\n' => out.push_str("&#10;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn context(mode: SandboxMode) -> EnvironmentContext {
        EnvironmentContext {
            cwd: PathBuf::from("/p"),
            shell: "bash".to_owned(),
            current_date: Some("2026-11-22".to_owned()),
            timezone: Some("Etc/UTC".to_owned()),
            filesystem: Some(filesystem(
                mode,
                &SandboxWorkspaceWrite::default(),
                &[PathBuf::from("/p")],
            )),
        }
    }

    #[test]
    fn the_first_block_tells_everything() {
        expect![[r#"
            <environment_context>
              <cwd>/p</cwd>
              <shell>bash</shell>
              <current_date>2026-11-22</current_date>
              <timezone>Etc/UTC</timezone>
              <filesystem><workspace_roots><root>/p</root></workspace_roots><permission_profile type="managed"><file_system type="restricted"><entry access="read"><special>:root</special></entry><entry access="write"><path>/p</path></entry><entry access="write"><special>:slash_tmp</special></entry><entry access="write"><special>:tmpdir</special></entry><entry access="read"><path>/p/.git</path></entry><entry access="read"><path>/p/.agents</path></entry><entry access="read"><path>/p/.codex</path></entry><entry access="read"><path>/p/.aws</path></entry></file_system></permission_profile></filesystem>
            </environment_context>"#]].assert_eq(&environment_block(&context(SandboxMode::WorkspaceWrite)));
        expect![[r#"
            <environment_context>
              <cwd>/p</cwd>
              <shell>bash</shell>
              <current_date>2026-11-22</current_date>
              <timezone>Etc/UTC</timezone>
              <filesystem><workspace_roots><root>/p</root></workspace_roots><permission_profile type="disabled"><file_system type="unrestricted" /></permission_profile></filesystem>
            </environment_context>"#]].assert_eq(&environment_block(&context(SandboxMode::DangerFullAccess)));
    }

    #[test]
    fn what_is_denied_is_told_as_final() {
        let hidden = EnvironmentContext {
            filesystem: Some(Filesystem {
                workspace_roots: vec![PathBuf::from("/p")],
                restricted: Some(vec![
                    (Access::Read, FilePlace::Minimal),
                    (Access::Deny, FilePlace::Glob("/p/*<.env".to_owned())),
                ]),
            }),
            ..context(SandboxMode::ReadOnly)
        };
        let block = environment_block(&hidden);
        let expected = "<entry access=\"read\"><special>:minimal</special></entry>\
                        <entry access=\"deny\" escalatable=\"false\"><glob>/p/*&lt;.env</glob></entry>";
        assert!(block.contains(expected), "{block}");
    }

    #[test]
    fn a_later_block_tells_only_what_changed() {
        let before = context(SandboxMode::DangerFullAccess);
        assert_eq!(environment_difference(&before, &before), None);
        let mut now = before.clone();
        now.current_date = Some("2026-11-23".to_owned());
        now.cwd = PathBuf::from("/q");
        assert_eq!(
            environment_difference(&before, &now).as_deref(),
            Some(
                "<environment_context>\n  <cwd>/q</cwd>\n  <current_date>2026-11-23</current_date>\n</environment_context>"
            )
        );
    }

    #[test]
    fn absent_parts_are_left_out() {
        let bare = EnvironmentContext {
            current_date: None,
            timezone: None,
            filesystem: None,
            ..context(SandboxMode::ReadOnly)
        };
        assert_eq!(
            environment_block(&bare),
            "<environment_context>\n  <cwd>/p</cwd>\n  <shell>bash</shell>\n</environment_context>"
        );
    }

    #[test]
    fn a_folder_name_cannot_close_the_tag() {
        let odd = EnvironmentContext {
            cwd: PathBuf::from("/a</cwd>\n<x>&"),
            ..context(SandboxMode::ReadOnly)
        };
        let block = environment_block(&odd);
        assert!(
            block.contains("  <cwd>/a&lt;/cwd&gt;&#10;&lt;x&gt;&amp;</cwd>\n"),
            "{block}"
        );
    }
}
