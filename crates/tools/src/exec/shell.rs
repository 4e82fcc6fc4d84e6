//! Which shell runs a command.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// The shells whose `-c` and `-l` mean what `exec_command` needs.
const KNOWN: [&str; 3] = ["bash", "sh", "zsh"];
/// What runs a command when nothing better is there. POSIX wants it here.
const FALLBACK: &str = "/bin/sh";

/// The shell for a command: the user's, or the one that the call names. A shell of
/// the user's own kind is the user's; another known one is looked for in the search
/// path; anything else is `/bin/sh` (as seen on 0.169.0).
pub(crate) fn choose(user: &Path, named: Option<&str>, search_path: Option<&OsStr>) -> PathBuf {
    let user = match kind(user) {
        Some(_) => user,
        None => Path::new(FALLBACK),
    };
    let Some(named) = named else {
        return user.to_owned();
    };
    let Some(wanted) = kind(Path::new(named)) else {
        return PathBuf::from(FALLBACK);
    };
    if kind(user) == Some(wanted) {
        return user.to_owned();
    }
    search_path
        .into_iter()
        .flat_map(std::env::split_paths)
        .map(|folder| folder.join(wanted))
        .find(|candidate| candidate.is_absolute() && candidate.is_file())
        .unwrap_or_else(|| PathBuf::from(FALLBACK))
}

fn kind(shell: &Path) -> Option<&'static str> {
    let name = shell.file_stem()?.to_str()?;
    KNOWN.into_iter().find(|known| *known == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_of_the_users_kind_is_the_users() {
        let user = Path::new("/opt/own/bash");
        assert_eq!(choose(user, None, None), user);
        assert_eq!(choose(user, Some("bash"), None), user);
        assert_eq!(choose(user, Some("/usr/bin/bash"), None), user);
    }

    #[test]
    fn anything_unknown_is_sh() {
        let user = Path::new("/bin/bash");
        for named in ["python3", "/usr/bin/env", "", "fish", "zsh", "sh"] {
            assert_eq!(
                choose(user, Some(named), None),
                Path::new("/bin/sh"),
                "{named}"
            );
        }
        assert_eq!(
            choose(Path::new("/usr/bin/fish"), None, None),
            Path::new("/bin/sh")
        );
    }

    #[test]
    fn another_known_shell_is_looked_for_in_the_search_path() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("zsh"), "").expect("written");
        let path = std::env::join_paths([Path::new("relative"), folder.path()]).expect("joins");
        assert_eq!(
            choose(Path::new("/bin/bash"), Some("zsh"), Some(&path)),
            folder.path().join("zsh")
        );
    }
}
