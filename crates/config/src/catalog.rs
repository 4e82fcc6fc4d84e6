//! The models that can be picked, and what is known about a model.
//!
//! Slugs, names, efforts and tiers of hosted models are public facts (seen in
//! 0.169.0); the list is short on purpose and holds models that take ordinary tools.
//! Efforts are limited to the words every client knows: TUI 0.131 refuses the whole
//! list when it meets another one.

use serde::Serialize;

use crate::provider::{OFFLINE, OPENAI};
use crate::snapshot::Config;

/// The one model of the provider `offline`.
pub const OFFLINE_MODEL: &str = "offline";
/// Tokens of the window of a model nobody knows.
const WINDOW_DEFAULT: u64 = 272_000;
/// Share of the window that clients are shown, so that there is room to compact.
const WINDOW_SHOWN_PERCENT: u64 = 95;
/// Bytes of a tool's output a model is shown.
const OUTPUT_BYTES_DEFAULT: u64 = 10_000;
/// Effort words that every client accepts.
const EFFORTS: [&str; 6] = ["none", "minimal", "low", "medium", "high", "xhigh"];
/// What is offered for a model of which nothing is known.
const EFFORTS_UNKNOWN: [&str; 3] = ["low", "medium", "high"];
const EFFORT_DEFAULT: &str = "medium";

/// One entry of `model/list`; it serialises to that form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelEntry {
    /// Id in the list; the slug.
    pub id: String,
    /// The slug sent to the host.
    pub model: String,
    /// A newer model to go to; never.
    pub upgrade: Option<String>,
    /// About that; never.
    pub upgrade_info: Option<String>,
    /// A notice about the model; never.
    pub availability_nux: Option<String>,
    /// Name for people.
    pub display_name: String,
    /// One line for people.
    pub description: String,
    /// A narrow purpose; never.
    pub model_specialty: Option<String>,
    /// Left out of the list unless asked for.
    pub hidden: bool,
    /// Efforts that can be chosen.
    pub supported_reasoning_efforts: Vec<EffortOption>,
    /// The effort when none is chosen; one of those.
    pub default_reasoning_effort: &'static str,
    /// `text`, `image`.
    pub input_modalities: Vec<&'static str>,
    /// Whether it follows `personality`; none does.
    pub supports_personality: bool,
    /// Version of the subagent tools, where the model wants a special one.
    pub multi_agent_version: Option<String>,
    /// Old form of the tiers below.
    pub additional_speed_tiers: Vec<String>,
    /// Service tiers that can be chosen; none.
    pub service_tiers: Vec<String>,
    /// The tier when none is chosen.
    pub default_service_tier: Option<String>,
    /// Never set.
    pub available_access_programs: Option<String>,
    /// The one that is used when none is chosen.
    pub is_default: bool,
}

/// An effort that can be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EffortOption {
    /// The word.
    pub reasoning_effort: &'static str,
    /// One line for people.
    pub description: &'static str,
}

/// What is known about a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelMetadata {
    /// Tokens of its window.
    pub context_window: u64,
    /// Bytes of a tool's output it is shown.
    pub output_bytes: u64,
    /// Whether the freeform `apply_patch` tool is offered.
    pub apply_patch_tool: bool,
    /// Whether it takes images.
    pub images: bool,
    /// The effort when none is chosen; none leaves it to the host.
    pub default_effort: Option<&'static str>,
    /// Whether these are the fallback values, of which a client is warned.
    pub fallback: bool,
}

impl ModelMetadata {
    /// Tokens of the window as clients are shown it: 95 %.
    #[must_use]
    pub fn shown_window(&self) -> u64 {
        self.context_window * WINDOW_SHOWN_PERCENT / 100
    }
}

struct Known {
    slug: &'static str,
    display_name: &'static str,
    description: &'static str,
    efforts: &'static [&'static str],
    default_effort: &'static str,
}

/// The first one is the default of the provider `openai`: it takes ordinary tools,
/// which the newer ones do as well when they are offered no others.
const OPENAI_MODELS: [Known; 3] = [
    Known {
        slug: "gpt-5.5",
        display_name: "GPT-5.5",
        description: "Coding model that works with ordinary tools.",
        efforts: &["low", "medium", "high", "xhigh"],
        default_effort: "medium",
    },
    Known {
        slug: "gpt-6-sol",
        display_name: "GPT-6-Sol",
        description: "General model for coding.",
        efforts: &["low", "medium", "high", "xhigh"],
        default_effort: "medium",
    },
    Known {
        slug: "gpt-6-luna",
        display_name: "GPT-6-Luna",
        description: "Faster and cheaper model for smaller tasks.",
        efforts: &["low", "medium", "high", "xhigh"],
        default_effort: "medium",
    },
];

/// The model of `provider` when the configuration names none. A configured provider
/// gets the one of `openai`, which a gateway in its place will know.
#[must_use]
pub fn default_model(provider: &str) -> &'static str {
    if provider == OFFLINE {
        OFFLINE_MODEL
    } else {
        OPENAI_MODELS[0].slug
    }
}

/// The models to show, in order; exactly one is the default and that one is visible.
///
/// There is the configured model, the public ones where the provider is `openai`, and
/// the offline model, which is hidden unless its provider is in force.
#[must_use]
pub fn list(config: &Config) -> Vec<ModelEntry> {
    let provider = config.model_provider.as_str();
    let default = config
        .model
        .as_deref()
        .unwrap_or_else(|| default_model(provider));
    let mut entries = Vec::new();
    if provider == OPENAI {
        entries.extend(OPENAI_MODELS.iter().map(known_entry));
    }
    let offline = ModelEntry {
        hidden: provider != OFFLINE,
        ..entry(
            OFFLINE_MODEL,
            "Offline",
            "loomd's scripted stand-in: deterministic, no network, no intelligence.".to_owned(),
        )
    };
    entries.push(offline);
    let listed = entries
        .iter()
        .any(|entry| entry.model == default && !entry.hidden);
    if !listed {
        entries.retain(|entry| entry.model != default);
        let description = format!("Configured model of provider {}.", config.provider().name);
        entries.insert(0, entry(default, default, description));
    }
    for entry in &mut entries {
        if entry.model != default {
            continue;
        }
        entry.is_default = true;
        let configured = config.effort.as_deref();
        if let Some(effort) = EFFORTS.into_iter().find(|word| Some(*word) == configured) {
            set_default_effort(entry, effort);
        }
    }
    entries
}

/// What is known about `model`. The configured window and output limit, where set,
/// are the caller's to put over it.
#[must_use]
pub fn metadata(model: &str) -> ModelMetadata {
    let known = OPENAI_MODELS.iter().find(|known| known.slug == model);
    ModelMetadata {
        context_window: WINDOW_DEFAULT,
        output_bytes: OUTPUT_BYTES_DEFAULT,
        apply_patch_tool: known.is_some(),
        images: model != OFFLINE_MODEL,
        default_effort: known.map(|known| known.default_effort),
        fallback: known.is_none() && model != OFFLINE_MODEL,
    }
}

fn known_entry(known: &Known) -> ModelEntry {
    ModelEntry {
        supported_reasoning_efforts: options(known.efforts),
        default_reasoning_effort: known.default_effort,
        ..entry(known.slug, known.display_name, known.description.to_owned())
    }
}

fn entry(slug: &str, display_name: &str, description: String) -> ModelEntry {
    ModelEntry {
        id: slug.to_owned(),
        model: slug.to_owned(),
        upgrade: None,
        upgrade_info: None,
        availability_nux: None,
        display_name: display_name.to_owned(),
        description,
        model_specialty: None,
        hidden: false,
        supported_reasoning_efforts: options(&EFFORTS_UNKNOWN),
        default_reasoning_effort: EFFORT_DEFAULT,
        input_modalities: vec!["text", "image"],
        supports_personality: false,
        multi_agent_version: None,
        additional_speed_tiers: Vec::new(),
        service_tiers: Vec::new(),
        default_service_tier: None,
        available_access_programs: None,
        is_default: false,
    }
}

fn set_default_effort(entry: &mut ModelEntry, effort: &'static str) {
    entry.default_reasoning_effort = effort;
    let words: Vec<_> = EFFORTS
        .into_iter()
        .filter(|word| {
            *word == effort
                || entry
                    .supported_reasoning_efforts
                    .iter()
                    .any(|option| option.reasoning_effort == *word)
        })
        .collect();
    entry.supported_reasoning_efforts = options(&words);
}

fn options(words: &[&'static str]) -> Vec<EffortOption> {
    words
        .iter()
        .map(|word| EffortOption {
            reasoning_effort: word,
            description: effort_description(word),
        })
        .collect()
}

fn effort_description(word: &str) -> &'static str {
    match word {
        "none" => "No reasoning",
        "minimal" => "As little reasoning as possible",
        "low" => "Quick answers, little reasoning",
        "medium" => "A balance for everyday work",
        "high" => "More reasoning for hard problems",
        _ => "The most reasoning, for the hardest problems",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_home::{TestHome, no_request};

    fn entries(text: &str) -> Vec<ModelEntry> {
        let home = TestHome::new();
        home.write("home/config.toml", text);
        let config = home.loader().load(None, &no_request());
        list(&config.expect("the test's configuration loads"))
    }

    fn short(entries: &[ModelEntry]) -> Vec<(&str, bool, bool)> {
        entries
            .iter()
            .map(|entry| (entry.model.as_str(), entry.hidden, entry.is_default))
            .collect()
    }

    const CUSTOM: &str = "[model_providers.p]\nname = 'P'\nbase_url = 'http://x'";

    #[test]
    fn openai_without_a_model_shows_the_public_ones() {
        assert_eq!(
            short(&entries("")),
            [
                ("gpt-5.5", false, true),
                ("gpt-6-sol", false, false),
                ("gpt-6-luna", false, false),
                ("offline", true, false)
            ]
        );
    }

    #[test]
    fn the_configured_model_is_the_default_and_comes_first_when_it_is_not_listed() {
        let own = entries(&format!("model = 'm'\nmodel_provider = 'p'\n{CUSTOM}"));
        assert_eq!(short(&own), [("m", false, true), ("offline", true, false)]);
        assert_eq!(own[0].description, "Configured model of provider P.");
        let listed = entries("model = 'gpt-6-sol'");
        assert_eq!(short(&listed)[1], ("gpt-6-sol", false, true));
    }

    #[test]
    fn the_offline_model_is_visible_for_its_provider_only() {
        assert_eq!(
            short(&entries("model_provider = 'offline'")),
            [("offline", false, true)]
        );
    }

    #[test]
    fn there_is_exactly_one_default_and_it_can_be_seen() {
        for text in [
            "",
            "model = 'offline'",
            "model_provider = 'offline'\nmodel = 'other'",
            "model_provider = 'ollama'",
        ] {
            let entries = entries(text);
            let defaults: Vec<_> = entries.iter().filter(|entry| entry.is_default).collect();
            assert_eq!(defaults.len(), 1, "{text}");
            assert!(!defaults[0].hidden, "{text}");
        }
    }

    #[test]
    fn efforts_are_words_that_old_clients_know() {
        let chosen = entries("model_reasoning_effort = 'minimal'");
        assert_eq!(chosen[0].default_reasoning_effort, "minimal");
        let unknown = entries("model_reasoning_effort = 'ultra'");
        assert_eq!(unknown[0].default_reasoning_effort, "medium");
        for entry in chosen.iter().chain(&unknown) {
            let words: Vec<_> = entry
                .supported_reasoning_efforts
                .iter()
                .map(|option| option.reasoning_effort)
                .collect();
            assert!(words.iter().all(|word| EFFORTS.contains(word)));
            assert!(words.contains(&entry.default_reasoning_effort));
        }
    }

    #[test]
    fn an_entry_has_the_fields_of_the_reference() {
        let json = serde_json::to_value(&entries("")[0]).expect("it serialises");
        let keys: Vec<_> = json.as_object().expect("an object").keys().collect();
        assert_eq!(
            keys,
            [
                "id",
                "model",
                "upgrade",
                "upgradeInfo",
                "availabilityNux",
                "displayName",
                "description",
                "modelSpecialty",
                "hidden",
                "supportedReasoningEfforts",
                "defaultReasoningEffort",
                "inputModalities",
                "supportsPersonality",
                "multiAgentVersion",
                "additionalSpeedTiers",
                "serviceTiers",
                "defaultServiceTier",
                "availableAccessPrograms",
                "isDefault"
            ]
        );
    }

    #[test]
    fn an_unknown_model_gets_the_fallback() {
        let unknown = metadata("mock-model");
        assert!(unknown.fallback && !unknown.apply_patch_tool);
        assert_eq!(
            (unknown.shown_window(), unknown.output_bytes),
            (258_400, 10_000)
        );
        assert!(!metadata("gpt-5.5").fallback && !metadata(OFFLINE_MODEL).fallback);
    }
}
