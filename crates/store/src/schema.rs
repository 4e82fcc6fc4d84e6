//! The database file: its tables, and opening it whatever state it is in.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OptionalExtension};

use crate::error::Warning;

/// The form of the tables. A file of another form is never migrated: its content can be
/// had from the files.
pub(crate) const VERSION: i64 = 1;

/// How long a question waits for another process's write.
const BUSY_TIMEOUT: Duration = Duration::from_millis(500);

const TABLES: &str = "
CREATE TABLE threads (
    id TEXT PRIMARY KEY NOT NULL,
    session_id TEXT NOT NULL,
    path TEXT NOT NULL,
    archived INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    recency_ms INTEGER NOT NULL,
    preview TEXT NOT NULL,
    has_user_message INTEGER NOT NULL,
    name TEXT,
    cwd TEXT NOT NULL,
    source TEXT NOT NULL,
    source_kind TEXT NOT NULL,
    thread_source TEXT,
    model_provider TEXT NOT NULL,
    model TEXT,
    effort TEXT,
    cli_version TEXT NOT NULL,
    originator TEXT NOT NULL,
    git TEXT,
    parent_thread_id TEXT,
    forked_from_id TEXT,
    agent_nickname TEXT,
    agent_role TEXT,
    paginated INTEGER NOT NULL,
    mtime_ms INTEGER,
    size INTEGER
) WITHOUT ROWID;
CREATE INDEX threads_by_created ON threads (archived, has_user_message, created_ms, id);
CREATE INDEX threads_by_updated ON threads (archived, has_user_message, updated_ms, id);
CREATE INDEX threads_by_recency ON threads (archived, has_user_message, recency_ms, id);
CREATE INDEX threads_by_parent ON threads (parent_thread_id) WHERE parent_thread_id IS NOT NULL;
CREATE INDEX threads_by_stamp ON threads (id, path, archived, has_user_message, mtime_ms, size);
CREATE TABLE unreadable (
    path TEXT PRIMARY KEY NOT NULL,
    mtime_ms INTEGER NOT NULL,
    size INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE facts (
    key TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL
) WITHOUT ROWID;
";

/// Opens the database at `path`, or the next best thing.
pub(crate) fn open(path: &Path) -> (Connection, Option<Warning>) {
    match open_file(path) {
        Ok(opened) => opened,
        Err(error) if is_damage(&error) => {
            let reason = error.to_string();
            let to = move_aside(path);
            match open_file(path) {
                Ok((connection, _)) => (connection, Some(Warning::MovedAside { to, reason })),
                Err(error) => (in_memory(), Some(in_memory_because(&error))),
            }
        }
        Err(error) => (in_memory(), Some(in_memory_because(&error))),
    }
}

/// Whether the file's content is at fault, not its surroundings.
pub(crate) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt)
    )
}

fn in_memory_because(error: &rusqlite::Error) -> Warning {
    Warning::InMemory {
        reason: error.to_string(),
    }
}

fn open_file(path: &Path) -> rusqlite::Result<(Connection, Option<Warning>)> {
    if let Some(folder) = path.parent()
        && let Err(error) = fs::create_dir_all(folder)
    {
        tracing::warn!(%error, folder = %folder.display(), "cannot make the index's folder");
    }
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version > VERSION {
        let reason = format!("it belongs to a newer program (form {version})");
        return Ok((in_memory(), Some(Warning::InMemory { reason })));
    }
    // Losing the last writes to a power cut costs a refresh, nothing more.
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    if version == VERSION {
        // A torn file shows itself only when its pages are read.
        connection.query_row("SELECT count(*) FROM facts", [], |_| Ok(()))?;
        connection
            .query_row("SELECT id FROM threads LIMIT 1", [], |_| Ok(()))
            .optional()?;
        return Ok((connection, None));
    }
    let old = make_tables(&mut connection)?;
    Ok((connection, old.map(|version| Warning::Rebuilt { version })))
}

/// Empties the database and makes the tables. Returns the old form, if there was one.
fn make_tables(connection: &mut Connection) -> rusqlite::Result<Option<i64>> {
    let transaction =
        connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    // Another process may have made them since.
    let version: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version == VERSION {
        return Ok(None);
    }
    let old: Vec<String> = transaction
        .prepare(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
        )?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for table in &old {
        transaction.execute_batch(&format!("DROP TABLE \"{}\"", table.replace('"', "\"\"")))?;
    }
    transaction.execute_batch(TABLES)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()?;
    Ok((!old.is_empty()).then_some(version))
}

fn in_memory() -> Connection {
    let mut connection =
        Connection::open_in_memory().expect("memory is enough for an empty database");
    make_tables(&mut connection).expect("the tables are well-formed");
    connection
}

/// Moves a damaged file out of the way, with what belongs to it.
pub(crate) fn move_aside(path: &Path) -> PathBuf {
    let to = path.with_extension("sqlite.damaged");
    for (from, to) in [
        (path.to_path_buf(), to.clone()),
        (
            path.with_extension("sqlite-wal"),
            to.with_extension("damaged-wal"),
        ),
    ] {
        if let Err(error) = fs::rename(&from, &to)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, path = %from.display(), "cannot move a damaged index aside");
        }
    }
    // The shared memory file only mirrors the write-ahead log.
    if let Err(error) = fs::remove_file(path.with_extension("sqlite-shm"))
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::debug!(%error, "an index's shared memory file stays behind");
    }
    to
}
