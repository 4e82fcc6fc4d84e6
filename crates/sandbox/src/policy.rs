//! What a confined program may touch, in the sandbox's own words. Pure but for looking
//! at what a path really names.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// The folders of tools and agents that stay read-only at the top of every writable
/// root, also where they are not there yet. Names as the reference protects them (seen
/// on 0.169.0).
pub const PROTECTED: [&str; 4] = [".git", ".codex", ".agents", ".aws"];

/// What a confined program may touch. Everything may be read but what is hidden.
///
/// The three lists may nest in any way: what lies innermost decides about what is below it.
/// For the same path `hidden` comes before `read_only`, and that before `writable`. All
/// paths are absolute.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// Folders, and single files, that may be written; nothing if empty. What is not there
    /// is left out.
    pub writable: Vec<Root>,
    /// Files and folders that may be read only.
    pub read_only: Vec<PathBuf>,
    /// Files and folders that may not even be read.
    pub hidden: Vec<PathBuf>,
    /// Whether the network may be used.
    pub network: bool,
}

/// A folder that may be written, but for what is protected in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Root {
    /// Absolute path.
    pub path: PathBuf,
    /// What it is.
    pub kind: RootKind,
}

/// What kind of folder a root is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RootKind {
    /// Somebody's work: protected names that were there when the folder was first used
    /// are protected at any depth.
    Workspace,
    /// A folder for temporary files: protected names count at its top only.
    Temporary,
    /// Anything else: nothing is protected by its name, and a file with a second name
    /// elsewhere may be written.
    Open,
}

impl Root {
    /// A workspace.
    #[must_use]
    pub fn workspace(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            kind: RootKind::Workspace,
        }
    }

    /// A folder for temporary files.
    #[must_use]
    pub fn temporary(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            kind: RootKind::Temporary,
        }
    }

    /// Anything else.
    #[must_use]
    pub fn open(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            kind: RootKind::Open,
        }
    }
}

/// What the innermost rule says about a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Decision {
    /// It may be written, if no name on the way protects it.
    Write(RootKind),
    /// It may be read.
    Read,
    /// It may not be read.
    Hide,
}

impl Policy {
    /// Whether a confined program could write `path`, which must be absolute: links on
    /// the way are followed, also those of the roots. Looks at the disk.
    #[must_use]
    pub fn allows_write(&self, path: &Path) -> bool {
        let Some(real) = real_target(path) else {
            return false;
        };
        match self.resolved().decision(&real) {
            Some((rule, Decision::Write(kind))) => {
                let inside = real.strip_prefix(rule);
                rule.exists() && inside.is_ok_and(|inside| !is_protected(inside, kind))
            }
            Some((_, Decision::Read | Decision::Hide)) | None => false,
        }
    }

    /// Whether `path`, absolute, is hidden or leads to something that is. Looks at the disk.
    #[must_use]
    pub fn forbids_read(&self, path: &Path) -> bool {
        if self.hidden.is_empty() {
            return false;
        }
        let resolved = self.resolved();
        let hides = |path: &Path| matches!(resolved.decision(path), Some((_, Decision::Hide)));
        hides(path) || real_target(path).is_some_and(|real| hides(&real))
    }

    /// Whether a rule is about `path`, absolute, or a folder that it is in. Looks at the
    /// disk.
    #[must_use]
    pub fn covers(&self, path: &Path) -> bool {
        self.resolved().decision(path).is_some()
    }

    /// Whether everything may be written that is neither hidden nor read-only.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.writable.contains(&Root::open("/"))
    }

    /// The rules by where their paths lead now. Looks at the disk.
    pub(crate) fn resolved(&self) -> Resolved {
        let writable = self.writable.iter();
        let rules = writable
            .map(|root| (&root.path, Decision::Write(root.kind)))
            .chain(self.read_only.iter().map(|path| (path, Decision::Read)))
            .chain(self.hidden.iter().map(|path| (path, Decision::Hide)));
        let mut resolved = BTreeMap::new();
        for (path, decision) in rules {
            // What is not there yet counts by its name.
            let real = path.canonicalize().unwrap_or_else(|_| path.clone());
            let decided = resolved.entry(real).or_insert(decision);
            *decided = decision.max(*decided);
        }
        Resolved(resolved)
    }
}

/// What a policy says about real paths.
pub(crate) struct Resolved(BTreeMap<PathBuf, Decision>);

impl Resolved {
    /// The rule that decides about `path`, absolute and without links: its own path and
    /// what it says. `None` where there is no rule: then it may be read.
    pub(crate) fn decision<'a>(&self, path: &'a Path) -> Option<(&'a Path, Decision)> {
        let mut folders = path.ancestors();
        folders.find_map(|folder| Some((folder, *self.0.get(folder)?)))
    }

    /// All rules, so that each comes after those that it lies in.
    pub(crate) fn outermost_first(&self) -> impl Iterator<Item = (&Path, Decision)> {
        // A folder sorts before what is in it.
        self.0
            .iter()
            .map(|(path, decision)| (path.as_path(), *decision))
    }
}

/// Whether a path below a root lies in something protected.
fn is_protected(inside: &Path, kind: RootKind) -> bool {
    let depth = match kind {
        RootKind::Workspace => usize::MAX,
        RootKind::Temporary => 1,
        RootKind::Open => 0,
    };
    inside
        .components()
        .take(depth)
        .any(|part| is_protected_name(part.as_os_str()))
}

/// Whether a name is one of [`PROTECTED`].
pub(crate) fn is_protected_name(name: &std::ffi::OsStr) -> bool {
    PROTECTED.iter().any(|protected| name == *protected)
}

/// Where a write to `path` would go: the real path of its nearest ancestor that exists
/// (a link counts as existing, and one that leads nowhere has no target), and the rest.
#[must_use]
pub fn real_target(path: &Path) -> Option<PathBuf> {
    let mut rest = Vec::new();
    let mut here = path;
    loop {
        if here.symlink_metadata().is_ok() {
            let mut real = here.canonicalize().ok()?;
            real.extend(rest.iter().rev());
            return Some(real);
        }
        match here.components().next_back()? {
            Component::Normal(name) => rest.push(name),
            // Without the folder before it nobody knows where it leads.
            Component::ParentDir
            | Component::CurDir
            | Component::RootDir
            | Component::Prefix(_) => return None,
        }
        here = here.parent()?;
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_write_is_judged_by_where_it_would_really_go() {
        let outer = tempfile::tempdir().expect("a folder");
        let outer = outer.path().canonicalize().expect("real");
        let work = outer.join("work");
        let tmp = outer.join("tmp");
        for folder in [
            work.join("sub/.git"),
            tmp.join("sub/.git"),
            outer.join("secret"),
        ] {
            fs::create_dir_all(folder).expect("made");
        }
        symlink(&outer, work.join("out")).expect("linked");
        symlink("/nowhere/at/all", work.join("dangling")).expect("linked");
        symlink(&work, outer.join("alias")).expect("linked");
        let policy = Policy {
            writable: vec![
                Root::workspace(outer.join("alias")),
                Root::temporary(&tmp),
                Root::workspace(outer.join("missing")),
            ],
            read_only: vec![work.join("kept")],
            hidden: vec![work.join("hidden")],
            network: false,
        };
        for path in ["work/x", "work/a/b/c", "alias/x", "tmp/x", "work/sub/x"] {
            assert!(policy.allows_write(&outer.join(path)), "{path}");
        }
        // In a folder for temporary files only the top is protected.
        assert!(policy.allows_write(&tmp.join("sub/.git/config")));
        for path in [
            "x",
            "work/../x",
            "work/out/x",
            "work/dangling",
            "work/.git",
            "work/.git/config",
            "work/.codex/x",
            "work/.agents/x",
            "work/.aws/x",
            "work/sub/.git/config",
            "work/sub/new/.codex/x",
            "tmp/.git/x",
            "work/hidden/x",
            "work/kept/x",
            "missing/x",
            "work/none/../../x",
        ] {
            assert!(!policy.allows_write(&outer.join(path)), "{path}");
        }
    }

    #[test]
    fn the_innermost_rule_decides() {
        let outer = tempfile::tempdir().expect("a folder");
        let outer = outer.path().canonicalize().expect("real");
        for folder in ["w/docs/in", "w/secret/s", "w/.git"] {
            fs::create_dir_all(outer.join(folder)).expect("made");
        }
        symlink("secret/x", outer.join("w/way")).expect("linked");
        fs::write(outer.join("w/secret/x"), "x").expect("written");
        let under = |path: &str| outer.join(path);
        let policy = Policy {
            writable: vec![
                Root::workspace(under("w")),
                Root::workspace(under("w/docs/in")),
                Root::workspace(under("w/secret/s")),
                Root::workspace(under("w/.git")),
                Root::workspace(under("w/docs")),
            ],
            read_only: vec![under("w/docs"), under("w/secret/s/r"), under("w/secret")],
            hidden: vec![under("w/secret")],
            network: false,
        };
        for path in ["w/x", "w/docs/in/x", "w/secret/s/x", "w/.git/x"] {
            assert!(policy.allows_write(&under(path)), "{path}");
            assert!(!policy.forbids_read(&under(path)), "{path}");
        }
        for path in ["w/docs/x", "w/secret/s/r", "w/docs/in/.git/x", "x"] {
            assert!(!policy.allows_write(&under(path)), "{path}");
            assert!(!policy.forbids_read(&under(path)), "{path}");
        }
        for path in ["w/secret", "w/secret/x", "w/secret/none/x", "w/way"] {
            assert!(!policy.allows_write(&under(path)), "{path}");
            assert!(policy.forbids_read(&under(path)), "{path}");
        }
        let open = Policy {
            writable: vec![Root::open("/")],
            ..policy
        };
        assert!(open.is_open() && open.allows_write(&under("w/a/.git/x")));
        assert!(!open.allows_write(&under("w/secret/x")));
    }
}
