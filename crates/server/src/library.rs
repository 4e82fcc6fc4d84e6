//! The stored threads of the home folder: lists, names, archive.
//!
//! The rollouts are the truth. The index behind this is brought up to date when a list
//! is asked for: at the first list of the process before it is answered, later in the
//! background when the last look at the folders is older than [`REFRESH_AFTER`].
//! Changes of loaded threads wait in memory, one row a thread, until then or until there
//! are [`WAITING_MAX`] of them: a server that is never asked for a list does not keep
//! what it knows of threads that are long gone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use loomd_base::{Care, ThreadId};
use loomd_events::StoredState;
use loomd_protocol::{
    SessionSource, SortDirection, SubAgentSource, Thread, ThreadListCwdFilter, ThreadListParams,
    ThreadSortKey, ThreadSourceKind,
};
use loomd_rollout::layout::{self, Found};
use loomd_store::{Direction, FileRow, Index, ListQuery, Page, SortKey, ThreadRow};
use loomd_thread::shown_git;
use tokio::time::Instant;

use crate::Server;
use crate::assemble;
use crate::errors::{ApiError, ApiResult};

/// How old a look at the folders may be before a list has it repeated.
const REFRESH_AFTER: Duration = Duration::from_secs(30);

/// Rows that may wait for the index; at so many they are brought there.
const WAITING_MAX: usize = 64;

/// Stored threads.
pub(crate) struct Library {
    home: PathBuf,
    index: Index,
    // Guards the fields only; never held while the index works.
    state: Mutex<State>,
    // Held by whoever looks at the folders, so that one does.
    refreshing: Mutex<()>,
    // Held by whoever brings waiting rows to the index, so that a list that finds none
    // waiting does not read an index that lacks them.
    indexing: Mutex<()>,
}

#[derive(Default)]
struct State {
    /// Rows of loaded threads that the index does not have yet.
    waiting: BTreeMap<ThreadId, ThreadRow>,
    /// The last look at the folders.
    refreshed: Option<Instant>,
    /// Names, once they were read.
    names: Option<BTreeMap<ThreadId, String>>,
}

/// What a list asks for, or that nothing can be in it.
pub(crate) enum Query {
    Index(Box<ListQuery>),
    Nothing,
}

impl Library {
    pub(crate) fn new(home: PathBuf) -> Self {
        Self {
            index: Index::new(&home),
            home,
            state: Mutex::default(),
            refreshing: Mutex::new(()),
            indexing: Mutex::new(()),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a changed thread in; a list shows it from now on.
    pub(crate) fn note(self: &Arc<Self>, row: ThreadRow) {
        let waiting = {
            let mut state = self.state();
            state.waiting.insert(row.file.id, row);
            state.waiting.len()
        };
        if waiting.is_multiple_of(WAITING_MAX) {
            let library = Arc::clone(self);
            std::mem::drop(tokio::task::spawn_blocking(move || library.index_waiting()));
        }
    }

    /// Brings waiting rows to the index. Rows that it does not take are found by the
    /// next look at the folders.
    fn index_waiting(&self) {
        let _one = self.indexing.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = std::mem::take(&mut self.state().waiting);
        if waiting.is_empty() {
            return;
        }
        let rows: Vec<ThreadRow> = waiting.into_values().collect();
        if let Err(error) = self.index.upsert_all(&rows) {
            tracing::warn!(%error, "threads not indexed");
            self.state().refreshed = None;
        }
    }

    /// A thread's name.
    pub(crate) fn name(&self, id: ThreadId) -> Option<String> {
        self.with_names(|names| names.get(&id).cloned())
    }

    fn with_names<T>(&self, look: impl FnOnce(&mut BTreeMap<ThreadId, String>) -> T) -> T {
        let mut state = self.state();
        let names = state.names.get_or_insert_with(|| self.read_names());
        look(names)
    }

    fn read_names(&self) -> BTreeMap<ThreadId, String> {
        layout::read_names(&self.home)
            .map(|names| names.into_iter().collect())
            .unwrap_or_else(|error| {
                tracing::warn!(%error, "names of threads not read");
                BTreeMap::new()
            })
    }

    /// Names a thread, for good.
    pub(crate) fn set_name(&self, id: ThreadId, name: &str, now_ms: i64) -> ApiResult<()> {
        layout::append_name(&self.home, id, name, now_ms)
            .map_err(|error| ApiError::internal(error.to_string()))?;
        self.with_names(|names| names.insert(id, name.to_owned()));
        if let Err(error) = self.index.set_name(id, name) {
            tracing::warn!(%error, "name not indexed; the next refresh brings it");
        }
        Ok(())
    }

    /// What lists show of a stored thread, from the head of its file.
    pub(crate) fn summary(&self, path: &Path) -> Result<Thread, loomd_rollout::Error> {
        loomd_rollout::read_meta(path).map(|summary| described(&summary, path))
    }

    /// Changes what an archived thread keeps beside its rollout; such a thread has no actor
    /// that would own it. Gives what lists show of it.
    pub(crate) fn change_archived(
        self: &Arc<Self>,
        found: &Found,
        id: ThreadId,
        change: impl FnOnce(&mut StoredState, &Thread),
    ) -> ApiResult<Thread> {
        let internal = |error: loomd_rollout::Error| ApiError::internal(error.to_string());
        let mut state = loomd_rollout::read_state(&self.home, id).map_err(internal)?;
        let thread = self.summary(&found.path).map_err(internal)?;
        change(&mut state, &thread);
        loomd_rollout::write_state(&self.home, id, &state, Care::PRIVATE).map_err(internal)?;
        let file = unstamped(id, &found.path, found.archived);
        let row = head(&file, &state).ok_or_else(|| ApiError::no_rollout(&id.to_string()))?;
        let thread = row.thread.clone();
        self.note(row);
        Ok(Thread {
            name: self.name(id),
            ..thread
        })
    }

    /// Moves a thread to the archive. `false` when it has no rollout there.
    pub(crate) fn archive(self: &Arc<Self>, id: ThreadId) -> ApiResult<bool> {
        let internal = |error: loomd_rollout::Error| ApiError::internal(error.to_string());
        self.end_waiting(id)?;
        let moved = layout::archive(&self.home, id).map_err(internal)?;
        self.moved(id, moved.as_deref(), true);
        Ok(moved.is_some())
    }

    /// The turn that waits since before a restart does not go on: the thread is put away.
    fn end_waiting(&self, id: ThreadId) -> ApiResult<()> {
        let mut state = self.stored_state(id);
        if state.waiting.take().is_some() {
            loomd_rollout::write_state(&self.home, id, &state, Care::PRIVATE)
                .map_err(|error| ApiError::internal(error.to_string()))?;
        }
        Ok(())
    }

    /// Puts into a stored thread what its rollout does not tell: its name, and what it
    /// keeps beside.
    pub(crate) fn complete(&self, id: ThreadId, thread: &mut Thread) {
        thread.name = self.name(id);
        show_state(thread, &self.stored_state(id));
    }

    /// Makes the index know what is on disk and what was noted meanwhile.
    fn catch_up(self: &Arc<Self>) {
        self.freshen();
        self.index_waiting();
    }

    /// The threads that this one started, and those that they started: parents before
    /// their children. Looks at disks.
    pub(crate) fn descendants(self: &Arc<Self>, id: ThreadId) -> Vec<ThreadId> {
        self.catch_up();
        self.index.descendants(id).unwrap_or_else(|error| {
            tracing::warn!(thread = %id, %error, "descendants not found");
            Vec::new()
        })
    }

    /// Refuses to remove what other threads' files continue: theirs would be lost as well.
    /// Such files are the reference's; loomd copies what a fork begins with.
    pub(crate) fn may_remove(self: &Arc<Self>, id: ThreadId) -> ApiResult<()> {
        self.catch_up();
        let file_ids = layout::file_ids(&self.home, id)
            .map_err(|error| ApiError::internal(error.to_string()))?;
        let continued = self.index.is_continued(id, &file_ids);
        if continued.map_err(|error| ApiError::internal(error.to_string()))? {
            return Err(ApiError::invalid(format!(
                "cannot delete thread {id}: forked history still references it"
            )));
        }
        Ok(())
    }

    /// Removes a thread for good. `false` when it has no rollout.
    pub(crate) fn remove(&self, id: ThreadId) -> ApiResult<bool> {
        self.state().waiting.remove(&id);
        let internal = |error: loomd_rollout::Error| ApiError::internal(error.to_string());
        let removed = layout::remove(&self.home, id).map_err(internal)?;
        loomd_rollout::remove_state(&self.home, id).map_err(internal)?;
        if let Err(error) = self.index.remove(id) {
            tracing::warn!(%error, "removed thread still indexed until the next refresh");
        }
        Ok(removed)
    }

    /// Moves a thread back from the archive. `None` when it is not there.
    pub(crate) fn unarchive(self: &Arc<Self>, id: ThreadId) -> ApiResult<Option<Thread>> {
        let internal = |error: loomd_rollout::Error| ApiError::internal(error.to_string());
        let moved = layout::unarchive(&self.home, id).map_err(internal)?;
        self.moved(id, moved.as_deref(), false);
        let Some(path) = moved else { return Ok(None) };
        let mut thread = self.summary(&path).map_err(internal)?;
        self.complete(id, &mut thread);
        Ok(Some(thread))
    }

    /// Lets the index know of a file that changed its place.
    fn moved(self: &Arc<Self>, id: ThreadId, path: Option<&Path>, archived: bool) {
        self.state().waiting.remove(&id);
        let Some(path) = path else { return };
        let file = unstamped(id, path, archived);
        if let Some(row) = head(&file, &self.stored_state(id)) {
            self.note(row);
        }
    }

    /// What a thread keeps beside its rollout, as far as it can be read; whoever loads the
    /// thread is told of what cannot.
    fn stored_state(&self, id: ThreadId) -> StoredState {
        loomd_rollout::read_state(&self.home, id).unwrap_or_else(|error| {
            tracing::warn!(thread = %id, %error, "state of the thread left out of lists");
            StoredState::default()
        })
    }

    /// One page of a list. Reads disks: for the pool of blocking work.
    pub(crate) fn list(self: &Arc<Self>, query: &Query) -> ApiResult<Page> {
        let Query::Index(query) = query else {
            return Ok(Page {
                threads: Vec::new(),
                next_cursor: None,
                backwards_cursor: None,
            });
        };
        self.catch_up();
        self.index.list(query).map_err(|error| match error {
            loomd_store::Error::Cursor(cursor) => ApiError::invalid(cursor.to_string()),
            loomd_store::Error::Sqlite(_) | loomd_store::Error::Row(_) => {
                ApiError::internal(format!("failed to list threads: {error}"))
            }
        })
    }

    /// Sees to it that the folders were looked at: now, if they never were; else aside.
    fn freshen(self: &Arc<Self>) {
        match self.state().refreshed {
            None => {}
            Some(at) if at.elapsed() < REFRESH_AFTER => return,
            Some(_) => {
                let library = Arc::clone(self);
                std::mem::drop(tokio::task::spawn_blocking(move || library.refresh()));
                return;
            }
        }
        self.refresh();
    }

    fn refresh(&self) {
        let _one = self
            .refreshing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if self
            .state()
            .refreshed
            .is_some_and(|at| at.elapsed() < REFRESH_AFTER)
        {
            return; // somebody did it while this one waited
        }
        let names = self.read_names();
        self.state().names = Some(names.clone());
        let files = match layout::scan(&self.home) {
            Ok(files) => files,
            Err(error) => {
                tracing::warn!(%error, "folders of rollouts not read");
                return;
            }
        };
        let files = files.map(|stamp| FileRow {
            id: stamp.thread,
            path: stamp.path,
            archived: stamp.archived,
            mtime_ms: stamp.mtime_ms,
            size: stamp.size,
        });
        let with_state = loomd_rollout::threads_with_state(&self.home).unwrap_or_else(|error| {
            tracing::warn!(%error, "states of threads left out of lists");
            BTreeSet::new()
        });
        let head = |file: &FileRow| {
            let state = with_state.contains(&file.id);
            let state = state.then(|| self.stored_state(file.id));
            head(file, &state.unwrap_or_default())
        };
        match self.index.refresh(files, &names, head) {
            Ok(done) => {
                tracing::debug!(?done, "index of threads refreshed");
                self.state().refreshed = Some(Instant::now());
            }
            Err(error) => tracing::warn!(%error, "index of threads not refreshed"),
        }
    }
}

/// A file whose row is out of date by its stamp, so that the next look at the folders
/// reads it again.
fn unstamped(id: ThreadId, path: &Path, archived: bool) -> FileRow {
    FileRow {
        id,
        path: path.to_owned(),
        archived,
        mtime_ms: 0,
        size: 0,
    }
}

/// What the head of a rollout says, and what the thread keeps beside it, as a row. `None` when it says no thread.
fn head(file: &FileRow, state: &StoredState) -> Option<ThreadRow> {
    let summary = loomd_rollout::read_meta(&file.path)
        .inspect_err(|error| tracing::debug!(%error, "rollout left out of lists"))
        .ok()?;
    let updated_ms = if file.mtime_ms > 0 {
        file.mtime_ms
    } else {
        summary.meta.created_ms
    };
    let mut thread = described(&summary, &file.path);
    show_state(&mut thread, state);
    Some(ThreadRow {
        created_ms: summary.meta.created_ms,
        updated_ms,
        recency_ms: updated_ms,
        listed: summary.has_user_message || state.goal.is_some(),
        source_kind: kind_word(&source_kind(&thread.source)),
        continues: summary.continues,
        thread: Thread {
            updated_at: updated_ms.div_euclid(1000),
            recency_at: Some(updated_ms.div_euclid(1000)),
            ..thread
        },
        file: file.clone(),
    })
}

/// Puts into a thread what it keeps beside its rollout.
fn show_state(thread: &mut Thread, state: &StoredState) {
    if let Some(git) = &state.git {
        thread.git_info = shown_git(git);
    }
    thread.daybreak_enabled = state.daybreak;
    if let (true, Some(goal)) = (thread.preview.is_empty(), &state.goal) {
        thread.preview.clone_from(&goal.objective);
    }
}

fn described(summary: &loomd_rollout::Summary, path: &Path) -> Thread {
    Thread {
        preview: summary.preview.clone(),
        model: summary.model.clone(),
        reasoning_effort: summary.effort.clone(),
        agent_nickname: summary.agent_nickname.clone(),
        agent_role: summary.agent_role.clone(),
        path: Some(path.display().to_string()),
        ..assemble::describe(&summary.meta)
    }
}

/// The row of a loaded thread.
pub(crate) fn live_row(id: ThreadId, thread: Thread, created_ms: i64) -> Option<ThreadRow> {
    let path = PathBuf::from(thread.path.as_deref()?);
    Some(ThreadRow {
        file: unstamped(id, &path, false),
        created_ms,
        updated_ms: thread.updated_at.saturating_mul(1000),
        recency_ms: thread
            .recency_at
            .unwrap_or(thread.updated_at)
            .saturating_mul(1000),
        listed: !thread.preview.is_empty(),
        source_kind: kind_word(&source_kind(&thread.source)),
        continues: None,
        thread: Thread {
            environments: None,
            can_accept_direct_input: None,
            ..thread
        },
    })
}

/// A request's filters in the index's words.
pub(crate) fn query(server: &Server, params: ThreadListParams) -> Query {
    // There are no sections, projects or attached threads, so nothing is in one.
    if params.section_id.is_some()
        || params.project_id.is_some()
        || params.attached_to_thread_id.is_some()
    {
        return Query::Nothing;
    }
    let providers = params.model_providers.unwrap_or_else(|| {
        server
            .loader
            .load(None, &serde_json::Map::new())
            .map(|config| vec![config.model_provider.clone()])
            .unwrap_or_default()
    });
    let source_kinds = match params.source_kinds {
        Some(kinds) if !kinds.is_empty() => kinds.iter().flat_map(matching).copied().collect(),
        Some(_) | None => INTERACTIVE.to_vec(),
    };
    let cwds = match params.cwd {
        None => Vec::new(),
        Some(ThreadListCwdFilter::One(cwd)) => vec![cwd],
        Some(ThreadListCwdFilter::Many(cwds)) => cwds,
    };
    Query::Index(Box::new(ListQuery {
        archived: params.archived.unwrap_or(false),
        providers,
        source_kinds,
        cwds: cwds
            .iter()
            .map(|cwd| assemble::absolute(server, cwd).into_string())
            .collect(),
        originators: params.originators.unwrap_or_default(),
        parent: params.parent_thread_id,
        ancestor: params.ancestor_thread_id,
        excluded: params.excluded_thread_ids.unwrap_or_default(),
        search_term: params.search_term.filter(|term| !term.is_empty()),
        sort_key: match params.sort_key {
            Some(ThreadSortKey::UpdatedAt) => SortKey::Updated,
            Some(ThreadSortKey::RecencyAt) => SortKey::Recency,
            Some(ThreadSortKey::CreatedAt | ThreadSortKey::SectionPosition) | None => {
                SortKey::Created
            }
        },
        direction: match params.sort_direction {
            Some(SortDirection::Asc) => Direction::Ascending,
            Some(SortDirection::Desc) | None => Direction::Descending,
        },
        cursor: params.cursor,
        limit: params.limit,
    }))
}

/// What a list shows when it names no kinds: threads that a person leads.
const INTERACTIVE: &[&str] = &["cli", "vscode"];

/// The words that a filter's kind stands for: `subAgent` for all kinds of subagents.
fn matching(kind: &ThreadSourceKind) -> &'static [&'static str] {
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
}

fn kind_word(kind: &ThreadSourceKind) -> &'static str {
    matching(kind).first().copied().unwrap_or("unknown")
}

fn source_kind(source: &SessionSource) -> ThreadSourceKind {
    match source {
        SessionSource::Cli => ThreadSourceKind::Cli,
        SessionSource::Vscode => ThreadSourceKind::Vscode,
        SessionSource::Exec => ThreadSourceKind::Exec,
        SessionSource::AppServer => ThreadSourceKind::AppServer,
        SessionSource::SubAgent(SubAgentSource::Review) => ThreadSourceKind::SubAgentReview,
        SessionSource::SubAgent(SubAgentSource::Compact) => ThreadSourceKind::SubAgentCompact,
        SessionSource::SubAgent(SubAgentSource::ThreadSpawn { .. }) => {
            ThreadSourceKind::SubAgentThreadSpawn
        }
        SessionSource::SubAgent(SubAgentSource::MemoryConsolidation | SubAgentSource::Other(_)) => {
            ThreadSourceKind::SubAgentOther
        }
        SessionSource::Custom(_) | SessionSource::Unknown => ThreadSourceKind::Unknown,
    }
}
