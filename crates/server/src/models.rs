//! Where models come from.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use loomd_base::IdSource;
use loomd_config::auth::CodexApiKey;
use loomd_config::{Environment, ProviderConfig};
use loomd_events::{ModelEvent, ModelFailure};
use loomd_model::{
    AuthCommand, Env, HttpClient, Model, ModelRequest, OfflineModel, Provider, ProviderAuth,
    ResponsesModel, Secret,
};
use loomd_protocol::CodexErrorInfo;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// What a thread needs a model for.
pub struct ModelOrder<'a> {
    /// The provider's id in the configuration.
    pub provider_id: &'a str,
    /// The provider.
    pub provider: &'a ProviderConfig,
    /// The home folder, where a login may lie.
    pub home: &'a Path,
}

/// Gives a thread its model. Tests give their own.
pub trait Models: Send + Sync + 'static {
    /// The model behind a provider. A provider that cannot be used gives a model that
    /// fails each turn with the reason.
    fn model(&self, order: &ModelOrder<'_>) -> Arc<dyn Model>;
}

/// A model that fails each request with one reason.
pub(crate) struct Unusable(pub(crate) String);

impl Model for Unusable {
    fn stream(
        &self,
        _request: ModelRequest,
        _cancel: CancellationToken,
    ) -> mpsc::Receiver<ModelEvent> {
        let (sender, receiver) = mpsc::channel(1);
        let failed = ModelEvent::Failed(ModelFailure {
            message: self.0.clone(),
            info: CodexErrorInfo::Other,
            details: None,
        });
        // The channel is empty and has room for one.
        let _sent = sender.try_send(failed);
        receiver
    }
}

/// The configured providers: the Responses API over HTTP, and the offline model.
pub struct DefaultModels {
    environment: Environment,
    env: Env,
    ids: Arc<dyn IdSource>,
    /// One client for all threads; it is built at the first request.
    http: HttpClient,
    codex_api_key: CodexApiKey,
    /// One offline model for all threads, so that its ids never repeat.
    offline: OnceLock<Arc<OfflineModel>>,
}

impl DefaultModels {
    /// Values of environment variables that providers name come from `environment`.
    #[must_use]
    pub fn new(
        environment: Environment,
        ids: Arc<dyn IdSource>,
        codex_api_key: CodexApiKey,
    ) -> Self {
        let vars = environment.vars.clone();
        Self {
            env: Env::new(move |name| vars.get(name).cloned()),
            environment,
            ids,
            http: HttpClient::new(),
            codex_api_key,
            offline: OnceLock::new(),
        }
    }

    fn offline(&self) -> Arc<dyn Model> {
        let make = || Arc::new(OfflineModel::new(Arc::clone(&self.ids)));
        Arc::clone(self.offline.get_or_init(make)) as Arc<dyn Model>
    }
}

impl DefaultModels {
    /// The configured provider in the model crate's words.
    fn provider(&self, order: &ModelOrder<'_>) -> Result<Provider, String> {
        let config = order.provider;
        let base_url = config
            .base_url
            .as_deref()
            .ok_or_else(|| format!("model provider `{}` has no base_url", order.provider_id))?;
        Ok(Provider {
            env_key: config.env_key.clone(),
            env_key_instructions: config.env_key_instructions.clone(),
            bearer_token: config
                .experimental_bearer_token
                .as_ref()
                .map(|token| Secret::new(token.expose())),
            query_params: config.query_params.clone(),
            http_headers: config.http_headers.clone(),
            env_http_headers: config.env_http_headers.clone(),
            request_max_retries: config.request_max_retries(),
            stream_max_retries: config.stream_max_retries(),
            stream_idle_timeout: config.stream_idle_timeout(),
            requires_openai_auth: config.requires_openai_auth,
            auth: config.auth.as_ref().map(|auth| AuthCommand {
                command: auth.command.clone(),
                args: auth.args.clone(),
                timeout: Duration::from_millis(auth.timeout_ms),
                refresh_interval: Duration::from_millis(auth.refresh_interval_ms),
                cwd: auth.cwd.clone(),
            }),
            ..Provider::new(order.provider_id, &config.name, base_url)
        })
    }

    /// The key that the user's login gives, where the provider wants one.
    fn login_key(&self, order: &ModelOrder<'_>) -> Option<Secret> {
        let stored = loomd_config::auth::stored_login(order.home)
            .inspect_err(|error| tracing::warn!(%error, "login not read"))
            .ok()
            .flatten();
        loomd_config::auth::bearer_token(
            order.provider,
            &self.environment,
            stored.as_ref(),
            self.codex_api_key,
        )
        .ok()
        .flatten()
        .map(|secret| Secret::new(secret.expose()))
    }
}

impl Models for DefaultModels {
    fn model(&self, order: &ModelOrder<'_>) -> Arc<dyn Model> {
        if order.provider_id == loomd_config::OFFLINE {
            return self.offline();
        }
        let provider = match self.provider(order) {
            Ok(provider) => Arc::new(provider),
            Err(reason) => return Arc::new(Unusable(reason)),
        };
        let login_key = if provider.requires_openai_auth {
            self.login_key(order)
        } else {
            None
        };
        let auth = ProviderAuth::new(&provider, &self.env, login_key);
        Arc::new(ResponsesModel::new(
            provider,
            self.http.clone(),
            auth,
            self.env.clone(),
            Arc::clone(&self.ids),
        ))
    }
}
