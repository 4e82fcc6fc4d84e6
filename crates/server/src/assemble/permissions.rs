//! What the configuration says that commands may touch, in the words of threads and tools.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;

use loomd_config::{ActiveProfile, Config, RuleAccess, RulePlace, SandboxMode};
use loomd_events::{FileRules, WORKSPACE_GLOB};
use loomd_protocol::{
    AbsolutePathBuf, ActivePermissionProfile, FileSystemAccessMode, FileSystemPath,
    FileSystemSandboxEntry, FileSystemSpecialPath, SandboxPolicy, ThreadSettings,
};
use loomd_thread::Permissions;
use loomd_tools::{Grants, Site};
use serde_json::Map;

use crate::Server;
use crate::errors::{ApiError, ApiResult};

/// What commands may touch, as the configuration has it: the policy, the profile that says
/// so, and its rules about files.
pub(crate) fn confines(
    config: &Config,
) -> (
    SandboxPolicy,
    Option<ActivePermissionProfile>,
    Option<Arc<FileRules>>,
) {
    let profile = config.active_permission_profile.as_ref();
    (
        sandbox_policy(config),
        profile.map(active),
        profile
            .and_then(|profile| profile.files.as_ref())
            .map(|rules| Arc::new(file_rules(rules))),
    )
}

/// What the profile `id` says, in the configuration as it is for `cwd`.
///
/// # Errors
/// There is no such profile, it cannot be enforced, or the configuration is broken.
pub(crate) fn permissions(
    server: &Server,
    cwd: &AbsolutePathBuf,
    id: &str,
) -> ApiResult<Permissions> {
    let mut overrides = Map::new();
    overrides.insert("default_permissions".to_owned(), id.into());
    let loaded = server.loader.load(Some(cwd.as_path()), &overrides);
    let config = loaded
        .map_err(|error| ApiError::invalid(format!("failed to load configuration: {error}")))?;
    let (sandbox_policy, profile, file_rules) = confines(&config);
    Ok(Permissions {
        profile: profile.unwrap_or_else(|| ActivePermissionProfile {
            id: id.to_owned(),
            extends: None,
        }),
        sandbox_policy,
        file_rules,
    })
}

/// Which files the model may be told, since its commands could read them.
pub(crate) fn may_read(
    server: &Server,
    settings: &ThreadSettings,
    rules: Option<&FileRules>,
) -> impl Fn(&Path) -> bool {
    let policy = rules.and_then(|rules| {
        let site = site(server, &settings.cwd);
        let policy = &settings.sandbox_policy;
        let bounds = loomd_tools::bounds(policy, Some(rules), Grants::default(), site)?;
        Some(bounds.settle())
    });
    move |path| match &policy {
        None => true,
        Some(Ok(policy)) => !policy.forbids_read(path),
        Some(Err(_)) => false,
    }
}

/// Where a program of the server works that works in `folder`.
pub(crate) fn site<'a>(server: &'a Server, folder: &'a AbsolutePathBuf) -> Site<'a> {
    Site {
        folder: folder.as_path(),
        temporary: server.environment.var("TMPDIR").map(OsStr::new),
        home: &server.home,
    }
}

fn active(profile: &ActiveProfile) -> ActivePermissionProfile {
    ActivePermissionProfile {
        id: profile.id.clone(),
        extends: profile.extends.clone(),
    }
}

/// The configured sandbox as the protocol writes it.
fn sandbox_policy(config: &Config) -> SandboxPolicy {
    let write = &config.sandbox_workspace_write;
    match config.sandbox_mode {
        SandboxMode::DangerFullAccess => SandboxPolicy::DangerFullAccess,
        // The mode has no network, but a profile may.
        SandboxMode::ReadOnly => SandboxPolicy::ReadOnly {
            network_access: config.active_permission_profile.is_some() && write.network_access,
        },
        SandboxMode::WorkspaceWrite => SandboxPolicy::WorkspaceWrite {
            network_access: write.network_access,
            writable_roots: write
                .writable_roots
                .iter()
                .filter_map(|path| AbsolutePathBuf::new(path.display().to_string()))
                .collect(),
            exclude_tmpdir_env_var: write.exclude_tmpdir_env_var,
            exclude_slash_tmp: write.exclude_slash_tmp,
        },
    }
}

fn file_rules(rules: &loomd_config::FileRules) -> FileRules {
    let entries = rules.rules.iter().map(|rule| FileSystemSandboxEntry {
        path: place(&rule.place),
        access: match rule.access {
            RuleAccess::Read => FileSystemAccessMode::Read,
            RuleAccess::Write => FileSystemAccessMode::Write,
            RuleAccess::Deny => FileSystemAccessMode::Deny,
        },
    });
    FileRules {
        entries: entries.collect(),
        workspace_roots: rules.workspace_roots.clone(),
        glob_scan_max_depth: rules.glob_scan_max_depth,
    }
}

fn place(place: &RulePlace) -> FileSystemPath {
    let special = |value| FileSystemPath::Special { value };
    match place {
        RulePlace::Root => special(FileSystemSpecialPath::Root),
        RulePlace::Minimal => special(FileSystemSpecialPath::Minimal),
        RulePlace::Workspace(below) => {
            let below = below.display().to_string();
            special(FileSystemSpecialPath::ProjectRoots {
                subpath: Some(below).filter(|below| !below.is_empty()),
            })
        }
        RulePlace::WorkspaceGlob(pattern) => FileSystemPath::GlobPattern {
            pattern: format!("{WORKSPACE_GLOB}{pattern}"),
        },
        RulePlace::Tmpdir => special(FileSystemSpecialPath::Tmpdir),
        RulePlace::SlashTmp => special(FileSystemSpecialPath::SlashTmp),
        RulePlace::Path(path) => FileSystemPath::Path {
            path: path.display().to_string(),
        },
        RulePlace::Glob(pattern) => FileSystemPath::GlobPattern {
            pattern: pattern.clone(),
        },
    }
}
