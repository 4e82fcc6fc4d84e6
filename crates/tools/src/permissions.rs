//! `request_permissions`: the model asks the user for more than the sandbox policy allows.
//!
//! What is granted is what the user gave of what was asked for, never more. It is kept as
//! [`Grants`], for the turn or for as long as the thread is loaded, and counts where
//! commands are confined. Texts and shapes were seen on 0.169.0.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use loomd_events::AskOutcome;
use loomd_protocol::{
    AdditionalFileSystemPermissions, AdditionalNetworkPermissions, AskForApproval,
    FileSystemAccessMode, FileSystemPath, FileSystemSandboxEntry, GrantedPermissionProfile,
    PermissionGrantScope, PermissionsRequestApprovalParams, PermissionsRequestApprovalResponse,
    RequestPermissionProfile, ServerRequestParams, ServerRequestResponse,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::approval::LOCAL_ENVIRONMENT;
use crate::call::Call;
use crate::grants::{Grants, PATHS_MAX};
use crate::patch::plan::absolute;
use crate::specs::{described, function};

/// Arguments of `request_permissions`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PermissionParams {
    #[serde(default)]
    environment_id: Option<String>,
    #[serde(default)]
    reason: Option<String>,
    permissions: Wanted,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    #[serde(default)]
    network: Option<Network>,
    #[serde(default)]
    file_system: Option<Paths>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Network {
    enabled: Option<bool>,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Paths {
    #[serde(skip_serializing_if = "Option::is_none")]
    read: Option<Vec<PathBuf>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    write: Option<Vec<PathBuf>>,
}

impl Paths {
    fn is_empty(&self) -> bool {
        let none = |paths: &Option<Vec<PathBuf>>| paths.as_ref().is_none_or(Vec::is_empty);
        none(&self.read) && none(&self.write)
    }

    fn count(&self) -> usize {
        let count = |paths: &Option<Vec<PathBuf>>| paths.as_ref().map_or(0, Vec::len);
        count(&self.read) + count(&self.write)
    }
}

/// What the model reads.
#[derive(Serialize)]
struct Told {
    permissions: ToldPermissions,
    scope: PermissionGrantScope,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    strict_auto_review: bool,
}

#[derive(Default, Serialize)]
struct ToldPermissions {
    network: Option<Network>,
    file_system: Option<Paths>,
}

/// Asks, and notes what is granted.
pub(crate) async fn request(call: Call, params: PermissionParams) {
    let wanted = match checked(&call.context.cwd, params.permissions, params.environment_id) {
        Ok(wanted) => wanted,
        Err(text) => return call.answer(text).await,
    };
    let may_ask = match &call.context.approval_policy {
        AskForApproval::Never => false,
        AskForApproval::Granular {
            request_permissions,
            ..
        } => *request_permissions,
        AskForApproval::OnRequest | AskForApproval::Untrusted => true,
    };
    let response = if may_ask || call.has_answer() {
        let request =
            ServerRequestParams::PermissionsRequestApproval(PermissionsRequestApprovalParams {
                thread_id: call.context.thread_id.to_string(),
                turn_id: call.context.turn_id.to_string(),
                item_id: call.id().to_owned(),
                environment_id: Some(LOCAL_ENVIRONMENT.to_owned()),
                started_at_ms: call.shared().clock.now().wall_ms,
                cwd: call.context.cwd.display().to_string(),
                reason: params.reason,
                permissions: shown(&wanted),
            });
        match call.ask(None, request).await {
            None => return,
            Some(AskOutcome::Answered(ServerRequestResponse::PermissionsRequestApproval(
                response,
            ))) => Some(response),
            Some(AskOutcome::Answered(_) | AskOutcome::Failed { .. }) => None,
        }
    } else {
        None
    };
    let (told, grants) = settle(&wanted, response, &call.context.cwd);
    {
        let mut registry = call.shared().registry();
        match told.scope {
            PermissionGrantScope::Turn => registry.grant_turn(&call.context.turn_id, &grants),
            PermissionGrantScope::Session => registry.grant_session(&grants),
        }
    }
    let text = serde_json::to_string(&told).expect("plain data is always written");
    call.answer(text).await;
}

/// What is asked for, with absolute paths.
fn checked(cwd: &Path, wanted: Wanted, environment: Option<String>) -> Result<Wanted, String> {
    if let Some(other) = environment.filter(|id| id != LOCAL_ENVIRONMENT) {
        return Err(format!("unknown environment `{other}`"));
    }
    let file_system = wanted.file_system.filter(|paths| !paths.is_empty());
    if wanted.network.is_none() && file_system.is_none() {
        return Err("request_permissions requires at least one permission".to_owned());
    }
    if file_system.as_ref().map_or(0, Paths::count) > PATHS_MAX {
        return Err(format!(
            "request_permissions takes {PATHS_MAX} paths at most"
        ));
    }
    let all = |paths: Vec<PathBuf>| paths.iter().map(|path| absolute(cwd, path)).collect();
    Ok(Wanted {
        network: wanted.network,
        file_system: file_system.map(|paths| Paths {
            read: paths.read.map(all),
            write: paths.write.map(all),
        }),
    })
}

/// What clients see of it: the paths in both of the protocol's forms.
fn shown(wanted: &Wanted) -> RequestPermissionProfile {
    let texts = |paths: &Option<Vec<PathBuf>>| {
        let paths = paths.as_ref()?.iter();
        Some(paths.map(|path| path.display().to_string()).collect())
    };
    let entries = |paths: &Option<Vec<PathBuf>>, access| {
        let paths = paths.iter().flatten();
        let entries = paths.map(|path| FileSystemSandboxEntry {
            path: FileSystemPath::Path {
                path: path.display().to_string(),
            },
            access,
        });
        entries.collect::<Vec<_>>()
    };
    RequestPermissionProfile {
        network: wanted.network.map(|network| AdditionalNetworkPermissions {
            enabled: network.enabled,
        }),
        file_system: wanted.file_system.as_ref().map(|paths| {
            let mut all = entries(&paths.read, FileSystemAccessMode::Read);
            all.extend(entries(&paths.write, FileSystemAccessMode::Write));
            AdditionalFileSystemPermissions {
                read: texts(&paths.read),
                write: texts(&paths.write),
                glob_scan_max_depth: None,
                entries: Some(all),
            }
        }),
    }
}

/// What of the answer counts: nothing that was not asked for, and nothing of an answer
/// that contradicts itself.
fn settle(
    wanted: &Wanted,
    response: Option<PermissionsRequestApprovalResponse>,
    cwd: &Path,
) -> (Told, Grants) {
    let nothing = || Told {
        permissions: ToldPermissions::default(),
        scope: PermissionGrantScope::Turn,
        strict_auto_review: false,
    };
    let Some(response) = response else {
        return (nothing(), Grants::default());
    };
    let strict_auto_review = response.strict_auto_review == Some(true);
    if strict_auto_review && response.scope == PermissionGrantScope::Session {
        return (nothing(), Grants::default());
    }
    let grants = granted(wanted, &response.permissions, cwd);
    if grants.is_empty() {
        return (nothing(), grants);
    }
    let list = |paths: &BTreeSet<PathBuf>| {
        (!paths.is_empty()).then(|| paths.iter().cloned().collect::<Vec<_>>())
    };
    let paths = Paths {
        read: list(&grants.readable_roots),
        write: list(&grants.writable_roots),
    };
    let told = Told {
        permissions: ToldPermissions {
            network: grants.network.then_some(Network {
                enabled: Some(true),
            }),
            file_system: Some(paths).filter(|paths| !paths.is_empty()),
        },
        scope: response.scope,
        strict_auto_review,
    };
    (told, grants)
}

/// What was both asked for and given. A path below one that was asked for counts.
fn granted(wanted: &Wanted, given: &GrantedPermissionProfile, cwd: &Path) -> Grants {
    let on = |enabled: Option<bool>| enabled == Some(true);
    let asked = wanted.network.is_some_and(|network| on(network.enabled));
    let network = asked
        && given
            .network
            .as_ref()
            .is_some_and(|network| on(network.enabled));
    let mut grants = Grants {
        network,
        ..Grants::default()
    };
    let (Some(wanted), Some((read, write))) = (
        &wanted.file_system,
        given.file_system.as_ref().and_then(paths_of),
    ) else {
        return grants;
    };
    let below = |path: &Path, asked: &Option<Vec<PathBuf>>| {
        let mut asked = asked.iter().flatten();
        asked.any(|root| path.starts_with(root))
    };
    let all = |paths: Vec<String>| paths.into_iter().map(|path| absolute(cwd, path));
    let may_read = |path: &PathBuf| below(path, &wanted.read) || below(path, &wanted.write);
    grants.readable_roots = all(read).filter(may_read).collect();
    let may_write = |path: &PathBuf| below(path, &wanted.write);
    grants.writable_roots = all(write).filter(may_write).collect();
    grants
}

/// The paths that an answer gives to read and to write. `None` if a rule in it is more than
/// a path: what it takes away could not be kept, so nothing of it is given.
fn paths_of(given: &AdditionalFileSystemPermissions) -> Option<(Vec<String>, Vec<String>)> {
    let mut read = given.read.clone().unwrap_or_default();
    let mut write = given.write.clone().unwrap_or_default();
    for entry in given.entries.iter().flatten() {
        let FileSystemPath::Path { path } = &entry.path else {
            return None;
        };
        match entry.access {
            FileSystemAccessMode::Read => read.push(path.clone()),
            FileSystemAccessMode::Write => write.push(path.clone()),
            FileSystemAccessMode::Deny => return None,
        }
    }
    Some((read, write))
}

/// What the model is told of it.
pub(crate) fn spec() -> Value {
    let paths = |what: &str| {
        json!({
            "type": "array",
            "description": format!(
                "Paths to {what}, with all that lies below; absolute or from the working folder."
            ),
            "items": { "type": "string" },
        })
    };
    function(
        "request_permissions",
        "Asks the user for more access to files or the network than the sandbox gives, and waits. \
         The answer says what was granted, which may be less. It holds for later commands of this \
         turn, or of the session if the user wants it so.",
        &["permissions"],
        json!({
            "environment_id": described(
                "string",
                "The environment, as the environment context names it; the only one if left out.",
            ),
            "reason": described("string", "Why, in one sentence for the user."),
            "permissions": {
                "type": "object",
                "description": "What is needed, and nothing more.",
                "properties": {
                    "network": {
                        "type": "object",
                        "description": "Access to the network.",
                        "properties": {
                            "enabled": described("boolean", "Whether it is needed."),
                        },
                        "additionalProperties": false,
                    },
                    "file_system": {
                        "type": "object",
                        "description": "Access to files.",
                        "properties": {
                            "read": paths("read"),
                            "write": paths("write to"),
                        },
                        "additionalProperties": false,
                    },
                },
                "additionalProperties": false,
            },
        }),
    )
}
