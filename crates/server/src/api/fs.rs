//! Reading and changing files of the machine, with the rights of the server.
//!
//! These run aside, as in the reference: a client that needs one to be over before another
//! waits for its answer.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use loomd_files::{FileError, FileResult, Reading, normal};
use loomd_protocol::{
    AbsolutePathBuf, FsCopyParams, FsCopyResponse, FsCreateDirectoryParams,
    FsCreateDirectoryResponse, FsGetMetadataParams, FsGetMetadataResponse, FsReadDirectoryEntry,
    FsReadDirectoryParams, FsReadDirectoryResponse, FsReadFileParams, FsReadFileResponse,
    FsRemoveParams, FsRemoveResponse, FsWriteFileParams, FsWriteFileResponse, methods,
};

use crate::errors::{ApiError, ApiResult};
use crate::router::{Cx, Route, on_read};

pub(crate) fn routes() -> Vec<Route> {
    vec![
        on_read::<methods::FsReadFile, _>(read_file),
        on_read::<methods::FsWriteFile, _>(write_file),
        on_read::<methods::FsCreateDirectory, _>(create_directory),
        on_read::<methods::FsGetMetadata, _>(get_metadata),
        on_read::<methods::FsReadDirectory, _>(read_directory),
        on_read::<methods::FsRemove, _>(remove),
        on_read::<methods::FsCopy, _>(copy),
    ]
}

impl From<FileError> for ApiError {
    fn from(error: FileError) -> Self {
        if error.is_of_request() {
            return Self::invalid(error.to_string());
        }
        Self::internal(error.to_string())
    }
}

/// Does something with files on the pool for what waits for a disk.
async fn work<T: Send + 'static>(
    work: impl FnOnce() -> FileResult<T> + Send + 'static,
) -> ApiResult<T> {
    Ok(crate::blocking(work).await??)
}

async fn read_file(cx: Cx, params: FsReadFileParams) -> ApiResult<FsReadFileResponse> {
    let path = normal(params.path.as_path());
    let file = work(move || Reading::open(&path)).await?;
    let room = cx.peer.file_work.reading(file.bytes()).await;
    let _room = room.map_err(|closed| ApiError::internal(closed.to_string()))?;
    work(move || {
        Ok(FsReadFileResponse {
            data_base64: STANDARD.encode(file.read()?),
        })
    })
    .await
}

async fn write_file(_cx: Cx, params: FsWriteFileParams) -> ApiResult<FsWriteFileResponse> {
    let path = normal(params.path.as_path());
    crate::blocking(move || {
        let bytes = STANDARD.decode(&params.data_base64).map_err(|error| {
            ApiError::invalid(format!(
                "fs/writeFile requires valid base64 dataBase64: {error}"
            ))
        })?;
        loomd_files::write(&path, &bytes)?;
        Ok(FsWriteFileResponse {})
    })
    .await?
}

async fn create_directory(
    _cx: Cx,
    params: FsCreateDirectoryParams,
) -> ApiResult<FsCreateDirectoryResponse> {
    let path = normal(params.path.as_path());
    let recursive = params.recursive.unwrap_or(true);
    work(move || loomd_files::create_directory(&path, recursive)).await?;
    Ok(FsCreateDirectoryResponse {})
}

async fn get_metadata(_cx: Cx, params: FsGetMetadataParams) -> ApiResult<FsGetMetadataResponse> {
    let path = normal(params.path.as_path());
    let known = work(move || loomd_files::metadata(&path)).await?;
    Ok(FsGetMetadataResponse {
        is_directory: known.is_directory,
        is_file: known.is_file,
        is_symlink: known.is_symlink,
        created_at_ms: known.created_ms,
        modified_at_ms: known.modified_ms,
    })
}

async fn read_directory(
    _cx: Cx,
    params: FsReadDirectoryParams,
) -> ApiResult<FsReadDirectoryResponse> {
    let path = normal(params.path.as_path());
    let entries = work(move || loomd_files::list_directory(&path)).await?;
    let entries = entries.into_iter().map(|entry| FsReadDirectoryEntry {
        file_name: entry.name,
        is_directory: entry.is_directory,
        is_file: entry.is_file,
    });
    Ok(FsReadDirectoryResponse {
        entries: entries.collect(),
    })
}

async fn remove(_cx: Cx, params: FsRemoveParams) -> ApiResult<FsRemoveResponse> {
    let path = normal(params.path.as_path());
    let recursive = params.recursive.unwrap_or(true);
    let force = params.force.unwrap_or(true);
    work(move || loomd_files::remove(&path, recursive, force)).await?;
    Ok(FsRemoveResponse {})
}

async fn copy(_cx: Cx, params: FsCopyParams) -> ApiResult<FsCopyResponse> {
    let plain = |path: AbsolutePathBuf| normal(path.as_path());
    let (source, destination) = (plain(params.source_path), plain(params.destination_path));
    work(move || loomd_files::copy(&source, &destination, params.recursive)).await?;
    Ok(FsCopyResponse {})
}
