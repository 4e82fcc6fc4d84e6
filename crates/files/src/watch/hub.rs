//! All watches, the folders they need, and what is to be told.
//!
//! Invariant: a folder is watched exactly while some watch has a rule for it, and the source
//! is there exactly while a folder is watched.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use loomd_base::ConnectionId;
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::time::Instant;

use super::inbox::{Changes, Inbox};
use super::place::{self, Meaning, Place, Rule};
use super::{CHANGES_MAX, COLLECTED_FOR, Key, Tell, Told, WATCHES_MAX, WatchError};

/// How often a path is looked at again that changes while it is being watched.
const ATTEMPTS_MAX: usize = 8;

struct Watch {
    /// As the client named it.
    path: PathBuf,
    place: Place,
    tell: Tell,
    changes: BTreeSet<PathBuf>,
    /// There was more, and the path itself stands for it.
    is_cut: bool,
    due: Option<Instant>,
}

impl Watch {
    fn changed(&mut self, path: PathBuf, now: Instant) {
        self.due.get_or_insert(now + COLLECTED_FOR);
        if self.changes.len() >= CHANGES_MAX {
            self.changes = BTreeSet::from([self.path.clone()]);
            self.is_cut = true;
        }
        if !self.is_cut {
            self.changes.insert(path);
        }
    }
}

pub(super) struct Hub {
    inbox: Arc<Inbox>,
    source: Option<RecommendedWatcher>,
    watches: BTreeMap<Key, Watch>,
    /// Those that have something to tell.
    collecting: BTreeSet<Key>,
    /// Who needs what the source watches.
    watched: BTreeMap<PathBuf, BTreeSet<Key>>,
}

impl Hub {
    pub(super) fn new(inbox: Arc<Inbox>) -> Self {
        Self {
            inbox,
            source: None,
            watches: BTreeMap::new(),
            collecting: BTreeSet::new(),
            watched: BTreeMap::new(),
        }
    }

    pub(super) fn watch(&mut self, key: Key, path: PathBuf, tell: Tell) -> Result<(), WatchError> {
        if self.watches.contains_key(&key) {
            return Err(WatchError::Exists(key.1));
        }
        if self.of(key.0).count() >= WATCHES_MAX {
            return Err(WatchError::TooMany);
        }
        let place = self.place(&key, &path, &[])?;
        self.watches.insert(
            key,
            Watch {
                path,
                place,
                tell,
                changes: BTreeSet::new(),
                is_cut: false,
                due: None,
            },
        );
        Ok(())
    }

    pub(super) fn unwatch(&mut self, key: &Key) {
        if let Some(watch) = self.watches.remove(key) {
            self.collecting.remove(key);
            self.release(key, watch.place.rules.iter().map(|rule| &*rule.watched));
        }
    }

    /// The watches of a connection.
    fn of(&self, owner: ConnectionId) -> impl Iterator<Item = &Key> {
        let from = (owner, String::new());
        let watches = self.watches.range(from..).map(|(key, _)| key);
        watches.take_while(move |key| key.0 == owner)
    }

    pub(super) fn connection_closed(&mut self, owner: ConnectionId) {
        let keys: Vec<Key> = self.of(owner).cloned().collect();
        for key in keys {
            self.unwatch(&key);
        }
    }

    /// When something is to be told next.
    pub(super) fn due(&self) -> Option<Instant> {
        let watches = self
            .collecting
            .iter()
            .filter_map(|key| self.watches.get(key));
        watches.filter_map(|watch| watch.due).min()
    }

    /// Tells what was collected long enough.
    pub(super) fn tell_due(&mut self, now: Instant) {
        let watches = &mut self.watches;
        self.collecting.retain(|key| {
            let Some(watch) = watches.get_mut(key) else {
                return false;
            };
            if watch.due.is_some_and(|due| due > now) {
                return true;
            }
            match (watch.tell)(&watch.changes) {
                Told::Taken => {
                    watch.changes.clear();
                    watch.is_cut = false;
                    watch.due = None;
                    false
                }
                Told::Later => {
                    watch.due = Some(now + COLLECTED_FOR);
                    true
                }
            }
        });
    }

    /// Finds out whom the changes of the inbox concern.
    pub(super) fn sort(&mut self, now: Instant) {
        let Changes { paths, moved, lost } = self.inbox.take();
        let mut moved_keys = BTreeSet::new();
        for path in &paths {
            let moves = moved.contains(path);
            let around = [path.parent(), Some(path.as_path())];
            for watched in around.into_iter().flatten() {
                let keys = self.watched.get(watched).into_iter().flatten();
                for key in keys {
                    let Some(watch) = self.watches.get_mut(key) else {
                        continue;
                    };
                    let (told, concerns) = told(&watch.path, &watch.place.rules, watched, path);
                    if !told.is_empty() {
                        self.collecting.insert(key.clone());
                    }
                    for path in told {
                        watch.changed(path, now);
                    }
                    if moves && concerns {
                        moved_keys.insert(key.clone());
                    }
                }
            }
        }
        // Only now: what changed in a folder that is gone was still to be told.
        for path in &moved {
            self.forget(path, &mut moved_keys);
        }
        if lost {
            moved_keys.extend(self.watches.keys().cloned());
            self.collecting.extend(self.watches.keys().cloned());
            for watch in self.watches.values_mut() {
                watch.changed(watch.path.clone(), now);
            }
        }
        for key in moved_keys {
            self.look_again(&key, now);
        }
    }

    /// The source does not follow what went or moved away, nor what is below it; it is asked
    /// again for what is there.
    fn forget(&mut self, path: &Path, keys: &mut BTreeSet<Key>) {
        let below: Vec<PathBuf> = self
            .watched
            .range(path.to_owned()..)
            .map(|(watched, _)| watched)
            .take_while(|watched| watched.starts_with(path))
            .cloned()
            .collect();
        for watched in below {
            keys.extend(self.watched.remove(&watched).into_iter().flatten());
            self.end(&watched);
        }
    }

    /// Finds out where a path is now that something on the way to it has changed.
    fn look_again(&mut self, key: &Key, now: Instant) {
        let Some(watch) = self.watches.get(key) else {
            return;
        };
        let (path, old) = (watch.path.clone(), watch.place.clone());
        let place = self.place(key, &path, &old.rules).unwrap_or_else(|error| {
            tracing::warn!(path = %path.display(), %error, "a watched path is not watched any more");
            Place {
                rules: Vec::new(),
                ..place::find(&path)
            }
        });
        if let Some(watch) = self.watches.get_mut(key) {
            if place.is_there != old.is_there {
                watch.changed(path, now);
                self.collecting.insert(key.clone());
            }
            watch.place = place;
        }
    }

    /// Has everything watched that a path needs, and nothing any more that only the `old`
    /// rules need. What changes in between is seen by looking once more afterwards.
    fn place(&mut self, key: &Key, path: &Path, old: &[Rule]) -> Result<Place, WatchError> {
        let mut had: BTreeSet<PathBuf> = old.iter().map(|rule| rule.watched.clone()).collect();
        let mut place = place::find(path);
        let mut failed = None;
        for _ in 0..ATTEMPTS_MAX {
            failed = self.require(key, &mut place).err();
            had.extend(place.rules.iter().map(|rule| rule.watched.clone()));
            let again = place::find(path);
            if again.is_there == place.is_there && again.is_folder == place.is_folder {
                break;
            }
            place = again;
        }
        if failed.is_none() {
            for rule in &place.rules {
                had.remove(&rule.watched);
            }
        }
        self.release(key, had.iter().map(PathBuf::as_path));
        failed.map_or(Ok(place), Err)
    }

    /// Has the rules of a place watched. Those that are stay in it.
    fn require(&mut self, key: &Key, place: &mut Place) -> Result<(), WatchError> {
        let mut refused = None;
        place
            .rules
            .retain(|rule| match self.hold(key, &rule.watched) {
                Ok(()) => true,
                Err(error) => {
                    refused = Some((error, rule.clone()));
                    false
                }
            });
        let Some((error, rule)) = refused else {
            return Ok(());
        };
        match rule.meaning {
            // Who may not list a folder may still see what changes in a file of it.
            Meaning::Entry(name) if place.is_there && !place.is_folder => {
                let watched = rule.watched.join(name);
                self.hold(key, &watched)?;
                place.rules.push(Rule {
                    watched,
                    meaning: Meaning::Itself,
                });
                Ok(())
            }
            // Nor does a folder need the one above, but to come back once it was gone.
            Meaning::Entry(_) if place.is_folder && !place.rules.is_empty() => Ok(()),
            Meaning::Entry(_) | Meaning::Itself | Meaning::Step(_) => Err(error),
        }
    }

    fn hold(&mut self, key: &Key, path: &Path) -> Result<(), WatchError> {
        if let Some(keys) = self.watched.get_mut(path) {
            keys.insert(key.clone());
            return Ok(());
        }
        let source = match &mut self.source {
            Some(source) => source,
            none => {
                let inbox = Arc::clone(&self.inbox);
                let made = notify::recommended_watcher(move |event| inbox.put(event));
                none.insert(made.map_err(|error| system(&error))?)
            }
        };
        match source.watch(path, RecursiveMode::NonRecursive) {
            Ok(()) => {
                let keys = BTreeSet::from([key.clone()]);
                self.watched.insert(path.to_owned(), keys);
                Ok(())
            }
            Err(error) => {
                self.end_source();
                Err(system(&error))
            }
        }
    }

    /// Gives up what a watch had.
    fn release<'a>(&mut self, key: &Key, had: impl Iterator<Item = &'a Path>) {
        for path in had {
            let Some(keys) = self.watched.get_mut(path) else {
                continue;
            };
            keys.remove(key);
            if keys.is_empty() {
                self.watched.remove(path);
                self.end(path);
            }
        }
    }

    fn end(&mut self, path: &Path) {
        if let Some(source) = &mut self.source
            && let Err(error) = source.unwatch(path)
        {
            // What is gone was given up by the source itself.
            tracing::trace!(path = %path.display(), %error, "no longer watched");
        }
        self.end_source();
    }

    fn end_source(&mut self) {
        if self.watched.is_empty() {
            self.source = None;
        }
    }
}

/// What a watch tells of a change at `path`, at or right below what is `watched`; and whether
/// it concerns how the watch is watched.
fn told(shown: &Path, rules: &[Rule], watched: &Path, path: &Path) -> (Vec<PathBuf>, bool) {
    let mut told = Vec::new();
    let mut concerns = false;
    let name = path.file_name();
    for rule in rules.iter().filter(|rule| rule.watched == *watched) {
        let is_watched = path == watched;
        match &rule.meaning {
            Meaning::Itself if is_watched => {
                concerns = true;
                told.push(shown.to_owned());
            }
            Meaning::Itself => told.extend(name.map(|name| shown.join(name))),
            Meaning::Entry(_) | Meaning::Step(_) if is_watched => concerns = true,
            Meaning::Entry(entry) if Some(entry.as_os_str()) == name => {
                concerns = true;
                told.push(shown.to_owned());
            }
            Meaning::Step(entry) if Some(entry.as_os_str()) == name => concerns = true,
            Meaning::Entry(_) | Meaning::Step(_) => {}
        }
    }
    (told, concerns)
}

fn system(error: &notify::Error) -> WatchError {
    WatchError::System(match &error.kind {
        notify::ErrorKind::Io(error) => error.to_string(),
        notify::ErrorKind::Generic(_)
        | notify::ErrorKind::PathNotFound
        | notify::ErrorKind::WatchNotFound
        | notify::ErrorKind::InvalidConfig(_)
        | notify::ErrorKind::MaxFilesWatch => error.to_string(),
    })
}
