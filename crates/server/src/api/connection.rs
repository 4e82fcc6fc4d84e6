//! initialize, and what concerns the connection and the process as a whole.

use loomd_execpolicy::Position;
use loomd_protocol::{
    ConfigWarningNotification, InitializeParams, InitializeResponse, LoomdServer,
    RemoteControlConnectionStatus, RemoteControlStatusChangedNotification, ServerNotification,
    TextRange, methods,
};

use crate::Server;
use crate::errors::{ApiError, ApiResult};
use crate::host::send_to;
use crate::peer::Client;
use crate::router::{Answer, Cx, Route, before_handshake};
use crate::user_agent;

pub(crate) fn routes() -> Vec<Route> {
    vec![before_handshake::<methods::Initialize>(initialize)]
}

/// Answers, then sends the handshake's own notifications, and only then lets
/// broadcasts through.
fn initialize(cx: &Cx, params: InitializeParams, answer: Answer<methods::Initialize>) {
    let result = accept(cx, params);
    let accepted = result.is_ok();
    answer.send(result);
    if !accepted {
        return;
    }
    let server = &cx.server;
    let now_ms = server.clock.now().wall_ms;
    for warning in server.loader.warnings(None) {
        let note = ServerNotification::ConfigWarning(super::config::warning(&warning));
        send_to([&cx.peer].into_iter(), &note, now_ms);
    }
    for note in rule_warnings(server) {
        let note = ServerNotification::ConfigWarning(note);
        send_to([&cx.peer].into_iter(), &note, now_ms);
    }
    let status = RemoteControlStatusChangedNotification {
        status: RemoteControlConnectionStatus::Disabled,
        server_name: super::catalog::host_name(),
        installation_id: super::catalog::installation_id(server),
        environment_id: None,
    };
    let note = ServerNotification::RemoteControlStatusChanged(status);
    send_to([&cx.peer].into_iter(), &note, now_ms);
    cx.peer.set_ready();
}

/// What is wrong with the rules files that count in the folder of the process. Whoever wrote
/// one would otherwise wonder why nothing is allowed any more.
fn rule_warnings(server: &Server) -> Vec<ConfigWarningNotification> {
    let folders = server
        .loader
        .load(None, &serde_json::Map::new())
        .map_or_else(|_| Vec::new(), |config| config.rule_folders());
    let position = |at: Position| super::config::position(at.line, at.column);
    let rules = server.rules.rules(&folders);
    let warnings = rules
        .errors()
        .iter()
        .map(|error| ConfigWarningNotification {
            summary: "A rules file has a fault; until it is mended no rule allows anything."
                .to_owned(),
            details: Some(error.to_string()),
            path: Some(error.path.display().to_string()),
            range: error.span.map(|span| TextRange {
                start: position(span.start),
                end: position(span.end),
            }),
        });
    warnings.collect()
}

fn accept(cx: &Cx, params: InitializeParams) -> ApiResult<InitializeResponse> {
    let name = params.client_info.name;
    if cx.peer.client().is_some() {
        return Err(ApiError::invalid("Already initialized"));
    }
    if !user_agent::is_header_value(&name) {
        return Err(ApiError::invalid(format!(
            "Invalid clientInfo.name: '{name}'. Must be a valid HTTP header value."
        )));
    }
    let capabilities = params.capabilities.unwrap_or_default();
    let own = capabilities.loomd;
    let client = Client {
        event_numbers: own.is_some_and(|own| own.event_numbers),
        name: name.clone(),
        version: params.client_info.version.clone(),
        experimental: capabilities.experimental_api,
        opt_outs: capabilities
            .opt_out_notification_methods
            .unwrap_or_default()
            .into_iter()
            .collect(),
    };
    cx.server
        .user_agent
        .on_client(&name, &params.client_info.version);
    if !cx.peer.initialize(client) {
        return Err(ApiError::invalid("Already initialized"));
    }
    Ok(InitializeResponse {
        user_agent: cx.server.user_agent.text(),
        codex_home: loomd_protocol::AbsolutePathBuf::new(cx.server.home.display().to_string())
            .ok_or_else(|| ApiError::internal("the home folder is not an absolute path"))?,
        platform_family: std::env::consts::FAMILY.to_owned(),
        platform_os: std::env::consts::OS.to_owned(),
        loomd: own.map(|own| LoomdServer {
            version: crate::VERSION.to_owned(),
            event_numbers: own.event_numbers,
        }),
    })
}
