//! Commands run for a client, without a thread.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::methods::methods;
use crate::policy::SandboxPolicy;
use crate::wire::null_default;

methods! {
    "command/exec" Stable
        Implemented(CommandExec: CommandExecParams => CommandExecResponse)
        [] gated "permissionProfile";
    "command/exec/write" Stable
        Implemented(CommandExecWrite: CommandExecWriteParams => CommandExecWriteResponse)
        [];
    "command/exec/terminate" Stable
        Implemented(CommandExecTerminate: CommandExecTerminateParams
            => CommandExecTerminateResponse)
        [];
    "command/exec/resize" Stable
        Implemented(CommandExecResize: CommandExecResizeParams => CommandExecResizeResponse)
        [];
}

/// Params of `command/exec`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct CommandExecParams {
    /// Program and arguments.
    pub command: Vec<String>,
    /// The client's name for it, once at a time on a connection. Needed for a terminal,
    /// for streams and for the other methods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process_id: Option<String>,
    /// A terminal in place of pipes. Implies both streams.
    #[serde(default, deserialize_with = "null_default")]
    pub tty: bool,
    /// Whether its input can be written to.
    #[serde(default, deserialize_with = "null_default")]
    pub stream_stdin: bool,
    /// Whether its output is told as it comes; the answer does not repeat it.
    #[serde(default, deserialize_with = "null_default")]
    pub stream_stdout_stderr: bool,
    /// Bytes of each stream. Default 1 MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_bytes_cap: Option<usize>,
    #[serde(default, deserialize_with = "null_default")]
    pub disable_output_cap: bool,
    #[serde(default, deserialize_with = "null_default")]
    pub disable_timeout: bool,
    /// Milliseconds. Default 10,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<i64>,
    /// Default the server's folder; relative ones count from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// Set over the environment of commands; null takes a variable out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<BTreeMap<String, Option<String>>>,
    /// Of the terminal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<CommandExecTerminalSize>,
    /// Default what is configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sandbox_policy: Option<SandboxPolicy>,
    /// The same by the name of a profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permission_profile: Option<String>,
}

/// Answer to `command/exec`, when the command has ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct CommandExecResponse {
    /// 124 if its time was up; 128 and the signal's number if a signal ended it.
    pub exit_code: i32,
    /// Empty if it was streamed.
    pub stdout: String,
    /// Empty if it was streamed.
    pub stderr: String,
}

/// The size of a terminal in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CommandExecTerminalSize {
    pub rows: u16,
    pub cols: u16,
}

/// Params of `command/exec/write`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct CommandExecWriteParams {
    pub process_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delta_base64: Option<String>,
    /// Whether the input ends behind what is written.
    #[serde(default, deserialize_with = "null_default")]
    pub close_stdin: bool,
}

/// Answer to `command/exec/write`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CommandExecWriteResponse {}

/// Params of `command/exec/terminate`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct CommandExecTerminateParams {
    pub process_id: String,
}

/// Answer to `command/exec/terminate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CommandExecTerminateResponse {}

/// Params of `command/exec/resize`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct CommandExecResizeParams {
    pub process_id: String,
    pub size: CommandExecTerminalSize,
}

/// Answer to `command/exec/resize`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CommandExecResizeResponse {}

/// Where a command printed something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum CommandExecOutputStream {
    /// Also what is printed to a terminal.
    Stdout,
    Stderr,
}

/// `command/exec/outputDelta`: output of a streamed command, all of it before the answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct CommandExecOutputDeltaNotification {
    pub process_id: String,
    pub stream: CommandExecOutputStream,
    pub delta_base64: String,
    /// The last one of its stream, because the cap is reached.
    pub cap_reached: bool,
}
