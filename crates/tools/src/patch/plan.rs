//! Patch + files → what to do to which file. Pure: files are read by the caller's
//! function, nothing is written.
//!
//! A plan is made only if every hunk fits, so that a patch that fails touches
//! nothing. Each file may be named once per patch, as source or as target.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::parse::{Hunk, ParseError, Patch};
use super::update::{self, Mismatch};

/// What a patch does, with absolute paths and whole contents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// In the order of the patch.
    pub changes: Vec<Change>,
}

impl Plan {
    /// The files that it writes, makes or removes.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.changes.iter().flat_map(|change| {
            let target = match &change.kind {
                ChangeKind::Update {
                    moved: Some((target, _)),
                    ..
                } => Some(target.as_path()),
                ChangeKind::Add { .. } | ChangeKind::Delete { .. } | ChangeKind::Update { .. } => {
                    None
                }
            };
            std::iter::once(change.path.as_path()).chain(target)
        })
    }
}

/// What happens to one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The file, absolute and without `.` and `..`.
    pub path: PathBuf,
    /// Its name in the patch, or the target's for a move: what the model is told.
    pub written: String,
    /// What happens.
    pub kind: ChangeKind,
}

/// The kinds of changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChangeKind {
    /// The file comes, or is replaced.
    Add {
        /// What it replaces.
        old: Option<Content>,
        /// Its content.
        new: String,
    },
    /// The file goes.
    Delete {
        /// What it held.
        old: String,
    },
    /// The file changes.
    Update {
        /// What it held.
        old: String,
        /// What it holds then.
        new: String,
        /// Where it is then, and what that replaces.
        moved: Option<(PathBuf, Option<Content>)>,
    },
}

/// What a file held that is replaced whole: it need not be text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    /// UTF-8 text.
    Text(String),
    /// Anything else.
    Binary(Vec<u8>),
}

impl Content {
    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        match String::from_utf8(bytes) {
            Ok(text) => Self::Text(text),
            Err(error) => Self::Binary(error.into_bytes()),
        }
    }
}

/// What looking at a path gave: `None` where there is nothing, or the reason why it
/// cannot be read (`path … is not a file`, an error of the system).
pub type Found = Result<Option<Content>, String>;

/// Why a patch is not carried out. Displays as the model reads it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PlanError {
    /// The text is no patch.
    #[error("apply_patch verification failed: {0}")]
    Parse(#[from] ParseError),
    /// The patch does nothing.
    #[error("patch rejected: empty patch")]
    Empty,
    /// The patch is for another machine; there is only this one.
    #[error("apply_patch environment selection is unavailable for this turn")]
    Environment,
    /// A file is named twice.
    #[error("apply_patch verification failed: invalid patch: multiple operations target {0}")]
    Twice(String),
    /// A file to update cannot be read.
    #[error("apply_patch verification failed: Failed to read file to update {path}: {reason}")]
    ReadForUpdate {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// Another file cannot be read.
    #[error("apply_patch verification failed: Failed to read {path}: {reason}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// A context line is not in the file.
    #[error("apply_patch verification failed: Failed to find context '{context}' in {path}")]
    Context {
        /// The file.
        path: String,
        /// The line.
        context: String,
    },
    /// The old lines of a chunk are not in the file.
    #[error("apply_patch verification failed: Failed to find expected lines in {path}:\n{lines}")]
    Lines {
        /// The file.
        path: String,
        /// The lines.
        lines: String,
    },
}

/// The reference's text for a file that is not there.
const NOT_FOUND: &str = "No such file or directory (os error 2)";

/// Plans `patch` for the working folder `cwd`, reading files by `read`.
///
/// # Errors
/// When the patch is empty, names a file twice, or does not fit the files.
pub fn plan(
    patch: &Patch,
    cwd: &Path,
    read: &mut dyn FnMut(&Path) -> Found,
) -> Result<Plan, PlanError> {
    if patch.environment.is_some() {
        return Err(PlanError::Environment);
    }
    if patch.hunks.is_empty() {
        return Err(PlanError::Empty);
    }
    let mut named = BTreeSet::new();
    let mut changes = Vec::with_capacity(patch.hunks.len());
    for hunk in &patch.hunks {
        let change = change(hunk, cwd, read)?;
        let target = match &change.kind {
            ChangeKind::Update {
                moved: Some((target, _)),
                ..
            } => Some(target.clone()),
            ChangeKind::Add { .. } | ChangeKind::Delete { .. } | ChangeKind::Update { .. } => None,
        };
        for path in std::iter::once(change.path.clone()).chain(target) {
            let shown = path.display().to_string();
            if !named.insert(path) {
                return Err(PlanError::Twice(shown));
            }
        }
        changes.push(change);
    }
    Ok(Plan { changes })
}

fn change(
    hunk: &Hunk,
    cwd: &Path,
    read: &mut dyn FnMut(&Path) -> Found,
) -> Result<Change, PlanError> {
    let unreadable = |path: &Path, reason: String| PlanError::Read {
        path: path.display().to_string(),
        reason,
    };
    match hunk {
        Hunk::Add { path, content } => {
            let target = absolute(cwd, path);
            Ok(Change {
                kind: ChangeKind::Add {
                    // A target that cannot be read fails when it is written.
                    old: read(&target).unwrap_or_default(),
                    new: content.clone(),
                },
                path: target,
                written: path.clone(),
            })
        }
        Hunk::Delete { path } => {
            let target = absolute(cwd, path);
            let old = text(read(&target)).map_err(|reason| unreadable(&target, reason))?;
            Ok(Change {
                path: target,
                written: path.clone(),
                kind: ChangeKind::Delete { old },
            })
        }
        Hunk::Update {
            path,
            move_to,
            chunks,
        } => {
            let source = absolute(cwd, path);
            let shown = source.display().to_string();
            let old = text(read(&source)).map_err(|reason| PlanError::ReadForUpdate {
                path: shown.clone(),
                reason,
            })?;
            let new = update::apply(&old, chunks).map_err(|mismatch| match mismatch {
                Mismatch::Context(context) => PlanError::Context {
                    path: shown.clone(),
                    context,
                },
                Mismatch::Lines(lines) => PlanError::Lines {
                    path: shown.clone(),
                    lines,
                },
            })?;
            let moved = move_to
                .as_ref()
                .map(|target| absolute(cwd, target))
                // The reference loses a file that is moved onto itself; here it stays.
                .filter(|target| *target != source)
                .map(|target| {
                    let replaced = read(&target).unwrap_or_default();
                    (target, replaced)
                });
            Ok(Change {
                path: source,
                written: move_to.as_ref().unwrap_or(path).clone(),
                kind: ChangeKind::Update { old, new, moved },
            })
        }
    }
}

fn text(found: Found) -> Result<String, String> {
    match found? {
        Some(Content::Text(text)) => Ok(text),
        Some(Content::Binary(bytes)) => Err(std::str::from_utf8(&bytes)
            .err()
            .map_or_else(String::new, |error| error.to_string())),
        None => Err(NOT_FOUND.to_owned()),
    }
}

/// `path` seen from `cwd`, without `.` and `..`, which are resolved by name alone.
pub(crate) fn absolute(cwd: &Path, path: impl AsRef<Path>) -> PathBuf {
    let mut out = PathBuf::new();
    for part in cwd.join(path).components() {
        match part {
            Component::ParentDir => {
                out.pop();
            }
            Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => out.push(part),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::parse::parse;
    use super::*;

    fn planned(files: &[(&str, &[u8])], body: &str) -> Result<Plan, PlanError> {
        let files: BTreeMap<PathBuf, Vec<u8>> = files
            .iter()
            .map(|(path, bytes)| (PathBuf::from(path), bytes.to_vec()))
            .collect();
        let patch = parse(&format!("*** Begin Patch\n{body}*** End Patch"))?;
        plan(&patch, Path::new("/w/sub"), &mut |path| {
            if path == Path::new("/w/dir") {
                return Err("path `/w/dir` is not a file".to_owned());
            }
            Ok(files.get(path).cloned().map(Content::from))
        })
    }

    #[track_caller]
    fn refuses(files: &[(&str, &[u8])], body: &str, text: &str) {
        let error = planned(
            files,
            &format!(
                "{body}
"
            ),
        )
        .expect_err("refused");
        assert_eq!(error.to_string(), text);
    }

    #[test]
    fn resolves_paths_against_the_folder_and_keeps_them_as_written() {
        let plan = planned(
            &[("/w/a", b"1\n"), ("/w/t", b"old\n")],
            "*** Add File: x/../y\n+x\n*** Update File: ../a\n*** Move to: /w/t\n@@\n-1\n+2\n",
        )
        .expect("fits");
        assert_eq!(plan.changes[0].path, Path::new("/w/sub/y"));
        assert_eq!(plan.changes[0].written, "x/../y");
        assert_eq!(plan.changes[1].path, Path::new("/w/a"));
        assert_eq!(plan.changes[1].written, "/w/t");
        assert_eq!(
            plan.changes[1].kind,
            ChangeKind::Update {
                old: "1\n".into(),
                new: "2\n".into(),
                moved: Some(("/w/t".into(), Some(Content::Text("old\n".into())))),
            }
        );
    }

    #[test]
    fn a_move_onto_itself_is_a_plain_update() {
        let plan = planned(
            &[("/w/sub/a", b"1\n")],
            "*** Update File: a\n*** Move to: ./a\n-1\n+2\n",
        )
        .expect("fits");
        assert!(matches!(
            &plan.changes[0].kind,
            ChangeKind::Update { moved: None, .. }
        ));
    }

    #[test]
    fn refusals_read_as_in_the_reference() {
        assert_eq!(planned(&[], ""), Err(PlanError::Empty));
        refuses(
            &[],
            "*** Update File: zz\n-a",
            "apply_patch verification failed: Failed to read file to update /w/sub/zz: No such file or directory (os error 2)",
        );
        refuses(
            &[],
            "*** Delete File: zz",
            "apply_patch verification failed: Failed to read /w/sub/zz: No such file or directory (os error 2)",
        );
        refuses(
            &[("/w/bin", b"\xff\xfe\n")],
            "*** Update File: ../bin\n-a",
            "apply_patch verification failed: Failed to read file to update /w/bin: invalid utf-8 sequence of 1 bytes from index 0",
        );
        refuses(
            &[],
            "*** Delete File: ../dir",
            "apply_patch verification failed: Failed to read /w/dir: path `/w/dir` is not a file",
        );
        refuses(
            &[("/w/sub/a", b"1\n")],
            "*** Update File: a\n@@ ctx\n-1",
            "apply_patch verification failed: Failed to find context 'ctx' in /w/sub/a",
        );
        refuses(
            &[("/w/sub/a", b"1\n")],
            "*** Update File: a\n-nope\n-nope2\n+z",
            "apply_patch verification failed: Failed to find expected lines in /w/sub/a:\nnope\nnope2",
        );
        refuses(
            &[("/w/sub/a", b"1\n")],
            "*** Update File: a\n-1\n*** Delete File: ./a",
            "apply_patch verification failed: invalid patch: multiple operations target /w/sub/a",
        );
        refuses(
            &[],
            "*** Environment ID: x\n*** Add File: a",
            "apply_patch environment selection is unavailable for this turn",
        );
    }
}
