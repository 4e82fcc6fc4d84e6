//! Where a model host lies and how it is to be treated.
//!
//! Plain data: the configuration fills it in, nothing here reads files or the
//! environment. Variables come in through [`Env`].

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;

use crate::auth::{AuthCommand, Secret};

/// Retries beyond this number are not made, whatever the configuration says.
pub(crate) const RETRIES_MAX: u32 = 100;
const REQUEST_RETRIES: u32 = 4;
const STREAM_RETRIES: u32 = 5;
const STREAM_IDLE_TIMEOUT: Duration = Duration::from_secs(300);
/// Delay before the first retry; each further one waits twice as long.
const RETRY_DELAY: Duration = Duration::from_millis(200);
/// Delay before the first retry while the host cannot be reached at all.
const NETWORK_DELAY: Duration = Duration::from_secs(5);

type Lookup = dyn Fn(&str) -> Option<String> + Send + Sync;

/// Values of environment variables, by name.
#[derive(Clone)]
pub struct Env(Arc<Lookup>);

impl Env {
    /// Looks variables up with `lookup`.
    pub fn new(lookup: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(lookup))
    }

    /// No variable is set.
    #[must_use]
    pub fn empty() -> Self {
        Self::new(|_| None)
    }

    /// The variable `name`, unless it is unset or blank.
    #[must_use]
    pub fn var(&self, name: &str) -> Option<String> {
        (self.0)(name).filter(|value| !value.trim().is_empty())
    }
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Env")
    }
}

/// A model host that speaks the Responses API.
#[derive(Debug, Clone)]
pub struct Provider {
    /// Id in the configuration.
    pub id: String,
    /// Name shown to people.
    pub name: String,
    /// Where the API lies, up to and including its version; `/responses` is appended.
    pub base_url: String,
    /// Variable that holds the key.
    pub env_key: Option<String>,
    /// What to tell a user whose variable is missing.
    pub env_key_instructions: Option<String>,
    /// The key itself.
    pub bearer_token: Option<Secret>,
    /// Query parameters of each request.
    pub query_params: BTreeMap<String, String>,
    /// Headers of each request; they replace loomd's own of the same name.
    pub http_headers: BTreeMap<String, String>,
    /// Headers whose values stand in variables; left out when unset or blank.
    pub env_http_headers: BTreeMap<String, String>,
    /// How often a request that got no answer is sent again (at most 100).
    pub request_max_retries: u32,
    /// How often a broken stream is begun again (at most 100).
    pub stream_max_retries: u32,
    /// How long a host may send nothing at all; `Duration::MAX` means for ever.
    pub stream_idle_timeout: Duration,
    /// Whether requests carry the user's OpenAI login.
    pub requires_openai_auth: bool,
    /// Program whose output is the bearer token.
    pub auth: Option<AuthCommand>,
    /// Whether a host that cannot be reached is waited for without limit instead of
    /// for `stream_max_retries` (the reference's feature `unbounded_connection_retries`,
    /// on by default there and here). An interrupt ends the wait.
    pub wait_for_network: bool,
    /// Delay before the first retry (200 ms); each further one waits twice as long.
    pub retry_delay: Duration,
    /// Delay before the first retry while waiting for the network (5 s); it doubles up
    /// to a minute.
    pub network_delay: Duration,
}

impl Provider {
    /// A provider with the default retries and time-outs and without credentials.
    #[must_use]
    pub fn new(id: &str, name: &str, base_url: &str) -> Self {
        Self {
            id: id.to_owned(),
            name: name.to_owned(),
            base_url: base_url.to_owned(),
            env_key: None,
            env_key_instructions: None,
            bearer_token: None,
            query_params: BTreeMap::new(),
            http_headers: BTreeMap::new(),
            env_http_headers: BTreeMap::new(),
            request_max_retries: REQUEST_RETRIES,
            stream_max_retries: STREAM_RETRIES,
            stream_idle_timeout: STREAM_IDLE_TIMEOUT,
            requires_openai_auth: false,
            auth: None,
            wait_for_network: true,
            retry_delay: RETRY_DELAY,
            network_delay: NETWORK_DELAY,
        }
    }

    /// The address that requests are sent to.
    pub(crate) fn responses_url(&self) -> Result<Url, String> {
        let invalid = |why: &str| format!("invalid base_url `{}`: {why}", self.base_url);
        let mut url = Url::parse(&self.base_url).map_err(|error| invalid(&error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(invalid("only http and https are spoken"));
        }
        url.path_segments_mut()
            .map_err(|()| invalid("it cannot have a path"))?
            .pop_if_empty()
            .push("responses");
        if !self.query_params.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query_params);
        }
        Ok(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(provider: &Provider) -> String {
        provider
            .responses_url()
            .expect("a good address")
            .to_string()
    }

    #[test]
    fn responses_is_appended_with_the_query() {
        let mut provider = Provider::new("p", "P", "http://h:1/v1/");
        assert_eq!(url(&provider), "http://h:1/v1/responses");
        provider.query_params = [("b", "1 2"), ("a", "x&y")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        assert_eq!(url(&provider), "http://h:1/v1/responses?a=x%26y&b=1+2");
        let own_query = Provider::new("p", "P", "http://h/v1?k=v");
        assert_eq!(url(&own_query), "http://h/v1/responses?k=v");
    }

    #[test]
    fn a_bad_address_is_named() {
        let provider = Provider::new("p", "P", "ftp://h");
        assert_eq!(
            provider.responses_url(),
            Err("invalid base_url `ftp://h`: only http and https are spoken".to_owned())
        );
        assert!(Provider::new("p", "P", "").responses_url().is_err());
    }
}
