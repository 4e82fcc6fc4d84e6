//! Through which folders a path is watched.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// A folder (or a file by itself) that the source watches, and what its changes mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    /// Its real path, without links.
    pub(super) watched: PathBuf,
    pub(super) meaning: Meaning,
}

/// What a change below a watched folder means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Meaning {
    /// It is the watched path itself: each child is told, and the path itself.
    Itself,
    /// The entry of this name is the watched path.
    Entry(OsString),
    /// The entry of this name is on the way to the watched path, which is not there.
    Step(OsString),
}

/// Where a path is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) rules: Vec<Rule>,
    /// There is something at the path.
    pub(super) is_there: bool,
    /// And it is a folder.
    pub(super) is_folder: bool,
}

/// Finds out where a path is.
pub(super) fn find(path: &Path) -> Place {
    let real = fs::canonicalize(path).ok();
    let is_folder = real.as_deref().is_some_and(Path::is_dir);
    let mut rules = Vec::new();
    if let Some(real) = real.as_ref().filter(|_| is_folder) {
        rules.push(Rule {
            watched: real.clone(),
            meaning: Meaning::Itself,
        });
    }
    let mut name = path.file_name();
    for (steps, above) in path.ancestors().skip(1).enumerate() {
        if let (Ok(watched), Some(name)) = (fs::canonicalize(above), name)
            && watched.is_dir()
        {
            let name = name.to_owned();
            let meaning = if steps == 0 {
                Meaning::Entry(name)
            } else {
                Meaning::Step(name)
            };
            rules.push(Rule { watched, meaning });
            break;
        }
        name = above.file_name();
    }
    // What a link to a file leads to changes elsewhere.
    if let Some(real) = real.as_ref().filter(|_| !is_folder)
        && let (Some(above), Some(name)) = (real.parent(), real.file_name())
    {
        let rule = Rule {
            watched: above.to_owned(),
            meaning: Meaning::Entry(name.to_owned()),
        };
        if !rules.contains(&rule) {
            rules.push(rule);
        }
    }
    Place {
        rules,
        is_there: real.is_some(),
        is_folder,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_path_is_watched_through_the_folders_that_see_it_change() {
        let folder = tempfile::tempdir().expect("a folder");
        let base = fs::canonicalize(folder.path()).expect("there");
        let path = |name: &str| base.join(name);
        fs::create_dir(path("d")).expect("made");
        fs::write(path("d/f"), "").expect("written");
        symlink(path("d"), path("ld")).expect("a link");
        symlink(path("d/f"), path("lf")).expect("a link");
        let rule = |watched: &str, meaning: Meaning| Rule {
            watched: if watched.is_empty() {
                base.clone()
            } else {
                path(watched)
            },
            meaning,
        };
        let entry = |name: &str| Meaning::Entry(name.into());
        let step = |name: &str| Meaning::Step(name.into());
        let rules = |name: &str| find(&path(name)).rules;
        assert_eq!(
            rules("d"),
            [rule("d", Meaning::Itself), rule("", entry("d"))]
        );
        assert_eq!(rules("d/f"), [rule("d", entry("f"))]);
        assert_eq!(
            rules("ld"),
            [rule("d", Meaning::Itself), rule("", entry("ld"))]
        );
        assert_eq!(rules("lf"), [rule("", entry("lf")), rule("d", entry("f"))]);
        assert_eq!(rules("no"), [rule("", entry("no"))]);
        assert_eq!(rules("no/a/b"), [rule("", step("no"))]);
        assert_eq!(rules("d/f/x"), [rule("d", step("f"))]);
        assert!(!find(&path("no")).is_there);
        assert_eq!(
            find(Path::new("/")).rules,
            [Rule {
                watched: PathBuf::from("/"),
                meaning: Meaning::Itself,
            }]
        );
    }
}
