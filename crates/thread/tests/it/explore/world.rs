//! A thread with the shell around it, both as small as they can be, and the checks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use loomd_base::{ConnectionId, CountedIds, Now};
use loomd_events::{ModelEvent, ToolEvent, ToolOutput, WaitingTurn};
use loomd_protocol::{ServerNotification, ThreadStatus, Turn};
use loomd_thread::{
    Action, Audience, Command, Input, Refusal, Reply, ReplyTo, ResumeRequest, RevertFrom, Rewound,
    SharedJson, Thread,
};
use serde_json::value::RawValue;

use super::inputs::Letter;
use super::killed;
use super::reference::{DELAY, Reference, Verdict};
use super::watcher::{Census, Heard};
use crate::{render, script};

/// A command that a tool runs.
#[derive(Debug, Clone)]
struct Process {
    call: String,
    turn: Arc<str>,
    begun: bool,
    /// Its open question.
    ask: Option<i64>,
    /// It has asked before.
    asked: bool,
}

pub(super) struct World {
    thread: Thread,
    ids: CountedIds,
    pub(super) reference: Reference,
    now: Duration,
    timer: Option<Duration>,
    unloaded: bool,
    replies: u64,
    verdict: Option<bool>,
    seq: u64,
    calls: u64,
    /// The latest stream and whether it runs.
    generation: u64,
    streams: bool,
    says: u32,
    turn: Option<Arc<str>>,
    process: Option<Process>,
    asks: BTreeSet<i64>,
    settled: BTreeSet<i64>,
    answered_tools: u64,
    told: Option<ThreadStatus>,
    all: Heard,
    census: Census,
    watchers: BTreeMap<ConnectionId, Heard>,
    joining: Option<ConnectionId>,
    /// The thread asked for what a turn starts from.
    prepare: bool,
    /// Who waits for a turn of the queue, and what came of it.
    start_reply: Option<ReplyTo>,
    started: Option<bool>,
    kept: usize,
    /// What a killed server would go on with.
    waiting: Option<Box<WaitingTurn>>,
}

/// Submissions that wait at once, so that the search ends.
const QUEUED_MAX: u8 = 2;

/// What two schedules must have in common to be taken for one state.
pub(super) type Key = (Reference, Option<(bool, bool, bool, bool)>, u32, u64, bool);

impl World {
    pub(super) fn new(stored: bool) -> Self {
        Self {
            thread: Thread::new(render::setup(stored)),
            ids: CountedIds::default(),
            reference: Reference::new(stored),
            now: Duration::ZERO,
            timer: None,
            unloaded: false,
            replies: 0,
            verdict: None,
            seq: if stored { 7 } else { 0 },
            calls: 0,
            generation: 0,
            streams: false,
            says: 0,
            turn: None,
            process: None,
            asks: BTreeSet::new(),
            settled: BTreeSet::new(),
            answered_tools: 0,
            told: (!stored).then_some(ThreadStatus::Idle),
            all: Heard::default(),
            census: Census::default(),
            watchers: BTreeMap::new(),
            joining: None,
            prepare: false,
            start_reply: None,
            started: None,
            kept: 0,
            waiting: None,
        }
    }

    /// Whether the shell has dropped the thread.
    pub(super) fn is_unloaded(&self) -> bool {
        self.unloaded
    }

    pub(super) fn key(&self) -> Key {
        let mut reference = self.reference.clone();
        reference.unneeded_since = reference.unneeded_since.map(|since| self.now - since);
        let process = self.process.as_ref().map(|process| {
            let is_late = self
                .thread
                .turns()
                .iter()
                .any(|turn| *turn.id == *process.turn);
            (process.begun, process.ask.is_some(), process.asked, is_late)
        });
        let settled = !self.settled.is_empty();
        (reference, process, self.says, self.generation, settled)
    }

    /// Whether this can happen now.
    pub(super) fn can(&self, letter: Letter) -> bool {
        let speaks = self.streams;
        match letter {
            Letter::Says | Letter::Completed | Letter::ModelFailed => speaks,
            Letter::Call => speaks && self.process.is_none() && !self.turn_called(),
            Letter::LateModel => self.generation > 0,
            Letter::Ask => self.process.as_ref().is_some_and(|p| !p.begun && !p.asked),
            Letter::Answer => !self.asks.is_empty(),
            Letter::LateAnswer => !self.settled.is_empty(),
            Letter::CommandStarts => {
                let waits = |p: &Process| !p.begun && p.ask.is_none();
                self.process.as_ref().is_some_and(waits)
            }
            Letter::CommandEnds => self.process.as_ref().is_some_and(|p| p.begun),
            Letter::Queue => self.reference.queued < QUEUED_MAX,
            Letter::Prepared => self.prepare,
            Letter::Revert => self.reference.turn.is_some() || self.reference.ended > 0,
            _ => true,
        }
    }

    fn turn_called(&self) -> bool {
        self.reference.turn.as_ref().is_some_and(|turn| turn.called)
    }

    /// Whether what the tool or client says concerns the running turn.
    fn fits(&self, letter: Letter) -> bool {
        match letter {
            Letter::Answer => true,
            _ => self.process.as_ref().is_some_and(|process| {
                self.reference.turn.is_some() && self.turn.as_ref() == Some(&process.turn)
            }),
        }
    }

    /// Lets it happen, and checks everything that must hold afterwards.
    pub(super) fn step(&mut self, letter: Letter) {
        match letter {
            Letter::Timer => self.now += DELAY,
            Letter::EarlyTimer => self.now += DELAY / 3,
            _ => self.now += Duration::from_millis(1),
        }
        let fits = self.fits(letter);
        let streams = self.reference.turn.clone();
        let closed = self.reference.closing;
        let fires = match letter {
            Letter::Timer => self.timer.is_some_and(|at| at <= self.now),
            _ => true,
        };
        let expected = self.reference.take(self.now, letter, fits);
        self.verdict = None;
        self.started = None;
        if fires {
            self.feed(letter, closed);
        }
        if streams.is_some() && self.reference.turn.is_none() {
            self.forget_cancelled();
        }
        self.check(expected);
    }

    /// A command that did not begin before its turn was cut short never does.
    fn forget_cancelled(&mut self) {
        self.process.take_if(|process| !process.begun);
    }

    fn feed(&mut self, letter: Letter, closed: bool) {
        match letter {
            Letter::Revert => self.revert(closed),
            Letter::Timer | Letter::EarlyTimer => {
                self.timer = None;
                self.handle(Input::TimerFired);
            }
            Letter::LateModel => {
                let last = self.generation - u64::from(self.reference.turn.is_some());
                for generation in 0..=last {
                    let event = ModelEvent::TextDelta {
                        item_id: "late".to_owned(),
                        delta: "late".to_owned(),
                    };
                    self.ignored(Input::Model { generation, event });
                }
            }
            Letter::LateAnswer => {
                for id in self.settled.clone() {
                    self.ignored(answer(id));
                }
                self.ignored(answer(-1));
            }
            Letter::Says => self.say(),
            Letter::Call | Letter::Completed | Letter::ModelFailed => self.model(letter),
            Letter::Ask | Letter::CommandStarts | Letter::CommandEnds => self.tool(letter),
            Letter::Answer => {
                let id = *self.asks.first().expect("a question is open");
                let before = self.answered_tools;
                self.handle(answer(id));
                assert_eq!(self.answered_tools, before + 1, "the tool gets its answer");
                if let Some(process) = &mut self.process {
                    process.ask = None;
                    // Its item is open: the tool completes it, cancelled or not.
                    process.begun = true;
                }
            }
            Letter::Prepared => {
                self.prepare = false;
                self.handle(Input::Prepared(Box::new(script::ground())));
                self.verdict = self.started;
            }
            Letter::RoomNeeded => self.handle(Input::RoomNeeded),
            Letter::RolloutFails => self.handle(Input::RolloutFailed {
                reason: "full".to_owned(),
            }),
            Letter::Gone(connection) => {
                self.handle(Input::ConnectionClosed(ConnectionId(connection)));
            }
            command => self.command(command),
        }
    }

    fn command(&mut self, letter: Letter) {
        let running = self.turn.as_deref().unwrap_or_default().to_owned();
        let command = match letter {
            Letter::Start(connection) => Command::Start {
                connection: ConnectionId(connection),
                with_usage: false,
            },
            Letter::Resume(connection) => {
                self.joining = Some(ConnectionId(connection));
                Command::Resume(ResumeRequest {
                    connection: ConnectionId(connection),
                    with_turns: true,
                    page: None,
                    replay_after: None,
                    observe: false,
                })
            }
            Letter::Unsubscribe(connection) => Command::Unsubscribe(ConnectionId(connection)),
            Letter::StartTurn => Command::StartTurn(Box::new(script::turn("go", None))),
            Letter::Steer => Command::Steer {
                expected_turn_id: running,
                message: script::message("and"),
            },
            Letter::Interrupt => Command::Interrupt {
                turn_id: if running.is_empty() {
                    "none".to_owned()
                } else {
                    running
                },
            },
            Letter::Close => Command::Close,
            Letter::Queue => Command::Enqueue(Box::new(script::queued("", "more"))),
            Letter::QueueStart => Command::StartQueued { id: None },
            _ => Command::View { turns: true },
        };
        self.ask_core(command);
        if letter == Letter::QueueStart && self.verdict.is_none() {
            self.start_reply = Some(ReplyTo(self.replies));
        }
        self.joining = None;
    }

    fn ask_core(&mut self, command: Command) {
        self.replies += 1;
        self.verdict = None;
        let reply = ReplyTo(self.replies);
        self.handle(Input::Command { reply, command });
    }

    /// As the shell does it: end the core, wait for the tools, go on with what is left.
    fn revert(&mut self, closed: bool) {
        let last = self.all.turns.last().expect("a turn").id.clone();
        match self.thread.plan_revert(&RevertFrom::Turn(last.clone())) {
            Err(Refusal::Closing { .. }) if closed => {
                self.verdict = Some(false);
                return;
            }
            other => assert_eq!(other, Ok(Some(last.clone()))),
        }
        self.ask_core(Command::Close);
        self.forget_cancelled();
        if self.process.is_some() {
            self.tool(Letter::CommandEnds);
        }
        assert_eq!(self.census.open(), 0, "an item is left open by a revert");
        let turns = self.thread.turns().iter().map(|turn| Turn::clone(turn));
        let rewound = Rewound {
            turns: turns.take_while(|turn| turn.id != last).collect(),
            history: Vec::new(),
            token_usage: None,
            last_seq: 0,
        };
        self.all.turns.pop();
        self.thread = self.thread.rewound(rewound);
        self.told = Some(ThreadStatus::NotLoaded);
        self.timer = None;
        for heard in self.watchers.values_mut() {
            heard.turns.pop();
        }
        self.ask_core(Command::Reverted { quietly: false });
    }

    fn say(&mut self) {
        let id = format!("m{}", self.generation);
        if self.says == 0 {
            self.hear_model(ModelEvent::ItemAdded(script::said(&id, "")));
        }
        self.says = 1;
        self.hear_model(ModelEvent::TextDelta {
            item_id: id,
            delta: "a".to_owned(),
        });
    }

    fn model(&mut self, letter: Letter) {
        if self.says > 0 && letter == Letter::Call {
            let id = format!("m{}", self.generation);
            self.hear_model(ModelEvent::ItemDone(script::said(&id, "a")));
            self.says = 2;
        }
        let event = match letter {
            Letter::Call => {
                self.calls += 1;
                ModelEvent::ItemDone(script::call(&format!("c{}", self.calls), "sh"))
            }
            Letter::Completed => script::completed(None),
            _ => ModelEvent::Failed(script::failure("broken")),
        };
        if letter != Letter::Call {
            self.streams = false; // the shell lets go of a stream that has ended
        }
        self.hear_model(event);
    }

    fn hear_model(&mut self, event: ModelEvent) {
        let generation = self.generation;
        self.handle(Input::Model { generation, event });
    }

    fn tool(&mut self, letter: Letter) {
        let Some(mut process) = self.process.clone() else {
            return;
        };
        let call = process.call.clone();
        let turn_id = Arc::clone(&process.turn);
        let event = match letter {
            Letter::Ask => {
                process.asked = true;
                ToolEvent::Ask(Box::new(script::question(&call, "approval")))
            }
            Letter::CommandStarts => {
                process.begun = true;
                ToolEvent::ItemStarted(script::command(&call, "sh", None))
            }
            _ => ToolEvent::ItemCompleted(script::command(&call, "sh", Some("0"))),
        };
        self.process = Some(process);
        self.handle(Input::Tool {
            turn_id: Arc::clone(&turn_id),
            event,
        });
        if letter == Letter::CommandEnds {
            self.process = None;
            let event = ToolEvent::Finished(ToolOutput {
                call_id: call,
                custom: false,
                output: "done".into(),
            });
            self.handle(Input::Tool { turn_id, event });
        }
    }

    fn ignored(&mut self, input: Input) {
        let now = self.clock();
        let actions = self.thread.handle(now, &self.ids, input);
        let real = actions
            .iter()
            .find(|act| !matches!(act, Action::SetTimer(_)));
        assert!(real.is_none(), "what is late causes {real:?}");
    }

    fn clock(&self) -> Now {
        let ms = i64::try_from(self.now.as_millis()).expect("a short schedule");
        Now {
            mono: self.now,
            wall_ms: script::START_MS + ms,
        }
    }

    fn handle(&mut self, input: Input) {
        let now = self.clock();
        for action in self.thread.handle(now, &self.ids, input) {
            assert!(!self.unloaded, "an unloaded thread wants {action:?}");
            self.perform(action);
        }
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Reply { to, result } if self.start_reply == Some(to) => {
                self.start_reply = None;
                self.started = Some(result.is_ok());
            }
            Action::Reply { to, result } => {
                assert_eq!(to, ReplyTo(self.replies), "an answer nobody waits for");
                let again = self.verdict.replace(result.is_ok());
                assert!(again.is_none(), "a command is answered twice");
                if let (Ok(Reply::View(view)), Some(who)) = (*result, self.joining) {
                    assert_eq!(view.seq, self.seq, "the snapshot's number");
                    self.watchers.insert(who, Heard::from_snapshot(&view.turns));
                }
            }
            Action::Event(event) => {
                assert_eq!(event.seq, self.seq + 1, "event numbers have a gap");
                self.seq = event.seq;
                self.all.hear(&event.event);
                self.census.count(&event.event);
                for heard in self.watchers.values_mut() {
                    heard.hear(&event.event);
                }
            }
            Action::Notify { to, notification } => self.notified(to, &notification),
            Action::Replay { .. } => panic!("nobody asked for a replay"),
            Action::Subscribe { connection, .. } => {
                let heard = self.all.clone();
                let earlier = self.watchers.insert(connection, heard);
                assert!(earlier.is_none(), "subscribed twice");
            }
            Action::Unsubscribe(connection) => {
                let was = self.watchers.remove(&connection);
                assert!(was.is_some(), "unsubscribed without being subscribed");
            }
            Action::StartModel(start) => {
                assert!(!self.streams, "two streams at once");
                assert!(
                    start.generation > self.generation,
                    "a generation comes again"
                );
                self.generation = start.generation;
                self.turn = Some(start.turn_id);
                self.streams = true;
                self.says = 0;
            }
            Action::CancelModel { generation } => {
                if generation == self.generation {
                    self.streams = false;
                }
            }
            Action::StartTool { context, call } => {
                self.process = Some(Process {
                    call: call.call_id,
                    turn: Arc::clone(&context.turn_id),
                    begun: false,
                    ask: None,
                    asked: false,
                });
            }
            Action::StartShell { .. } => panic!("nobody gave a command"),
            Action::TakeUpTool(_) => panic!("the server was not restarted"),
            Action::Ask { id, to, .. } => self.asked(id, to),
            Action::Prepare => self.prepare = true,
            Action::Keep(state) => {
                self.kept = state.queue.len();
                self.waiting = state.waiting;
            }
            Action::DropAsk { .. } | Action::SummaryChanged | Action::CancelTools { .. } => {}
            Action::AnswerTool { .. } => {
                assert_eq!(
                    self.kept_asks(),
                    self.asks.len(),
                    "an effect before it is on disk"
                );
                self.answered_tools += 1;
            }
            Action::SetTimer(at) => self.timer = at,
            Action::Unload => self.unloaded = true,
        }
    }

    /// Open questions that a killed server would ask again.
    fn kept_asks(&self) -> usize {
        let waiting = self.waiting.as_ref();
        waiting.map_or(0, |turn| turn.asked().count())
    }

    fn asked(&mut self, id: i64, to: Audience) {
        if matches!(to, Audience::One(_)) {
            assert!(self.asks.contains(&id), "asked again what is settled");
            return;
        }
        assert!(self.asks.insert(id), "asked twice");
        assert_eq!(
            self.asks.len(),
            self.kept_asks(),
            "asked before it is on disk"
        );
        assert!(!self.settled.contains(&id), "a question's id comes again");
        if let Some(process) = &mut self.process {
            process.ask = Some(id);
        }
    }

    fn notified(&mut self, to: Audience, notification: &ServerNotification) {
        match notification {
            ServerNotification::ThreadStatusChanged(note) => {
                assert_eq!(to, Audience::Everyone);
                assert_ne!(self.told.as_ref(), Some(&note.status), "told twice");
                self.told = Some(note.status.clone());
            }
            ServerNotification::ServerRequestResolved(note) => {
                let loomd_protocol::RequestId::Integer(id) = note.request_id else {
                    panic!("the server's requests have numbers");
                };
                assert!(self.asks.remove(&id), "resolved what is not open");
                self.settled.insert(id);
            }
            _ => {}
        }
    }

    /// What must hold between any two inputs.
    fn check(&self, expected: Verdict) {
        let verdict = match self.verdict {
            None => Verdict::None,
            Some(true) => Verdict::Accepted,
            Some(false) => Verdict::Refused,
        };
        assert_eq!(verdict, expected, "the answer");
        let reference = &self.reference;
        assert_eq!(self.thread.status(), reference.status(), "the status");
        if let Some(told) = &self.told {
            assert_eq!(*told, reference.status(), "the status that was told");
        }
        let watching: BTreeSet<u64> = self.watchers.keys().map(|who| who.0).collect();
        assert_eq!(watching, reference.subscribers, "who watches");
        for (who, heard) in &self.watchers {
            assert_eq!(*heard, self.all, "what {who:?} knows, and what happened");
        }
        let ended = usize::from(reference.ended);
        let ended_heard = Heard::from_snapshot(self.thread.turns());
        assert_eq!(ended_heard.turns[..], self.all.turns[..ended], "the past");
        let speaks = reference.turn.as_ref().is_some_and(|turn| !turn.responded);
        assert_eq!(self.streams, speaks, "whether a model stream runs");
        assert_eq!(
            self.asks.len(),
            usize::from(reference.asks),
            "open questions"
        );
        assert_eq!(
            self.start_reply.is_some(),
            reference.start_asked,
            "whether a client waits for a turn of the queue"
        );
        assert_eq!(self.kept, usize::from(reference.queued), "what is on disk");
        assert_eq!(
            self.kept_asks(),
            usize::from(reference.asks),
            "open questions on disk"
        );
        if let Some(waiting) = &self.waiting {
            killed::goes_on(waiting);
        }
        assert!(
            self.prepare || !reference.preparing,
            "a turn is to begin and nothing was asked for"
        );
        assert_eq!(self.thread.is_closing(), reference.closing, "closing");
        if let Some(deadline) = reference.deadline() {
            assert_eq!(self.timer, Some(deadline), "when it unloads");
        }
    }
}

/// A client's yes to a question.
fn answer(id: i64) -> Input {
    let json = RawValue::from_string(r#"{"decision":"accept"}"#.to_owned()).expect("JSON");
    Input::Answer {
        id,
        answer: Ok(SharedJson(json.into())),
    }
}
