//! That programs run as they would outside, but for what they may not.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;

use loomd_sandbox::{Error, Root};

use crate::lab::Lab;

#[test]
fn a_program_runs_with_its_output_and_exit_code() {
    let lab = Lab::new();
    let output = lab.sh("echo out; echo err >&2; exit 7").expect("it runs");
    assert_eq!(output.stdout, b"out\n");
    assert_eq!(output.stderr, b"err\n");
    assert_eq!(output.status.code(), Some(7));
    let killed = lab.sh("kill -9 $$").expect("it runs");
    assert_eq!(killed.status.code(), Some(137));
}

#[test]
fn writes_the_workspace_and_nothing_else() {
    let lab = Lab::new();
    lab.prints("echo x > file && mkdir -p a/b && mv file a/b/ && rm -r a && echo y > kept");
    assert_eq!(fs::read(lab.work.join("kept")).expect("read"), b"y\n");
    lab.fails(&format!("echo x > {}/f", lab.outside.display()));
    lab.fails("echo x > .git/f || mkdir .git/x || rmdir .git || mv .git moved");
    lab.fails("echo x > /etc/loomd-test");
    assert_eq!(lab.prints("ls -A"), ".agents\n.aws\n.codex\n.git\nkept\n");
    let left: Vec<OsString> = fs::read_dir(&lab.work)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    assert_eq!(left, ["kept"]);
}

#[test]
fn what_cannot_be_started_is_told_as_the_system_tells_it() {
    let lab = Lab::new();
    let run = |program: &str, folder: &Path| match lab.run(&[program.into()], folder) {
        Err(Error::Start(error)) => error.kind(),
        other => panic!("{other:?}"),
    };
    assert_eq!(run("/no/such/program", &lab.work), io::ErrorKind::NotFound);
    assert_eq!(
        run("/bin/true", Path::new("/no/such")),
        io::ErrorKind::NotFound
    );
    assert_eq!(
        run("/etc/passwd", &lab.work),
        io::ErrorKind::PermissionDenied
    );
}

#[test]
fn nothing_outlives_its_program() {
    let lab = Lab::new();
    let mark = format!("{}", 31_536_000 + std::process::id());
    lab.prints(&format!(
        "setsid sleep {mark} & (setsid sleep {mark} &) ; sleep 0.05"
    ));
    let left = std::process::Command::new("pgrep")
        .args(["-f", &format!("sleep {mark}")])
        .output()
        .expect("pgrep");
    assert_eq!(String::from_utf8_lossy(&left.stdout), "");
}

#[test]
fn the_world_looks_as_programs_expect_it() {
    let lab = Lab::new();
    lab.prints(
        "echo x > /dev/null && head -c 4 /dev/urandom > f && cat /proc/self/status > /dev/null \
         && : > /dev/shm/x && [ \"$(ps -e | wc -l)\" -lt 10 ] && cat < /dev/stdin \
         && diff <(echo a) <(echo a) && echo done > /dev/stderr && python3 -c 'import multiprocessing.synchronize'",
    );
    assert_eq!(
        lab.prints("id -u").trim(),
        rustix::process::getuid().as_raw().to_string()
    );
    assert_eq!(
        lab.prints("grep -E '^(NoNewPrivs|Seccomp|CapEff|CapBnd):' /proc/self/status"),
        "CapEff:\t0000000000000000\nCapBnd:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n"
    );
}

#[test]
fn two_roots_may_lie_in_each_other() {
    let mut lab = Lab::new();
    fs::create_dir_all(lab.work.join(".git/worktree")).expect("made");
    lab.policy
        .writable
        .push(Root::workspace(lab.work.join(".git/worktree")));
    lab.prints("echo x > .git/worktree/f");
    lab.fails("echo x > .git/f");
}

#[test]
fn bubblewrap_confines_as_well() {
    let Some(mut lab) = Lab::by_bubblewrap() else {
        eprintln!("bubblewrap is not installed; nothing was tried");
        return;
    };
    fs::write(lab.outside.join("secret"), "x").expect("written");
    fs::create_dir_all(lab.work.join("sub/.git")).expect("made");
    lab.policy.hidden.push(lab.outside.join("secret"));
    lab.prints("echo x > f && mkdir d && mv f d/ && [ \"$(ps -e | wc -l)\" -lt 10 ]");
    for script in [
        "echo x > $OUT/f",
        "mkdir .git/x",
        "echo x > sub/.git/f",
        "mv sub moved",
        "grep -q x $OUT/secret",
        "echo x > /proc/sys/kernel/hostname",
        "python3 -c 'import socket; socket.socket(socket.AF_INET)'",
        "unshare -Ur true",
    ] {
        lab.fails(&format!("OUT={}; {script}", lab.outside.display()));
    }
    let output = lab.sh("echo out; echo err >&2; exit 7").expect("it runs");
    assert_eq!(
        (output.stdout, output.status.code()),
        (b"out\n".to_vec(), Some(7))
    );
    match lab.run(&["/no/such/program".into()], &lab.work) {
        Err(Error::Start(error)) => assert_eq!(error.kind(), io::ErrorKind::NotFound),
        other => panic!("{other:?}"),
    }
}
