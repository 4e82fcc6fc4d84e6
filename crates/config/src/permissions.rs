//! Permission profiles: names for what commands may write.
//!
//! Three are built in; `[permissions.NAME]` adds more. loomd's sandbox knows reading
//! everything and writing some folders, so a profile that asks for more than that (to
//! hide files, say) is refused rather than half obeyed.

use std::path::PathBuf;

use serde::Serialize;
use toml::Value;

use crate::error::ConfigError;
use crate::schema::{ConfigToml, PermissionsToml};
use crate::snapshot::SandboxWorkspaceWrite;
use crate::words::SandboxMode;

const READ_ONLY: &str = ":read-only";
const WORKSPACE: &str = ":workspace";
const DANGER_FULL_ACCESS: &str = ":danger-full-access";

/// One entry of `permissionProfile/list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PermissionProfile {
    /// `:read-only`, `:workspace`, `:danger-full-access`, or a configured name.
    pub id: String,
    /// From the configuration.
    pub description: Option<String>,
    /// Whether it may be chosen; always, since loomd has no managed requirements.
    pub allowed: bool,
}

/// What a profile allows, in the terms of the sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Access {
    pub(crate) mode: SandboxMode,
    pub(crate) write: SandboxWorkspaceWrite,
}

pub(crate) fn list(config: &ConfigToml) -> Vec<PermissionProfile> {
    let built_in = [READ_ONLY, WORKSPACE, DANGER_FULL_ACCESS].map(|id| (id, None));
    let configured = config
        .permissions
        .iter()
        .flatten()
        .map(|(id, profile)| (id.as_str(), profile.description.clone()));
    built_in
        .into_iter()
        .chain(configured)
        .map(|(id, description)| PermissionProfile {
            id: id.to_owned(),
            description,
            allowed: true,
        })
        .collect()
}

/// What the profile `id` allows; `write` is the configured `sandbox_workspace_write`.
pub(crate) fn access(
    id: &str,
    config: &ConfigToml,
    write: &SandboxWorkspaceWrite,
) -> Result<Access, ConfigError> {
    let built_in = |mode| Access {
        mode,
        write: write.clone(),
    };
    match id {
        READ_ONLY => return Ok(built_in(SandboxMode::ReadOnly)),
        WORKSPACE => return Ok(built_in(SandboxMode::WorkspaceWrite)),
        DANGER_FULL_ACCESS => return Ok(built_in(SandboxMode::DangerFullAccess)),
        _ if id.starts_with(':') => {
            return Err(ConfigError::Permissions(format!(
                "default_permissions refers to unknown built-in profile `{id}`"
            )));
        }
        _ => {}
    }
    let Some(profiles) = &config.permissions else {
        return Err(ConfigError::Permissions(
            "default_permissions requires a `[permissions]` table".to_owned(),
        ));
    };
    let profile = profiles.get(id).ok_or_else(|| {
        ConfigError::Permissions(format!(
            "default_permissions refers to undefined profile `{id}`"
        ))
    })?;
    configured(profile).map_err(|why| {
        ConfigError::Permissions(format!("permission profile `{id}` is not supported: {why}"))
    })
}

fn configured(profile: &PermissionsToml) -> Result<Access, String> {
    let mut workspace = match profile.extends.as_deref() {
        None | Some(READ_ONLY) => false,
        Some(WORKSPACE) => true,
        Some(other) => return Err(format!("it extends `{other}`")),
    };
    let mut write = SandboxWorkspaceWrite {
        network_access: profile
            .network
            .as_ref()
            .and_then(|network| network.enabled)
            .unwrap_or(false),
        exclude_tmpdir_env_var: !workspace,
        exclude_slash_tmp: !workspace,
        writable_roots: Vec::new(),
    };
    let mut everything = false;
    for (place, access) in &profile.filesystem {
        match access.as_str() {
            Some("read") => continue,
            Some("write") => {}
            Some(other) => return Err(format!("access `{other}` to `{place}`")),
            None => workspace |= nested_roots(place, access)?,
        }
        match place.as_str() {
            ":root" => everything = true,
            ":project_roots" | ":workspace_roots" => workspace = true,
            ":tmpdir" => write.exclude_tmpdir_env_var = false,
            ":slash_tmp" => write.exclude_slash_tmp = false,
            path if path.starts_with('/') => write.writable_roots.push(PathBuf::from(path)),
            other => return Err(format!("place `{other}`")),
        }
    }
    let temporary = !(write.exclude_slash_tmp && write.exclude_tmpdir_env_var);
    let mode = match (everything, workspace) {
        (true, _) => SandboxMode::DangerFullAccess,
        (false, true) => SandboxMode::WorkspaceWrite,
        (false, false) if write.writable_roots.is_empty() && !temporary => SandboxMode::ReadOnly,
        (false, false) => return Err("it writes elsewhere but not in the workspace".to_owned()),
    };
    Ok(Access { mode, write })
}

/// `":project_roots" = {"." = "write"}`: the only nested form that can be obeyed.
fn nested_roots(place: &str, access: &Value) -> Result<bool, String> {
    let roots = matches!(place, ":project_roots" | ":workspace_roots");
    let entries = access.as_table().filter(|_| roots);
    let only = entries.filter(|entries| entries.len() == 1);
    match only.and_then(|entries| entries.get(".")?.as_str()) {
        Some("write") => Ok(true),
        Some(_) | None => Err(format!("the rules below `{place}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(id: &str, text: &str) -> Result<Access, String> {
        let config = toml::from_str(text).expect("the test's TOML has the right types");
        access(id, &config, &SandboxWorkspaceWrite::default()).map_err(|error| error.to_string())
    }

    fn mode(id: &str, text: &str) -> Result<SandboxMode, String> {
        resolve(id, text).map(|access| access.mode)
    }

    #[test]
    fn built_in_profiles_are_the_sandbox_modes() {
        assert_eq!(mode(":read-only", ""), Ok(SandboxMode::ReadOnly));
        assert_eq!(mode(":workspace", ""), Ok(SandboxMode::WorkspaceWrite));
        assert_eq!(
            mode(":danger-full-access", ""),
            Ok(SandboxMode::DangerFullAccess)
        );
        assert_eq!(
            mode(":x", ""),
            Err("default_permissions refers to unknown built-in profile `:x`".to_owned())
        );
        assert_eq!(
            mode("nope", ""),
            Err("default_permissions requires a `[permissions]` table".to_owned())
        );
    }

    #[test]
    fn a_configured_profile_becomes_a_mode_and_roots() {
        let text = "[permissions.c]\nextends = ':workspace'\nnetwork.enabled = true\n\
                    [permissions.c.filesystem]\n':root' = 'read'\n'/data' = 'write'";
        let access = resolve("c", text).expect("it can be obeyed");
        assert_eq!(access.mode, SandboxMode::WorkspaceWrite);
        assert_eq!(access.write.writable_roots, [PathBuf::from("/data")]);
        assert!(access.write.network_access && !access.write.exclude_slash_tmp);
        let read = "[permissions.c.filesystem]\n':root' = 'read'";
        assert_eq!(mode("c", read), Ok(SandboxMode::ReadOnly));
    }

    #[test]
    fn a_profile_that_cannot_be_obeyed_is_refused() {
        for text in [
            "[permissions.c.filesystem]\n'/secret' = 'none'",
            "[permissions.c.filesystem]\n'**/*.env' = 'write'",
            "[permissions.c.filesystem]\n':project_roots' = {'.' = 'write', 'src' = 'read'}",
            "[permissions.c.filesystem]\n'/data' = 'write'",
            "[permissions.c]\nextends = 'other'",
        ] {
            let error = mode("c", text).expect_err("it cannot be obeyed");
            assert!(
                error.starts_with("permission profile `c` is not supported"),
                "{error}"
            );
        }
    }
}
