//! What the program sees of the file system, and where it may write.
//!
//! Everything becomes read-only in one step. What stays writable, what is protected
//! inside it and the devices are taken aside as detached copies before that, and put
//! back in their places afterwards, the outermost first; what hides something is put over
//! it in the same order, so that what is let through inside it comes on top.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, openat2};
use rustix::mount::{
    MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, mount, mount_change,
    move_mount, open_tree,
};

use super::sys::set_mount_attributes;
use crate::backend::MOUNTS_APART;
use crate::spec::{Kind, Spec};
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

/// A part of the file system that is other than what is around it.
struct Piece {
    path: PathBuf,
    /// What is put in its place; `None` hides it.
    copy: Option<OwnedFd>,
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
    let mut all = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
    if !spec.is_open() {
        all |= libc::MOUNT_ATTR_RDONLY;
    }
    set_mount_attributes(libc::AT_FDCWD, Path::new("/"), all, true)
        .map_err(|error| Failure::new("make everything read-only", &error))?;
    if spec.is_open() {
        // Settings of the machine are not files.
        let _ = set_mount_attributes(
            libc::AT_FDCWD,
            Path::new("/sys"),
            libc::MOUNT_ATTR_RDONLY,
            true,
        );
    }
    processes()?;
    set_up_devices(&devices).map_err(|error| Failure::new("set up /dev", &error))?;
    let mut covered = Vec::new();
    for piece in &pieces {
        let path = &piece.path;
        match &piece.copy {
            Some(copy) => put_making_room(copy, path)
                .map_err(|error| Failure::new(step("put in place", path), &error))?,
            None => {
                if hide(path).map_err(|error| Failure::new(step("hide", path), &error))? {
                    covered.push(path);
                }
            }
        }
    }
    for path in covered {
        let mut shown = pieces.iter().filter(|piece| piece.copy.is_some());
        let is_passage = shown.any(|piece| piece.path.starts_with(path));
        close(path, is_passage).map_err(|error| Failure::new(step("hide", path), &error))?;
    }
    set_mount_attributes(
        libc::AT_FDCWD,
        Path::new("/dev"),
        libc::MOUNT_ATTR_RDONLY,
        false,
    )
    .map_err(|error| Failure::new("make /dev read-only", &error))
}

/// What is writable, what is protected in it and what is hidden, in the order in which it
/// is put in place.
fn pieces(spec: &Spec) -> Result<Vec<Piece>, Failure> {
    let mut pieces = Vec::new();
    for (path, kind) in spec.pieces() {
        if kind == Kind::Hidden {
            pieces.push(Piece {
                path: path.to_owned(),
                copy: None,
            });
            continue;
        }
        let copy = match copy(path) {
            Ok(copy) => copy,
            // It went since the server looked. What is not there cannot be written.
            Err(error) if error.kind() == io::ErrorKind::NotFound && kind == Kind::Writable => {
                continue;
            }
            Err(error) => return Err(Failure::new(step("open", path), &error)),
        };
        let mut attributes = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
        if kind == Kind::ReadOnly {
            attributes |= libc::MOUNT_ATTR_RDONLY;
        }
        set_mount_attributes(copy.as_raw_fd(), Path::new(""), attributes, true)
            .map_err(|error| Failure::new(step("protect", path), &error))?;
        pieces.push(Piece {
            path: path.to_owned(),
            copy: Some(copy),
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

/// The same for what may lie inside of what is hidden: then its place has to be made first.
fn put_making_room(copy: &OwnedFd, path: &Path) -> io::Result<()> {
    match put(copy, path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = path.parent().unwrap_or(path);
            let mut folders = DirBuilder::new();
            folders.recursive(true).mode(PASSAGE).create(folder)?;
            let meta = rustix::fs::fstat(copy)?;
            match FileType::from_raw_mode(meta.st_mode).is_dir() {
                true => folders.create(path)?,
                false => drop(File::create(path)?),
            }
            put(copy, path)
        }
        done => done,
    }
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

/// The mode of a folder that may be gone through and not be looked at.
const PASSAGE: u32 = 0o111;

/// Covers a file or folder with nothing; whether there is something. A folder is closed
/// later, once what is let through inside it has its place.
fn hide(path: &Path) -> io::Result<bool> {
    match fs::metadata(path) {
        Ok(meta) if meta.is_dir() => {
            let flags = MountFlags::NOSUID | MountFlags::NODEV;
            mount("tmpfs", path, "tmpfs", flags, c"mode=111")?;
            Ok(true)
        }
        Ok(_) => {
            let nothing = copy(Path::new(NOTHING))?;
            put(&nothing, path)?;
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Makes what covers something read-only, with all that is not a mount of its own in it.
/// Only a passage to what is let through inside may be gone through.
fn close(path: &Path, is_passage: bool) -> io::Result<()> {
    if !is_passage && path.is_dir() {
        fs::set_permissions(path, Permissions::from_mode(0o000))?;
    }
    set_mount_attributes(libc::AT_FDCWD, path, libc::MOUNT_ATTR_RDONLY, false)
}

fn step(what: &str, path: &Path) -> String {
    format!("{what} {}", path.display())
}
