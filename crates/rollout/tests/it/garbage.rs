//! Lines that are not lines of a rollout.

use loomd_rollout::decode;
use proptest::prelude::*;

use crate::support::{Script, meta, outline};

/// A recorded thread's lines.
fn good() -> Vec<Vec<u8>> {
    let home = tempfile::tempdir().unwrap();
    let mut script = Script::default();
    let mut writer = loomd_rollout::Writer::create(home.path(), &meta()).unwrap();
    writer.append(&script.whole_turn("t1")).unwrap();
    let text = std::fs::read(writer.path()).unwrap();
    text.split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(<[u8]>::to_vec)
        .collect()
}

fn junk() -> impl Strategy<Value = Vec<u8>> {
    let envelope = |payload: String| {
        format!(
            r#"{{"timestamp":"2026-11-22T23:17:13.810Z","ordinal":1,"type":"event_msg","payload":{payload}}}"#
        )
        .into_bytes()
    };
    prop_oneof![
        proptest::collection::vec(any::<u8>().prop_filter("one line", |b| *b != b'\n'), 0..80),
        "[ -~]{0,60}".prop_map(String::into_bytes),
        r#"\{"type":"[a-z_]{1,12}","[a-z_]{1,8}":(1|null|"x"|\[\]|\{\})\}"#.prop_map(envelope),
        prop_oneof![
            Just("item_completed"),
            Just("task_complete"),
            Just("turn_aborted"),
            Just("thread_rolled_back_"),
            Just("user_message"),
            Just("token_count"),
            Just("thread_settings_applied"),
        ]
        .prop_map(move |kind| envelope(format!(r#"{{"type":"{kind}","turn_id":"none"}}"#))),
    ]
}

proptest! {
    #[test]
    fn garbage_between_good_lines_loses_none_of_them(
        junk in proptest::collection::vec((any::<prop::sample::Index>(), junk()), 0..12)
    ) {
        let mut lines = good();
        let (clean, _) = decode(&*lines.join(&b'\n')).unwrap().unwrap();
        for (at, line) in junk {
            // The reference wants the first line first.
            let at = 1 + at.index(lines.len());
            lines.insert(at, line);
        }
        let (read, _) = decode(&*lines.join(&b'\n')).unwrap().unwrap();
        prop_assert_eq!(outline(&read.turns), outline(&clean.turns));
        prop_assert_eq!(read.history, clean.history);
        prop_assert_eq!(read.last_seq, clean.last_seq);
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        decode(&*bytes).unwrap();
    }

    #[test]
    fn a_flipped_byte_is_read_without_a_panic(at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let mut bytes = good().join(&b'\n');
        let at = at.index(bytes.len());
        bytes[at] = to;
        decode(&*bytes).unwrap();
    }
}
