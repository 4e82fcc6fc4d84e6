//! Lists: what may be asked, as SQL.
//!
//! Invariants: every list is ordered by its sort key and then by thread id, both in the
//! list's direction, so that a cursor names one place; only threads with a user message
//! are listed. Filters cost a walk along the sort index, never a sort.

use std::path::PathBuf;

use loomd_base::ThreadId;
use loomd_protocol::{SortDirection, ThreadSourceKind};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use crate::cursor::Cursor;
use crate::error::Result;
use crate::row::{self, COLUMNS, ThreadRow, normal};

/// Threads of a page where the client does not say (as in the reference).
pub const LIMIT_DEFAULT: u32 = 25;
/// Threads of a page at most (as in the reference).
pub const LIMIT_MAX: u32 = 100;

/// Sources that a list shows unless it is asked for others: those where a person sits in
/// front of the thread.
const INTERACTIVE: [&str; 4] = ["cli", "vscode", "custom:atlas", "custom:chatgpt"];

/// What a list is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SortKey {
    /// When the thread was started.
    #[default]
    CreatedAt,
    /// When it was last written to.
    UpdatedAt,
    /// When somebody last did something in it.
    RecencyAt,
}

impl SortKey {
    fn column(self) -> &'static str {
        match self {
            Self::CreatedAt => "created_ms",
            Self::UpdatedAt => "updated_ms",
            Self::RecencyAt => "recency_ms",
        }
    }

    fn of(self, row: &ThreadRow) -> i64 {
        match self {
            Self::CreatedAt => row.created_ms,
            Self::UpdatedAt => row.updated_ms,
            Self::RecencyAt => row.recency_ms,
        }
    }
}

/// What a list asks for. The default asks as `thread/list` does without parameters, but
/// for the provider, which the caller knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListQuery {
    /// Archived threads instead of live ones.
    pub archived: bool,
    /// Only threads of these providers; empty means all. A thread that names no provider
    /// belongs to every one.
    pub model_providers: Vec<String>,
    /// Only threads of these sources; empty means the interactive ones.
    pub source_kinds: Vec<ThreadSourceKind>,
    /// Only threads started by these clients; empty means all.
    pub originators: Vec<String>,
    /// Only threads with one of these working folders (absolute); empty means all.
    pub cwds: Vec<PathBuf>,
    /// Only threads whose name or preview holds this text, letter by letter.
    pub search_term: Option<String>,
    /// Only subagents of this thread.
    pub parent_thread_id: Option<ThreadId>,
    /// Only subagents of this thread and theirs.
    pub ancestor_thread_id: Option<ThreadId>,
    /// Not these threads.
    pub excluded: Vec<ThreadId>,
    /// What to sort by.
    pub sort_key: SortKey,
    /// In which direction.
    pub direction: SortDirection,
    /// Where an earlier page ended, or the way back from it.
    pub cursor: Option<String>,
    /// Threads of the page: [`LIMIT_DEFAULT`] if absent, at most [`LIMIT_MAX`], 0 counts
    /// as 1.
    pub limit: Option<u32>,
}

impl Default for ListQuery {
    fn default() -> Self {
        Self {
            archived: false,
            model_providers: Vec::new(),
            source_kinds: Vec::new(),
            originators: Vec::new(),
            cwds: Vec::new(),
            search_term: None,
            parent_thread_id: None,
            ancestor_thread_id: None,
            excluded: Vec::new(),
            sort_key: SortKey::default(),
            direction: SortDirection::Desc,
            cursor: None,
            limit: None,
        }
    }
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The threads.
    pub rows: Vec<ThreadRow>,
    /// For the next page; `None` on the last one.
    pub next_cursor: Option<String>,
    /// For the same place in the other direction; `None` on an empty page.
    pub backwards_cursor: Option<String>,
}

/// A list as SQL with its values.
pub(crate) struct Prepared {
    sql: String,
    values: Vec<Value>,
    limit: usize,
    sort_key: SortKey,
    direction: SortDirection,
}

/// Makes SQL of a question.
pub(crate) fn prepare(query: &ListQuery) -> Result<Prepared> {
    let cursor = query.cursor.as_deref().map(Cursor::parse).transpose()?;
    let limit = query.limit.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX);
    let mut clauses = Clauses::default();
    clauses.push("archived = ?", [query.archived.into()]);
    clauses.push("has_user_message = 1", []);
    clauses.among("source_kind", source_kinds(&query.source_kinds));
    if !query.model_providers.is_empty() {
        let providers = query.model_providers.iter().cloned().chain([String::new()]);
        clauses.among("model_provider", providers);
    }
    if !query.originators.is_empty() {
        clauses.among("originator", query.originators.iter().cloned());
    }
    if !query.cwds.is_empty() {
        clauses.among("cwd", query.cwds.iter().map(|folder| normal(folder)));
    }
    if let Some(term) = query.search_term.as_ref().filter(|term| !term.is_empty()) {
        let term = || Value::from(term.clone());
        clauses.push(
            "(instr(coalesce(name, ''), ?) > 0 OR instr(preview, ?) > 0)",
            [term(), term()],
        );
    }
    if let Some(parent) = query.parent_thread_id {
        clauses.push("parent_thread_id = ?", [parent.to_string().into()]);
    }
    if let Some(ancestor) = query.ancestor_thread_id {
        clauses.push(DESCENDANT, [ancestor.to_string().into()]);
    }
    if !query.excluded.is_empty() {
        let marks = marks(query.excluded.len());
        let ids = query.excluded.iter().map(|id| Value::from(id.to_string()));
        clauses.push(&format!("id NOT IN ({marks})"), ids);
    }
    let column = query.sort_key.column();
    let (beyond, order) = match query.direction {
        SortDirection::Asc => (">", "ASC"),
        SortDirection::Desc => ("<", "DESC"),
    };
    match cursor {
        Some(Cursor {
            time_ms,
            thread: Some(thread),
        }) => clauses.push(
            &format!("({column}, id) {beyond} (?, ?)"),
            [time_ms.into(), thread.to_string().into()],
        ),
        Some(Cursor {
            time_ms,
            thread: None,
        }) => clauses.push(&format!("{column} {beyond} ?"), [time_ms.into()]),
        None => {}
    }
    let limit = limit as usize;
    let sql = format!(
        "SELECT {COLUMNS} FROM threads WHERE {} ORDER BY {column} {order}, id {order} LIMIT {}",
        clauses.sql.join(" AND "),
        limit + 1,
    );
    Ok(Prepared {
        sql,
        values: clauses.values,
        limit,
        sort_key: query.sort_key,
        direction: query.direction,
    })
}

/// Threads below another one, however deep; a circle ends the walk.
const DESCENDANT: &str = "id IN (WITH RECURSIVE below (id) AS (\
    SELECT id FROM threads WHERE parent_thread_id = ? \
    UNION SELECT threads.id FROM threads JOIN below ON threads.parent_thread_id = below.id\
    ) SELECT id FROM below)";

#[derive(Default)]
struct Clauses {
    sql: Vec<String>,
    values: Vec<Value>,
}

impl Clauses {
    fn push(&mut self, sql: &str, values: impl IntoIterator<Item = Value>) {
        self.sql.push(sql.to_owned());
        self.values.extend(values);
    }

    fn among(&mut self, column: &str, values: impl IntoIterator<Item = String>) {
        let before = self.values.len();
        self.values.extend(values.into_iter().map(Value::from));
        let marks = marks(self.values.len() - before);
        self.sql.push(format!("{column} IN ({marks})"));
    }
}

fn marks(count: usize) -> String {
    vec!["?"; count].join(", ")
}

fn source_kinds(kinds: &[ThreadSourceKind]) -> Vec<String> {
    let words = |kind: &ThreadSourceKind| -> &'static [&'static str] {
        match kind {
            ThreadSourceKind::Cli => &["cli"],
            ThreadSourceKind::Vscode => &["vscode"],
            ThreadSourceKind::Exec => &["exec"],
            ThreadSourceKind::AppServer => &["appServer"],
            ThreadSourceKind::SubAgent => &[
                "subAgentReview",
                "subAgentCompact",
                "subAgentThreadSpawn",
                "subAgentOther",
            ],
            ThreadSourceKind::SubAgentReview => &["subAgentReview"],
            ThreadSourceKind::SubAgentCompact => &["subAgentCompact"],
            ThreadSourceKind::SubAgentThreadSpawn => &["subAgentThreadSpawn"],
            ThreadSourceKind::SubAgentOther => &["subAgentOther"],
            ThreadSourceKind::Unknown => &["unknown"],
        }
    };
    let words: Vec<&str> = if kinds.is_empty() {
        INTERACTIVE.to_vec()
    } else {
        kinds.iter().flat_map(words).copied().collect()
    };
    words.into_iter().map(str::to_owned).collect()
}

impl Prepared {
    /// The page's threads, and one more where there are more.
    pub(crate) fn run(&self, connection: &Connection) -> rusqlite::Result<Vec<ThreadRow>> {
        let mut statement = connection.prepare_cached(&self.sql)?;
        let rows = statement.query_map(params_from_iter(&self.values), row::read)?;
        rows.collect()
    }

    /// A page of what [`Prepared::run`] found.
    pub(crate) fn page(&self, mut rows: Vec<ThreadRow>) -> Page {
        let more = rows.len() > self.limit;
        rows.truncate(self.limit);
        let key = |row: &ThreadRow| self.sort_key.of(row);
        let last = rows.last().filter(|_| more);
        let first = rows.first();
        Page {
            next_cursor: last.map(|row| Cursor::next(key(row), row.id)),
            backwards_cursor: first.map(|row| Cursor::backwards(key(row), self.direction)),
            rows,
        }
    }
}
