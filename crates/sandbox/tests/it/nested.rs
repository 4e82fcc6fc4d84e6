//! That rules inside of rules hold for real programs, and that no program can undo them for
//! the next one.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use loomd_sandbox::{Policy, Root};

use crate::lab::Lab;

fn lab(folders: &[&str]) -> Lab {
    let lab = Lab::new();
    for folder in folders {
        let folder = lab.work.join(folder);
        fs::create_dir_all(&folder).expect("made");
        fs::write(folder.join("f"), "SECRET\n").expect("written");
    }
    lab
}

fn left(lab: &Lab) -> Vec<String> {
    let entries = fs::read_dir(&lab.work).expect("a folder");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("an entry").file_name().display().to_string())
        .collect();
    names.sort();
    names
}

#[test]
fn what_is_hidden_cannot_be_read_written_listed_or_moved() {
    let mut lab = lab(&["secret", "open"]);
    lab.policy.hidden = vec![
        lab.work.join("secret"),
        lab.work.join("open/f"),
        lab.outside.clone(),
    ];
    fs::write(lab.outside.join("f"), "SECRET\n").expect("written");
    for script in [
        "cat secret/f",
        "ls secret",
        "cat open/f",
        "echo x >> open/f",
        "echo x > secret/new",
        "cat ../outside/f",
        "mv secret other",
        "mv open/f open/g",
        "ln open/f second",
        "rm open/f",
        "chmod 777 secret",
        "umount secret || cat /proc/1/root/$PWD/secret/f",
        "unshare -rm umount secret",
    ] {
        lab.fails(script);
    }
    lab.prints("ls open && echo y > open/own && rm open/own");
    assert_eq!(left(&lab), ["open", "secret"]);
}

#[test]
fn the_innermost_rule_holds() {
    let mut lab = lab(&["docs/in", "docs/in/deep", "secret/s/t", "secret/r"]);
    let under = |path: &str| lab.work.join(path);
    lab.policy = Policy {
        writable: ["", "docs/in", "secret/s"]
            .map(|path| Root::workspace(under(path)))
            .into(),
        read_only: vec![under("docs"), under("docs/in/deep"), under("secret/r")],
        hidden: vec![under("secret"), under("secret/s/t")],
        network: false,
    };
    lab.prints("echo x > docs/in/new && echo x > secret/s/new && cat secret/r/f");
    for script in [
        "echo x > docs/new",
        "echo x > docs/in/deep/new",
        "ls secret",
        "cat secret/f",
        "echo x > secret/new",
        "echo x > secret/r/new",
        "cat secret/s/t/f",
        "mv docs other",
    ] {
        lab.fails(script);
    }
    assert!(under("secret/s/new").exists() && under("docs/in/new").exists());
}

#[test]
fn a_rule_holds_for_the_next_program_too() {
    let mut lab = lab(&["a/b/secret", "a/b/c/docs"]);
    lab.policy.hidden = vec![lab.work.join("a/b/secret"), lab.work.join("none/secret")];
    lab.policy.read_only = vec![lab.work.join("a/b/c/docs"), lab.work.join("later")];
    // The names on the way stay what they are, and what is not there does not come to be.
    lab.fails("mv a z");
    lab.fails("mv a/b a/z");
    lab.fails("mv a/b/c a/z");
    lab.fails("mkdir later");
    lab.fails("rmdir later && mkdir later");
    lab.fails("mkdir -p none/secret");
    lab.prints("mkdir a/b/own && mv a/b/own a/b/other && echo x > a/b/other/f");
    lab.fails("cat a/b/secret/f");
    assert_eq!(left(&lab), ["a"]);
}

#[test]
fn a_link_that_a_program_could_turn_is_refused_or_kept() {
    let mut lab = lab(&["a", "real"]);
    symlink("../real", lab.work.join("a/way")).expect("linked");
    lab.policy.hidden = vec![lab.work.join("a/way/f")];
    let error = lab.sh("true").expect_err("it cannot be kept");
    assert!(error.to_string().contains("is a link"), "{error}");
    // At the top of a root it can be kept.
    symlink("real", lab.work.join("way")).expect("linked");
    lab.policy.hidden = vec![lab.work.join("way")];
    lab.fails("cat real/f");
    lab.fails("rm way");
    lab.prints("echo x > a/new");
}

#[test]
fn everything_but_what_is_hidden_may_be_open() {
    let mut lab = lab(&["secret", ".git"]);
    lab.policy = Policy {
        writable: vec![Root::open("/")],
        read_only: vec![lab.work.join("kept")],
        hidden: vec![lab.work.join("secret"), lab.work.join("none")],
        network: true,
    };
    fs::create_dir(lab.work.join("kept")).expect("made");
    lab.prints(
        "echo x > ../outside/f && echo x > .git/new && python3 -c 'import socket; socket.socket()'",
    );
    lab.fails("cat secret/f");
    lab.fails("echo x > kept/f");
    lab.fails("echo x > /proc/sys/kernel/hostname");
    assert_eq!(left(&lab), [".git", "kept", "secret"]);
}

#[test]
fn a_single_file_or_a_protected_folder_may_be_a_root() {
    let mut lab = lab(&["a", ".git"]);
    lab.policy.writable = [PathBuf::from("a/f"), ".git".into(), "a/none".into()]
        .map(|path| Root::workspace(lab.work.join(path)))
        .into();
    lab.prints("echo x >> a/f && echo x > .git/new");
    lab.fails("echo x > a/new");
    lab.policy.writable.push(Root::workspace(&lab.work));
    lab.prints("echo x > .git/new && echo x > a/new");
    lab.fails("mv .git moved");
}
