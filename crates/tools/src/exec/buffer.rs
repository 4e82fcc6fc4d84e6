//! Bounded memory for unbounded output. Pure.
//!
//! [`Decoder`] makes text of bytes that arrive in pieces; [`HeadTail`] keeps the
//! beginning and the end of a text and counts what it drops in between. Memory is
//! bounded by the cap whatever arrives, and taken only as text arrives.

/// Decodes UTF-8 that arrives in pieces. A character cut by the end of a piece comes
/// whole with the next one; what is no UTF-8 becomes U+FFFD, as a lossy decoder of
/// the whole would do it.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    /// The beginning of a character: at most three bytes.
    cut: Vec<u8>,
}

impl Decoder {
    /// Appends the text of `bytes` to `out`.
    pub(crate) fn push(&mut self, bytes: &[u8], out: &mut String) {
        let mut bytes = bytes;
        while !self.cut.is_empty() {
            let Some((next, rest)) = bytes.split_first() else {
                return;
            };
            self.cut.push(*next);
            match std::str::from_utf8(&self.cut) {
                Ok(text) => {
                    out.push_str(text);
                    self.cut.clear();
                    bytes = rest;
                }
                Err(error) if error.error_len().is_none() => bytes = rest,
                Err(_) => {
                    // The new byte does not continue the character: that one ends
                    // broken, and the byte is looked at afresh.
                    out.push(char::REPLACEMENT_CHARACTER);
                    self.cut.clear();
                }
            }
        }
        for chunk in bytes.utf8_chunks() {
            out.push_str(chunk.valid());
            let invalid = chunk.invalid();
            if invalid.is_empty() {
                continue;
            }
            let unfinished = std::str::from_utf8(invalid)
                .is_err_and(|error| error.error_len().is_none())
                && std::ptr::eq(invalid.as_ptr_range().end, bytes.as_ptr_range().end);
            if unfinished {
                self.cut.extend_from_slice(invalid);
            } else {
                out.push(char::REPLACEMENT_CHARACTER);
            }
        }
    }

    /// Appends what a cut character at the very end stands for.
    pub(crate) fn finish(&mut self, out: &mut String) {
        if !std::mem::take(&mut self.cut).is_empty() {
            out.push(char::REPLACEMENT_CHARACTER);
        }
    }
}

/// The beginning and the end of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeadTail {
    /// Bytes that each of the two parts may take.
    half: usize,
    head: Vec<u8>,
    /// A ring once it is full.
    tail: Vec<u8>,
    /// Where the ring begins.
    start: usize,
    /// Bytes of the whole text.
    total: u64,
}

impl HeadTail {
    /// Keeps at most `cap` bytes.
    pub(crate) fn new(cap: usize) -> Self {
        Self {
            half: cap / 2,
            head: Vec::new(),
            tail: Vec::new(),
            start: 0,
            total: 0,
        }
    }

    pub(crate) fn push(&mut self, text: &str) {
        let bytes = text.as_bytes();
        self.total += bytes.len() as u64;
        let room = self.half - self.head.len();
        let (first, rest) = bytes.split_at(room.min(bytes.len()));
        self.head.extend_from_slice(first);
        let kept = &rest[rest.len().saturating_sub(self.half)..];
        let free = self.half - self.tail.len();
        let (fill, over) = kept.split_at(free.min(kept.len()));
        self.tail.extend_from_slice(fill);
        if over.is_empty() {
            return;
        }
        // The ring is full now: what is over goes where the oldest bytes are.
        let (to_end, from_zero) = over.split_at((self.tail.len() - self.start).min(over.len()));
        self.tail[self.start..self.start + to_end.len()].copy_from_slice(to_end);
        self.tail[..from_zero.len()].copy_from_slice(from_zero);
        self.start = (self.start + over.len()) % self.tail.len();
    }

    /// Bytes of the whole text, dropped ones included.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// Bytes that were dropped in the middle.
    pub(crate) fn omitted(&self) -> u64 {
        self.total - (self.head.len() + self.tail.len()) as u64
    }

    /// Takes the text out and leaves an empty one.
    pub(crate) fn take(&mut self) -> Self {
        std::mem::replace(self, Self::new(self.half * 2))
    }

    /// The text, with a line in the middle that tells how much was dropped, if any
    /// was (as the reference writes it).
    pub(crate) fn text(&self) -> String {
        let (new, old) = self.tail.split_at(self.start);
        if self.omitted() == 0 {
            let bytes = [&self.head, old, new].concat();
            return String::from_utf8_lossy(&bytes).into_owned();
        }
        let mut text = trimmed_end(&self.head).to_owned();
        text.push_str(&format!("\n{}\n", self.omission()));
        let tail = [old, new].concat();
        text.push_str(trimmed_start(&tail));
        text
    }

    /// The line that tells how much was dropped.
    pub(crate) fn omission(&self) -> String {
        format!("... {} bytes omitted ...", self.omitted())
    }
}

/// The text without the character that the cut at its end broke.
fn trimmed_end(bytes: &[u8]) -> &str {
    bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid())
}

/// The text without the character that the cut at its beginning broke.
fn trimmed_start(bytes: &[u8]) -> &str {
    let broken = bytes
        .iter()
        .take_while(|byte| **byte & 0xC0 == 0x80)
        .count();
    std::str::from_utf8(&bytes[broken.min(bytes.len())..]).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kept(cap: usize, pieces: &[&str]) -> HeadTail {
        let mut buffer = HeadTail::new(cap);
        for piece in pieces {
            buffer.push(piece);
        }
        buffer
    }

    #[test]
    fn keeps_everything_up_to_the_cap() {
        let buffer = kept(8, &["abc", "defgh"]);
        assert_eq!((buffer.text().as_str(), buffer.omitted()), ("abcdefgh", 0));
    }

    #[test]
    fn drops_the_middle_and_says_how_much() {
        let buffer = kept(8, &["abcdef", "ghij", "k"]);
        assert_eq!(buffer.text(), "abcd\n... 3 bytes omitted ...\nhijk");
        assert_eq!(buffer.total(), 11);
    }

    #[test]
    fn a_character_broken_by_the_cut_is_left_out() {
        let buffer = kept(8, &["abcééé", "xxéxé"]);
        assert_eq!(buffer.text(), "abc\n... 8 bytes omitted ...\nxé");
    }

    #[test]
    fn a_flood_takes_no_more_than_the_cap() {
        let mut buffer = HeadTail::new(1024);
        for _ in 0..10_000 {
            buffer.push("0123456789abcdef0123456789abcdef");
        }
        assert!(buffer.head.capacity() <= 1024 && buffer.tail.capacity() <= 1024);
        assert_eq!(buffer.omitted(), 320_000 - 1024);
    }

    #[test]
    fn taking_leaves_an_empty_buffer_with_the_same_cap() {
        let mut buffer = kept(4, &["abcdef"]);
        assert_eq!(buffer.take().total(), 6);
        assert_eq!(buffer.total(), 0);
        buffer.push("xyzuv");
        assert_eq!(buffer.omitted(), 1);
    }

    proptest! {
        #[test]
        fn decoding_pieces_gives_what_decoding_the_whole_gives(
            bytes in prop::collection::vec(
                prop_oneof![Just(0xE2u8), Just(0x82), Just(0xAC), Just(0xF0), Just(0x9F), any::<u8>()],
                0..40,
            ),
            cuts in prop::collection::vec(1usize..6, 0..40),
        ) {
            let mut decoder = Decoder::default();
            let mut got = String::new();
            let mut rest = bytes.as_slice();
            for cut in cuts {
                let (piece, left) = rest.split_at(cut.min(rest.len()));
                decoder.push(piece, &mut got);
                prop_assert!(decoder.cut.len() < 4);
                rest = left;
            }
            decoder.push(rest, &mut got);
            decoder.finish(&mut got);
            prop_assert_eq!(got, String::from_utf8_lossy(&bytes).into_owned());
        }

        #[test]
        fn head_and_tail_are_those_of_the_whole(
            pieces in prop::collection::vec("[a-z]{0,9}", 0..20),
            cap in 2usize..24,
        ) {
            let whole = pieces.concat();
            let refs: Vec<&str> = pieces.iter().map(String::as_str).collect();
            let buffer = kept(cap, &refs);
            let half = cap / 2;
            if whole.len() <= 2 * half {
                prop_assert_eq!(buffer.text(), whole);
            } else {
                let omitted = whole.len() - 2 * half;
                let expected = format!(
                    "{}\n... {omitted} bytes omitted ...\n{}",
                    &whole[..half],
                    &whole[whole.len() - half..]
                );
                prop_assert_eq!(buffer.text(), expected);
            }
        }
    }
}
