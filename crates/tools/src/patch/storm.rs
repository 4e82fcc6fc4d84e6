//! Ten thousand patches that mean no good, on a folder full of what a patch should not touch.
//!
//! Whatever a patch says: nothing panics, a patch that fails leaves every file as it was, and
//! nothing outside of the folder changes while the policy lets only the folder be written.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use loomd_sandbox::{Policy, Root};
use rustix::fs::{CWD, FileType, Mode, mknodat};

use self::ground::{Ground, contents, differing};
use super::disk;
use super::runner::{Checked, check};
use crate::gate::Reach;

mod ground;

/// Patches that are tried.
const PATCHES: u64 = 10_000;
/// Names that patches use, relative to the folder. Those that begin with `@` stand for the
/// folder beside it.
const NAMES: &[&str] = &[
    "plain",
    "crlf",
    "mixed",
    "bom",
    "no-end",
    "empty",
    "nul",
    "binary",
    "read-only",
    "twin-1",
    "twin-2",
    "huge",
    "long-line",
    "dir",
    "dir/inner",
    "dir/inner/x",
    "full/file",
    "fifo",
    "socket",
    "loop-1",
    "loop-1/x",
    "link",
    "link-out",
    "link-dir-out/secret",
    "link-dir-out/new",
    "dangling",
    "new",
    "new/a/b/c",
    "plain/x",
    "./plain",
    "dir/../plain",
    "../beside/secret",
    "../beside/new",
    "../../../../../../../../../../../../nowhere/at/all/x",
    "/dev/null",
    "/proc/self/mem",
    "/proc/sys/kernel/hostname",
    "@secret",
    "@new",
    ".",
    "..",
    "",
    " ",
    "\u{0}",
    "a\u{0}b",
    "“quoted”",
    ".git/config",
    ".codex/x",
    "sub/.git/hooks/x",
    "space in name",
    "\u{feff}plain",
    "plain ",
    "-rf",
    "~",
    "$HOME",
    "NAME_MAX",
    "PATH_MAX",
];

/// A small generator, so that a failure can be had again by its number.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or(0) % sides
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.roll(of.len())]
    }
}

fn name(dice: &mut Dice, ground: &Ground) -> String {
    match dice.pick(NAMES) {
        "NAME_MAX" => "n".repeat(300),
        "PATH_MAX" => "deep/".repeat(1_000) + "x",
        name => match name.strip_prefix('@') {
            Some(beside) => ground.beside().join(beside).display().to_string(),
            None => name.to_owned(),
        },
    }
}

fn line(dice: &mut Dice) -> String {
    let prefix = dice.pick(&["+", "-", " ", "", "@@ ", "*** ", "\t"]);
    let body = dice.pick(&[
        "1",
        "2",
        "3",
        "2\r",
        "",
        "\u{0}",
        "é",
        "\u{feff}1",
        "no such line",
    ]);
    format!("{prefix}{body}")
}

fn hunk(dice: &mut Dice, ground: &Ground) -> String {
    let name = name(dice, ground);
    match dice.roll(8) {
        0 | 1 => format!("*** Add File: {name}\n+new\n+lines"),
        2 => format!("*** Delete File: {name}"),
        3 => format!("*** Update File: {name}\n@@\n 1\n-2\n+two"),
        4 => {
            let target = self::name(dice, ground);
            format!("*** Update File: {name}\n*** Move to: {target}\n@@\n-2\n+two")
        }
        5 => format!(
            "*** Update File: {name}\n@@\n-1\n+{}",
            "y".repeat(dice.roll(200_000))
        ),
        6 => {
            let lines: Vec<String> = (0..dice.roll(6)).map(|_| line(dice)).collect();
            format!("*** Update File: {name}\n{}", lines.join("\n"))
        }
        _ => {
            let marker = dice.pick(&[
                "*** Begin Patch",
                "*** End Patch",
                "*** End of File",
                "*** Move to: x",
                "*** Environment ID: x",
                "garbage",
                "*** Rename File: a",
                "",
            ]);
            marker.to_owned()
        }
    }
}

fn patch(dice: &mut Dice, ground: &Ground) -> String {
    // Names that lead out refuse the whole patch, so few hunks reach more of the rest.
    let count = match dice.roll(40) {
        0 => 0,
        1 => 60,
        _ => 1 + dice.roll(4),
    };
    let hunks: Vec<String> = (0..count).map(|_| hunk(dice, ground)).collect();
    let end = dice.pick(&["\n", "\n", "\n", "\n", "\r\n", "\r"]);
    let body = hunks.join("\n").replace('\n', end);
    match dice.roll(20) {
        0 => body,
        1 => format!("*** Begin Patch{end}{body}"),
        2 => format!("\u{feff}*** Begin Patch{end}{body}{end}*** End Patch"),
        3 => format!("<<'EOF'{end}*** Begin Patch{end}{body}{end}*** End Patch{end}EOF"),
        _ => format!("*** Begin Patch{end}{body}{end}*** End Patch"),
    }
}

/// Only the folder may be written.
fn policy(ground: &Ground) -> Policy {
    Policy {
        writable: vec![Root::workspace(ground.folder())],
        ..Policy::default()
    }
}

#[test]
fn ten_thousand_bad_patches_leave_nothing_half_done() {
    let ground = Ground::new();
    let policy = policy(&ground);
    let folder = ground.folder();
    let fresh = ground.picture();
    let (mut applied, mut failed, mut refused, mut outside) = (0, 0, 0, 0);
    for seed in 0..PATCHES {
        let patch = patch(&mut Dice::new(seed), &ground);
        let Ok(Checked { plan, reach, .. }) = check(&patch, &folder, Some(&policy)) else {
            refused += 1;
            continue;
        };
        if reach == Reach::Outside {
            outside += 1;
            continue;
        }
        let written = disk::write(&plan);
        let now = ground.picture();
        let changed = differing(&now, &fresh);
        let led_out = changed
            .iter()
            .find(|path| path.starts_with(ground.beside()));
        assert_eq!(led_out, None, "patch {seed}");
        if let Err(text) = written {
            assert!(
                text.ends_with("No file was changed."),
                "patch {seed}: {text}"
            );
            assert!(changed.is_empty(), "patch {seed} left {changed:?}: {text}");
            failed += 1;
        } else {
            applied += 1;
            ground.fill();
        }
    }
    let none: [PathBuf; 0] = [];
    assert_eq!(differing(&ground.picture(), &fresh), none, "the refused");
    // The storm reaches every way that a patch can go.
    let told = format!("applied {applied}, failed {failed}, refused {refused}, outside {outside}");
    assert!(
        applied > 300 && failed > 100 && refused > 1000 && outside > 200,
        "{told}"
    );
}

#[test]
fn a_writer_that_is_killed_anywhere_leaves_what_can_be_put_back() {
    let ground = Ground::new();
    let folder = ground.folder();
    let body = "*** Begin Patch\n*** Update File: plain\n@@\n-2\n+a much longer line than before\n\
                *** Add File: new/x\n+1\n+2\n*** Add File: binary\n+text\n*** Delete File: full/file\n\
                *** Update File: crlf\n*** Move to: no-end\n@@\n-2\n+two\n*** End Patch";
    let Checked { plan, .. } = check(body, &folder, None).expect("fits");
    let fresh = ground.picture();
    disk::write(&plan).expect("written");
    let whole = ground.picture();
    let (fresh, whole) = (contents(&fresh), contents(&whole));
    let none: [PathBuf; 0] = [];
    let left = || differing(&contents(&ground.picture()), &fresh);
    assert_ne!(differing(&whole, &fresh), none);
    disk::put_back(&plan).expect("all of it");
    assert_eq!(left(), none, "after the last step");
    disk::put_back(&plan).expect("nothing to do");

    // Cut short within each file, at every byte.
    for name in ["plain", "no-end"] {
        let path = plan.files().find(|path| path.ends_with(name));
        let path = path.expect("named");
        let (old, new) = (fresh[path].as_bytes(), whole[path].as_bytes());
        for at in 0..=new.len() {
            let mut cut = new[..at].to_vec();
            cut.extend_from_slice(old.get(at..).unwrap_or_default());
            fs::write(path, &cut).expect("written");
            disk::put_back(&plan).expect("put back");
            assert_eq!(left(), none, "cut at byte {at}");
        }
        fs::write(path, "somebody else's").expect("written");
        assert_eq!(disk::put_back(&plan), Err(1));
        assert_eq!(fs::read(path).expect("read"), b"somebody else's");
        fs::write(path, old).expect("written");
    }
}

/// What somebody else does to the folder.
type Meanwhile = fn(&Path);

#[test]
fn what_changed_since_the_check_is_neither_written_nor_removed() {
    let ground = Ground::new();
    let folder = ground.folder();
    let cases: [(&str, Meanwhile); 6] = [
        ("*** Update File: crlf\n@@\n-2\n+two", |at| {
            fs::write(at.join("crlf"), "9\n").expect("written")
        }),
        ("*** Update File: crlf\n@@\n-2\n+two", |at| {
            fs::remove_file(at.join("crlf")).expect("removed")
        }),
        ("*** Delete File: crlf", |at| {
            fs::write(at.join("crlf"), "9\n").expect("written")
        }),
        ("*** Add File: new\n+x", |at| {
            fs::write(at.join("new"), "9\n").expect("written")
        }),
        ("*** Add File: new\n+x", |at| {
            symlink("../beside/made", at.join("new")).expect("linked")
        }),
        ("*** Update File: crlf\n@@\n-2\n+two", |at| {
            fs::remove_file(at.join("crlf")).expect("removed");
            mknodat(
                CWD,
                at.join("crlf"),
                FileType::Fifo,
                Mode::RUSR | Mode::WUSR,
                0,
            )
            .expect("a fifo");
        }),
    ];
    for (body, meanwhile) in cases {
        ground.fill();
        let body = format!(
            "*** Begin Patch\n*** Update File: plain\n@@\n-2\n+two\n*** Delete File: twin-1\n\
             *** Delete File: link\n{body}\n*** End Patch"
        );
        let Checked { plan, .. } = check(&body, &folder, None).expect("fits");
        meanwhile(&folder);
        let before = ground.picture();
        let text = disk::write(&plan).expect_err("changed");
        assert!(text.ends_with("No file was changed."), "{text}");
        assert!(differing(&ground.picture(), &before).is_empty(), "{text}");
    }
}

#[test]
fn a_patch_of_ten_thousand_hunks_is_all_or_nothing() {
    let ground = Ground::new();
    let folder = ground.folder();
    let before = ground.picture();
    let hunks: String = (0..10_000)
        .map(|n| format!("*** Add File: many/{n}\n+{n}\n"))
        .collect();
    let bad = format!("*** Begin Patch\n{hunks}*** Add File: dir\n+x\n*** End Patch");
    let Checked { plan, .. } = check(&bad, &folder, None).expect("fits");
    disk::write(&plan).expect_err("a folder is in the way");
    assert!(differing(&ground.picture(), &before).is_empty());
    let good = format!("*** Begin Patch\n{hunks}*** End Patch");
    let Checked { plan, .. } = check(&good, &folder, None).expect("fits");
    disk::write(&plan).expect("written");
    assert_eq!(
        fs::read_dir(folder.join("many")).expect("a folder").count(),
        10_000
    );
}
