//! Accounts: who is logged in, logging in and out.

use serde::{Deserialize, Serialize};

use crate::methods::{NoParams, methods};
use crate::wire::{is_false, null_default};

methods! {
    "userVerification/status" Experimental VendorOnly [];
    "userVerification/enroll" Experimental VendorOnly [];
    "userVerification/delete" Experimental VendorOnly [];
    "userVerification/verify" Experimental VendorOnly [];
    "userVerification/cancel" Experimental VendorOnly [];
    "account/login/start" Stable
        Implemented(AccountLoginStart: LoginAccountParams => LoginAccountResponse)
        []
        gated "type=chatgptAuthTokens", "type=amazonBedrock", "type=amazonBedrockAccessKeys";
    "account/bedrock/discover" Experimental VendorOnly [];
    "account/bedrock/setup" Experimental VendorOnly [];
    "account/gcp/setup" Experimental VendorOnly [];
    "account/bedrock/checkGovCloudRequirements" Experimental
        Implemented(AccountBedrockCheckGovCloudRequirements: BedrockCheckGovCloudRequirementsParams
            => BedrockCheckGovCloudRequirementsResponse)
        [];
    "account/login/cancel" Stable NotYet [];
    "accountSession/list" Experimental VendorOnly [];
    "accountSession/switch" Experimental VendorOnly [];
    "account/logout" Stable
        Implemented(AccountLogout: NoParams => LogoutAccountResponse)
        [no_params];
    "account/securitySetup/read" Stable VendorOnly [no_params];
    "account/rateLimitResetCredit/consume" Stable VendorOnly [];
    "account/usage/read" Stable VendorOnly [optional_params];
    "account/workspaceMessages/read" Stable VendorOnly [no_params];
    "account/sendAddCreditsNudgeEmail" Stable VendorOnly [];
    "account/read" Stable Implemented(AccountRead: GetAccountParams => GetAccountResponse) [];
}

/// Params of `account/read`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct GetAccountParams {
    #[serde(
        default,
        deserialize_with = "null_default",
        skip_serializing_if = "is_false"
    )]
    pub refresh_token: bool,
}

/// Answer to `account/read`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct GetAccountResponse {
    pub account: Option<Account>,
    pub user_id: Option<String>,
    /// False when the current provider needs no login of the vendor.
    pub requires_openai_auth: bool,
    pub workspace_routing: Option<WorkspaceRouting>,
}

/// Who is logged in, tagged by `type`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Account {
    ApiKey,
    Chatgpt {
        email: Option<String>,
        plan_type: PlanType,
        workspace_name: Option<String>,
    },
    AmazonBedrock {
        #[serde(default, deserialize_with = "null_default")]
        uses_codex_managed_credentials: bool,
    },
    Gcp,
}

/// Params of `account/login/start`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum LoginAccountParams {
    ApiKey {
        api_key: String,
    },
    Chatgpt {
        #[serde(
            default,
            deserialize_with = "null_default",
            skip_serializing_if = "is_false"
        )]
        codex_streamlined_login: bool,
        #[serde(
            default,
            deserialize_with = "null_default",
            skip_serializing_if = "is_false"
        )]
        use_hosted_login_success_page: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        app_brand: Option<LoginAppBrand>,
    },
    ChatgptDeviceCode,
    ChatgptAuthTokens {
        access_token: String,
        chatgpt_account_id: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        chatgpt_plan_type: Option<String>,
    },
    AmazonBedrock {
        api_key: String,
        region: String,
    },
    AmazonBedrockAccessKeys {
        region: String,
        access_key_id: String,
        secret_access_key: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        session_token: Option<String>,
    },
}

/// Answer to `account/login/start`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum LoginAccountResponse {
    ApiKey,
    Chatgpt {
        login_id: String,
        auth_url: String,
    },
    ChatgptDeviceCode {
        login_id: String,
        verification_url: String,
        user_code: String,
    },
    ChatgptAuthTokens,
    AmazonBedrock,
}

/// Answer to `account/logout`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LogoutAccountResponse {}

/// Params of `account/bedrock/checkGovCloudRequirements`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BedrockCheckGovCloudRequirementsParams {}

/// Answer to `account/bedrock/checkGovCloudRequirements`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct BedrockCheckGovCloudRequirementsResponse {
    pub is_gov_cloud: bool,
    pub should_warn: bool,
}

/// Payload of `account/updated`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AccountUpdatedNotification {
    pub auth_mode: Option<AuthMode>,
    pub plan_type: Option<PlanType>,
}

/// Payload of `account/login/completed`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AccountLoginCompletedNotification {
    pub login_id: Option<String>,
    pub success: bool,
    pub error: Option<String>,
    pub onboarding_entrypoint: Option<DesktopOnboardingEntrypoint>,
}

/// Where a workspace's requests go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct WorkspaceRouting {
    pub chatgpt_account_id: String,
    pub backend_origin: String,
    pub account_routing_override: AccountRoutingOverride,
}

/// The plan of a ChatGPT account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PlanType {
    Free,
    Go,
    Plus,
    Pro,
    Prolite,
    Promax,
    Team,
    SelfServeBusinessProlite,
    SelfServeBusinessUsageBased,
    Business,
    Ent26,
    EnterpriseCbpAutomation,
    EnterpriseCbpUsageBased,
    Enterprise,
    Edu,
    EduPlus,
    EduPro,
    Sci,
    SciPlus,
    Unknown,
}

/// Whose name a login page bears.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum LoginAppBrand {
    Codex,
    Chatgpt,
}

/// How requests to the model are authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum AuthMode {
    Apikey,
    Chatgpt,
    ChatgptAuthTokens,
    Headers,
    AgentIdentity,
    PersonalAccessToken,
    BedrockApiKey,
    BedrockAccessKeys,
}

/// Where a login was started from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum DesktopOnboardingEntrypoint {
    LifeSciences,
}

/// Where a workspace's requests must be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum AccountRoutingOverride {
    #[serde(rename = "NO_CONSTRAINT")]
    NOCONSTRAINT,
    #[serde(rename = "us")]
    Us,
    #[serde(rename = "us_cr")]
    UsCr,
}
