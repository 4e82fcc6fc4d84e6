//! File names and folders as pure functions.
//!
//! Times in names are UTC. The reference writes local time there and reads the
//! thread's times from inside the file, so the name only has to sort and to be unique.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use loomd_base::ThreadId;
use uuid::Uuid;

use super::{ARCHIVED, SESSIONS};

const PREFIX: &str = "rollout-";
const SUFFIX: &str = ".jsonl";
/// Characters of `YYYY-MM-DDTHH-MM-SS`.
const TIME_LEN: usize = 19;
/// Characters of a hyphenated UUID.
const UUID_LEN: usize = 36;

/// What a rollout's file name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolloutName {
    /// The thread.
    pub thread: ThreadId,
    /// The segment, if the file continues an earlier one of the same thread.
    pub segment: Option<Uuid>,
    /// `YYYY-MM-DDTHH-MM-SS`, in whatever zone the writer lived.
    pub time: String,
}

impl RolloutName {
    /// The folder below `sessions/` that the name belongs to: `YYYY/MM/DD`.
    #[must_use]
    pub fn date_folder(&self) -> PathBuf {
        let mut folder = PathBuf::new();
        for part in self.time[..10].split('-') {
            folder.push(part);
        }
        folder
    }
}

fn civil(created_ms: i64) -> DateTime {
    Timestamp::from_millisecond(created_ms)
        .unwrap_or(Timestamp::UNIX_EPOCH)
        .to_zoned(TimeZone::UTC)
        .datetime()
}

/// The file name of a thread that was created at `created_ms` (Unix milliseconds;
/// a time outside the calendar counts as 1970).
#[must_use]
pub fn file_name(created_ms: i64, thread: ThreadId) -> String {
    let time = civil(created_ms).strftime("%Y-%m-%dT%H-%M-%S");
    format!("{PREFIX}{time}-{thread}{SUFFIX}")
}

/// The folder below `sessions/` for a file that was created at `created_ms`: `YYYY/MM/DD`.
#[must_use]
pub fn date_folder(created_ms: i64) -> PathBuf {
    PathBuf::from(civil(created_ms).strftime("%Y/%m/%d").to_string())
}

/// Reads a file name. `None` for every other file.
#[must_use]
pub fn parse(name: &str) -> Option<RolloutName> {
    let rest = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
    let time = rest.get(..TIME_LEN)?;
    if !is_time(time) {
        return None;
    }
    let ids = rest.get(TIME_LEN..)?.strip_prefix('-')?;
    let thread = Uuid::try_parse(ids.get(..UUID_LEN)?).ok()?;
    let segment = match ids.get(UUID_LEN..)? {
        "" => None,
        rest => {
            let id = rest.strip_prefix('_').filter(|id| id.len() == UUID_LEN)?;
            Some(Uuid::try_parse(id).ok()?)
        }
    };
    Some(RolloutName {
        thread: ThreadId(thread),
        segment,
        time: time.to_owned(),
    })
}

fn is_time(text: &str) -> bool {
    text.bytes().enumerate().all(|(at, byte)| match at {
        4 | 7 | 13 | 16 => byte == b'-',
        10 => byte == b'T',
        _ => byte.is_ascii_digit(),
    })
}

/// The home folder that a rollout lies in: the parent of the nearest `sessions` or
/// `archived_sessions` above it. `None` for a file outside every home.
#[must_use]
pub fn home_of(path: &Path) -> Option<&Path> {
    path.ancestors()
        .skip(1)
        .find(|folder| {
            folder
                .file_name()
                .is_some_and(|name| name == SESSIONS || name == ARCHIVED)
        })
        .and_then(Path::parent)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "01a20591-c7df-7c90-85fa-162b8fa0bd59";

    fn thread() -> ThreadId {
        ID.parse().unwrap()
    }

    #[test]
    fn names_a_file_by_utc_time_and_thread() {
        let name = file_name(1_795_389_433_810, thread());
        assert_eq!(name, format!("rollout-2026-11-22T23-17-13-{ID}.jsonl"));
        let parsed = parse(&name).unwrap();
        assert_eq!(parsed.thread, thread());
        assert_eq!(parsed.segment, None);
        assert_eq!(parsed.date_folder(), Path::new("2026/11/22"));
        assert_eq!(date_folder(1_795_389_433_810), Path::new("2026/11/22"));
    }

    #[test]
    fn reads_the_name_of_a_segment() {
        let segment = "01a20591-c971-7702-bdb7-303175039b9e";
        let name = format!("rollout-2026-11-22T23-22-50-{ID}_{segment}.jsonl");
        let parsed = parse(&name).unwrap();
        assert_eq!(parsed.thread, thread());
        assert_eq!(parsed.segment, Uuid::parse_str(segment).ok());
    }

    #[test]
    fn refuses_every_other_name() {
        for name in [
            "",
            "rollout-.jsonl",
            "rollout-2026-11-22T23-17-13-not-a-uuid.jsonl",
            &format!("{ID}.jsonl"),
            &format!("rollout-2026-11-22T23-17-13-{ID}.json"),
            &format!("rollout-2026-11-22 23-17-13-{ID}.jsonl"),
            &format!("rollout-2026-11-22T23-17-13-{ID}x.jsonl"),
            &format!("rollout-2026-11-22T23-17-13-{ID}_.jsonl"),
            &format!("rollout-2026-11-22T23-17-1é-{ID}.jsonl"),
        ] {
            assert_eq!(parse(name), None, "{name}");
        }
    }

    #[test]
    fn takes_a_time_outside_the_calendar_as_1970() {
        assert!(file_name(i64::MAX, thread()).starts_with("rollout-1970-01-01T00-00-00-"));
    }

    #[test]
    fn finds_the_home_above_a_rollout() {
        let path = Path::new("/h/.codex/sessions/2026/11/22/rollout-x.jsonl");
        assert_eq!(home_of(path), Some(Path::new("/h/.codex")));
        let archived = Path::new("/h/.codex/archived_sessions/rollout-x.jsonl");
        assert_eq!(home_of(archived), Some(Path::new("/h/.codex")));
        assert_eq!(home_of(Path::new("/tmp/rollout-x.jsonl")), None);
    }
}
