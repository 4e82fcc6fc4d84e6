//! The newest events of a thread that clients see, so that one that lost its
//! connection is sent exactly what it missed.
//!
//! There is a log only from when a numbered client first watches the thread. It is
//! bounded in events and in bytes; what is older is forgotten, and a client that asks
//! for it is told where the thread stands instead.

use std::collections::VecDeque;

use loomd_rpc::Message;

/// Events that are kept of a thread.
const EVENTS_MAX: usize = 4096;
/// Bytes of messages that are kept of a thread.
const BYTES_MAX: usize = 1024 * 1024;

/// An event that clients see.
pub(super) struct Logged {
    pub(super) seq: u64,
    pub(super) method: &'static str,
    /// As clients without numbers get it.
    pub(super) message: Message,
}

impl Logged {
    /// As it goes to a client that was sent event `prev` before it.
    pub(super) fn numbered(&self, prev: u64) -> Message {
        let position = format!(r#"{{"seq":{},"prev":{prev}}}"#, self.seq);
        self.message.with_member("loomd", &position)
    }
}

/// The newest events of a thread, without a gap.
pub(super) struct EventLog {
    /// Everything behind this number is in here.
    complete_after: u64,
    events: VecDeque<Logged>,
    bytes: usize,
}

impl EventLog {
    /// Begins behind the thread's newest event.
    pub(super) fn behind(seq: u64) -> Self {
        Self {
            complete_after: seq,
            events: VecDeque::new(),
            bytes: 0,
        }
    }

    pub(super) fn push(&mut self, event: Logged) {
        self.bytes += event.message.bytes().len();
        self.events.push_back(event);
        while self.events.len() > EVENTS_MAX || self.bytes > BYTES_MAX {
            let Some(oldest) = self.events.pop_front() else {
                break;
            };
            self.bytes -= oldest.message.bytes().len();
            self.complete_after = oldest.seq;
        }
    }

    /// Whether all that followed event `seq` is known.
    pub(super) fn covers(&self, seq: u64) -> bool {
        seq >= self.complete_after
    }

    /// What followed event `seq`, oldest first.
    pub(super) fn after(&self, seq: u64) -> impl Iterator<Item = &Logged> {
        let from = self.events.partition_point(|event| event.seq <= seq);
        self.events.range(from..)
    }
}

#[cfg(test)]
mod tests {
    use loomd_rpc::encode_notification;

    use super::*;

    fn logged(seq: u64, text: &str) -> Logged {
        Logged {
            seq,
            method: "m",
            message: encode_notification("m", &text, 0),
        }
    }

    fn seqs(log: &EventLog, after: u64) -> Vec<u64> {
        log.after(after).map(|event| event.seq).collect()
    }

    #[test]
    fn tells_what_followed_also_where_numbers_are_missing() {
        let mut log = EventLog::behind(7);
        for seq in [9, 10, 13] {
            log.push(logged(seq, "x"));
        }
        assert!(log.covers(7) && !log.covers(6));
        assert_eq!(seqs(&log, 7), [9, 10, 13]);
        assert_eq!(seqs(&log, 11), [13]);
        assert!(seqs(&log, 13).is_empty());
    }

    #[test]
    fn forgets_the_oldest_beyond_its_bounds_and_knows_it() {
        let mut log = EventLog::behind(0);
        for seq in 1..=3 {
            log.push(logged(seq, &"x".repeat(BYTES_MAX / 2)));
        }
        assert!(!log.covers(1) && log.covers(2));
        assert_eq!(seqs(&log, 2), [3]);
        let mut log = EventLog::behind(0);
        for seq in 1..=(EVENTS_MAX as u64 + 5) {
            log.push(logged(seq, "x"));
        }
        assert!(log.covers(5) && !log.covers(4));
    }
}
