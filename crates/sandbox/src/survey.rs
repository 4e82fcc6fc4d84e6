//! Looks through writable roots for what must not be written in them all the same:
//! protected folders at any depth, links, and files that are the same as ones outside.
//!
//! A hard link in a root is a file of the outside with a second name; the kernel cannot
//! tell them apart, so it is found beforehand and made read-only. Looking costs time in
//! a large folder, so what was found is kept for a while that grows with what it cost.
//! A folder inside the sandbox may be renamed between two commands; therefore each thing
//! that was found is checked before use, and a new look is taken if one has moved.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use loomd_base::Clock;

use crate::placeholder::is_placeholder;
use crate::policy::{PROTECTED, Root, RootKind, is_protected_name};

/// Files and folders that one look goes through at most. What lies beyond is not known.
const ENTRIES_MAX: usize = 500_000;
/// How deep a look goes.
const DEPTH_MAX: usize = 64;
/// Paths that one command gets made read-only at most. Beyond it hard links are taken
/// together by their folders.
const READ_ONLY_MAX: usize = 400;
/// What was found is good for this many times what it took to find it,
const KEPT_TIMES: u32 = 20;
/// and for this long at least.
const KEPT_MIN: Duration = Duration::from_secs(2);

/// A file or folder, whatever its name.
type Identity = (u64, u64);

fn identity(meta: &Metadata) -> Identity {
    (meta.dev(), meta.ino())
}

/// What was found in the roots of a policy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// To be made read-only, with what it was.
    pub(crate) read_only: BTreeMap<PathBuf, Identity>,
    /// Protected names at the top of a root that are not there.
    pub(crate) absent: BTreeSet<PathBuf>,
    /// Roots with a protected name that is a symbolic link.
    pub(crate) fixed: BTreeSet<PathBuf>,
    /// Whether there was more than could be looked at.
    pub(crate) is_partial: bool,
}

/// What is known of one set of roots.
pub(crate) struct Survey {
    roots: Vec<Root>,
    /// The protected folders below the tops that were there at the first look. What a
    /// confined program makes later is its own.
    nested: BTreeSet<Identity>,
    found: Found,
    clock: Arc<dyn Clock>,
    /// When it was found, since the clock's beginning.
    taken: Duration,
    good_for: Duration,
}

impl Survey {
    /// Takes a first look. The roots are real paths.
    pub(crate) fn new(roots: Vec<Root>, clock: Arc<dyn Clock>) -> Self {
        let mut survey = Self {
            roots,
            nested: BTreeSet::new(),
            found: Found::default(),
            taken: Duration::ZERO,
            clock,
            good_for: Duration::ZERO,
        };
        survey.look(true);
        survey
    }

    /// What is in the roots now, as far as is known.
    pub(crate) fn current(&mut self) -> Found {
        let age = self.clock.now().mono.saturating_sub(self.taken);
        if age >= self.good_for || !self.found.still_holds() {
            self.look(false);
        }
        self.found.clone()
    }

    /// Has the next use look again: something unconfined ran.
    pub(crate) fn forget(&mut self) {
        self.good_for = Duration::ZERO;
    }

    fn look(&mut self, first: bool) {
        let begun = self.clock.now().mono;
        let mut walk = Walk::default();
        for root in &self.roots {
            walk.top(root);
            walk.folder(&root.path, root.kind, 0);
        }
        if first {
            self.nested = walk.nested.values().copied().collect();
        }
        self.found = walk.end(&self.nested);
        if first && self.found.is_partial {
            tracing::warn!(
                "a writable folder has more than {ENTRIES_MAX} entries; hard links and \
                 repositories in the rest of it are not protected"
            );
        }
        self.taken = self.clock.now().mono;
        let cost = self.taken.saturating_sub(begun);
        self.good_for = KEPT_MIN.max(cost.saturating_mul(KEPT_TIMES));
    }
}

impl Found {
    /// Whether everything is still where it was found.
    fn still_holds(&self) -> bool {
        self.read_only
            .iter()
            .all(|(path, was)| fs::symlink_metadata(path).is_ok_and(|meta| identity(&meta) == *was))
            && self.absent.iter().all(|path| is_absent(path))
    }
}

/// Whether there is nothing, or only what holds the place of nothing.
fn is_absent(path: &Path) -> bool {
    fs::symlink_metadata(path).is_err() || is_placeholder(path)
}

/// A look on its way.
#[derive(Default)]
struct Walk {
    entries: usize,
    found: Found,
    /// Protected folders below the tops.
    nested: BTreeMap<PathBuf, Identity>,
    /// Files with several names: how many there are, and which were seen.
    linked: BTreeMap<Identity, (u64, Vec<PathBuf>)>,
}

impl Walk {
    /// What is protected at the top of a root.
    fn top(&mut self, root: &Root) {
        for name in PROTECTED {
            let path = root.path.join(name);
            match fs::symlink_metadata(&path) {
                _ if is_absent(&path) => {
                    self.found.absent.insert(path);
                }
                Err(_) => {}
                Ok(meta) if meta.is_symlink() => {
                    self.found.fixed.insert(root.path.clone());
                    self.protect_target(&path);
                }
                Ok(meta) => {
                    if meta.is_file() && name == ".git" {
                        self.protect_git_folder(&path);
                    }
                    self.found.read_only.insert(path, identity(&meta));
                }
            }
        }
    }

    /// Protects what a link leads to.
    fn protect_target(&mut self, link: &Path) {
        if let Ok(real) = link.canonicalize()
            && let Ok(meta) = fs::metadata(&real)
        {
            self.found.read_only.insert(real, identity(&meta));
        }
    }

    /// Protects the repository that a `.git` file names.
    fn protect_git_folder(&mut self, file: &Path) {
        /// A path and a few letters.
        const BYTES_MAX: u64 = 8 * 1024;
        let is_short = fs::metadata(file).is_ok_and(|meta| meta.len() <= BYTES_MAX);
        let text = is_short.then(|| fs::read_to_string(file).ok()).flatten();
        let named = text
            .as_deref()
            .and_then(|text| text.trim().strip_prefix("gitdir:"))
            .map(|path| file.with_file_name("").join(path.trim()));
        if let Some(folder) = named {
            self.protect_target(&folder);
        }
    }

    fn folder(&mut self, folder: &Path, kind: RootKind, depth: usize) {
        if depth > DEPTH_MAX {
            self.found.is_partial = true;
            return;
        }
        let Ok(entries) = fs::read_dir(folder) else {
            return;
        };
        for entry in entries.flatten() {
            self.entries += 1;
            if self.entries > ENTRIES_MAX {
                self.found.is_partial = true;
                return;
            }
            let Ok(file_type) = entry.file_type() else {
                continue;
            };
            if is_protected_name(&entry.file_name()) && (depth == 0 || kind == RootKind::Workspace)
            {
                // The top's are dealt with already; nothing below them is writable.
                if depth > 0
                    && !file_type.is_symlink()
                    && let Ok(meta) = entry.metadata()
                {
                    self.nested.insert(entry.path(), identity(&meta));
                }
            } else if file_type.is_dir() {
                self.folder(&entry.path(), kind, depth + 1);
            } else if file_type.is_file()
                && let Ok(meta) = entry.metadata()
                && meta.nlink() > 1
            {
                self.linked
                    .entry(identity(&meta))
                    .or_insert((meta.nlink(), Vec::new()))
                    .1
                    .push(entry.path());
            }
        }
    }

    /// Puts together what was found; of the folders below the tops those in `known`.
    fn end(mut self, known: &BTreeSet<Identity>) -> Found {
        let nested = self.nested.into_iter().filter(|(_, id)| known.contains(id));
        self.found.read_only.extend(nested);
        let mut outside: BTreeMap<PathBuf, Identity> = BTreeMap::new();
        for (id, (names, paths)) in self.linked {
            // With all its names inside, it is no file of the outside.
            if u64::try_from(paths.len()).unwrap_or(u64::MAX) < names {
                outside.extend(paths.into_iter().map(|path| (path, id)));
            }
        }
        let room = READ_ONLY_MAX
            .saturating_sub(self.found.read_only.len())
            .max(1);
        self.found.read_only.extend(by_folders(outside, room));
        self.found
    }
}

/// The paths, or the folders around them once there are more than `room`.
fn by_folders(mut paths: BTreeMap<PathBuf, Identity>, room: usize) -> BTreeMap<PathBuf, Identity> {
    while paths.len() > room {
        let deepest = paths.keys().map(|path| path.components().count()).max();
        let (deep, mut kept): (Vec<_>, BTreeMap<_, _>) = {
            let (deep, kept): (Vec<_>, Vec<_>) = paths
                .into_iter()
                .partition(|(path, _)| Some(path.components().count()) == deepest);
            (deep, kept.into_iter().collect())
        };
        for (path, _) in deep {
            if let Some(folder) = path.parent()
                && let Ok(meta) = fs::symlink_metadata(folder)
            {
                kept.insert(folder.to_owned(), identity(&meta));
            }
        }
        paths = kept;
    }
    paths
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn real(folder: &tempfile::TempDir) -> PathBuf {
        folder.path().canonicalize().expect("real")
    }

    fn survey(roots: Vec<Root>) -> Survey {
        Survey::new(roots, Arc::new(loomd_base::SystemClock::default()))
    }

    fn paths(found: &Found) -> Vec<&Path> {
        found.read_only.keys().map(PathBuf::as_path).collect()
    }

    #[test]
    fn finds_what_is_protected_at_any_depth_of_a_workspace() {
        let folder = tempfile::tempdir().expect("a folder");
        let top = real(&folder);
        for name in ["sub/.git", "a/b/.codex", ".agents/x/.git"] {
            fs::create_dir_all(top.join(name)).expect("made");
        }
        let work = survey(vec![Root::workspace(&top)]).current();
        assert_eq!(
            paths(&work),
            [".agents", "a/b/.codex", "sub/.git"].map(|name| top.join(name))
        );
        assert_eq!(
            work.absent,
            BTreeSet::from([".git", ".codex", ".aws"].map(|name| top.join(name)))
        );
        let temporary = survey(vec![Root::temporary(&top)]).current();
        assert_eq!(paths(&temporary), [top.join(".agents")]);
    }

    #[test]
    fn what_moved_stays_protected_and_what_came_later_does_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let top = real(&folder);
        fs::create_dir_all(top.join("sub/.git")).expect("made");
        let mut survey = survey(vec![Root::workspace(&top)]);
        fs::rename(top.join("sub"), top.join("moved")).expect("moved");
        fs::create_dir_all(top.join("sub/.git")).expect("made");
        assert_eq!(paths(&survey.current()), [top.join("moved/.git")]);
    }

    #[test]
    fn a_file_with_a_name_outside_is_not_writable() {
        let (inside, outside) = (tempfile::tempdir(), tempfile::tempdir());
        let (inside, outside) = (inside.expect("a folder"), outside.expect("a folder"));
        let top = real(&inside);
        fs::write(outside.path().join("f"), "x").expect("written");
        fs::write(top.join("own"), "x").expect("written");
        fs::create_dir(top.join("d")).expect("made");
        fs::hard_link(outside.path().join("f"), top.join("d/f")).expect("linked");
        fs::hard_link(top.join("own"), top.join("d/own")).expect("linked");
        let found = survey(vec![Root::workspace(&top)]).current();
        assert_eq!(paths(&found), [top.join("d/f")]);
    }

    #[test]
    fn many_links_are_taken_together_by_their_folders() {
        let folder = tempfile::tempdir().expect("a folder");
        let top = real(&folder);
        let mut paths = BTreeMap::new();
        for package in 0..3 {
            let package = top.join(format!("modules/p{package}"));
            fs::create_dir_all(&package).expect("made");
            for file in 0..5 {
                paths.insert(package.join(format!("f{file}")), (1, file));
            }
        }
        let three: Vec<PathBuf> = by_folders(paths.clone(), 4).into_keys().collect();
        let packages = ["p0", "p1", "p2"].map(|name| top.join("modules").join(name));
        assert_eq!(three, packages);
        let one: Vec<PathBuf> = by_folders(paths, 1).into_keys().collect();
        assert_eq!(one, [top.join("modules")]);
    }

    #[test]
    fn a_link_in_the_place_of_a_protected_folder_fixes_the_top() {
        let folder = tempfile::tempdir().expect("a folder");
        let top = real(&folder);
        fs::create_dir(top.join("real")).expect("made");
        symlink("real", top.join(".git")).expect("linked");
        fs::create_dir_all(top.join("work/tree")).expect("made");
        fs::write(top.join("work/.git"), "gitdir: ../repository\n").expect("written");
        fs::create_dir(top.join("repository")).expect("made");
        let found = survey(vec![
            Root::workspace(&top),
            Root::workspace(top.join("work")),
        ])
        .current();
        assert_eq!(found.fixed, BTreeSet::from([top.clone()]));
        assert_eq!(
            paths(&found),
            ["real", "repository", "work/.git"].map(|name| top.join(name))
        );
    }
}
