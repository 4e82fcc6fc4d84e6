//! Methods that are nothing without the vendor's services, and what is said instead.
//!
//! The texts and codes are what the reference itself answers where it cannot reach
//! those services (watched on 0.169.0), since clients know them. The methods have no
//! types here; only what the reference demands of their params is checked. A few that
//! could be built without the vendor, but whose whole truth in a server without the
//! feature is one sentence, stand here as well.
//!
//! Consulted by the router for methods without a handler.

use loomd_protocol::MethodSpec;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::account::{Known, known, needs_account};
use crate::errors::{ApiError, ApiResult};
use crate::ids::parse_thread_id;
use crate::router::Cx;

/// Params that are an object and no more.
type Params = Map<String, Value>;

/// A method's answer.
pub(crate) struct Row {
    method: &'static str,
    /// Members the params must have, in the order in which they are missed.
    needs: &'static [&'static str],
    pub(crate) answer: fn(&Cx, &Params) -> ApiResult<Value>,
}

const fn row(
    method: &'static str,
    needs: &'static [&'static str],
    answer: fn(&Cx, &Params) -> ApiResult<Value>,
) -> Row {
    Row {
        method,
        needs,
        answer,
    }
}

/// The row of a method, if it has one.
pub(crate) fn find(method: &str) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.method == method)
}

/// Reads the params of a method without types as far as they are known.
pub(crate) fn params(
    spec: &MethodSpec,
    row: Option<&Row>,
    raw: Option<&RawValue>,
) -> ApiResult<Params> {
    let missing =
        |member: &str| ApiError::invalid(format!("Invalid request: missing field `{member}`"));
    let params: Params = match raw.filter(|raw| raw.get() != "null") {
        None if spec.params_required => return Err(missing("params")),
        None => Params::new(),
        Some(raw) => serde_json::from_str::<Value>(raw.get())
            .and_then(serde_json::from_value)
            .map_err(|error| ApiError::invalid(format!("Invalid request: {error}")))?,
    };
    let thread = spec.thread_param.then_some("threadId");
    let needed = row.map_or(&[][..], |row| row.needs).iter().copied();
    match thread
        .into_iter()
        .chain(needed)
        .find(|member| !params.contains_key(*member))
    {
        Some(member) => Err(missing(member)),
        None => Ok(params),
    }
}

fn refuse(text: &str) -> ApiResult<Value> {
    Err(ApiError::invalid(text))
}

/// A member that is a text; anything else reads as an empty one.
fn text<'a>(params: &'a Params, member: &str) -> &'a str {
    params.get(member).and_then(Value::as_str).unwrap_or("")
}

fn account(cx: &Cx, purpose: &str) -> ApiResult<Value> {
    Err(needs_account(known(&cx.server), purpose))
}

fn remote_control(cx: &Cx) -> ApiResult<Value> {
    refuse(match known(&cx.server) {
        Known::Nobody => "remote control requires ChatGPT authentication",
        Known::ApiKey => {
            "remote control requires ChatGPT authentication; API key auth is not supported"
        }
    })
}

fn plugin_catalog(cx: &Cx, action: &str) -> ApiResult<Value> {
    let more = match known(&cx.server) {
        Known::Nobody => "",
        Known::ApiKey => "; api key auth is not supported",
    };
    refuse(&format!(
        "{action}: chatgpt authentication required for remote plugin catalog{more}"
    ))
}

const UNVERIFIABLE: &str = "User verification is not available in this build or account.";

fn user_verification(_cx: &Cx, _params: &Params) -> ApiResult<Value> {
    Err(ApiError::internal(UNVERIFIABLE)
        .with_data(json!({ "type": "unavailable", "reason": "providerUnavailable" })))
}

/// As the reference says it of threads without the feature.
fn realtime(cx: &Cx, params: &Params) -> ApiResult<Value> {
    let thread = text(params, "threadId");
    match cx.server.registry.get(parse_thread_id(thread)?) {
        Some(_handle) => refuse(&format!(
            "thread {thread} does not support realtime conversation"
        )),
        None => Err(ApiError::thread_not_found(thread)),
    }
}

/// No provider is asked for a login of its own.
fn gateway(cx: &Cx, _params: &Params) -> ApiResult<Value> {
    let loader = &cx.server.loader;
    let config = loader
        .load(None, &Map::new())
        .unwrap_or_else(|_broken| loader.defaults());
    Ok(json!({
        "providerId": config.model_provider,
        "providerName": config.provider().name,
        "required": false,
        "supportsDeviceAuth": false,
        "status": null,
        "error": null,
    }))
}

/// No login that could be cancelled is ever under way.
fn cancel_login(_cx: &Cx, params: &Params) -> ApiResult<Value> {
    let login = text(params, "loginId");
    match Uuid::parse_str(login) {
        Ok(_) => Ok(json!({ "status": "notFound" })),
        Err(_) => refuse(&format!("invalid login id: {login}")),
    }
}

fn pairing_status(_cx: &Cx, params: &Params) -> ApiResult<Value> {
    let has_code = ["pairingCode", "manualPairingCode"]
        .iter()
        .any(|code| params.get(*code).is_some_and(Value::is_string));
    refuse(if has_code {
        "remote control pairing requires remote control to be enabled"
    } else {
        "remoteControl/pairing/status requires pairingCode or manualPairingCode"
    })
}

const TABLE: &[Row] = &[
    row("account/usage/read", &[], |cx, _| {
        account(cx, "to read token usage")
    }),
    row("account/workspaceMessages/read", &[], |cx, _| {
        account(cx, "to read workspace messages")
    }),
    row(
        "account/sendAddCreditsNudgeEmail",
        &["creditType"],
        |cx, _| account(cx, "to notify workspace owner"),
    ),
    row(
        "account/rateLimitResetCredit/consume",
        &["idempotencyKey"],
        |cx, _| account(cx, "for rate limit reset credits"),
    ),
    row("account/securitySetup/read", &[], |_, _| {
        Ok(json!({ "notice": null }))
    }),
    row("account/login/cancel", &["loginId"], cancel_login),
    row("accountSession/list", &[], |_, _| {
        Ok(json!({ "activeSessionId": null, "sessions": [] }))
    }),
    row(
        "accountSession/switch",
        &["sessionId", "accountId"],
        |_, _| refuse("Workspace switching requires a managed ChatGPT login"),
    ),
    row("account/gatewayOAuth/login", &[], |_, _| {
        refuse("The selected provider does not use gateway OAuth")
    }),
    row("account/gatewayOAuth/read", &[], gateway),
    row("account/gatewayOAuth/cancel", &[], |_, _| Ok(json!({}))),
    row("account/bedrock/discover", &[], |_, _| {
        Ok(json!({ "profiles": [], "environmentCredentials": [] }))
    }),
    row("account/bedrock/setup", &["type", "region"], |_, params| {
        let region = text(params, "region");
        refuse(&format!(
            "Amazon Bedrock does not support region `{region}`"
        ))
    }),
    row("account/gcp/setup", &["projectId"], |_, _| {
        Err(
            ApiError::invalid("loomd does not run the Google Cloud login command")
                .with_data(json!({ "reason": "authCommandFailed" })),
        )
    }),
    row("userVerification/status", &[], |_, _| {
        Ok(json!({
            "credentialId": null,
            "unavailableReason": "providerUnavailable",
            "unavailableMessage": UNVERIFIABLE,
        }))
    }),
    row("userVerification/enroll", &[], user_verification),
    row("userVerification/delete", &[], user_verification),
    row(
        "userVerification/verify",
        &["challenge", "description", "title"],
        user_verification,
    ),
    row("userVerification/cancel", &["requestId"], |_, _| {
        Ok(json!({}))
    }),
    row("remoteControl/enable", &[], |cx, _| remote_control(cx)),
    row("remoteControl/disable", &[], |cx, _| remote_control(cx)),
    row("remoteControl/client/list", &["environmentId"], |cx, _| {
        remote_control(cx)
    }),
    row(
        "remoteControl/client/revoke",
        &["environmentId", "clientId"],
        |cx, _| remote_control(cx),
    ),
    row("remoteControl/pairing/start", &[], |_, _| {
        refuse("remote control pairing requires remote control to be enabled")
    }),
    row("remoteControl/pairing/status", &[], pairing_status),
    row(
        "plugin/skill/read",
        &["remoteMarketplaceName", "remotePluginId", "skillName"],
        |cx, _| plugin_catalog(cx, "read remote plugin skill details"),
    ),
    row("plugin/share/save", &["pluginPath"], |cx, _| {
        plugin_catalog(cx, "save remote plugin share")
    }),
    row(
        "plugin/share/updateTargets",
        &["remotePluginId", "discoverability", "shareTargets"],
        |cx, _| plugin_catalog(cx, "update remote plugin share targets"),
    ),
    row("plugin/share/list", &[], |cx, _| {
        plugin_catalog(cx, "list remote plugin shares")
    }),
    row("plugin/share/checkout", &["remotePluginId"], |cx, _| {
        plugin_catalog(cx, "checkout plugin share")
    }),
    row("plugin/share/delete", &["remotePluginId"], |cx, _| {
        plugin_catalog(cx, "delete remote plugin share")
    }),
    row("plugin/search", &["searchTerm"], |_, _| {
        Ok(json!({ "data": [], "nextCursor": null }))
    }),
    row("plugin/reconcile", &[], |_, _| {
        Ok(json!({
            "changedPlugins": [],
            "failedRemotePluginIds": [],
            "failedMaterializationRemotePluginIds": [],
        }))
    }),
    row("plugin/uninstall", &["pluginId"], |cx, _| {
        plugin_catalog(cx, "resolve remote plugin before uninstall")
    }),
    row("app/read", &["appIds"], |_, params| {
        Ok(json!({ "apps": [], "missingAppIds": params.get("appIds") }))
    }),
    row("app/installed", &[], |_, _| Ok(json!({ "apps": [] }))),
    row(
        "mcpServer/event/stream/start",
        &["subscriptionId", "server", "name", "arguments"],
        |_, _| refuse("MCP event subscriptions are only supported for hosted apps"),
    ),
    row(
        "mcpServer/event/stream/stop",
        &["subscriptionId"],
        |_, _| Ok(json!({})),
    ),
    row("thread/realtime/start", &["outputModality"], realtime),
    row("thread/realtime/appendAudio", &["audio"], realtime),
    row("thread/realtime/appendText", &["text"], realtime),
    row("thread/realtime/appendSpeech", &["text"], realtime),
    row("thread/realtime/stop", &[], realtime),
    row("thread/prediction/request", &["sourceTurnId"], |_, _| {
        Err(ApiError::not_implemented("thread/prediction/request"))
    }),
    row("feedback/upload", &["classification"], |_, _| {
        refuse("sending feedback is disabled by configuration")
    }),
    row("externalAgentConfig/detect", &[], |_, _| {
        Ok(json!({ "items": [], "connectors": [] }))
    }),
    row("windowsSandbox/readiness", &[], |_, _| {
        Ok(json!({ "status": "notConfigured" }))
    }),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use loomd_protocol::{METHODS, Stability, State, lookup};

    use super::*;

    #[test]
    fn every_row_is_a_method_without_a_handler_of_its_own() {
        let routed = crate::router::routed(&super::super::routes())
            .into_iter()
            .collect::<BTreeSet<_>>();
        let mut rows = BTreeSet::new();
        for row in TABLE {
            assert!(lookup(row.method).is_some(), "{} is no method", row.method);
            assert!(!routed.contains(row.method), "{} is routed", row.method);
            assert!(rows.insert(row.method), "{} stands twice", row.method);
        }
    }

    #[test]
    fn every_method_of_the_vendor_has_a_row_but_the_list_of_voices() {
        let without: Vec<_> = METHODS
            .iter()
            .filter(|spec| spec.state == State::VendorOnly && find(spec.name).is_none())
            .map(|spec| spec.name)
            .collect();
        assert_eq!(without, ["thread/realtime/listVoices"]);
    }

    /// What the page on differences calls not built; `a/*` stands for all below `a/`.
    fn told_unbuilt() -> Vec<&'static str> {
        let page = include_str!("../../../../docs/differences.md");
        let (_, section) = page
            .split_once("\n## Not built\n")
            .expect("the page has the section");
        let rows = section.lines().filter(|line| line.starts_with("| "));
        rows.flat_map(|row| row.split('`').skip(1).step_by(2))
            .collect()
    }

    #[test]
    fn the_page_on_differences_names_exactly_what_is_not_built() {
        let routed = crate::router::routed(&super::super::routes());
        let unbuilt: Vec<_> = METHODS
            .iter()
            .filter(|spec| spec.stability != Stability::Removed0131)
            .filter(|spec| !routed.contains(&spec.name) && find(spec.name).is_none())
            .filter(|spec| spec.state != State::VendorOnly)
            .map(|spec| spec.name)
            .collect();
        let told = told_unbuilt();
        let is = |told: &str, name: &str| match told.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == told,
        };
        for name in &unbuilt {
            let is_told = told.iter().any(|told| is(told, name));
            assert!(
                is_told,
                "docs/differences.md does not say that {name} is not built"
            );
        }
        for told in told {
            let is_so = unbuilt.iter().any(|name| is(told, name));
            assert!(is_so, "docs/differences.md says that {told} is not built");
        }
    }

    fn missed(method: &str, raw: Option<&str>) -> Result<Params, String> {
        let spec = lookup(method).expect("a method");
        let raw = raw.map(|raw| RawValue::from_string(raw.to_owned()).expect("JSON"));
        params(spec, find(method), raw.as_deref()).map_err(|error| error.into_rpc().message)
    }

    #[test]
    fn params_are_missed_as_by_the_reference() {
        let missing = |what: &str| Err(format!("Invalid request: missing field `{what}`"));
        assert_eq!(missed("app/read", None), missing("params"));
        assert_eq!(missed("app/read", Some("null")), missing("params"));
        assert_eq!(missed("app/read", Some("{}")), missing("appIds"));
        assert_eq!(missed("account/usage/read", None), Ok(Params::new()));
        assert_eq!(
            missed("thread/realtime/start", Some("{}")),
            missing("threadId")
        );
        assert_eq!(
            missed("thread/realtime/start", Some(r#"{"threadId":"x"}"#)),
            missing("outputModality")
        );
        assert!(missed("app/read", Some("[]")).is_err());
    }
}
