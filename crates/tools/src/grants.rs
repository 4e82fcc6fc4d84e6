//! What the user allowed beyond the sandbox policy, by `request_permissions`.

use std::collections::BTreeSet;
use std::path::PathBuf;

/// Paths of one kind that a turn or a thread keeps, and that one call may ask for. Later
/// ones are not kept: what they would open stays closed.
pub(crate) const PATHS_MAX: usize = 256;

/// Permissions beyond the sandbox policy of a thread. Nothing in here takes any away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    /// Absolute paths that may be written to, with all that lies below.
    pub writable_roots: BTreeSet<PathBuf>,
    /// Absolute paths that may be read, with all that lies below.
    pub readable_roots: BTreeSet<PathBuf>,
    /// The network may be used.
    pub network: bool,
}

impl Grants {
    /// Whether nothing is granted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds others to these, as far as there is room.
    pub(crate) fn add(&mut self, others: &Self) {
        extend(&mut self.writable_roots, &others.writable_roots);
        extend(&mut self.readable_roots, &others.readable_roots);
        self.network |= others.network;
    }
}

fn extend(paths: &mut BTreeSet<PathBuf>, others: &BTreeSet<PathBuf>) {
    let room = PATHS_MAX.saturating_sub(paths.len());
    paths.extend(others.iter().take(room).cloned());
}
