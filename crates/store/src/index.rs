//! The index: one connection behind a lock, opened by the first question.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use loomd_base::ThreadId;
use rusqlite::{Connection, OptionalExtension, named_params};

use crate::error::{Result, Warning, sqlite};
use crate::query::{self, ListQuery, Page};
use crate::row::{self, COLUMNS, Id, ThreadRow};
use crate::schema;

/// The threads of a home folder, for lists. Share it; every call blocks.
#[derive(Debug)]
pub struct Index {
    path: PathBuf,
    /// Guards the connection; held for one question or one batch of writes, never while
    /// a rollout is read.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    connection: Option<Connection>,
    warning: Option<Warning>,
}

impl Index {
    /// The index of a home folder, `HOME/loomd/index.sqlite`. Touches nothing yet.
    #[must_use]
    pub fn open(home: &Path) -> Self {
        Self {
            path: home.join("loomd").join("index.sqlite"),
            state: Mutex::default(),
        }
    }

    /// What was wrong with the database since this was last asked. Tell it to somebody.
    #[must_use]
    pub fn take_warning(&self) -> Option<Warning> {
        self.lock().warning.take()
    }

    /// Writes what is known of a thread, new or changed. Without a name, model, effort or
    /// git state, the known ones stay.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn upsert(&self, row: &ThreadRow) -> Result<()> {
        self.ask("write to", |connection| row::write(connection, row, None))
    }

    /// Names a thread, or takes its name. Unknown threads are passed over.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn set_name(&self, id: ThreadId, name: Option<&str>) -> Result<()> {
        self.ask("write to", |connection| {
            connection
                .prepare_cached("UPDATE threads SET name = :name WHERE id = :id")?
                .execute(named_params! {":id": Id(id), ":name": name})
                .map(|_| ())
        })
    }

    /// Says where a thread's file is now. Unknown threads are passed over.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn set_archived(&self, id: ThreadId, archived: bool, path: &Path) -> Result<()> {
        self.ask("write to", |connection| {
            let sql = "UPDATE threads SET archived = :archived, path = :path WHERE id = :id";
            connection
                .prepare_cached(sql)?
                .execute(named_params! {
                    ":id": Id(id),
                    ":archived": archived,
                    ":path": path.to_string_lossy(),
                })
                .map(|_| ())
        })
    }

    /// Forgets a thread.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn remove(&self, id: ThreadId) -> Result<()> {
        self.ask("write to", |connection| {
            connection
                .prepare_cached("DELETE FROM threads WHERE id = ?1")?
                .execute([Id(id)])
                .map(|_| ())
        })
    }

    /// What is known of a thread, listed or not.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn get(&self, id: ThreadId) -> Result<Option<ThreadRow>> {
        let sql = format!("SELECT {COLUMNS} FROM threads WHERE id = ?1");
        self.ask("read", |connection| {
            connection
                .prepare_cached(&sql)?
                .query_row([Id(id)], row::read)
                .optional()
        })
    }

    /// One page of a list.
    ///
    /// # Errors
    /// [`crate::Error::InvalidCursor`] for a cursor that is none; else when the database refuses.
    pub fn list(&self, query: &ListQuery) -> Result<Page> {
        let prepared = query::prepare(query)?;
        let rows = self.ask("read", |connection| prepared.run(connection))?;
        Ok(prepared.page(rows))
    }

    /// Asks the database something. Damage that shows only now is cured by starting over
    /// with an empty one.
    pub(crate) fn ask<T>(
        &self,
        action: &'static str,
        mut question: impl FnMut(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T> {
        let mut state = self.lock();
        let answer = question(state.connection(&self.path));
        match answer {
            Err(error) if schema::is_damage(&error) => {
                state.start_over(&self.path, &error);
                question(state.connection(&self.path)).map_err(sqlite(action))
            }
            other => other.map_err(sqlite(action)),
        }
    }

    /// Makes changes that belong together.
    pub(crate) fn change<T>(
        &self,
        mut changes: impl FnMut(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T> {
        self.ask("write to", |connection| {
            let transaction = connection.unchecked_transaction()?;
            let done = changes(&transaction)?;
            transaction.commit()?;
            Ok(done)
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic in a question leaves the connection whole: transactions roll back.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn connection(&mut self, path: &Path) -> &Connection {
        let warning = &mut self.warning;
        self.connection.get_or_insert_with(|| {
            let (connection, found) = schema::open(path);
            if let Some(found) = found {
                tracing::warn!(warning = ?found, path = %path.display(), "thread index");
                *warning = Some(found);
            }
            connection
        })
    }

    fn start_over(&mut self, path: &Path, error: &rusqlite::Error) {
        self.connection = None;
        let warning = Warning::MovedAside {
            to: schema::move_aside(path),
            reason: error.to_string(),
        };
        tracing::warn!(?warning, path = %path.display(), "thread index");
        self.warning = Some(warning);
    }
}
