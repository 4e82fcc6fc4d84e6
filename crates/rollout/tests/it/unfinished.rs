//! What clients saw of unfinished items survives the end of the process.

use std::fs;
use std::mem;

use expect_test::expect;
use loomd_events::{Sequenced, ThreadEvent, TurnEndReason};
use loomd_protocol::{
    AgentMessageDeltaNotification, CommandExecutionOutputDeltaNotification, ItemKind,
    ItemStartedNotification, ReasoningSummaryTextDeltaNotification, ThreadItem,
};
use loomd_rollout::{Writer, read};

use crate::support::{
    Script, T0, THREAD, agent, command, completed, ended, history, meta, outline, running, started,
    user,
};

fn begun(turn: &str, item: ThreadItem) -> ThreadEvent {
    ThreadEvent::ItemStarted(ItemStartedNotification {
        item,
        thread_id: THREAD.to_owned(),
        turn_id: turn.to_owned(),
        started_at_ms: T0,
    })
}

fn said(turn: &str, item: &str, text: &str) -> ThreadEvent {
    ThreadEvent::AgentMessageDelta(AgentMessageDeltaNotification {
        thread_id: THREAD.to_owned(),
        turn_id: turn.to_owned(),
        item_id: item.to_owned(),
        delta: text.to_owned(),
    })
}

fn thought(turn: &str, index: i64, text: &str) -> ThreadEvent {
    ThreadEvent::ReasoningSummaryTextDelta(ReasoningSummaryTextDeltaNotification {
        thread_id: THREAD.to_owned(),
        turn_id: turn.to_owned(),
        item_id: "rs".to_owned(),
        delta: text.to_owned(),
        summary_index: index,
    })
}

fn printed(turn: &str, item: &str, text: &str) -> ThreadEvent {
    ThreadEvent::CommandOutputDelta(CommandExecutionOutputDeltaNotification {
        thread_id: THREAD.to_owned(),
        turn_id: turn.to_owned(),
        item_id: item.to_owned(),
        delta: text.to_owned(),
    })
}

/// A writer in the middle of a turn, with the events that were recorded as partial.
fn in_a_turn(home: &std::path::Path, partial: Vec<ThreadEvent>) -> (Writer, Script) {
    let mut script = Script::default();
    let mut writer = Writer::create(home, &meta()).unwrap();
    let opening = [
        started("t1"),
        history("t1", "user", "ask"),
        completed("t1", user("t1", "ask")),
    ]
    .map(|event| script.number(event));
    writer.append(&opening).unwrap();
    for event in partial {
        let event: Sequenced = script.number(event);
        writer.partial(&[event]).unwrap();
    }
    (writer, script)
}

/// As a kill does: nothing is dropped, but the operating system takes back the lock.
fn kill(writer: Writer, home: &std::path::Path) -> std::path::PathBuf {
    let path = writer.path().to_path_buf();
    let journal = journal(home);
    let kept = fs::read(&journal).ok();
    drop(writer);
    if let Some(kept) = kept {
        fs::write(journal, kept).unwrap();
    }
    path
}

fn journal(home: &std::path::Path) -> std::path::PathBuf {
    home.join(format!("loomd/inflight/{THREAD}.jsonl"))
}

#[test]
fn partial_text_reasoning_and_output_are_shown_after_a_kill() {
    let home = tempfile::tempdir().unwrap();
    let (writer, script) = in_a_turn(
        home.path(),
        vec![
            thought("t1", 0, "hm"),
            thought("t1", 0, "m"),
            thought("t1", 1, "well"),
            begun("t1", running("t1")),
            printed("t1", "call_t1", "line 1\n"),
            printed("t1", "call_t1", "line \"2\"\n"),
            begun("t1", agent("t1", "")),
            said("t1", "msg_t1", "The ans"),
            said("t1", "msg_t1", "wer é"),
        ],
    );
    let path = kill(writer, home.path());
    let before = fs::read(&path).unwrap();
    let shown = read(&path).unwrap();
    assert_eq!(fs::read(&path).unwrap(), before, "a read writes nothing");
    expect![[r#"
        t1 Interrupted
          user_t1 userMessage: ask
          rs reasoning: ["hmm", "well"] []
          call_t1 commandExecution: /bin/bash -lc 'echo hi; false' Failed Some("line 1\nline \"2\"\n")
          msg_t1 agentMessage: The answer é
    "#]]
    .assert_eq(&outline(&shown.turns));
    assert_eq!(shown.last_seq, script.seq);

    let (writer, opened) = Writer::open(&path, T0 + 9).unwrap();
    assert_eq!(opened.turns, shown.turns);
    assert_eq!(
        opened.last_seq,
        script.seq + 4,
        "three items and the turn's end"
    );
    assert!(!journal(home.path()).exists());
    drop(writer);
    let again = read(&path).unwrap();
    assert_eq!(outline(&again.turns), outline(&shown.turns));
    assert_eq!(again.last_seq, opened.last_seq);
    let reopened = Writer::open(&path, T0 + 10).unwrap().1;
    assert_eq!(reopened, again);
}

#[test]
fn a_turn_that_was_killed_before_any_text_is_interrupted_without_it() {
    let home = tempfile::tempdir().unwrap();
    let (writer, _) = in_a_turn(home.path(), vec![begun("t1", agent("t1", ""))]);
    let path = kill(writer, home.path());
    let turns = read(&path).unwrap().turns;
    assert_eq!(
        outline(&turns),
        "t1 Interrupted\n  user_t1 userMessage: ask\n"
    );
    assert_eq!(turns[0].completed_at, None);
    assert_eq!(Writer::open(&path, T0).unwrap().1.turns, turns);
}

#[test]
fn a_completed_item_empties_the_journal_and_counts_once() {
    let home = tempfile::tempdir().unwrap();
    let (mut writer, mut script) = in_a_turn(home.path(), vec![said("t1", "msg_t1", "The ans")]);
    let kept = fs::read(journal(home.path())).unwrap();
    assert!(!kept.is_empty());
    let done = [completed("t1", agent("t1", "The answer"))].map(|event| script.number(event));
    writer.append(&done).unwrap();
    assert_eq!(fs::metadata(journal(home.path())).unwrap().len(), 0);

    // The kill came between the rollout's write and the journal's.
    fs::write(journal(home.path()), kept).unwrap();
    let path = kill(writer, home.path());
    let shown = outline(&read(&path).unwrap().turns);
    assert_eq!(
        shown,
        "t1 Interrupted\n  user_t1 userMessage: ask\n  msg_t1 agentMessage: The answer\n"
    );
    assert_eq!(outline(&Writer::open(&path, T0).unwrap().1.turns), shown);
}

#[test]
fn the_end_of_a_turn_empties_the_journal_and_a_dropped_writer_leaves_none() {
    let home = tempfile::tempdir().unwrap();
    let (mut writer, mut script) = in_a_turn(home.path(), vec![said("t1", "msg_t1", "The ans")]);
    let end = [ended("t1", Vec::new(), TurnEndReason::Interrupted)];
    writer
        .append(&end.map(|event| script.number(event)))
        .unwrap();
    assert_eq!(fs::metadata(journal(home.path())).unwrap().len(), 0);
    drop(writer);
    assert!(!journal(home.path()).exists());
}

#[test]
fn a_background_command_is_kept_beyond_its_turn_and_nothing_else_is() {
    let home = tempfile::tempdir().unwrap();
    let (mut writer, mut script) = in_a_turn(
        home.path(),
        vec![
            begun("t1", running("t1")),
            printed("t1", "call_t1", "up\n"),
            said("t1", "msg_t1", "dropped by the interrupt"),
        ],
    );
    let end = [ended("t1", Vec::new(), TurnEndReason::Interrupted)];
    writer
        .append(&end.map(|event| script.number(event)))
        .unwrap();
    let more = script.number(printed("t1", "call_t1", "still up\n"));
    writer.partial(&[more]).unwrap();
    let path = kill(writer, home.path());
    expect![[r#"
        t1 Interrupted
          user_t1 userMessage: ask
          call_t1 commandExecution: /bin/bash -lc 'echo hi; false' Failed Some("up\nstill up\n")
    "#]]
    .assert_eq(&outline(&Writer::open(&path, T0).unwrap().1.turns));
}

#[test]
fn event_numbers_told_without_a_line_of_their_own_are_not_given_twice() {
    let home = tempfile::tempdir().unwrap();
    let plan = |turn: &str| {
        ThreadEvent::TurnDiff(loomd_protocol::TurnDiffUpdatedNotification {
            thread_id: THREAD.to_owned(),
            turn_id: turn.to_owned(),
            diff: String::new(),
        })
    };
    let (writer, script) = in_a_turn(home.path(), vec![plan("t1"), plan("t1")]);
    let path = kill(writer, home.path());
    assert_eq!(read(&path).unwrap().last_seq, script.seq);
}

#[test]
fn a_number_that_only_the_journal_knows_outlives_a_second_kill() {
    let home = tempfile::tempdir().unwrap();
    let mut script = Script::default();
    let mut writer = Writer::create(home.path(), &meta()).unwrap();
    writer.append(&script.whole_turn("t1")).unwrap();
    let warned = script.number(said("t1", "late", ""));
    writer.partial(&[warned]).unwrap();
    let path = kill(writer, home.path());
    for _ in 0..2 {
        let (writer, opened) = Writer::open(&path, T0).unwrap();
        assert_eq!(opened.last_seq, script.seq);
        kill(writer, home.path());
    }
}

#[test]
fn one_call_with_all_events_after_another_records_only_what_is_open() {
    let home = tempfile::tempdir().unwrap();
    let mut script = Script::default();
    let mut writer = Writer::create(home.path(), &meta()).unwrap();
    let mut tell = |writer: &mut Writer, events: Vec<ThreadEvent>| {
        let events: Vec<Sequenced> = events.into_iter().map(|e| script.number(e)).collect();
        writer.append(&events).unwrap();
        writer.partial(&events).unwrap();
        fs::read_to_string(journal(home.path())).unwrap_or_default()
    };
    let opening = vec![
        started("t1"),
        begun("t1", user("t1", "ask")),
        completed("t1", user("t1", "ask")),
        begun("t1", agent("t1", "")),
        said("t1", "msg_t1", "all at "),
        said("t1", "msg_t1", "once"),
        completed("t1", agent("t1", "all at once")),
    ];
    assert_eq!(tell(&mut writer, opening), "");
    let two = vec![begun("t1", running("t1")), begun("t1", agent("t2", ""))];
    assert_eq!(tell(&mut writer, two).lines().count(), 2);
    let one_ends = vec![said("t1", "msg_t2", "x"), completed("t1", agent("t2", "x"))];
    assert_eq!(tell(&mut writer, one_ends).lines().count(), 3);
    let all_end = vec![
        printed("t1", "call_t1", "out"),
        completed("t1", command("t1")),
        ended("t1", Vec::new(), TurnEndReason::Completed),
    ];
    assert_eq!(tell(&mut writer, all_end), "");
    drop(writer);
    assert!(!journal(home.path()).exists());
}

#[test]
fn a_torn_or_foreign_journal_costs_only_what_is_torn() {
    let home = tempfile::tempdir().unwrap();
    let (writer, _) = in_a_turn(home.path(), vec![said("t1", "msg_t1", "The ans")]);
    let path = kill(writer, home.path());
    let whole = fs::read(journal(home.path())).unwrap();
    for cut in 0..whole.len() - 1 {
        fs::write(journal(home.path()), &whole[..cut]).unwrap();
        assert_eq!(read(&path).unwrap().turns[0].items.len(), 1);
    }
    for junk in [
        "7\n\n",
        "{\"item\":\"x\",\"text\":\"no turn\"}\n",
        "\u{0}\n",
    ] {
        let mut text = junk.as_bytes().to_vec();
        text.extend_from_slice(&whole);
        fs::write(journal(home.path()), text).unwrap();
        assert_eq!(read(&path).unwrap().turns[0].items.len(), 2);
    }
}

#[test]
fn much_output_of_a_command_is_kept_up_to_the_limit() {
    let home = tempfile::tempdir().unwrap();
    let (mut writer, mut script) = in_a_turn(home.path(), vec![begun("t1", running("t1"))]);
    let piece = "é".repeat(50_000);
    for _ in 0..10 {
        let event = script.number(printed("t1", "call_t1", &piece));
        writer.partial(&[event]).unwrap();
    }
    let path = kill(writer, home.path());
    let mut turns = read(&path).unwrap().turns;
    let item = mem::take(&mut turns[0].items).pop().unwrap();
    let ItemKind::CommandExecution(command) = item.kind else {
        panic!("the command is last");
    };
    let output = command.aggregated_output.unwrap();
    assert_eq!(output.len(), loomd_rollout::OUTPUT_BYTES_MAX);
}
