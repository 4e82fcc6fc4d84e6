//! The plain form of a path.

use std::path::{Component, Path, PathBuf};

/// The path without `.`, `..` and slashes at the end, by its text alone: `link/../file` is
/// the file beside the link. The reference takes paths so.
#[must_use]
pub fn normal(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => {
                plain.push(component);
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_made_plain_by_their_text() {
        for (path, plain) in [
            ("/a/b", "/a/b"),
            ("/a/b/", "/a/b"),
            ("/a//b/./c", "/a/b/c"),
            ("/a/b/../c", "/a/c"),
            ("/../..", "/"),
            ("/", "/"),
        ] {
            assert_eq!(normal(Path::new(path)), Path::new(plain), "{path}");
        }
    }
}
