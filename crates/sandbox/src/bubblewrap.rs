//! Linux, where only one program may make namespaces: bubblewrap.
//!
//! Some systems let no ordinary program make user namespaces, but have bubblewrap
//! installed, which may. It then does what the helper does with mounts and namespaces,
//! and runs the helper inside, which does the rest. A little weaker than the helper
//! alone: a protected name that is a link is held by Landlock only, a hidden file reads
//! as empty, the number of processes is not limited, and a program that is asked to end
//! is killed at once.

use std::ffi::{OsStr, OsString};
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::backend::INSIDE;
use crate::spec::{Kind, Spec};

/// The program.
const NAME: &str = "bwrap";

/// Where it is, if it is installed.
pub(crate) fn find(search_path: Option<&OsStr>) -> Option<PathBuf> {
    std::env::split_paths(search_path?)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(NAME))
        .find(|path| path.is_file())
}

/// The command that runs `helper` inside. It finds its orders and its status at these
/// descriptors.
pub(crate) fn command(bubblewrap: &Path, helper: &Path, spec: &Spec, fds: [RawFd; 2]) -> Command {
    let mut command = Command::new(bubblewrap);
    command.args([
        "--unshare-user",
        "--unshare-pid",
        "--unshare-ipc",
        "--unshare-uts",
        "--unshare-cgroup-try",
        "--die-with-parent",
    ]);
    if !spec.network {
        command.arg("--unshare-net");
    }
    command.args(mounts(spec));
    command.arg("--chdir").arg("/").arg("--").arg(helper);
    command.arg(INSIDE).args(fds.map(|fd| fd.to_string()));
    command
}

/// What is mounted, in order: everything, what the system needs, and then what is writable,
/// protected or hidden, the outermost first.
fn mounts(spec: &Spec) -> Vec<OsString> {
    let mut args: Vec<OsString> = Vec::new();
    let mut add = |words: &[&str], paths: &[&Path]| {
        args.extend(words.iter().map(OsString::from));
        args.extend(paths.iter().map(|path| path.as_os_str().to_owned()));
    };
    let root = Path::new("/");
    match spec.is_open() {
        true => add(&["--bind"], &[root, root]),
        false => add(&["--ro-bind"], &[root, root]),
    }
    add(
        &["--proc", "/proc", "--remount-ro", "/proc", "--dev", "/dev"],
        &[],
    );
    let pieces = spec.pieces();
    for (path, kind) in &pieces {
        match kind {
            // It cannot mount on a link; see above.
            _ if path.is_symlink() => {}
            Kind::Writable => add(&["--bind-try"], &[path, path]),
            Kind::ReadOnly => add(&["--ro-bind"], &[path, path]),
            Kind::Hidden if !path.is_dir() => add(&["--ro-bind", "/dev/null"], &[path]),
            Kind::Hidden => {
                let mut shown = pieces.iter().filter(|(_, kind)| *kind != Kind::Hidden);
                // What is let through inside must be reached.
                let mode = match shown.any(|(inside, _)| inside.starts_with(path)) {
                    true => "111",
                    false => "000",
                };
                add(&["--perms", mode, "--tmpfs"], &[path]);
            }
        }
    }
    args
}
