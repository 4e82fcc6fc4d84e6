//! What the program sees of the file system, and where it may write.
//!
//! Everything becomes read-only in one step. What stays writable, what is protected
//! inside it and the devices are taken aside as detached copies before that, and put
//! back in their places afterwards, the outermost first.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use rustix::mount::{
    MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, mount, mount_change,
    move_mount, open_tree,
};

use super::sys::set_mount_attributes;
use crate::backend::MOUNTS_APART;
use crate::spec::Spec;
use crate::status::Failure;

/// Processes and threads that one confined program and all it starts may have at the
/// same time, where the kernel can limit that for a namespace (Linux 6.14 and newer):
/// this many,
const PROCESSES_MAX: usize = 512;
/// and this many more for each processor, since what builds and tests goes by that.
const PROCESSES_MAX_PER_PROCESSOR: usize = 128;

/// The devices that a program may use.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// What programs expect in `/dev` beside devices.
const DEVICE_LINKS: [(&str, &str); 5] = [
    ("/proc/self/fd", "fd"),
    ("/proc/self/fd/0", "stdin"),
    ("/proc/self/fd/1", "stdout"),
    ("/proc/self/fd/2", "stderr"),
    ("pts/ptmx", "ptmx"),
];

/// A copy of a part of the file system, to be put in its place.
struct Piece {
    path: PathBuf,
    copy: OwnedFd,
}

/// Sets everything up.
pub(super) fn set_up(spec: &Spec) -> Result<(), Failure> {
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).map_err(|error| Failure::new(MOUNTS_APART, &error.into()))?;
    let pieces = pieces(spec)?;
    let devices: Vec<(&str, OwnedFd)> = DEVICES
        .iter()
        // A container may have fewer of them.
        .filter_map(|name| Some((*name, copy(&Path::new("/dev").join(name)).ok()?)))
        .collect();
    // A device can be written all the same; its mode and its times cannot be changed.
    for (name, device) in &devices {
        let attributes = libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID;
        set_mount_attributes(device.as_raw_fd(), Path::new(""), attributes, false)
            .map_err(|error| Failure::new(format!("protect /dev/{name}"), &error))?;
    }
    let read_only = libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
    set_mount_attributes(libc::AT_FDCWD, Path::new("/"), read_only, true)
        .map_err(|error| Failure::new("make everything read-only", &error))?;
    for piece in &pieces {
        put(&piece.copy, &piece.path)
            .map_err(|error| Failure::new(step("put in place", &piece.path), &error))?;
    }
    processes()?;
    set_up_devices(&devices).map_err(|error| Failure::new("set up /dev", &error))?;
    for path in &spec.hidden {
        hide(path).map_err(|error| Failure::new(step("hide", path), &error))?;
    }
    set_mount_attributes(
        libc::AT_FDCWD,
        Path::new("/dev"),
        libc::MOUNT_ATTR_RDONLY,
        false,
    )
    .map_err(|error| Failure::new("make /dev read-only", &error))
}

/// Copies of what is writable and of what is protected in it, in the order in which they
/// are put in place.
fn pieces(spec: &Spec) -> Result<Vec<Piece>, Failure> {
    let mut pieces = Vec::new();
    for (path, protected) in spec.pieces() {
        let copy = match copy(path) {
            Ok(copy) => copy,
            // It went since the server looked. What is not there cannot be written.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !protected => continue,
            Err(error) => return Err(Failure::new(step("open", path), &error)),
        };
        let mut attributes = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
        if protected {
            attributes |= libc::MOUNT_ATTR_RDONLY;
        }
        set_mount_attributes(copy.as_raw_fd(), Path::new(""), attributes, true)
            .map_err(|error| Failure::new(step("protect", path), &error))?;
        pieces.push(Piece {
            path: path.to_owned(),
            copy,
        });
    }
    Ok(pieces)
}

/// A detached copy of a folder with all that is mounted below it, or of a file or a link.
fn copy(path: &Path) -> io::Result<OwnedFd> {
    let (folder, name) = place(path)?;
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE
        | OpenTreeFlags::AT_SYMLINK_NOFOLLOW;
    Ok(open_tree(folder, name, flags)?)
}

/// The folder of a path, and the name in it. There are no links on the way when the
/// server looks; one that came since was put there to lead elsewhere.
fn place(path: &Path) -> io::Result<(OwnedFd, &OsStr)> {
    let (folder, name) = match (path.parent(), path.file_name()) {
        (Some(folder), Some(name)) => (folder, name),
        _ => (path, OsStr::new(".")),
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = openat2(CWD, folder, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS)?;
    Ok((folder, name))
}

fn put(copy: &OwnedFd, path: &Path) -> io::Result<()> {
    let (folder, name) = place(path)?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    Ok(move_mount(copy, "", folder, name, flags)?)
}

/// A `/proc` of the new process namespace, read-only: user 0 could change settings of
/// the machine through it. Where a container allows none, the one that is there stays,
/// read-only as everything.
fn processes() -> Result<(), Failure> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    if mount("proc", "/proc", "proc", flags, None).is_err() {
        return Ok(());
    }
    if has_pid_max_per_namespace() {
        // A limit that cannot be set leaves those of the machine.
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let most = PROCESSES_MAX + PROCESSES_MAX_PER_PROCESSOR * processors;
        let _ = fs::write("/proc/sys/kernel/pid_max", most.to_string());
    }
    set_mount_attributes(
        libc::AT_FDCWD,
        Path::new("/proc"),
        libc::MOUNT_ATTR_RDONLY,
        false,
    )
    .map_err(|error| Failure::new("make /proc read-only", &error))
}

/// Whether `pid_max` is the namespace's own. On an older kernel it is the machine's,
/// and user 0 could really write it.
fn has_pid_max_per_namespace() -> bool {
    let name = rustix::system::uname();
    let release = name.release().to_string_lossy();
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map_while(|number| number.parse::<u32>().ok());
    (numbers.next(), numbers.next()) >= (Some(6), Some(14))
}

/// A `/dev` with the few devices that programs need. Real ones could be written even on
/// a read-only mount.
fn set_up_devices(devices: &[(&str, OwnedFd)]) -> io::Result<()> {
    let tmpfs = |path: &str, options: &std::ffi::CStr| {
        let flags = MountFlags::NOSUID | MountFlags::NOEXEC;
        mount("tmpfs", path, "tmpfs", flags, options)
    };
    tmpfs("/dev", c"mode=755")?;
    for (name, device) in devices {
        let path = Path::new("/dev").join(name);
        File::create(&path)?;
        put(device, &path)?;
    }
    for (target, name) in DEVICE_LINKS {
        symlink(target, Path::new("/dev").join(name))?;
    }
    for folder in ["/dev/pts", "/dev/shm"] {
        fs::create_dir(folder)?;
    }
    tmpfs("/dev/shm", c"mode=1777")?;
    let terminals = c"newinstance,ptmxmode=0666,mode=620";
    let flags = MountFlags::NOSUID | MountFlags::NOEXEC;
    mount("devpts", "/dev/pts", "devpts", flags, terminals)?;
    File::create(NOTHING)?.set_permissions(Permissions::from_mode(0o000))
}

/// A file that nobody may read.
const NOTHING: &str = "/dev/.hidden";

fn hide(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(meta) if meta.is_dir() => {
            let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::RDONLY;
            Ok(mount("tmpfs", path, "tmpfs", flags, c"mode=000")?)
        }
        Ok(_) => {
            let nothing = copy(Path::new(NOTHING))?;
            set_mount_attributes(
                nothing.as_raw_fd(),
                Path::new(""),
                libc::MOUNT_ATTR_RDONLY,
                false,
            )?;
            put(&nothing, path)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn step(what: &str, path: &Path) -> String {
    format!("{what} {}", path.display())
}
