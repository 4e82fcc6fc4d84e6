//! A file cut at any byte.

use std::fs;

use loomd_events::TurnEndReason;
use loomd_rollout::{Writer, decode, read};

use crate::support::{Script, T0, agent, completed, ended, meta, outline, started, user};
use crate::writing::ordinals;

/// The part of `bytes` that is whole lines. A last line without its newline is whole
/// when it is whole JSON.
fn whole_lines(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| *byte == b'\n');
    let rest = &bytes[end.map_or(0, |end| end + 1)..];
    if serde_json::from_slice::<serde_json::Value>(rest).is_ok() {
        bytes
    } else {
        &bytes[..end.map_or(0, |end| end + 1)]
    }
}

#[test]
fn every_prefix_of_a_file_reads_as_its_whole_lines() {
    let home = tempfile::tempdir().unwrap();
    let mut script = Script::default();
    let mut writer = Writer::create(home.path(), &meta()).unwrap();
    writer.append(&script.whole_turn("t1")).unwrap();
    let bytes = fs::read(writer.path()).unwrap();
    let mut known = (usize::MAX, None);
    for cut in 0..=bytes.len() {
        let kept = whole_lines(&bytes[..cut]);
        if known.0 != kept.len() {
            let read = decode(kept).unwrap();
            known = (kept.len(), read.map(|(snapshot, _)| snapshot));
        }
        let torn = decode(&bytes[..cut]).unwrap();
        assert_eq!(torn.map(|(snapshot, _)| snapshot), known.1, "cut at {cut}");
    }
    assert_eq!(known.1.unwrap().turns[0].items.len(), 5);
}

/// A file cut within its first line holds no thread; cut anywhere behind it, it opens
/// and can be written to.
#[test]
fn opens_a_file_cut_at_every_byte_and_goes_on_behind_the_cut() {
    let home = tempfile::tempdir().unwrap();
    let mut script = Script::default();
    let mut writer = Writer::create(home.path(), &meta()).unwrap();
    let path = writer.path().to_path_buf();
    let first_line = fs::read(&path).unwrap().len() - 1;
    let events = [
        started("t1"),
        completed("t1", user("t1", "ask")),
        ended("t1", vec![agent("t1", "x")], TurnEndReason::Completed),
    ];
    writer
        .append(&events.map(|event| script.number(event)))
        .unwrap();
    drop(writer);
    let whole = fs::read(&path).unwrap();

    for cut in 0..=whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        if cut < first_line {
            assert!(read(&path).is_err(), "cut at {cut}");
            continue;
        }
        let (mut writer, opened) = Writer::open(&path, T0).unwrap();
        let mut more = Script {
            seq: opened.last_seq,
        };
        let answer = completed("t1", agent("t1", "late"));
        writer.append(&[more.number(answer)]).unwrap();
        drop(writer);

        let after = fs::read(&path).unwrap();
        assert!(
            after.starts_with(whole_lines(&whole[..cut])),
            "cut at {cut}"
        );
        let ordinals = ordinals(&path);
        assert!(
            ordinals.is_sorted_by(|a, b| a < b),
            "cut at {cut}: {ordinals:?}"
        );
        let reopened = read(&path).unwrap();
        assert_eq!(reopened.last_seq, more.seq, "cut at {cut}");
        assert_eq!(reopened.turns.len(), opened.turns.len(), "cut at {cut}");
        if let Some(turn) = opened.turns.first() {
            let with_answer = format!(
                "{}  msg_t1 agentMessage: late\n",
                outline(std::slice::from_ref(turn))
            );
            assert_eq!(outline(&reopened.turns), with_answer, "cut at {cut}");
        }
    }
}
