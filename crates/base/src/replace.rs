//! Replacing a file in one step, so that a reader sees the old text or the new one.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Tells apart the temporary files of one process.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// How a file is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Care {
    /// For the owner alone, also where the file that is replaced was not.
    pub private: bool,
    /// On the disk itself before this returns: a machine that loses power keeps the old
    /// text or the new one. Without it only a killed process does.
    pub synced: bool,
}

impl Care {
    /// Keeps the mode, on the disk itself.
    pub const PLAIN: Self = Self {
        private: false,
        synced: true,
    };
    /// For the owner alone, on the disk itself.
    pub const PRIVATE: Self = Self {
        private: true,
        synced: true,
    };
    /// For the owner alone, without waiting for the disk: for what changes often.
    pub const QUICK: Self = Self {
        private: true,
        synced: false,
    };
}

/// Writes `text` to `path` through a file beside it, making folders as needed. A
/// symbolic link stays one and its target is replaced. A new file is for the owner
/// alone; an existing one keeps its mode unless `care` asks for the owner's.
///
/// # Errors
/// When a folder or the file cannot be made, or the file cannot take its place. Nothing
/// is left beside it, and what was there stays.
pub fn replace(path: &Path, text: &str, care: Care) -> io::Result<()> {
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = target
        .parent()
        .ok_or_else(|| io::Error::other("the path has no folder"))?;
    fs::create_dir_all(folder)?;
    let temporary = temporary_beside(&target);
    let result = write_and_rename(&temporary, &target, text, care);
    if result.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    result
}

fn temporary_beside(target: &Path) -> PathBuf {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut name = std::ffi::OsString::from(".");
    name.push(target.file_name().unwrap_or_default());
    name.push(format!(".{}-{number}.tmp", std::process::id()));
    target.with_file_name(name)
}

fn write_and_rename(temporary: &Path, target: &Path, text: &str, care: Care) -> io::Result<()> {
    // A left-over of a process with our id must not stop us; it is nobody's file now.
    let _ = fs::remove_file(temporary);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(temporary)?;
    file.write_all(text.as_bytes())?;
    if let (false, Ok(metadata)) = (care.private, fs::metadata(target)) {
        file.set_permissions(metadata.permissions())?;
    }
    if care.synced {
        file.sync_all()?;
    }
    fs::rename(temporary, target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_link_stays_a_link_and_the_mode_is_kept() {
        use std::os::unix::fs::PermissionsExt as _;
        let home = tempfile::tempdir().unwrap();
        let real = home.path().join("real.toml");
        fs::write(&real, "old").unwrap();
        fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
        let link = home.path().join("config.toml");
        std::os::unix::fs::symlink("real.toml", &link).unwrap();
        replace(&link, "new", Care::PLAIN).unwrap();
        assert_eq!(fs::read_to_string(&real).unwrap(), "new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        let mode = fs::metadata(&real).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
    }

    #[cfg(unix)]
    #[test]
    fn a_private_file_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("auth.json");
        fs::write(&path, "old").unwrap();
        replace(&path, "new", Care::PRIVATE).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn nothing_is_left_beside_the_file() {
        let home = tempfile::tempdir().unwrap();
        replace(&home.path().join("new/config.toml"), "x", Care::QUICK).unwrap();
        let names: Vec<_> = fs::read_dir(home.path().join("new"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, ["config.toml"]);
    }
}
