//! Who is logged in, logging in and out.
//!
//! loomd knows one kind of login: an API key, stored where Codex stores it. A login
//! counts only where the provider in force takes it; with a provider of one's own a
//! client is told that none is needed, even after a key was stored.
//!
//! Deliberately absent: ChatGPT logins and rate limits, which are nothing without the
//! vendor's backend. A stored ChatGPT login is left alone and counts as none.

use std::sync::Arc;

use loomd_config::auth::{self, CodexApiKey, Login, Secret};
use loomd_protocol::{
    Account, AccountLoginCompletedNotification, AccountUpdatedNotification, AuthMode,
    GetAccountParams, GetAccountRateLimitsParams, GetAccountRateLimitsResponse, GetAccountResponse,
    GetAuthStatusParams, GetAuthStatusResponse, LoginAccountParams, LoginAccountResponse,
    LogoutAccountResponse, NoParams, ServerNotification, methods,
};

use super::config::load_or_defaults;
use crate::Server;
use crate::errors::{ApiError, ApiResult};
use crate::host::broadcast;
use crate::router::{Answer, Cx, Route, on_read, raw};

pub(crate) fn routes() -> Vec<Route> {
    vec![
        on_read::<methods::AccountRead, _>(read),
        on_read::<methods::GetAuthStatus, _>(auth_status),
        on_read::<methods::AccountRateLimitsRead, _>(rate_limits),
        raw::<methods::AccountLoginStart, _>(login),
        raw::<methods::AccountLogout, _>(logout),
    ]
}

/// The login as the provider in force sees it.
struct Standing {
    /// The provider takes the stored login.
    required: bool,
    /// The key that requests to it carry; none where none is required.
    key: Option<Secret>,
}

async fn standing(server: &Arc<Server>) -> ApiResult<Standing> {
    let config = load_or_defaults(server).await?;
    let server = Arc::clone(server);
    crate::blocking(move || {
        let provider = config.provider();
        let required = provider.requires_openai_auth;
        let key = required
            .then(|| {
                let stored = stored_login(&server);
                auth::bearer_token(
                    provider,
                    &server.environment,
                    stored.as_ref(),
                    CodexApiKey::Ignored,
                )
            })
            .and_then(|token| {
                token.unwrap_or_else(|error| {
                    tracing::debug!(%error, "the provider has no key");
                    None
                })
            });
        Standing { required, key }
    })
    .await
}

/// The stored login; one that cannot be read counts as none, so that the client can
/// log in again.
fn stored_login(server: &Server) -> Option<Login> {
    auth::stored_login(&server.home).unwrap_or_else(|error| {
        tracing::warn!(%error, "the stored login is not used");
        None
    })
}

/// How much of a login there is, for the refusals of what needs the vendor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// None at all.
    Nobody,
    /// An API key, which does not reach the vendor's account services.
    ApiKey,
}

/// Reads one small file, so that it may be called on a connection.
pub(crate) fn known(server: &Server) -> Known {
    match stored_login(server) {
        Some(Login::ApiKey(_)) => Known::ApiKey,
        Some(Login::ChatGpt) | None => Known::Nobody,
    }
}

/// The refusal of an account service: `purpose` reads `to read rate limits`.
pub(crate) fn needs_account(known: Known, purpose: &str) -> ApiError {
    let who = match known {
        Known::Nobody => "codex account",
        Known::ApiKey => "chatgpt",
    };
    ApiError::invalid(format!("{who} authentication required {purpose}"))
}

async fn read(cx: Cx, _params: GetAccountParams) -> ApiResult<GetAccountResponse> {
    let standing = standing(&cx.server).await?;
    Ok(GetAccountResponse {
        account: standing.key.map(|_key| Account::ApiKey),
        user_id: None,
        requires_openai_auth: standing.required,
        workspace_routing: None,
    })
}

async fn auth_status(cx: Cx, params: GetAuthStatusParams) -> ApiResult<GetAuthStatusResponse> {
    let standing = standing(&cx.server).await?;
    let wanted = params.include_token.unwrap_or(false);
    Ok(GetAuthStatusResponse {
        auth_method: standing.key.as_ref().map(|_key| AuthMode::Apikey),
        auth_token: standing
            .key
            .filter(|_key| wanted)
            .map(|key| key.expose().to_owned()),
        requires_openai_auth: Some(standing.required),
    })
}

async fn rate_limits(
    cx: Cx,
    _params: GetAccountRateLimitsParams,
) -> ApiResult<GetAccountRateLimitsResponse> {
    let known = crate::blocking(move || known(&cx.server)).await?;
    Err(needs_account(known, "to read rate limits"))
}

async fn login(cx: Cx, params: LoginAccountParams, answer: Answer<methods::AccountLoginStart>) {
    let result = store(&cx, params).await;
    let stored = result.is_ok();
    answer.send(result);
    if !stored {
        return;
    }
    tell(
        &cx,
        ServerNotification::AccountLoginCompleted(AccountLoginCompletedNotification {
            login_id: None,
            success: true,
            error: None,
            onboarding_entrypoint: None,
        }),
    );
    tell(&cx, updated(Some(AuthMode::Apikey)));
}

async fn store(cx: &Cx, params: LoginAccountParams) -> ApiResult<LoginAccountResponse> {
    let key = wanted_key(params)?;
    let server = Arc::clone(&cx.server);
    crate::blocking(move || {
        if chatgpt_is_forced(&server) {
            return Err(ApiError::invalid(
                "API key login is disabled. Use ChatGPT login instead.",
            ));
        }
        auth::store_api_key(&server.home, &key)
            .map(|()| LoginAccountResponse::ApiKey)
            .map_err(|error| ApiError::internal(format!("failed to save api key: {error}")))
    })
    .await?
}

fn wanted_key(params: LoginAccountParams) -> ApiResult<Secret> {
    match params {
        // An empty key would be answered with success and then count as no login.
        LoginAccountParams::ApiKey { api_key } if api_key.is_empty() => {
            Err(ApiError::invalid("apiKey must not be empty"))
        }
        LoginAccountParams::ApiKey { api_key } => Ok(Secret::new(api_key)),
        LoginAccountParams::Chatgpt { .. }
        | LoginAccountParams::ChatgptDeviceCode
        | LoginAccountParams::ChatgptAuthTokens { .. } => Err(ApiError::invalid(
            "ChatGPT login is disabled. Use API key login instead.",
        )),
        LoginAccountParams::AmazonBedrock { .. }
        | LoginAccountParams::AmazonBedrockAccessKeys { .. } => Err(ApiError::invalid(
            "Amazon Bedrock login is not supported. Use API key login instead.",
        )),
    }
}

/// Whether the configuration allows nothing but a ChatGPT login.
fn chatgpt_is_forced(server: &Server) -> bool {
    server.loader.read(None, false).is_ok_and(|read| {
        read.config
            .get("forced_login_method")
            .is_some_and(|method| method == "chatgpt")
    })
}

async fn logout(cx: Cx, _params: NoParams, answer: Answer<methods::AccountLogout>) {
    let server = Arc::clone(&cx.server);
    let removed = crate::blocking(move || auth::logout(&server.home))
        .await
        .and_then(|removed| {
            removed.map_err(|error| ApiError::internal(format!("logout failed: {error}")))
        });
    let done = removed.is_ok();
    answer.send(removed.map(|_was_there| LogoutAccountResponse {}));
    if done {
        tell(&cx, updated(None));
    }
}

fn updated(auth_mode: Option<AuthMode>) -> ServerNotification {
    ServerNotification::AccountUpdated(AccountUpdatedNotification {
        auth_mode,
        plan_type: None,
    })
}

fn tell(cx: &Cx, note: ServerNotification) {
    broadcast(&cx.server.peers, &note, cx.server.clock.now().wall_ms);
}
