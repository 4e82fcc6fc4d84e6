//! The index file: opening, filling, changing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use loomd_base::ThreadId;
use loomd_protocol::Thread;
use rusqlite::{Connection, OptionalExtension, params};

use crate::Error;

/// Version of the tables. Another number in the file means: make it anew.
const SCHEMA_VERSION: i64 = 1;
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
        thread TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX by_created ON threads (archived, listed, created_ms, id);
    CREATE INDEX by_updated ON threads (archived, listed, updated_ms, id);
    CREATE INDEX by_recency ON threads (archived, listed, recency_ms, id);
";

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
}

/// What a refresh did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Refreshed {
    /// Files whose head was read.
    pub read: usize,
    /// Files that could not be read; they are not listed.
    pub unreadable: usize,
    /// Rows whose file is gone.
    pub removed: usize,
}

/// The index of one home folder.
pub struct Index {
    path: PathBuf,
    // One connection, opened at the first use. Its users run on the pool for blocking
    // work; the lock is never held over an await.
    connection: Mutex<Option<Connection>>,
}

impl Index {
    /// The index of a home folder. Costs nothing: the file is opened when it is used.
    #[must_use]
    pub fn new(home: &Path) -> Self {
        Self {
            path: home.join("loomd").join("index.sqlite"),
            connection: Mutex::new(None),
        }
    }

    pub(crate) fn with<T>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut guard = self.lock();
        if guard.is_none() {
            *guard = Some(open(&self.path)?);
        }
        let connection = guard.as_mut().expect("the connection was opened above");
        let result = work(connection);
        if matches!(&result, Err(Error::Sqlite(error)) if is_damage(error)) {
            // The next use makes a new file; the rollouts still say everything.
            tracing::warn!(path = %self.path.display(), "index of threads is damaged, it is made anew");
            *guard = None;
            set_aside(&self.path);
        }
        result
    }

    fn lock(&self) -> MutexGuard<'_, Option<Connection>> {
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the index agree with the files there are and the names they have.
    /// `head` says what a file holds; it is asked only for files that are new or have
    /// another size or time than the index knows.
    ///
    /// # Errors
    /// When the index cannot be written. What was changed before stays.
    pub fn refresh(
        &self,
        files: impl Iterator<Item = FileRow>,
        names: &BTreeMap<ThreadId, String>,
        mut head: impl FnMut(&FileRow) -> Option<ThreadRow>,
    ) -> Result<Refreshed, Error> {
        let mut known = self.with(|connection| known_files(connection))?;
        let mut done = Refreshed::default();
        let mut changed = Vec::new();
        for file in files {
            let stamp = (file.path.clone(), file.archived, file.mtime_ms, file.size);
            if known.remove(&file.id).is_some_and(|old| old == stamp) {
                continue;
            }
            match head(&file) {
                Some(row) => changed.push(row),
                None => done.unreadable += 1,
            }
        }
        done.read = changed.len();
        done.removed = known.len();
        self.with(|connection| {
            let transaction = connection.transaction()?;
            for row in &changed {
                write_row(&transaction, row)?;
            }
            for id in known.keys() {
                transaction
                    .prepare_cached("DELETE FROM threads WHERE id = ?1")?
                    .execute([id.to_string()])?;
            }
            for (id, name) in names {
                write_name(&transaction, *id, name)?;
            }
            transaction.commit()?;
            Ok(())
        })?;
        Ok(done)
    }

    /// Adds or replaces a thread; a name it has stays.
    ///
    /// # Errors
    /// When the index cannot be written.
    pub fn upsert(&self, row: &ThreadRow) -> Result<(), Error> {
        self.with(|connection| write_row(connection, row))
    }

    /// Names a thread.
    ///
    /// # Errors
    /// When the index cannot be written.
    pub fn set_name(&self, id: ThreadId, name: &str) -> Result<(), Error> {
        self.with(|connection| write_name(connection, id, name))
    }

    /// Takes a thread out.
    ///
    /// # Errors
    /// When the index cannot be written.
    pub fn remove(&self, id: ThreadId) -> Result<(), Error> {
        self.with(|connection| {
            connection.execute("DELETE FROM threads WHERE id = ?1", [id.to_string()])?;
            Ok(())
        })
    }

    /// One thread, whether lists show it or not.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn get(&self, id: ThreadId) -> Result<Option<Thread>, Error> {
        let row = self.with(|connection| {
            let row = connection
                .prepare_cached("SELECT thread, name FROM threads WHERE id = ?1")?
                .query_row([id.to_string()], |row| {
                    Ok((row.get::<_, String>(0)?, row.get(1)?))
                })
                .optional()?;
            Ok(row)
        })?;
        row.map(|(json, name)| read_thread(&json, name)).transpose()
    }

    /// Lets go of the file.
    pub fn close(&self) {
        *self.lock() = None;
    }
}

/// The thread of a row's JSON, under its name.
pub(crate) fn read_thread(json: &str, name: Option<String>) -> Result<Thread, Error> {
    let thread: Thread = serde_json::from_str(json)?;
    Ok(Thread { name, ..thread })
}

type Stamp = (PathBuf, bool, i64, u64);

fn known_files(connection: &Connection) -> Result<BTreeMap<ThreadId, Stamp>, Error> {
    let mut statement =
        connection.prepare_cached("SELECT id, path, archived, mtime_ms, size FROM threads")?;
    let mut rows = statement.query([])?;
    let mut known = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let id: String = row.get(0)?;
        let path: String = row.get(1)?;
        let size: i64 = row.get(4)?;
        let stamp = (
            PathBuf::from(path),
            row.get(2)?,
            row.get(3)?,
            u64::try_from(size).unwrap_or(0),
        );
        if let Ok(id) = id.parse() {
            known.insert(id, stamp);
        }
    }
    Ok(known)
}

fn write_row(connection: &Connection, row: &ThreadRow) -> Result<(), Error> {
    let thread = &row.thread;
    let kept = Thread {
        turns: Vec::new(),
        ..thread.clone()
    };
    connection
        .prepare_cached(
            "INSERT INTO threads VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17)
             ON CONFLICT (id) DO UPDATE SET
                path = ?2, archived = ?3, mtime_ms = ?4, size = ?5, created_ms = ?6,
                updated_ms = ?7, recency_ms = ?8, listed = ?9, provider = ?10, source_kind = ?11,
                cwd = ?12, originator = ?13, parent = ?14, name = coalesce(?15, name),
                preview = ?16, thread = ?17",
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
        ])?;
    Ok(())
}

fn write_name(connection: &Connection, id: ThreadId, name: &str) -> Result<(), Error> {
    connection
        .prepare_cached("UPDATE threads SET name = ?2 WHERE id = ?1 AND name IS NOT ?2")?
        .execute(params![id.to_string(), name])?;
    Ok(())
}

/// Opens the file, or makes a new one in the place of one that is of no use, or, where
/// the folder cannot be written, one in memory.
fn open(path: &Path) -> Result<Connection, Error> {
    if let Some(folder) = path.parent() {
        // Where this fails, opening fails as well and says why.
        let _exists = std::fs::create_dir_all(folder);
    }
    match prepare(Connection::open(path)) {
        Ok(connection) => return Ok(connection),
        Err(error) if is_busy(&error) => return Err(error.into()),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "index of threads is of no use, it is made anew");
        }
    }
    set_aside(path);
    prepare(Connection::open(path))
        .or_else(|error| {
            tracing::warn!(path = %path.display(), %error, "index of threads is kept in memory");
            prepare(Connection::open_in_memory())
        })
        .map_err(Error::from)
}

fn prepare(opened: rusqlite::Result<Connection>) -> rusqlite::Result<Connection> {
    let connection = opened?;
    connection.busy_timeout(BUSY_MAX)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match version {
        SCHEMA_VERSION => {}
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

fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase)
    )
}

/// Moves a useless file out of the way, and its companions with it.
fn set_aside(path: &Path) {
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
