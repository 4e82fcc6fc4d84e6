//! Keeping the index level with the files.
//!
//! A refresh looks at every file's name, size and time; it reads the head of a file only
//! where the index knows too little: a new file, one that had no user message yet, one
//! that shrank. Heads are read outside the lock and written in batches, so that lists
//! are answered meanwhile and a refresh that ends early has done part of the work.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use loomd_base::ThreadId;
use rusqlite::{Connection, OptionalExtension, named_params};

use crate::error::{Error, Result};
use crate::index::Index;
use crate::row::{self, Id, Stamp, ThreadRow};

/// Heads that are read before they are written together.
const BATCH: usize = 128;

/// Why a source could not say something.
pub type SourceError = Box<dyn std::error::Error + Send + Sync>;

/// Where the files are. The server implements it with the rollout crate.
pub trait Source {
    /// All files that a list may show, one per thread.
    ///
    /// # Errors
    /// When the folders cannot be read; the index stays as it is then.
    fn files(&self) -> std::result::Result<Vec<SeenFile>, SourceError>;

    /// Reads what a list shows of a thread. Its path, times, archived mark and name are
    /// set by the refresh.
    ///
    /// # Errors
    /// When the file says no thread; it is passed over until it changes.
    fn read(&self, file: &SeenFile) -> std::result::Result<ThreadRow, SourceError>;

    /// A value that changes when the names do, such as their file's time and size.
    fn names_stamp(&self) -> String;

    /// All names that users gave their threads.
    ///
    /// # Errors
    /// When they cannot be read; the known names stay then.
    fn names(&self) -> std::result::Result<HashMap<ThreadId, String>, SourceError>;
}

/// A thread's live file as its folder shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenFile {
    /// The thread, by the file's name.
    pub thread: ThreadId,
    /// The file.
    pub path: PathBuf,
    /// Whether it is archived.
    pub archived: bool,
    /// Time of the last write, Unix milliseconds.
    pub mtime_ms: i64,
    /// Bytes.
    pub size: u64,
}

/// What a refresh did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RefreshReport {
    /// Files that were looked at.
    pub seen: usize,
    /// Heads that were read.
    pub read: usize,
    /// Threads that only moved, grew or got a new time.
    pub touched: usize,
    /// Threads whose file is gone.
    pub removed: usize,
    /// Files that say no thread.
    pub unreadable: usize,
    /// Whether the names were read.
    pub names_read: bool,
}

/// What the index knows of a file.
struct Known {
    path: String,
    archived: bool,
    has_user_message: bool,
    stamp: Option<Stamp>,
}

/// What must be written.
#[derive(Default)]
struct Batch {
    rows: Vec<(ThreadRow, Stamp)>,
    touched: Vec<SeenFile>,
    unreadable: Vec<SeenFile>,
}

impl Batch {
    fn len(&self) -> usize {
        self.rows.len() + self.touched.len() + self.unreadable.len()
    }
}

impl Index {
    /// Brings the index level with the files.
    ///
    /// # Errors
    /// When the files cannot be listed or the database refuses; what was done before
    /// stays done.
    pub fn refresh(&self, source: &dyn Source) -> Result<RefreshReport> {
        let mut known = self.ask("read", known)?;
        let mut unreadable = self.ask("read", known_unreadable)?;
        let files = source.files().map_err(Error::Source)?;
        let mut report = RefreshReport {
            seen: files.len(),
            ..RefreshReport::default()
        };
        let mut batch = Batch::default();
        for file in files {
            let before = known.remove(&file.thread);
            let unread = unreadable.remove(&*file.path.to_string_lossy());
            if is_level(&file, before.as_ref()) {
                continue;
            }
            if before.is_none() && unread == Some(stamp_of(&file)) {
                report.unreadable += 1;
                continue;
            }
            if before.is_some_and(|before| head_is_known(&file, &before)) {
                report.touched += 1;
                batch.touched.push(file);
            } else {
                read_head(source, file, &mut batch, &mut report);
            }
            if batch.len() >= BATCH {
                self.write(&std::mem::take(&mut batch))?;
            }
        }
        self.write(&batch)?;
        report.removed = self.remove_gone(known)?;
        self.forget_unreadable(unreadable.into_keys().collect())?;
        report.names_read = self.refresh_names(source)?;
        Ok(report)
    }

    fn write(&self, batch: &Batch) -> Result<()> {
        if batch.len() == 0 {
            return Ok(());
        }
        self.change(|connection| {
            for (row, stamp) in &batch.rows {
                row::write(connection, row, Some(*stamp))?;
            }
            if !batch.rows.is_empty() {
                // New threads may have names.
                connection.execute("DELETE FROM facts WHERE key = 'names'", [])?;
            }
            for file in &batch.touched {
                touch(connection, file)?;
            }
            for file in &batch.unreadable {
                note_unreadable(connection, file)?;
            }
            Ok(())
        })
    }

    /// Forgets threads whose file is not there any more. A file that was moved while the
    /// folders were read is seen by the next refresh.
    fn remove_gone(&self, known: HashMap<ThreadId, Known>) -> Result<usize> {
        let gone: Vec<ThreadId> = known
            .into_iter()
            .filter(|(_, known)| !Path::new(&known.path).exists())
            .map(|(thread, _)| thread)
            .collect();
        if !gone.is_empty() {
            self.change(|connection| {
                let mut statement =
                    connection.prepare_cached("DELETE FROM threads WHERE id = ?1")?;
                for thread in &gone {
                    statement.execute([Id(*thread)])?;
                }
                Ok(())
            })?;
        }
        Ok(gone.len())
    }

    fn forget_unreadable(&self, paths: Vec<String>) -> Result<()> {
        if paths.is_empty() {
            return Ok(());
        }
        self.change(|connection| {
            let mut statement =
                connection.prepare_cached("DELETE FROM unreadable WHERE path = ?1")?;
            for path in &paths {
                statement.execute([path])?;
            }
            Ok(())
        })
    }

    /// Takes over the names if they changed, or if threads came since.
    fn refresh_names(&self, source: &dyn Source) -> Result<bool> {
        let stamp = source.names_stamp();
        let known = self.ask("read", |connection| {
            connection
                .prepare_cached("SELECT value FROM facts WHERE key = 'names'")?
                .query_row([], |row| row.get::<_, String>(0))
                .optional()
        })?;
        if known.as_deref() == Some(&*stamp) {
            return Ok(false);
        }
        let names = match source.names() {
            Ok(names) => names,
            Err(error) => {
                tracing::warn!(%error, "thread names cannot be read");
                return Ok(false);
            }
        };
        self.change(|connection| {
            set_names(connection, &names)?;
            connection
                .prepare_cached("INSERT OR REPLACE INTO facts (key, value) VALUES ('names', ?1)")?
                .execute([&stamp])
                .map(|_| true)
        })
    }
}

fn stamp_of(file: &SeenFile) -> Stamp {
    Stamp {
        mtime_ms: file.mtime_ms,
        size: file.size,
    }
}

/// Whether nothing changed.
fn is_level(file: &SeenFile, known: Option<&Known>) -> bool {
    known.is_some_and(|known| {
        known.stamp == Some(stamp_of(file))
            && known.archived == file.archived
            && *known.path == *file.path.to_string_lossy()
    })
}

/// Whether the head of a changed file is still the one that was read: the file only
/// moved or grew, and its first user message is known.
fn head_is_known(file: &SeenFile, known: &Known) -> bool {
    let same_name = Path::new(&known.path).file_name() == file.path.file_name();
    let grew = known.stamp.is_none_or(|stamp| stamp.size <= file.size);
    known.has_user_message && same_name && grew
}

fn read_head(source: &dyn Source, file: SeenFile, batch: &mut Batch, report: &mut RefreshReport) {
    match source.read(&file) {
        Ok(mut row) => {
            report.read += 1;
            // The name in the folder is what a client can open the thread by.
            row.id = file.thread;
            row.path.clone_from(&file.path);
            row.archived = file.archived;
            row.updated_ms = file.mtime_ms;
            row.recency_ms = file.mtime_ms;
            row.name = None;
            batch.rows.push((row, stamp_of(&file)));
        }
        Err(error) => {
            tracing::debug!(%error, path = %file.path.display(), "file says no thread");
            report.unreadable += 1;
            batch.unreadable.push(file);
        }
    }
}

fn size_to_sql(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

fn stamp_from_sql(mtime_ms: Option<i64>, size: Option<i64>) -> Option<Stamp> {
    Some(Stamp {
        mtime_ms: mtime_ms?,
        size: u64::try_from(size?).ok()?,
    })
}

fn known(connection: &Connection) -> rusqlite::Result<HashMap<ThreadId, Known>> {
    let sql = "SELECT id, path, archived, has_user_message, mtime_ms, size FROM threads";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| {
        let known = Known {
            path: row.get(1)?,
            archived: row.get(2)?,
            has_user_message: row.get(3)?,
            stamp: stamp_from_sql(row.get(4)?, row.get(5)?),
        };
        Ok((row.get::<_, Id>(0)?.0, known))
    })?;
    rows.collect()
}

fn known_unreadable(connection: &Connection) -> rusqlite::Result<HashMap<String, Stamp>> {
    let mut statement = connection.prepare_cached("SELECT path, mtime_ms, size FROM unreadable")?;
    let rows = statement.query_map([], |row| {
        let stamp = stamp_from_sql(row.get(1)?, row.get(2)?);
        Ok((row.get::<_, String>(0)?, stamp))
    })?;
    let known = rows.filter_map(|row| match row {
        Ok((path, stamp)) => Some(Ok((path, stamp?))),
        Err(error) => Some(Err(error)),
    });
    known.collect()
}

fn touch(connection: &Connection, file: &SeenFile) -> rusqlite::Result<()> {
    let sql = "UPDATE threads SET path = :path, archived = :archived, mtime_ms = :mtime_ms, \
        size = :size, updated_ms = :mtime_ms, recency_ms = :mtime_ms WHERE id = :id";
    connection
        .prepare_cached(sql)?
        .execute(named_params! {
            ":id": Id(file.thread),
            ":path": file.path.to_string_lossy(),
            ":archived": file.archived,
            ":mtime_ms": file.mtime_ms,
            ":size": size_to_sql(file.size),
        })
        .map(|_| ())
}

fn note_unreadable(connection: &Connection, file: &SeenFile) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO unreadable (path, mtime_ms, size) \
        VALUES (:path, :mtime_ms, :size)";
    connection
        .prepare_cached(sql)?
        .execute(named_params! {
            ":path": file.path.to_string_lossy(),
            ":mtime_ms": file.mtime_ms,
            ":size": size_to_sql(file.size),
        })
        .map(|_| ())
}

/// Sets all names; a thread without one has none.
fn set_names(connection: &Connection, names: &HashMap<ThreadId, String>) -> rusqlite::Result<()> {
    let named: Vec<(ThreadId, String)> = connection
        .prepare_cached("SELECT id, name FROM threads WHERE name IS NOT NULL")?
        .query_map([], |row| Ok((row.get::<_, Id>(0)?.0, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let sql = "UPDATE threads SET name = :name WHERE id = :id AND name IS NOT :name";
    let mut statement = connection.prepare_cached(sql)?;
    for (thread, _) in named
        .iter()
        .filter(|(thread, _)| !names.contains_key(thread))
    {
        statement.execute(named_params! {":id": Id(*thread), ":name": None::<String>})?;
    }
    let mut sorted: Vec<_> = names.iter().collect();
    sorted.sort_unstable();
    for (thread, name) in sorted {
        let name = Some(name).filter(|name| !name.is_empty());
        statement.execute(named_params! {":id": Id(*thread), ":name": name})?;
    }
    Ok(())
}
