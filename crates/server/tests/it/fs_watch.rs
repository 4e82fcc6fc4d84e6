//! Watching files and folders. These wait for the operating system, so time is real here.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use loomd_testkit::{TestClient, TestServer};
use serde_json::{Value, json};

struct Watched {
    server: TestServer,
    client: TestClient,
}

impl Watched {
    async fn new() -> Self {
        let server = TestServer::new();
        let client = server.client().await;
        Self { server, client }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.server.work().join(name)
    }

    async fn watch(&mut self, id: &str, path: &str) {
        let path = self.path(path);
        let answer = self
            .client
            .request("fs/watch", json!({"watchId": id, "path": path}))
            .await;
        assert_eq!(answer.expect("watched"), json!({ "path": path }));
    }

    async fn unwatch(&mut self, id: &str) {
        let answer = self
            .client
            .request("fs/unwatch", json!({ "watchId": id }))
            .await;
        assert_eq!(answer.expect("always"), json!({}));
    }

    /// The next changes: whose they are, and the paths below the folder.
    async fn changed(&mut self) -> (String, Vec<String>) {
        let note = self.client.note("fs/changed").await;
        let work = self.server.work();
        let paths = note["changedPaths"].as_array().expect("paths");
        let paths = paths.iter().map(|path| {
            let path = Path::new(path.as_str().expect("a path"));
            let below = path.strip_prefix(&work).expect("a path in the folder");
            below.display().to_string()
        });
        let id = note["watchId"].as_str().expect("an id");
        (id.to_owned(), paths.collect())
    }

    /// Expects changes of these paths, in one message or in several.
    async fn expect(&mut self, id: &str, expected: &[&str]) {
        let mut missing: Vec<&str> = expected.to_vec();
        while !missing.is_empty() {
            let (watch, paths) = self.changed().await;
            assert_eq!(watch, id);
            for path in &paths {
                assert!(expected.contains(&&**path), "{path} is not of {expected:?}");
                missing.retain(|missing| missing != path);
            }
        }
    }

    fn write(&self, name: &str) {
        std::fs::write(self.path(name), name).expect("written");
    }

    fn make(&self, name: &str) {
        std::fs::create_dir_all(self.path(name)).expect("made");
    }
}

#[tokio::test]
async fn a_folder_is_watched_with_its_children_and_no_deeper() {
    let mut watched = Watched::new().await;
    watched.make("d/sub");
    watched.watch("w", "d").await;
    watched.write("d/sub/deep");
    watched.write("other");
    for name in ["d/b", "d/a", "d/c"] {
        watched.write(name);
    }
    assert_eq!(
        watched.changed().await,
        ("w".into(), vec!["d/a".into(), "d/b".into(), "d/c".into()]),
        "what changes within a fifth of a second is told at once, sorted"
    );
    std::fs::rename(watched.path("d/a"), watched.path("d/z")).expect("moved");
    watched.expect("w", &["d/a", "d/z"]).await;
    std::fs::read(watched.path("d/z")).expect("read");
    std::fs::remove_file(watched.path("d/z")).expect("removed");
    watched.expect("w", &["d/z"]).await;
    // It goes with what is in it, comes back, and is still watched.
    std::fs::remove_dir_all(watched.path("d")).expect("removed");
    watched.expect("w", &["d", "d/b", "d/c", "d/sub"]).await;
    watched.make("d");
    watched.expect("w", &["d"]).await;
    watched.write("d/new");
    watched.expect("w", &["d/new"]).await;
}

#[tokio::test]
async fn a_file_stays_watched_when_it_is_replaced_or_made_again() {
    let mut watched = Watched::new().await;
    watched.write("f");
    watched.watch("w", "f").await;
    watched.write("f");
    watched.expect("w", &["f"]).await;
    for _ in 0..2 {
        watched.write("beside");
        std::fs::rename(watched.path("beside"), watched.path("f")).expect("moved");
        watched.expect("w", &["f"]).await;
    }
    watched.write("f");
    watched.expect("w", &["f"]).await;
    std::fs::remove_file(watched.path("f")).expect("removed");
    watched.expect("w", &["f"]).await;
    watched.write("f");
    watched.expect("w", &["f"]).await;
}

#[tokio::test]
async fn what_is_not_there_is_told_when_it_comes() {
    let mut watched = Watched::new().await;
    watched.watch("file", "no/such/file").await;
    watched.make("no/such");
    watched.write("no/such/other");
    watched.write("no/such/file");
    watched.expect("file", &["no/such/file"]).await;
    watched.write("no/such/file");
    watched.expect("file", &["no/such/file"]).await;
    watched.unwatch("file").await;

    watched.watch("folder", "new/folder").await;
    watched.make("new/folder");
    watched.expect("folder", &["new/folder"]).await;
    watched.write("new/folder/x");
    watched.expect("folder", &["new/folder/x"]).await;
    // The folder above moves away, and another one comes.
    std::fs::rename(watched.path("new"), watched.path("old")).expect("moved");
    watched.expect("folder", &["new/folder"]).await;
    watched.write("old/folder/x");
    watched.make("new/folder");
    watched.expect("folder", &["new/folder"]).await;
    watched.write("new/folder/y");
    watched.expect("folder", &["new/folder/y"]).await;
}

#[tokio::test]
async fn paths_are_told_as_the_watch_has_them_and_each_watch_is_told() {
    let mut watched = Watched::new().await;
    watched.make("d");
    watched.write("d/f");
    symlink("d", watched.path("ld")).expect("a link");
    symlink("d/f", watched.path("lf")).expect("a link");
    for (id, path) in [("1", "d"), ("2", "d"), ("3", "ld"), ("4", "lf")] {
        watched.watch(id, path).await;
    }
    let twice = json!({"watchId": "1", "path": watched.path("ld")});
    assert_eq!(
        watched.client.refusal("fs/watch", twice).await,
        (-32600, "watchId already exists: 1".to_owned())
    );
    watched.write("d/f");
    let mut told = Vec::new();
    for _ in 0..4 {
        told.push(watched.changed().await);
    }
    told.sort();
    let expected = [("1", "d/f"), ("2", "d/f"), ("3", "ld/f"), ("4", "lf")];
    let expected = expected.map(|(id, path)| (id.to_owned(), vec![path.to_owned()]));
    assert_eq!(told, expected);
    // One that ends takes nothing from the others of the same folder.
    watched.unwatch("1").await;
    watched.unwatch("3").await;
    watched.write("d/g");
    watched.expect("2", &["d/g"]).await;

    let path = watched.path("d/../d/.").join("");
    let plain = watched.path("d");
    let answer = watched
        .client
        .request("fs/watch", json!({"watchId": "5", "path": path}))
        .await;
    assert_eq!(answer.expect("watched"), json!({ "path": plain }));
}

#[tokio::test]
async fn watches_are_of_their_connection_and_end_with_it() {
    let mut watched = Watched::new().await;
    watched.make("d");
    let mut other = watched.server.client().await;
    watched.watch("w", "d").await;
    let params = json!({"watchId": "w", "path": watched.path("d")});
    other
        .request("fs/watch", params.clone())
        .await
        .expect("ids are of the connection");
    other
        .request("fs/unwatch", json!({"watchId": "w"}))
        .await
        .expect("its own");
    watched.write("d/a");
    watched.expect("w", &["d/a"]).await;
    assert!(
        !told(&mut other).await,
        "nothing is told behind the answer to fs/unwatch"
    );
    // Asked for and ended without waiting for answers.
    let mut ids = Vec::new();
    for _ in 0..20 {
        ids.push(other.send("fs/watch", params.clone()).await);
        ids.push(other.send("fs/unwatch", json!({"watchId": "w"})).await);
    }
    for id in ids {
        other.answer(id).await.expect("in order");
    }
}

/// Whether a connection has been told of changes.
async fn told(client: &mut TestClient) -> bool {
    // Its answer comes behind whatever was sent before.
    let params = json!({"query": "", "roots": []});
    client
        .request("fuzzyFileSearch", params)
        .await
        .expect("nothing to find");
    let notes = client.pending_notes();
    notes.iter().any(|note| note["method"] == "fs/changed")
}

#[tokio::test]
async fn one_connection_has_so_many_watches_and_no_more() {
    let mut watched = Watched::new().await;
    let mut ids = Vec::new();
    for number in 0..1000 {
        let params = json!({"watchId": format!("w{number}"), "path": watched.path("none")});
        ids.push(watched.client.send("fs/watch", params).await);
    }
    for id in ids {
        watched.client.answer(id).await.expect("watched");
    }
    let params = json!({"watchId": "more", "path": watched.path("none")});
    assert_eq!(
        watched.client.refusal("fs/watch", params.clone()).await,
        (
            -32600,
            "too many watches: limit is 1000 per connection".to_owned()
        )
    );
    let mut other = watched.server.client().await;
    other
        .request("fs/watch", params.clone())
        .await
        .expect("nobody else is concerned");
    watched.unwatch("w7").await;
    watched
        .client
        .request("fs/watch", params)
        .await
        .expect("there is room again");
}

/// Descriptors of the process that watch files, and threads that wait for them.
#[cfg(target_os = "linux")]
fn left_behind() -> (usize, usize) {
    let entries = |folder: &str| std::fs::read_dir(folder).expect("the process is known");
    let descriptors = entries("/proc/self/fd").flatten().filter(|entry| {
        std::fs::read_link(entry.path()).is_ok_and(|target| target.ends_with("anon_inode:inotify"))
    });
    let threads = entries("/proc/self/task").flatten().filter(|entry| {
        std::fs::read_to_string(entry.path().join("comm"))
            .is_ok_and(|name| name.starts_with("notify-rs"))
    });
    (descriptors.count(), threads.count())
}

/// Tests of this file run beside this one in the same process, so that it runs in a process
/// of its own.
#[cfg(target_os = "linux")]
#[test]
fn no_descriptor_and_no_thread_is_left_behind() {
    const ALONE: &str = "LOOMD_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(alone());
        return;
    }
    let program = std::env::current_exe().expect("this program");
    let run = std::process::Command::new(program)
        .args([
            "--exact",
            "fs_watch::no_descriptor_and_no_thread_is_left_behind",
        ])
        .env(ALONE, "1")
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{said}");
    assert!(said.contains("1 passed"), "{said}");
}

#[cfg(target_os = "linux")]
async fn alone() {
    let until = async |expected: (usize, usize)| {
        let waited = tokio::time::timeout(Duration::from_secs(20), async {
            while left_behind() != expected {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        let in_time = waited.await.is_ok();
        assert!(in_time, "{:?} instead of {expected:?}", left_behind());
    };
    let mut watched = Watched::new().await;
    watched.make("d");
    assert_eq!(left_behind(), (0, 0));
    for round in 0..3 {
        watched.watch("a", "d").await;
        watched.watch("b", "no/such/thing").await;
        let mut other = watched.server.client().await;
        let params = json!({"watchId": "w", "path": watched.path("d")});
        other.request("fs/watch", params).await.expect("watched");
        until((1, 1)).await;
        watched.write("d/x");
        watched.expect("a", &["d/x"]).await;
        watched.unwatch("a").await;
        watched.unwatch("b").await;
        assert_eq!(left_behind(), (1, 1), "the other connection still watches");
        if round == 1 {
            other.close().await;
        } else {
            drop(other);
        }
        until((0, 0)).await;
    }
    // What cannot be watched leaves nothing either.
    let error: Value = watched
        .client
        .request("fs/unwatch", json!({"watchId": "none"}))
        .await
        .expect("always");
    assert_eq!(error, json!({}));
    assert_eq!(left_behind(), (0, 0));
}
