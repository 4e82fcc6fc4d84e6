//! Where a project begins, and whether the user trusts it.
//!
//! Two questions that look alike have two answers, as in the reference. The project
//! root bounds which `.codex` folders are read; it is the nearest folder upwards
//! with a root marker. The trust folder is what the user trusts; it is the
//! repository, and for a linked work tree its main work tree, so that one answer
//! covers all of them.

use std::fs;
use std::path::{Path, PathBuf};

use toml::Table;

use crate::words::TrustLevel;

const GIT: &str = ".git";
/// A `.git` file holds one short line; more is not read.
const GIT_FILE_BYTES_MAX: u64 = 4096;

/// What the user said about the project a folder belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectTrust {
    /// The folder an answer is written for: the repository, else the folder itself.
    pub folder: PathBuf,
    /// The answer, if there is one.
    pub level: Option<TrustLevel>,
}

/// The project a working folder belongs to.
#[derive(Debug, Clone)]
pub(crate) struct Project {
    pub(crate) cwd: PathBuf,
    /// The nearest folder with a root marker.
    pub(crate) root: Option<PathBuf>,
    /// The repository that trust is asked for.
    repository: Option<PathBuf>,
}

impl Project {
    /// Looks upwards from `cwd`, an absolute path that need not exist.
    pub(crate) fn find(cwd: &Path, markers: &[String]) -> Self {
        Self {
            cwd: cwd.to_owned(),
            root: cwd
                .ancestors()
                .find(|folder| markers.iter().any(|marker| has_marker(folder, marker)))
                .map(Path::to_owned),
            repository: repository(cwd),
        }
    }

    /// The folders from the root down to the working folder.
    pub(crate) fn folders(&self) -> Vec<PathBuf> {
        folders(self.root.as_deref(), &self.cwd)
    }

    /// The folder that is trusted or not for all of the project.
    pub(crate) fn trust_folder(&self) -> &Path {
        self.repository.as_deref().unwrap_or(&self.cwd)
    }

    /// What `config` says about `folder`: itself, else the project root, else the
    /// repository.
    pub(crate) fn trust_of(&self, folder: &Path, config: &Table) -> Option<TrustLevel> {
        [
            Some(folder),
            self.root.as_deref(),
            self.repository.as_deref(),
        ]
        .into_iter()
        .flatten()
        .find_map(|folder| written_trust(config, folder))
    }

    /// The folder to name when asking the user to trust the project of `folder`.
    pub(crate) fn folder_to_trust<'a>(&'a self, folder: &'a Path) -> &'a Path {
        self.repository
            .as_deref()
            .or(self.root.as_deref())
            .unwrap_or(folder)
    }
}

/// The folders from `root` (else `cwd` alone) down to `cwd`.
pub(crate) fn folders(root: Option<&Path>, cwd: &Path) -> Vec<PathBuf> {
    let root = root.unwrap_or(cwd);
    let mut folders: Vec<_> = cwd
        .ancestors()
        .take_while(|folder| folder.starts_with(root))
        .map(Path::to_owned)
        .collect();
    folders.reverse();
    folders
}

/// The trust entry for exactly `folder`.
fn written_trust(config: &Table, folder: &Path) -> Option<TrustLevel> {
    let word = config
        .get("projects")?
        .get(folder.to_str()?)?
        .get("trust_level")?
        .as_str()?;
    match word {
        "trusted" => Some(TrustLevel::Trusted),
        "untrusted" => Some(TrustLevel::Untrusted),
        _ => None,
    }
}

/// An empty `.git` folder makes no repository; the reference looks at it the same way.
fn has_marker(folder: &Path, marker: &str) -> bool {
    if marker == GIT {
        return is_git(&folder.join(GIT));
    }
    !marker.is_empty() && folder.join(marker).exists()
}

fn is_git(path: &Path) -> bool {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => path.join("HEAD").exists(),
        Ok(metadata) => metadata.is_file(),
        Err(_) => false,
    }
}

/// The top of the main work tree of the repository around `cwd`.
fn repository(cwd: &Path) -> Option<PathBuf> {
    let top = cwd.ancestors().find(|folder| is_git(&folder.join(GIT)))?;
    let git = top.join(GIT);
    if git.is_dir() {
        return Some(top.to_owned());
    }
    let git_folder = top.join(read_git_file(&git)?);
    if !git_folder.is_dir() {
        return None;
    }
    Some(main_work_tree(&git_folder).unwrap_or_else(|| top.to_owned()))
}

fn read_git_file(path: &Path) -> Option<PathBuf> {
    if fs::metadata(path).ok()?.len() > GIT_FILE_BYTES_MAX {
        return None;
    }
    let text = fs::read_to_string(path).ok()?;
    let target = text.strip_prefix("gitdir:")?.trim();
    Some(PathBuf::from(target))
}

/// `MAIN` of `MAIN/.git/worktrees/NAME`; a submodule's git folder has none.
fn main_work_tree(git_folder: &Path) -> Option<PathBuf> {
    let worktrees = git_folder.parent()?;
    let git = worktrees.parent()?;
    let linked = worktrees.file_name()? == "worktrees" && git.file_name()? == GIT;
    linked.then(|| git.parent().map(Path::to_owned))?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_home::TestHome;

    fn git_marker() -> Vec<String> {
        vec![GIT.to_owned()]
    }

    #[test]
    fn an_empty_git_folder_is_no_repository() {
        let home = TestHome::new();
        home.folder("p/.git");
        let project = Project::find(&home.folder("p/sub"), &git_marker());
        assert_eq!(project.root, None);
        assert_eq!(project.trust_folder(), home.path("p/sub"));
        assert_eq!(project.folders(), [home.path("p/sub")]);
    }

    #[test]
    fn a_repository_bounds_the_folders_and_is_what_is_trusted() {
        let home = TestHome::new();
        let top = home.repository("p");
        let project = Project::find(&home.folder("p/a/b"), &git_marker());
        assert_eq!(project.trust_folder(), top);
        assert_eq!(
            project.folders(),
            [home.path("p"), home.path("p/a"), home.path("p/a/b")]
        );
    }

    #[test]
    fn a_linked_work_tree_is_trusted_with_its_main_one() {
        let home = TestHome::new();
        home.repository("main");
        let linked = home.folder("main/.git/worktrees/wt");
        home.write("wt/.git", &format!("gitdir: {}\n", linked.display()));
        let project = Project::find(&home.path("wt"), &git_marker());
        assert_eq!(project.root, Some(home.path("wt")));
        assert_eq!(project.trust_folder(), home.path("main"));
    }

    #[test]
    fn a_git_file_that_leads_nowhere_is_a_root_but_no_repository() {
        let home = TestHome::new();
        home.write("p/.git", "gitdir: /nonexistent\n");
        let project = Project::find(&home.folder("p/sub"), &git_marker());
        assert_eq!(project.root, Some(home.path("p")));
        assert_eq!(project.trust_folder(), home.path("p/sub"));
    }

    #[test]
    fn other_markers_bound_the_folders_too() {
        let home = TestHome::new();
        home.write("p/Makefile", "");
        let markers = ["Z".to_owned(), String::new(), "Makefile".to_owned()];
        let project = Project::find(&home.folder("p/sub"), &markers);
        assert_eq!(project.root, Some(home.path("p")));
    }
}
