//! Lists of threads, page by page.

use loomd_base::ThreadId;
use loomd_protocol::Thread;
use rusqlite::params_from_iter;
use rusqlite::types::Value;

use crate::Error;
use crate::cursor::Cursor;
use crate::index::{Index, WITH_BELOW};
use crate::row::{STORED, Stored};

/// Threads of a page when the client names no limit.
pub const PAGE_DEFAULT: u32 = 25;
/// Threads of a page at most.
pub const PAGE_MAX: u32 = 100;

/// What a list is sorted by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SortKey {
    /// When the thread was started.
    #[default]
    Created,
    /// When its rollout changed last.
    Updated,
    /// When its last turn started.
    Recency,
}

impl SortKey {
    fn column(self) -> &'static str {
        match self {
            Self::Created => "created_ms",
            Self::Updated => "updated_ms",
            Self::Recency => "recency_ms",
        }
    }
}

/// Which end of a list comes first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Direction {
    /// Oldest first.
    Ascending,
    /// Newest first.
    #[default]
    Descending,
}

/// What a client asks of a list. An empty filter lets everything through.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListQuery {
    /// Archived threads instead of the others.
    pub archived: bool,
    /// Ids of providers. A thread that names none belongs to every one.
    pub providers: Vec<String>,
    /// Kinds of sources, in the words of [`crate::ThreadRow::source_kind`].
    pub source_kinds: Vec<&'static str>,
    /// Working folders, absolute.
    pub cwds: Vec<String>,
    /// Clients that started the thread.
    pub originators: Vec<String>,
    /// The thread that started it as a subagent.
    pub parent: Option<String>,
    /// A thread that started it, or one that did so, and so on.
    pub ancestor: Option<String>,
    /// Threads to leave out.
    pub excluded: Vec<String>,
    /// Must stand in the name or the preview, letter by letter (as on 0.169.0 and 0.131.0).
    pub search_term: Option<String>,
    /// What it is sorted by.
    pub sort_key: SortKey,
    /// Which end comes first.
    pub direction: Direction,
    /// Where to go on.
    pub cursor: Option<String>,
    /// Threads of the page; none for the default, 0 counts as 1.
    pub limit: Option<u32>,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The threads, named.
    pub threads: Vec<(ThreadId, Thread)>,
    /// Where the next page goes on, if there is one.
    pub next_cursor: Option<String>,
    /// Where a list in the other direction has to start to include the first thread.
    pub backwards_cursor: Option<String>,
}

impl Index {
    /// One page of a list.
    ///
    /// # Errors
    /// When the cursor is none, or the index cannot be read.
    pub fn list(&self, query: &ListQuery) -> Result<Page, Error> {
        let cursor = query.cursor.as_deref().map(Cursor::parse).transpose()?;
        let limit = query.limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX);
        let limit = usize::try_from(limit).unwrap_or(1);
        let (sql, values) = statement(query, cursor.as_ref(), limit + 1);
        let mut rows = self.with(|connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement
                .query_map(params_from_iter(&values), |row| {
                    Ok(Row {
                        id: row.get(0)?,
                        ms: row.get(1)?,
                        stored: Stored::read(row, 2)?,
                    })
                })?
                .collect::<Result<Vec<_>, _>>()?;
            Ok(rows)
        })?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next_cursor = rows.last().filter(|_| more).map(|row| {
            Cursor {
                ms: row.ms,
                id: Some(row.id.clone()),
            }
            .write()
        });
        let shift = match query.direction {
            Direction::Ascending => 1,
            Direction::Descending => -1,
        };
        let backwards_cursor = rows.first().map(|row| {
            Cursor {
                ms: row.ms.saturating_add(shift),
                id: None,
            }
            .write()
        });
        let threads = rows
            .into_iter()
            .filter_map(|row| {
                let id = row.id.parse().ok()?;
                Some(row.stored.into_thread().map(|thread| (id, thread)))
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Page {
            threads,
            next_cursor,
            backwards_cursor,
        })
    }
}

struct Row {
    id: String,
    ms: i64,
    stored: Stored,
}

fn statement(query: &ListQuery, cursor: Option<&Cursor>, limit: usize) -> (String, Vec<Value>) {
    let column = query.sort_key.column();
    let (compare, order) = match query.direction {
        Direction::Ascending => (">", "ASC"),
        Direction::Descending => ("<", "DESC"),
    };
    let mut sql =
        format!("SELECT id, {column}, {STORED} FROM threads WHERE archived = ? AND listed = 1");
    let mut values = vec![Value::from(query.archived)];
    let mut one_of = |column: &str, not: &str, words: &mut dyn Iterator<Item = String>| {
        let words: Vec<Value> = words.map(Value::from).collect();
        if !words.is_empty() {
            let marks = vec!["?"; words.len()].join(",");
            sql.push_str(&format!(" AND {column} {not} IN ({marks})"));
            values.extend(words);
        }
    };
    let any = (!query.providers.is_empty()).then(String::new);
    one_of(
        "provider",
        "",
        &mut query.providers.iter().cloned().chain(any),
    );
    one_of(
        "source_kind",
        "",
        &mut query.source_kinds.iter().map(|kind| (*kind).to_owned()),
    );
    one_of("cwd", "", &mut query.cwds.iter().cloned());
    one_of("originator", "", &mut query.originators.iter().cloned());
    one_of("parent", "", &mut query.parent.iter().cloned());
    one_of("id", "NOT", &mut query.excluded.iter().cloned());
    if let Some(ancestor) = &query.ancestor {
        sql.push_str(&format!(" AND id IN ({WITH_BELOW} SELECT id FROM below)"));
        values.push(Value::from(ancestor.clone()));
    }
    if let Some(term) = &query.search_term {
        sql.push_str(" AND (instr(coalesce(name, ''), ?) OR instr(preview, ?))");
        values.extend([Value::from(term.clone()), Value::from(term.clone())]);
    }
    match cursor {
        Some(Cursor { ms, id: Some(id) }) => {
            sql.push_str(&format!(" AND ({column}, id) {compare} (?, ?)"));
            values.extend([Value::from(*ms), Value::from(id.clone())]);
        }
        Some(Cursor { ms, id: None }) => {
            sql.push_str(&format!(" AND {column} {compare} ?"));
            values.push(Value::from(*ms));
        }
        None => {}
    }
    sql.push_str(&format!(
        " ORDER BY {column} {order}, id {order} LIMIT {limit}"
    ));
    (sql, values)
}
