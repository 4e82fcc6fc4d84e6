//! Adding a rule to the user's file.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::time::Duration;

use crate::error::RuleError;
use crate::reader::{TEXT_BYTES_MAX, read_rules, render_allow};
use crate::rule::Decision;

/// How long another process may hold the file before an amendment is given up.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// Pause between two tries.
const WAIT_STEP: Duration = Duration::from_millis(5);

/// What came of an amendment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amended {
    /// The rule was added.
    Added,
    /// The file has the same rule already.
    AlreadyThere,
}

/// Why a rule was not added. The file is as it was.
#[derive(Debug, thiserror::Error)]
pub enum AmendError {
    /// The prefix has no words; it would allow everything.
    #[error("a prefix rule needs at least one word")]
    Empty,
    /// The file has a fault, behind which a rule would not count.
    #[error("the rules file has a fault that must be mended first: {0}")]
    Broken(RuleError),
    /// The file would become too long to be read.
    #[error("the rules file would become longer than {TEXT_BYTES_MAX} bytes")]
    Full,
    /// Another process holds the file.
    #[error("another process does not let go of the rules file")]
    Busy,
    /// The disk refused.
    #[error("failed to write the rules file: {0}")]
    Io(#[from] io::Error),
}

/// Appends the rule that allows the commands that begin with `prefix` to the file at
/// `path`, making it and its folder as needed. What is in the file stays. Two processes
/// may do so at once: each holds the file while it looks and writes.
pub(crate) fn append_allow(path: &Path, prefix: &[String]) -> Result<Amended, AmendError> {
    if prefix.is_empty() {
        return Err(AmendError::Empty);
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = open_locked(path)?;
    let mut text = String::new();
    (&mut file)
        .take(TEXT_BYTES_MAX + 1)
        .read_to_string(&mut text)?;
    let known = read_rules(&text);
    if let Some(fault) = known.fault {
        return Err(AmendError::Broken(RuleError {
            path: path.to_owned(),
            span: Some(fault.span),
            message: fault.message,
        }));
    }
    let is_there = known.prefix_rules.iter().any(|rule| {
        rule.decision == Decision::Allow
            && rule.pattern.len() == prefix.len()
            && rule
                .pattern
                .iter()
                .zip(prefix)
                .all(|(token, word)| token.0.contains(word))
    });
    if is_there {
        return Ok(Amended::AlreadyThere);
    }
    let mut line = String::new();
    if !text.is_empty() && !text.ends_with('\n') {
        line.push('\n');
    }
    line.push_str(&render_allow(prefix));
    line.push('\n');
    if (text.len() + line.len()) as u64 > TEXT_BYTES_MAX {
        return Err(AmendError::Full);
    }
    file.write_all(line.as_bytes())?;
    file.sync_data()?;
    Ok(Amended::Added)
}

/// Opens the file for reading and appending and takes the lock on it. The lock goes with
/// the file.
fn open_locked(path: &Path) -> Result<File, AmendError> {
    for _ in 0..WAIT_MAX.as_millis() / WAIT_STEP.as_millis() {
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path)?;
        match file.try_lock() {
            // An editor may have put another file in its place meanwhile.
            Ok(()) if is_at(&file, path)? => return Ok(file),
            Ok(()) | Err(TryLockError::WouldBlock) => std::thread::sleep(WAIT_STEP),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
    }
    Err(AmendError::Busy)
}

#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let open = file.metadata()?;
    Ok(
        fs::metadata(path)
            .is_ok_and(|there| (there.dev(), there.ino()) == (open.dev(), open.ino())),
    )
}

#[cfg(not(unix))]
fn is_at(_file: &File, _path: &Path) -> io::Result<bool> {
    Ok(true)
}
