//! Permission profiles: names for what commands may touch.
//!
//! Three are built in; `[permissions.NAME]` adds more, each on its own or on top of another.
//! A profile becomes a list of [`FileRule`]s, and beside it the sandbox mode that comes
//! nearest, which is what clients see. The language and its refusals were found on 0.169.0;
//! `language` reads the single rule.

mod language;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use self::language::{DEPTH_KEY, Depth, rules};
use crate::environment::Environment;
use crate::error::ConfigError;
use crate::schema::{ConfigToml, PermissionNetworkToml, PermissionsToml};
use crate::snapshot::SandboxWorkspaceWrite;
use crate::words::SandboxMode;

const READ_ONLY: &str = ":read-only";
const WORKSPACE: &str = ":workspace";
const DANGER_FULL_ACCESS: &str = ":danger-full-access";

/// Rules of one profile with all that it builds on. Each costs every command some work.
const RULES_MAX: usize = 256;

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

/// The profile in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveProfile {
    /// Its name.
    pub id: String,
    /// The name of what it builds on.
    pub extends: Option<String>,
    /// What it says, if that is more than a sandbox mode can.
    pub files: Option<FileRules>,
}

/// What a profile says about files. The innermost rule decides about a path; where several
/// are for the same one, `Deny` comes before `Write`, and that before `Read`. What no rule
/// is about cannot be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileRules {
    /// The rules; no place twice.
    pub rules: Vec<FileRule>,
    /// Absolute folders that count as workspaces beside the working folder.
    pub workspace_roots: Vec<PathBuf>,
    /// How many folders deep a pattern with `**` is looked for, from 1.
    pub glob_scan_max_depth: Option<usize>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRule {
    /// What it is about.
    pub place: RulePlace,
    /// What it allows.
    pub access: RuleAccess,
}

/// What a rule allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RuleAccess {
    /// To read.
    Read,
    /// To read and write.
    Write,
    /// Nothing.
    Deny,
}

/// What a rule is about: a place and all below it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum RulePlace {
    /// Everything.
    Root,
    /// What programs need to run at all: the folders of the system.
    Minimal,
    /// A path in each workspace; empty for the workspace itself.
    Workspace(PathBuf),
    /// What fits a pattern in each workspace. Only with `Deny`.
    WorkspaceGlob(String),
    /// The folder that `$TMPDIR` names.
    Tmpdir,
    /// `/tmp`.
    SlashTmp,
    /// An absolute path.
    Path(PathBuf),
    /// What fits an absolute pattern. Only with `Deny`.
    Glob(String),
}

/// What a profile allows, in the terms of the sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Access {
    pub(crate) mode: SandboxMode,
    pub(crate) write: SandboxWorkspaceWrite,
    pub(crate) profile: Option<ActiveProfile>,
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

/// What the profile `id` allows; `write` is the configured `sandbox_workspace_write`, which
/// `:workspace` goes by.
pub(crate) fn access(
    id: &str,
    config: &ConfigToml,
    write: &SandboxWorkspaceWrite,
    environment: &Environment,
) -> Result<Access, ConfigError> {
    let none = BTreeMap::new();
    let profiles = config.permissions.as_ref().unwrap_or(&none);
    let refused = |text: String| Err(ConfigError::Permissions(text));
    if let Some(reserved) = profiles.keys().find(|id| id.starts_with(':')) {
        return refused(format!(
            "permissions profile `{reserved}` uses a reserved built-in profile prefix"
        ));
    }
    let built_in = |mode, network_access| Access {
        mode,
        write: SandboxWorkspaceWrite {
            network_access,
            ..write.clone()
        },
        profile: Some(ActiveProfile {
            id: id.to_owned(),
            extends: None,
            files: None,
        }),
    };
    match id {
        READ_ONLY => return Ok(built_in(SandboxMode::ReadOnly, false)),
        WORKSPACE => return Ok(built_in(SandboxMode::WorkspaceWrite, write.network_access)),
        DANGER_FULL_ACCESS => return Ok(built_in(SandboxMode::DangerFullAccess, true)),
        _ if id.starts_with(':') => {
            return refused(format!(
                "default_permissions refers to unknown built-in profile `{id}`"
            ));
        }
        _ => {}
    }
    if config.permissions.is_none() {
        return refused("default_permissions requires a `[permissions]` table".to_owned());
    }
    if !profiles.contains_key(id) {
        return refused(format!(
            "default_permissions refers to undefined profile `{id}`"
        ));
    }
    configured(id, profiles, environment).map_err(ConfigError::Permissions)
}

fn configured(
    id: &str,
    profiles: &BTreeMap<String, PermissionsToml>,
    environment: &Environment,
) -> Result<Access, String> {
    let mut sum = Sum::default();
    for step in lineage(id, profiles)?.iter().rev() {
        match step {
            Step::ReadOnly => sum.place(RulePlace::Root, RuleAccess::Read),
            Step::Workspace => sum.workspace(),
            Step::Configured(profile) => sum.add(profile, environment)?,
        }
    }
    if sum.rules.len() > RULES_MAX {
        return Err(format!(
            "permissions profile `{id}` has more than {RULES_MAX} rules"
        ));
    }
    if let Some(why) = sum.network_rules.filter(|_| sum.network) {
        return Err(format!(
            "permissions profile `{id}` is not supported: {why}, which loomd cannot enforce; it \
             can only let everything through or nothing"
        ));
    }
    let (mode, write) = sum.nearest();
    Ok(Access {
        mode,
        write,
        profile: Some(ActiveProfile {
            id: id.to_owned(),
            extends: profiles.get(id).and_then(|profile| profile.extends.clone()),
            files: Some(sum.into_rules()),
        }),
    })
}

/// One profile of a line of them.
enum Step<'a> {
    ReadOnly,
    Workspace,
    Configured(&'a PermissionsToml),
}

/// A profile and what it builds on, itself first.
fn lineage<'a>(
    id: &str,
    profiles: &'a BTreeMap<String, PermissionsToml>,
) -> Result<Vec<Step<'a>>, String> {
    let mut seen = vec![id];
    let mut line = Vec::new();
    let mut next = profiles.get_key_value(id);
    while let Some((id, profile)) = next {
        line.push(Step::Configured(profile));
        next = match profile.extends.as_deref() {
            None => None,
            Some(READ_ONLY) => {
                line.push(Step::ReadOnly);
                None
            }
            Some(WORKSPACE) => {
                line.push(Step::Workspace);
                None
            }
            Some(other) if other.starts_with(':') => {
                return Err(format!(
                    "permissions profile `{id}` cannot extend unsupported built-in profile `{other}`"
                ));
            }
            Some(other) if seen.contains(&other) => {
                return Err(format!(
                    "permissions profile inheritance cycle detected: {} -> {other}",
                    seen.join(" -> ")
                ));
            }
            Some(other) => {
                seen.push(other);
                Some(profiles.get_key_value(other).ok_or_else(|| {
                    format!("permissions profile `{id}` extends undefined profile `{other}`")
                })?)
            }
        };
    }
    Ok(line)
}

/// What the profiles of a line say together; a later one is laid over the earlier ones.
#[derive(Default)]
struct Sum {
    rules: BTreeMap<RulePlace, RuleAccess>,
    workspace_roots: BTreeMap<PathBuf, bool>,
    depth: Option<usize>,
    network: bool,
    /// What of the network is told apart, if anything is.
    network_rules: Option<&'static str>,
}

impl Sum {
    fn place(&mut self, place: RulePlace, access: RuleAccess) {
        self.rules.insert(place, access);
    }

    fn workspace(&mut self) {
        self.place(RulePlace::Root, RuleAccess::Read);
        for place in [
            RulePlace::Workspace(PathBuf::new()),
            RulePlace::SlashTmp,
            RulePlace::Tmpdir,
        ] {
            self.place(place, RuleAccess::Write);
        }
    }

    fn add(&mut self, profile: &PermissionsToml, environment: &Environment) -> Result<(), String> {
        for (place, value) in &profile.filesystem {
            if place == DEPTH_KEY {
                self.depth = Some(Depth::read(value)?.0);
                continue;
            }
            for FileRule { place, access } in rules(place, value, environment)? {
                self.place(place, access);
            }
        }
        for (root, counts) in profile.workspace_roots.iter().flatten() {
            let root = language::absolute(root, environment)?;
            self.workspace_roots.insert(root, *counts);
        }
        if let Some(network) = &profile.network {
            self.network = network.enabled.unwrap_or(self.network);
            self.network_rules = told_apart(network).or(self.network_rules);
        }
        Ok(())
    }

    /// The sandbox mode that comes nearest, as the reference shows it to clients.
    fn nearest(&self) -> (SandboxMode, SandboxWorkspaceWrite) {
        let may_write = |place: &RulePlace| self.rules.get(place) == Some(&RuleAccess::Write);
        let written = self
            .rules
            .iter()
            .filter(|(_, access)| **access == RuleAccess::Write);
        let mut paths = Vec::new();
        for (place, _) in written {
            if let RulePlace::Path(path) = place {
                paths.push(path.clone());
            }
        }
        let counted = self.workspace_roots.iter().filter(|(_, counts)| **counts);
        let mut roots: Vec<PathBuf> = counted.map(|(root, _)| root.clone()).collect();
        let in_workspace = self.rules.iter().any(|(place, access)| {
            matches!(place, RulePlace::Workspace(_)) && *access == RuleAccess::Write
        });
        if !may_write(&RulePlace::Workspace(PathBuf::new())) {
            roots.clear();
        }
        roots.extend(paths);
        if may_write(&RulePlace::Root) {
            roots.insert(0, Path::new("/").to_owned());
        }
        let write = SandboxWorkspaceWrite {
            network_access: self.network,
            exclude_tmpdir_env_var: !may_write(&RulePlace::Tmpdir),
            exclude_slash_tmp: !may_write(&RulePlace::SlashTmp),
            writable_roots: roots,
        };
        let writes = in_workspace
            || !write.writable_roots.is_empty()
            || !write.exclude_slash_tmp
            || !write.exclude_tmpdir_env_var;
        match writes {
            true => (SandboxMode::WorkspaceWrite, write),
            false => (SandboxMode::ReadOnly, write),
        }
    }

    fn into_rules(self) -> FileRules {
        let rules = self.rules.into_iter();
        let roots = self.workspace_roots.into_iter();
        FileRules {
            rules: rules
                .map(|(place, access)| FileRule { place, access })
                .collect(),
            workspace_roots: roots
                .filter_map(|(root, counts)| counts.then_some(root))
                .collect(),
            glob_scan_max_depth: self.depth,
        }
    }
}

/// What of the network a profile tells apart.
fn told_apart(network: &PermissionNetworkToml) -> Option<&'static str> {
    if network
        .domains
        .as_ref()
        .is_some_and(|domains| !domains.is_empty())
    {
        return Some("it has rules for single domains (`network.domains`)");
    }
    let limited = network.mode.as_deref().is_some_and(|mode| mode != "full");
    limited.then_some("it lets some requests through (`network.mode`)")
}

#[cfg(test)]
mod tests;
