//! What a sandbox policy of the protocol, the rules of a permission profile and the user's
//! grants mean for a program: the folders, the network.
//!
//! [`Bounds`] is what they say, and pure; [`Bounds::settle`] looks at the disk for what only
//! it can tell: what fits a pattern, and what there is beside what may be read.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use loomd_events::FileRules;
use loomd_protocol::{
    FileSystemAccessMode, FileSystemPath, FileSystemSpecialPath, NetworkAccess, SandboxPolicy,
};
use loomd_sandbox::{Confined, Error, Job, Policy, Root, RootKind, Sandbox, What};

use crate::globs;
use crate::grants::Grants;

/// The folder that every program may use for temporary files, unless a policy says not.
const SLASH_TMP: &str = "/tmp";

/// Tells a program that it has no network.
const NETWORK_DISABLED: (&str, &str) = ("CODEX_SANDBOX_NETWORK_DISABLED", "1");

/// What programs need to run at all, as in the reference (seen on 0.169.0).
const MINIMAL: [&str; 10] = [
    "/bin",
    "/sbin",
    "/usr",
    "/etc",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/nix/store",
    "/run/current-system/sw",
];

/// What the sandbox makes anew for each program.
const MADE_ANEW: [&str; 2] = ["/proc", "/dev"];

/// Where a program that may have to be confined works.
#[derive(Debug, Clone, Copy)]
pub struct Site<'a> {
    /// Its workspace, the first folder that it may write.
    pub folder: &'a Path,
    /// The folder that its environment has for temporary files.
    pub temporary: Option<&'a OsStr>,
    /// The server's home, which holds the rules and logins: not writable, but for what a
    /// rule names in it.
    pub home: &'a Path,
}

/// What a program may touch, as far as can be said without looking at the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// What is said of single paths.
    paths: BTreeMap<PathBuf, Access>,
    /// Absolute patterns of what is hidden.
    globs: Vec<String>,
    /// How many folders deep a pattern with `**` is looked for.
    depth: Option<usize>,
    /// Whether everything may be read that nothing is said of.
    reads_all: bool,
    network: bool,
    /// The server's home.
    home: Option<PathBuf>,
    grants: Grants,
    /// Folders in which nothing is protected by its name.
    opened: BTreeSet<PathBuf>,
}

/// What is said of a path. For the same one the greatest counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Access {
    Read,
    WriteTemporary,
    Write,
    WriteOpen,
    Deny,
}

/// How a program is confined by a policy, or by the rules that take its place; `None` if it
/// is not.
#[must_use]
pub fn bounds(
    policy: &SandboxPolicy,
    rules: Option<&FileRules>,
    grants: Grants,
    site: Site<'_>,
) -> Option<Bounds> {
    let network = match policy {
        SandboxPolicy::DangerFullAccess | SandboxPolicy::ExternalSandbox { .. } => return None,
        SandboxPolicy::ReadOnly { network_access }
        | SandboxPolicy::WorkspaceWrite { network_access, .. } => *network_access,
    };
    let by_policy;
    let rules = match rules {
        Some(rules) => rules,
        None => {
            by_policy = FileRules::of_policy(policy)?;
            &by_policy
        }
    };
    let mut bounds = Bounds {
        paths: BTreeMap::new(),
        globs: Vec::new(),
        depth: rules.glob_scan_max_depth,
        reads_all: false,
        network: network || grants.network,
        home: Some(site.home.to_owned()),
        grants,
        opened: BTreeSet::new(),
    };
    for entry in rules.in_folder(site.folder) {
        bounds.add(&entry.path, entry.access, site.temporary);
    }
    Some(bounds)
}

/// How a program is confined that may leave the sandbox: what is hidden stays so, as in the
/// reference (seen on 0.169.0). `None` if nothing is.
#[must_use]
pub(crate) fn bounds_outside(
    policy: &SandboxPolicy,
    rules: Option<&FileRules>,
    site: Site<'_>,
) -> Option<Bounds> {
    let denials = FileRules {
        entries: rules?.denials(),
        workspace_roots: rules?.workspace_roots.clone(),
        glob_scan_max_depth: rules?.glob_scan_max_depth,
    };
    let mut bounds = bounds(policy, Some(&denials), Grants::default(), site)?;
    if bounds.paths.is_empty() && bounds.globs.is_empty() {
        return None;
    }
    bounds.say("/".into(), Access::WriteOpen);
    bounds.reads_all = true;
    bounds.network = true;
    bounds.home = None;
    Some(bounds)
}

impl Bounds {
    fn add(
        &mut self,
        place: &FileSystemPath,
        access: FileSystemAccessMode,
        temporary: Option<&OsStr>,
    ) {
        let (plain, for_a_while) = match access {
            FileSystemAccessMode::Read => (Access::Read, Access::Read),
            FileSystemAccessMode::Write => (Access::Write, Access::WriteTemporary),
            FileSystemAccessMode::Deny => (Access::Deny, Access::Deny),
        };
        match place {
            FileSystemPath::Path { path } => self.say(path.into(), plain),
            FileSystemPath::GlobPattern { pattern } if plain == Access::Deny => {
                self.globs.push(pattern.clone());
            }
            FileSystemPath::Special { value } => match value {
                FileSystemSpecialPath::Root => match access {
                    FileSystemAccessMode::Read => self.reads_all = true,
                    FileSystemAccessMode::Write => {
                        self.reads_all = true;
                        self.say("/".into(), Access::WriteOpen);
                    }
                    // Nothing is given, and so it is without a rule.
                    FileSystemAccessMode::Deny => {}
                },
                FileSystemSpecialPath::Minimal => {
                    for path in MINIMAL {
                        self.say(path.into(), plain);
                    }
                }
                FileSystemSpecialPath::SlashTmp => self.say(SLASH_TMP.into(), for_a_while),
                FileSystemSpecialPath::Tmpdir => {
                    let named = temporary.map(PathBuf::from);
                    if let Some(named) = named.filter(|named| named.is_absolute()) {
                        self.say(named, for_a_while);
                    }
                }
                // The former were said of folders before; the latter says nothing.
                FileSystemSpecialPath::ProjectRoots { .. }
                | FileSystemSpecialPath::Unknown { .. } => {}
            },
            FileSystemPath::GlobPattern { .. } => {}
        }
    }

    fn say(&mut self, path: PathBuf, access: Access) {
        let said = self.paths.entry(path).or_insert(access);
        *said = access.max(*said);
    }

    /// Lets these folders, real paths, be written too, with all that is protected in them.
    pub(crate) fn open(&mut self, folders: BTreeSet<PathBuf>) {
        self.opened.extend(folders);
    }

    /// Whether all may be written that is not hidden.
    pub(crate) fn is_open(&self) -> bool {
        self.paths.get(Path::new("/")) == Some(&Access::WriteOpen)
    }

    /// What it means on the disk as it is. Blocking.
    ///
    /// # Errors
    /// A pattern makes no sense, or it takes too much to look for what fits it; the text is
    /// for the model.
    pub fn settle(&self) -> Result<Policy, String> {
        let mut policy = Policy {
            network: self.network,
            ..Policy::default()
        };
        for (path, access) in &self.paths {
            let kind = match access {
                Access::Read => {
                    policy.read_only.push(path.clone());
                    continue;
                }
                Access::Deny => {
                    policy.hidden.push(path.clone());
                    continue;
                }
                Access::WriteTemporary => RootKind::Temporary,
                Access::Write if path == Path::new("/") => RootKind::Open,
                Access::Write => RootKind::Workspace,
                Access::WriteOpen => RootKind::Open,
            };
            let path = path.clone();
            policy.writable.push(Root { path, kind });
        }
        policy
            .hidden
            .extend(globs::expand(&self.globs, self.depth)?);
        // What is denied cannot be granted.
        let denials = policy.clone();
        let is_free = |path: &&PathBuf| !denials.forbids_read(path);
        let readable = self.grants.readable_roots.iter().filter(is_free);
        if !self.reads_all {
            let unsaid = readable.filter(|path| !self.paths.contains_key(*path));
            policy.read_only.extend(unsaid.cloned());
        }
        let writable = self.grants.writable_roots.iter().filter(is_free);
        for path in writable {
            policy.read_only.retain(|kept| kept != path);
            policy.writable.push(match path == Path::new("/") {
                true => Root::open(path),
                false => Root::workspace(path),
            });
        }
        // By its real path, so that no link on the way can be turned.
        let home = self.home.as_ref().and_then(|home| home.canonicalize().ok());
        if let Some(home) = home
            && (self.reads_all || policy.covers(&home))
            && !policy.forbids_read(&home)
            && !self.opened.contains(&home)
        {
            policy.read_only.push(home);
        }
        for folder in &self.opened {
            let is_same = |path: &Path| path.canonicalize().is_ok_and(|real| real == *folder);
            policy.read_only.retain(|path| !is_same(path));
            policy.writable.retain(|root| !is_same(&root.path));
            policy.writable.push(Root::open(folder));
        }
        if !self.reads_all {
            let rest = beside(&policy).map_err(|error| {
                format!("cannot find out what is beside what may be read: {error}")
            })?;
            policy.hidden.extend(rest);
        }
        Ok(policy)
    }
}

/// What there is at the top of the file system and no rule of the policy is about.
fn beside(policy: &Policy) -> std::io::Result<Vec<PathBuf>> {
    let mut rest = Vec::new();
    for entry in fs::read_dir("/")? {
        let entry = entry?;
        let path = entry.path();
        // Where a link leads is hidden or not by itself.
        let is_link = entry.file_type()?.is_symlink();
        let is_new = MADE_ANEW.iter().any(|made| path == Path::new(made));
        if !is_link && !is_new && !policy.covers(&path) {
            rest.push(path);
        }
    }
    Ok(rest)
}

/// The variable by which a program sees that it has no network, be it kept from it by its
/// own sandbox or by somebody else's around the server.
#[must_use]
pub fn network_variable(
    policy: &SandboxPolicy,
    confinement: Option<&Confinement>,
) -> Option<(OsString, OsString)> {
    let restricted = NetworkAccess::Restricted;
    let has_network = match (confinement, policy) {
        (Some(confinement), _) => confinement.bounds.network,
        (None, SandboxPolicy::ExternalSandbox { network_access }) => *network_access != restricted,
        (None, _) => true,
    };
    let (name, value) = NETWORK_DISABLED;
    (!has_network).then(|| (name.into(), value.into()))
}

/// A sandbox with the bounds to run something in.
#[derive(Debug, Clone)]
pub struct Confinement {
    /// The sandbox.
    pub sandbox: Arc<Sandbox>,
    /// What may be touched.
    pub bounds: Bounds,
}

impl Confinement {
    /// Prepares a program. Blocking.
    pub(crate) fn program(
        &self,
        argv: &[OsString],
        folder: &Path,
        terminal: bool,
    ) -> Result<Confined, Error> {
        self.command(&Job {
            what: What::Program(argv),
            folder,
            terminal,
        })
    }

    /// Prepares a program or a task. Blocking.
    pub(crate) fn command(&self, job: &Job<'_>) -> Result<Confined, Error> {
        let policy = self.bounds.settle().map_err(Error::Unavailable)?;
        self.sandbox.command(&policy, job)
    }
}

#[cfg(test)]
mod tests;
