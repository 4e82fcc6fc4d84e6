//! What a command outside of threads may do: the request's word, else the configuration's.

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

use loomd_config::Config;
use loomd_protocol::{AbsolutePathBuf, SandboxPolicy};
use loomd_tools::{Confinement, Grants};
use serde_json::Map;

use crate::Server;
use crate::assemble;
use crate::errors::{ApiError, ApiResult};

/// What counts for a command.
pub(crate) struct Bounds {
    /// What confines it, if anything does.
    pub(crate) confinement: Option<Confinement>,
    /// By what it sees that it has no network.
    pub(crate) variable: Option<(OsString, OsString)>,
    /// The configuration of its folder.
    pub(crate) config: Arc<Config>,
}

/// The configuration that counts for a command in `cwd`, and what confines it. Its own
/// folder is the workspace; in the reference it is the folder that the server was started in.
///
/// # Errors
/// The request names both a policy and a profile, or a profile that cannot be used; the
/// configuration is broken.
pub(crate) fn bounds(
    server: &Server,
    cwd: &AbsolutePathBuf,
    policy: Option<SandboxPolicy>,
    profile: Option<String>,
) -> ApiResult<Bounds> {
    if policy.is_some() && profile.is_some() {
        return Err(both());
    }
    let by_profile = profile.is_some();
    let mut overrides = Map::new();
    if let Some(profile) = profile {
        overrides.insert("default_permissions".to_owned(), profile.into());
    }
    let loaded = server
        .loader
        .load(Some(Path::new(cwd.as_str())), &overrides);
    let config = loaded.map_err(|error| {
        let what = if by_profile {
            "invalid permission profile"
        } else {
            "failed to load configuration"
        };
        ApiError::invalid(format!("{what}: {error}"))
    })?;
    let (policy, rules) = match policy {
        Some(policy) => (policy, None),
        None => {
            let (policy, _, rules) = assemble::confines(&config);
            (policy, rules)
        }
    };
    let site = assemble::site(server, cwd);
    let bounds = loomd_tools::bounds(&policy, rules.as_deref(), Grants::default(), site);
    let confinement = bounds.map(|bounds| Confinement {
        sandbox: Arc::clone(&server.sandbox),
        bounds,
    });
    Ok(Bounds {
        variable: loomd_tools::network_variable(&policy, confinement.as_ref()),
        confinement,
        config,
    })
}

/// The refusal of a request that says twice what a command may do.
pub(crate) fn both() -> ApiError {
    ApiError::invalid("`permissionProfile` cannot be combined with `sandboxPolicy`")
}
