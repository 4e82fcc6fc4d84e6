//! How long the usual operations take, on this machine and in this build.
//!
//! `measure FOLDER` works in a new folder below `FOLDER` and prints one line per figure.

#![expect(clippy::print_stdout, reason = "an example talks to its user")]
#![expect(
    clippy::disallowed_methods,
    reason = "an example may look at the clock"
)]

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use loomd_base::ThreadId;
use loomd_events::{
    HistoryItem, MessagePart, Sequenced, SessionMeta, ThreadEvent, TurnEndReason, TurnStart,
};
use loomd_protocol::{
    AgentMessageDeltaNotification, AgentMessageItem, ItemCompletedNotification, ItemKind,
    SessionSource, ThreadItem, Turn, TurnItemsView, TurnStatus,
};
use loomd_rollout::{Writer, layout, read, read_meta};

const TURNS: u32 = 1000;
const THREADS: u32 = 10_000;
const DELTAS: u32 = 20_000;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("name a folder")?;
    let home = tempfile::tempdir_in(folder)?;
    let id: ThreadId = "01a2058c-a773-7973-b6d6-7d17797aa558".parse()?;
    let mut writer = Writer::create(home.path(), &meta(id))?;

    let mut lines = 0;
    let begun = Instant::now();
    for turn in 0..TURNS {
        for event in turn_events(turn, id) {
            writer.append(&[event])?;
            lines += 1;
        }
    }
    let each = begun.elapsed() / lines;
    println!("append, one event a call: {each:?} each ({lines} events)");

    let mut batch = Vec::new();
    let begun = Instant::now();
    for at in 0..DELTAS {
        batch.push(delta(at, id));
        if batch.len() == 8 {
            writer.partial(&batch)?;
            batch.clear();
        }
    }
    let each = begun.elapsed() / DELTAS;
    println!("partial, eight deltas a call: {each:?} a delta");

    let size = std::fs::metadata(writer.path())?.len();
    let begun = Instant::now();
    let snapshot = read(writer.path())?;
    let took = begun.elapsed();
    println!(
        "read, {} turns, {size} bytes: {took:?}",
        snapshot.turns.len()
    );
    let begun = Instant::now();
    read_meta(writer.path())?;
    println!("read_meta: {:?}", begun.elapsed());

    for number in 0..THREADS {
        let mut meta = meta(ThreadId(uuid::Uuid::from_u128(u128::from(number))));
        meta.created_ms += i64::from(number) * 60_000;
        drop(Writer::create(home.path(), &meta)?);
    }
    let begun = Instant::now();
    let found = layout::find(home.path(), id)?;
    println!("find the oldest of {THREADS}: {:?}", begun.elapsed());
    assert!(found.is_some());
    let begun = Instant::now();
    let count = layout::scan(home.path())?.count();
    println!("scan {count} files: {:?}", begun.elapsed());
    Ok(())
}

fn meta(id: ThreadId) -> SessionMeta {
    SessionMeta {
        id,
        session_id: id,
        created_ms: 1_795_389_433_810,
        cwd: PathBuf::from("/project"),
        originator: "measure".to_owned(),
        cli_version: "0.169.0".to_owned(),
        source: SessionSource::Vscode,
        thread_source: None,
        model_provider: "mock".to_owned(),
        base_instructions: None,
        git: None,
        forked_from_id: None,
        parent_thread_id: None,
    }
}

fn sequenced(seq: u64, event: ThreadEvent) -> Sequenced {
    Sequenced {
        seq,
        at_ms: 1_795_389_433_810,
        event,
    }
}

fn delta(at: u32, id: ThreadId) -> Sequenced {
    let event = ThreadEvent::AgentMessageDelta(AgentMessageDeltaNotification {
        thread_id: id.to_string(),
        turn_id: "turn".to_owned(),
        item_id: "msg".to_owned(),
        delta: "a few words ".to_owned(),
    });
    sequenced(u64::from(at), event)
}

/// A turn of two messages, each as an item and as history.
fn turn_events(number: u32, id: ThreadId) -> Vec<Sequenced> {
    let mut turn = Turn {
        id: format!("01a2058c-a773-7973-b6d6-{number:012}"),
        root_turn_id: None,
        items: Vec::new(),
        items_view: TurnItemsView::Full,
        status: TurnStatus::InProgress,
        error: None,
        started_at: Some(1_795_389_433),
        completed_at: None,
        duration_ms: None,
    };
    let text =
        "an answer of about one hundred characters, as they are in the middle of work ".repeat(2);
    let agent = ItemKind::AgentMessage(AgentMessageItem {
        text: text.clone(),
        ..AgentMessageItem::default()
    });
    let history = |role: &str| ThreadEvent::HistoryAppended {
        turn_id: Some(Arc::from("turn")),
        item: HistoryItem::message("msg", role, &[MessagePart::text(text.clone())]),
    };
    let item = |kind: ItemKind, name: &str| {
        ThreadEvent::ItemCompleted(ItemCompletedNotification {
            item: ThreadItem::new(format!("{name}{number}"), kind),
            thread_id: id.to_string(),
            turn_id: turn.id.clone(),
            content_token_count: None,
            completed_at_ms: 1_795_389_433_810,
        })
    };
    let reasoning = ItemKind::Reasoning {
        summary: vec![text.clone()],
        content: Vec::new(),
    };
    let mut events = vec![
        ThreadEvent::TurnStarted(Box::new(TurnStart {
            turn: turn.clone(),
            model_context_window: None,
        })),
        history("user"),
        item(reasoning, "rs"),
        item(agent, "msg"),
        history("assistant"),
    ];
    turn.status = TurnStatus::Completed;
    events.push(ThreadEvent::TurnEnded {
        turn: Box::new(turn),
        reason: TurnEndReason::Completed,
    });
    let first = u64::from(number) * 10;
    let numbered = events.into_iter().zip(first..);
    numbered.map(|(event, seq)| sequenced(seq, event)).collect()
}
