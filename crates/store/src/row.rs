//! A thread as a list shows it.

use std::path::{Component, Path, PathBuf};

use loomd_base::ThreadId;
use loomd_protocol::{GitInfo, SessionSource, SubAgentSource};
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};
use rusqlite::{Row, ToSql, named_params};

/// What the index holds of a thread: what the protocol's `Thread` needs for one that is
/// not loaded. Times are Unix milliseconds.
#[derive(Debug, Clone, PartialEq)]
pub struct ThreadRow {
    /// The thread.
    pub id: ThreadId,
    /// The root thread's id.
    pub session_id: ThreadId,
    /// Its live file.
    pub path: PathBuf,
    /// Whether it is archived.
    pub archived: bool,
    /// When it was started.
    pub created_ms: i64,
    /// When it was last written to.
    pub updated_ms: i64,
    /// When somebody last did something in it.
    pub recency_ms: i64,
    /// First user message, cut.
    pub preview: String,
    /// Whether there is a user message. Threads without one are not listed.
    pub has_user_message: bool,
    /// The name the user gave it.
    pub name: Option<String>,
    /// Its working folder.
    pub cwd: PathBuf,
    /// What kind of client started it.
    pub source: SessionSource,
    /// `user`, `subagent`, …, where known.
    pub thread_source: Option<String>,
    /// Id of the provider; empty where the file does not say, which means the default one.
    pub model_provider: String,
    /// The model, where known.
    pub model: Option<String>,
    /// The reasoning effort, where known.
    pub effort: Option<String>,
    /// Version of the program that made the file.
    pub cli_version: String,
    /// Name of the client that started it.
    pub originator: String,
    /// State of the working folder's repository at the start.
    pub git: Option<GitInfo>,
    /// The thread that started it as a subagent.
    pub parent_thread_id: Option<ThreadId>,
    /// The thread it was forked from.
    pub forked_from_id: Option<ThreadId>,
    /// A subagent's nickname.
    pub agent_nickname: Option<String>,
    /// A subagent's role.
    pub agent_role: Option<String>,
    /// Whether its history is paginated, as that of every thread loomd makes.
    pub paginated: bool,
}

/// The columns of [`ThreadRow`], in the order that [`read`] expects.
pub(crate) const COLUMNS: &str = "id, session_id, path, archived, created_ms, updated_ms, \
    recency_ms, preview, has_user_message, name, cwd, source, thread_source, model_provider, \
    model, effort, cli_version, originator, git, parent_thread_id, forked_from_id, \
    agent_nickname, agent_role, paginated";

/// Writes a whole row. The file's stamp is forgotten, so that the next refresh looks at
/// the file again; a known name stays where the row has none.
const UPSERT: &str = "INSERT INTO threads (id, session_id, path, archived, created_ms, updated_ms, \
    recency_ms, preview, has_user_message, name, cwd, source, source_kind, thread_source, \
    model_provider, model, effort, cli_version, originator, git, parent_thread_id, forked_from_id, \
    agent_nickname, agent_role, paginated, mtime_ms, size) \
    VALUES (:id, :session_id, :path, :archived, :created_ms, :updated_ms, \
    :recency_ms, :preview, :has_user_message, :name, :cwd, :source, :source_kind, :thread_source, \
    :model_provider, :model, :effort, :cli_version, :originator, :git, :parent_thread_id, \
    :forked_from_id, :agent_nickname, :agent_role, :paginated, :mtime_ms, :size) \
    ON CONFLICT (id) DO UPDATE SET session_id = excluded.session_id, path = excluded.path, \
    archived = excluded.archived, created_ms = excluded.created_ms, \
    updated_ms = excluded.updated_ms, recency_ms = excluded.recency_ms, \
    preview = excluded.preview, has_user_message = excluded.has_user_message, \
    name = coalesce(excluded.name, name), cwd = excluded.cwd, source = excluded.source, \
    source_kind = excluded.source_kind, thread_source = excluded.thread_source, \
    model_provider = excluded.model_provider, model = coalesce(excluded.model, model), \
    effort = coalesce(excluded.effort, effort), cli_version = excluded.cli_version, \
    originator = excluded.originator, git = coalesce(excluded.git, git), \
    parent_thread_id = excluded.parent_thread_id, forked_from_id = excluded.forked_from_id, \
    agent_nickname = excluded.agent_nickname, agent_role = excluded.agent_role, \
    paginated = excluded.paginated, mtime_ms = excluded.mtime_ms, size = excluded.size";

/// What the folder showed of a file when its head was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) mtime_ms: i64,
    pub(crate) size: u64,
}

/// A thread id as text in the database, which sorts as the reference sorts it.
pub(crate) struct Id(pub(crate) ThreadId);

impl FromSql for Id {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let parsed = value.as_str()?.parse().map(Self);
        parsed.map_err(|error| FromSqlError::Other(Box::new(error)))
    }
}

impl ToSql for Id {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        Ok(self.0.to_string().into())
    }
}

/// Writes a row. `stamp` is known when the row was read from the file.
pub(crate) fn write(
    connection: &rusqlite::Connection,
    row: &ThreadRow,
    stamp: Option<Stamp>,
) -> rusqlite::Result<()> {
    let source = json(&row.source);
    let git = row.git.as_ref().map(json);
    connection.prepare_cached(UPSERT)?.execute(named_params! {
        ":id": Id(row.id),
        ":session_id": Id(row.session_id),
        ":path": row.path.to_string_lossy(),
        ":archived": row.archived,
        ":created_ms": row.created_ms,
        ":updated_ms": row.updated_ms,
        ":recency_ms": row.recency_ms,
        ":preview": row.preview,
        ":has_user_message": row.has_user_message,
        ":name": row.name,
        ":cwd": normal(&row.cwd),
        ":source": source,
        ":source_kind": source_kind(&row.source),
        ":thread_source": row.thread_source,
        ":model_provider": row.model_provider,
        ":model": row.model,
        ":effort": row.effort,
        ":cli_version": row.cli_version,
        ":originator": row.originator,
        ":git": git,
        ":parent_thread_id": row.parent_thread_id.map(Id),
        ":forked_from_id": row.forked_from_id.map(Id),
        ":agent_nickname": row.agent_nickname,
        ":agent_role": row.agent_role,
        ":paginated": row.paginated,
        ":mtime_ms": stamp.map(|stamp| stamp.mtime_ms),
        ":size": stamp.map(|stamp| i64::try_from(stamp.size).unwrap_or(i64::MAX)),
    })?;
    Ok(())
}

/// Reads a row of [`COLUMNS`].
pub(crate) fn read(row: &Row<'_>) -> rusqlite::Result<ThreadRow> {
    let id = |at: usize| row.get::<_, Id>(at).map(|id| id.0);
    let maybe_id = |at: usize| row.get::<_, Option<Id>>(at).map(|id| id.map(|id| id.0));
    let source: String = row.get(11)?;
    let git: Option<String> = row.get(18)?;
    Ok(ThreadRow {
        id: id(0)?,
        session_id: id(1)?,
        path: row.get::<_, String>(2)?.into(),
        archived: row.get(3)?,
        created_ms: row.get(4)?,
        updated_ms: row.get(5)?,
        recency_ms: row.get(6)?,
        preview: row.get(7)?,
        has_user_message: row.get(8)?,
        name: row.get(9)?,
        cwd: row.get::<_, String>(10)?.into(),
        source: serde_json::from_str(&source).unwrap_or(SessionSource::Unknown),
        thread_source: row.get(12)?,
        model_provider: row.get(13)?,
        model: row.get(14)?,
        effort: row.get(15)?,
        cli_version: row.get(16)?,
        originator: row.get(17)?,
        git: git.and_then(|json| serde_json::from_str(&json).ok()),
        parent_thread_id: maybe_id(19)?,
        forked_from_id: maybe_id(20)?,
        agent_nickname: row.get(21)?,
        agent_role: row.get(22)?,
        paginated: row.get(23)?,
    })
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("wire types of strings always serialise")
}

/// The source as one word, for filters.
pub(crate) fn source_kind(source: &SessionSource) -> String {
    match source {
        SessionSource::Cli => "cli",
        SessionSource::Vscode => "vscode",
        SessionSource::Exec => "exec",
        SessionSource::AppServer => "appServer",
        SessionSource::Unknown => "unknown",
        SessionSource::Custom(name) => return format!("custom:{name}"),
        SessionSource::SubAgent(SubAgentSource::Review) => "subAgentReview",
        SessionSource::SubAgent(SubAgentSource::Compact) => "subAgentCompact",
        SessionSource::SubAgent(SubAgentSource::ThreadSpawn { .. }) => "subAgentThreadSpawn",
        SessionSource::SubAgent(SubAgentSource::MemoryConsolidation | SubAgentSource::Other(_)) => {
            "subAgentOther"
        }
    }
    .to_owned()
}

/// A folder as text, without `.`, without doubled and final slashes, `..` resolved by
/// name. Two spellings of a folder become one; links are not followed.
pub(crate) fn normal(folder: &Path) -> String {
    let mut normal = PathBuf::new();
    for part in folder.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => normal.push(part),
        }
    }
    normal.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_spellings_of_a_folder_are_one() {
        for text in ["/a/b", "/a/b/", "/a//b", "/a/./b/.", "/a/c/../b"] {
            assert_eq!(normal(Path::new(text)), "/a/b");
        }
        assert_eq!(normal(Path::new("/")), "/");
    }
}
