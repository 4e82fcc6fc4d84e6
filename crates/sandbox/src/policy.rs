//! What a confined program may touch, in the sandbox's own words. Pure but for looking
//! at what a path really names.

use std::path::{Component, Path, PathBuf};

/// The folders of tools and agents that stay read-only at the top of every writable
/// root, also where they are not there yet. Names as the reference protects them (seen
/// on 0.169.0).
pub const PROTECTED: [&str; 4] = [".git", ".codex", ".agents", ".aws"];

/// What a confined program may touch. Everything may be read but what is hidden.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// What may be written; nothing if empty. Folders that are not there are left out.
    pub writable: Vec<Root>,
    /// Folders that stay read-only wherever they lie.
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
}

impl Policy {
    /// Whether a confined program could write `path`, which must be absolute: links on
    /// the way are followed, also those of the roots. Looks at the disk.
    #[must_use]
    pub fn allows_write(&self, path: &Path) -> bool {
        let Some(real) = real_target(path) else {
            return false;
        };
        if self.hides(&real) || is_below(&real, &self.read_only) {
            return false;
        }
        self.writable.iter().any(|root| {
            let Ok(top) = root.path.canonicalize() else {
                return false;
            };
            real.strip_prefix(&top)
                .is_ok_and(|inside| !is_protected(inside, root.kind))
        })
    }

    /// Whether `path`, absolute and without links, is hidden.
    #[must_use]
    pub fn hides(&self, path: &Path) -> bool {
        is_below(path, &self.hidden)
    }
}

/// Whether `path`, absolute and without links, is one of `folders` or lies in one.
fn is_below(path: &Path, folders: &[PathBuf]) -> bool {
    folders.iter().any(|folder| {
        let real = folder.canonicalize();
        path.starts_with(folder) || real.is_ok_and(|real| path.starts_with(real))
    })
}

/// Whether a path below a root lies in something protected.
fn is_protected(inside: &Path, kind: RootKind) -> bool {
    let depth = match kind {
        RootKind::Workspace => usize::MAX,
        RootKind::Temporary => 1,
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
fn real_target(path: &Path) -> Option<PathBuf> {
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
}
