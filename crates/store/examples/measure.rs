//! How long lists and refreshes take with ten thousand threads, on this machine and in
//! this build. `measure FOLDER` works in a new folder below `FOLDER`.

#![expect(clippy::print_stdout, reason = "an example talks to its user")]
#![expect(
    clippy::disallowed_methods,
    reason = "an example may look at the clock"
)]

use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use loomd_base::ThreadId;
use loomd_protocol::Thread;
use loomd_store::{FileRow, Index, ListQuery, ThreadRow};
use uuid::Uuid;

const THREADS: u32 = 10_000;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("name a folder")?;
    let home = tempfile::tempdir_in(folder)?;
    let index = Index::new(home.path());
    let names = (0..THREADS / 10).map(|n| (id(n), format!("Name {n}")));
    let names: BTreeMap<_, _> = names.collect();
    let refresh = || index.refresh((0..THREADS).map(file), &names, |file| head(file).ok());
    timed("first refresh", || Ok(refresh()?.read))?;
    timed("refresh, nothing changed", || Ok(refresh()?.read))?;
    let mut query = ListQuery::default();
    timed("first page", || Ok(index.list(&query)?.threads.len()))?;
    timed("first page again", || Ok(index.list(&query)?.threads.len()))?;
    query.search_term = Some("Name 999".to_owned());
    timed("search for one", || Ok(index.list(&query)?.threads.len()))?;
    query.search_term = None;
    let again = Index::new(home.path());
    timed("first page of a new process", || {
        Ok(again.list(&query)?.threads.len())
    })?;
    Ok(())
}

fn timed(
    what: &str,
    work: impl FnOnce() -> Result<usize, loomd_store::Error>,
) -> Result<(), loomd_store::Error> {
    let begun = Instant::now();
    let count = work()?;
    println!("{what}: {count} in {:?}", begun.elapsed());
    Ok(())
}

fn id(n: u32) -> ThreadId {
    ThreadId(Uuid::from_u128(u128::from(n)))
}

fn file(n: u32) -> FileRow {
    FileRow {
        id: id(n),
        path: PathBuf::from(format!("/home/sessions/2026/11/22/rollout-{n}.jsonl")),
        archived: false,
        mtime_ms: i64::from(n) + 1,
        size: 1000,
    }
}

fn head(file: &FileRow) -> Result<ThreadRow, serde_json::Error> {
    let id = file.id.to_string();
    let thread: Thread = serde_json::from_value(serde_json::json!({
        "id": id, "sessionId": id, "preview": "what somebody asked first ".repeat(10),
        "ephemeral": false, "modelProvider": "mock", "createdAt": 1, "updatedAt": 1,
        "status": {"type": "notLoaded"}, "cwd": "/w", "cliVersion": "0", "source": "vscode",
        "turns": [],
    }))?;
    Ok(ThreadRow {
        continues: None,
        file: file.clone(),
        thread,
        created_ms: 1_795_341_600_000 + file.mtime_ms * 1000,
        updated_ms: file.mtime_ms,
        recency_ms: file.mtime_ms,
        listed: true,
        source_kind: "vscode",
    })
}
