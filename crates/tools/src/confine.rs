//! What a sandbox policy of the protocol means for a program: the folders, the network.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use loomd_protocol::SandboxPolicy;
use loomd_sandbox::{Confined, Error, Job, Policy, Root, Sandbox, What};

/// The folder that every program may use for temporary files, unless a policy says not.
const SLASH_TMP: &str = "/tmp";

/// Tells a program that it has no network.
const NETWORK_DISABLED: (&str, &str) = ("CODEX_SANDBOX_NETWORK_DISABLED", "1");

/// Where a program that may have to be confined works.
#[derive(Debug, Clone, Copy)]
pub struct Site<'a> {
    /// Its workspace, the first folder that it may write.
    pub folder: &'a Path,
    /// The folder that its environment has for temporary files.
    pub temporary: Option<&'a OsStr>,
    /// The server's home, which holds the rules and logins: never writable.
    pub home: &'a Path,
}

/// How a program is confined; `None` if it is not.
#[must_use]
pub fn confinement(policy: &SandboxPolicy, site: Site<'_>) -> Option<Policy> {
    let read_only = vec![site.home.to_owned()];
    match policy {
        SandboxPolicy::DangerFullAccess | SandboxPolicy::ExternalSandbox { .. } => None,
        SandboxPolicy::ReadOnly { network_access } => Some(Policy {
            read_only,
            network: *network_access,
            ..Policy::default()
        }),
        SandboxPolicy::WorkspaceWrite {
            network_access,
            writable_roots,
            exclude_tmpdir_env_var,
            exclude_slash_tmp,
        } => {
            let mut writable = vec![Root::workspace(site.folder)];
            let further = writable_roots.iter().map(|root| root.as_str());
            writable.extend(further.map(Root::workspace));
            if !exclude_slash_tmp {
                writable.push(Root::temporary(SLASH_TMP));
            }
            let named = site.temporary.map(PathBuf::from);
            if !exclude_tmpdir_env_var
                && let Some(named) = named.filter(|named| named.is_absolute())
            {
                writable.push(Root::temporary(named));
            }
            Some(Policy {
                writable,
                read_only,
                hidden: Vec::new(),
                network: *network_access,
            })
        }
    }
}

/// A sandbox with the policy to run something under.
#[derive(Debug, Clone)]
pub struct Confinement {
    /// The sandbox.
    pub sandbox: Arc<Sandbox>,
    /// What may be touched.
    pub policy: Policy,
}

impl Confinement {
    /// The variables by which a program sees that it is confined.
    #[must_use]
    pub fn variables(&self) -> Option<(OsString, OsString)> {
        let (name, value) = NETWORK_DISABLED;
        (!self.policy.network).then(|| (name.into(), value.into()))
    }

    /// Prepares a program. Blocking.
    pub(crate) fn program(
        &self,
        argv: &[OsString],
        folder: &Path,
        terminal: bool,
    ) -> Result<Confined, Error> {
        let job = Job {
            what: What::Program(argv),
            folder,
            terminal,
        };
        self.sandbox.command(&self.policy, &job)
    }
}

#[cfg(test)]
mod tests {
    use loomd_protocol::AbsolutePathBuf;
    use loomd_sandbox::RootKind;

    use super::*;

    fn site(temporary: &str) -> Site<'_> {
        Site {
            folder: Path::new("/w"),
            temporary: Some(OsStr::new(temporary)),
            home: Path::new("/home/.codex"),
        }
    }

    fn write(exclude: bool) -> SandboxPolicy {
        SandboxPolicy::WorkspaceWrite {
            network_access: true,
            writable_roots: vec![AbsolutePathBuf::new("/more").expect("absolute")],
            exclude_tmpdir_env_var: exclude,
            exclude_slash_tmp: exclude,
        }
    }

    fn roots(policy: &SandboxPolicy, tmpdir: &str) -> Vec<(String, RootKind)> {
        let policy = confinement(policy, site(tmpdir)).expect("confined");
        let shown = |root: Root| (root.path.display().to_string(), root.kind);
        policy.writable.into_iter().map(shown).collect()
    }

    #[test]
    fn a_workspace_is_the_folder_the_further_roots_and_the_temporary_ones() {
        let own = |path: &str| (path.to_owned(), RootKind::Workspace);
        let temporary = |path: &str| (path.to_owned(), RootKind::Temporary);
        assert_eq!(
            roots(&write(false), "/var/t"),
            [
                own("/w"),
                own("/more"),
                temporary("/tmp"),
                temporary("/var/t")
            ]
        );
        assert_eq!(roots(&write(true), "/var/t"), [own("/w"), own("/more")]);
        assert_eq!(
            roots(&write(false), "relative"),
            [own("/w"), own("/more"), temporary("/tmp")]
        );
    }

    #[test]
    fn only_full_access_and_somebody_elses_sandbox_are_unconfined() {
        let confined = |policy: SandboxPolicy| confinement(&policy, site("/t")).is_some();
        assert!(!confined(SandboxPolicy::DangerFullAccess));
        assert!(!confined(SandboxPolicy::ExternalSandbox {
            network_access: loomd_protocol::NetworkAccess::Restricted
        }));
        assert!(confined(write(false)));
        assert!(confined(SandboxPolicy::ReadOnly {
            network_access: true
        }));
    }
}
