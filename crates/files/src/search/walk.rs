//! Going through folders, on a few threads that end with the walk.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ignore::{DirEntry, ParallelVisitor, ParallelVisitorBuilder, WalkBuilder, WalkState};

use super::Root;

/// How long one walk may take.
pub const WALK_TIME_MAX: Duration = Duration::from_secs(20);
/// Files and folders that one walk looks at.
pub const WALK_FILES_MAX: usize = 2_000_000;
/// Threads of one walk. More would not find files faster on most disks.
const WALK_THREADS_MAX: usize = 4;
/// After how many files the walk asks whether it is to end.
const ASKED_EVERY: usize = 64;

/// A file or folder on the way.
pub(super) struct Found {
    /// The number of its root.
    pub(super) root: usize,
    /// Below the root.
    pub(super) path: String,
    pub(super) is_directory: bool,
}

/// What a thread of a walk does with what it comes by.
pub(super) trait Visitor: Send {
    /// Takes one file or folder.
    fn take(&mut self, found: Found);
}

/// What ends a walk before its end.
struct Ends<'s> {
    stop: &'s (dyn Fn() -> bool + Sync),
    until: Instant,
    seen: AtomicUsize,
    over: AtomicBool,
}

impl Ends<'_> {
    /// Counts a file; whether the walk is to end.
    fn count(&self) -> bool {
        let seen = self.seen.fetch_add(1, Ordering::Relaxed);
        let asks = seen.is_multiple_of(ASKED_EVERY);
        if seen >= WALK_FILES_MAX || asks && ((self.stop)() || now() >= self.until) {
            self.over.store(true, Ordering::Relaxed);
        }
        self.over.load(Ordering::Relaxed)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the walk runs outside the runtime, and how long a disk takes is no decision of the core"
)]
fn now() -> Instant {
    Instant::now()
}

/// Goes through all roots; one that is no folder is passed over. Each file is visited once,
/// under the innermost root that it is in. Ends at the latest a little after `stop` says so.
pub(super) fn walk<V: Visitor>(
    roots: &[Root],
    stop: &(dyn Fn() -> bool + Sync),
    make: impl Fn() -> V + Sync,
) {
    let ends = Ends {
        stop,
        until: now() + WALK_TIME_MAX,
        seen: AtomicUsize::new(0),
        over: AtomicBool::new(false),
    };
    let all: Arc<BTreeSet<PathBuf>> =
        Arc::new(roots.iter().map(|root| root.path.clone()).collect());
    let mut walked = BTreeSet::new();
    for (number, root) in roots.iter().enumerate() {
        if ends.over.load(Ordering::Relaxed) {
            return;
        }
        if walked.insert(&root.path) && root.path.is_dir() {
            walker(&root.path, Arc::clone(&all)).visit(&mut Builder {
                root: (number, &root.path),
                ends: &ends,
                make: &make,
            });
        }
    }
}

fn walker(root: &Path, roots: Arc<BTreeSet<PathBuf>>) -> ignore::WalkParallel {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    WalkBuilder::new(root)
        .hidden(false)
        .follow_links(true)
        .threads(threads.min(WALK_THREADS_MAX))
        // A root within another is walked as a root of its own.
        .filter_entry(move |entry| entry.depth() == 0 || !roots.contains(entry.path()))
        .build_parallel()
}

struct Builder<'a, 's, F> {
    root: (usize, &'a Path),
    ends: &'a Ends<'s>,
    make: &'a F,
}

impl<'a, V: Visitor + 'a, F: Fn() -> V + Sync> ParallelVisitorBuilder<'a> for Builder<'a, '_, F> {
    fn build(&mut self) -> Box<dyn ParallelVisitor + 'a> {
        Box::new(Thread {
            root: self.root,
            ends: self.ends,
            visitor: (self.make)(),
        })
    }
}

struct Thread<'a, 's, V> {
    root: (usize, &'a Path),
    ends: &'a Ends<'s>,
    visitor: V,
}

impl<V: Visitor> ParallelVisitor for Thread<'_, '_, V> {
    fn visit(&mut self, entry: Result<DirEntry, ignore::Error>) -> WalkState {
        if self.ends.count() {
            return WalkState::Quit;
        }
        // What cannot be read, leads nowhere or in a circle is not there.
        let Ok(entry) = entry else {
            return WalkState::Continue;
        };
        let is_directory = entry.file_type().is_some_and(|kind| kind.is_dir());
        let (root, above) = self.root;
        let below = entry.path().strip_prefix(above).ok().and_then(Path::to_str);
        // Nobody can name a path that is no text, nor looks for the root itself.
        if let Some(path) = below.filter(|path| !path.is_empty()) {
            self.visitor.take(Found {
                root,
                path: path.to_owned(),
                is_directory,
            });
        }
        WalkState::Continue
    }
}
