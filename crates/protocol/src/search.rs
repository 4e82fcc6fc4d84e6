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
    "fuzzyFileSearch" Stable NotYet [];
    "fuzzyFileSearch/sessionStart" Experimental NotYet [];
    "fuzzyFileSearch/sessionUpdate" Experimental NotYet [];
    "fuzzyFileSearch/sessionStop" Experimental NotYet [];
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
