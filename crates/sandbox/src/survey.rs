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
use crate::way::{End, between, follow};

/// Files and folders that one look goes through at most. What lies beyond is not known.
const ENTRIES_MAX: usize = 500_000;
/// What is hidden is looked through for files with other names up to this many entries.
const HIDDEN_MAX: usize = 10_000;
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
    /// Folders that something protected must be found in, and that must keep their place.
    pub(crate) pinned: BTreeSet<PathBuf>,
    /// Other names of what must not be read, or must not even be opened.
    pub(crate) hidden: BTreeMap<PathBuf, Identity>,
    /// Whether there was more than could be looked at.
    pub(crate) is_partial: bool,
}

/// What is known of one set of roots.
pub(crate) struct Survey {
    roots: Vec<Root>,
    /// What may not be read.
    hidden: Vec<PathBuf>,
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
    /// Takes a first look. The roots, and what is hidden, are real paths.
    pub(crate) fn new(roots: Vec<Root>, hidden: Vec<PathBuf>, clock: Arc<dyn Clock>) -> Self {
        let mut survey = Self {
            roots,
            hidden,
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
        self.found = walk.end(&self.nested, &self.roots, &self.hidden);
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
            .chain(&self.hidden)
            .all(|(path, was)| fs::symlink_metadata(path).is_ok_and(|meta| identity(&meta) == *was))
            && self.absent.iter().all(|path| is_absent(path))
    }
}

/// Whether there is nothing, or only what holds the place of nothing.
fn is_absent(path: &Path) -> bool {
    fs::symlink_metadata(path).is_err() || is_placeholder(path)
}

/// A file with several names.
struct Linked {
    /// How many it has.
    names: u64,
    /// Those that were seen.
    paths: Vec<PathBuf>,
    /// Whether it is a pipe, a socket or a device. Those can also be written where
    /// everything is read-only.
    is_special: bool,
}

/// A look on its way.
#[derive(Default)]
struct Walk {
    entries: usize,
    found: Found,
    /// Protected folders below the tops.
    nested: BTreeMap<PathBuf, Identity>,
    /// What something protected leads to and is not there.
    missing: BTreeSet<PathBuf>,
    /// Files with several names.
    linked: BTreeMap<Identity, Linked>,
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
                    self.protect(&path, &meta);
                }
                Ok(meta) => {
                    self.protect(&path, &meta);
                }
            }
        }
    }

    /// Protects something with a protected name, and what is meant by it.
    fn protect(&mut self, path: &Path, meta: &Metadata) {
        self.found.read_only.insert(path.to_owned(), identity(meta));
        if meta.is_symlink() {
            self.protect_way(path);
        }
        let is_git = path.file_name().is_some_and(|name| name == ".git");
        if is_git && fs::metadata(path).is_ok_and(|meta| meta.is_file()) {
            self.protect_git_folder(path);
        }
    }

    /// Protects what a path leads to, and every link on the way.
    fn protect_way(&mut self, path: &Path) {
        let way = follow(path);
        let there = match way.end {
            End::There(real) => Some(real),
            End::Missing(path) => {
                self.missing.insert(path);
                None
            }
            End::Nowhere => None,
        };
        for path in way.links.into_iter().chain(there) {
            if let Ok(meta) = fs::symlink_metadata(&path) {
                self.found.read_only.insert(path, identity(&meta));
            }
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
            self.protect_way(&folder);
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
                    && let Ok(meta) = entry.metadata()
                {
                    self.nested.insert(entry.path(), identity(&meta));
                }
            } else if file_type.is_dir() {
                self.folder(&entry.path(), kind, depth + 1);
            } else if !file_type.is_symlink()
                && let Ok(meta) = entry.metadata()
                && meta.nlink() > 1
            {
                self.linked
                    .entry(identity(&meta))
                    .or_insert_with(|| Linked {
                        names: meta.nlink(),
                        paths: Vec::new(),
                        is_special: !file_type.is_file(),
                    })
                    .paths
                    .push(entry.path());
            }
        }
    }

    /// Puts together what was found; of the folders below the tops those in `known`.
    fn end(mut self, known: &BTreeSet<Identity>, roots: &[Root], hidden: &[PathBuf]) -> Found {
        for (path, id) in std::mem::take(&mut self.nested) {
            if known.contains(&id)
                && let Ok(meta) = fs::symlink_metadata(&path)
            {
                self.protect(&path, &meta);
            }
        }
        let tops: BTreeSet<&Path> = roots.iter().map(|root| root.path.as_path()).collect();
        let is_inside = |path: &Path| tops.iter().any(|top| path.starts_with(top));
        let missing = self.missing.into_iter().filter(|path| is_inside(path));
        self.found.absent.extend(missing);
        // Elsewhere nothing can be written anyway.
        self.found.read_only.retain(|path, _| is_inside(path));
        let places = self.found.read_only.keys().chain(&self.found.absent);
        self.found.pinned = places
            .flat_map(|path| between(path, &tops))
            .map(Path::to_owned)
            .collect();
        let mut secret = BTreeSet::new();
        let mut left = HIDDEN_MAX;
        for path in hidden {
            add_linked(path, &mut secret, &mut left);
        }
        let mut outside: BTreeMap<PathBuf, Identity> = BTreeMap::new();
        for (id, linked) in self.linked {
            // With all its names inside, it is no file of the outside.
            let seen = u64::try_from(linked.paths.len()).unwrap_or(u64::MAX);
            let is_outside = seen < linked.names;
            let paths = linked.paths.into_iter().map(|path| (path, id));
            if secret.contains(&id) || (is_outside && linked.is_special) {
                self.found.hidden.extend(paths);
            } else if is_outside {
                outside.extend(paths);
            }
        }
        let room = READ_ONLY_MAX
            .saturating_sub(self.found.read_only.len())
            .max(1);
        self.found.read_only.extend(by_folders(outside, room));
        self.found
    }
}

/// Adds the files with several names among what is hidden.
fn add_linked(path: &Path, all: &mut BTreeSet<Identity>, left: &mut usize) {
    let Ok(meta) = fs::symlink_metadata(path) else {
        return;
    };
    if !meta.is_dir() {
        if meta.nlink() > 1 {
            all.insert(identity(&meta));
        }
        return;
    }
    let Ok(entries) = fs::read_dir(path) else {
        return;
    };
    for entry in entries.flatten() {
        *left = left.saturating_sub(1);
        if *left == 0 {
            return;
        }
        add_linked(&entry.path(), all, left);
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
mod tests;
