//! What there is to choose from, and what the server says of itself.
//!
//! Lists come from the configuration and are short; none of them reaches the network.
//! A list that has no substance here (loomd's feature flags cannot be switched, say)
//! tells so by its content, never by an error that a client would trip over.

use std::sync::Arc;

use loomd_config::{Config, ConfigError, catalog};
use loomd_protocol::{
    BedrockCheckGovCloudRequirementsParams, BedrockCheckGovCloudRequirementsResponse,
    CollaborationModeListParams, CollaborationModeListResponse, CollaborationModeMask,
    ExperimentalFeature, ExperimentalFeatureListParams, ExperimentalFeatureListResponse,
    ExperimentalFeatureStage, MockExperimentalMethodParams, MockExperimentalMethodResponse,
    ModeKind, ModelListParams, ModelListResponse, ModelProviderCapabilitiesReadParams,
    ModelProviderCapabilitiesReadResponse, NoParams, PermissionProfileListParams,
    PermissionProfileListResponse, RemoteControlConnectionStatus, RemoteControlStatusReadResponse,
    ServerDiagnosticsGauge, ServerDiagnosticsParams, ServerDiagnosticsProcess,
    ServerDiagnosticsResponse, ThreadStatus, methods,
};
use serde_json::json;

use super::config::{broken, load, load_or_defaults, reshape};
use super::offset;
use crate::Server;
use crate::errors::{ApiError, ApiResult};
use crate::ids::parse_thread_id;
use crate::router::{Cx, Route, on_connection, on_read};

pub(crate) fn routes() -> Vec<Route> {
    vec![
        on_read::<methods::ModelList, _>(models),
        on_connection::<methods::ModelProviderCapabilitiesRead>(capabilities),
        on_connection::<methods::CollaborationModeList>(collaboration_modes),
        on_read::<methods::PermissionProfileList, _>(permission_profiles),
        on_connection::<methods::ExperimentalFeatureList>(features),
        on_connection::<methods::MockExperimentalMethod>(echo),
        on_connection::<methods::ServerDiagnostics>(diagnostics),
        on_connection::<methods::RemoteControlStatusRead>(remote_control),
        on_connection::<methods::AccountBedrockCheckGovCloudRequirements>(gov_cloud),
    ]
}

/// Refuses the id of a thread that is not loaded, where a method lets one be named.
pub(crate) fn check_loaded(server: &Server, thread_id: Option<&str>) -> ApiResult<()> {
    let Some(text) = thread_id else {
        return Ok(());
    };
    let id = parse_thread_id(text)?;
    match server.registry.get(id) {
        Some(_handle) => Ok(()),
        None => Err(ApiError::thread_not_found(text)),
    }
}

async fn models(cx: Cx, params: ModelListParams) -> ApiResult<ModelListResponse> {
    let config = match params.model_provider {
        None => load_or_defaults(&cx.server).await?,
        Some(provider) => of_provider(&cx.server, provider).await?,
    };
    let with_hidden = params.include_hidden.unwrap_or(false);
    let mut entries = catalog::list(&config);
    entries.retain(|entry| with_hidden || !entry.hidden);
    let page = offset::page(entries, params.cursor.as_deref(), params.limit, "models")?;
    Ok(ModelListResponse {
        data: reshape(&page.data)?,
        next_cursor: page.next_cursor,
    })
}

/// The configuration as it would be with another provider.
async fn of_provider(server: &Arc<Server>, provider: String) -> ApiResult<Arc<Config>> {
    let worker = Arc::clone(server);
    let request = [("model_provider".to_owned(), provider.into())];
    let loaded = crate::blocking(move || {
        let request = request.into_iter().collect();
        worker.loader.load(None, &request)
    })
    .await?;
    match loaded {
        Ok(config) => Ok(config),
        // The word in `data` is what clients go by.
        Err(ConfigError::UnknownProvider(provider)) => Err(ApiError::invalid(format!(
            "model provider `{provider}` is not configured"
        ))
        .with_data(json!({ "type": "modelProviderNotConfigured", "modelProvider": provider }))),
        Err(error) => {
            tracing::debug!(%error, "answering from defaults");
            Ok(server.loader.defaults())
        }
    }
}

/// Tools that run at the model's host are not offered to any model.
fn capabilities(
    _cx: &Cx,
    _params: ModelProviderCapabilitiesReadParams,
) -> ApiResult<ModelProviderCapabilitiesReadResponse> {
    Ok(ModelProviderCapabilitiesReadResponse {
        image_generation: false,
        web_search: false,
    })
}

fn collaboration_modes(
    _cx: &Cx,
    _params: CollaborationModeListParams,
) -> ApiResult<CollaborationModeListResponse> {
    let mode = |name: &str, mode, effort: Option<&str>| CollaborationModeMask {
        name: name.to_owned(),
        mode: Some(mode),
        model: None,
        reasoning_effort: effort.map(str::to_owned),
    };
    Ok(CollaborationModeListResponse {
        data: vec![
            mode("Plan", ModeKind::Plan, Some("medium")),
            mode("Default", ModeKind::Default, None),
        ],
    })
}

async fn permission_profiles(
    cx: Cx,
    params: PermissionProfileListParams,
) -> ApiResult<PermissionProfileListResponse> {
    let config = load(&cx.server, params.cwd.map(Into::into))
        .await?
        .map_err(|error| broken(&error))?;
    let page = offset::page(
        config.permission_profiles.clone(),
        params.cursor.as_deref(),
        params.limit,
        "permission profiles",
    )?;
    Ok(PermissionProfileListResponse {
        data: reshape(&page.data)?,
        next_cursor: page.next_cursor,
    })
}

/// Names of the reference's flags that say something of loomd: what it has, and what
/// a client should not offer because it has not. They follow the program, not the
/// configuration.
const FEATURES: [(&str, bool); 13] = [
    ("shell_tool", true),
    ("unified_exec", true),
    ("view_image", true),
    ("apps", false),
    ("goals", false),
    ("guardian_approval", false),
    ("hooks", false),
    ("image_generation", false),
    ("memories", false),
    ("multi_agent", false),
    ("plugins", false),
    ("realtime_conversation", false),
    ("remote_control", false),
];

fn features(
    cx: &Cx,
    params: ExperimentalFeatureListParams,
) -> ApiResult<ExperimentalFeatureListResponse> {
    check_loaded(&cx.server, params.thread_id.as_deref())?;
    let all = FEATURES.iter().map(|(name, built)| ExperimentalFeature {
        name: (*name).to_owned(),
        stage: if *built {
            ExperimentalFeatureStage::Stable
        } else {
            ExperimentalFeatureStage::UnderDevelopment
        },
        display_name: None,
        description: None,
        announcement: None,
        enabled: *built,
        default_enabled: *built,
    });
    let page = offset::page(
        all.collect(),
        params.cursor.as_deref(),
        params.limit,
        "feature flags",
    )?;
    Ok(ExperimentalFeatureListResponse {
        data: page.data,
        next_cursor: page.next_cursor,
    })
}

/// Clients test their experimental capability with it.
fn echo(
    _cx: &Cx,
    params: MockExperimentalMethodParams,
) -> ApiResult<MockExperimentalMethodResponse> {
    Ok(MockExperimentalMethodResponse {
        echoed: params.value,
    })
}

fn diagnostics(cx: &Cx, _params: ServerDiagnosticsParams) -> ApiResult<ServerDiagnosticsResponse> {
    let server = &cx.server;
    let loaded = server.registry.ids();
    let active = loaded
        .iter()
        .filter(|id| matches!(server.registry.status(**id), ThreadStatus::Active { .. }))
        .count();
    let gauge = |name: &str, value: usize| ServerDiagnosticsGauge {
        name: name.to_owned(),
        value: u64::try_from(value).unwrap_or(u64::MAX),
    };
    Ok(ServerDiagnosticsResponse {
        process: ServerDiagnosticsProcess {
            id: std::process::id(),
            resident_memory_bytes: std::fs::read_to_string("/proc/self/status")
                .ok()
                .and_then(|status| resident_bytes(&status)),
            physical_footprint_bytes: None,
        },
        gauges: vec![
            gauge("app.connections.open", server.peers.count()),
            gauge("app.threads.loaded", loaded.len()),
            gauge("app.threads.active", active),
        ],
    })
}

/// Resident memory out of Linux's `/proc/PID/status`, which counts it in KiB whatever
/// the size of a page.
fn resident_bytes(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    kib.checked_mul(1024)
}

fn remote_control(cx: &Cx, _params: NoParams) -> ApiResult<RemoteControlStatusReadResponse> {
    Ok(RemoteControlStatusReadResponse {
        status: RemoteControlConnectionStatus::Disabled,
        server_name: host_name(),
        installation_id: installation_id(&cx.server),
        environment_id: None,
    })
}

/// The machine's name.
pub(crate) fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_owned())
        .ok()
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "localhost".to_owned())
}

/// The id of this installation. The first call makes its file where there is none; a
/// home that cannot be written gives an id for this run.
pub(crate) fn installation_id(server: &Server) -> String {
    let make = || {
        loomd_config::installation_id(&server.home, &*server.ids).unwrap_or_else(|error| {
            tracing::warn!(%error, "the installation id is for this run only");
            server.ids.v4().to_string()
        })
    };
    server.installation_id.get_or_init(make).clone()
}

fn gov_cloud(
    _cx: &Cx,
    _params: BedrockCheckGovCloudRequirementsParams,
) -> ApiResult<BedrockCheckGovCloudRequirementsResponse> {
    Ok(BedrockCheckGovCloudRequirementsResponse {
        is_gov_cloud: false,
        should_warn: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_read_in_bytes() {
        let status = "Name:\tloomd\nVmHWM:\t   9000 kB\nVmRSS:\t   1234 kB\nThreads:\t3\n";
        assert_eq!(resident_bytes(status), Some(1234 * 1024));
        assert_eq!(resident_bytes("Name:\tloomd\n"), None);
        assert_eq!(resident_bytes("VmRSS:\tmuch\n"), None);
    }

    #[test]
    fn the_machine_has_a_name_on_one_line() {
        let name = host_name();
        assert!(!name.is_empty() && !name.contains('\n'), "{name:?}");
    }
}
