//! The house keeps its own order: which crate may know which, what may not stand in the
//! tree, and that nothing was forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .expect("the workspace exists")
}

/// The crates of the workspace and what each may depend on, as `docs/architecture.md`
/// has it. Everything a crate needs only in tests is free.
fn arrows() -> BTreeMap<&'static str, Vec<&'static str>> {
    let core = vec!["base", "events", "protocol"];
    let libraries = vec![
        "base",
        "config",
        "events",
        "execpolicy",
        "files",
        "model",
        "protocol",
        "rollout",
        "rpc",
        "sandbox",
        "store",
        "thread",
        "tools",
    ];
    let with_server: Vec<&str> = libraries.iter().copied().chain(["server"]).collect();
    BTreeMap::from([
        ("base", vec![]),
        ("protocol", vec![]),
        ("rpc", vec!["base"]),
        ("config", vec!["base"]),
        ("files", vec!["base"]),
        ("events", vec!["base", "protocol"]),
        ("thread", core.clone()),
        ("model", core.clone()),
        ("execpolicy", vec!["base"]),
        ("sandbox", vec!["base"]),
        (
            "tools",
            [core.as_slice(), &["execpolicy", "sandbox"]].concat(),
        ),
        ("rollout", core.clone()),
        ("store", core),
        ("server", libraries),
        ("hostile", vec!["base", "sandbox"]),
        ("testkit", with_server.clone()),
        ("loomd", with_server),
        ("xtask", vec![]),
    ])
}

fn manifest(folder: &Path) -> toml::Table {
    let path = folder.join("Cargo.toml");
    let text = std::fs::read_to_string(&path).expect("a readable manifest");
    text.parse()
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn crates_depend_only_along_the_arrows() {
    let arrows = arrows();
    let folders: BTreeSet<String> = std::fs::read_dir(root().join("crates"))
        .expect("the crates folder exists")
        .map(|entry| entry.expect("a readable entry").file_name())
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    let known: BTreeSet<String> = arrows.keys().map(|name| (*name).to_owned()).collect();
    assert_eq!(
        folders, known,
        "a crate without arrows, or arrows without a crate"
    );
    for (name, allowed) in arrows {
        let manifest = manifest(&root().join("crates").join(name));
        let dependencies = manifest
            .get("dependencies")
            .and_then(toml::Value::as_table)
            .cloned()
            .unwrap_or_default();
        for dependency in dependencies.keys() {
            let Some(ours) = dependency.strip_prefix("loomd-") else {
                continue;
            };
            assert!(
                allowed.contains(&ours),
                "crates/{name} must not depend on {dependency}; see docs/architecture.md"
            );
        }
    }
}

#[test]
fn the_pure_core_knows_no_runtime() {
    let manifest = manifest(&root().join("crates/thread"));
    for banned in [
        "tokio",
        "tokio-util",
        "reqwest",
        "rusqlite",
        "uuid",
        "tracing",
    ] {
        assert!(
            manifest["dependencies"].get(banned).is_none(),
            "crates/thread must not depend on {banned}"
        );
    }
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    for name in arrows().keys() {
        let manifest = manifest(&root().join("crates").join(name));
        let lints = manifest
            .get("lints")
            .and_then(|lints| lints.get("workspace"));
        assert_eq!(
            lints.and_then(toml::Value::as_bool),
            Some(true),
            "crates/{name} does not take the workspace's lints"
        );
    }
}

/// Every file of the tree that git knows or would take.
fn files() -> Vec<PathBuf> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git lists files");
    String::from_utf8_lossy(&listed.stdout)
        .lines()
        .map(|line| root().join(line))
        .filter(|path| path.exists())
        .collect()
}

#[test]
fn every_rust_file_says_what_it_is_for() {
    let silent: Vec<PathBuf> = files()
        .into_iter()
        .filter(|path| path.extension().is_some_and(|ext| ext == "rs"))
        // The tests of one module need no word of their own.
        .filter(|path| !path.ends_with("tests.rs"))
        .filter(|path| {
            let text = std::fs::read_to_string(path).expect("a readable source file");
            !text.starts_with("//!")
        })
        .collect();
    assert!(silent.is_empty(), "files without a module doc: {silent:#?}");
}

#[test]
fn nothing_unfinished_is_left_behind() {
    // Spelled in parts, so that this file does not find itself.
    let marks = [
        concat!("TODO", "-DOC"),
        concat!("FIX", "ME"),
        concat!("#[ign", "ore]"),
        concat!("/var", "/tmp/"),
    ];
    let mut found = Vec::new();
    for path in files() {
        let Ok(text) = std::fs::read_to_string(&path) else {
            continue; // pictures and other bytes
        };
        for mark in marks {
            if text.contains(mark) {
                found.push(format!("{}: {mark}", path.display()));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn every_integration_test_file_is_part_of_a_test_binary() {
    let mut forgotten = Vec::new();
    for path in files() {
        let Some(folder) = path.parent() else {
            continue;
        };
        if !folder.ends_with("tests/it") || path.ends_with("main.rs") {
            continue;
        }
        let Some(stem) = path.file_stem().and_then(|stem| stem.to_str()) else {
            continue;
        };
        let main = std::fs::read_to_string(folder.join("main.rs")).expect("a main.rs beside it");
        if !main.contains(&format!("mod {stem};")) {
            forgotten.push(path);
        }
    }
    assert!(
        forgotten.is_empty(),
        "test files that never run: {forgotten:#?}"
    );
}

#[test]
fn the_architecture_page_names_every_crate() {
    let page = std::fs::read_to_string(root().join("docs/architecture.md")).expect("the page");
    for name in arrows().keys() {
        assert!(
            page.contains(&format!("`{name}`")),
            "docs/architecture.md does not say what crates/{name} is for"
        );
    }
}
