//! The process environment as a value.
//!
//! The binary fills this in once at start. Nothing else in the program may ask the
//! process for variables or folders, so that a test can set them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Component, Path, PathBuf};

/// What the process was started with. Debug output leaves the variables out, since
/// they hold keys.
#[derive(Clone, PartialEq, Eq)]
pub struct Environment {
    /// Environment variables whose names and values are text; others are left out.
    pub vars: BTreeMap<String, String>,
    /// The user's home folder, if there is one.
    pub home_dir: Option<PathBuf>,
    /// The absolute working folder at start; relative paths are taken from it.
    pub current_dir: PathBuf,
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment")
            .field("home_dir", &self.home_dir)
            .field("current_dir", &self.current_dir)
            .finish_non_exhaustive()
    }
}

impl Environment {
    /// The variable `name`, unless it is unset or empty.
    #[must_use]
    pub fn var(&self, name: &str) -> Option<&str> {
        self.vars
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// Makes `path` absolute against the working folder and removes `.` and `..`
    /// by name alone: symbolic links stay as they were written.
    #[must_use]
    pub fn absolute(&self, path: &Path) -> PathBuf {
        clean(&self.current_dir.join(path))
    }
}

/// Removes `.` and `..` components of an absolute path by name.
pub(crate) fn clean(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => out.push(part),
        }
    }
    out
}

/// The home folder of the program: `LOOMD_HOME`, else `CODEX_HOME`, else `~/.codex`,
/// so that loomd can take the place of a Codex installation without moving files.
///
/// Without a user home folder the last one lies below the working folder.
#[must_use]
pub fn find_home(environment: &Environment) -> PathBuf {
    let named = environment
        .var("LOOMD_HOME")
        .or_else(|| environment.var("CODEX_HOME"));
    match named {
        Some(path) => environment.absolute(Path::new(path)),
        None => environment
            .home_dir
            .as_deref()
            .unwrap_or(&environment.current_dir)
            .join(".codex"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(vars: &[(&str, &str)]) -> Environment {
        Environment {
            vars: vars
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            home_dir: Some(PathBuf::from("/home/ada")),
            current_dir: PathBuf::from("/srv"),
        }
    }

    #[test]
    fn our_own_home_variable_wins_over_the_reference_one() {
        let both = environment(&[("LOOMD_HOME", "/l"), ("CODEX_HOME", "/c")]);
        assert_eq!(find_home(&both), Path::new("/l"));
        let codex = environment(&[("LOOMD_HOME", ""), ("CODEX_HOME", "rel/../c")]);
        assert_eq!(find_home(&codex), Path::new("/srv/c"));
    }

    #[test]
    fn home_is_dot_codex_when_no_variable_names_one() {
        assert_eq!(find_home(&environment(&[])), Path::new("/home/ada/.codex"));
    }

    #[test]
    fn parent_folders_above_the_root_stay_at_the_root() {
        assert_eq!(clean(Path::new("/a/../../b/./c")), Path::new("/b/c"));
    }
}
