//! The index: one connection, opened by the first question.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use loomd_base::ThreadId;
use loomd_protocol::Thread;
use rusqlite::{Connection, OptionalExtension, params};

use crate::row::{self, STORED, Stored, ThreadRow};
use crate::{Error, file};

/// Descendants of one thread at most.
pub const DESCENDANTS_MAX: u32 = 1000;

/// The table `below` of the descendants of a thread, with their depth. It ends at depth 64:
/// what parents say of each other in files may go round in a circle.
pub(crate) const WITH_BELOW: &str = "WITH RECURSIVE below (id, depth) AS (
    SELECT id, 1 FROM threads WHERE parent = ?
    UNION
    SELECT threads.id, depth + 1 FROM threads JOIN below ON parent = below.id WHERE depth < 64
)";

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

    /// Does some work on the file. When it proves to be damaged, the work is done again
    /// on a new one, which the next refresh fills.
    pub(crate) fn with<T>(
        &self,
        mut work: impl FnMut(&mut Connection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut guard = self.lock();
        let result = work(opened(&mut guard, &self.path)?);
        if !matches!(&result, Err(Error::Sqlite(error)) if file::is_damage(error)) {
            return result;
        }
        tracing::warn!(path = %self.path.display(), "index of threads is damaged, it is made anew");
        *guard = None;
        file::set_aside(&self.path);
        work(opened(&mut guard, &self.path)?)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Connection>> {
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds or replaces a thread; a name it has stays.
    ///
    /// # Errors
    /// When the index cannot be written.
    pub fn upsert(&self, row: &ThreadRow) -> Result<(), Error> {
        self.with(|connection| row::write(connection, row))
    }

    /// Adds or replaces threads, all of them or none.
    ///
    /// # Errors
    /// When the index cannot be written.
    pub fn upsert_all(&self, rows: &[ThreadRow]) -> Result<(), Error> {
        self.with(|connection| {
            let transaction = connection.transaction()?;
            for row in rows {
                row::write(&transaction, row)?;
            }
            Ok(transaction.commit()?)
        })
    }

    /// Names a thread.
    ///
    /// # Errors
    /// When the index cannot be written.
    pub fn set_name(&self, id: ThreadId, name: &str) -> Result<(), Error> {
        self.with(|connection| row::write_name(connection, id, name))
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

    /// The threads that this one started as subagents, those that they started, and so on:
    /// parents before their children. At most [`DESCENDANTS_MAX`], and none deeper than 64.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn descendants(&self, id: ThreadId) -> Result<Vec<ThreadId>, Error> {
        let ids = self.with(|connection| {
            let mut statement = connection.prepare_cached(&format!(
                "{WITH_BELOW} SELECT id FROM below JOIN threads USING (id) WHERE id <> ?
                 GROUP BY id ORDER BY min(depth), created_ms, id LIMIT ?"
            ))?;
            let rows = statement.query_map(
                params![id.to_string(), id.to_string(), DESCENDANTS_MAX],
                |row| row.get::<_, String>(0),
            )?;
            Ok(rows.collect::<Result<Vec<_>, _>>()?)
        })?;
        Ok(ids.iter().filter_map(|id| id.parse().ok()).collect())
    }

    /// Whether another thread's file continues one of these files.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn is_continued(&self, id: ThreadId, file_ids: &[String]) -> Result<bool, Error> {
        self.with(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM threads WHERE continues = ?1 AND id <> ?2)",
            )?;
            for file_id in file_ids {
                if statement.query_row(params![file_id, id.to_string()], |row| row.get(0))? {
                    return Ok(true);
                }
            }
            Ok(false)
        })
    }

    /// One thread, whether lists show it or not.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn get(&self, id: ThreadId) -> Result<Option<Thread>, Error> {
        let stored = self.with(|connection| {
            let stored = connection
                .prepare_cached(&format!("SELECT {STORED} FROM threads WHERE id = ?1"))?
                .query_row([id.to_string()], |row| Stored::read(row, 0))
                .optional()?;
            Ok(stored)
        })?;
        stored.map(Stored::into_thread).transpose()
    }

    /// Lets go of the file.
    pub fn close(&self) {
        *self.lock() = None;
    }
}

fn opened<'a>(
    connection: &'a mut Option<Connection>,
    path: &Path,
) -> Result<&'a mut Connection, Error> {
    if connection.is_none() {
        *connection = Some(file::open(path)?);
    }
    Ok(connection.as_mut().expect("it was opened above"))
}
