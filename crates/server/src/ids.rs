//! Ids as clients write them, and where a thread's rollout lies.

use std::path::Path;

use loomd_base::ThreadId;
use loomd_rollout::layout::{self, Found};

use crate::Server;
use crate::errors::{ApiError, ApiResult};

/// A thread id as most methods read it.
pub(crate) fn parse_thread_id(text: &str) -> ApiResult<ThreadId> {
    text.parse()
        .map_err(|error| ApiError::invalid(format!("invalid thread id: {error}")))
}

/// A thread id as resume, archive and unarchive read it: the same with another word
/// in the error, as in the reference.
pub(crate) fn parse_session_id(text: &str) -> ApiResult<ThreadId> {
    text.parse()
        .map_err(|error| ApiError::invalid(format!("invalid session id: {error}")))
}

/// The thread whose rollout lies at a path, by the file's name.
pub(crate) fn thread_of_path(path: &str) -> ApiResult<ThreadId> {
    Path::new(path)
        .file_name()
        .and_then(|name| layout::parse(&name.to_string_lossy()))
        .map(|name| name.thread)
        .ok_or_else(|| ApiError::invalid(format!("no rollout found at {path}")))
}

/// Finds a thread's rollout wherever it lies, archived ones included.
pub(crate) async fn locate(server: &Server, id: ThreadId) -> ApiResult<Option<Found>> {
    let home = server.home.clone();
    crate::blocking(move || layout::find(&home, id))
        .await?
        .map_err(|error| ApiError::internal(format!("failed to look for the rollout: {error}")))
}

/// An archived thread is not loaded.
pub(crate) fn archived(id: ThreadId) -> ApiError {
    ApiError::invalid(format!(
        "session {id} is archived. Run `codex unarchive {id}` to unarchive it first."
    ))
}

/// Finds the rollout of a thread that may be resumed.
pub(crate) async fn find_rollout(server: &Server, id: ThreadId) -> ApiResult<Found> {
    match locate(server, id).await? {
        Some(found) if found.archived => Err(archived(id)),
        Some(found) => Ok(found),
        None => Err(ApiError::no_rollout(&id.to_string())),
    }
}
