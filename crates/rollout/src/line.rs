//! The lines of a rollout: reading them with a bound, and their envelope.
//!
//! Invariants: no input makes this panic or keep more than one line in memory; a
//! line that is whole is returned whether or not a newline follows it.

use std::borrow::Cow;
use std::io::{self, BufRead, Read};

use serde::Deserialize;
use serde_json::value::RawValue;

/// Bytes of a rollout line; longer ones are skipped and reported. The longest good
/// lines carry images as base64.
pub const LINE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The envelope of a line. `timestamp`, `type` and `payload` are required, as in the
/// reference; `seq` and `shadow` are loomd's own and ignored by it (seen on 0.169.0
/// and 0.131.0).
#[derive(Debug, Deserialize)]
pub(crate) struct Line<'a> {
    /// RFC 3339.
    #[serde(borrow)]
    pub(crate) timestamp: Cow<'a, str>,
    /// Position in a paginated file; rises from line to line.
    #[serde(default)]
    pub(crate) ordinal: Option<u64>,
    /// Number of the event that the line comes from.
    #[serde(default)]
    pub(crate) seq: Option<u64>,
    /// Whether the line repeats, for older readers, what another line says.
    #[serde(default)]
    pub(crate) shadow: bool,
    /// What the payload is.
    #[serde(rename = "type", borrow)]
    pub(crate) kind: Cow<'a, str>,
    /// The payload as JSON text.
    #[serde(borrow)]
    pub(crate) payload: &'a RawValue,
}

impl<'a> Line<'a> {
    /// Reads an envelope; `None` for everything that is not one.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

/// The value of a payload's `type` member, cheaply where it stands first.
pub(crate) fn tag(json: &str) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Tagged<'a> {
        #[serde(rename = "type", borrow)]
        kind: Cow<'a, str>,
    }
    if let Some(rest) = json.strip_prefix("{\"type\":\"")
        && let Some((kind, _)) = rest.split_once('"')
        && !kind.contains('\\')
    {
        return Some(Cow::Borrowed(kind));
    }
    serde_json::from_str::<Tagged<'_>>(json)
        .ok()
        .map(|tagged| tagged.kind)
}

/// What [`Lines::next_line`] found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next<'a> {
    /// A line without its newline.
    Line {
        /// The line.
        bytes: &'a [u8],
        /// Where it begins in the input.
        offset: u64,
        /// Whether a newline follows.
        ended: bool,
    },
    /// A line beyond the limit, skipped.
    TooLong {
        /// Its length without the newline.
        bytes: u64,
        /// Whether a newline follows.
        ended: bool,
    },
    /// Nothing more.
    End,
}

/// Reads lines one at a time into one buffer.
#[derive(Debug)]
pub(crate) struct Lines<R> {
    input: R,
    buffer: Vec<u8>,
    offset: u64,
    max: usize,
}

impl<R: BufRead> Lines<R> {
    /// Lines of at most `max` bytes.
    pub(crate) fn new(input: R, max: usize) -> Self {
        Self {
            input,
            buffer: Vec::new(),
            offset: 0,
            max,
        }
    }

    /// Bytes taken so far.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// The next line.
    pub(crate) fn next_line(&mut self) -> io::Result<Next<'_>> {
        let offset = self.offset;
        let mut ended = self.fill()?;
        if self.buffer.is_empty() && !ended {
            return Ok(Next::End);
        }
        if self.buffer.len() > self.max {
            let mut bytes = self.buffer.len() as u64;
            while !ended && !self.buffer.is_empty() {
                ended = self.fill()?;
                bytes += self.buffer.len() as u64;
            }
            self.buffer.shrink_to(self.max.min(1024 * 1024));
            return Ok(Next::TooLong { bytes, ended });
        }
        let bytes = match self.buffer.strip_suffix(b"\r") {
            Some(bytes) => bytes,
            None => &self.buffer,
        };
        Ok(Next::Line {
            bytes,
            offset,
            ended,
        })
    }

    /// Takes up to one byte more than the limit, and says whether it ends a line.
    fn fill(&mut self) -> io::Result<bool> {
        self.buffer.clear();
        let limit = self.max as u64 + 1;
        let read = (&mut self.input)
            .take(limit)
            .read_until(b'\n', &mut self.buffer)?;
        self.offset += read as u64;
        let ended = self.buffer.last() == Some(&b'\n');
        if ended {
            self.buffer.pop();
        }
        Ok(ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(input: &[u8], max: usize) -> Vec<(u64, Option<String>)> {
        let mut lines = Lines::new(input, max);
        let mut found = Vec::new();
        loop {
            match lines.next_line().unwrap() {
                Next::End => return found,
                Next::Line { bytes, offset, .. } => {
                    found.push((offset, Some(String::from_utf8_lossy(bytes).into_owned())));
                }
                Next::TooLong { bytes, .. } => found.push((bytes, None)),
            }
        }
    }

    #[test]
    fn reads_lines_with_and_without_a_last_newline() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(all(b"", 9), []);
        assert_eq!(
            all(b"ab\n\ncd", 9),
            [(0, some("ab")), (3, some("")), (4, some("cd"))]
        );
        assert_eq!(all(b"ab\r\ncd\n", 9), [(0, some("ab")), (4, some("cd"))]);
    }

    #[test]
    fn skips_a_line_beyond_the_limit_and_goes_on_behind_it() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            all(b"abcd\nefghijklmnop\nq", 4),
            [(0, some("abcd")), (12, None), (18, some("q"))]
        );
        assert_eq!(all(b"abcdefghijkl", 4), [(12, None)]);
        assert_eq!(all(b"abcde\nf", 4), [(5, None), (6, some("f"))]);
    }

    #[test]
    fn reads_a_tag_wherever_it_stands() {
        assert_eq!(tag(r#"{"type":"a","x":1}"#).as_deref(), Some("a"));
        assert_eq!(tag(r#"{"x":1,"type":"b"}"#).as_deref(), Some("b"));
        assert_eq!(tag(r#"{"type":"a\u0062"}"#).as_deref(), Some("ab"));
        assert_eq!(tag(r#"{"x":1}"#), None);
        assert_eq!(tag("7"), None);
    }

    #[test]
    fn requires_timestamp_type_and_payload() {
        assert!(Line::parse(br#"{"timestamp":"t","type":"k","payload":{}}"#).is_some());
        assert!(
            Line::parse(br#"{"timestamp":"t","ordinal":null,"type":"k","payload":1}"#).is_some()
        );
        assert!(Line::parse(br#"{"type":"k","payload":{}}"#).is_none());
        assert!(Line::parse(br#"{"timestamp":"t","payload":{}}"#).is_none());
        assert!(Line::parse(br#"{"timestamp":"t","type":"k"}"#).is_none());
        assert!(Line::parse(b"\xff\xfe").is_none());
    }
}
