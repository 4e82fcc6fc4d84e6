//! How long lists and refreshes take with ten thousand threads, on this machine and in
//! this build. `measure FOLDER` works in a new folder below `FOLDER`.

#![expect(clippy::print_stdout, reason = "an example talks to its user")]
#![expect(
    clippy::disallowed_methods,
    reason = "an example may look at the clock"
)]

use std::collections::HashMap;
use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use loomd_base::ThreadId;
use loomd_protocol::SessionSource;
use loomd_store::{Index, ListQuery, SeenFile, Source, SourceError, ThreadRow};
use uuid::Uuid;

const THREADS: u32 = 10_000;

/// Threads that are nowhere but here, so that only the index is measured.
struct Made;

fn id(number: u32) -> ThreadId {
    ThreadId(Uuid::from_u128(u128::from(number)))
}

impl Source for Made {
    fn files(&self) -> Result<Vec<SeenFile>, SourceError> {
        let file = |number| SeenFile {
            thread: id(number),
            path: PathBuf::from(format!("/home/sessions/2026/11/22/rollout-{number}.jsonl")),
            archived: false,
            mtime_ms: i64::from(number),
            size: 1000,
        };
        Ok((0..THREADS).map(file).collect())
    }

    fn read(&self, file: &SeenFile) -> Result<ThreadRow, SourceError> {
        Ok(ThreadRow {
            id: file.thread,
            session_id: file.thread,
            path: file.path.clone(),
            archived: false,
            created_ms: 1_795_341_600_000 + file.mtime_ms * 1000,
            updated_ms: 0,
            recency_ms: 0,
            preview: "what somebody asked first ".repeat(10),
            has_user_message: true,
            name: None,
            cwd: PathBuf::from("/project"),
            source: SessionSource::Vscode,
            thread_source: None,
            model_provider: "mock".to_owned(),
            model: Some("mock-model".to_owned()),
            effort: None,
            cli_version: "0.169.0".to_owned(),
            originator: "measure".to_owned(),
            git: None,
            parent_thread_id: None,
            forked_from_id: None,
            agent_nickname: None,
            agent_role: None,
            paginated: true,
        })
    }

    fn names_stamp(&self) -> String {
        String::new()
    }

    fn names(&self) -> Result<HashMap<ThreadId, String>, SourceError> {
        Ok((0..THREADS / 10)
            .map(|number| (id(number), format!("Name {number}")))
            .collect())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("name a folder")?;
    let home = tempfile::tempdir_in(folder)?;
    let index = Index::open(home.path());
    timed("first refresh", || {
        index.refresh(&Made).map(|report| report.read)
    })?;
    timed("refresh, nothing changed", || {
        index.refresh(&Made).map(|report| report.seen)
    })?;
    let mut query = ListQuery::default();
    timed("first page", || {
        index.list(&query).map(|page| page.rows.len())
    })?;
    timed("first page again", || {
        index.list(&query).map(|page| page.rows.len())
    })?;
    query.search_term = Some("Name 999".to_owned());
    timed("search for one", || {
        index.list(&query).map(|page| page.rows.len())
    })?;
    let again = Index::open(home.path());
    timed("first page of a new process", || {
        again
            .list(&ListQuery::default())
            .map(|page| page.rows.len())
    })?;
    timed("get", || {
        again.get(id(5)).map(|row| usize::from(row.is_some()))
    })?;
    Ok(())
}

fn timed(what: &str, work: impl FnOnce() -> loomd_store::Result<usize>) -> loomd_store::Result<()> {
    let begun = Instant::now();
    let count = work()?;
    println!("{what}: {count} in {:?}", begun.elapsed());
    Ok(())
}
