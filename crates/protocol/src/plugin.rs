//! Plugins, marketplaces and apps. Apps are the vendor's catalogue and opaque here.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::methods::methods;
use crate::path::AbsolutePathBuf;
use crate::wire::{is_false, null_default};

methods! {
    "marketplace/add" Stable NotYet [];
    "marketplace/remove" Stable NotYet [];
    "marketplace/upgrade" Stable NotYet [];
    "plugin/list" Stable Implemented(PluginList: PluginListParams => PluginListResponse) [];
    "plugin/search" Experimental NotYet [];
    "plugin/installed" Stable
        Implemented(PluginInstalled: PluginInstalledParams => PluginInstalledResponse)
        [];
    "plugin/reconcile" Stable NotYet [];
    "plugin/read" Stable NotYet [];
    "plugin/skill/read" Stable VendorOnly [];
    "plugin/share/save" Stable VendorOnly [];
    "plugin/share/updateTargets" Stable VendorOnly [];
    "plugin/share/list" Stable VendorOnly [];
    "plugin/share/checkout" Stable VendorOnly [];
    "plugin/share/delete" Stable VendorOnly [];
    "app/read" Stable VendorOnly [];
    "app/list" Stable Implemented(AppList: AppsListParams => AppsListResponse) [];
    "app/installed" Stable VendorOnly [];
    "plugin/install" Stable NotYet [];
    "plugin/uninstall" Stable NotYet [];
}

/// Params of `plugin/list`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PluginListParams {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cwds: Option<Vec<AbsolutePathBuf>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marketplace_kinds: Option<Vec<PluginListMarketplaceKind>>,
    #[serde(
        default,
        deserialize_with = "null_default",
        skip_serializing_if = "is_false"
    )]
    pub force_refetch: bool,
}

/// Answer to `plugin/list`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PluginListResponse {
    pub marketplaces: Vec<PluginMarketplaceEntry>,
    #[serde(default, deserialize_with = "null_default")]
    pub marketplace_load_errors: Vec<MarketplaceLoadErrorInfo>,
    #[serde(default, deserialize_with = "null_default")]
    pub featured_plugin_ids: Vec<String>,
}

/// Params of `plugin/installed`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PluginInstalledParams {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cwds: Option<Vec<AbsolutePathBuf>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub install_suggestion_plugin_names: Option<Vec<String>>,
}

/// Answer to `plugin/installed`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PluginInstalledResponse {
    pub marketplaces: Vec<PluginMarketplaceEntry>,
    #[serde(default, deserialize_with = "null_default")]
    pub marketplace_load_errors: Vec<MarketplaceLoadErrorInfo>,
}

/// A marketplace and its plugins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PluginMarketplaceEntry {
    pub name: String,
    pub path: Option<AbsolutePathBuf>,
    pub interface: Option<MarketplaceInterface>,
    pub plugins: Vec<PluginSummary>,
}

/// A plugin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PluginSummary {
    pub id: String,
    pub remote_plugin_id: Option<String>,
    pub version: Option<String>,
    pub local_version: Option<String>,
    pub name: String,
    pub share_context: Option<PluginShareContext>,
    pub source: PluginSource,
    pub installed: bool,
    pub installed_at: Option<i64>,
    pub enabled: bool,
    pub install_policy: PluginInstallPolicy,
    pub install_policy_source: Option<PluginInstallPolicySource>,
    pub must_show_installation_interstitial: Option<bool>,
    pub auth_policy: PluginAuthPolicy,
    #[serde(default, deserialize_with = "null_default")]
    pub availability: PluginAvailability,
    pub disabled_reason: Option<PluginDisabledReason>,
    pub eligible_plan_types: Option<Vec<String>>,
    pub interface: Option<PluginInterface>,
    #[serde(default, deserialize_with = "null_default")]
    pub keywords: Vec<String>,
}

/// Params of `app/list`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AppsListParams {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thread_id: Option<String>,
    #[serde(
        default,
        deserialize_with = "null_default",
        skip_serializing_if = "is_false"
    )]
    pub force_refetch: bool,
}

/// Answer to `app/list`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AppsListResponse {
    pub data: Vec<Value>,
    pub next_cursor: Option<String>,
}

/// The kinds of marketplaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum PluginListMarketplaceKind {
    Local,
    Vertical,
    WorkspaceDirectory,
    SharedWithMe,
    CreatedByMeRemote,
}

/// A marketplace that could not be read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct MarketplaceLoadErrorInfo {
    pub marketplace_path: AbsolutePathBuf,
    pub message: String,
}

/// How a marketplace is shown.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct MarketplaceInterface {
    pub display_name: Option<String>,
}

/// When a plugin asks for a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum PluginAuthPolicy {
    #[serde(rename = "ON_INSTALL")]
    ONINSTALL,
    #[serde(rename = "ON_USE")]
    ONUSE,
}

/// Whether a plugin can be used here.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum PluginAvailability {
    #[serde(rename = "AVAILABLE")]
    #[default]
    AVAILABLE,
    #[serde(rename = "DISABLED_BY_ADMIN")]
    DISABLEDBYADMIN,
}

/// Why a plugin is off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PluginDisabledReason {
    DisabledByAdmin,
    PlanNotEligible,
    RequiredAppUnavailable,
    Unknown,
}

/// Whether a plugin can be installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum PluginInstallPolicy {
    #[serde(rename = "NOT_AVAILABLE")]
    NOTAVAILABLE,
    #[serde(rename = "AVAILABLE")]
    AVAILABLE,
    #[serde(rename = "INSTALLED_BY_DEFAULT")]
    INSTALLEDBYDEFAULT,
}

/// Who set the install policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum PluginInstallPolicySource {
    #[serde(rename = "WORKSPACE_SETTING")]
    WORKSPACESETTING,
    #[serde(rename = "IMPLICIT_CANONICAL_APP")]
    IMPLICITCANONICALAPP,
}

/// How a plugin is shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PluginInterface {
    pub display_name: Option<String>,
    pub short_description: Option<String>,
    pub long_description: Option<String>,
    pub developer_name: Option<String>,
    pub category: Option<String>,
    pub capabilities: Vec<String>,
    pub website_url: Option<String>,
    pub privacy_policy_url: Option<String>,
    pub terms_of_service_url: Option<String>,
    pub default_prompt: Option<Vec<String>>,
    pub brand_color: Option<String>,
    pub composer_icon: Option<AbsolutePathBuf>,
    pub composer_icon_url: Option<String>,
    pub logo: Option<AbsolutePathBuf>,
    pub logo_dark: Option<AbsolutePathBuf>,
    pub logo_url: Option<String>,
    pub logo_url_dark: Option<String>,
    pub screenshots: Vec<AbsolutePathBuf>,
    pub screenshot_urls: Vec<String>,
}

/// How a plugin is shared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PluginShareContext {
    pub remote_plugin_id: String,
    pub remote_version: Option<String>,
    pub discoverability: Option<PluginShareDiscoverability>,
    pub share_url: Option<String>,
    pub creator_account_user_id: Option<String>,
    pub creator_name: Option<String>,
    pub share_principals: Option<Vec<PluginSharePrincipal>>,
    pub can_publish_to_workspace: Option<bool>,
}

/// Where a plugin comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum PluginSource {
    Local {
        path: AbsolutePathBuf,
    },
    Git {
        path: Option<String>,
        url: String,
        ref_name: Option<String>,
        sha: Option<String>,
    },
    Npm {
        package: String,
        version: Option<String>,
        registry: Option<String>,
    },
    Remote,
}

/// Who can find a shared plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub enum PluginShareDiscoverability {
    LISTED,
    UNLISTED,
    PRIVATE,
}

/// Someone a plugin is shared with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PluginSharePrincipal {
    pub principal_type: PluginSharePrincipalType,
    pub principal_id: String,
    pub role: PluginSharePrincipalRole,
    pub name: String,
}

/// What they may do with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum PluginSharePrincipalRole {
    Reader,
    Editor,
    Owner,
}

/// What they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum PluginSharePrincipalType {
    User,
    Group,
    Workspace,
}
