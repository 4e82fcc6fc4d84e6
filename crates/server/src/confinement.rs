//! What a command outside of threads may do: the request's word, else the configuration's.

use std::path::Path;
use std::sync::Arc;

use loomd_config::Config;
use loomd_protocol::{AbsolutePathBuf, SandboxPolicy};
use serde_json::Map;

use crate::Server;
use crate::assemble;
use crate::errors::{ApiError, ApiResult};

/// The bounds of one command.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Confinement {
    pub(crate) policy: SandboxPolicy,
    /// Where it may write, if the policy lets it write in its workspace: the folder it runs
    /// in, then the folders that the policy names.
    pub(crate) roots: Vec<AbsolutePathBuf>,
}

/// The configuration that counts for a command in `cwd`, and the command's bounds. Its own
/// folder is the workspace; in the reference it is the folder that the server was started in.
///
/// # Errors
/// The request names both a policy and a profile, or a profile that cannot be used; the
/// configuration is broken.
pub(crate) fn confinement(
    server: &Server,
    cwd: &AbsolutePathBuf,
    policy: Option<SandboxPolicy>,
    profile: Option<String>,
) -> ApiResult<(Confinement, Arc<Config>)> {
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
    let policy = policy.unwrap_or_else(|| assemble::sandbox_policy(&config));
    let mut roots = Vec::new();
    if let SandboxPolicy::WorkspaceWrite { writable_roots, .. } = &policy {
        roots.push(cwd.clone());
        roots.extend(writable_roots.iter().filter(|root| *root != cwd).cloned());
    }
    Ok((Confinement { policy, roots }, config))
}

/// The refusal of a request that says twice what a command may do.
pub(crate) fn both() -> ApiError {
    ApiError::invalid("`permissionProfile` cannot be combined with `sandboxPolicy`")
}

impl Confinement {
    /// Whether the command runs as it is. Until something can confine it, one that has to be
    /// confined is refused.
    ///
    /// # Errors
    /// The refusal.
    pub(crate) fn check_unconfined(&self) -> ApiResult<()> {
        match self.policy {
            SandboxPolicy::DangerFullAccess | SandboxPolicy::ExternalSandbox { .. } => Ok(()),
            SandboxPolicy::ReadOnly { .. } | SandboxPolicy::WorkspaceWrite { .. } => {
                Err(ApiError::invalid(format!(
                    "command/exec is refused: its sandbox policy is `{}`, and this server cannot \
                     confine commands yet; if this machine may be changed freely, ask for \
                     `dangerFullAccess`",
                    assemble::policy_word(&self.policy)
                )))
            }
        }
    }
}
