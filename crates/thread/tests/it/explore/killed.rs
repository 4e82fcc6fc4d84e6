//! What the next server makes of a turn that waited, wherever it is killed.

use std::time::Duration;

use loomd_base::{ConnectionId, CountedIds, Now};
use loomd_events::{AskOutcome, ToolEvent, ToolOutput, WaitingTurn};
use loomd_protocol::{ThreadActiveFlag, ThreadStatus, Turn, TurnItemsView, TurnStatus};
use loomd_thread::{
    Action, Awaiting, Command, Input, ModelFacts, ReplyTo, ResumeRequest, SharedJson, Thread,
    ThreadSetup,
};
use serde_json::value::RawValue;

use crate::{render, script};

/// Loads the turn, resumes it, accepts all that is asked and lets it run: each question is
/// asked once, each call started once with its item, and then the model is asked.
pub(super) fn goes_on(waiting: &WaitingTurn) {
    let awaiting = Awaiting {
        turn: Turn {
            id: waiting.turn_id.clone(),
            root_turn_id: None,
            items: Vec::new(),
            items_view: TurnItemsView::Full,
            status: TurnStatus::InProgress,
            error: None,
            started_at: None,
            completed_at: None,
            duration_ms: None,
        },
        messages: waiting
            .messages
            .iter()
            .map(|_| script::message("x"))
            .collect(),
        waiting: waiting.clone(),
        model: ModelFacts::default(),
    };
    let mut thread = Thread::new(ThreadSetup {
        awaiting: Some(Box::new(awaiting)),
        ..render::setup(true)
    });
    let ids = CountedIds::default();
    let mut feed = |input: Input| {
        let now = Now {
            mono: Duration::ZERO,
            wall_ms: script::START_MS,
        };
        let actions = thread.handle(now, &ids, input);
        (actions, thread.status())
    };
    let resume = Command::Resume(ResumeRequest {
        connection: ConnectionId(9),
        with_turns: false,
        page: None,
        replay_after: None,
        observe: false,
    });
    let (actions, status) = feed(Input::Command {
        reply: ReplyTo(1),
        command: resume,
    });
    let active_flags = vec![ThreadActiveFlag::WaitingOnApproval];
    assert_eq!(status, ThreadStatus::Active { active_flags });
    let asked = actions.iter().filter_map(|action| match action {
        Action::Ask { id, .. } => Some(*id),
        _ => None,
    });
    let asked: Vec<i64> = asked.collect();
    assert_eq!(asked.len(), waiting.asked().count(), "questions");
    let mut started = Vec::new();
    for id in asked {
        let yes = RawValue::from_string(r#"{"decision":"accept"}"#.to_owned()).expect("JSON");
        let answer = Ok(SharedJson(yes.into()));
        let (actions, _) = feed(Input::Answer { id, answer });
        assert!(
            matches!(actions[0], Action::Keep(_)),
            "an effect before it is on disk"
        );
        let taken = actions.into_iter().filter_map(|action| match action {
            Action::TakeUpTool(taken) => Some(*taken),
            _ => None,
        });
        let taken: Vec<_> = taken.collect();
        assert_eq!(taken.len(), 1, "calls that one answer starts");
        started.extend(taken);
    }
    let mut asks_model = false;
    for taken in started {
        assert!(matches!(taken.outcome, AskOutcome::Answered(_)));
        assert!(taken.item.is_some(), "a command has an item");
        let turn_id = taken.context.turn_id.clone();
        assert_eq!(*turn_id, *waiting.turn_id);
        let event = ToolEvent::Finished(ToolOutput {
            call_id: taken.call.call_id,
            custom: false,
            output: "done".into(),
        });
        let (actions, _) = feed(Input::Tool { turn_id, event });
        let mut actions = actions.iter();
        asks_model = actions.any(|action| matches!(action, Action::StartModel(_)));
    }
    assert!(asks_model, "the turn goes on with the model");
}
