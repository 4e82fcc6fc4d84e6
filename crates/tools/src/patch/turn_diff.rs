//! The diff of a whole turn: what the files were when the turn first touched them
//! against what its patches made of them.
//!
//! A file is followed through moves; one that comes and goes within the turn, or
//! ends as it began, does not show. Only patches are seen: what a command writes is
//! not (as in the reference). Contents are bounded in memory: a file beyond the
//! bound is remembered by its blob id alone and shown without hunks.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use sha1::{Digest, Sha1};

use super::diff;
use super::plan::{ChangeKind, Content, Plan};

/// Bytes of one version of one file beyond which it is shown without hunks.
const FILE_BYTES_MAX: usize = 1024 * 1024;
/// Bytes that all remembered versions of a turn may take together. Past it new
/// files are remembered by their blob id alone.
const TURN_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Bytes of the diff text beyond which further files are left out.
const DIFF_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Context lines around a change.
const CONTEXT_LINES: usize = 3;
/// How `git` writes the id of a file that is not there.
const NO_BLOB: &str = "0000000000000000000000000000000000000000";

/// Follows the files of one turn.
#[derive(Debug)]
pub(crate) struct TurnDiff {
    /// Paths below this folder are shown relative to it.
    base: PathBuf,
    /// By the path a file has now, or had when it went.
    files: BTreeMap<PathBuf, Followed>,
    /// Bytes of text in `files`.
    bytes: usize,
}

/// A file that the turn touched.
#[derive(Debug)]
struct Followed {
    /// Where it was before the turn; `None` if it was not there.
    origin: Option<(PathBuf, Version)>,
    /// What it holds now; `None` if it is gone.
    now: Option<Version>,
}

/// One content of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Version {
    /// Blob id as `git` computes it, lowercase hex.
    id: String,
    /// The text; `None` if it is none, or too much to keep.
    text: Option<String>,
}

impl TurnDiff {
    /// A turn that touched nothing yet. `base` is the repository's folder, else the
    /// working folder.
    pub(crate) fn new(base: PathBuf) -> Self {
        Self {
            base,
            files: BTreeMap::new(),
            bytes: 0,
        }
    }

    /// Takes note of a plan that was carried out.
    pub(crate) fn record(&mut self, plan: &Plan) {
        for change in &plan.changes {
            match &change.kind {
                ChangeKind::Add { old, new } => {
                    self.touch(&change.path, old.as_ref());
                    self.set(&change.path, Some(new.as_bytes()));
                }
                ChangeKind::Delete { old } => {
                    self.touch(&change.path, Some(&Content::Text(old.clone())));
                    self.set(&change.path, None);
                }
                ChangeKind::Update { old, new, moved } => {
                    self.touch(&change.path, Some(&Content::Text(old.clone())));
                    match moved {
                        None => self.set(&change.path, Some(new.as_bytes())),
                        Some((target, replaced)) => {
                            self.follow(&change.path, target, replaced.as_ref());
                            self.set(target, Some(new.as_bytes()));
                        }
                    }
                }
            }
        }
    }

    /// Remembers what `path` held before the turn, if this is the first touch.
    fn touch(&mut self, path: &Path, held: Option<&Content>) {
        if self.files.contains_key(path) {
            return;
        }
        let origin = held.map(|held| (path.to_owned(), self.version(held.as_bytes())));
        // What it holds now is set by the caller next.
        self.files
            .insert(path.to_owned(), Followed { origin, now: None });
    }

    /// The file at `from` goes to `to`.
    fn follow(&mut self, from: &Path, to: &Path, replaced: Option<&Content>) {
        self.touch(to, replaced);
        let target_was = self.files.get(to).and_then(|file| file.origin.clone());
        if target_was.is_some() {
            // Both were there before: one goes, the other changes.
            self.set(from, None);
            return;
        }
        if let Some(file) = self.files.remove(from) {
            self.files.insert(to.to_owned(), file);
        }
    }

    fn set(&mut self, path: &Path, bytes: Option<&[u8]>) {
        let now = bytes.map(|bytes| self.version(bytes));
        if let Some(file) = self.files.get_mut(path) {
            let before = file.now.take().and_then(|version| version.text);
            self.bytes = self
                .bytes
                .saturating_sub(before.map_or(0, |text| text.len()));
            file.now = now;
        }
        self.files
            .retain(|_, file| file.origin.is_some() || file.now.is_some());
    }

    fn version(&mut self, bytes: &[u8]) -> Version {
        let fits = bytes.len() <= FILE_BYTES_MAX && self.bytes + bytes.len() <= TURN_BYTES_MAX;
        let text = std::str::from_utf8(bytes)
            .ok()
            .filter(|_| fits)
            .map(str::to_owned);
        self.bytes += text.as_ref().map_or(0, String::len);
        Version {
            id: blob_id(bytes),
            text,
        }
    }

    /// The diff so far; empty if nothing is left of what the turn did.
    pub(crate) fn render(&self) -> String {
        let mut files: Vec<(String, String, &Followed)> = self
            .files
            .iter()
            .map(|(path, file)| {
                let origin = file.origin.as_ref().map(|(origin, _)| origin);
                let old = self.shown(origin.unwrap_or(path));
                let new = match file.now {
                    Some(_) => self.shown(path),
                    None => old.clone(),
                };
                (old, new, file)
            })
            .collect();
        files.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
        let mut out = String::new();
        for (old, new, file) in files {
            if out.len() > DIFF_BYTES_MAX {
                break;
            }
            render_file(&old, &new, file, &mut out);
        }
        out
    }

    /// A path as the diff shows it. One outside the base stays absolute, which gives
    /// `a//tmp/x`, as in the reference.
    fn shown(&self, path: &Path) -> String {
        path.strip_prefix(&self.base)
            .unwrap_or(path)
            .display()
            .to_string()
    }
}

fn render_file(old: &str, new: &str, file: &Followed, out: &mut String) {
    let before = file.origin.as_ref().map(|(_, version)| version);
    let after = file.now.as_ref();
    if before == after && old == new {
        return;
    }
    let id = |version: Option<&Version>| version.map_or(NO_BLOB.to_owned(), |v| v.id.clone());
    let text = |version: Option<&Version>| match version {
        Some(version) => version.text.clone(),
        None => Some(String::new()),
    };
    // Writing to a string cannot fail.
    let _ = writeln!(out, "diff --git a/{old} b/{new}");
    if before.is_none() {
        out.push_str("new file mode 100644\n");
    } else if after.is_none() {
        out.push_str("deleted file mode 100644\n");
    } else if before == after {
        let _ = write!(
            out,
            "similarity index 100%\nrename from {old}\nrename to {new}\n"
        );
        return;
    }
    let _ = writeln!(out, "index {}..{}", id(before), id(after));
    let old_side = before.map_or("/dev/null".to_owned(), |_| format!("a/{old}"));
    let new_side = after.map_or("/dev/null".to_owned(), |_| format!("b/{new}"));
    match (text(before), text(after)) {
        (Some(before), Some(after)) => {
            let hunks = diff::hunks(&before, &after, CONTEXT_LINES);
            if !hunks.is_empty() {
                let _ = write!(out, "--- {old_side}\n+++ {new_side}\n{hunks}");
            }
        }
        (None, _) | (_, None) => {
            let _ = writeln!(out, "Binary files {old_side} and {new_side} differ");
        }
    }
}

/// The id that `git` gives a blob of these bytes.
fn blob_id(bytes: &[u8]) -> String {
    let mut hasher = Sha1::new();
    hasher.update(format!("blob {}\0", bytes.len()));
    hasher.update(bytes);
    hasher
        .finalize()
        .iter()
        .fold(String::with_capacity(40), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

#[cfg(test)]
mod tests {
    use super::super::plan::Change;
    use super::*;

    fn change(path: &str, kind: ChangeKind) -> Change {
        Change {
            path: PathBuf::from(path),
            written: String::new(),
            kind,
        }
    }

    fn add(path: &str, new: &str) -> Change {
        let new = new.to_owned();
        change(path, ChangeKind::Add { old: None, new })
    }

    fn delete(path: &str, old: &str) -> Change {
        change(path, ChangeKind::Delete { old: old.into() })
    }

    fn moved(from: &str, to: &str, old: &str, new: &str, replaced: Option<&str>) -> Change {
        let replaced = replaced.map(|text| Content::Text(text.into()));
        change(
            from,
            ChangeKind::Update {
                old: old.into(),
                new: new.into(),
                moved: Some((to.into(), replaced)),
            },
        )
    }

    fn update(path: &str, old: &str, new: &str) -> Change {
        change(
            path,
            ChangeKind::Update {
                old: old.into(),
                new: new.into(),
                moved: None,
            },
        )
    }

    fn diff_of(steps: Vec<Change>) -> String {
        let mut turn = TurnDiff::new("/w".into());
        for step in steps {
            turn.record(&Plan {
                changes: vec![step],
            });
        }
        turn.render()
    }

    #[test]
    fn blob_ids_are_git_s() {
        assert_eq!(blob_id(b"x\n"), "587be6b4c3f93f93c489c0111bba5596147a26cb");
        assert_eq!(blob_id(b""), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
    }

    #[test]
    fn one_turn_renders_as_the_reference_does() {
        let got = diff_of(vec![
            add("/w/new/n.txt", "one\ntwo\n"),
            update("/w/a.txt", "one\ntwo\n", "one\nTWO\n"),
            moved(
                "/w/c.txt",
                "/w/sub/moved.txt",
                "to move\nkeep\n",
                "moved\nkeep\n",
                None,
            ),
            delete("/w/d.txt", "to delete\n"),
            add("/tmp/x.txt", "x\n"),
            add("/w/q0.txt", ""),
        ]);
        expect_test::expect![[r#"
            diff --git a//tmp/x.txt b//tmp/x.txt
            new file mode 100644
            index 0000000000000000000000000000000000000000..587be6b4c3f93f93c489c0111bba5596147a26cb
            --- /dev/null
            +++ b//tmp/x.txt
            @@ -0,0 +1 @@
            +x
            diff --git a/a.txt b/a.txt
            index 814f4a422927b82f5f8a43f8fab6d3839e3983f2..879de50b9a967adae6ab5fe536d4ef6e0af21bb1
            --- a/a.txt
            +++ b/a.txt
            @@ -1,2 +1,2 @@
             one
            -two
            +TWO
            diff --git a/c.txt b/sub/moved.txt
            index b64c844f803648528f898bf781fa3dfea9920549..301aee9f361dbcd717a4e95ccbb852da3fd59f58
            --- a/c.txt
            +++ b/sub/moved.txt
            @@ -1,2 +1,2 @@
            -to move
            +moved
             keep
            diff --git a/d.txt b/d.txt
            deleted file mode 100644
            index 3b1bafd0868f8236dbe5c12715e7536123af73f0..0000000000000000000000000000000000000000
            --- a/d.txt
            +++ /dev/null
            @@ -1 +0,0 @@
            -to delete
            diff --git a/new/n.txt b/new/n.txt
            new file mode 100644
            index 0000000000000000000000000000000000000000..814f4a422927b82f5f8a43f8fab6d3839e3983f2
            --- /dev/null
            +++ b/new/n.txt
            @@ -0,0 +1,2 @@
            +one
            +two
            diff --git a/q0.txt b/q0.txt
            new file mode 100644
            index 0000000000000000000000000000000000000000..e69de29bb2d1d6434b8b29ae775ad8c2e48c5391
        "#]]
        .assert_eq(&got);
    }

    #[test]
    fn what_comes_and_goes_or_is_undone_does_not_show() {
        assert_eq!(diff_of(vec![add("/w/t", "x\n"), delete("/w/t", "x\n")]), "");
        let undone = vec![update("/w/a", "1\n", "2\n"), update("/w/a", "2\n", "1\n")];
        assert_eq!(diff_of(undone), "");
        let back = vec![
            moved("/w/a", "/w/b", "1\n", "2\n", None),
            moved("/w/b", "/w/a", "2\n", "1\n", None),
        ];
        assert_eq!(diff_of(back), "");
    }

    #[test]
    fn a_new_file_that_moves_is_new_at_its_target() {
        let got = diff_of(vec![
            add("/w/z", "x\n"),
            moved("/w/z", "/w/a", "x\n", "X\n", None),
        ]);
        assert!(
            got.starts_with("diff --git a/a b/a\nnew file mode 100644\n"),
            "{got}"
        );
    }

    #[test]
    fn a_moved_file_that_goes_was_deleted_where_it_began() {
        let got = diff_of(vec![
            moved("/w/a", "/w/b", "x\n", "y\n", None),
            delete("/w/b", "y\n"),
        ]);
        assert!(
            got.starts_with("diff --git a/a b/a\ndeleted file mode"),
            "{got}"
        );
        assert!(got.ends_with("@@ -1 +0,0 @@\n-x\n"), "{got}");
    }

    #[test]
    fn a_move_onto_an_existing_file_is_a_deletion_and_a_change() {
        let got = diff_of(vec![moved("/w/m1", "/w/m2", "a\n", "A\n", Some("old\n"))]);
        let headers: Vec<&str> = got.lines().filter(|l| l.starts_with("diff")).collect();
        assert_eq!(headers, ["diff --git a/m1 b/m1", "diff --git a/m2 b/m2"]);
        assert!(got.contains("-old\n+A\n"), "{got}");
    }

    #[test]
    fn too_much_to_keep_is_shown_without_hunks() {
        let big = "line\n".repeat(FILE_BYTES_MAX / 5 + 1);
        let got = diff_of(vec![update("/w/big", &big, "small\n")]);
        assert!(
            got.ends_with("\nBinary files a/big and b/big differ\n"),
            "{got}"
        );
        let mut turn = TurnDiff::new("/w".into());
        let text = "x".repeat(FILE_BYTES_MAX);
        for n in 0..20 {
            turn.record(&Plan {
                changes: vec![add(&format!("/w/{n}"), &text)],
            });
            assert!(turn.bytes <= TURN_BYTES_MAX);
        }
    }
}
