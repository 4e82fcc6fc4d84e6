//! Settings that do nothing, so that the user hears of a misspelt key.

use toml::{Table, Value};

use crate::error::ConfigWarning;
use crate::keys::{
    HISTORY_KEYS, KEYS, OWN_KEYS, PROVIDER_KEYS, SHELL_ENVIRONMENT_KEYS, WORKSPACE_WRITE_KEYS,
};
use crate::layer::{Layer, LayerSource};

/// Settings named in one notice; further ones are counted.
const NAMED_MAX: usize = 5;

/// Notices about what is ignored in `layers`: project folders that are not trusted,
/// keys a project may not set, keys nobody knows.
pub(crate) fn warnings(layers: &[Layer]) -> Vec<ConfigWarning> {
    let mut warnings = Vec::new();
    // The nearest folder has the reason that helps; one notice is enough for all.
    if let Some(reason) = layers.iter().rev().find_map(|layer| layer.disabled.clone()) {
        warnings.push(ConfigWarning::plain(reason));
    }
    for layer in layers.iter().filter(|layer| layer.counts()) {
        if !layer.content.dropped.is_empty() {
            warnings.push(ConfigWarning::plain(format!(
                "{} may not set {}; set it in your own config file instead.",
                place(&layer.source),
                layer.content.dropped.join(", ")
            )));
        }
    }
    let unknown: Vec<_> = layers
        .iter()
        .filter(|layer| layer.counts())
        .flat_map(|layer| {
            let place = place(&layer.source);
            unknown_keys(&layer.content.table)
                .into_iter()
                .map(move |key| format!("`{key}` in {place}"))
        })
        .collect();
    if !unknown.is_empty() {
        warnings.push(ConfigWarning {
            details: Some(listed(&unknown)),
            ..ConfigWarning::plain(format!(
                "Unknown configuration settings are ignored: {}. Check their spelling.",
                unknown.len()
            ))
        });
    }
    warnings
}

fn listed(names: &[String]) -> String {
    let mut text = names[..names.len().min(NAMED_MAX)].join("; ");
    if names.len() > NAMED_MAX {
        text.push_str(&format!("; and {} more", names.len() - NAMED_MAX));
    }
    text
}

fn place(source: &LayerSource) -> String {
    match source {
        LayerSource::SessionFlags => "the command line".to_owned(),
        LayerSource::Project { dot_codex_folder } => {
            dot_codex_folder.join("config.toml").display().to_string()
        }
        LayerSource::User { file, .. } | LayerSource::System { file } => file.display().to_string(),
    }
}

fn unknown_keys(table: &Table) -> Vec<String> {
    let mut unknown = Vec::new();
    for (key, value) in table {
        if !KEYS.contains(&key.as_str()) && !OWN_KEYS.contains(&key.as_str()) {
            unknown.push(key.clone());
            continue;
        }
        let Value::Table(section) = value else {
            continue;
        };
        match key.as_str() {
            "history" => missing(section, &HISTORY_KEYS, key, &mut unknown),
            "sandbox_workspace_write" => {
                missing(section, &WORKSPACE_WRITE_KEYS, key, &mut unknown);
            }
            "shell_environment_policy" => {
                missing(section, &SHELL_ENVIRONMENT_KEYS, key, &mut unknown);
            }
            "model_providers" => {
                for (id, provider) in section {
                    if let Value::Table(provider) = provider {
                        let prefix = format!("{key}.{id}");
                        missing(provider, &PROVIDER_KEYS, &prefix, &mut unknown);
                    }
                }
            }
            _ => {}
        }
    }
    unknown
}

fn missing(section: &Table, known: &[&str], prefix: &str, unknown: &mut Vec<String>) {
    for key in section.keys() {
        if !known.contains(&key.as_str()) {
            unknown.push(format!("{prefix}.{key}"));
        }
    }
}
