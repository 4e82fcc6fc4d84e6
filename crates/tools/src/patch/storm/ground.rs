//! A folder full of what a patch should not touch, and pictures of it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::PathBuf;

use rustix::fs::{CWD, FileType, Mode, mknodat};

/// One more than a patch may read.
const TOO_LARGE: u64 = 64 * 1024 * 1024 + 1;

/// What there is, by path.
pub(super) type Picture = BTreeMap<PathBuf, String>;

/// The paths at which two pictures differ.
pub(super) fn differing(one: &Picture, other: &Picture) -> Vec<PathBuf> {
    let paths: BTreeSet<&PathBuf> = one.keys().chain(other.keys()).collect();
    let differs = |path: &&PathBuf| one.get(*path) != other.get(*path);
    paths.into_iter().filter(differs).cloned().collect()
}

/// The contents of the regular files alone.
pub(super) fn contents(picture: &Picture) -> Picture {
    let content = |(path, shown): (&PathBuf, &String)| {
        let (mode, rest) = shown.split_once(' ')?;
        let (_, content) = rest.split_once(' ')?;
        mode.starts_with("100")
            .then(|| (path.clone(), content.to_owned()))
    };
    picture.iter().filter_map(content).collect()
}

/// The folder, and what lies beside it.
pub(super) struct Ground {
    top: tempfile::TempDir,
}

impl Ground {
    pub(super) fn new() -> Self {
        // Thousands of small files are made and removed: in memory where that can be.
        let top = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let top = top.expect("a folder");
        fs::create_dir(top.path().join("beside")).expect("made");
        fs::write(top.path().join("beside/secret"), "1\n2\n").expect("written");
        let ground = Self { top };
        ground.fill();
        ground
    }

    pub(super) fn folder(&self) -> PathBuf {
        self.top.path().join("work")
    }

    pub(super) fn beside(&self) -> PathBuf {
        self.top.path().join("beside")
    }

    pub(super) fn fill(&self) {
        let folder = self.folder();
        let _ = fs::remove_dir_all(&folder);
        let at = |name: &str| folder.join(name);
        fs::create_dir_all(at("dir/inner")).expect("made");
        fs::create_dir_all(at("full")).expect("made");
        let long = "x".repeat(100_000);
        for (name, content) in [
            ("plain", "1\n2\n3\n"),
            ("crlf", "1\r\n2\r\n3\r\n"),
            ("mixed", "1\r\n2\n3\r4\n"),
            ("bom", "\u{feff}1\n2\n"),
            ("no-end", "1\n2"),
            ("empty", ""),
            ("nul", "1\n\u{0}\n2\n"),
            ("read-only", "1\n2\n"),
            ("twin-1", "1\n2\n"),
            ("full/file", "1\n2\n"),
            ("long-line", &long),
            ("space in name", "1\n2\n"),
        ] {
            fs::write(at(name), content).expect("written");
        }
        fs::write(at("binary"), b"1\n\xff\xfe\n2\n").expect("written");
        fs::write(folder.join(OsStr::from_bytes(b"no-\xff-text")), "1\n").expect("written");
        fs::set_permissions(at("read-only"), fs::Permissions::from_mode(0o444)).expect("set");
        fs::set_permissions(at("plain"), fs::Permissions::from_mode(0o750)).expect("set");
        fs::hard_link(at("twin-1"), at("twin-2")).expect("linked");
        let huge = fs::File::create(at("huge")).expect("made");
        huge.set_len(TOO_LARGE).expect("a sparse file");
        mknodat(CWD, at("fifo"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a fifo");
        drop(std::os::unix::net::UnixListener::bind(at("socket")).expect("a socket"));
        for (link, target) in [
            ("loop-1", "loop-2"),
            ("loop-2", "loop-1"),
            ("link", "plain"),
            ("link-out", "../beside/secret"),
            ("link-dir-out", "../beside"),
            ("dangling", "../beside/not-there"),
        ] {
            symlink(target, at(link)).expect("linked");
        }
    }

    /// Everything that there is, and what it is.
    pub(super) fn picture(&self) -> Picture {
        let mut seen = BTreeMap::new();
        let mut open = vec![self.top.path().to_owned()];
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(&folder).expect("a folder").flatten() {
                let path = entry.path();
                let meta = path.symlink_metadata().expect("there");
                let content = if meta.is_dir() {
                    open.push(path.clone());
                    String::new()
                } else if meta.is_symlink() {
                    format!("{:?}", fs::read_link(&path))
                } else if meta.is_file() && meta.len() < TOO_LARGE {
                    String::from_utf8_lossy(&fs::read(&path).expect("read")).into_owned()
                } else {
                    meta.len().to_string()
                };
                let shown = format!("{:o} {} {content}", meta.mode(), meta.nlink());
                seen.insert(path, shown);
            }
        }
        seen
    }
}
