//! What a permission profile says about files, where that is more than a sandbox policy of
//! the protocol can say.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use loomd_protocol::{
    FileSystemAccessMode, FileSystemPath, FileSystemSandboxEntry, FileSystemSpecialPath,
    SandboxPolicy,
};
use serde::{Deserialize, Serialize};

/// The beginning of a pattern that is looked for in each workspace.
pub const WORKSPACE_GLOB: &str = ":workspace_roots/";

/// Rules about files, in the protocol's words. They take the place of what the sandbox
/// policy beside them says about files; the network stays with the policy.
///
/// The innermost rule decides about a path, and where several are for the same one a denial
/// comes before a permission to write, and that before one to read. What no rule is about
/// cannot be read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileRules {
    /// The rules. A pattern may begin with [`WORKSPACE_GLOB`].
    pub entries: Vec<FileSystemSandboxEntry>,
    /// Absolute folders that are workspaces beside the working folder.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub workspace_roots: Vec<PathBuf>,
    /// How many folders deep a pattern with `**` is looked for, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub glob_scan_max_depth: Option<usize>,
}

impl FileRules {
    /// What a sandbox policy says about files; `None` where it confines nothing.
    #[must_use]
    pub fn of_policy(policy: &SandboxPolicy) -> Option<Self> {
        let special = |value, access| FileSystemSandboxEntry {
            path: FileSystemPath::Special { value },
            access,
        };
        let mut entries = vec![special(
            FileSystemSpecialPath::Root,
            FileSystemAccessMode::Read,
        )];
        match policy {
            SandboxPolicy::DangerFullAccess | SandboxPolicy::ExternalSandbox { .. } => return None,
            SandboxPolicy::ReadOnly { .. } => {}
            SandboxPolicy::WorkspaceWrite {
                writable_roots,
                exclude_tmpdir_env_var,
                exclude_slash_tmp,
                network_access: _,
            } => {
                let workspace = FileSystemSpecialPath::ProjectRoots { subpath: None };
                entries.push(special(workspace, FileSystemAccessMode::Write));
                let temporary = [
                    (FileSystemSpecialPath::SlashTmp, exclude_slash_tmp),
                    (FileSystemSpecialPath::Tmpdir, exclude_tmpdir_env_var),
                ];
                let kept = temporary.into_iter().filter(|(_, excluded)| !**excluded);
                entries.extend(kept.map(|(place, _)| special(place, FileSystemAccessMode::Write)));
                entries.extend(writable_roots.iter().map(|root| FileSystemSandboxEntry {
                    path: FileSystemPath::Path {
                        path: root.as_str().to_owned(),
                    },
                    access: FileSystemAccessMode::Write,
                }));
            }
        }
        Some(Self {
            entries,
            ..Self::default()
        })
    }

    /// What stays when a client sets another policy: denials do, under everything that is a
    /// sandbox at all, as in the reference (seen on 0.169.0). `None` if there are none.
    #[must_use]
    pub fn denials_under(&self, policy: &SandboxPolicy) -> Option<Arc<Self>> {
        let denials = self.denials();
        let mut rules = Self::of_policy(policy).filter(|_| !denials.is_empty())?;
        rules.entries.extend(denials);
        rules.workspace_roots.clone_from(&self.workspace_roots);
        rules.glob_scan_max_depth = self.glob_scan_max_depth;
        Some(Arc::new(rules))
    }

    /// The rules that take something away.
    #[must_use]
    pub fn denials(&self) -> Vec<FileSystemSandboxEntry> {
        let all = self.entries.iter();
        all.filter(|entry| entry.access == FileSystemAccessMode::Deny)
            .cloned()
            .collect()
    }

    /// The workspaces of a thread that works in `folder`.
    pub fn workspaces<'a>(&'a self, folder: &'a Path) -> impl Iterator<Item = &'a Path> {
        let others = self.workspace_roots.iter().map(PathBuf::as_path);
        std::iter::once(folder).chain(others.filter(move |root| *root != folder))
    }

    /// The same rules without words for workspaces: each is said of the folders that they
    /// stand for when the thread works in `folder`.
    #[must_use]
    pub fn in_folder(&self, folder: &Path) -> Vec<FileSystemSandboxEntry> {
        let path = |path: PathBuf| FileSystemPath::Path {
            path: path.display().to_string(),
        };
        let mut entries = Vec::with_capacity(self.entries.len());
        for FileSystemSandboxEntry {
            path: place,
            access,
        } in &self.entries
        {
            let places: Vec<FileSystemPath> = match place {
                FileSystemPath::Special {
                    value: FileSystemSpecialPath::ProjectRoots { subpath },
                } => {
                    let below = subpath.as_deref().filter(|below| !below.is_empty());
                    self.workspaces(folder)
                        .map(|root| path(below.map_or(root.to_owned(), |below| root.join(below))))
                        .collect()
                }
                FileSystemPath::GlobPattern { pattern } => {
                    match pattern.strip_prefix(WORKSPACE_GLOB) {
                        None => vec![place.clone()],
                        Some(below) => self
                            .workspaces(folder)
                            .map(|root| FileSystemPath::GlobPattern {
                                pattern: format!("{}/{below}", literal(root)),
                            })
                            .collect(),
                    }
                }
                FileSystemPath::Path { .. } | FileSystemPath::Special { .. } => {
                    vec![place.clone()]
                }
            };
            let access = *access;
            entries.extend(
                places
                    .into_iter()
                    .map(|path| FileSystemSandboxEntry { path, access }),
            );
        }
        entries
    }
}

/// A path as the part of a pattern that stands for itself.
fn literal(path: &Path) -> String {
    let mut text = String::new();
    for letter in path.display().to_string().chars() {
        match letter {
            '*' | '?' | '[' | '{' | '}' => text.extend(['[', letter, ']']),
            other => text.push(other),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> FileRules {
        let json = r#"{
            "entries": [
                {"path": {"type": "special", "value": {"kind": "root"}}, "access": "read"},
                {"path": {"type": "special", "value": {"kind": "project_roots", "subpath": null}},
                 "access": "write"},
                {"path": {"type": "special", "value": {"kind": "project_roots", "subpath": "a/b"}},
                 "access": "deny"},
                {"path": {"type": "glob_pattern", "pattern": ":workspace_roots/*.env"},
                 "access": "deny"}
            ],
            "workspaceRoots": ["/more"]
        }"#;
        serde_json::from_str(json).expect("the test's JSON")
    }

    fn shown(entries: &[FileSystemSandboxEntry]) -> Vec<String> {
        let shown = |entry: &FileSystemSandboxEntry| match &entry.path {
            FileSystemPath::Path { path } | FileSystemPath::GlobPattern { pattern: path } => {
                format!("{:?} {path}", entry.access)
            }
            FileSystemPath::Special { value } => format!("{:?} {value:?}", entry.access),
        };
        entries.iter().map(shown).collect()
    }

    #[test]
    fn workspaces_become_the_folders_they_stand_for() {
        assert_eq!(
            shown(&rules().in_folder(Path::new("/w[1]"))),
            [
                "Read Root",
                "Write /w[1]",
                "Write /more",
                "Deny /w[1]/a/b",
                "Deny /more/a/b",
                "Deny /w[[]1]/*.env",
                "Deny /more/*.env",
            ]
        );
    }

    #[test]
    fn denials_stay_under_another_policy() {
        let read_only = SandboxPolicy::ReadOnly {
            network_access: false,
        };
        let left = rules().denials_under(&read_only).expect("denials");
        assert_eq!(
            shown(&left.in_folder(Path::new("/more"))),
            ["Read Root", "Deny /more/a/b", "Deny /more/*.env"]
        );
        assert_eq!(
            rules().denials_under(&SandboxPolicy::DangerFullAccess),
            None
        );
        let without = FileRules::of_policy(&read_only).expect("a sandbox");
        assert_eq!(without.denials_under(&read_only), None);
    }
}
