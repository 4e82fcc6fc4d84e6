//! Searching threads and files.

use serde::{Deserialize, Serialize};

use crate::methods::methods;
use crate::thread::Thread;
use crate::thread_read::{SortDirection, ThreadSourceKind};
use crate::wire::null_default;

methods! {
    "thread/search" Experimental
        Implemented(ThreadSearch: ThreadSearchParams => ThreadSearchResponse)
        [];
    "thread/searchOccurrences" Experimental
        Implemented(ThreadSearchOccurrences: ThreadSearchOccurrencesParams
            => ThreadSearchOccurrencesResponse)
        [thread];
    "fuzzyFileSearch" Stable
        Implemented(FuzzyFileSearch: FuzzyFileSearchParams => FuzzyFileSearchResponse)
        [];
    "fuzzyFileSearch/sessionStart" Experimental
        Implemented(FuzzyFileSearchSessionStart: FuzzyFileSearchSessionStartParams
            => FuzzyFileSearchSessionStartResponse)
        [];
    "fuzzyFileSearch/sessionUpdate" Experimental
        Implemented(FuzzyFileSearchSessionUpdate: FuzzyFileSearchSessionUpdateParams
            => FuzzyFileSearchSessionUpdateResponse)
        [];
    "fuzzyFileSearch/sessionStop" Experimental
        Implemented(FuzzyFileSearchSessionStop: FuzzyFileSearchSessionStopParams
            => FuzzyFileSearchSessionStopResponse)
        [];
}

/// What found threads are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ThreadSearchSortKey {
    CreatedAt,
    UpdatedAt,
    RecencyAt,
}

/// Params of `thread/search`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ThreadSearchParams {
    /// Looked for in messages, whatever the case.
    pub search_term: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Default 25, at most 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Default `created_at`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sort_key: Option<ThreadSearchSortKey>,
    /// Default descending.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sort_direction: Option<SortDirection>,
    /// Interactive sources if left out or empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_kinds: Option<Vec<ThreadSourceKind>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archived: Option<bool>,
    /// Without effect: nothing here belongs to an account.
    #[serde(default, deserialize_with = "null_default")]
    pub current_account_only: bool,
    /// Without effect: no thread is attached to another.
    #[serde(default, deserialize_with = "null_default")]
    pub include_attached_threads: bool,
}

/// Answer to `thread/search`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ThreadSearchResponse {
    pub data: Vec<ThreadSearchResult>,
    pub next_cursor: Option<String>,
    pub backwards_cursor: Option<String>,
}

/// A thread that was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ThreadSearchResult {
    pub thread: Thread,
    /// The first match with what stands around it, on one line.
    pub snippet: String,
}

/// Params of `thread/searchOccurrences`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ThreadSearchOccurrencesParams {
    pub thread_id: String,
    pub search_term: String,
    /// Of an answer for the same thread and term.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Default 50, at most 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// Answer to `thread/searchOccurrences`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ThreadSearchOccurrencesResponse {
    /// In the order of the messages.
    pub data: Vec<ThreadSearchOccurrence>,
    pub next_cursor: Option<String>,
}

/// One match in a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ThreadSearchOccurrence {
    pub turn_id: String,
    pub item_id: String,
    pub snippet: String,
    /// Within the snippet.
    pub snippet_match_range: ThreadSearchTextRange,
    /// A cursor of `thread/turns/list` whose page begins with this turn.
    pub turn_cursor: String,
}

/// A range in UTF-16 code units, the end not included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ThreadSearchTextRange {
    pub start: u32,
    pub end: u32,
}

/// Params of `fuzzyFileSearch`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct FuzzyFileSearchParams {
    /// Nothing is found for an empty one.
    pub query: String,
    /// Folders; a relative one is below the server's own.
    pub roots: Vec<String>,
    /// A later search of the same connection with the same token ends this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancellation_token: Option<String>,
}

/// Answer to `fuzzyFileSearch`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FuzzyFileSearchResponse {
    /// At most 50, best first.
    pub files: Vec<FuzzyFileSearchResult>,
}

/// What was found. Its members are in snake case on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FuzzyFileSearchResult {
    /// As the request has it.
    pub root: String,
    /// Below the root.
    pub path: String,
    pub match_type: FuzzyFileSearchMatchType,
    /// The last name of the path.
    pub file_name: String,
    pub score: u32,
    /// The characters of the path that fit, ascending.
    pub indices: Option<Vec<u32>>,
}

/// What a found path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum FuzzyFileSearchMatchType {
    File,
    Directory,
}

/// Params of `fuzzyFileSearch/sessionStart`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct FuzzyFileSearchSessionStartParams {
    /// The client's own name for the session, one for all connections. A session that has it
    /// already ends.
    pub session_id: String,
    /// Folders; a relative one is below the server's own.
    pub roots: Vec<String>,
}

/// Answer to `fuzzyFileSearch/sessionStart`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FuzzyFileSearchSessionStartResponse {}

/// Params of `fuzzyFileSearch/sessionUpdate`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct FuzzyFileSearchSessionUpdateParams {
    pub session_id: String,
    pub query: String,
}

/// Answer to `fuzzyFileSearch/sessionUpdate`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FuzzyFileSearchSessionUpdateResponse {}

/// Params of `fuzzyFileSearch/sessionStop`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct FuzzyFileSearchSessionStopParams {
    /// It need not exist.
    pub session_id: String,
}

/// Answer to `fuzzyFileSearch/sessionStop`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FuzzyFileSearchSessionStopResponse {}

/// `fuzzyFileSearch/sessionUpdated`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct FuzzyFileSearchSessionUpdatedNotification {
    pub session_id: String,
    /// The query that this is the state of.
    pub query: String,
    /// At most 50, best first.
    pub files: Vec<FuzzyFileSearchResult>,
}

/// `fuzzyFileSearch/sessionCompleted`: the newest query has been looked for everywhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct FuzzyFileSearchSessionCompletedNotification {
    pub session_id: String,
}
