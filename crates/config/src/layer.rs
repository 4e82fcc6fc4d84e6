//! One layer of the configuration: where it comes from and what it says.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use serde::Serialize;
use toml::{Table, Value};

use crate::environment::{Environment, clean};
use crate::file_cache::TextFile;
use crate::value::version;

/// Keys a project may not set, since they decide where requests and data go or
/// which programs run. The list is the reference's (seen in 0.169.0).
pub(crate) const NOT_FOR_PROJECTS: [&str; 12] = [
    "model_provider",
    "openai_base_url",
    "chatgpt_base_url",
    "model_providers",
    "notify",
    "profiles",
    "apps_mcp_product_sku",
    "profile",
    "experimental_realtime_ws_base_url",
    "otel",
    "experimental_realtime_webrtc_call_base_url",
    "responses_api_metadata",
];

/// Keys whose values are paths, taken from the folder of the file they stand in.
const PATH_KEYS: [&str; 4] = [
    "model_instructions_file",
    "experimental_compact_prompt_file",
    "log_dir",
    "sqlite_home",
];

/// Where a layer comes from, in the form clients see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum LayerSource {
    /// The command line and the request.
    SessionFlags,
    /// A project's `.codex` folder.
    Project {
        /// That folder.
        dot_codex_folder: PathBuf,
    },
    /// The user's file, or a profile of it.
    User {
        /// The file.
        file: PathBuf,
        /// Name of the profile.
        profile: Option<String>,
    },
    /// The machine's file.
    System {
        /// The file.
        file: PathBuf,
    },
}

/// What a layer says.
pub(crate) struct Content {
    /// As written, less what a project may not set.
    pub(crate) table: Table,
    /// The same with its relative paths made absolute; this is what is merged.
    pub(crate) resolved: Table,
    /// Keys that were dropped since a project may not set them.
    pub(crate) dropped: Vec<&'static str>,
    version: OnceLock<String>,
}

impl PartialEq for Content {
    /// The version follows from the rest, once somebody asked for it.
    fn eq(&self, other: &Self) -> bool {
        self.table == other.table
            && self.resolved == other.resolved
            && self.dropped == other.dropped
    }
}

impl Content {
    /// Takes `table`, whose relative paths count from `folder`.
    pub(crate) fn new(table: Table, folder: &Path, environment: &Environment) -> Self {
        let mut resolved = table.clone();
        resolve_paths(&mut resolved, folder, environment);
        Self {
            table,
            resolved,
            dropped: Vec::new(),
            version: OnceLock::new(),
        }
    }

    /// The same for a project's file.
    pub(crate) fn of_project(mut table: Table, folder: &Path, environment: &Environment) -> Self {
        let dropped = NOT_FOR_PROJECTS
            .into_iter()
            .filter(|key| table.remove(*key).is_some())
            .collect();
        Self {
            dropped,
            ..Self::new(table, folder, environment)
        }
    }

    pub(crate) fn version(&self) -> &str {
        self.version.get_or_init(|| version(&self.table))
    }
}

/// A layer in its place.
#[derive(Clone)]
pub(crate) struct Layer {
    pub(crate) source: LayerSource,
    pub(crate) content: Arc<Content>,
    /// The file it was read from, to find the place of an error.
    pub(crate) file: Option<Arc<TextFile>>,
    /// Why the layer does not count, if it does not.
    pub(crate) disabled: Option<String>,
}

impl Layer {
    pub(crate) fn counts(&self) -> bool {
        self.disabled.is_none()
    }
}

/// A layer as a snapshot remembers it, for what is read per file (hooks, rules, skills).
#[derive(Clone, PartialEq)]
pub struct LayerInfo {
    /// Where it comes from.
    pub source: LayerSource,
    /// Why it does not count, if it does not.
    pub disabled: Option<String>,
    content: Arc<Content>,
}

/// Shows where the layer is from, not what it says, which may hold keys.
impl fmt::Debug for LayerInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LayerInfo")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl LayerInfo {
    pub(crate) fn of(layer: &Layer) -> Self {
        Self {
            source: layer.source.clone(),
            disabled: layer.disabled.clone(),
            content: layer.content.clone(),
        }
    }

    /// What the layer says, as it stands in its file.
    #[must_use]
    pub fn table(&self) -> &Table {
        &self.content.table
    }
}

fn resolve_paths(table: &mut Table, folder: &Path, environment: &Environment) {
    for key in PATH_KEYS {
        if let Some(value) = table.get_mut(key) {
            resolve(value, folder, environment);
        }
    }
    let roots = table
        .get_mut("sandbox_workspace_write")
        .and_then(Value::as_table_mut)
        .and_then(|section| section.get_mut("writable_roots"))
        .and_then(Value::as_array_mut);
    for root in roots.into_iter().flatten() {
        resolve(root, folder, environment);
    }
}

fn resolve(value: &mut Value, folder: &Path, environment: &Environment) {
    let Value::String(text) = value else { return };
    if text.is_empty() {
        return;
    }
    let path = match (text.strip_prefix('~'), &environment.home_dir) {
        (Some(""), Some(home)) => home.clone(),
        (Some(rest), Some(home)) if rest.starts_with('/') => home.join(&rest[1..]),
        (Some(_) | None, _) => folder.join(&*text),
    };
    if let Some(absolute) = clean(&path).to_str() {
        *text = absolute.to_owned();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_count_from_the_folder_of_their_file_or_the_home() {
        let environment = Environment {
            vars: [].into(),
            home_dir: Some(PathBuf::from("/home/ada")),
            current_dir: PathBuf::from("/elsewhere"),
        };
        let table = "log_dir = '../logs'\nsqlite_home = '~/db'\nmodel = 'x/y'\n\
                     sandbox_workspace_write.writable_roots = ['w', '/abs']";
        let content = Content::new(
            table.parse().expect("the test's TOML parses"),
            Path::new("/p/.codex"),
            &environment,
        );
        let expected: Table = "log_dir = '/p/logs'\nsqlite_home = '/home/ada/db'\nmodel = 'x/y'\n\
                               sandbox_workspace_write.writable_roots = ['/p/.codex/w', '/abs']"
            .parse()
            .expect("the test's TOML parses");
        assert_eq!(content.resolved, expected);
        assert_ne!(content.table, expected);
    }
}
