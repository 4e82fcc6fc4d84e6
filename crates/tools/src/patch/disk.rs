//! Reads the files of a patch and writes its changes: all of them or none.
//!
//! Blocking; runs outside the async workers. What holds:
//!
//! - A file is written in place, so that links, owner, mode and whoever has it open stay, as
//!   in the reference. What it held is overwritten rather than cut off before, and the
//!   room for much is asked for first, so that a full disk costs nothing.
//! - A file that is no longer what the plan was made from is not written or removed, and
//!   neither is one that took the place of nothing.
//! - If a step fails, the steps before it are undone from what they remember, see [`steps`].
//! - If the process that writes is killed, whoever sent it puts the files back, see
//!   [`put_back`]. Only folders it had made and the mode of files it had removed are not.
//! - If the server is killed as well, or the machine stops, files may be left written in part:
//!   those before the moment are new, those after it old, and one may be mixed. The time for
//!   that is the few system calls of a patch. A journal that the next start replays would
//!   close it, and would have to decide hours later, when the files may be the user's again;
//!   the turn is marked as interrupted instead, and its `fileChange` item as not completed.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

use super::plan::{Change, ChangeKind, Content, Found, Plan};
use super::steps::{self, Done};

/// Bytes of a file beyond which a patch does not read it.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Reads a file for the planner. Only regular files are opened, so that a pipe or a
/// device never blocks a patch.
pub(crate) fn read(path: &Path) -> Found {
    let meta = match fs::metadata(path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    if !meta.is_file() {
        return Err(format!("path `{}` is not a file", path.display()));
    }
    if meta.len() > FILE_BYTES_MAX {
        return Err(format!("file is larger than {FILE_BYTES_MAX} bytes"));
    }
    // What was a file a moment ago may be a pipe by now.
    let bytes = steps::open(path, false)
        .and_then(|file| content(&file))
        .map_err(|error| error.to_string())?;
    Ok(Some(Content::from(bytes)))
}

/// All bytes of an open file.
pub(super) fn content(file: &File) -> io::Result<Vec<u8>> {
    let len = file.metadata()?.len();
    let mut bytes = Vec::with_capacity(usize::try_from(len.min(FILE_BYTES_MAX)).unwrap_or(0));
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

/// Carries out a plan.
///
/// # Errors
/// The text for the model, when a step failed; then the files are as before.
pub(crate) fn write(plan: &Plan) -> Result<(), String> {
    let mut done = Vec::new();
    for change in &plan.changes {
        if let Err(failure) = carry_out(change, &mut done) {
            let undone = done.into_iter().rev().map(Done::undo);
            let end = match undone.filter(Result::is_err).count() {
                0 => "No file was changed.".to_owned(),
                lost => format!("{lost} earlier changes could not be undone."),
            };
            return Err(format!("{failure}\n{end}"));
        }
    }
    Ok(())
}

/// Puts the files back to what the plan found, wherever in the middle of it the writing
/// process ended. A file that is neither what was found nor what the plan may have left is
/// somebody else's work and stays.
///
/// # Errors
/// How many files could not be put back.
pub(crate) fn put_back(plan: &Plan) -> Result<(), usize> {
    let failed = |change: &&Change| {
        let outcome = match &change.kind {
            ChangeKind::Add { old, new } => steps::put_back(&change.path, old.as_ref(), new),
            ChangeKind::Delete { old } => steps::put_back(&change.path, Some(&text(old)), old),
            ChangeKind::Update { old, new, moved } => {
                let target = moved.as_ref().map_or(Ok(()), |(target, replaced)| {
                    steps::put_back(target, replaced.as_ref(), new)
                });
                target.and(steps::put_back(&change.path, Some(&text(old)), new))
            }
        };
        outcome.is_err()
    };
    match plan.changes.iter().rev().filter(failed).count() {
        0 => Ok(()),
        lost => Err(lost),
    }
}

fn text(content: &str) -> Content {
    Content::Text(content.to_owned())
}

fn carry_out(change: &Change, done: &mut Vec<Done>) -> Result<(), String> {
    match &change.kind {
        ChangeKind::Add { old, new } => steps::write_file(&change.path, old.as_ref(), new, done),
        ChangeKind::Delete { old } => steps::remove_file(&change.path, old, done),
        ChangeKind::Update {
            old,
            new,
            moved: None,
        } => steps::write_file(&change.path, Some(&text(old)), new, done),
        ChangeKind::Update {
            old,
            new,
            moved: Some((target, replaced)),
        } => {
            steps::write_file(target, replaced.as_ref(), new, done)?;
            // The mode travels with the file; a failure here is no reason to undo.
            if let Ok(meta) = fs::metadata(&change.path) {
                let _ = fs::set_permissions(target, meta.permissions());
            }
            steps::remove_file(&change.path, old, done)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::super::parse::parse;
    use super::super::plan::plan;
    use super::*;

    fn run(folder: &Path, body: &str) -> Result<(), String> {
        let patch = parse(&format!("*** Begin Patch\n{body}\n*** End Patch")).expect("parses");
        let plan = plan(&patch, folder, &mut read).map_err(|error| error.to_string())?;
        write(&plan)
    }

    fn listing(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .expect("a folder")
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        names.sort();
        names
    }

    #[test]
    fn writes_moves_and_removes() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        fs::write(at("a"), "1\n2\n").expect("written");
        fs::write(at("gone"), "x\n").expect("written");
        fs::set_permissions(at("a"), fs::Permissions::from_mode(0o750)).expect("set");
        run(
            folder.path(),
            "*** Add File: deep/er/n\n+n\n*** Update File: a\n*** Move to: b\n@@\n-2\n+two\n*** Delete File: gone",
        )
        .expect("carried out");
        assert_eq!(listing(folder.path()), ["b", "deep"]);
        assert_eq!(fs::read_to_string(at("b")).expect("read"), "1\ntwo\n");
        assert_eq!(fs::read_to_string(at("deep/er/n")).expect("read"), "n\n");
        let mode = fs::metadata(at("b")).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o750);
    }

    #[test]
    fn a_step_that_fails_undoes_the_steps_before_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        fs::write(at("a"), "1\n").expect("written");
        fs::write(at("d"), "del\n").expect("written");
        fs::write(at("over"), b"\xff\x00").expect("written");
        fs::create_dir(at("dir")).expect("made");
        let text = run(
            folder.path(),
            "*** Update File: a\n-1\n+2\n*** Delete File: d\n*** Add File: over\n+x\n*** Add File: new/deep\n+x\n*** Add File: dir\n+x",
        )
        .expect_err("a folder is in the way");
        let way = at("dir").display().to_string();
        assert_eq!(
            text,
            format!("Failed to write file {way}\nNo file was changed.")
        );
        assert_eq!(listing(folder.path()), ["a", "d", "dir", "over"]);
        assert_eq!(fs::read_to_string(at("a")).expect("read"), "1\n");
        assert_eq!(fs::read_to_string(at("d")).expect("read"), "del\n");
        assert_eq!(fs::read(at("over")).expect("read"), b"\xff\x00");
    }

    #[test]
    fn a_file_in_the_place_of_a_folder_is_no_target() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("b"), "x").expect("written");
        let text = run(folder.path(), "*** Add File: b/x\n+x").expect_err("b is a file");
        let target = folder.path().join("b/x").display().to_string();
        assert_eq!(
            text,
            format!("Failed to write file {target}\nNo file was changed.")
        );
        assert_eq!(listing(folder.path()), ["b"]);
    }

    /// A disk of so many bytes, as long as it lives. `None` where this user may not mount one.
    struct SmallDisk(tempfile::TempDir);

    impl SmallDisk {
        fn new(bytes: usize) -> Option<Self> {
            let folder = tempfile::tempdir().expect("a folder");
            let size = std::ffi::CString::new(format!("size={bytes}")).expect("no zero byte");
            let flags = rustix::mount::MountFlags::empty();
            rustix::mount::mount("none", folder.path(), "tmpfs", flags, size.as_c_str()).ok()?;
            Some(Self(folder))
        }
    }

    impl Drop for SmallDisk {
        fn drop(&mut self) {
            let _ = rustix::mount::unmount(self.0.path(), rustix::mount::UnmountFlags::DETACH);
        }
    }

    #[test]
    fn a_full_disk_costs_nothing() {
        let Some(disk) = SmallDisk::new(256 * 1024) else {
            return;
        };
        let folder = disk.0.path();
        let at = |name: &str| folder.join(name);
        fs::write(at("a"), "1\n2\n").expect("written");
        fs::write(at("gone"), "x\n").expect("written");
        let many = "+0123456789abcdef\n".repeat(20_000);
        for big in [
            format!("*** Update File: a\n@@\n-1\n{many}"),
            format!("*** Add File: a\n{many}"),
            format!("*** Add File: deep/n\n{many}"),
        ] {
            let body = format!("*** Delete File: gone\n*** Add File: small\n+x\n{big}");
            let text = run(folder, body.trim_end()).expect_err("no room");
            assert!(text.ends_with("\nNo file was changed."), "{text}");
            assert_eq!(listing(folder), ["a", "gone"]);
            assert_eq!(fs::read_to_string(at("a")).expect("read"), "1\n2\n");
            assert_eq!(fs::read_to_string(at("gone")).expect("read"), "x\n");
        }
    }

    #[test]
    fn what_is_undone_keeps_links_and_modes() {
        use std::os::unix::fs::MetadataExt as _;

        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        for name in ["twin-1", "aim", "a", "b"] {
            fs::write(at(name), "1\n").expect("written");
        }
        fs::hard_link(at("twin-1"), at("twin-2")).expect("linked");
        std::os::unix::fs::symlink("aim", at("link")).expect("linked");
        fs::set_permissions(at("a"), fs::Permissions::from_mode(0o700)).expect("set");
        fs::set_permissions(at("b"), fs::Permissions::from_mode(0o640)).expect("set");
        fs::create_dir(at("dir")).expect("made");
        run(
            folder.path(),
            "*** Delete File: twin-1\n*** Delete File: link\n*** Update File: a\n*** Move to: b\n\
             -1\n+2\n*** Add File: dir\n+x",
        )
        .expect_err("a folder is in the way");
        let inode = |name: &str| fs::metadata(at(name)).expect("there").ino();
        assert_eq!(inode("twin-1"), inode("twin-2"));
        assert_eq!(fs::read_link(at("link")).expect("a link"), Path::new("aim"));
        let mode = |name: &str| fs::metadata(at(name)).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode("a"), mode("b")), (0o700, 0o640));
    }

    #[test]
    fn a_pipe_is_neither_read_nor_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let fifo = folder.path().join("p");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &fifo,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .expect("a fifo");
        let text = run(folder.path(), "*** Update File: p\n-x").expect_err("no file");
        assert!(text.ends_with("is not a file"), "{text}");
        assert!(run(folder.path(), "*** Add File: p\n+x").is_err());
    }
}
