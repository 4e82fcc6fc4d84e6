//! `permission_profile`: what commands may touch, as the reference writes it (seen on
//! 0.169.0). It says more than `sandbox_policy` only where there are rules about files; for
//! every other policy both versions derive it from that.

use std::path::Path;
use std::sync::Arc;

use loomd_events::FileRules;
use loomd_protocol::{FileSystemSandboxEntry, SandboxPolicy};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum DiskProfile {
    /// No sandbox.
    Disabled {},
    /// A sandbox with rules.
    Managed {
        file_system: DiskFiles,
        #[serde(default)]
        network: DiskNetwork,
    },
    /// One that this version does not know.
    #[serde(other)]
    Other,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum DiskFiles {
    Restricted {
        entries: Vec<FileSystemSandboxEntry>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        glob_scan_max_depth: Option<usize>,
    },
    #[serde(other)]
    Other,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DiskNetwork {
    Enabled,
    #[default]
    #[serde(other)]
    Restricted,
}

impl DiskProfile {
    /// The profile of a thread that works in `folder`; `None` where `sandbox_policy` says it
    /// all.
    pub(crate) fn of(
        policy: &SandboxPolicy,
        rules: Option<&FileRules>,
        folder: &Path,
    ) -> Option<Self> {
        let network_access = match policy {
            SandboxPolicy::DangerFullAccess => return Some(Self::Disabled {}),
            SandboxPolicy::ExternalSandbox { .. } => return None,
            SandboxPolicy::ReadOnly { network_access }
            | SandboxPolicy::WorkspaceWrite { network_access, .. } => *network_access,
        };
        let rules = rules?;
        Some(Self::Managed {
            file_system: DiskFiles::Restricted {
                entries: rules.in_folder(folder),
                glob_scan_max_depth: rules.glob_scan_max_depth,
            },
            network: match network_access {
                true => DiskNetwork::Enabled,
                false => DiskNetwork::Restricted,
            },
        })
    }
}

/// Whether there is no sandbox.
pub(crate) fn is_disabled(raw: &RawValue) -> bool {
    matches!(
        serde_json::from_str(raw.get()),
        Ok(DiskProfile::Disabled {})
    )
}

/// The rules about files, if there are some.
pub(crate) fn rules(raw: &RawValue) -> Option<Arc<FileRules>> {
    match serde_json::from_str(raw.get()).ok()? {
        DiskProfile::Managed {
            file_system:
                DiskFiles::Restricted {
                    entries,
                    glob_scan_max_depth,
                },
            ..
        } => Some(Arc::new(FileRules {
            entries,
            glob_scan_max_depth,
            ..FileRules::default()
        })),
        DiskProfile::Managed { .. } | DiskProfile::Disabled {} | DiskProfile::Other => None,
    }
}
