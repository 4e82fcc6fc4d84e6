//! Processes run for a client, unsandboxed and without waiting.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::methods::methods;
use crate::path::AbsolutePathBuf;
use crate::wire::{double_option, null_default};

methods! {
    "process/spawn" Experimental
        Implemented(ProcessSpawn: ProcessSpawnParams => ProcessSpawnResponse)
        [];
    "process/writeStdin" Experimental
        Implemented(ProcessWriteStdin: ProcessWriteStdinParams => ProcessWriteStdinResponse)
        [];
    "process/kill" Experimental
        Implemented(ProcessKill: ProcessKillParams => ProcessKillResponse)
        [];
    "process/resizePty" Experimental
        Implemented(ProcessResizePty: ProcessResizePtyParams => ProcessResizePtyResponse)
        [];
}

/// Params of `process/spawn`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ProcessSpawnParams {
    /// Program and arguments.
    pub command: Vec<String>,
    /// The client's name for it, once at a time on a connection.
    pub process_handle: String,
    pub cwd: AbsolutePathBuf,
    /// A terminal in place of pipes. Implies both streams.
    #[serde(default, deserialize_with = "null_default")]
    pub tty: bool,
    /// Whether its input can be written to.
    #[serde(default, deserialize_with = "null_default")]
    pub stream_stdin: bool,
    /// Whether its output is told as it comes; the end does not repeat it.
    #[serde(default, deserialize_with = "null_default")]
    pub stream_stdout_stderr: bool,
    /// Bytes of each stream. Default 1 MiB; null is as much as comes.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "double_option"
    )]
    pub output_bytes_cap: Option<Option<usize>>,
    /// Milliseconds. Default 10,000; null is as long as it takes.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "double_option"
    )]
    pub timeout_ms: Option<Option<i64>>,
    /// Set over the server's own environment; null takes a variable out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<BTreeMap<String, Option<String>>>,
    /// Of the terminal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<ProcessTerminalSize>,
}

/// Answer to `process/spawn`, when the process was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProcessSpawnResponse {}

/// The size of a terminal in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProcessTerminalSize {
    pub rows: u16,
    pub cols: u16,
}

/// Params of `process/writeStdin`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ProcessWriteStdinParams {
    pub process_handle: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delta_base64: Option<String>,
    /// Whether the input ends behind what is written.
    #[serde(default, deserialize_with = "null_default")]
    pub close_stdin: bool,
}

/// Answer to `process/writeStdin`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProcessWriteStdinResponse {}

/// Params of `process/kill`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ProcessKillParams {
    pub process_handle: String,
}

/// Answer to `process/kill`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProcessKillResponse {}

/// Params of `process/resizePty`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ProcessResizePtyParams {
    pub process_handle: String,
    pub size: ProcessTerminalSize,
}

/// Answer to `process/resizePty`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProcessResizePtyResponse {}

/// Where a process printed something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum ProcessOutputStream {
    /// Also what is printed to a terminal.
    Stdout,
    Stderr,
}

/// `process/outputDelta`: output of a streamed process, all of it before its end is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ProcessOutputDeltaNotification {
    pub process_handle: String,
    pub stream: ProcessOutputStream,
    pub delta_base64: String,
    /// The last one of its stream, because the cap is reached.
    pub cap_reached: bool,
}

/// `process/exited`: a process has ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ProcessExitedNotification {
    pub process_handle: String,
    /// 124 if its time was up; 128 and the signal's number if a signal ended it.
    pub exit_code: i32,
    /// Whether something still held its output open some time after its end. Not known to
    /// 0.131.
    pub output_drain_timed_out: Option<bool>,
    /// Empty if it was streamed.
    pub stdout: String,
    pub stdout_cap_reached: bool,
    /// Empty if it was streamed.
    pub stderr: String,
    pub stderr_cap_reached: bool,
}
