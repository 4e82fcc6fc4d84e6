//! Copying files and trees.

use std::fs::{self, DirBuilder, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use crate::error::{FileError, FileResult};

/// Copies a file with its mode, a link as a link, or, with `recursive`, a folder with what is
/// in it; pipes, sockets and devices in it are left out. A folder may be copied over another:
/// files replace files, links replace nothing. A file that is copied to itself stays as it is.
///
/// # Errors
/// Something cannot be read or made; of a folder a part may then be there.
pub fn copy(source: &Path, destination: &Path, recursive: bool) -> FileResult<()> {
    let metadata = fs::symlink_metadata(source)?;
    let kind = metadata.file_type();
    if kind.is_dir() {
        if !recursive {
            return Err(FileError::NotRecursive);
        }
        if is_within(source, destination)? {
            return Err(FileError::IntoItself);
        }
        return copy_tree(source, &metadata, destination);
    }
    if kind.is_symlink() || kind.is_file() {
        return copy_one(source, &metadata, destination);
    }
    Err(FileError::OtherKind)
}

/// Whether `path`, which need not be there, is `folder` or below it, whatever links lead
/// there.
fn is_within(folder: &Path, path: &Path) -> io::Result<bool> {
    let folder = fs::canonicalize(folder)?;
    for above in path.ancestors() {
        match fs::canonicalize(above) {
            Ok(real) => return Ok(real.starts_with(&folder)),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

/// Folders that are still to be copied are kept in a list, so that a deep tree takes memory
/// and no stack.
fn copy_tree(source: &Path, metadata: &Metadata, destination: &Path) -> FileResult<()> {
    if let Some(above) = destination.parent() {
        fs::create_dir_all(above)?;
    }
    let mut folders = vec![(source.to_owned(), destination.to_owned(), metadata.clone())];
    while let Some((from, to, metadata)) = folders.pop() {
        make_folder(&to, &metadata)?;
        for entry in fs::read_dir(&from)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            let target = to.join(entry.file_name());
            if metadata.is_dir() {
                folders.push((entry.path(), target, metadata));
            } else if metadata.is_file() || metadata.is_symlink() {
                copy_one(&entry.path(), &metadata, &target)?;
            }
        }
    }
    Ok(())
}

/// A folder is never open to more people than its source is. What is in it must be
/// writable for the owner while it is filled.
fn make_folder(path: &Path, source: &Metadata) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.mode((source.permissions().mode() & 0o777) | 0o700);
    match builder.create(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        made => made,
    }
}

fn copy_one(source: &Path, metadata: &Metadata, destination: &Path) -> FileResult<()> {
    if metadata.is_symlink() {
        return Ok(symlink(fs::read_link(source)?, destination)?);
    }
    let there = match fs::metadata(destination) {
        Ok(there) => Some(there),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error.into()),
    };
    let is_new = there.is_none();
    if let Some(there) = there {
        if same_file(metadata, &there) {
            return Ok(());
        }
        // Opening a pipe would wait for its reader.
        if !there.is_file() && !there.is_dir() {
            return Err(FileError::NotAFile(destination.to_owned()));
        }
    }
    fs::copy(source, destination).inspect_err(|_| {
        if is_new && fs::symlink_metadata(destination).is_ok_and(|half| half.is_file()) {
            // Half a copy is worse than none; why it failed is what the caller is told.
            drop(fs::remove_file(destination));
        }
    })?;
    Ok(())
}

fn same_file(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_copied_with_links_and_modes() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        fs::create_dir_all(path("a/private")).expect("made");
        fs::set_permissions(path("a/private"), fs::Permissions::from_mode(0o700)).expect("mode");
        fs::write(path("a/private/run.sh"), "#").expect("written");
        fs::set_permissions(path("a/private/run.sh"), fs::Permissions::from_mode(0o755))
            .expect("mode");
        symlink("nowhere", path("a/link")).expect("a link");
        copy(&path("a"), &path("x/y/b"), true).expect("copied");
        let mode = |name: &str| {
            let metadata = fs::metadata(path(name)).expect("there");
            metadata.permissions().mode() & 0o777
        };
        assert_eq!(mode("x/y/b/private"), 0o700);
        assert_eq!(mode("x/y/b/private/run.sh"), 0o755);
        assert_eq!(
            fs::read_link(path("x/y/b/link")).expect("a link"),
            Path::new("nowhere")
        );
    }

    #[test]
    fn a_file_copied_to_itself_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        fs::write(path("a"), "text").expect("written");
        symlink("a", path("link")).expect("a link");
        fs::hard_link(path("a"), path("hard")).expect("a link");
        for same in ["a", "link", "hard"] {
            copy(&path("a"), &path(same), false).expect("copied");
            assert_eq!(fs::read(path("a")).expect("read"), b"text", "{same}");
        }
    }

    #[test]
    fn a_folder_goes_into_itself_by_no_way() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("a")).expect("made");
        symlink(path("a"), path("link")).expect("a link");
        for within in ["a", "a/b", "a/b/c/d", "link/b", "link/b/c"] {
            let error = copy(&path("a"), &path(within), true).expect_err("refused");
            assert!(matches!(error, FileError::IntoItself), "{within}: {error}");
        }
        copy(&path("a"), &path("ab"), true).expect("a longer name is another folder");
    }
}
