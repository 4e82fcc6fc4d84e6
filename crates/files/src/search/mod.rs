//! Finding files by a few letters of their paths.
//!
//! A [`Query`] says what fits and how well; a walk ([`find`], or a [`session`]) goes through
//! the folders; the [`BEST_MAX`] best are kept. What git and `.ignore` files leave out is
//! left out, hidden files are not, links are followed.
//!
//! Limits: [`WALK_TIME_MAX`], [`WALK_FILES_MAX`], and for sessions, which keep what they found,
//! those of [`session`]. At a limit a search answers with the best it has seen.

mod best;
mod query;
pub mod session;
mod store;
mod walk;

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

pub use best::BEST_MAX;
use best::Best;
use query::Scorer;
pub use query::{QUERY_BYTES_MAX, Query};
pub use store::{SESSION_BYTES_MAX, SESSIONS_BYTES_MAX};
use walk::{Found, walk};
pub use walk::{WALK_FILES_MAX, WALK_TIME_MAX};

/// A folder to search in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// How whoever asks calls it.
    pub name: String,
    /// Where it is: absolute and plain.
    pub path: PathBuf,
}

/// A file or folder that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// The name of its root.
    pub root: String,
    /// Below the root, with `/` between names.
    pub path: String,
    /// It is a folder or leads to one.
    pub is_directory: bool,
    /// How well it fits; see [`Query`].
    pub score: u32,
    /// Which characters of the path fit, ascending. A character is what a reader takes for
    /// one: a letter with an accent is one even where it is written as two.
    pub indices: Vec<u32>,
}

/// The best matches in `roots`, best first; nothing for an empty query. `stop` is asked often
/// and ends the search with what was found until then.
pub fn find(roots: &[Root], query: &Query, stop: &(dyn Fn() -> bool + Sync)) -> Vec<Match> {
    if query.is_empty() {
        return Vec::new();
    }
    // Each thread of the walk has its own list, which is added here when the walk is over.
    let all = Mutex::new(Best::default());
    walk(roots, stop, || Local {
        best: Best::default(),
        scorer: Scorer::default(),
        query,
        all: &all,
    });
    let best = all.into_inner().unwrap_or_else(PoisonError::into_inner);
    matches(roots, query, &best, &mut Scorer::default())
}

struct Local<'a> {
    best: Best,
    scorer: Scorer,
    query: &'a Query,
    all: &'a Mutex<Best>,
}

impl walk::Visitor for Local<'_> {
    fn take(&mut self, found: Found) {
        let score = self
            .scorer
            .score(self.query, &found.path, found.is_directory);
        if let Some(score) = score {
            self.best
                .offer(score, found.root, &found.path, found.is_directory);
        }
    }
}

impl Drop for Local<'_> {
    fn drop(&mut self) {
        let best = std::mem::take(&mut self.best);
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.add(best);
    }
}

/// The best in their order, with what is only worked out for them.
fn matches(roots: &[Root], query: &Query, best: &Best, scorer: &mut Scorer) -> Vec<Match> {
    let shown = best.sorted().into_iter().map(|ranked| Match {
        root: roots[ranked.root].name.clone(),
        path: ranked.path.to_string(),
        is_directory: ranked.is_directory,
        score: ranked.score,
        indices: scorer.indices(query, &ranked.path, ranked.is_directory),
    });
    shown.collect()
}

#[cfg(test)]
mod tests;
