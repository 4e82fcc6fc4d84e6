//! What is told and kept of one stream of output.

/// Bytes of one stream that are kept at most, also where a client wants them all: the
/// answer holds them in memory, as text.
pub const BUFFERED_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What a program printed to one stream, as far as it was kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Captured {
    /// The text; bytes that are no UTF-8 are replaced. Empty for a streamed program.
    pub text: String,
    /// Whether as much was printed as was wanted, or more.
    pub cap_reached: bool,
}

/// One stream while it is read.
#[derive(Debug)]
pub(super) struct Capture {
    /// Whether more may come.
    pub(super) open: bool,
    streamed: bool,
    /// Bytes that are still wanted; none if all are.
    wanted: Option<usize>,
    cap_reached: bool,
    kept: Vec<u8>,
}

impl Capture {
    pub(super) fn new(open: bool, streamed: bool, bytes_max: Option<usize>) -> Self {
        let wanted = if streamed {
            bytes_max
        } else {
            Some(bytes_max.map_or(BUFFERED_BYTES_MAX, |max| max.min(BUFFERED_BYTES_MAX)))
        };
        Self {
            open,
            streamed,
            wanted,
            cap_reached: false,
            kept: Vec::new(),
        }
    }

    /// Takes what was read. Gives what is to be told, and whether it is the last of it.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Option<(Vec<u8>, bool)> {
        if self.cap_reached {
            return None;
        }
        let count = self
            .wanted
            .map_or(bytes.len(), |left| left.min(bytes.len()));
        let bytes = &bytes[..count];
        if let Some(left) = &mut self.wanted {
            *left -= count;
            self.cap_reached = *left == 0;
        }
        if self.streamed {
            return Some((bytes.to_vec(), self.cap_reached));
        }
        self.kept.extend_from_slice(bytes);
        None
    }

    pub(super) fn finish(self) -> Captured {
        let text = match String::from_utf8(self.kept) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        };
        Captured {
            text,
            cap_reached: self.cap_reached,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_piece_that_reaches_the_cap_says_so_and_is_the_last() {
        let mut capture = Capture::new(true, true, Some(7));
        assert_eq!(capture.take(b"12345"), Some((b"12345".to_vec(), false)));
        assert_eq!(capture.take(b"6789"), Some((b"67".to_vec(), true)));
        assert_eq!(capture.take(b"ab"), None);
        let expected = Captured {
            text: String::new(),
            cap_reached: true,
        };
        assert_eq!(capture.finish(), expected);
    }

    #[test]
    fn a_cap_of_nothing_is_told_with_the_first_output() {
        let mut capture = Capture::new(true, true, Some(0));
        assert_eq!(capture.take(b"12"), Some((Vec::new(), true)));
        assert_eq!(capture.take(b"34"), None);
    }

    #[test]
    fn what_is_kept_is_cut_silently() {
        let mut capture = Capture::new(true, false, Some(4));
        assert_eq!(capture.take(b"\xffabc"), None);
        assert_eq!(capture.take(b"de"), None);
        let captured = capture.finish();
        assert_eq!(captured.text, "\u{fffd}abc");
        assert!(captured.cap_reached);
    }

    #[test]
    fn without_a_cap_there_is_still_a_bound() {
        let mut capture = Capture::new(true, false, None);
        let block = vec![b'x'; BUFFERED_BYTES_MAX / 2];
        for _ in 0..3 {
            capture.take(&block);
        }
        assert_eq!(capture.finish().text.len(), BUFFERED_BYTES_MAX);
    }
}
