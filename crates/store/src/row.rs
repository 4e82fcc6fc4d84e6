//! Rows: a thread as the index keeps it.

use std::path::PathBuf;

use loomd_base::ThreadId;
use loomd_protocol::Thread;
use rusqlite::{Connection, Row, params};

use crate::Error;

/// A rollout file as the folder lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRow {
    /// The thread, by the file's name.
    pub id: ThreadId,
    /// Where it lies.
    pub path: PathBuf,
    /// It lies in the archive.
    pub archived: bool,
    /// Time of its last change, Unix milliseconds.
    pub mtime_ms: i64,
    /// Bytes.
    pub size: u64,
}

/// A thread as the index keeps it.
#[derive(Debug, Clone, PartialEq)]
pub struct ThreadRow {
    /// Its file. Time and size zero when they are not known, which makes the next
    /// refresh read it.
    pub file: FileRow,
    /// What clients see of it. Status, turns and name do not count.
    pub thread: Thread,
    /// Unix milliseconds.
    pub created_ms: i64,
    /// Unix milliseconds.
    pub updated_ms: i64,
    /// Start of its last turn, Unix milliseconds.
    pub recency_ms: i64,
    /// It has a user message, so that lists show it.
    pub listed: bool,
    /// What kind of source it has, in the words of the list's filter.
    pub source_kind: &'static str,
    /// The file that its file continues, by its id; `None` leaves what is known.
    pub continues: Option<String>,
}

/// The columns that make a client's view of a thread.
pub(crate) const STORED: &str = "thread, name, path, updated_ms, recency_ms";

/// What [`STORED`] holds. The columns beside the JSON change oftener than it does.
pub(crate) struct Stored {
    thread: String,
    name: Option<String>,
    path: String,
    updated_ms: i64,
    recency_ms: i64,
}

impl Stored {
    /// Reads the columns, the first of which is number `at`.
    pub(crate) fn read(row: &Row<'_>, at: usize) -> rusqlite::Result<Self> {
        Ok(Self {
            thread: row.get(at)?,
            name: row.get(at + 1)?,
            path: row.get(at + 2)?,
            updated_ms: row.get(at + 3)?,
            recency_ms: row.get(at + 4)?,
        })
    }

    /// The thread as clients see it.
    pub(crate) fn into_thread(self) -> Result<Thread, Error> {
        let thread: Thread = serde_json::from_str(&self.thread)?;
        Ok(Thread {
            name: self.name,
            path: Some(self.path),
            updated_at: self.updated_ms.div_euclid(1000),
            recency_at: Some(self.recency_ms.div_euclid(1000)),
            ..thread
        })
    }
}

/// Adds or replaces a row; a name it has stays.
pub(crate) fn write(connection: &Connection, row: &ThreadRow) -> Result<(), Error> {
    let thread = &row.thread;
    let kept = Thread {
        turns: Vec::new(),
        ..thread.clone()
    };
    connection
        .prepare_cached(
            "INSERT INTO threads VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18)
             ON CONFLICT (id) DO UPDATE SET
                path = ?2, archived = ?3, mtime_ms = ?4, size = ?5, created_ms = ?6,
                updated_ms = ?7, recency_ms = ?8, listed = ?9, provider = ?10, source_kind = ?11,
                cwd = ?12, originator = ?13, parent = ?14, name = coalesce(?15, name),
                preview = ?16, thread = ?17, continues = coalesce(?18, continues)",
        )?
        .execute(params![
            row.file.id.to_string(),
            row.file.path.to_string_lossy(),
            row.file.archived,
            row.file.mtime_ms,
            i64::try_from(row.file.size).unwrap_or(i64::MAX),
            row.created_ms,
            row.updated_ms,
            row.recency_ms,
            row.listed,
            thread.model_provider,
            row.source_kind,
            thread.cwd.as_str(),
            thread.originator,
            thread.parent_thread_id,
            thread.name,
            thread.preview,
            serde_json::to_string(&kept)?,
            row.continues,
        ])?;
    Ok(())
}

/// Names a thread.
pub(crate) fn write_name(connection: &Connection, id: ThreadId, name: &str) -> Result<(), Error> {
    connection
        .prepare_cached("UPDATE threads SET name = ?2 WHERE id = ?1 AND name IS NOT ?2")?
        .execute(params![id.to_string(), name])?;
    Ok(())
}
