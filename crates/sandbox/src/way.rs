//! The way a path takes: every link on it, and where it ends.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// Links that one path leads over at most, as the kernel has it (path_resolution(7)).
const LINKS_MAX: usize = 40;

/// The way of a path, in paths without links on them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Way {
    /// The links on it, in their order.
    pub(crate) links: Vec<PathBuf>,
    /// Where it ends.
    pub(crate) end: End,
}

/// Where a way ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// At something that is there.
    There(PathBuf),
    /// Where there is nothing: the first part that is missing.
    Missing(PathBuf),
    /// Nowhere: the links lead in a circle, or cannot be read.
    Nowhere,
}

/// A part of a path that is still to be walked.
enum Step {
    Root,
    Up,
    Down(OsString),
}

/// Follows an absolute path.
pub(crate) fn follow(path: &Path) -> Way {
    let mut links = Vec::new();
    let mut here = PathBuf::from("/");
    let mut rest = Vec::new();
    add_steps(&mut rest, path);
    while let Some(step) = rest.pop() {
        let name = match step {
            Step::Root => {
                here = PathBuf::from("/");
                continue;
            }
            Step::Up => {
                here.pop();
                continue;
            }
            Step::Down(name) => name,
        };
        let next = here.join(name);
        let Ok(meta) = fs::symlink_metadata(&next) else {
            let end = End::Missing(next);
            return Way { links, end };
        };
        if !meta.is_symlink() {
            here = next;
            continue;
        }
        let target = fs::read_link(&next);
        links.push(next);
        match target {
            Ok(target) if links.len() <= LINKS_MAX => add_steps(&mut rest, &target),
            Ok(_) | Err(_) => {
                let end = End::Nowhere;
                return Way { links, end };
            }
        }
    }
    let end = End::There(here);
    Way { links, end }
}

/// Adds the steps of a path, the first of them last.
fn add_steps(rest: &mut Vec<Step>, path: &Path) {
    let steps = path.components().rev().filter_map(|part| match part {
        Component::RootDir => Some(Step::Root),
        Component::ParentDir => Some(Step::Up),
        Component::Normal(name) => Some(Step::Down(name.to_owned())),
        Component::CurDir | Component::Prefix(_) => None,
    });
    rest.extend(steps);
}

/// The folders around `path` that lie in one of the roots and are none: whoever may
/// write there could rename them, and put something else at the path.
pub(crate) fn between<'a>(
    path: &'a Path,
    roots: &BTreeSet<&Path>,
) -> impl Iterator<Item = &'a Path> {
    let around: Vec<&Path> = path.ancestors().skip(1).collect();
    let outermost = around.iter().rposition(|folder| roots.contains(folder));
    let inside = around.into_iter().take(outermost.unwrap_or(0));
    inside
        .filter(|folder| !roots.contains(folder))
        .collect::<Vec<_>>()
        .into_iter()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn every_link_is_told_and_where_they_lead() {
        let folder = tempfile::tempdir().expect("a folder");
        let top = folder.path().canonicalize().expect("real");
        fs::create_dir_all(top.join("a/real")).expect("made");
        symlink("a/second", top.join("first")).expect("linked");
        symlink("../a/./real", top.join("a/second")).expect("linked");
        symlink(top.join("none/x"), top.join("dangling")).expect("linked");
        symlink("circle", top.join("circle")).expect("linked");
        let links = |names: &[&str]| names.iter().map(|name| top.join(name)).collect::<Vec<_>>();
        let there = follow(&top.join("first/../real"));
        assert_eq!(there.links, links(&["first", "a/second"]));
        assert_eq!(there.end, End::There(top.join("a/real")));
        let missing = follow(&top.join("dangling/y"));
        assert_eq!(missing.links, links(&["dangling"]));
        assert_eq!(missing.end, End::Missing(top.join("none")));
        assert_eq!(follow(&top.join("circle")).end, End::Nowhere);
    }

    #[test]
    fn what_lies_between_is_neither_a_root_nor_outside() {
        let roots = ["/tmp", "/tmp/x/work"].map(Path::new);
        let folders = |path| {
            between(Path::new(path), &BTreeSet::from(roots))
                .map(|folder| folder.display().to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(folders("/tmp/x/work"), ["/tmp/x"]);
        assert_eq!(folders("/tmp/x/work/a/.git"), ["/tmp/x/work/a", "/tmp/x"]);
        assert_eq!(folders("/tmp/x"), Vec::<String>::new());
        assert_eq!(folders("/home/x/.git"), Vec::<String>::new());
    }
}
