//! Changing the user's file: `config/value/write`, `config/batchWrite`, trust entries.
//!
//! Edits keep comments and order. A batch is all or nothing: the new text is made and
//! checked in memory and then replaces the file in one step. Only the user's file is
//! ever written; unknown keys may be. Two processes that write at the same moment do
//! not corrupt the file, but the later one wins; a client that cares sends the
//! version it has read.

use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use toml::Table;
use toml_edit::DocumentMut;

use crate::edit;
use crate::error::ConfigError;
use crate::layer::{Layer, LayerSource};
use crate::loader::Loader;
use crate::read::LayerMetadata;
use crate::schema::ConfigToml;
use crate::value::{KeyPathFault, at, key_path, to_json, version};

/// How an object meets one that is already there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MergeStrategy {
    /// It takes its place.
    Replace,
    /// Its keys are added to it.
    Upsert,
}

/// One change.
#[derive(Debug, Clone, PartialEq)]
pub struct Edit {
    /// Dotted key; parts may be quoted.
    pub key_path: String,
    /// The new value; null removes the key.
    pub value: Json,
    /// What happens to an object that is there.
    pub merge_strategy: MergeStrategy,
}

/// Whether the new values have an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum WriteStatus {
    /// They have.
    Ok,
    /// A layer above says otherwise for one of them.
    OkOverridden,
}

/// The answer of a write; it serialises to exactly that.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WriteOutcome {
    /// Whether the new values have an effect.
    pub status: WriteStatus,
    /// Version of the user's layer after the write.
    pub version: String,
    /// The file that was written.
    pub file_path: PathBuf,
    /// The first edit that has no effect, and why.
    pub overridden_metadata: Option<Overridden>,
}

/// Why a written value has no effect.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Overridden {
    /// For a person.
    pub message: String,
    /// The layer that wins.
    pub overriding_layer: LayerMetadata,
    /// The value in force.
    pub effective_value: Json,
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The file changed since the client read it; read again.
    #[error("Configuration was modified since last read. Fetch latest version and retry.")]
    VersionConflict,
    /// The edit makes no valid configuration; the text says what is wrong.
    #[error("{0}")]
    Validation(String),
    /// Another file than the user's was named.
    #[error("Only writes to the user config are allowed")]
    LayerReadonly,
    /// The files as they are cannot be read; mend them first.
    #[error("failed to load configuration: {0}")]
    Broken(#[from] ConfigError),
    /// The operating system refused.
    #[error("failed to write {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl WriteError {
    /// The word clients find in `data.config_write_error_code`; errors without one
    /// are internal errors (-32603), the others invalid requests (-32600).
    #[must_use]
    pub fn code(&self) -> Option<&'static str> {
        match self {
            Self::VersionConflict => Some("configVersionConflict"),
            Self::Validation(_) => Some("configValidationError"),
            Self::LayerReadonly => Some("configLayerReadonly"),
            Self::Broken(_) | Self::Io { .. } => None,
        }
    }
}

impl Loader {
    /// Makes one change in the user's file. `file_path`, where given, must be that
    /// file; `expected_version` that of the user layer as last read.
    ///
    /// # Errors
    /// See [`WriteError`]; then nothing was written.
    pub fn write_value(
        &self,
        edit: Edit,
        file_path: Option<&Path>,
        expected_version: Option<&str>,
    ) -> Result<WriteOutcome, WriteError> {
        self.batch_write(&[edit], file_path, expected_version)
    }

    /// Makes all changes in the user's file or none. No edits at all are fine and
    /// answer the current version.
    ///
    /// # Errors
    /// See [`WriteError`]; then nothing was written.
    pub fn batch_write(
        &self,
        edits: &[Edit],
        file_path: Option<&Path>,
        expected_version: Option<&str>,
    ) -> Result<WriteOutcome, WriteError> {
        let file = self.user_file();
        if file_path.is_some_and(|path| path != file) {
            return Err(WriteError::LayerReadonly);
        }
        let paths = edits
            .iter()
            .map(|edit| key_path(&edit.key_path).map_err(bad_key))
            .collect::<Result<Vec<_>, _>>()?;
        let table = self.change_user_file(expected_version, |document| {
            for (path, edit) in paths.iter().zip(edits) {
                edit::apply(document, path, &edit.value, edit.merge_strategy)
                    .map_err(WriteError::Validation)?;
            }
            Ok(!edits.is_empty())
        })?;
        let overridden = self.overridden(&paths, &table)?;
        Ok(WriteOutcome {
            status: match overridden {
                Some(_) => WriteStatus::OkOverridden,
                None => WriteStatus::Ok,
            },
            version: version(&table),
            file_path: file,
            overridden_metadata: overridden,
        })
    }

    /// Notes in the user's file that the project of `cwd` is trusted, unless there is
    /// an answer already, and answers whether it did. `thread/start` does this when
    /// the thread may write.
    ///
    /// # Errors
    /// See [`WriteError`]; then nothing was written.
    pub fn mark_trusted(&self, cwd: &Path) -> Result<bool, WriteError> {
        let trust = self.project_trust(cwd)?;
        let folder = trust.folder.to_str().filter(|_| trust.level.is_none());
        let Some(folder) = folder else {
            return Ok(false);
        };
        let path = ["projects", folder, "trust_level"].map(str::to_owned);
        self.change_user_file(None, |document| {
            let word = Json::from("trusted");
            edit::apply(document, &path, &word, MergeStrategy::Replace)
                .map_err(WriteError::Validation)?;
            Ok(true)
        })?;
        Ok(true)
    }

    /// Reads the user's file, lets `change` edit it and writes it back if that
    /// answers yes. Answers what the file says then.
    fn change_user_file(
        &self,
        expected_version: Option<&str>,
        change: impl FnOnce(&mut DocumentMut) -> Result<bool, WriteError>,
    ) -> Result<Table, WriteError> {
        let _one_writer = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.user_file();
        let layer = self.user_layer()?;
        if expected_version.is_some_and(|expected| expected != layer.content.version()) {
            return Err(WriteError::VersionConflict);
        }
        let text = layer.file.as_ref().map_or("", |file| file.text.as_str());
        let mut document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| {
            WriteError::Validation(format!("Invalid configuration: {error}"))
        })?;
        if !change(&mut document)? {
            return Ok(layer.content.table.clone());
        }
        let text = document.to_string();
        let invalid = |error: toml::de::Error| {
            WriteError::Validation(format!("Invalid configuration: {error}"))
        };
        let table: Table = toml::from_str(&text).map_err(invalid)?;
        table.clone().try_into::<ConfigToml>().map_err(invalid)?;
        loomd_base::replace(&path, &text, loomd_base::Care::PLAIN)
            .map_err(|source| WriteError::Io { path, source })?;
        Ok(table)
    }

    /// The first of `paths` for which a layer above the user's file says something
    /// else than `written`.
    fn overridden(
        &self,
        paths: &[Vec<String>],
        written: &Table,
    ) -> Result<Option<Overridden>, ConfigError> {
        let stack = self.stack(None, &serde_json::Map::new())?;
        let user = self.user_file();
        let is_user = |layer: &Layer| matches!(&layer.source, LayerSource::User { file, profile: None } if *file == user);
        for path in paths {
            let ours = at(written, path);
            let mut above = stack
                .layers
                .iter()
                .rev()
                .take_while(|layer| !is_user(layer));
            let winner = above.find(|layer| {
                let theirs = at(&layer.content.table, path);
                theirs.is_some() && theirs != ours
            });
            let Some(winner) = winner else { continue };
            return Ok(Some(Overridden {
                message: format!("Overridden by {}", layer_words(&winner.source)),
                overriding_layer: LayerMetadata::of(winner),
                effective_value: at(&stack.merged, path).map_or(Json::Null, to_json),
            }));
        }
        Ok(None)
    }
}

fn layer_words(source: &LayerSource) -> String {
    match source {
        LayerSource::SessionFlags => "session flags".to_owned(),
        LayerSource::Project { dot_codex_folder } => {
            format!("project config: {}", dot_codex_folder.display())
        }
        LayerSource::User { file, profile } => match profile {
            Some(profile) => format!("profile {profile}: {}", file.display()),
            None => format!("user config: {}", file.display()),
        },
        LayerSource::System { file } => format!("system config: {}", file.display()),
    }
}

fn bad_key(fault: KeyPathFault) -> WriteError {
    let text = match fault {
        KeyPathFault::Empty => "keyPath must not be empty",
        KeyPathFault::EmptySegment => "keyPath segments must not be empty",
    };
    WriteError::Validation(text.to_owned())
}

#[cfg(test)]
mod tests;
