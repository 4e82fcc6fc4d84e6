//! `turn_context` and `thread_settings_applied`: the settings that turns run with.

use std::path::PathBuf;
use std::sync::Arc;

use loomd_events::{FileRules, TurnContext};
use loomd_protocol::{
    AbsolutePathBuf, ActivePermissionProfile, AskForApproval, NetworkAccess, SandboxPolicy,
    ThreadSettings,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::profile::{self, DiskProfile};

#[derive(Serialize)]
struct Written<'a> {
    turn_id: &'a str,
    root_turn_id: &'a str,
    cwd: &'a str,
    approval_policy: &'a AskForApproval,
    sandbox_policy: DiskSandbox,
    #[serde(skip_serializing_if = "Option::is_none")]
    permission_profile: Option<DiskProfile>,
    #[serde(skip_serializing_if = "Option::is_none")]
    active_permission_profile: Option<&'a ActivePermissionProfile>,
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<&'a str>,
    summary: &'a str,
}

/// The payload of a `turn_context` line.
pub(crate) fn encode(context: &TurnContext) -> impl Serialize {
    Written {
        turn_id: &context.turn_id,
        root_turn_id: &context.turn_id,
        cwd: context.cwd.to_str().unwrap_or_default(),
        approval_policy: &context.approval_policy,
        sandbox_policy: DiskSandbox::of(&context.sandbox_policy),
        permission_profile: DiskProfile::of(
            &context.sandbox_policy,
            context.file_rules.as_deref(),
            &context.cwd,
        ),
        active_permission_profile: context.profile.as_ref(),
        model: &context.model,
        effort: context.effort.as_deref(),
        summary: context.summary.as_deref().unwrap_or("auto"),
    }
}

#[derive(Deserialize)]
struct Read<'a> {
    #[serde(default)]
    turn_id: Option<String>,
    cwd: PathBuf,
    #[serde(borrow)]
    approval_policy: &'a RawValue,
    #[serde(borrow)]
    sandbox_policy: &'a RawValue,
    #[serde(borrow, default)]
    permission_profile: Option<&'a RawValue>,
    #[serde(borrow, default)]
    active_permission_profile: Option<&'a RawValue>,
    model: String,
    #[serde(default)]
    effort: Option<String>,
    #[serde(default)]
    summary: Option<String>,
}

/// Reads a `turn_context` payload.
pub(crate) fn decode(json: &str) -> Option<TurnContext> {
    let read: Read<'_> = serde_json::from_str(json).ok()?;
    Some(TurnContext {
        turn_id: Arc::from(read.turn_id.unwrap_or_default()),
        cwd: read.cwd,
        approval_policy: approval(read.approval_policy.get())?,
        sandbox_policy: sandbox(read.sandbox_policy.get())?,
        profile: active(read.active_permission_profile),
        file_rules: read.permission_profile.and_then(profile::rules),
        model: read.model,
        effort: read.effort,
        summary: read.summary,
    })
}

fn active(raw: Option<&RawValue>) -> Option<ActivePermissionProfile> {
    serde_json::from_str(raw?.get()).ok()
}

/// `on-failure` of older files acts as `on-request` (seen on 0.169.0).
fn approval(json: &str) -> Option<AskForApproval> {
    if json == "\"on-failure\"" {
        return Some(AskForApproval::OnRequest);
    }
    serde_json::from_str(json).ok()
}

fn sandbox(json: &str) -> Option<SandboxPolicy> {
    let disk: DiskSandbox = serde_json::from_str(json).ok()?;
    Some(disk.into_policy())
}

/// A sandbox policy as stored.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum DiskSandbox {
    DangerFullAccess,
    ReadOnly {
        #[serde(default, rename = "network_access")]
        network_access: bool,
    },
    ExternalSandbox {
        #[serde(default, rename = "network_access")]
        network_access: NetworkAccess,
    },
    WorkspaceWrite {
        #[serde(default, rename = "writable_roots")]
        writable_roots: Vec<String>,
        #[serde(default, rename = "network_access")]
        network_access: bool,
        #[serde(default, rename = "exclude_tmpdir_env_var")]
        exclude_tmpdir_env_var: bool,
        #[serde(default, rename = "exclude_slash_tmp")]
        exclude_slash_tmp: bool,
    },
}

impl DiskSandbox {
    fn of(policy: &SandboxPolicy) -> Self {
        match policy.clone() {
            SandboxPolicy::DangerFullAccess => Self::DangerFullAccess,
            SandboxPolicy::ReadOnly { network_access } => Self::ReadOnly { network_access },
            SandboxPolicy::ExternalSandbox { network_access } => {
                Self::ExternalSandbox { network_access }
            }
            SandboxPolicy::WorkspaceWrite {
                network_access,
                writable_roots,
                exclude_tmpdir_env_var,
                exclude_slash_tmp,
            } => Self::WorkspaceWrite {
                writable_roots: writable_roots
                    .into_iter()
                    .map(AbsolutePathBuf::into_string)
                    .collect(),
                network_access,
                exclude_tmpdir_env_var,
                exclude_slash_tmp,
            },
        }
    }

    fn into_policy(self) -> SandboxPolicy {
        match self {
            Self::DangerFullAccess => SandboxPolicy::DangerFullAccess,
            Self::ReadOnly { network_access } => SandboxPolicy::ReadOnly { network_access },
            Self::ExternalSandbox { network_access } => {
                SandboxPolicy::ExternalSandbox { network_access }
            }
            Self::WorkspaceWrite {
                writable_roots,
                network_access,
                exclude_tmpdir_env_var,
                exclude_slash_tmp,
            } => SandboxPolicy::WorkspaceWrite {
                network_access,
                writable_roots: writable_roots
                    .into_iter()
                    .filter_map(AbsolutePathBuf::new)
                    .collect(),
                exclude_tmpdir_env_var,
                exclude_slash_tmp,
            },
        }
    }
}

#[derive(Serialize)]
struct WrittenSettings<'a> {
    thread_id: &'a str,
    thread_settings: SettingsBody<'a>,
}

#[derive(Serialize)]
struct SettingsBody<'a> {
    model: &'a str,
    model_provider_id: &'a str,
    approval_policy: &'a AskForApproval,
    approvals_reviewer: &'a loomd_protocol::ApprovalsReviewer,
    #[serde(skip_serializing_if = "Option::is_none")]
    permission_profile: Option<DiskProfile>,
    #[serde(skip_serializing_if = "Option::is_none")]
    active_permission_profile: Option<&'a ActivePermissionProfile>,
    /// loomd's own; the reference has only the profile here.
    sandbox_policy: DiskSandbox,
    cwd: &'a str,
    collaboration_mode: &'a loomd_protocol::CollaborationMode,
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<&'a loomd_protocol::ReasoningSummary>,
}

/// The payload of a `thread_settings_applied` event, without its `type`.
pub(crate) fn encode_settings<'a>(
    thread_id: &'a str,
    settings: &'a ThreadSettings,
    rules: Option<&FileRules>,
) -> impl Serialize + 'a {
    WrittenSettings {
        thread_id,
        thread_settings: SettingsBody {
            model: &settings.model,
            model_provider_id: &settings.model_provider,
            approval_policy: &settings.approval_policy,
            approvals_reviewer: &settings.approvals_reviewer,
            permission_profile: DiskProfile::of(
                &settings.sandbox_policy,
                rules,
                settings.cwd.as_path(),
            ),
            active_permission_profile: settings.active_permission_profile.as_ref(),
            sandbox_policy: DiskSandbox::of(&settings.sandbox_policy),
            cwd: settings.cwd.as_str(),
            collaboration_mode: &settings.collaboration_mode,
            effort: settings.effort.as_deref(),
            summary: settings.summary.as_ref(),
        },
    }
}

#[derive(Deserialize)]
struct ReadSettings<'a> {
    #[serde(borrow)]
    thread_settings: ReadBody<'a>,
}

#[derive(Deserialize)]
struct ReadBody<'a> {
    model: String,
    cwd: PathBuf,
    #[serde(borrow)]
    approval_policy: &'a RawValue,
    #[serde(borrow, default)]
    sandbox_policy: Option<&'a RawValue>,
    #[serde(borrow, default)]
    permission_profile: Option<&'a RawValue>,
    #[serde(borrow, default)]
    active_permission_profile: Option<&'a RawValue>,
    #[serde(default)]
    collaboration_mode: Option<Mode>,
    #[serde(default)]
    effort: Option<String>,
    #[serde(default)]
    summary: Option<String>,
}

#[derive(Deserialize)]
struct Mode {
    settings: ModeSettings,
}

#[derive(Deserialize)]
struct ModeSettings {
    #[serde(default)]
    reasoning_effort: Option<String>,
}

/// Applies a `thread_settings_applied` event to the settings known so far. What the
/// event does not say (the reference gives a permission profile instead of a sandbox
/// policy) stays as it was; without earlier settings such an event is passed over.
pub(crate) fn apply_settings(json: &str, known: &mut Option<TurnContext>) -> Option<()> {
    let body = serde_json::from_str::<ReadSettings<'_>>(json)
        .ok()?
        .thread_settings;
    let sandbox_policy = match (body.sandbox_policy, body.permission_profile) {
        (Some(raw), _) => sandbox(raw.get()),
        (None, Some(raw)) if profile::is_disabled(raw) => Some(SandboxPolicy::DangerFullAccess),
        (None, _) => None,
    };
    let before = known.take();
    let sandbox_policy =
        sandbox_policy.or_else(|| before.as_ref().map(|before| before.sandbox_policy.clone()));
    let Some(sandbox_policy) = sandbox_policy else {
        *known = before;
        return None;
    };
    let approval_policy = approval(body.approval_policy.get());
    let Some(approval_policy) = approval_policy else {
        *known = before;
        return None;
    };
    let mode_effort = body
        .collaboration_mode
        .and_then(|mode| mode.settings.reasoning_effort);
    let (turn_id, old_summary) = before
        .map(|before| (before.turn_id, before.summary))
        .unwrap_or_else(|| (Arc::from(""), None));
    *known = Some(TurnContext {
        turn_id,
        cwd: body.cwd,
        approval_policy,
        sandbox_policy,
        profile: active(body.active_permission_profile),
        file_rules: body.permission_profile.and_then(profile::rules),
        model: body.model,
        effort: body.effort.or(mode_effort),
        summary: body.summary.or(old_summary),
    });
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(sandbox_policy: SandboxPolicy) -> TurnContext {
        TurnContext {
            turn_id: Arc::from("t"),
            cwd: PathBuf::from("/w"),
            approval_policy: AskForApproval::OnRequest,
            sandbox_policy,
            profile: None,
            file_rules: None,
            model: "m".to_owned(),
            effort: Some("high".to_owned()),
            summary: Some("concise".to_owned()),
        }
    }

    #[test]
    fn keeps_the_profile_and_its_rules() {
        let rules = FileRules::of_policy(&SandboxPolicy::ReadOnly {
            network_access: false,
        })
        .expect("a sandbox");
        let mut context = context(SandboxPolicy::ReadOnly {
            network_access: false,
        });
        context.profile = Some(ActivePermissionProfile {
            id: "mine".to_owned(),
            extends: Some(":workspace".to_owned()),
        });
        context.file_rules = Some(Arc::new(FileRules {
            glob_scan_max_depth: Some(3),
            ..rules
        }));
        let json = serde_json::to_string(&encode(&context)).unwrap();
        assert!(json.contains(r#""permission_profile":{"type":"managed","file_system":{"type":"restricted","entries":[{"path":{"type":"special","value":{"kind":"root"}},"access":"read"}],"#), "{json}");
        assert_eq!(decode(&json), Some(context));
    }

    #[test]
    fn reads_what_it_writes() {
        for policy in [
            SandboxPolicy::DangerFullAccess,
            SandboxPolicy::ReadOnly {
                network_access: true,
            },
            SandboxPolicy::ExternalSandbox {
                network_access: NetworkAccess::Enabled,
            },
            SandboxPolicy::WorkspaceWrite {
                network_access: true,
                writable_roots: vec![AbsolutePathBuf::new("/a").unwrap()],
                exclude_tmpdir_env_var: true,
                exclude_slash_tmp: false,
            },
        ] {
            let context = context(policy);
            let json = serde_json::to_string(&encode(&context)).unwrap();
            assert_eq!(decode(&json), Some(context), "{json}");
        }
    }

    #[test]
    fn takes_on_failure_as_on_request() {
        let json = r#"{"cwd":"/w","approval_policy":"on-failure","model":"m",
            "sandbox_policy":{"type":"workspace-write"}}"#;
        let context = decode(json).unwrap();
        assert_eq!(context.approval_policy, AskForApproval::OnRequest);
    }

    #[test]
    fn applied_settings_keep_the_sandbox_that_they_do_not_name() {
        let mut known = None;
        let json = r#"{"thread_settings":{"model":"n","cwd":"/x","approval_policy":"never",
            "permission_profile":{"type":"managed"}}}"#;
        assert_eq!(apply_settings(json, &mut known), None);
        assert_eq!(known, None);
        known = Some(context(SandboxPolicy::ReadOnly {
            network_access: false,
        }));
        apply_settings(json, &mut known).unwrap();
        let known = known.unwrap();
        assert_eq!(known.model, "n");
        assert_eq!(
            known.sandbox_policy,
            SandboxPolicy::ReadOnly {
                network_access: false
            }
        );
        assert_eq!(&*known.turn_id, "t");
    }

    #[test]
    fn a_disabled_profile_is_full_access() {
        let mut known = None;
        let json = r#"{"thread_settings":{"model":"n","cwd":"/x","approval_policy":"never",
            "permission_profile":{"type":"disabled"}}}"#;
        apply_settings(json, &mut known).unwrap();
        assert_eq!(
            known.unwrap().sandbox_policy,
            SandboxPolicy::DangerFullAccess
        );
    }
}
