//! Keeping the index level with the files.
//!
//! A head is read only where the index knows too little: of a new file, of one that had
//! no user message yet, of one that shrank or has another name. A file that only moved
//! or grew keeps what is known of it. Heads are read while nobody waits for the index
//! and written in batches, so that a refresh that ends early has done part of the work.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use loomd_base::ThreadId;
use rusqlite::{Connection, OptionalExtension, params};

use crate::Error;
use crate::index::Index;
use crate::row::{self, FileRow, ThreadRow};

/// Changes that are written together.
const BATCH: usize = 256;

/// What a refresh did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Refreshed {
    /// Files whose head was read.
    pub read: usize,
    /// Files that only moved, grew or got another time.
    pub touched: usize,
    /// Files that could not be read; they are not listed.
    pub unreadable: usize,
    /// Rows whose file is gone.
    pub removed: usize,
}

/// What the index knows of a thread's file.
struct Known {
    path: String,
    archived: bool,
    listed: bool,
    mtime_ms: i64,
    size: u64,
}

/// Changes that wait to be written.
#[derive(Default)]
struct Batch {
    rows: Vec<ThreadRow>,
    touched: Vec<FileRow>,
    unreadable: Vec<FileRow>,
}

impl Batch {
    fn len(&self) -> usize {
        self.rows.len() + self.touched.len() + self.unreadable.len()
    }
}

impl Index {
    /// Makes the index agree with the files there are and the names they have.
    /// `head` says what a file holds; it is asked only for files of which the index
    /// knows too little.
    ///
    /// # Errors
    /// When the index cannot be read or written. What was changed before stays.
    pub fn refresh(
        &self,
        files: impl Iterator<Item = FileRow>,
        names: &BTreeMap<ThreadId, String>,
        mut head: impl FnMut(&FileRow) -> Option<ThreadRow>,
    ) -> Result<Refreshed, Error> {
        let mut known = self.with(|connection| Ok(known_files(connection)?))?;
        let mut unreadable = self.with(|connection| Ok(known_unreadable(connection)?))?;
        let mut done = Refreshed::default();
        let mut batch = Batch::default();
        for file in files {
            let before = known.remove(&file.id);
            let refused = unreadable.remove(&*file.path.to_string_lossy());
            if before.as_ref().is_some_and(|known| known.is_level(&file)) {
                continue;
            }
            if before.as_ref().is_some_and(|known| known.is_enough(&file)) {
                done.touched += 1;
                batch.touched.push(file);
            } else if before.is_none() && refused == Some((file.mtime_ms, file.size)) {
                done.unreadable += 1;
            } else if let Some(row) = head(&file) {
                done.read += 1;
                batch.rows.push(row);
            } else {
                done.unreadable += 1;
                batch.unreadable.push(file);
            }
            if batch.len() >= BATCH {
                self.write(&std::mem::take(&mut batch))?;
            }
        }
        self.write(&batch)?;
        done.removed = self.remove_gone(&known, &unreadable)?;
        self.refresh_names(names)?;
        Ok(done)
    }

    fn write(&self, batch: &Batch) -> Result<(), Error> {
        if batch.len() == 0 {
            return Ok(());
        }
        self.with(|connection| {
            let transaction = connection.transaction()?;
            for row in &batch.rows {
                row::write(&transaction, row)?;
            }
            if !batch.rows.is_empty() {
                // New threads may have names.
                transaction.execute("DELETE FROM facts WHERE key = 'names'", [])?;
            }
            for file in &batch.touched {
                touch(&transaction, file)?;
            }
            for file in &batch.unreadable {
                note_unreadable(&transaction, file)?;
            }
            transaction.commit()?;
            Ok(())
        })
    }

    /// Forgets what was not among the files. A thread whose file is there all the same
    /// (it was moved meanwhile, or lies where no list looks) is kept.
    fn remove_gone(
        &self,
        known: &HashMap<ThreadId, Known>,
        unreadable: &HashMap<String, (i64, u64)>,
    ) -> Result<usize, Error> {
        let gone: Vec<String> = known
            .iter()
            .filter(|(_, known)| !Path::new(&known.path).exists())
            .map(|(id, _)| id.to_string())
            .collect();
        if gone.is_empty() && unreadable.is_empty() {
            return Ok(0);
        }
        let forgotten: Vec<&String> = unreadable.keys().collect();
        self.with(|connection| {
            let transaction = connection.transaction()?;
            for id in &gone {
                transaction
                    .prepare_cached("DELETE FROM threads WHERE id = ?1")?
                    .execute([id])?;
            }
            for path in &forgotten {
                transaction
                    .prepare_cached("DELETE FROM unreadable WHERE path = ?1")?
                    .execute([path])?;
            }
            transaction.commit()?;
            Ok(())
        })?;
        Ok(gone.len())
    }

    /// Writes the names, if they are others than the last time or threads came since.
    fn refresh_names(&self, names: &BTreeMap<ThreadId, String>) -> Result<(), Error> {
        let stamp = stamp_of(names);
        let known = self.with(|connection| {
            let known: Option<String> = connection
                .prepare_cached("SELECT value FROM facts WHERE key = 'names'")?
                .query_row([], |row| row.get(0))
                .optional()?;
            Ok(known)
        })?;
        if known.as_deref() == Some(&*stamp) {
            return Ok(());
        }
        self.with(|connection| {
            let transaction = connection.transaction()?;
            for (id, name) in names {
                row::write_name(&transaction, *id, name)?;
            }
            transaction
                .prepare_cached("INSERT OR REPLACE INTO facts (key, value) VALUES ('names', ?1)")?
                .execute([&stamp])?;
            transaction.commit()?;
            Ok(())
        })
    }
}

/// A text that is another one when the names are. It is only compared with what this
/// build wrote: another build's value costs one writing of the names.
fn stamp_of(names: &BTreeMap<ThreadId, String>) -> String {
    let mut hasher = DefaultHasher::new();
    names.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

impl Known {
    /// Whether nothing changed.
    fn is_level(&self, file: &FileRow) -> bool {
        self.mtime_ms == file.mtime_ms
            && self.size == file.size
            && self.archived == file.archived
            && *self.path == *file.path.to_string_lossy()
    }

    /// Whether what is known of the file's head still holds, and is all there is to know.
    fn is_enough(&self, file: &FileRow) -> bool {
        let same_name = Path::new(&self.path).file_name() == file.path.file_name();
        self.listed && same_name && self.size <= file.size
    }
}

fn known_files(connection: &Connection) -> rusqlite::Result<HashMap<ThreadId, Known>> {
    let mut statement = connection
        .prepare_cached("SELECT id, path, archived, listed, mtime_ms, size FROM threads")?;
    let mut rows = statement.query([])?;
    let mut known = HashMap::new();
    while let Some(row) = rows.next()? {
        let size: i64 = row.get(5)?;
        let file = Known {
            path: row.get(1)?,
            archived: row.get(2)?,
            listed: row.get(3)?,
            mtime_ms: row.get(4)?,
            size: u64::try_from(size).unwrap_or(0),
        };
        if let Ok(id) = row.get_ref(0)?.as_str()?.parse() {
            known.insert(id, file);
        }
    }
    Ok(known)
}

fn known_unreadable(connection: &Connection) -> rusqlite::Result<HashMap<String, (i64, u64)>> {
    let mut statement = connection.prepare_cached("SELECT path, mtime_ms, size FROM unreadable")?;
    let rows = statement.query_map([], |row| {
        let size: i64 = row.get(2)?;
        Ok((row.get(0)?, (row.get(1)?, u64::try_from(size).unwrap_or(0))))
    })?;
    rows.collect()
}

/// Takes a file's place, size and time. The times of a thread that was loaded here (its
/// row has no stamp) are better known than from the file.
fn touch(connection: &Connection, file: &FileRow) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE threads SET path = ?2, archived = ?3, mtime_ms = ?4, size = ?5,
                updated_ms = CASE mtime_ms WHEN 0 THEN updated_ms ELSE ?4 END,
                recency_ms = CASE mtime_ms WHEN 0 THEN recency_ms ELSE ?4 END
             WHERE id = ?1",
        )?
        .execute(params![
            file.id.to_string(),
            file.path.to_string_lossy(),
            file.archived,
            file.mtime_ms,
            i64::try_from(file.size).unwrap_or(i64::MAX),
        ])
        .map(|_| ())
}

fn note_unreadable(connection: &Connection, file: &FileRow) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO unreadable VALUES (?1, ?2, ?3)")?
        .execute(params![
            file.path.to_string_lossy(),
            file.mtime_ms,
            i64::try_from(file.size).unwrap_or(i64::MAX),
        ])
        .map(|_| ())
}
