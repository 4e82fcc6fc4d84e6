//! What the server tells the helper: a finished list of steps, nothing to decide.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

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
    /// What is to be put in place, and whether read-only: the outermost first; at the same
    /// path the protection comes last. What is pinned is put on itself: a folder that
    /// something is mounted on can be neither renamed nor removed.
    pub(crate) fn pieces(&self) -> Vec<(&Path, bool)> {
        let open = self.writable.iter().chain(&self.pinned);
        let open = open.map(|path| (path.as_path(), false));
        let protected = self.read_only.iter().map(|path| (path.as_path(), true));
        let mut pieces: Vec<(&Path, bool)> = open.chain(protected).collect();
        pieces.sort_by_key(|(path, protected)| (path.components().count(), *protected));
        pieces
    }
}
