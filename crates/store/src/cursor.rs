//! Cursors of lists: `TIME|ID` to go on after a row, a bare `TIME` to turn round.
//!
//! The form is the reference's (seen on 0.169.0). The time is RFC 3339 in UTC, down to
//! milliseconds, without final zeros; as in file names, `-` may stand for `:`. A bare time is shifted by one millisecond against the direction it
//! came from, so that a list in the other direction from it begins with the anchor.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// A text that is not a cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidCursor(pub String);

impl std::fmt::Display for InvalidCursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "invalid cursor: {}", self.0)
    }
}

impl std::error::Error for InvalidCursor {}

/// A place in a sorted list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) ms: i64,
    /// Absent in a cursor that only names a time.
    pub(crate) id: Option<String>,
}

impl Cursor {
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidCursor> {
        let invalid = || InvalidCursor(text.to_owned());
        let (time, id) = match text.split_once('|') {
            Some((time, id)) => (time, Some(id)),
            None => (text, None),
        };
        let ms = parse_time(time).ok_or_else(invalid)?;
        if id.is_some_and(|id| id.parse::<loomd_base::ThreadId>().is_err()) {
            return Err(invalid());
        }
        Ok(Self {
            ms,
            id: id.map(str::to_owned),
        })
    }

    pub(crate) fn write(&self) -> String {
        let time = Timestamp::from_millisecond(self.ms).unwrap_or(Timestamp::UNIX_EPOCH);
        match &self.id {
            Some(id) => format!("{time}|{id}"),
            None => time.to_string(),
        }
    }
}

fn parse_time(text: &str) -> Option<i64> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time.as_millisecond());
    }
    let civil = DateTime::strptime("%Y-%m-%dT%H-%M-%S", text).ok()?;
    let time = civil.to_zoned(TimeZone::UTC).ok()?.timestamp();
    Some(time.as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::Cursor;

    #[test]
    fn a_cursor_reads_back_what_it_wrote() {
        let id = "01a20585-417d-7910-bb29-4a9fe87acc1c";
        let text = format!("2026-11-22T23:09:08.865Z|{id}");
        let cursor = Cursor::parse(&text).expect("a cursor");
        assert_eq!(cursor.id.as_deref(), Some(id));
        assert_eq!(cursor.write(), text);
        for bare in ["2026-11-22T23:09:08Z", "2026-11-22T23:09:08.25Z"] {
            assert_eq!(Cursor::parse(bare).expect("a cursor").write(), bare);
        }
        let named = Cursor::parse("2026-11-22T23-09-08").expect("a cursor");
        assert_eq!(named.write(), "2026-11-22T23:09:08Z");
    }

    #[test]
    fn garbage_is_named_in_the_error() {
        for text in ["", "zz", "2026-11-22T23:09:08.865Z|nobody", "|"] {
            let error = Cursor::parse(text).expect_err("no cursor");
            assert_eq!(error.to_string(), format!("invalid cursor: {text}"));
        }
    }
}
