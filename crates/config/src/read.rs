//! What `config/read` answers.

use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value as Json};
use toml::{Table, Value};

use crate::error::ReadError;
use crate::keys;
use crate::layer::{Layer, LayerSource};
use crate::loader::Loader;
use crate::schema::ConfigToml;
use crate::value::{at, table_to_json, to_json};

/// The answer of `config/read`; it serialises to exactly that.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConfigRead {
    /// Every known key with its effective value, null when unset.
    pub config: Map<String, Json>,
    /// For each set value (dotted key, array items by number) the layer it is from.
    pub origins: Map<String, Json>,
    /// The layers, uppermost first, if they were asked for.
    pub layers: Option<Vec<ReadLayer>>,
}

/// One layer in [`ConfigRead`].
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReadLayer {
    /// Where it comes from.
    pub name: LayerSource,
    /// `sha256:` and the hash of its content.
    pub version: String,
    /// What it says.
    pub config: Map<String, Json>,
    /// Why it does not count, if it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disabled_reason: Option<String>,
}

/// A layer's name and version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LayerMetadata {
    /// Where it comes from.
    pub name: LayerSource,
    /// `sha256:` and the hash of its content.
    pub version: String,
}

impl LayerMetadata {
    pub(crate) fn of(layer: &Layer) -> Self {
        Self {
            name: layer.source.clone(),
            version: layer.content.version().to_owned(),
        }
    }
}

impl Loader {
    /// The effective configuration as a client sees it. Project layers are there
    /// only with a `cwd`, which may be relative.
    ///
    /// A configuration that is well formed but cannot be used (an unknown provider,
    /// say) is answered all the same, so that a client can show and mend it.
    ///
    /// # Errors
    /// A layer that counts is no TOML, or a value has the wrong type.
    pub fn read(&self, cwd: Option<&Path>, include_layers: bool) -> Result<ConfigRead, ReadError> {
        let stack = self.stack(cwd, &Map::new()).map_err(ReadError::Layers)?;
        // Here an error names the key rather than the place.
        let typed: Result<ConfigToml, _> = stack.merged.clone().try_into();
        if let Err(error) = typed {
            return Err(ReadError::Invalid(error.to_string()));
        }
        let shown = stack
            .layers
            .iter()
            .rev()
            .filter(|layer| !is_empty_session(layer));
        Ok(ConfigRead {
            config: effective(&stack.merged),
            origins: origins(&stack.merged, &stack.layers),
            layers: include_layers.then(|| shown.map(read_layer).collect()),
        })
    }
}

/// A program started without `-c` has no layer for it.
fn is_empty_session(layer: &Layer) -> bool {
    layer.source == LayerSource::SessionFlags && layer.content.table.is_empty()
}

fn read_layer(layer: &Layer) -> ReadLayer {
    ReadLayer {
        name: layer.source.clone(),
        version: layer.content.version().to_owned(),
        config: table_to_json(&layer.content.table),
        disabled_reason: layer.disabled.clone(),
    }
}

fn effective(merged: &Table) -> Map<String, Json> {
    keys::KEYS
        .iter()
        .map(|key| {
            let value = match merged.get(*key) {
                Some(value) => keys::set(key, to_json(value)),
                None => keys::unset(key),
            };
            ((*key).to_owned(), value)
        })
        .collect()
}

fn origins(merged: &Table, layers: &[Layer]) -> Map<String, Json> {
    let mut leaves = Vec::new();
    for (key, value) in merged {
        collect_leaves(value, vec![key.clone()], &mut leaves);
    }
    let metadata: Vec<_> = layers
        .iter()
        .rev()
        .filter(|layer| layer.counts())
        .map(|layer| (layer, LayerMetadata::of(layer)))
        .collect();
    let mut origins = Map::new();
    for leaf in leaves {
        let origin = metadata
            .iter()
            .find(|(layer, _)| at(&layer.content.resolved, &leaf.table_path).is_some());
        if let Some((_, origin)) = origin {
            let origin = serde_json::to_value(origin).unwrap_or(Json::Null);
            origins.insert(leaf.name, origin);
        }
    }
    origins
}

/// A value that is no table, by the tables that lead to it and by its shown name.
struct Leaf {
    table_path: Vec<String>,
    name: String,
}

fn collect_leaves(value: &Value, path: Vec<String>, leaves: &mut Vec<Leaf>) {
    match value {
        Value::Table(table) => {
            for (key, value) in table {
                let mut path = path.clone();
                path.push(key.clone());
                collect_leaves(value, path, leaves);
            }
        }
        Value::Array(_) => collect_items(value, &path, &path.join("."), leaves),
        Value::String(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Datetime(_) => leaves.push(Leaf {
            name: path.join("."),
            table_path: path,
        }),
    }
}

/// The items of an array all come from the layer that sets the array.
fn collect_items(value: &Value, array: &[String], name: &str, leaves: &mut Vec<Leaf>) {
    let inner: Vec<(String, &Value)> = match value {
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(index, item)| (index.to_string(), item))
            .collect(),
        Value::Table(table) => table
            .iter()
            .map(|(key, value)| (key.clone(), value))
            .collect(),
        Value::String(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Datetime(_) => {
            leaves.push(Leaf {
                table_path: array.to_vec(),
                name: name.to_owned(),
            });
            return;
        }
    };
    for (part, value) in inner {
        collect_items(value, array, &format!("{name}.{part}"), leaves);
    }
}

#[cfg(test)]
mod tests;
