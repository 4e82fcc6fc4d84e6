use std::path::Path;

use notify::event::{Event, EventKind, Flag, ModifyKind};

use super::*;

/// What a watch was told, and whether it takes it.
#[derive(Clone, Default)]
struct Heard {
    messages: Arc<Mutex<Vec<Vec<PathBuf>>>>,
    lags: Arc<std::sync::atomic::AtomicBool>,
}

impl Heard {
    fn tell(&self) -> Tell {
        let heard = self.clone();
        Box::new(move |paths| {
            if heard.lags.load(std::sync::atomic::Ordering::Relaxed) {
                return Told::Later;
            }
            let mut messages = heard.messages.lock().expect("nobody panicked");
            messages.push(paths.iter().cloned().collect());
            Told::Taken
        })
    }

    fn taken(&self) -> Vec<Vec<PathBuf>> {
        std::mem::take(&mut *self.messages.lock().expect("nobody panicked"))
    }
}

/// A hub that watches one folder, and a time to begin with.
struct Case {
    hub: Hub,
    inbox: Arc<Inbox>,
    heard: Heard,
    folder: tempfile::TempDir,
    now: Instant,
}

impl Case {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let inbox = Arc::new(Inbox::default());
        let mut hub = Hub::new(Arc::clone(&inbox));
        let heard = Heard::default();
        let key = (ConnectionId(1), "w".to_owned());
        hub.watch(key, folder.path().to_owned(), heard.tell())
            .expect("watched");
        Self {
            hub,
            inbox,
            heard,
            folder,
            now: Instant::now(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Says that a path has changed, as the operating system does.
    fn change(&self, path: &Path) {
        let real = std::fs::canonicalize(self.folder.path()).expect("there");
        let below = path.strip_prefix(self.folder.path()).expect("below");
        let kind = EventKind::Modify(ModifyKind::Any);
        self.inbox
            .put(Ok(Event::new(kind).add_path(real.join(below))));
    }

    fn told_at(&mut self, after: Duration) -> Vec<Vec<PathBuf>> {
        self.hub.sort(self.now);
        self.hub.tell_due(self.now + after);
        self.heard.taken()
    }
}

#[test]
fn changes_are_collected_from_the_first_one_on() {
    let mut case = Case::new();
    let (a, b) = (case.path("a"), case.path("b"));
    case.change(&b);
    assert_eq!(case.told_at(COLLECTED_FOR / 2), Vec::<Vec<PathBuf>>::new());
    assert_eq!(case.hub.due(), Some(case.now + COLLECTED_FOR));
    case.change(&a);
    case.change(&b);
    assert_eq!(case.told_at(COLLECTED_FOR), [[a, b]]);
    assert_eq!(case.hub.due(), None);
}

#[test]
fn too_many_changes_become_one() {
    let mut case = Case::new();
    for round in 0..2 {
        for number in 0..=CHANGES_MAX {
            case.change(&case.path(&format!("{round}-{number}")));
        }
        case.hub.sort(case.now);
    }
    let whole = vec![vec![case.folder.path().to_owned()]];
    assert_eq!(case.told_at(COLLECTED_FOR), whole);
    let one = case.path("one");
    case.change(&one);
    assert_eq!(case.told_at(COLLECTED_FOR), [[one]], "and then as before");
}

#[test]
fn what_the_system_has_lost_is_told_as_a_change_of_everything() {
    let mut case = Case::new();
    let lost = Event::new(EventKind::Other).set_flag(Flag::Rescan);
    case.inbox.put(Ok(lost));
    let whole = vec![vec![case.folder.path().to_owned()]];
    assert_eq!(case.told_at(COLLECTED_FOR), whole);
}

#[test]
fn who_lags_is_told_later() {
    let mut case = Case::new();
    let (a, b) = (case.path("a"), case.path("b"));
    case.heard
        .lags
        .store(true, std::sync::atomic::Ordering::Relaxed);
    case.change(&a);
    assert!(case.told_at(COLLECTED_FOR).is_empty());
    assert_eq!(case.hub.due(), Some(case.now + COLLECTED_FOR * 2));
    case.change(&b);
    case.heard
        .lags
        .store(false, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(case.told_at(COLLECTED_FOR * 2), [[a, b]]);
}
