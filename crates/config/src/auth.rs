//! `auth.json`: the stored login, and which key a request carries.
//!
//! loomd stores and uses API keys. A ChatGPT login that another program stored is
//! recognised but not used: renewing its tokens needs the vendor's backend. What is
//! in the file and unknown here stays untouched unless a new login replaces it.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::environment::Environment;
use crate::provider::ProviderConfig;

const FILE: &str = "auth.json";
const API_KEY_MODE: &str = "apikey";
/// A key for one run of a non-interactive command.
const CODEX_API_KEY: &str = "CODEX_API_KEY";
/// The key of OpenAI's own tools.
const OPENAI_API_KEY: &str = "OPENAI_API_KEY";

/// A text that no debug output shows and that does not serialise.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Hides `text`.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself, for a request header.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The stored login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    /// An API key.
    ApiKey(Secret),
    /// Tokens of a ChatGPT login, which loomd does not use.
    ChatGpt,
}

/// What went wrong with the stored login or a provider's key.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// The file cannot be read or written.
    #[error("failed to access {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is no JSON of the expected shape; log in again to replace it.
    #[error("{} holds no valid login", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
    },
    /// The provider's `env_key` is not set.
    #[error(
        "Missing environment variable: `{name}`.{}",
        Instructions(instructions)
    )]
    MissingVariable {
        /// The variable.
        name: String,
        /// The provider's words on how to get a key.
        instructions: Option<String>,
    },
}

struct Instructions<'a>(&'a Option<String>);

impl fmt::Display for Instructions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(text) => write!(f, " {text}"),
            None => Ok(()),
        }
    }
}

#[derive(Deserialize)]
struct AuthJson {
    #[serde(rename = "OPENAI_API_KEY")]
    openai_api_key: Option<Secret>,
    tokens: Option<serde::de::IgnoredAny>,
}

#[derive(Serialize)]
struct ApiKeyJson<'a> {
    auth_mode: &'a str,
    #[serde(rename = "OPENAI_API_KEY")]
    openai_api_key: &'a str,
}

/// The login stored in `home`, if there is one.
///
/// # Errors
/// The file is there but cannot be read or understood.
pub fn stored_login(home: &Path) -> Result<Option<Login>, AuthError> {
    let path = home.join(FILE);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(AuthError::Io { path, source }),
    };
    // The parser's own error could quote the key, so it is not passed on.
    let Ok(auth) = serde_json::from_str::<AuthJson>(&text) else {
        return Err(AuthError::Malformed { path });
    };
    let key = auth.openai_api_key.filter(|key| !key.0.is_empty());
    Ok(match (key, auth.tokens) {
        (Some(key), _) => Some(Login::ApiKey(key)),
        (None, Some(_)) => Some(Login::ChatGpt),
        (None, None) => None,
    })
}

/// Stores an API key, in place of any other login, readable by the owner alone.
///
/// # Errors
/// The file cannot be written.
pub fn store_api_key(home: &Path, key: &Secret) -> Result<(), AuthError> {
    let path = home.join(FILE);
    let auth = ApiKeyJson {
        auth_mode: API_KEY_MODE,
        openai_api_key: key.expose(),
    };
    let text = serde_json::to_string_pretty(&auth).expect("two strings serialise");
    loomd_base::replace(&path, &text, loomd_base::Care::PRIVATE)
        .map_err(|source| AuthError::Io { path, source })
}

/// Removes the stored login and answers whether there was one.
///
/// # Errors
/// The file cannot be removed.
pub fn logout(home: &Path) -> Result<bool, AuthError> {
    let path = home.join(FILE);
    match fs::remove_file(&path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(AuthError::Io { path, source }),
    }
}

/// Whether `CODEX_API_KEY` counts. The reference reads it in `exec` only, not in the
/// app server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodexApiKey {
    /// It wins over a stored login (`exec`).
    Counts,
    /// It is not looked at (app server).
    Ignored,
}

/// The bearer token of a request to `provider`, if it needs one.
///
/// The provider's own settings come first: `experimental_bearer_token`, then
/// `env_key`. A provider that takes the OpenAI login gets `CODEX_API_KEY` where that
/// counts, else the stored API key, else `OPENAI_API_KEY` — the last is loomd's own
/// addition, for servers in containers that have no home to log in to. A provider
/// with an `auth` command gets none here: running it is the caller's.
///
/// # Errors
/// The variable named by `env_key` is not set.
pub fn bearer_token(
    provider: &ProviderConfig,
    environment: &Environment,
    stored: Option<&Login>,
    codex_api_key: CodexApiKey,
) -> Result<Option<Secret>, AuthError> {
    if let Some(token) = &provider.experimental_bearer_token {
        return Ok(Some(token.clone()));
    }
    let variable = |name: &str| {
        let value = environment.var(name)?.trim();
        (!value.is_empty()).then(|| Secret::new(value.to_owned()))
    };
    if let Some(name) = &provider.env_key {
        return match variable(name) {
            Some(key) => Ok(Some(key)),
            None => Err(AuthError::MissingVariable {
                name: name.clone(),
                instructions: provider.env_key_instructions.clone(),
            }),
        };
    }
    if !provider.requires_openai_auth {
        return Ok(None);
    }
    let for_this_run = match codex_api_key {
        CodexApiKey::Counts => variable(CODEX_API_KEY),
        CodexApiKey::Ignored => None,
    };
    let stored = match stored {
        Some(Login::ApiKey(key)) => Some(key.clone()),
        Some(Login::ChatGpt) | None => None,
    };
    Ok(for_this_run.or(stored).or_else(|| variable(OPENAI_API_KEY)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_home::TestHome;

    fn key(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    #[test]
    fn a_stored_key_is_read_back_and_has_the_form_of_the_reference() {
        let home = TestHome::new();
        store_api_key(&home.path("home"), &key("sk-1")).expect("it can be written");
        assert_eq!(
            home.read("home/auth.json"),
            "{\n  \"auth_mode\": \"apikey\",\n  \"OPENAI_API_KEY\": \"sk-1\"\n}"
        );
        let stored = stored_login(&home.path("home")).expect("it can be read");
        assert_eq!(stored, Some(Login::ApiKey(key("sk-1"))));
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let home = TestHome::new();
        let path = home.write("home/auth.json", "{}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("mode can be set");
        store_api_key(&home.path("home"), &key("sk-1")).expect("it can be written");
        let mode = fs::metadata(&path)
            .expect("it is there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn logout_removes_the_file_and_may_be_repeated() {
        let home = TestHome::new();
        home.write("home/auth.json", "{}");
        assert!(logout(&home.path("home")).expect("it can be removed"));
        assert!(!logout(&home.path("home")).expect("nothing to remove"));
        assert_eq!(
            stored_login(&home.path("home")).expect("no file is fine"),
            None
        );
    }

    #[test]
    fn a_file_without_auth_mode_counts_and_a_chatgpt_login_is_told_apart() {
        let home = TestHome::new();
        let login = |text: &str| {
            home.write("home/auth.json", text);
            stored_login(&home.path("home")).expect("it can be read")
        };
        assert_eq!(
            login(r#"{"OPENAI_API_KEY":"sk-2"}"#),
            Some(Login::ApiKey(key("sk-2")))
        );
        assert_eq!(
            login(r#"{"OPENAI_API_KEY":null,"tokens":{"access_token":"x"}}"#),
            Some(Login::ChatGpt)
        );
        assert_eq!(login(r#"{"OPENAI_API_KEY":"","tokens":null}"#), None);
    }

    #[test]
    fn neither_debug_output_nor_errors_show_a_key() {
        let home = TestHome::new();
        home.write("home/auth.json", r#"{"OPENAI_API_KEY":"sk-secret",}"#);
        let error = stored_login(&home.path("home")).expect_err("it is malformed");
        assert!(!format!("{error:?} {error}").contains("sk-secret"));
        assert_eq!(
            format!("{:?}", Login::ApiKey(key("sk-secret"))),
            "ApiKey(Secret(…))"
        );
    }

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
    fn the_openai_login_is_used_only_where_the_provider_asks_for_it() {
        let all = environment(&[("CODEX_API_KEY", "c"), ("OPENAI_API_KEY", "o")]);
        let stored = Login::ApiKey(key("s"));
        let token = |provider: &ProviderConfig, stored, codex| {
            bearer_token(provider, &all, stored, codex).expect("no variable is required")
        };
        let openai = provider("name = 'x'\nrequires_openai_auth = true");
        assert_eq!(
            token(&openai, Some(&stored), CodexApiKey::Counts),
            Some(key("c"))
        );
        assert_eq!(
            token(&openai, Some(&stored), CodexApiKey::Ignored),
            Some(key("s"))
        );
        assert_eq!(
            token(&openai, Some(&Login::ChatGpt), CodexApiKey::Ignored),
            Some(key("o"))
        );
        let own = provider("name = 'x'");
        assert_eq!(token(&own, Some(&stored), CodexApiKey::Counts), None);
    }

    #[test]
    fn a_missing_variable_says_how_to_get_a_key() {
        let provider = provider("name = 'x'\nenv_key = 'K'\nenv_key_instructions = 'Ask Ada.'");
        let error = bearer_token(
            &provider,
            &environment(&[("K", " ")]),
            None,
            CodexApiKey::Ignored,
        )
        .expect_err("the variable is empty");
        assert_eq!(
            error.to_string(),
            "Missing environment variable: `K`. Ask Ada."
        );
        let token = bearer_token(
            &provider,
            &environment(&[("K", "k")]),
            None,
            CodexApiKey::Ignored,
        );
        assert_eq!(token.expect("it is set"), Some(key("k")));
    }
}
