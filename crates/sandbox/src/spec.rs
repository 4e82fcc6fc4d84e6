//! What the server tells the helper: a finished list of steps, nothing to decide.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What is around everything.
const ROOT: &str = "/";

/// What is done with a part of the file system. For the same path the last one counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Writable,
    ReadOnly,
    Hidden,
}

/// What the helper does before the program runs. Paths are absolute and without links.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Spec {
    /// Working folder.
    pub(crate) folder: PathBuf,
    /// Folders that stay writable.
    pub(crate) writable: Vec<PathBuf>,
    /// Files and folders in them that do not.
    pub(crate) read_only: Vec<PathBuf>,
    /// Folders that must keep their place: something that must be found at its path lies
    /// in them.
    pub(crate) pinned: Vec<PathBuf>,
    /// Writable folders in whose top level nothing may come, go or be renamed.
    pub(crate) fixed: Vec<PathBuf>,
    /// Files and folders that show nothing.
    pub(crate) hidden: Vec<PathBuf>,
    /// Whether the network may be used.
    pub(crate) network: bool,
    /// Whether standard input is the program's terminal.
    pub(crate) terminal: bool,
    /// A function of the helper to run instead of a program.
    pub(crate) task: Option<String>,
}

impl Spec {
    /// What is to be put in place, the outermost first. What is pinned is put on itself: a
    /// folder that something is mounted on can be neither renamed nor removed. The root is
    /// not among it: nothing can be put over it, and it is dealt with by itself.
    pub(crate) fn pieces(&self) -> Vec<(&Path, Kind)> {
        fn of(paths: &[PathBuf], kind: Kind) -> impl Iterator<Item = (&Path, Kind)> {
            paths.iter().map(move |path| (path.as_path(), kind))
        }
        let open = of(&self.writable, Kind::Writable).chain(of(&self.pinned, Kind::Writable));
        let closed = of(&self.read_only, Kind::ReadOnly).chain(of(&self.hidden, Kind::Hidden));
        let mut pieces: Vec<(&Path, Kind)> = open.chain(closed).collect();
        pieces.retain(|(path, _)| *path != Path::new(ROOT));
        pieces.sort_by_key(|(path, kind)| (path.components().count(), *kind));
        pieces
    }

    /// Whether everything may be written that nothing is said about.
    pub(crate) fn is_open(&self) -> bool {
        self.writable.iter().any(|path| path == Path::new(ROOT))
    }
}
