//! Effective settings: what a request sets over what a thread had over the
//! configuration.

use std::path::Path;
use std::sync::Arc;

use loomd_config::{ApprovalPolicy, Config, SandboxMode as ConfigSandbox};
use loomd_events::TurnContext;
use loomd_protocol::{
    AbsolutePathBuf, ActivePermissionProfile, ApprovalsReviewer, AskForApproval, CollaborationMode,
    ModeKind, MultiAgentMode, Personality, ReasoningSummary, SandboxMode, SandboxPolicy, Settings,
    ThreadForkParams, ThreadResumeParams, ThreadSettings,
};
use serde_json::{Map, Value};

use super::{absolute, environments};
use crate::Server;
use crate::errors::{ApiError, ApiResult};

/// What a request sets over the configuration.
#[derive(Debug, Default)]
pub(crate) struct Overrides {
    pub(super) model: Option<String>,
    pub(super) model_provider: Option<String>,
    pub(super) service_tier: Option<String>,
    pub(super) cwd: Option<String>,
    pub(super) approval_policy: Option<AskForApproval>,
    pub(super) approvals_reviewer: Option<ApprovalsReviewer>,
    pub(super) sandbox: Option<SandboxMode>,
    pub(super) permissions: Option<String>,
    pub(super) config: Map<String, Value>,
    pub(super) base_instructions: Option<String>,
    pub(super) developer_instructions: Option<String>,
    pub(super) personality: Option<Personality>,
}

impl Overrides {
    pub(crate) fn from_resume(params: &ThreadResumeParams) -> Self {
        Self {
            model: params.model.clone(),
            model_provider: params.model_provider.clone(),
            service_tier: params.service_tier.clone().flatten(),
            cwd: params.cwd.clone(),
            approval_policy: params.approval_policy.clone(),
            approvals_reviewer: params.approvals_reviewer,
            sandbox: params.sandbox,
            permissions: params.permissions.clone(),
            config: params.config.clone().unwrap_or_default(),
            base_instructions: params.base_instructions.clone(),
            developer_instructions: params.developer_instructions.clone(),
            personality: params.personality,
        }
    }

    pub(crate) fn from_fork(params: ThreadForkParams) -> Self {
        Self {
            model: params.model,
            model_provider: params.model_provider,
            service_tier: params.service_tier.flatten(),
            cwd: params.cwd,
            approval_policy: params.approval_policy,
            approvals_reviewer: params.approvals_reviewer,
            sandbox: params.sandbox,
            permissions: params.permissions,
            config: params.config.unwrap_or_default(),
            base_instructions: params.base_instructions,
            developer_instructions: params.developer_instructions,
            personality: None,
        }
    }

    /// Whether these overrides ask for something else than a loaded thread has.
    pub(crate) fn differ(
        &self,
        server: &Server,
        config: &Config,
        settings: &ThreadSettings,
    ) -> bool {
        fn says_other<T: PartialEq>(asked: &Option<T>, has: &T) -> bool {
            asked.as_ref().is_some_and(|asked| asked != has)
        }
        let cwd = self.cwd.as_deref().map(|cwd| absolute(server, cwd));
        let sandbox = self.sandbox.map(|mode| sandbox_word(mode).to_owned());
        let texts = [&self.base_instructions, &self.developer_instructions];
        says_other(&self.model, &settings.model)
            || says_other(&self.model_provider, &settings.model_provider)
            || says_other(&cwd, &settings.cwd)
            || says_other(&self.approval_policy, &settings.approval_policy)
            || says_other(&self.approvals_reviewer, &settings.approvals_reviewer)
            || says_other(&sandbox, &policy_word(&settings.sandbox_policy).to_owned())
            || (self.service_tier.is_some() && self.service_tier != settings.service_tier)
            || (self.personality.is_some() && self.personality != settings.personality)
            || (self.permissions.is_some() && self.permissions != config.active_permission_profile)
            || texts.iter().any(|text| text.is_some())
            || !self.config.is_empty()
    }

    /// Loads the configuration with what concerns it folded in, so that it is checked
    /// like the rest.
    pub(super) fn load(&mut self, server: &Server, cwd: &Path) -> ApiResult<Arc<Config>> {
        let mut config = std::mem::take(&mut self.config);
        if let Some(provider) = self.model_provider.take() {
            config.insert("model_provider".to_owned(), provider.into());
        }
        if let Some(profile) = self.permissions.take() {
            config.insert("default_permissions".to_owned(), profile.into());
        }
        if let Some(mode) = self.sandbox {
            config.insert("sandbox_mode".to_owned(), sandbox_word(mode).into());
        }
        let loaded = server.loader.load(Some(cwd), &config);
        let config = loaded
            .map_err(|error| ApiError::invalid(format!("failed to load configuration: {error}")))?;
        Ok(server.in_common.configs.share(config))
    }
}

/// Effective settings: the request over what the last turn ran with over the
/// configuration.
pub(super) fn settings(
    overrides: &Overrides,
    config: &Config,
    cwd: AbsolutePathBuf,
    last: Option<&TurnContext>,
) -> ThreadSettings {
    let model = overrides
        .model
        .clone()
        .or_else(|| last.map(|context| context.model.clone()))
        .or_else(|| config.model.clone())
        .unwrap_or_else(|| loomd_config::catalog::default_model(&config.model_provider).to_owned());
    let effort = last
        .and_then(|context| context.effort.clone())
        .or_else(|| config.effort.clone());
    let sandbox_policy = match (overrides.sandbox, last) {
        (None, Some(context)) => context.sandbox_policy.clone(),
        (Some(_), _) | (None, None) => sandbox_policy(config),
    };
    ThreadSettings {
        disabled_plugin_ids: Vec::new(),
        environments: Some(environments(&cwd)),
        cwd,
        approval_policy: overrides
            .approval_policy
            .clone()
            .or_else(|| last.map(|context| context.approval_policy.clone()))
            .unwrap_or_else(|| ask_for_approval(&config.approval_policy)),
        approvals_reviewer: overrides.approvals_reviewer.unwrap_or(
            match config.approvals_reviewer {
                loomd_config::ApprovalsReviewer::User => ApprovalsReviewer::User,
                loomd_config::ApprovalsReviewer::AutoReview => ApprovalsReviewer::AutoReview,
            },
        ),
        sandbox_policy,
        active_permission_profile: config.active_permission_profile.as_ref().map(|id| {
            ActivePermissionProfile {
                id: id.clone(),
                extends: None,
            }
        }),
        collaboration_mode: CollaborationMode {
            mode: ModeKind::Default,
            settings: Settings {
                model: model.clone(),
                reasoning_effort: effort.clone(),
                developer_instructions: None,
            },
        },
        model,
        model_provider: config.model_provider.clone(),
        service_tier: overrides
            .service_tier
            .clone()
            .or_else(|| config.service_tier.clone()),
        effort,
        summary: config.summary.map(reasoning_summary),
        multi_agent_mode: MultiAgentMode::default(),
        personality: overrides.personality,
    }
}

fn sandbox_word(mode: SandboxMode) -> &'static str {
    match mode {
        SandboxMode::ReadOnly => "read-only",
        SandboxMode::WorkspaceWrite => "workspace-write",
        SandboxMode::DangerFullAccess => "danger-full-access",
    }
}

/// The word for what a sandbox policy allows.
pub(crate) fn policy_word(policy: &SandboxPolicy) -> &'static str {
    match policy {
        SandboxPolicy::ReadOnly { .. } => "read-only",
        SandboxPolicy::WorkspaceWrite { .. } => "workspace-write",
        SandboxPolicy::DangerFullAccess | SandboxPolicy::ExternalSandbox { .. } => {
            "danger-full-access"
        }
    }
}

/// The configured sandbox as the protocol writes it.
pub(crate) fn sandbox_policy(config: &Config) -> SandboxPolicy {
    let write = &config.sandbox_workspace_write;
    match config.sandbox_mode {
        ConfigSandbox::DangerFullAccess => SandboxPolicy::DangerFullAccess,
        ConfigSandbox::ReadOnly => SandboxPolicy::ReadOnly {
            network_access: false,
        },
        ConfigSandbox::WorkspaceWrite => SandboxPolicy::WorkspaceWrite {
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

fn ask_for_approval(policy: &ApprovalPolicy) -> AskForApproval {
    match policy {
        ApprovalPolicy::Untrusted => AskForApproval::Untrusted,
        ApprovalPolicy::OnRequest => AskForApproval::OnRequest,
        ApprovalPolicy::Never => AskForApproval::Never,
        ApprovalPolicy::Granular(granular) => AskForApproval::Granular {
            sandbox_approval: granular.sandbox_approval,
            rules: granular.rules,
            skill_approval: granular.skill_approval,
            request_permissions: granular.request_permissions,
            mcp_elicitations: granular.mcp_elicitations,
        },
    }
}

fn reasoning_summary(summary: loomd_config::ReasoningSummary) -> ReasoningSummary {
    match summary {
        loomd_config::ReasoningSummary::Auto => ReasoningSummary::Auto,
        loomd_config::ReasoningSummary::Concise => ReasoningSummary::Concise,
        loomd_config::ReasoningSummary::Detailed => ReasoningSummary::Detailed,
        loomd_config::ReasoningSummary::None => ReasoningSummary::None,
    }
}
