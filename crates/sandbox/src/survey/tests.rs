use std::os::unix::fs::symlink;

use super::*;

fn real(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().canonicalize().expect("real")
}

fn survey(roots: Vec<Root>) -> Survey {
    Survey::new(
        roots,
        Vec::new(),
        Arc::new(loomd_base::SystemClock::default()),
    )
}

fn paths(found: &Found) -> Vec<&Path> {
    found.read_only.keys().map(PathBuf::as_path).collect()
}

#[test]
fn finds_what_is_protected_at_any_depth_of_a_workspace() {
    let folder = tempfile::tempdir().expect("a folder");
    let top = real(&folder);
    for name in ["sub/.git", "a/b/.codex", ".agents/x/.git"] {
        fs::create_dir_all(top.join(name)).expect("made");
    }
    let work = survey(vec![Root::workspace(&top)]).current();
    assert_eq!(
        paths(&work),
        [".agents", "a/b/.codex", "sub/.git"].map(|name| top.join(name))
    );
    assert_eq!(
        work.absent,
        BTreeSet::from([".git", ".codex", ".aws"].map(|name| top.join(name)))
    );
    let temporary = survey(vec![Root::temporary(&top)]).current();
    assert_eq!(paths(&temporary), [top.join(".agents")]);
}

#[test]
fn what_moved_stays_protected_and_what_came_later_does_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let top = real(&folder);
    fs::create_dir_all(top.join("sub/.git")).expect("made");
    let mut survey = survey(vec![Root::workspace(&top)]);
    fs::rename(top.join("sub"), top.join("moved")).expect("moved");
    fs::create_dir_all(top.join("sub/.git")).expect("made");
    assert_eq!(paths(&survey.current()), [top.join("moved/.git")]);
}

#[test]
fn a_file_with_a_name_outside_is_not_writable() {
    let (inside, outside) = (tempfile::tempdir(), tempfile::tempdir());
    let (inside, outside) = (inside.expect("a folder"), outside.expect("a folder"));
    let top = real(&inside);
    fs::write(outside.path().join("f"), "x").expect("written");
    fs::write(top.join("own"), "x").expect("written");
    fs::create_dir(top.join("d")).expect("made");
    fs::hard_link(outside.path().join("f"), top.join("d/f")).expect("linked");
    fs::hard_link(top.join("own"), top.join("d/own")).expect("linked");
    let found = survey(vec![Root::workspace(&top)]).current();
    assert_eq!(paths(&found), [top.join("d/f")]);
}

#[test]
fn many_links_are_taken_together_by_their_folders() {
    let folder = tempfile::tempdir().expect("a folder");
    let top = real(&folder);
    let mut paths = BTreeMap::new();
    for package in 0..3 {
        let package = top.join(format!("modules/p{package}"));
        fs::create_dir_all(&package).expect("made");
        for file in 0..5 {
            paths.insert(package.join(format!("f{file}")), (1, file));
        }
    }
    let three: Vec<PathBuf> = by_folders(paths.clone(), 4).into_keys().collect();
    let packages = ["p0", "p1", "p2"].map(|name| top.join("modules").join(name));
    assert_eq!(three, packages);
    let one: Vec<PathBuf> = by_folders(paths, 1).into_keys().collect();
    assert_eq!(one, [top.join("modules")]);
}

#[test]
fn a_link_in_the_place_of_a_protected_folder_fixes_the_top() {
    let folder = tempfile::tempdir().expect("a folder");
    let top = real(&folder);
    fs::create_dir(top.join("real")).expect("made");
    symlink("real", top.join(".git")).expect("linked");
    fs::create_dir_all(top.join("work/tree")).expect("made");
    fs::write(top.join("work/.git"), "gitdir: ../repository\n").expect("written");
    fs::create_dir(top.join("repository")).expect("made");
    let found = survey(vec![
        Root::workspace(&top),
        Root::workspace(top.join("work")),
    ])
    .current();
    assert_eq!(found.fixed, BTreeSet::from([top.clone()]));
    assert_eq!(
        paths(&found),
        [".git", "real", "repository", "work/.git"].map(|name| top.join(name))
    );
}

#[test]
fn everything_on_the_way_to_what_is_protected_keeps_its_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let top = real(&folder);
    fs::create_dir_all(top.join("a/b/.git")).expect("made");
    fs::create_dir_all(top.join("r/repository")).expect("made");
    symlink("r/link", top.join(".git")).expect("linked");
    symlink("repository", top.join("r/link")).expect("linked");
    fs::create_dir(top.join("sub")).expect("made");
    fs::write(top.join("sub/.git"), "gitdir: ../none/x\n").expect("written");
    let found = survey(vec![Root::workspace(&top)]).current();
    let protected = [".git", "a/b/.git", "r/link", "r/repository", "sub/.git"];
    assert_eq!(paths(&found), protected.map(|name| top.join(name)));
    assert!(found.absent.contains(&top.join("none")));
    let pinned = ["a", "a/b", "r", "sub"].map(|name| top.join(name));
    assert_eq!(found.pinned, BTreeSet::from(pinned));
}

#[test]
fn another_name_of_what_is_hidden_is_hidden_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let top = real(&folder);
    for (file, name) in [("secret", "other"), ("own", "same")] {
        fs::write(top.join(file), "x").expect("written");
        fs::hard_link(top.join(file), top.join(name)).expect("linked");
    }
    let clock = Arc::new(loomd_base::SystemClock::default());
    let roots = vec![Root::workspace(&top)];
    let found = Survey::new(roots, vec![top.join("secret")], clock).current();
    let hidden: Vec<&Path> = found.hidden.keys().map(PathBuf::as_path).collect();
    assert_eq!(hidden, [top.join("other"), top.join("secret")]);
}
