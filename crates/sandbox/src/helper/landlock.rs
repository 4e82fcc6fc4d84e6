//! The second wall: what Landlock takes away. It holds where mounts do not: pipes with a
//! name can be written on a read-only mount, and what a program does to processes
//! outside goes by user. A kernel without Landlock has the mounts alone; nothing tells so.

use std::fs;
use std::path::Path;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, PathBeneath,
    PathFd, Ruleset, RulesetAttr as _, RulesetCreated, RulesetCreatedAttr as _, RulesetError,
    Scope,
};

use crate::spec::Spec;
use crate::status::Failure;

/// What this crate's rules are written for; an older kernel keeps as much as it knows.
const NEWEST: ABI = ABI::V6;

/// Entries of a fixed folder that get a rule of their own; the rest stays as it is.
const FIXED_ENTRIES_MAX: usize = 4096;

pub(super) fn restrict(spec: &Spec) -> Result<(), Failure> {
    apply(spec).map_err(|error| Failure {
        step: "restrict itself by Landlock".to_owned(),
        errno: None,
        text: error.to_string(),
    })
}

fn apply(spec: &Spec) -> Result<(), RulesetError> {
    let write = AccessFs::from_write(NEWEST);
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(write)?
        .scope(Scope::from_all(NEWEST))?;
    if !spec.network {
        ruleset = ruleset.handle_access(AccessNet::from_all(NEWEST))?;
    }
    let mut rules = ruleset.create()?;
    for folder in spec
        .writable
        .iter()
        .filter(|path| !spec.fixed.contains(path))
    {
        rules = allow(rules, folder, write)?;
    }
    for folder in &spec.fixed {
        rules = allow_fixed(rules, folder, write)?;
    }
    let device = AccessFs::WriteFile | AccessFs::Truncate | AccessFs::IoctlDev;
    rules = allow(rules, Path::new("/dev"), device)?;
    rules = allow(rules, Path::new("/dev/shm"), write)?;
    rules.restrict_self()?;
    Ok(())
}

/// Allows everything below a folder, and in it to write what is there.
fn allow_fixed(
    mut rules: RulesetCreated,
    folder: &Path,
    write: BitFlags<AccessFs>,
) -> Result<RulesetCreated, RulesetError> {
    rules = allow(rules, folder, AccessFs::WriteFile | AccessFs::Truncate)?;
    let Ok(entries) = fs::read_dir(folder) else {
        return Ok(rules);
    };
    for entry in entries.flatten().take(FIXED_ENTRIES_MAX) {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            rules = allow(rules, &entry.path(), write)?;
        }
    }
    Ok(rules)
}

/// Adds a rule for what is below `path`, if it is there.
fn allow(
    rules: RulesetCreated,
    path: &Path,
    access: impl Into<BitFlags<AccessFs>>,
) -> Result<RulesetCreated, RulesetError> {
    match PathFd::new(path) {
        Ok(fd) => {
            let mut access = access.into();
            if !path.is_dir() {
                access &= AccessFs::from_file(NEWEST);
            }
            rules.add_rule(PathBeneath::new(fd, access))
        }
        Err(_) => Ok(rules),
    }
}
