//! The index file: its tables, and opening it whatever state it is in.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension};

/// Version of the tables. Another number in the file means: make it anew.
const SCHEMA_VERSION: i64 = 3;
/// How long a statement waits for another process that writes.
const BUSY_MAX: Duration = Duration::from_secs(2);
/// Bytes of pages that SQLite keeps in memory for us.
const CACHE_KIB: i64 = 1024;

const TABLES: &str = "
    CREATE TABLE threads (
        id TEXT PRIMARY KEY,
        path TEXT NOT NULL,
        archived INTEGER NOT NULL,
        mtime_ms INTEGER NOT NULL,
        size INTEGER NOT NULL,
        created_ms INTEGER NOT NULL,
        updated_ms INTEGER NOT NULL,
        recency_ms INTEGER NOT NULL,
        listed INTEGER NOT NULL,
        provider TEXT NOT NULL,
        source_kind TEXT NOT NULL,
        cwd TEXT NOT NULL,
        originator TEXT,
        parent TEXT,
        name TEXT,
        preview TEXT NOT NULL,
        thread TEXT NOT NULL,
        continues TEXT
    ) WITHOUT ROWID;
    CREATE TABLE unreadable (
        path TEXT PRIMARY KEY,
        mtime_ms INTEGER NOT NULL,
        size INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE facts (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE INDEX by_created ON threads (archived, listed, created_ms, id);
    CREATE INDEX by_updated ON threads (archived, listed, updated_ms, id);
    CREATE INDEX by_recency ON threads (archived, listed, recency_ms, id);
    CREATE INDEX by_parent ON threads (parent, created_ms) WHERE parent IS NOT NULL;
    CREATE INDEX by_continued ON threads (continues) WHERE continues IS NOT NULL;
    CREATE INDEX by_stamp ON threads (id, path, archived, listed, mtime_ms, size);
";

/// Opens the file, or makes a new one in the place of one that is of no use, or, where
/// the folder cannot be written or another program sits on the file, one in memory.
pub(crate) fn open(path: &Path) -> rusqlite::Result<Connection> {
    if let Some(folder) = path.parent() {
        // Where this fails, opening fails as well and says why.
        let _exists = std::fs::create_dir_all(folder);
    }
    match prepare(Connection::open(path)) {
        Ok(connection) => return Ok(connection),
        // Another program works on it for long: it is not ours to move.
        Err(error) if is_busy(&error) => return in_memory(path, &error),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "index of threads is of no use, it is made anew");
        }
    }
    set_aside(path);
    prepare(Connection::open(path)).or_else(|error| in_memory(path, &error))
}

fn in_memory(path: &Path, error: &rusqlite::Error) -> rusqlite::Result<Connection> {
    tracing::warn!(path = %path.display(), %error, "index of threads is kept in memory");
    prepare(Connection::open_in_memory())
}

fn prepare(opened: rusqlite::Result<Connection>) -> rusqlite::Result<Connection> {
    let connection = opened?;
    connection.busy_timeout(BUSY_MAX)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match version {
        // Damage shows itself only when its pages are read.
        SCHEMA_VERSION => {
            for table in ["threads", "unreadable", "facts"] {
                connection
                    .query_row(&format!("SELECT 1 FROM {table} LIMIT 1"), [], |_| Ok(()))
                    .optional()?;
            }
        }
        0 => {
            connection.execute_batch(&format!(
                "BEGIN IMMEDIATE; {TABLES} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
            ))?;
        }
        _ => return Err(rusqlite::Error::InvalidQuery),
    }
    Ok(connection)
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked)
    )
}

pub(crate) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase)
    )
}

/// Moves a useless file out of the way, and its companions with it.
pub(crate) fn set_aside(path: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let mut from = path.as_os_str().to_owned();
        from.push(suffix);
        let mut to = path.as_os_str().to_owned();
        to.push(".damaged");
        to.push(suffix);
        // A file that is not there needs no moving; one that cannot be moved shows
        // when the index is opened again.
        let _moved = std::fs::rename(&from, &to);
    }
}
