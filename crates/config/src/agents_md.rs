//! AGENTS.md: what a user and a project tell the model.
//!
//! All rules were seen in the reference (0.131.0 and 0.169.0 agree): one global file
//! from the home folder, then one file a folder from the project root down to the
//! working folder. An override file that exists hides its neighbours in a project
//! even when it is empty; in the home folder an empty one is passed over.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::project::folders;
use crate::snapshot::Config;

const OVERRIDE_NAME: &str = "AGENTS.override.md";
const NAME: &str = "AGENTS.md";
/// Between the global text and the project's.
const SEPARATOR: &str = "\n\n--- project-doc ---\n\n";
/// The global file has no limit in the reference; a file longer than this is cut so
/// that a mistake cannot fill memory.
const GLOBAL_BYTES_MAX: usize = 1024 * 1024;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AgentsMd {
    /// The whole text, if there is any.
    pub text: Option<String>,
    /// The files it is from, in order.
    pub sources: Vec<PathBuf>,
    /// Whether a part of it is about the project rather than the user.
    pub has_project_text: bool,
}

/// Reads the instructions for work in `cwd`, an absolute path.
///
/// Project files share `project_doc_max_bytes`: the file that passes the limit is cut
/// there, further ones are left out, and 0 leaves all of them out. Bytes that are no
/// UTF-8 become replacement characters; a file that cannot be read counts as absent, and so
/// does one of the project that `may_read` denies.
#[must_use]
pub fn agents_md(
    home: &Path,
    cwd: &Path,
    config: &Config,
    may_read: &dyn Fn(&Path) -> bool,
) -> AgentsMd {
    let mut sources = Vec::new();
    let mut text = String::new();
    if let Some((path, global)) = global(home) {
        sources.push(path);
        text = global;
    }
    let mut project = String::new();
    let mut left = config.project_doc_max_bytes;
    for folder in folders(root(cwd, &config.project_root_markers).as_deref(), cwd) {
        if left == 0 {
            break;
        }
        let Some(path) = project_file(&folder, &config.project_doc_fallback_filenames) else {
            continue;
        };
        let Some(bytes) = Some(&path)
            .filter(|path| may_read(path))
            .and_then(|path| read(path, left))
        else {
            continue;
        };
        left -= bytes.len();
        let part = String::from_utf8_lossy(&bytes);
        if part.trim().is_empty() {
            continue;
        }
        if !project.is_empty() {
            project.push_str("\n\n");
        }
        project.push_str(&part);
        sources.push(path);
    }
    let has_project_text = !project.is_empty();
    if has_project_text {
        if !text.is_empty() {
            text.push_str(SEPARATOR);
        }
        text.push_str(&project);
    }
    AgentsMd {
        text: Some(text).filter(|text| !text.is_empty()),
        sources,
        has_project_text,
    }
}

fn global(home: &Path) -> Option<(PathBuf, String)> {
    [OVERRIDE_NAME, NAME].into_iter().find_map(|name| {
        let path = home.join(name);
        let bytes = read(&path, GLOBAL_BYTES_MAX)?;
        let text = String::from_utf8_lossy(&bytes).trim().to_owned();
        (!text.is_empty()).then_some((path, text))
    })
}

/// Any file or folder with a marker's name counts here, unlike for `.codex` folders.
fn root(cwd: &Path, markers: &[String]) -> Option<PathBuf> {
    cwd.ancestors()
        .find(|folder| {
            markers
                .iter()
                .any(|marker| !marker.is_empty() && folder.join(marker).exists())
        })
        .map(Path::to_owned)
}

fn project_file(folder: &Path, fallbacks: &[String]) -> Option<PathBuf> {
    [OVERRIDE_NAME, NAME]
        .into_iter()
        .chain(fallbacks.iter().map(String::as_str))
        .filter(|name| !name.is_empty())
        .map(|name| folder.join(name))
        .find(|path| path.is_file())
}

fn read(path: &Path, bytes_max: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = fs::File::open(path).ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    file.take(bytes_max as u64).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_home::{TestHome, no_request};

    fn found(home: &TestHome, config: &str) -> AgentsMd {
        home.write("home/config.toml", config);
        let config = home
            .loader()
            .load(None, &no_request())
            .expect("the test's configuration loads");
        agents_md(&home.path("home"), &home.folder("p/sub"), &config, &|_| {
            true
        })
    }

    fn text(home: &TestHome, config: &str) -> Option<String> {
        found(home, config).text
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn global_text_comes_first_then_the_project_from_its_root_down() {
        let home = TestHome::new();
        home.repository("p");
        home.write("home/AGENTS.md", "  G\n\n");
        home.write("p/AGENTS.md", "R\n");
        home.write("p/sub/AGENTS.md", "S");
        home.write("AGENTS.md", "above the root");
        let found = found(&home, "");
        assert_eq!(found.text, some("G\n\n--- project-doc ---\n\nR\n\n\nS"));
        assert_eq!(
            found.sources,
            ["home/AGENTS.md", "p/AGENTS.md", "p/sub/AGENTS.md"].map(|name| home.path(name))
        );
        assert!(found.has_project_text);
    }

    #[test]
    fn nothing_found_is_no_text() {
        let home = TestHome::new();
        assert_eq!(found(&home, ""), AgentsMd::default());
    }

    #[test]
    fn an_empty_override_hides_a_project_file_but_not_the_global_one() {
        let home = TestHome::new();
        home.repository("p");
        home.write("home/AGENTS.override.md", " ");
        home.write("home/AGENTS.md", "G");
        home.write("p/AGENTS.override.md", "");
        home.write("p/AGENTS.md", "R");
        home.write("p/sub/AGENTS.override.md", "S");
        home.write("p/sub/AGENTS.md", "hidden");
        assert_eq!(text(&home, ""), some("G\n\n--- project-doc ---\n\nS"));
    }

    #[test]
    fn the_limit_counts_project_text_only_and_cuts_in_the_middle() {
        let home = TestHome::new();
        home.repository("p");
        home.write("home/AGENTS.md", "GGGGGGGGGG");
        home.write("p/AGENTS.md", "RRR");
        home.write("p/sub/AGENTS.md", "SSSSS");
        assert_eq!(
            text(&home, "project_doc_max_bytes = 5"),
            some("GGGGGGGGGG\n\n--- project-doc ---\n\nRRR\n\nSS")
        );
        let exact = found(&home, "project_doc_max_bytes = 3");
        assert_eq!(exact.sources.len(), 2);
        assert_eq!(text(&home, "project_doc_max_bytes = 0"), some("GGGGGGGGGG"));
    }

    #[test]
    fn a_cut_character_and_bad_bytes_become_replacement_characters() {
        let home = TestHome::new();
        home.repository("p");
        home.write("p/AGENTS.md", "aéé");
        assert_eq!(text(&home, "project_doc_max_bytes = 4"), some("aé\u{fffd}"));
        fs::write(home.path("home/AGENTS.md"), b"G\xff").expect("writing works");
        assert_eq!(text(&home, "project_doc_max_bytes = 0"), some("G\u{fffd}"));
    }

    #[test]
    fn fallback_names_count_where_a_folder_has_no_agents_file() {
        let home = TestHome::new();
        home.repository("p");
        home.write("p/CLAUDE.md", "C");
        home.write("p/sub/X.md", "hidden");
        home.write("p/sub/AGENTS.md", "S");
        let config = "project_doc_fallback_filenames = ['CLAUDE.md', '', 'X.md']";
        assert_eq!(text(&home, config), some("C\n\nS"));
    }

    #[test]
    fn a_folder_named_like_a_file_is_passed_over() {
        let home = TestHome::new();
        home.repository("p");
        home.folder("p/AGENTS.override.md");
        home.write("p/AGENTS.md", "R");
        assert_eq!(text(&home, ""), some("R"));
    }

    #[test]
    fn without_a_root_marker_only_the_working_folder_counts() {
        let home = TestHome::new();
        home.write("p/AGENTS.md", "R");
        home.write("p/sub/AGENTS.md", "S");
        let config = "project_root_markers = ['top-of-the-test']";
        assert_eq!(text(&home, config), some("S"));
        home.folder("p/top-of-the-test");
        assert_eq!(text(&home, config), some("R\n\nS"));
        assert_eq!(text(&home, "project_root_markers = []"), some("S"));
    }
}
