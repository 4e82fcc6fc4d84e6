//! Model providers: the configured ones and those that are built in.
//!
//! A provider says where a model host listens and how requests are signed. Reading
//! keys is the matter of [`crate::auth`]; running an `auth` command is the server's.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use toml::Table;

use crate::environment::Environment;

/// Ids that a configuration may not define, since they are built in.
pub(crate) const RESERVED: [&str; 4] = [OPENAI, OLLAMA, LMSTUDIO, OFFLINE];
/// The provider used when none is named.
pub(crate) const OPENAI: &str = "openai";
const OLLAMA: &str = "ollama";
const LMSTUDIO: &str = "lmstudio";
/// loomd's own deterministic model; never chosen unless named.
pub const OFFLINE: &str = "offline";

const REQUEST_RETRIES_DEFAULT: u32 = 4;
const STREAM_RETRIES_DEFAULT: u32 = 5;
/// More retries than this are not made, whatever the file says.
const RETRIES_MAX: u32 = 100;
const STREAM_IDLE_MS_DEFAULT: u64 = 300_000;
const WEBSOCKET_CONNECT_MS_DEFAULT: u64 = 15_000;

/// `[model_providers.ID]`. Debug output shows name and address alone, since headers
/// and parameters may hold keys.
#[derive(Clone, Default, PartialEq, Deserialize)]
pub struct ProviderConfig {
    /// Name shown to people; never empty.
    #[serde(default)]
    pub name: String,
    /// Where the API lies, up to and including its version; `/responses` is appended.
    pub base_url: Option<String>,
    /// The wire form; only `responses` exists.
    #[serde(default, rename = "wire_api")]
    _wire_api: WireApi,
    /// Environment variable that holds the key.
    pub env_key: Option<String>,
    /// What to tell a user whose variable is missing.
    pub env_key_instructions: Option<String>,
    /// The bearer token itself.
    pub experimental_bearer_token: Option<crate::auth::Secret>,
    /// Command that prints a bearer token.
    pub auth: Option<ProviderAuthCommand>,
    /// Query parameters of each request.
    #[serde(default)]
    pub query_params: BTreeMap<String, String>,
    /// Headers of each request.
    #[serde(default)]
    pub http_headers: BTreeMap<String, String>,
    /// Headers whose values stand in environment variables.
    #[serde(default)]
    pub env_http_headers: BTreeMap<String, String>,
    request_max_retries: Option<u32>,
    stream_max_retries: Option<u32>,
    stream_idle_timeout_ms: Option<u64>,
    websocket_connect_timeout_ms: Option<u64>,
    /// Whether requests carry the login of `auth.json`.
    #[serde(default)]
    pub requires_openai_auth: bool,
    /// Whether the host also speaks WebSocket.
    #[serde(default)]
    pub supports_websockets: bool,
    /// Whether the host offers web search apart from responses.
    #[serde(default)]
    pub supports_standalone_web_search: bool,
    /// Where a list of the host's models lies.
    pub model_catalog_url: Option<String>,
    /// Kept as read: loomd has no gateway OAuth.
    pub gateway_oauth: Option<Table>,
    /// Kept as read: loomd does not sign for AWS.
    pub aws: Option<Table>,
    /// Kept as read (cloud hosts).
    pub project_id: Option<String>,
    /// Kept as read (cloud hosts).
    pub location: Option<String>,
    /// Kept as read (cloud hosts).
    pub credential_file: Option<String>,
    /// Kept as read.
    pub capabilities: Option<Table>,
}

/// `[model_providers.ID.auth]`: a program whose trimmed output is the bearer token.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ProviderAuthCommand {
    /// Program.
    pub command: String,
    /// Its arguments.
    #[serde(default)]
    pub args: Vec<String>,
    /// Milliseconds it may take.
    #[serde(default = "auth_timeout_ms")]
    pub timeout_ms: u64,
    /// Milliseconds a token is used before the program runs again.
    #[serde(default = "auth_refresh_ms")]
    pub refresh_interval_ms: u64,
    /// Its working folder.
    pub cwd: Option<PathBuf>,
}

fn auth_timeout_ms() -> u64 {
    5_000
}

fn auth_refresh_ms() -> u64 {
    300_000
}

/// The one wire form there is; it exists to refuse the others where they stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct WireApi;

impl<'de> Deserialize<'de> for WireApi {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        match word.as_str() {
            "responses" => Ok(Self),
            "chat" => Err(D::Error::custom(
                "`wire_api = \"chat\"` is no longer supported.\nHow to fix: set `wire_api = \"responses\"`; \
                 for a host that only knows Chat Completions, put a gateway in front of it that offers /responses.",
            )),
            other => Err(D::Error::custom(format!(
                "unknown wire_api `{other}`, expected `responses`"
            ))),
        }
    }
}

impl fmt::Debug for ProviderConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderConfig")
            .field("name", &self.name)
            .field("base_url", &self.base_url)
            .finish_non_exhaustive()
    }
}

impl ProviderConfig {
    /// How often a request that got no answer is sent again (default 4, at most 100).
    #[must_use]
    pub fn request_max_retries(&self) -> u32 {
        self.request_max_retries
            .unwrap_or(REQUEST_RETRIES_DEFAULT)
            .min(RETRIES_MAX)
    }

    /// How often a broken stream is begun again (default 5, at most 100).
    #[must_use]
    pub fn stream_max_retries(&self) -> u32 {
        self.stream_max_retries
            .unwrap_or(STREAM_RETRIES_DEFAULT)
            .min(RETRIES_MAX)
    }

    /// How long a stream may be silent (default 5 minutes).
    #[must_use]
    pub fn stream_idle_timeout(&self) -> Duration {
        Duration::from_millis(
            self.stream_idle_timeout_ms
                .unwrap_or(STREAM_IDLE_MS_DEFAULT),
        )
    }

    /// How long a WebSocket upgrade may take (default 15 seconds).
    #[must_use]
    pub fn websocket_connect_timeout(&self) -> Duration {
        Duration::from_millis(
            self.websocket_connect_timeout_ms
                .unwrap_or(WEBSOCKET_CONNECT_MS_DEFAULT),
        )
    }

    fn fault(&self) -> Option<String> {
        if self.name.trim().is_empty() {
            return Some("provider name must not be empty".to_owned());
        }
        self.auth.as_ref()?;
        let clash = [
            (self.env_key.is_some(), "env_key"),
            (
                self.experimental_bearer_token.is_some(),
                "experimental_bearer_token",
            ),
            (self.requires_openai_auth, "requires_openai_auth"),
        ];
        clash
            .iter()
            .find(|(set, _)| *set)
            .map(|(_, key)| format!("provider auth cannot be combined with {key}"))
    }
}

/// What is wrong with the configured providers, if anything.
pub(crate) fn check_providers(providers: &BTreeMap<String, ProviderConfig>) -> Result<(), String> {
    let reserved: Vec<_> = providers
        .keys()
        .filter(|id| RESERVED.contains(&id.as_str()))
        .map(|id| format!("`{id}`"))
        .collect();
    if !reserved.is_empty() {
        return Err(format!(
            "model_providers contains reserved built-in provider IDs: {}. Built-in providers cannot be overridden; \
             give your provider another id.",
            reserved.join(", ")
        ));
    }
    match providers
        .iter()
        .find_map(|(id, provider)| Some((id, provider.fault()?)))
    {
        Some((id, fault)) => Err(format!("model_providers.{id}: {fault}")),
        None => Ok(()),
    }
}

/// The providers that exist without configuration.
///
/// `openai` lies at `openai_base_url`, else `OPENAI_BASE_URL`, else its public
/// address; the local ones follow `CODEX_OSS_BASE_URL` and `CODEX_OSS_PORT`.
pub(crate) fn built_in(
    openai_base_url: Option<&str>,
    environment: &Environment,
) -> BTreeMap<String, ProviderConfig> {
    let openai = ProviderConfig {
        name: "OpenAI".to_owned(),
        base_url: Some(
            openai_base_url
                .or_else(|| environment.var("OPENAI_BASE_URL"))
                .unwrap_or("https://api.openai.com/v1")
                .to_owned(),
        ),
        env_http_headers: [
            ("OpenAI-Organization", "OPENAI_ORGANIZATION"),
            ("OpenAI-Project", "OPENAI_PROJECT"),
        ]
        .map(|(header, name)| (header.to_owned(), name.to_owned()))
        .into(),
        requires_openai_auth: true,
        ..ProviderConfig::default()
    };
    let local = |name: &str, port: &str| ProviderConfig {
        name: name.to_owned(),
        base_url: Some(match environment.var("CODEX_OSS_BASE_URL") {
            Some(url) => url.to_owned(),
            None => format!(
                "http://localhost:{}/v1",
                environment.var("CODEX_OSS_PORT").unwrap_or(port)
            ),
        }),
        ..ProviderConfig::default()
    };
    let offline = ProviderConfig {
        name: "Offline (scripted, no model)".to_owned(),
        ..ProviderConfig::default()
    };
    [
        (OPENAI, openai),
        (OLLAMA, local("Ollama", "11434")),
        (LMSTUDIO, local("LM Studio", "1234")),
        (OFFLINE, offline),
    ]
    .map(|(id, provider)| (id.to_owned(), provider))
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(vars: &[(&str, &str)]) -> Environment {
        Environment {
            vars: vars
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            home_dir: None,
            current_dir: PathBuf::from("/"),
        }
    }

    fn provider(text: &str) -> ProviderConfig {
        toml::from_str(text).expect("the provider parses")
    }

    #[test]
    fn retries_have_a_default_and_a_cap() {
        let plain = provider("name = 'x'");
        assert_eq!(
            (plain.request_max_retries(), plain.stream_max_retries()),
            (4, 5)
        );
        let many = provider("name = 'x'\nrequest_max_retries = 101\nstream_max_retries = 0");
        assert_eq!(
            (many.request_max_retries(), many.stream_max_retries()),
            (100, 0)
        );
        assert_eq!(plain.stream_idle_timeout(), Duration::from_secs(300));
    }

    #[test]
    fn an_auth_command_excludes_other_credentials() {
        let with = |extra: &str| {
            let text = format!("name = 'x'\n{extra}\n[auth]\ncommand = 'c'");
            check_providers(&BTreeMap::from([("p".to_owned(), provider(&text))]))
        };
        assert_eq!(with(""), Ok(()));
        assert_eq!(
            with("env_key = 'K'"),
            Err("model_providers.p: provider auth cannot be combined with env_key".to_owned())
        );
        assert!(with("requires_openai_auth = true").is_err());
    }

    #[test]
    fn the_chat_wire_form_is_refused_with_the_cure() {
        let error = toml::from_str::<ProviderConfig>("name = 'x'\nwire_api = 'chat'")
            .expect_err("chat is refused");
        assert!(
            error
                .message()
                .contains("How to fix: set `wire_api = \"responses\"`")
        );
    }

    #[test]
    fn built_in_addresses_follow_configuration_then_environment() {
        let url = |configured: Option<&str>, vars: &[(&str, &str)], id: &str| {
            built_in(configured, &environment(vars))[id]
                .base_url
                .clone()
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(url(None, &[], OPENAI), some("https://api.openai.com/v1"));
        assert_eq!(
            url(None, &[("OPENAI_BASE_URL", "http://e")], OPENAI),
            some("http://e")
        );
        assert_eq!(
            url(Some("http://c"), &[("OPENAI_BASE_URL", "http://e")], OPENAI),
            some("http://c")
        );
        assert_eq!(
            url(None, &[("CODEX_OSS_PORT", "9")], OLLAMA),
            some("http://localhost:9/v1")
        );
        assert_eq!(url(None, &[], LMSTUDIO), some("http://localhost:1234/v1"));
        assert_eq!(url(None, &[], OFFLINE), None);
    }
}
