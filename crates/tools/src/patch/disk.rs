//! Reads the files of a patch and writes its changes: all of them or none.
//!
//! Blocking; runs outside the async workers. A file is written in place, so that
//! links, owner and mode stay. If a step fails, the steps before it are undone from
//! what the plan remembers. Not covered: a crash of the machine in the middle, and
//! somebody else writing the same files at the same time.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::plan::{Change, ChangeKind, Content, Found, Plan};

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
    let mut bytes = Vec::with_capacity(usize::try_from(meta.len()).unwrap_or(0));
    fs::File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes))
        .map_err(|error| error.to_string())?;
    Ok(Some(Content::from(bytes)))
}

/// Carries out a plan.
///
/// # Errors
/// The text for the model, when a step failed; then the files are as before.
pub(crate) fn write(plan: &Plan) -> Result<(), String> {
    let mut done = Vec::new();
    for change in &plan.changes {
        if let Err(failure) = carry_out(change, &mut done) {
            let undone = done.into_iter().rev().map(undo).filter(Result::is_err);
            let end = match undone.count() {
                0 => "No file was changed.".to_owned(),
                lost => format!("{lost} earlier changes could not be undone."),
            };
            return Err(format!("{failure}\n{end}"));
        }
    }
    Ok(())
}

/// A step that was done, with what undoes it.
enum Done {
    /// Folders made for a file, outermost first.
    Folders(Vec<PathBuf>),
    /// A file written (or begun); `None` where there was none.
    Written(PathBuf, Option<Content>),
    /// A file removed.
    Removed(PathBuf, Content, fs::Permissions),
}

fn carry_out(change: &Change, done: &mut Vec<Done>) -> Result<(), String> {
    match &change.kind {
        ChangeKind::Add { old, new } => write_file(&change.path, old.as_ref(), new, done),
        ChangeKind::Delete { old } => remove_file(&change.path, old, done),
        ChangeKind::Update {
            old,
            new,
            moved: None,
        } => {
            let old = Content::Text(old.clone());
            write_file(&change.path, Some(&old), new, done)
        }
        ChangeKind::Update {
            old,
            new,
            moved: Some((target, replaced)),
        } => {
            write_file(target, replaced.as_ref(), new, done)?;
            // The mode travels with the file; a failure here is no reason to undo.
            if let Ok(meta) = fs::metadata(&change.path) {
                let _ = fs::set_permissions(target, meta.permissions());
            }
            remove_file(&change.path, old, done)
        }
    }
}

fn write_file(
    path: &Path,
    old: Option<&Content>,
    new: &str,
    done: &mut Vec<Done>,
) -> Result<(), String> {
    let failure = || format!("Failed to write file {}", path.display());
    make_folders(path, done).map_err(|_| failure())?;
    // What could not be read before could not be put back: a folder, a pipe, a file
    // without the right to read, a link to nowhere.
    if old.is_none() && fs::symlink_metadata(path).is_ok() {
        return Err(failure());
    }
    done.push(Done::Written(path.to_owned(), old.cloned()));
    fs::write(path, new).map_err(|_| failure())
}

fn make_folders(path: &Path, done: &mut Vec<Done>) -> io::Result<()> {
    let mut missing: Vec<PathBuf> = path
        .ancestors()
        .skip(1)
        .take_while(|folder| !folder.exists())
        .map(Path::to_owned)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    missing.reverse();
    let innermost = missing.last().cloned().unwrap_or_default();
    done.push(Done::Folders(missing));
    fs::create_dir_all(innermost)
}

fn remove_file(path: &Path, old: &str, done: &mut Vec<Done>) -> Result<(), String> {
    let failed = |_: io::Error| format!("Failed to delete file {}", path.display());
    let mode = fs::metadata(path).map_err(failed)?.permissions();
    fs::remove_file(path).map_err(failed)?;
    let old = Content::Text(old.to_owned());
    done.push(Done::Removed(path.to_owned(), old, mode));
    Ok(())
}

fn undo(step: Done) -> io::Result<()> {
    match step {
        Done::Folders(made) => {
            for folder in made.iter().rev() {
                if folder.exists() {
                    fs::remove_dir(folder)?;
                }
            }
            Ok(())
        }
        Done::Written(path, Some(old)) => fs::write(path, old.as_bytes()),
        // It may not have come to be written at all.
        Done::Written(path, None) if fs::symlink_metadata(&path).is_err() => Ok(()),
        Done::Written(path, None) => fs::remove_file(path),
        Done::Removed(path, old, mode) => {
            fs::write(&path, old.as_bytes())?;
            fs::set_permissions(path, mode)
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
