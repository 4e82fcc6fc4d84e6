//! Server-sent events: bytes in, event data out.
//!
//! Incremental and byte-wise: chunks may end anywhere, also inside a line ending or a
//! character. Only `data` fields count; `event`, `id`, `retry` and comments are
//! skipped, since the Responses API repeats the type inside the JSON. Lines end with
//! LF, CRLF or CR; a byte order mark before the first line is skipped. Data that no
//! empty line follows is not an event.
//!
//! Most events lie in one chunk on one `data` line; those are handed out as slices of
//! the chunk without a copy. Deliberately absent: UTF-8 and JSON, which are the
//! translation's matter.

use std::mem;

/// Bytes of one event (or of a line that is none) that are kept; a larger one fails
/// the attempt. Images and encrypted reasoning stay far below.
pub const EVENT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// A buffer that grew beyond this is given back after its event.
const BUFFER_KEPT_MAX: usize = 1024 * 1024;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// An event is larger than [`EVENT_BYTES_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event of the stream is larger than {EVENT_BYTES_MAX} bytes")]
pub struct EventTooLarge;

/// The state of one stream.
#[derive(Debug)]
pub struct SseParser {
    /// The beginning of a line whose end has not come.
    line: Vec<u8>,
    /// Data lines of the event that is open, joined by LF.
    data: Vec<u8>,
    /// Whether the open event has a data line in `data` (it may be empty).
    has_data: bool,
    /// The last line ended with CR; an LF that follows belongs to it.
    after_cr: bool,
    /// No line has ended yet.
    at_start: bool,
    bytes_max: usize,
}

impl Default for SseParser {
    fn default() -> Self {
        Self::new()
    }
}

impl SseParser {
    /// A parser before the first byte of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::with_limit(EVENT_BYTES_MAX)
    }

    /// A parser with another limit than [`EVENT_BYTES_MAX`].
    #[must_use]
    pub fn with_limit(bytes_max: usize) -> Self {
        Self {
            line: Vec::new(),
            data: Vec::new(),
            has_data: false,
            after_cr: false,
            at_start: true,
            bytes_max,
        }
    }

    /// Takes the next bytes of the stream and calls `event` with the data of each
    /// event that they complete, in order.
    ///
    /// # Errors
    /// When an event is too large; the stream is of no use then.
    pub fn push(
        &mut self,
        mut chunk: &[u8],
        mut event: impl FnMut(&[u8]),
    ) -> Result<(), EventTooLarge> {
        // The open event's only data line so far, as long as it lies in this chunk.
        let mut whole: Option<&[u8]> = None;
        while !chunk.is_empty() {
            if mem::take(&mut self.after_cr) && chunk[0] == b'\n' {
                chunk = &chunk[1..];
                continue;
            }
            let Some(end) = chunk.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
                self.grow_line(chunk)?;
                break;
            };
            let (head, rest) = chunk.split_at(end);
            self.after_cr = rest[0] == b'\r';
            chunk = &rest[1..];
            if self.line.is_empty() {
                let line = self.without_mark(head);
                if line.is_empty() {
                    self.end_event(whole.take(), &mut event);
                } else if let Some(value) = data_value(line) {
                    if whole.is_none() && !self.has_data {
                        whole = Some(value);
                    } else {
                        self.keep(whole.take())?;
                        self.add_data(value)?;
                    }
                }
            } else {
                self.grow_line(head)?;
                let line = mem::take(&mut self.line);
                let text = self.without_mark(&line);
                if text.is_empty() {
                    self.end_event(whole.take(), &mut event);
                } else if let Some(value) = data_value(text) {
                    self.keep(whole.take())?;
                    self.add_data(value)?;
                }
                self.line = recycled(line);
            }
        }
        self.keep(whole)
    }

    fn without_mark<'a>(&mut self, line: &'a [u8]) -> &'a [u8] {
        if mem::take(&mut self.at_start) {
            line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line)
        } else {
            line
        }
    }

    fn end_event(&mut self, whole: Option<&[u8]>, event: &mut impl FnMut(&[u8])) {
        if let Some(data) = whole {
            event(data);
        } else if mem::take(&mut self.has_data) {
            event(&self.data);
            self.data = recycled(mem::take(&mut self.data));
        }
    }

    fn grow_line(&mut self, bytes: &[u8]) -> Result<(), EventTooLarge> {
        if self.line.len() + bytes.len() > self.bytes_max {
            return Err(EventTooLarge);
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    /// Moves a data line out of its chunk.
    fn keep(&mut self, whole: Option<&[u8]>) -> Result<(), EventTooLarge> {
        whole.map_or(Ok(()), |value| self.add_data(value))
    }

    fn add_data(&mut self, value: &[u8]) -> Result<(), EventTooLarge> {
        if self.data.len() + value.len() + 1 > self.bytes_max {
            return Err(EventTooLarge);
        }
        if mem::replace(&mut self.has_data, true) {
            self.data.push(b'\n');
        }
        self.data.extend_from_slice(value);
        Ok(())
    }
}

/// The value of a `data` field, without the one space after the colon.
fn data_value(line: &[u8]) -> Option<&[u8]> {
    match line.strip_prefix(b"data")? {
        [] => Some(b""),
        [b':', b' ', value @ ..] | [b':', value @ ..] => Some(value),
        _ => None,
    }
}

/// An empty buffer, with its room unless that is large.
fn recycled(mut buffer: Vec<u8>) -> Vec<u8> {
    if buffer.capacity() > BUFFER_KEPT_MAX {
        return Vec::new();
    }
    buffer.clear();
    buffer
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
        let mut parser = SseParser::new();
        let mut events = Vec::new();
        for chunk in chunks {
            parser
                .push(chunk, |data| {
                    events.push(String::from_utf8_lossy(data).into_owned())
                })
                .expect("small events");
        }
        events
    }

    #[test]
    fn only_data_lines_count() {
        let text =
            b": comment\nevent: x\nid: 1\ndata: {\"a\":1}\nretry: 3\ndatum: no\n\nevent: y\n\n";
        assert_eq!(parse([&text[..]]), ["{\"a\":1}"]);
    }

    #[test]
    fn data_lines_are_joined_and_lose_one_space() {
        assert_eq!(parse([&b"data:a\ndata:  b\ndata\n\n"[..]]), ["a\n b\n"]);
    }

    #[test]
    fn every_line_ending_is_understood() {
        assert_eq!(
            parse([&b"data: a\r\n\r\ndata: b\r\rdata: c\n\n"[..]]),
            ["a", "b", "c"]
        );
    }

    #[test]
    fn a_byte_order_mark_is_skipped() {
        assert_eq!(parse([&b"\xef\xbb"[..], b"\xbfdata: a\n\n"]), ["a"]);
    }

    #[test]
    fn data_without_an_empty_line_is_no_event() {
        assert_eq!(parse([&b"data: a\n"[..]]), Vec::<String>::new());
    }

    #[test]
    fn too_large_an_event_fails_whether_it_is_one_line_or_many() {
        let mut one = SseParser::with_limit(10);
        let result = (0..4).try_for_each(|_| one.push(b"data: ", |_| ()));
        assert_eq!(result, Err(EventTooLarge));
        let mut many = SseParser::with_limit(10);
        let result = (0..9).try_for_each(|_| many.push(b"data: x\n", |_| ()));
        assert_eq!(result, Err(EventTooLarge));
    }

    proptest! {
        #[test]
        fn the_split_into_chunks_does_not_matter(
            pieces in prop::collection::vec(
                prop::sample::select(vec![
                    "data", ": ", ":", " ", "\n", "\r", "\r\n", "\n\n", "x", "é", "{\"a\":\"ü\"}",
                    "event: y", "data: z\n", "\u{feff}",
                ]),
                0..40,
            ),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
        ) {
            let bytes = pieces.concat().into_bytes();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.sort_unstable();
            let mut chunks = Vec::new();
            let mut from = 0;
            for cut in cuts {
                chunks.push(&bytes[from..cut]);
                from = cut;
            }
            chunks.push(&bytes[from..]);
            let bytewise: Vec<&[u8]> = bytes.chunks(1).collect();
            let whole = parse([&bytes[..]]);
            prop_assert_eq!(&parse(chunks), &whole);
            prop_assert_eq!(&parse(bytewise), &whole);
        }
    }
}
