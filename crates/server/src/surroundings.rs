//! What a turn is told of the machine it runs on: context texts and model facts.
//!
//! Filled in by the thread's actor just before a turn starts, when its settings are
//! known: the core then sends only what is new.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use loomd_config::context::{
    Access, EnvironmentContext, FilePlace, Filesystem, PROTECTED, Permissions, Telling,
    agents_md_part, environment_block, filesystem, permissions_block,
};
use loomd_config::{
    ApprovalPolicy, ApprovalsReviewer, Config, GranularApproval, SandboxMode,
    SandboxWorkspaceWrite, agents_md, catalog,
};
use loomd_events::FileRules;
use loomd_protocol::{
    AskForApproval, FileSystemAccessMode, FileSystemPath, FileSystemSpecialPath, NetworkAccess,
    SandboxPolicy, ThreadSettings,
};
use loomd_thread::{
    Command, ContextPart, ContextRole, Ground, ModelFacts, Thread, TurnRequest, patched,
    patched_rules,
};

use crate::Server;
use crate::assemble;
use crate::errors::ApiResult;

/// Tells one thread's turns about their surroundings.
pub(crate) struct Surroundings {
    server: Arc<Server>,
    config: Arc<Config>,
    developer_instructions: Option<String>,
}

impl Surroundings {
    pub(crate) fn new(
        server: Arc<Server>,
        config: Arc<Config>,
        developer_instructions: Option<String>,
    ) -> Self {
        Self {
            server,
            config,
            developer_instructions,
        }
    }

    /// Looks up the permission profile that a command for the thread names.
    ///
    /// # Errors
    /// There is no such profile, or it cannot be enforced.
    pub(crate) fn look_up(
        &self,
        settings: &ThreadSettings,
        command: &mut Command,
    ) -> ApiResult<()> {
        let patch = if let Command::StartTurn(request) = command {
            &mut request.settings
        } else if let Command::UpdateSettings(patch) = command {
            patch
        } else {
            return Ok(());
        };
        if let Some(id) = patch.profile.take() {
            let cwd = patch.cwd.as_ref().unwrap_or(&settings.cwd);
            patch.permissions = Some(assemble::permissions(&self.server, cwd, &id)?);
        }
        Ok(())
    }

    /// Adds to a turn's request what its thread's settings and the machine say.
    pub(crate) fn fill(&self, core: &Thread, request: &mut TurnRequest) {
        let settings = patched(core.settings(), &request.settings);
        let rules = patched_rules(core.file_rules(), &request.settings);
        request.ground = self.ground(&settings, rules.as_ref());
    }

    /// What a turn with these settings finds around it.
    pub(crate) fn ground(
        &self,
        settings: &ThreadSettings,
        rules: Option<&Arc<FileRules>>,
    ) -> Ground {
        Ground {
            context: self.context(settings, rules.map(|rules| &**rules)),
            model: self.model_facts(&settings.model),
        }
    }

    fn context(&self, settings: &ThreadSettings, rules: Option<&FileRules>) -> Vec<ContextPart> {
        let mut parts = Vec::new();
        let mut add = |key, role, text: Option<String>| {
            if let Some(text) = text {
                let text = self.server.in_common.texts.share(text.into());
                parts.push(ContextPart { key, role, text });
            }
        };
        let (mode, write) = sandbox(&settings.sandbox_policy);
        let include = self.config.include;
        add(
            "developer_instructions",
            ContextRole::Developer,
            self.developer_instructions.clone(),
        );
        add(
            "permissions",
            ContextRole::Developer,
            include
                .permissions
                .then(|| permissions(settings, mode, &write, rules.is_some())),
        );
        add(
            "collaboration_mode",
            ContextRole::Developer,
            settings
                .collaboration_mode
                .settings
                .developer_instructions
                .clone()
                .filter(|_| include.collaboration_mode),
        );
        let cwd = settings.cwd.as_path();
        let may_read = assemble::may_read(&self.server, settings, rules);
        let instructions = agents_md(&self.server.home, cwd, &self.config, &may_read);
        add(
            "agents_md",
            ContextRole::User,
            agents_md_part(&instructions, cwd, Telling::First),
        );
        add(
            "environment",
            ContextRole::User,
            include
                .environment
                .then(|| match rules {
                    Some(rules) if mode != SandboxMode::DangerFullAccess => {
                        ruled_filesystem(rules, cwd)
                    }
                    Some(_) | None => filesystem(mode, &write, &[cwd.to_owned()]),
                })
                .map(|files| self.environment(cwd, files)),
        );
        parts
    }

    fn environment(&self, cwd: &Path, files: Filesystem) -> String {
        let shell = self
            .server
            .environment
            .var("SHELL")
            .and_then(|shell| Path::new(shell).file_name())
            .map_or_else(
                || "bash".to_owned(),
                |name| name.to_string_lossy().into_owned(),
            );
        let (current_date, timezone) = if self.config.include.environment_time {
            local_day(self.server.clock.now().wall_ms)
        } else {
            (None, None)
        };
        environment_block(&EnvironmentContext {
            cwd: cwd.to_owned(),
            shell,
            current_date,
            timezone,
            filesystem: Some(files),
        })
    }

    fn model_facts(&self, model: &str) -> ModelFacts {
        let metadata = catalog::metadata(model);
        let window = self.config.context_window.map_or_else(
            || metadata.shown_window(),
            |window| {
                catalog::ModelMetadata {
                    context_window: window,
                    ..metadata.clone()
                }
                .shown_window()
            },
        );
        ModelFacts {
            context_window: i64::try_from(window).ok(),
            parallel_tool_calls: true,
            streams_patches: self
                .config
                .feature("apply_patch_streaming_events")
                .unwrap_or_default(),
            verbosity: self
                .config
                .verbosity
                .map(|verbosity| verbosity.as_str().to_owned()),
            warning: metadata.fallback.then(|| {
                format!(
                    "Model metadata for `{model}` not found. Defaulting to fallback metadata; \
                     limits and the token window may be wrong."
                )
            }),
        }
    }
}

/// Local date and the time zone's name.
fn local_day(wall_ms: i64) -> (Option<String>, Option<String>) {
    let zone = jiff::tz::TimeZone::system();
    let Ok(now) = jiff::Timestamp::from_millisecond(wall_ms) else {
        return (None, None);
    };
    let name = zone.iana_name().map(str::to_owned);
    (Some(now.to_zoned(zone).date().to_string()), name)
}

fn permissions(
    settings: &ThreadSettings,
    mode: SandboxMode,
    write: &SandboxWorkspaceWrite,
    has_file_rules: bool,
) -> String {
    permissions_block(&Permissions {
        sandbox: mode,
        has_file_rules,
        network: write.network_access,
        writable_roots: &write.writable_roots,
        approval: approval(&settings.approval_policy),
        reviewer: match settings.approvals_reviewer {
            loomd_protocol::ApprovalsReviewer::User => ApprovalsReviewer::User,
            loomd_protocol::ApprovalsReviewer::AutoReview
            | loomd_protocol::ApprovalsReviewer::GuardianSubagent => ApprovalsReviewer::AutoReview,
        },
        approved_prefixes: &[],
    })
}

/// The rules of a profile as the model reads them, for work in `cwd`. What is protected by
/// its name where a rule lets the workspace be written is told like a rule.
fn ruled_filesystem(rules: &FileRules, cwd: &Path) -> Filesystem {
    let mut told = Vec::new();
    for entry in rules.in_folder(cwd) {
        let access = match entry.access {
            FileSystemAccessMode::Read => Access::Read,
            FileSystemAccessMode::Write => Access::Write,
            FileSystemAccessMode::Deny => Access::Deny,
        };
        let place = match entry.path {
            FileSystemPath::Path { path } => FilePlace::Path(path.into()),
            FileSystemPath::GlobPattern { pattern } => FilePlace::Glob(pattern),
            FileSystemPath::Special { value } => match value {
                FileSystemSpecialPath::Root => FilePlace::Root,
                FileSystemSpecialPath::Minimal => FilePlace::Minimal,
                FileSystemSpecialPath::Tmpdir => FilePlace::Tmpdir,
                FileSystemSpecialPath::SlashTmp => FilePlace::SlashTmp,
                FileSystemSpecialPath::ProjectRoots { .. }
                | FileSystemSpecialPath::Unknown { .. } => continue,
            },
        };
        told.push((access, place));
    }
    let workspace_roots: Vec<PathBuf> = rules.workspaces(cwd).map(Path::to_owned).collect();
    let written =
        |root: &&PathBuf| told.contains(&(Access::Write, FilePlace::Path((*root).clone())));
    let protected: Vec<_> = workspace_roots
        .iter()
        .filter(written)
        .flat_map(|root| PROTECTED.map(|name| FilePlace::Path(root.join(name))))
        .filter(|place| told.iter().all(|(_, other)| other != place))
        .collect();
    told.extend(protected.into_iter().map(|place| (Access::Read, place)));
    Filesystem {
        workspace_roots,
        restricted: Some(told),
    }
}

/// The protocol's sandbox in the configuration's words.
fn sandbox(policy: &SandboxPolicy) -> (SandboxMode, SandboxWorkspaceWrite) {
    match policy {
        SandboxPolicy::DangerFullAccess => (
            SandboxMode::DangerFullAccess,
            SandboxWorkspaceWrite::default(),
        ),
        SandboxPolicy::ReadOnly { network_access } => (
            SandboxMode::ReadOnly,
            SandboxWorkspaceWrite {
                network_access: *network_access,
                ..SandboxWorkspaceWrite::default()
            },
        ),
        // The sandbox around the server is somebody else's; inside it all is allowed.
        SandboxPolicy::ExternalSandbox { network_access } => (
            SandboxMode::DangerFullAccess,
            SandboxWorkspaceWrite {
                network_access: *network_access == NetworkAccess::Enabled,
                ..SandboxWorkspaceWrite::default()
            },
        ),
        SandboxPolicy::WorkspaceWrite {
            network_access,
            writable_roots,
            exclude_tmpdir_env_var,
            exclude_slash_tmp,
        } => (
            SandboxMode::WorkspaceWrite,
            SandboxWorkspaceWrite {
                writable_roots: writable_roots
                    .iter()
                    .map(|root| PathBuf::from(root.as_str()))
                    .collect(),
                network_access: *network_access,
                exclude_tmpdir_env_var: *exclude_tmpdir_env_var,
                exclude_slash_tmp: *exclude_slash_tmp,
            },
        ),
    }
}

fn approval(policy: &AskForApproval) -> ApprovalPolicy {
    match policy {
        AskForApproval::Untrusted => ApprovalPolicy::Untrusted,
        AskForApproval::OnRequest => ApprovalPolicy::OnRequest,
        AskForApproval::Never => ApprovalPolicy::Never,
        AskForApproval::Granular {
            sandbox_approval,
            rules,
            skill_approval,
            request_permissions,
            mcp_elicitations,
        } => ApprovalPolicy::Granular(GranularApproval {
            sandbox_approval: *sandbox_approval,
            rules: *rules,
            skill_approval: *skill_approval,
            request_permissions: *request_permissions,
            mcp_elicitations: *mcp_elicitations,
        }),
    }
}
