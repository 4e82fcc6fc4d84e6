//! WebSocket frames (RFC 6455), the server's side, without any input or output.
//!
//! Why not a library: the one axum brings (tungstenite) copies each outgoing message
//! into a buffer of the connection and never gives that buffer back (measured: an answer
//! of 100 MB keeps 100 MB for as long as the client stays), reserves 128 KiB per
//! connection to read into, and cannot send bytes that connections share. What
//! a server needs of the protocol is small.
//!
//! Stricter than the RFC in nothing, looser in one thing: a text that is not UTF-8 is
//! left to the envelope, which drops it, rather than ending the connection.
//! Deliberately absent: extensions, outgoing fragmentation, the client's masking.
//!
//! Invariants: the decoder keeps at most one message and one frame; a frame's claim
//! of its length reserves nothing, only bytes that arrived take room.

use bytes::{Buf, Bytes, BytesMut};

use crate::close::CloseReason;

/// Bytes of one incoming frame's payload. A larger one ends the connection; the
/// reference resets it as well.
pub const FRAME_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Bytes of one incoming message, over all its frames. A larger one ends the connection.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Bytes of a control frame's payload (RFC 6455, 5.5).
const CONTROL_BYTES_MAX: usize = 125;

/// Bytes of buffer that an idle decoder keeps.
const BUFFER_KEPT_MAX: usize = 16 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xA => Self::Pong,
            _ => return None,
        })
    }

    fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xA,
        }
    }
}

/// Appends the header of an unfragmented frame.
pub(crate) fn head(opcode: Opcode, payload_bytes: usize, into: &mut Vec<u8>) {
    into.push(0x80 | opcode.bits());
    if let Ok(short) = u8::try_from(payload_bytes)
        && usize::from(short) <= CONTROL_BYTES_MAX
    {
        into.push(short);
    } else if let Ok(medium) = u16::try_from(payload_bytes) {
        into.push(126);
        into.extend_from_slice(&medium.to_be_bytes());
    } else {
        into.push(127);
        into.extend_from_slice(&(payload_bytes as u64).to_be_bytes());
    }
}

/// Appends the close frame that tells the peer why.
pub(crate) fn close(reason: Option<&CloseReason>, into: &mut Vec<u8>) {
    let code: u16 = match reason {
        None | Some(CloseReason::PeerClosed) => 1000,
        Some(CloseReason::Shutdown) => 1001,
        Some(CloseReason::BadFrame(_)) => 1002,
        Some(CloseReason::TooSlow | CloseReason::ByServer(_)) => 1008,
        Some(CloseReason::TooLarge) => 1009,
        Some(CloseReason::Failed(_)) => 1011,
    };
    let text = match reason {
        // What went wrong inside is for the log.
        None | Some(CloseReason::PeerClosed | CloseReason::Failed(_)) => String::new(),
        Some(reason) => reason.to_string(),
    };
    let text = &text[..text.floor_char_boundary(CONTROL_BYTES_MAX - 2)];
    head(Opcode::Close, 2 + text.len(), into);
    into.extend_from_slice(&code.to_be_bytes());
    into.extend_from_slice(text.as_bytes());
}

/// What arrived.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A whole text message, perhaps not UTF-8.
    Text(BytesMut),
    /// A whole binary message of that many bytes, which is not kept.
    Binary(usize),
    Ping(Bytes),
    Pong,
    Close,
}

/// Turns bytes into [`Event`]s.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    buffer: BytesMut,
    /// The header of the frame whose payload is arriving.
    header: Option<Header>,
    /// The message whose last frame has not come yet.
    message: Option<Fragments>,
}

#[derive(Debug, Clone, Copy)]
struct Header {
    last: bool,
    opcode: Opcode,
    mask: [u8; 4],
    payload_bytes: usize,
}

#[derive(Debug)]
enum Fragments {
    Text(BytesMut),
    Binary(usize),
}

impl Decoder {
    /// Where to append what is read.
    pub(crate) fn buffer(&mut self) -> &mut BytesMut {
        if self.buffer.is_empty() && self.buffer.capacity() > BUFFER_KEPT_MAX {
            self.buffer = BytesMut::new();
        }
        &mut self.buffer
    }

    /// The next event in what has been read; `None` when more is needed. Once it has
    /// failed it is not to be asked again.
    ///
    /// # Errors
    /// The peer broke the protocol or a limit.
    pub(crate) fn next(&mut self) -> Result<Option<Event>, CloseReason> {
        loop {
            let header = match self.header {
                Some(header) => header,
                None => match Header::take(&mut self.buffer)? {
                    Some(header) => {
                        self.check(&header)?;
                        *self.header.insert(header)
                    }
                    None => return Ok(None),
                },
            };
            if self.buffer.len() < header.payload_bytes {
                return Ok(None);
            }
            self.header = None;
            let mut payload = self.buffer.split_to(header.payload_bytes);
            unmask(&mut payload, header.mask);
            if let Some(event) = self.frame(header, payload) {
                return Ok(Some(event));
            }
        }
    }

    /// Whether the frame may come now and be this large.
    fn check(&self, header: &Header) -> Result<(), CloseReason> {
        let so_far = match header.opcode {
            Opcode::Close | Opcode::Ping | Opcode::Pong => {
                if !header.last || header.payload_bytes > CONTROL_BYTES_MAX {
                    return Err(CloseReason::BadFrame("fragmented or long control frame"));
                }
                return Ok(());
            }
            Opcode::Continuation => match &self.message {
                Some(Fragments::Text(text)) => text.len(),
                Some(Fragments::Binary(bytes)) => *bytes,
                None => return Err(CloseReason::BadFrame("continuation of nothing")),
            },
            Opcode::Text | Opcode::Binary => {
                if self.message.is_some() {
                    return Err(CloseReason::BadFrame("message within a message"));
                }
                0
            }
        };
        if header.payload_bytes > FRAME_BYTES_MAX
            || so_far + header.payload_bytes > MESSAGE_BYTES_MAX
        {
            return Err(CloseReason::TooLarge);
        }
        Ok(())
    }

    fn frame(&mut self, header: Header, payload: BytesMut) -> Option<Event> {
        let message = match header.opcode {
            Opcode::Close => return Some(Event::Close),
            Opcode::Ping => return Some(Event::Ping(payload.freeze())),
            Opcode::Pong => return Some(Event::Pong),
            Opcode::Text => Fragments::Text(payload),
            Opcode::Binary => Fragments::Binary(payload.len()),
            Opcode::Continuation => match self.message.take()? {
                Fragments::Text(mut text) => {
                    text.extend_from_slice(&payload);
                    Fragments::Text(text)
                }
                Fragments::Binary(bytes) => Fragments::Binary(bytes + payload.len()),
            },
        };
        if !header.last {
            self.message = Some(message);
            return None;
        }
        Some(match message {
            Fragments::Text(text) => Event::Text(text),
            Fragments::Binary(bytes) => Event::Binary(bytes),
        })
    }
}

impl Header {
    /// Takes a header from the front, if it is there in full.
    fn take(buffer: &mut BytesMut) -> Result<Option<Self>, CloseReason> {
        let [first, second, ..] = buffer[..] else {
            return Ok(None);
        };
        if first & 0x70 != 0 {
            return Err(CloseReason::BadFrame("reserved bits without an extension"));
        }
        let opcode =
            Opcode::from_bits(first & 0x0F).ok_or(CloseReason::BadFrame("unknown opcode"))?;
        if second & 0x80 == 0 {
            return Err(CloseReason::BadFrame("unmasked frame"));
        }
        let length_bytes: usize = match second & 0x7F {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        if buffer.len() < 2 + length_bytes + 4 {
            return Ok(None);
        }
        buffer.advance(2);
        let payload_bytes = match length_bytes {
            0 => u64::from(second & 0x7F),
            2 => u64::from(buffer.get_u16()),
            _ => buffer.get_u64(),
        };
        let mut mask = [0; 4];
        buffer.copy_to_slice(&mut mask);
        Ok(Some(Self {
            last: first & 0x80 != 0,
            opcode,
            mask,
            // A length that this machine cannot count is above every limit.
            payload_bytes: usize::try_from(payload_bytes).unwrap_or(usize::MAX / 2),
        }))
    }
}

fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let key = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = payload.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ key).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key.to_ne_bytes()) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A client's frame: header, mask, masked payload.
    fn frame(last: bool, opcode: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [0xA1, 0x02, 0x7F, 0x90];
        let mut unmasked_head = Vec::new();
        head(Opcode::Text, payload.len(), &mut unmasked_head);
        let mut bytes = unmasked_head;
        bytes[0] = if last { 0x80 } else { 0 } | opcode;
        bytes[1] |= 0x80;
        bytes.extend_from_slice(&mask);
        let start = bytes.len();
        bytes.extend_from_slice(payload);
        unmask(&mut bytes[start..], mask);
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Vec<Event>, CloseReason> {
        let mut decoder = Decoder::default();
        decoder.buffer().extend_from_slice(bytes);
        let mut events = Vec::new();
        while let Some(event) = decoder.next()? {
            events.push(event);
        }
        Ok(events)
    }

    fn text(text: &str) -> Event {
        Event::Text(text.as_bytes().into())
    }

    #[test]
    fn joins_fragments_and_lets_control_frames_in_between() {
        let bytes = [
            frame(false, 1, b"one "),
            frame(true, 9, b"are you there"),
            frame(false, 0, b""),
            frame(true, 10, b""),
            frame(true, 0, b"two"),
            frame(false, 2, b"123"),
            frame(true, 0, b"45"),
            frame(true, 8, &[3, 232]),
        ]
        .concat();
        assert_eq!(
            decode(&bytes).unwrap(),
            [
                Event::Ping(Bytes::from_static(b"are you there")),
                Event::Pong,
                text("one two"),
                Event::Binary(5),
                Event::Close,
            ]
        );
    }

    #[test]
    fn refuses_what_the_protocol_forbids() {
        let unmasked = {
            let mut bytes = Vec::new();
            head(Opcode::Text, 0, &mut bytes);
            bytes
        };
        let reserved = {
            let mut bytes = frame(true, 1, b"x");
            bytes[0] |= 0x40;
            bytes
        };
        for bytes in [
            unmasked,
            reserved,
            frame(true, 3, b""),
            frame(true, 0, b"x"),
            frame(false, 9, b""),
            frame(true, 9, &[0; 126]),
            [frame(false, 1, b"x"), frame(true, 1, b"x")].concat(),
        ] {
            let outcome = decode(&bytes);
            assert!(
                matches!(outcome, Err(CloseReason::BadFrame(_))),
                "{bytes:?} {outcome:?}"
            );
        }
    }

    #[test]
    fn refuses_a_frame_above_the_limit_by_its_header() {
        let claim = |bytes: u64| {
            let mut header = vec![0x81, 0xFF];
            header.extend_from_slice(&bytes.to_be_bytes());
            header.extend_from_slice(&[0; 4]);
            decode(&header)
        };
        assert_eq!(claim(FRAME_BYTES_MAX as u64), Ok(vec![]));
        assert_eq!(
            claim(FRAME_BYTES_MAX as u64 + 1),
            Err(CloseReason::TooLarge)
        );
        assert_eq!(claim(u64::MAX), Err(CloseReason::TooLarge));
    }

    #[test]
    fn refuses_a_message_above_the_limit_over_its_frames() {
        let mut part = frame(false, 0, &vec![b' '; FRAME_BYTES_MAX]);
        for opcode in [1, 2] {
            let mut decoder = Decoder::default();
            for at in 0..4 {
                part[0] = if at == 0 { opcode } else { 0 };
                decoder.buffer().extend_from_slice(&part);
                assert_eq!(decoder.next(), Ok(None));
            }
            decoder.buffer().extend_from_slice(&frame(true, 0, b"x"));
            assert_eq!(decoder.next(), Err(CloseReason::TooLarge));
        }
    }

    #[test]
    fn gives_back_the_room_of_a_large_frame() {
        let mut decoder = Decoder::default();
        decoder
            .buffer()
            .extend_from_slice(&frame(true, 2, &vec![0; 1 << 20]));
        assert_eq!(decoder.next(), Ok(Some(Event::Binary(1 << 20))));
        assert!(decoder.buffer().capacity() <= BUFFER_KEPT_MAX);
    }

    #[test]
    fn writes_each_length_in_its_shortest_form() {
        for (bytes, header) in [
            (0, vec![0x81, 0]),
            (125, vec![0x81, 125]),
            (126, vec![0x81, 126, 0, 126]),
            (65_535, vec![0x81, 126, 0xFF, 0xFF]),
            (65_536, vec![0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let mut written = Vec::new();
            head(Opcode::Text, bytes, &mut written);
            assert_eq!(written, header);
        }
    }

    #[test]
    fn fits_a_close_reason_into_a_control_frame() {
        let long: &'static str = Box::leak("é".repeat(100).into_boxed_str());
        let mut written = Vec::new();
        close(Some(&CloseReason::ByServer(long)), &mut written);
        assert_eq!(written[..4], [0x88, 124, 0x03, 0xF0]);
        assert_eq!(std::str::from_utf8(&written[4..]).unwrap(), "é".repeat(61));
    }

    proptest! {
        #[test]
        fn never_panics_on_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode(&bytes);
        }

        #[test]
        fn reads_messages_however_they_are_cut(
            messages in prop::collection::vec(
                prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..4), 1..5),
            chunk in 1usize..50,
        ) {
            let mut bytes = Vec::new();
            for parts in &messages {
                for (at, part) in parts.iter().enumerate() {
                    bytes.extend(frame(at + 1 == parts.len(), u8::from(at == 0), part));
                }
            }
            let mut decoder = Decoder::default();
            let mut read = Vec::new();
            for chunk in bytes.chunks(chunk) {
                decoder.buffer().extend_from_slice(chunk);
                while let Some(event) = decoder.next().unwrap() {
                    let Event::Text(text) = event else {
                        return Err(TestCaseError::fail(format!("{event:?}")));
                    };
                    read.push(text.to_vec());
                }
            }
            let sent: Vec<Vec<u8>> = messages.iter().map(|parts| parts.concat()).collect();
            prop_assert_eq!(read, sent);
        }
    }
}
