//! What the read-only and hidden paths of a policy mean on this disk.
//!
//! A rule is about a name, and a mount is about what the name stands for now. In a folder
//! that the program may write it could make the name stand for something else, for the
//! next program to find. So there every folder on the way to a path is pinned (which is
//! done with those of all others, see `namespaces`), a name that is not there yet gets its
//! place held, and a name that leads over a link is refused.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::backend::Error;
use crate::policy::{Decision, Policy, Resolved, Root, RootKind};

/// The paths, real and ready to be mounted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Rules {
    /// To be made read-only.
    pub(crate) read_only: Vec<PathBuf>,
    /// To be hidden.
    pub(crate) hidden: Vec<PathBuf>,
    /// Names in writable folders that must not come to be.
    pub(crate) absent: Vec<PathBuf>,
}

impl Rules {
    /// Looks at each path of a policy with these real `roots`. A root in which a link is
    /// on the way goes into `fixed`.
    ///
    /// # Errors
    /// A link, deeper in a writable folder, is on the way.
    pub(crate) fn of(
        policy: &Policy,
        roots: &[Root],
        fixed: &mut BTreeSet<PathBuf>,
    ) -> Result<Self, Error> {
        let resolved = policy.resolved();
        let mut rules = Self::default();
        let all = policy
            .read_only
            .iter()
            .map(|path| (path, false))
            .chain(policy.hidden.iter().map(|path| (path, true)));
        for (path, hides) in all {
            for link in links(path) {
                keep_link(&resolved, roots, &link, path, fixed)?;
            }
            match path.canonicalize() {
                Ok(real) => match hides {
                    true => rules.hidden.push(real),
                    false => rules.read_only.push(real),
                },
                Err(_) => rules.absent.extend(missing(&resolved, path)),
            }
        }
        Ok(rules)
    }
}

/// Keeps a link on the way to `path` from becoming another.
fn keep_link(
    resolved: &Resolved,
    roots: &[Root],
    link: &Path,
    path: &Path,
    fixed: &mut BTreeSet<PathBuf>,
) -> Result<(), Error> {
    let Some(folder) = link.parent().and_then(|folder| folder.canonicalize().ok()) else {
        return Ok(());
    };
    if !is_writable(resolved, &folder) {
        return Ok(());
    }
    if roots.iter().any(|root| root.path == folder) {
        fixed.insert(folder);
        return Ok(());
    }
    Err(Error::Unavailable(format!(
        "`{}` cannot be kept from the program, since `{}`, on the way to it, is a link in a \
         folder that the program may write",
        path.display(),
        link.display()
    )))
}

/// The names on the way to `path`, itself among them, that are links.
fn links(path: &Path) -> Vec<PathBuf> {
    let is_link = |path: &&Path| fs::symlink_metadata(path).is_ok_and(|meta| meta.is_symlink());
    path.ancestors()
        .filter(is_link)
        .map(Path::to_owned)
        .collect()
}

/// The first name on the way to `path` that is not there, if the program could make it.
fn missing(resolved: &Resolved, path: &Path) -> Option<PathBuf> {
    let mut name = path;
    while let Some(folder) = name.parent() {
        if let Ok(real) = folder.canonicalize() {
            let place = real.join(name.file_name()?);
            let can_be = is_writable(resolved, &real) && place.symlink_metadata().is_err();
            return (can_be || crate::placeholder::is_placeholder(&place)).then_some(place);
        }
        name = folder;
    }
    None
}

fn is_writable(resolved: &Resolved, folder: &Path) -> bool {
    let decision = resolved.decision(folder);
    decision.is_some_and(|(_, decision)| is_guarded(decision))
}

/// Whether names are kept in their places there. In an open folder they are not: what may
/// write everything can go other ways, and must not leave marks all over the machine.
fn is_guarded(decision: Decision) -> bool {
    matches!(
        decision,
        Decision::Write(RootKind::Workspace | RootKind::Temporary)
    )
}
