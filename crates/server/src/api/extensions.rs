//! What can be added to an agent: hooks, MCP servers, plugins, apps.
//!
//! None of them runs yet. What is configured shows all the same, with a note that it
//! does not run, so that nobody waits for a hook that never comes.

use std::path::PathBuf;
use std::sync::Arc;

use loomd_config::{Config, ConfigError};
use loomd_protocol::{
    AppsListParams, AppsListResponse, HookErrorInfo, HooksListEntry, HooksListParams,
    HooksListResponse, ListMcpServerStatusParams, ListMcpServerStatusResponse, McpAuthStatus,
    McpServerConnectionStatus, McpServerStatus, PluginInstalledParams, PluginInstalledResponse,
    PluginListParams, PluginListResponse, methods,
};
use loomd_thread::{Command, Reply};
use serde_json::Value;

use super::catalog::check_loaded;
use super::config::{broken, load};
use super::offset;
use crate::Server;
use crate::errors::{ApiError, ApiResult};
use crate::ids::parse_thread_id;
use crate::router::{Cx, Route, on_connection, on_read};

const NO_HOOKS: &str = "hooks are configured, but this version of loomd does not run hooks";
const NO_MCP: &str = "this version of loomd does not start MCP servers";

pub(crate) fn routes() -> Vec<Route> {
    vec![
        on_read::<methods::HooksList, _>(hooks),
        on_read::<methods::McpServerStatusList, _>(mcp_servers),
        on_connection::<methods::PluginList>(plugins),
        on_connection::<methods::PluginInstalled>(installed_plugins),
        on_connection::<methods::AppList>(apps),
    ]
}

/// The folders a list is for, as the client wrote them: those it names, else the
/// server's own.
pub(crate) fn folders(server: &Server, named: Vec<String>) -> Vec<String> {
    if named.is_empty() {
        vec![server.environment.current_dir.display().to_string()]
    } else {
        named
    }
}

/// The working folder of a loaded thread.
async fn thread_cwd(server: &Server, thread_id: &str) -> ApiResult<String> {
    let id = parse_thread_id(thread_id)?;
    match server
        .registry
        .ask(id, Command::View { turns: false })
        .await
    {
        Some(Ok(Reply::View(view))) => Ok(view.settings.cwd.as_str().to_owned()),
        Some(_) | None => Err(ApiError::thread_not_found(thread_id)),
    }
}

async fn hooks(cx: Cx, params: HooksListParams) -> ApiResult<HooksListResponse> {
    let server = &cx.server;
    let cwds = match &params.thread_id {
        Some(id) => {
            let cwd = thread_cwd(server, id).await?;
            if params.cwds.is_empty() {
                vec![cwd]
            } else {
                params.cwds
            }
        }
        None => folders(server, params.cwds),
    };
    let mut data = Vec::with_capacity(cwds.len());
    for cwd in cwds {
        let config = load(server, Some(PathBuf::from(&cwd))).await?;
        data.push(hooks_entry(cwd, &config));
    }
    Ok(HooksListResponse { data })
}

fn hooks_entry(cwd: String, config: &Result<Arc<Config>, ConfigError>) -> HooksListEntry {
    let (warnings, errors) = match config {
        Ok(config) => {
            let told = has_hooks(config).then(|| NO_HOOKS.to_owned());
            (told.into_iter().collect(), Vec::new())
        }
        Err(error) => {
            let told = HookErrorInfo {
                path: cwd.clone(),
                message: error.to_string(),
            };
            (Vec::new(), vec![told])
        }
    };
    HooksListEntry {
        cwd,
        hooks: Vec::new(),
        warnings,
        errors,
    }
}

fn has_hooks(config: &Config) -> bool {
    config
        .layers
        .iter()
        .filter(|layer| layer.disabled.is_none())
        .any(|layer| layer.table().contains_key("hooks"))
}

async fn mcp_servers(
    cx: Cx,
    params: ListMcpServerStatusParams,
) -> ApiResult<ListMcpServerStatusResponse> {
    let cwd = match &params.thread_id {
        Some(id) => PathBuf::from(thread_cwd(&cx.server, id).await?),
        None => cx.server.environment.current_dir.clone(),
    };
    let config = load(&cx.server, Some(cwd))
        .await?
        .map_err(|error| broken(&error))?;
    let in_thread = params.thread_id.is_some();
    let servers: Vec<McpServerStatus> = config
        .mcp_servers
        .iter()
        .filter(|(name, _)| {
            params
                .server_name
                .as_ref()
                .is_none_or(|wanted| wanted == *name)
        })
        .map(|(name, settings)| mcp_server(name, settings, in_thread))
        .collect();
    let page = offset::page(
        servers,
        params.cursor.as_deref(),
        params.limit,
        "MCP servers",
    )?;
    Ok(ListMcpServerStatusResponse {
        data: page.data,
        next_cursor: page.next_cursor,
    })
}

/// A configured server, as one that was not started.
fn mcp_server(name: &str, settings: &Value, in_thread: bool) -> McpServerStatus {
    let text = |key: &str| settings.get(key).and_then(Value::as_str);
    let enabled = settings.get("enabled").and_then(Value::as_bool) != Some(false);
    let url = text("url");
    let status = if enabled {
        McpServerConnectionStatus::NotStarted
    } else {
        McpServerConnectionStatus::Disabled
    };
    McpServerStatus {
        name: name.to_owned(),
        runtime_status: in_thread.then_some(status),
        plugin_id: None,
        http_origin: url.and_then(origin),
        server_info: None,
        server_capabilities: None,
        tool_list_meta: None,
        tools: Default::default(),
        tools_error: enabled.then(|| NO_MCP.to_owned()),
        resources: Vec::new(),
        resource_templates: Vec::new(),
        auth_status: match url {
            Some(_) if !enabled => McpAuthStatus::Unsupported,
            Some(_) if text("bearer_token_env_var").is_some() => McpAuthStatus::BearerToken,
            Some(_) => McpAuthStatus::Unknown,
            None => McpAuthStatus::Unsupported,
        },
    }
}

/// Scheme, host and port of a URL, without who logs in there.
fn origin(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    (!host.is_empty()).then(|| format!("{scheme}://{host}"))
}

fn plugins(_cx: &Cx, _params: PluginListParams) -> ApiResult<PluginListResponse> {
    Ok(PluginListResponse {
        marketplaces: Vec::new(),
        marketplace_load_errors: Vec::new(),
        featured_plugin_ids: Vec::new(),
    })
}

fn installed_plugins(
    _cx: &Cx,
    _params: PluginInstalledParams,
) -> ApiResult<PluginInstalledResponse> {
    Ok(PluginInstalledResponse {
        marketplaces: Vec::new(),
        marketplace_load_errors: Vec::new(),
    })
}

/// The vendor's catalogue; the reference without a login answers the same, whatever
/// the cursor.
fn apps(cx: &Cx, params: AppsListParams) -> ApiResult<AppsListResponse> {
    check_loaded(&cx.server, params.thread_id.as_deref())?;
    Ok(AppsListResponse {
        data: Vec::new(),
        next_cursor: None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_origin_ends_before_the_path_and_shows_no_password() {
        let cases = [
            ("http://127.0.0.1:1/mcp", Some("http://127.0.0.1:1")),
            ("https://ada:secret@host?x", Some("https://host")),
            ("https://[::1]:8", Some("https://[::1]:8")),
            ("http:///mcp", None),
            ("nonsense", None),
        ];
        for (url, expected) in cases {
            assert_eq!(origin(url).as_deref(), expected, "{url}");
        }
    }

    #[test]
    fn a_configured_server_shows_as_not_started_and_says_why() {
        let server = mcp_server("s", &json!({"command": "x"}), true);
        assert_eq!(
            server.runtime_status,
            Some(McpServerConnectionStatus::NotStarted)
        );
        assert_eq!(server.tools_error.as_deref(), Some(NO_MCP));
        assert_eq!(server.auth_status, McpAuthStatus::Unsupported);
        let alone = mcp_server("s", &json!({"command": "x"}), false);
        assert_eq!(alone.runtime_status, None);
    }

    #[test]
    fn a_server_that_is_switched_off_is_no_failure() {
        let server = mcp_server("s", &json!({"url": "http://h/m", "enabled": false}), true);
        assert_eq!(
            server.runtime_status,
            Some(McpServerConnectionStatus::Disabled)
        );
        assert_eq!(server.tools_error, None);
        assert_eq!(server.auth_status, McpAuthStatus::Unsupported);
    }

    #[test]
    fn how_a_web_server_is_logged_in_to_follows_its_settings() {
        let with_token = json!({"url": "http://h/m", "bearer_token_env_var": "T"});
        let token = mcp_server("s", &with_token, false);
        assert_eq!(token.auth_status, McpAuthStatus::BearerToken);
        assert_eq!(token.http_origin.as_deref(), Some("http://h"));
        let open = mcp_server("s", &json!({"url": "http://h/m"}), false);
        assert_eq!(open.auth_status, McpAuthStatus::Unknown);
    }
}
