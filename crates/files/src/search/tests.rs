use std::fs;
use std::path::Path;

use super::*;

fn tree(paths: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for path in paths {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, "").expect("written");
    }
    folder
}

fn root(path: &Path) -> Root {
    Root {
        name: path.display().to_string(),
        path: path.to_owned(),
    }
}

fn found(folder: &Path, query: &str) -> Vec<(String, u32, Vec<u32>)> {
    let query = Query::new(query).expect("not too long");
    let matches = find(&[root(folder)], &query, &|| false);
    let shown = matches
        .into_iter()
        .map(|found| (found.path, found.score, found.indices));
    shown.collect()
}

/// Path, score and indices as 0.169.0 gave them for the same files.
#[test]
fn scores_are_those_of_the_reference() {
    let folder = tree(&[
        "src/main.rs",
        "src/foo_bar_baz.rs",
        "src/fooBarBaz.rs",
        "deep/er/x",
        "node_modules/m/q",
        "README.MD",
        "dir/README.MD/z",
        "Upper/lower.txt",
        "a_foo/xfoo.txt",
        "foo_d/xf_foo",
        "back\\slash.txt",
        "sp/main file.txt",
        "caf\u{e9}/x",
        "it's.txt",
        "e\u{301}clair.txt",
    ]);
    let all = |query: &str| found(folder.path(), query);
    let only = |query: &str, path: &str| {
        let found = all(query).into_iter().find(|found| found.0 == path);
        let (_, score, indices) = found.unwrap_or_else(|| panic!("{query} finds {path}"));
        (score, indices)
    };
    let run = |from: u32, to: u32| (from..to).collect::<Vec<_>>();
    // A file's name, in part and whole.
    assert_eq!(only("main", "src/main.rs"), (65645, run(4, 8)));
    assert_eq!(only("MAIN", "src/main.rs"), (65645, run(4, 8)));
    assert_eq!(only(" main ", "src/main.rs"), (65645, run(4, 8)));
    assert_eq!(only("lower.txt", "Upper/lower.txt"), (196_842, run(6, 15)));
    assert_eq!(only("readme.md", "README.MD"), (196_842, run(0, 9)));
    assert_eq!(only("x", "deep/er/x"), (196_642, vec![8]));
    assert_eq!(only("fbb", "src/foo_bar_baz.rs"), (65608, vec![4, 8, 12]));
    assert_eq!(only("fbb", "src/fooBarBaz.rs"), (65604, vec![4, 7, 10]));
    // The name counts, also where the path would fit better.
    assert_eq!(only("foo", "foo_d/xf_foo"), (65616, run(9, 12)));
    assert_eq!(only("foo", "a_foo/xfoo.txt"), (65592, run(7, 10)));
    // Folders only by their whole name.
    assert_eq!(only("upper", "Upper"), (131_206, run(0, 5)));
    assert_eq!(only("er", "deep/er"), (131_131, vec![5, 6]));
    assert_eq!(only("m", "node_modules/m"), (131_104, vec![13]));
    assert_eq!(only("m", "node_modules/m/q"), (32, vec![5]));
    assert_eq!(only("m", "node_modules"), (32, vec![5]));
    // The path, and what has signs or several words.
    assert_eq!(only("sr/ma", "src/main.rs"), (122, vec![0, 1, 3, 4, 5]));
    assert_eq!(only("main rs", "src/main.rs").0, 165);
    assert_eq!(only("main file", "sp/main file.txt").0, 213);
    assert_eq!(only("main\\ file", "sp/main file.txt").0, 234);
    assert_eq!(only("'main", "src/main.rs"), (109, run(4, 8)));
    assert_eq!(only("^src", "src/main.rs"), (84, run(0, 3)));
    assert_eq!(only("rs$", "src/main.rs"), (56, vec![9, 10]));
    assert_eq!(only("back\\slash", "back\\slash.txt").0, 259);
    assert_eq!(only("it's", "it's.txt"), (65645, run(0, 4)));
    // Accents do not count where the query has none.
    assert_eq!(only("cafe", "caf\u{e9}"), (131_181, run(0, 4)));
    // A letter and its accent are one character also where they are written as two.
    assert_eq!(only("eclair", "e\u{301}clair.txt"), (65695, run(0, 6)));
    assert_eq!(only("!main", "README.MD"), (0, vec![]));
    assert!(all("!main").iter().all(|found| !found.0.contains("main")));
    assert_eq!(all("").len(), 0);
    assert_eq!(all("zzz").len(), 0);
}

#[test]
fn what_git_leaves_out_is_left_out_and_hidden_files_are_not() {
    let folder = tree(&[
        "a/log.txt",
        "a/.hidden/log",
        "a/out/log",
        "a/skipped_log",
        "b/log",
    ]);
    let path = |name: &str| folder.path().join(name);
    let paths = || {
        let mut paths: Vec<String> = found(&path("a"), "log").into_iter().map(|f| f.0).collect();
        paths.sort();
        paths
    };
    fs::write(path("a/.gitignore"), "out/\n").expect("written");
    fs::write(path("a/.ignore"), "skipped*\n").expect("written");
    std::os::unix::fs::symlink(path("b"), path("a/linked")).expect("a link");
    std::os::unix::fs::symlink(path("a"), path("a/circle_log")).expect("a link");
    std::os::unix::fs::symlink("nowhere", path("a/dangling_log")).expect("a link");
    fs::create_dir(path("a/.git")).expect("made");
    assert_eq!(paths(), [".hidden/log", "linked/log", "log.txt"]);
}

#[test]
fn roots_within_roots_show_each_file_once() {
    let folder = tree(&["a/b/file", "a/file"]);
    let outer = root(&folder.path().join("a"));
    let inner = root(&folder.path().join("a/b"));
    let query = Query::new("file").expect("short");
    for roots in [
        vec![outer.clone(), inner.clone()],
        vec![inner.clone(), outer.clone(), inner.clone()],
    ] {
        let found = find(&roots, &query, &|| false);
        let found: Vec<_> = found.iter().map(|f| (&*f.root, &*f.path)).collect();
        assert_eq!(found.len(), 2);
        assert!(found.contains(&(&*outer.name, "file")));
        assert!(found.contains(&(&*inner.name, "file")));
    }
}

#[test]
fn the_best_fifty_are_the_same_each_time() {
    let names: Vec<String> = (0..200).map(|number| format!("file{number:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let folder = tree(&names);
    let first = found(folder.path(), "file");
    let paths: Vec<&str> = first.iter().map(|found| &*found.0).collect();
    assert_eq!(paths, names[..BEST_MAX]);
}

#[test]
fn a_search_that_is_stopped_ends_with_what_it_has() {
    let folder = tree(&["a", "b", "c"]);
    let query = Query::new("a").expect("short");
    assert_eq!(find(&[root(folder.path())], &query, &|| true), []);
    assert!(Query::new(&"x".repeat(QUERY_BYTES_MAX + 1)).is_none());
    let nowhere = root(Path::new("/nowhere/at/all"));
    assert_eq!(find(&[nowhere], &query, &|| false), []);
}
