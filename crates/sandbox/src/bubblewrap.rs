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
use crate::spec::Spec;

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

/// What is mounted, in order: everything read-only, then what is writable and what is
/// protected in it, the outermost first, then what the system needs, then what is hidden.
fn mounts(spec: &Spec) -> Vec<OsString> {
    let mut args: Vec<OsString> = Vec::new();
    let mut bind = |how: &str, path: &Path| {
        args.push(how.into());
        args.extend([path.as_os_str().to_owned(), path.as_os_str().to_owned()]);
    };
    bind("--ro-bind", Path::new("/"));
    for (path, protected) in spec.pieces() {
        // It cannot mount on a link; see above.
        if !path.is_symlink() {
            bind(if protected { "--ro-bind" } else { "--bind-try" }, path);
        }
    }
    args.extend(["--proc", "/proc", "--remount-ro", "/proc", "--dev", "/dev"].map(OsString::from));
    for path in &spec.hidden {
        let words: &[&str] = match path.is_dir() {
            true => &["--perms", "000", "--tmpfs"],
            false => &["--ro-bind", "/dev/null"],
        };
        args.extend(words.iter().map(OsString::from));
        args.push(path.as_os_str().to_owned());
    }
    args
}
