//! What is remembered between threads.

use serde::{Deserialize, Serialize};

use crate::methods::methods;

methods! {
    "thread/memoryMode/set" Experimental
        Implemented(ThreadMemoryModeSet: ThreadMemoryModeSetParams => ThreadMemoryModeSetResponse)
        [thread];
    "thread/memory/read" Experimental
        Implemented(ThreadMemoryRead: ThreadMemoryReadParams => ThreadMemoryReadResponse)
        [thread];
    "memory/status" Experimental
        Implemented(MemoryStatus: MemoryStatusParams => MemoryStatusResponse)
        [];
    "memory/reset" Experimental NotYet [no_params];
    "rollout/compress" Experimental NotYet [no_params];
}

/// Whether a thread may be remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum ThreadMemoryMode {
    Enabled,
    Disabled,
}

/// Params of `thread/memoryMode/set`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ThreadMemoryModeSetParams {
    pub thread_id: String,
    pub mode: ThreadMemoryMode,
}

/// Answer to `thread/memoryMode/set`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ThreadMemoryModeSetResponse {}

/// Params of `thread/memory/read`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ThreadMemoryReadParams {
    /// A loaded thread.
    pub thread_id: String,
}

/// Answer to `thread/memory/read`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ThreadMemoryReadResponse {
    pub summary: Option<String>,
}

/// Params of `memory/status`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct MemoryStatusParams {
    /// Threads that must have been remembered, 1 to 4096; 20 if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_consolidated_threads: Option<u32>,
}

/// Answer to `memory/status`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct MemoryStatusResponse {
    pub v2_consolidated_threads: u32,
    pub v2_ready: bool,
}
