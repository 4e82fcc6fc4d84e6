//! Cursors of lists, in the reference's form (seen on 0.169.0): `TIME|THREADID` for the
//! next page, a bare `TIME` for the way back, one millisecond before the page's first
//! thread, so that asking in the other direction from it includes that thread.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use loomd_base::ThreadId;
use loomd_protocol::SortDirection;

use crate::error::{Error, Result};

/// A place between two threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// Unix milliseconds of the sort key.
    pub(crate) time_ms: i64,
    /// The thread before the place; without one, the place is at the time itself.
    pub(crate) thread: Option<ThreadId>,
}

impl Cursor {
    /// Reads a client's cursor. Times are RFC 3339 or, as in file names,
    /// `YYYY-MM-DDTHH-MM-SS`.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let parse = || {
            let (time, thread) = match text.split_once('|') {
                Some((time, thread)) => (time, Some(thread.parse().ok()?)),
                None => (text, None),
            };
            let time_ms = parse_time(time)?;
            Some(Self { time_ms, thread })
        };
        parse().ok_or_else(|| Error::InvalidCursor(text.to_owned()))
    }

    /// Behind a page's last thread.
    pub(crate) fn next(time_ms: i64, thread: ThreadId) -> String {
        format!("{}|{thread}", time(time_ms))
    }

    /// Before a page's first thread, for the other direction.
    pub(crate) fn backwards(first_ms: i64, direction: SortDirection) -> String {
        let step = match direction {
            SortDirection::Asc => 1,
            SortDirection::Desc => -1,
        };
        time(first_ms.saturating_add(step))
    }
}

fn time(ms: i64) -> String {
    Timestamp::from_millisecond(ms)
        .unwrap_or(Timestamp::UNIX_EPOCH)
        .to_string()
}

fn parse_time(text: &str) -> Option<i64> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time.as_millisecond());
    }
    let civil = DateTime::strptime("%Y-%m-%dT%H-%M-%S", text).ok()?;
    let zoned = civil.to_zoned(TimeZone::UTC).ok()?;
    Some(zoned.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "01a20500-0000-7000-8000-000000000005";

    #[test]
    fn writes_times_as_the_reference_does() {
        let id: ThreadId = ID.parse().unwrap();
        assert_eq!(
            Cursor::next(1_795_350_050_250, id),
            format!("2026-11-22T12:20:50.25Z|{ID}")
        );
        assert_eq!(
            Cursor::next(1_795_341_605_000, id),
            format!("2026-11-22T10:00:05Z|{ID}")
        );
        assert_eq!(
            Cursor::backwards(1_795_350_060_250, SortDirection::Desc),
            "2026-11-22T12:21:00.249Z"
        );
        assert_eq!(
            Cursor::backwards(1_795_350_010_250, SortDirection::Asc),
            "2026-11-22T12:20:10.251Z"
        );
    }

    #[test]
    fn reads_what_it_writes_and_the_form_of_file_names() {
        let id: ThreadId = ID.parse().unwrap();
        for ms in [0, 1_795_350_050_250] {
            let cursor = Cursor::parse(&Cursor::next(ms, id)).unwrap();
            assert_eq!((cursor.time_ms, cursor.thread), (ms, Some(id)));
        }
        let bare = Cursor::parse("2026-11-22T10:00:05.500Z").unwrap();
        assert_eq!((bare.time_ms, bare.thread), (1_795_341_605_500, None));
        let named = Cursor::parse(&format!("2026-11-22T10-00-05|{ID}")).unwrap();
        assert_eq!(named.time_ms, 1_795_341_605_000);
    }

    #[test]
    fn refuses_everything_else_in_the_reference_s_words() {
        for text in [
            "nonsense",
            "",
            "|",
            "2026-11-22T10:00:05Z|",
            "2026-11-22T10:00:05.500Z|xyz",
        ] {
            let refused = Cursor::parse(text).unwrap_err();
            assert_eq!(refused.to_string(), format!("invalid cursor: {text}"));
        }
    }
}
