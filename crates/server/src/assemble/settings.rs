//! Effective settings: what a request sets over what a thread had over the
//! configuration.

use std::path::Path;
use std::sync::Arc;

use loomd_config::{ApprovalPolicy, Config};
use loomd_events::{FileRules, TurnContext};
use loomd_protocol::{
    AbsolutePathBuf, ApprovalsReviewer, AskForApproval, CollaborationMode, ModeKind,
    MultiAgentMode, Personality, ReasoningSummary, SandboxMode, SandboxPolicy, Settings,
    ThreadForkParams, ThreadResumeParams, ThreadSettings,
};
use serde_json::{Map, Value};

use super::{absolute, confines, environments};
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
    /// Whether [`Self::load`] found a word on what commands may touch.
    pub(super) confines: bool,
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
            confines: false,
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
            confines: false,
            config: params.config.unwrap_or_default(),
            base_instructions: params.base_instructions,
            developer_instructions: params.developer_instructions,
            personality: None,
        }
    }

    /// Whether these overrides ask for something else than a loaded thread has.
    pub(crate) fn differ(&self, server: &Server, settings: &ThreadSettings) -> bool {
        fn says_other<T: PartialEq>(asked: &Option<T>, has: &T) -> bool {
            asked.as_ref().is_some_and(|asked| asked != has)
        }
        let cwd = self.cwd.as_deref().map(|cwd| absolute(server, cwd));
        let sandbox = self.sandbox.map(|mode| sandbox_word(mode).to_owned());
        let active = settings.active_permission_profile.as_ref();
        let active_id = active.map_or_else(String::new, |profile| profile.id.clone());
        let texts = [&self.base_instructions, &self.developer_instructions];
        says_other(&self.model, &settings.model)
            || says_other(&self.model_provider, &settings.model_provider)
            || says_other(&cwd, &settings.cwd)
            || says_other(&self.approval_policy, &settings.approval_policy)
            || says_other(&self.approvals_reviewer, &settings.approvals_reviewer)
            || says_other(&sandbox, &policy_word(&settings.sandbox_policy).to_owned())
            || (self.service_tier.is_some() && self.service_tier != settings.service_tier)
            || (self.personality.is_some() && self.personality != settings.personality)
            || says_other(&self.permissions, &active_id)
            || texts.iter().any(|text| text.is_some())
            || !self.config.is_empty()
    }

    /// Loads the configuration with what concerns it folded in, so that it is checked
    /// like the rest. `last_profile` is the permission profile that the thread had, which
    /// counts if nothing else is said.
    pub(super) fn load(
        &mut self,
        server: &Server,
        cwd: &Path,
        last_profile: Option<&str>,
    ) -> ApiResult<Arc<Config>> {
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
        let words = [
            "default_permissions",
            "sandbox_mode",
            "sandbox_workspace_write",
        ];
        let is_word = |key: &String| words.iter().any(|word| key.starts_with(word));
        self.confines = config.keys().any(is_word);
        // The name of a profile that went meanwhile leaves the thread to the rest of the
        // configuration, as in the reference.
        if let Some(profile) = last_profile.filter(|_| !self.confines) {
            let mut config = config.clone();
            config.insert("default_permissions".to_owned(), profile.into());
            if let Ok(loaded) = server.loader.load(Some(cwd), &config) {
                return Ok(server.in_common.configs.share(loaded));
            }
        }
        let loaded = server.loader.load(Some(cwd), &config);
        let config = loaded
            .map_err(|error| ApiError::invalid(format!("failed to load configuration: {error}")))?;
        Ok(server.in_common.configs.share(config))
    }
}

/// Effective settings: the request over what the last turn ran with over the
/// configuration. With the rules about files that go with them.
pub(super) fn settings(
    overrides: &Overrides,
    config: &Config,
    cwd: AbsolutePathBuf,
    last: Option<&TurnContext>,
) -> (ThreadSettings, Option<Arc<FileRules>>) {
    let model = overrides
        .model
        .clone()
        .or_else(|| last.map(|context| context.model.clone()))
        .or_else(|| config.model.clone())
        .unwrap_or_else(|| loomd_config::catalog::default_model(&config.model_provider).to_owned());
    let effort = last
        .and_then(|context| context.effort.clone())
        .or_else(|| config.effort.clone());
    // A profile that the last turn had is the configuration's by now.
    let last_policy = last
        .filter(|_| !overrides.confines)
        .filter(|last| last.profile.is_none());
    let (sandbox_policy, active_permission_profile, file_rules) = match last_policy {
        Some(last) => {
            let policy = last.sandbox_policy.clone();
            let rules = last.file_rules.as_ref();
            let denials = rules.and_then(|rules| rules.denials_under(&policy));
            (policy, None, denials)
        }
        None => confines(config),
    };
    let settings = ThreadSettings {
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
        active_permission_profile,
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
    };
    (settings, file_rules)
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
