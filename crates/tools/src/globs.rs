//! Finds what fits the patterns by which a permission profile hides files.
//!
//! `*` and `?` stand for letters of one name, `[a-z]` for one letter, `**` for any folders.
//! Links are not followed. What comes to be while a program runs is only hidden from the
//! next one.

use std::fs;
use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

/// Files and folders that are looked at for one command.
const ENTRIES_MAX: usize = 200_000;
/// What is hidden for one command by patterns.
const MATCHES_MAX: usize = 1_000;
/// How many folders deep a pattern with `**` is looked for if nothing is set.
const DEPTH_DEFAULT: usize = 32;

/// What fits one of the absolute `patterns`. A folder that fits stands for all in it.
/// `depth` bounds how many folders deep `**` goes. Blocking.
///
/// # Errors
/// A pattern is none, or there is too much to look at; nothing is left out silently.
pub(crate) fn expand(patterns: &[String], depth: Option<usize>) -> Result<Vec<PathBuf>, String> {
    let mut search = Search::default();
    for pattern in patterns {
        search.pattern(pattern, depth)?;
    }
    search.found.sort();
    search.found.dedup();
    Ok(search.found)
}

#[derive(Default)]
struct Search {
    entries: usize,
    found: Vec<PathBuf>,
}

impl Search {
    fn pattern(&mut self, pattern: &str, depth: Option<usize>) -> Result<(), String> {
        let glob = GlobBuilder::new(pattern)
            .literal_separator(true)
            .backslash_escape(false)
            .build()
            .map_err(|error| format!("invalid deny-read glob pattern `{pattern}`: {error}"))?;
        let is_plain = |part: &&str| !part.contains(['*', '?', '[', '{']);
        let parts: Vec<&str> = pattern.split('/').collect();
        let plain = parts.iter().take_while(|part| is_plain(part)).count();
        let base = PathBuf::from(parts[..plain].join("/"));
        let base = if plain <= 1 { PathBuf::from("/") } else { base };
        let depth = match pattern.contains("**") {
            true => depth.unwrap_or(DEPTH_DEFAULT),
            false => parts.len() - plain,
        };
        self.folder(&base, &glob.compile_matcher(), depth)
    }

    fn folder(&mut self, folder: &Path, glob: &GlobMatcher, depth: usize) -> Result<(), String> {
        let pattern = glob.glob().glob();
        let Ok(entries) = fs::read_dir(folder) else {
            // What the server cannot read, its programs cannot either.
            return Ok(());
        };
        for entry in entries.flatten() {
            self.entries += 1;
            if self.entries > ENTRIES_MAX {
                return Err(format!(
                    "there are more than {ENTRIES_MAX} files to look at for the deny-read glob \
                     pattern `{pattern}`; set `glob_scan_max_depth` in the permission profile, or \
                     name the folders"
                ));
            }
            let path = entry.path();
            if glob.is_match(&path) {
                if self.found.len() >= MATCHES_MAX {
                    return Err(format!(
                        "more than {MATCHES_MAX} files fit the deny-read glob pattern `{pattern}` \
                         and those beside it; name their folders"
                    ));
                }
                // A link hides what it leads to. One that leads nowhere has nothing to hide.
                self.found.extend(path.canonicalize().ok());
            } else if depth > 1 && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                self.folder(&path, glob, depth - 1)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn finds_what_fits_as_deep_as_it_may() {
        let folder = tempfile::tempdir().expect("a folder");
        let top = folder.path().canonicalize().expect("real");
        for file in ["a.env", "s/b.env", "s/t/c.env", "s/t/plain", "k/in/d.env"] {
            let file = top.join(file);
            fs::create_dir_all(file.parent().expect("a folder")).expect("made");
            fs::write(file, "x").expect("written");
        }
        symlink("s/t/plain", top.join("l.env")).expect("linked");
        symlink("nowhere", top.join("m.env")).expect("linked");
        symlink("s", top.join("way")).expect("linked");
        let found = |patterns: &[&str], depth| {
            let patterns: Vec<String> = patterns
                .iter()
                .map(|pattern| format!("{}/{pattern}", top.display()))
                .collect();
            let found = expand(&patterns, depth).expect("found");
            let inside = |path: &PathBuf| path.strip_prefix(&top).expect("inside").to_owned();
            let names = found.iter().map(|path| inside(path).display().to_string());
            names.collect::<Vec<_>>()
        };
        assert_eq!(found(&["*.env"], None), ["a.env", "s/t/plain"]);
        assert_eq!(
            found(&["**/*.env"], None),
            ["a.env", "k/in/d.env", "s/b.env", "s/t/c.env", "s/t/plain"]
        );
        assert_eq!(
            found(&["**/*.env"], Some(2)),
            ["a.env", "s/b.env", "s/t/plain"]
        );
        assert_eq!(found(&["s/?.env", "[j-l]"], None), ["k", "s/b.env"]);
        let error = expand(&["/a/[".to_owned()], None).expect_err("no pattern");
        assert!(
            error.starts_with("invalid deny-read glob pattern"),
            "{error}"
        );
    }
}
