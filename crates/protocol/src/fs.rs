//! Files of the machine of the server.

use serde::{Deserialize, Serialize};

use crate::methods::methods;
use crate::path::AbsolutePathBuf;
use crate::wire::{is_false, null_default};

methods! {
    "fs/readFile" Stable
        Implemented(FsReadFile: FsReadFileParams => FsReadFileResponse)
        [];
    "fs/writeFile" Stable
        Implemented(FsWriteFile: FsWriteFileParams => FsWriteFileResponse)
        [];
    "fs/createDirectory" Stable
        Implemented(FsCreateDirectory: FsCreateDirectoryParams => FsCreateDirectoryResponse)
        [];
    "fs/getMetadata" Stable
        Implemented(FsGetMetadata: FsGetMetadataParams => FsGetMetadataResponse)
        [];
    "fs/readDirectory" Stable
        Implemented(FsReadDirectory: FsReadDirectoryParams => FsReadDirectoryResponse)
        [];
    "fs/remove" Stable
        Implemented(FsRemove: FsRemoveParams => FsRemoveResponse)
        [];
    "fs/copy" Stable
        Implemented(FsCopy: FsCopyParams => FsCopyResponse)
        [];
    "fs/watch" Stable
        Implemented(FsWatch: FsWatchParams => FsWatchResponse)
        [];
    "fs/unwatch" Stable
        Implemented(FsUnwatch: FsUnwatchParams => FsUnwatchResponse)
        [];
}

/// Params of `fs/readFile`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FsReadFileParams {
    pub path: AbsolutePathBuf,
}

/// Answer to `fs/readFile`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct FsReadFileResponse {
    /// The whole file.
    pub data_base64: String,
}

/// Params of `fs/writeFile`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct FsWriteFileParams {
    /// Made if it is not there; the folder must be.
    pub path: AbsolutePathBuf,
    /// The whole new content, in the standard alphabet with padding.
    pub data_base64: String,
}

/// Answer to `fs/writeFile`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FsWriteFileResponse {}

/// Params of `fs/createDirectory`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FsCreateDirectoryParams {
    pub path: AbsolutePathBuf,
    /// Default true: also the folders above, and it may be there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recursive: Option<bool>,
}

/// Answer to `fs/createDirectory`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FsCreateDirectoryResponse {}

/// Params of `fs/getMetadata`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FsGetMetadataParams {
    pub path: AbsolutePathBuf,
}

/// Answer to `fs/getMetadata`: of a link, what is known of its target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct FsGetMetadataResponse {
    pub is_directory: bool,
    pub is_file: bool,
    /// The path itself is a link.
    pub is_symlink: bool,
    /// 0 when unknown.
    pub created_at_ms: i64,
    /// 0 when unknown.
    pub modified_at_ms: i64,
}

/// Params of `fs/readDirectory`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FsReadDirectoryParams {
    pub path: AbsolutePathBuf,
}

/// One entry of a folder; of a link, the kind is that of its target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct FsReadDirectoryEntry {
    /// Without the folder.
    pub file_name: String,
    pub is_directory: bool,
    pub is_file: bool,
}

/// Answer to `fs/readDirectory`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FsReadDirectoryResponse {
    /// In no order.
    pub entries: Vec<FsReadDirectoryEntry>,
}

/// Params of `fs/remove`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FsRemoveParams {
    pub path: AbsolutePathBuf,
    /// Default true: with whatever is in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recursive: Option<bool>,
    /// Default true: it need not be there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub force: Option<bool>,
}

/// Answer to `fs/remove`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FsRemoveResponse {}

/// Params of `fs/copy`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct FsCopyParams {
    pub source_path: AbsolutePathBuf,
    pub destination_path: AbsolutePathBuf,
    /// A folder needs it; of no meaning for a file.
    #[serde(
        default,
        deserialize_with = "null_default",
        skip_serializing_if = "is_false"
    )]
    pub recursive: bool,
}

/// Answer to `fs/copy`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FsCopyResponse {}

/// Params of `fs/watch`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct FsWatchParams {
    /// The client's own name for the watch, of its connection alone.
    pub watch_id: String,
    /// It need not be there yet. Of a folder the direct children are watched too.
    pub path: AbsolutePathBuf,
}

/// Answer to `fs/watch`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FsWatchResponse {
    /// Without `.`, `..` and slashes at the end; links stay.
    pub path: AbsolutePathBuf,
}

/// Params of `fs/unwatch`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct FsUnwatchParams {
    /// It need not exist.
    pub watch_id: String,
}

/// Answer to `fs/unwatch`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FsUnwatchResponse {}

/// `fs/changed`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct FsChangedNotification {
    pub watch_id: String,
    /// What changed, came or went, below the path as the watch has it; sorted.
    pub changed_paths: Vec<AbsolutePathBuf>,
}
