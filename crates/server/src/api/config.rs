//! Reading and writing the configuration.
//!
//! The substance is the `config` crate's; its answers serialise to the protocol's
//! forms, so they are carried over by [`reshape`] rather than member by member.
//! Writes run in the connection's order: a read sent behind a write sees it.
//!
//! Deliberately absent: managed requirements (none are read), and threads that take
//! up a change while they are loaded: a thread keeps the configuration it was
//! started with.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use loomd_config::{Config, ConfigError, ConfigWarning, Edit, WriteError, WriteOutcome};
use loomd_protocol::{
    ConfigBatchWriteParams, ConfigEdit, ConfigReadParams, ConfigReadResponse,
    ConfigRequirementsReadResponse, ConfigValueWriteParams, ConfigWarningNotification,
    ConfigWriteResponse, MergeStrategy, NoParams, TextPosition, TextRange, methods,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::Server;
use crate::errors::{ApiError, ApiResult};
use crate::router::{Answer, Cx, Route, on_connection, on_read, raw};

pub(crate) fn routes() -> Vec<Route> {
    vec![
        on_read::<methods::ConfigRead, _>(read),
        raw::<methods::ConfigValueWrite, _>(write_value),
        raw::<methods::ConfigBatchWrite, _>(batch_write),
        on_connection::<methods::ConfigRequirementsRead>(requirements),
    ]
}

/// The configuration for work in `cwd`, which may be relative; without one no
/// project counts.
pub(crate) async fn load(
    server: &Arc<Server>,
    cwd: Option<PathBuf>,
) -> ApiResult<Result<Arc<Config>, ConfigError>> {
    let server = Arc::clone(server);
    crate::blocking(move || server.loader.load(cwd.as_deref(), &serde_json::Map::new())).await
}

/// The configuration without a project, or what a server goes on with when the
/// files are broken: a client must be able to come in and mend them.
pub(crate) async fn load_or_defaults(server: &Arc<Server>) -> ApiResult<Arc<Config>> {
    Ok(load(server, None).await?.unwrap_or_else(|error| {
        tracing::debug!(%error, "answering from defaults");
        server.loader.defaults()
    }))
}

/// The error of a method that cannot do without the configuration.
pub(crate) fn broken(error: &ConfigError) -> ApiError {
    ApiError::internal(format!("failed to reload config: {error}"))
}

/// A value of the `config` crate as the protocol's type of the same form.
pub(crate) fn reshape<T: DeserializeOwned>(value: &impl Serialize) -> ApiResult<T> {
    serde_json::to_value(value)
        .and_then(serde_json::from_value)
        .map_err(|error| ApiError::internal(format!("the answer has no valid form: {error}")))
}

/// A notice about the configuration, as clients get it.
pub(crate) fn warning(warning: &ConfigWarning) -> ConfigWarningNotification {
    let position = |at: loomd_config::TextPosition| position(at.line, at.column);
    ConfigWarningNotification {
        summary: warning.summary.clone(),
        details: warning.details.clone(),
        path: warning.path.as_ref().map(|path| path.display().to_string()),
        range: warning.range.map(|range| TextRange {
            start: position(range.start),
            end: position(range.end),
        }),
    }
}

pub(crate) fn position(line: usize, column: usize) -> TextPosition {
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    TextPosition {
        line: count(line),
        column: count(column),
    }
}

async fn read(cx: Cx, params: ConfigReadParams) -> ApiResult<ConfigReadResponse> {
    let server = cx.server;
    let read = crate::blocking(move || {
        let cwd = params.cwd.as_deref().map(Path::new);
        server.loader.read(cwd, params.include_layers)
    })
    .await?
    .map_err(|error| ApiError::internal(error.to_string()))?;
    reshape(&read)
}

fn requirements(_cx: &Cx, _params: NoParams) -> ApiResult<ConfigRequirementsReadResponse> {
    Ok(ConfigRequirementsReadResponse {
        supports_independent_speed_modes: Some(true),
        requirements: None,
    })
}

/// What one write asks for.
struct Write {
    edits: Vec<Edit>,
    file_path: Option<String>,
    expected_version: Option<String>,
}

impl Write {
    async fn run(self, cx: &Cx) -> ApiResult<ConfigWriteResponse> {
        let server = Arc::clone(&cx.server);
        let outcome: WriteOutcome = crate::blocking(move || {
            server.loader.batch_write(
                &self.edits,
                self.file_path.as_deref().map(Path::new),
                self.expected_version.as_deref(),
            )
        })
        .await?
        .map_err(|error| write_error(&error))?;
        reshape(&outcome)
    }
}

fn edit(edit: ConfigEdit) -> Edit {
    Edit {
        key_path: edit.key_path,
        value: edit.value,
        merge_strategy: match edit.merge_strategy {
            MergeStrategy::Replace => loomd_config::MergeStrategy::Replace,
            MergeStrategy::Upsert => loomd_config::MergeStrategy::Upsert,
        },
    }
}

fn write_error(error: &WriteError) -> ApiError {
    match error.code() {
        Some(code) => ApiError::invalid(error.to_string())
            .with_data(json!({ "config_write_error_code": code })),
        None => ApiError::internal(error.to_string()),
    }
}

async fn write_value(
    cx: Cx,
    params: ConfigValueWriteParams,
    answer: Answer<methods::ConfigValueWrite>,
) {
    let write = Write {
        edits: vec![edit(ConfigEdit {
            key_path: params.key_path,
            value: params.value,
            merge_strategy: params.merge_strategy,
        })],
        file_path: params.file_path,
        expected_version: params.expected_version,
    };
    answer.send(write.run(&cx).await);
}

async fn batch_write(
    cx: Cx,
    params: ConfigBatchWriteParams,
    answer: Answer<methods::ConfigBatchWrite>,
) {
    let write = Write {
        edits: params.edits.into_iter().map(edit).collect(),
        file_path: params.file_path,
        expected_version: params.expected_version,
    };
    answer.send(write.run(&cx).await);
}
