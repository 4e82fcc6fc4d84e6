//! The scenario language: one line, one input.

use std::sync::Arc;
use std::time::Duration;

use loomd_base::{ConnectionId, CountedIds, Now, ThreadId};
use loomd_events::{
    AskKey, HistoryItem, MessagePart, ModelEvent, ModelFailure, OutputItem, OutputKind,
    StoredState, ThreadEvent, ToolAsk, ToolCall, ToolEvent, ToolOutput, ToolPayload,
};
use loomd_protocol::{
    CodexErrorInfo, CommandExecutionItem, CommandExecutionSource, CommandExecutionStatus, ItemKind,
    QueuedSubmission, ServerRequestParams, ThreadItem, TokenUsageBreakdown, Turn, TurnItemsView,
    TurnStatus, UserInput,
};
use loomd_thread::{
    Action, Awaiting, Command, ContextPart, ContextRole, GoalPatch, Ground, Input, ModelFacts,
    Queued, Reply, ReplyTo, ResumeRequest, RevertFrom, Rewound, SettingsPatch, SharedJson,
    ShellRequest, Thread, ThreadSetup, TurnRequest, TurnWindow, UserMessage,
};
use serde_json::value::RawValue;

use crate::render;

/// Wall time at the start of each scenario: 2026-01-01T00:00:00Z.
pub(crate) const START_MS: i64 = 1_767_225_600_000;

struct Player {
    thread: Thread,
    ids: CountedIds,
    elapsed: Duration,
    replies: u64,
    generation: u64,
    turn: Option<Arc<str>>,
    /// The user's commands, by number in what tools say: `$1` is the first.
    shells: Vec<String>,
    /// What a killed server leaves on disk.
    disk: Disk,
}

#[derive(Default)]
struct Disk {
    history: Vec<HistoryItem>,
    turns: Vec<Turn>,
    last_seq: u64,
    state: StoredState,
}

impl Disk {
    fn take(&mut self, action: &Action) {
        match action {
            Action::Event(event) => {
                self.last_seq = event.seq;
                if let ThreadEvent::HistoryAppended { item, .. } = &event.event {
                    self.history.push(item.clone());
                }
            }
            Action::Keep(state) => self.state = (**state).clone(),
            _ => {}
        }
    }
}

/// Plays a scenario and returns it with the actions as they came.
pub(crate) fn play(text: &str) -> String {
    let mut player = Player {
        thread: Thread::new(render::setup(text.contains("# stored"))),
        ids: CountedIds::default(),
        elapsed: Duration::ZERO,
        replies: 0,
        generation: 0,
        turn: None,
        shells: Vec::new(),
        disk: Disk::default(),
    };
    let mut out = String::new();
    for line in text.lines().filter(|line| !line.starts_with('<')) {
        out.push_str(line);
        out.push('\n');
        if let Some(by) = line.strip_prefix('+') {
            player.elapsed += duration(by);
        } else if let Some(input) = line.strip_prefix('>') {
            for action in player.feed(input.trim()) {
                out.push_str(&format!("<   {action}\n"));
            }
        }
    }
    out
}

fn duration(text: &str) -> Duration {
    let text = text.trim();
    match text.strip_suffix("ms") {
        Some(ms) => Duration::from_millis(ms.parse().expect("milliseconds")),
        None => Duration::from_secs(text.trim_end_matches('s').parse().expect("seconds")),
    }
}

impl Player {
    fn feed(&mut self, line: &str) -> Vec<String> {
        match line.split_once(' ') {
            Some(("revert", turn)) => self.rewind(&RevertFrom::Turn(self.turn_named(turn)), false),
            Some(("rollback", count)) => {
                let count = count.parse().expect("a number of turns");
                self.rewind(&RevertFrom::Last(count), true)
            }
            None if line == "killed" => self.kill(),
            _ => {
                let input = self.input(line);
                self.handle(input)
            }
        }
    }

    /// The server is killed, and the next one loads the thread. What was written down of
    /// what waits goes by way of its text.
    fn kill(&mut self) -> Vec<String> {
        let view = self.command(Command::View { turns: true });
        let actions = self.thread.handle(self.now(), &self.ids, view);
        for action in actions {
            if let Action::Reply { result, .. } = action
                && let Ok(Reply::View(view)) = *result
            {
                self.disk.turns = view.turns.iter().map(|turn| Turn::clone(turn)).collect();
            }
        }
        // A thread that was unloaded has had its last word earlier.
        let mut turns = self.disk.turns.clone();
        for item in turns.iter_mut().flat_map(|turn| &mut turn.items) {
            if let ItemKind::CommandExecution(command) = &mut item.kind
                && command.status == CommandExecutionStatus::InProgress
            {
                command.status = CommandExecutionStatus::Failed;
            }
        }
        let text = serde_json::to_string(&self.disk.state).expect("plain data");
        let state: StoredState = serde_json::from_str(&text).expect("its own form");
        let waiting = state.waiting.filter(|waiting| {
            let last = turns.last();
            last.is_some_and(|turn| turn.id == waiting.turn_id)
        });
        let awaiting = waiting.map(|waiting| {
            let messages = waiting.messages.iter().map(|message| UserMessage {
                client_id: message.client_id.clone(),
                content: message.content.clone(),
                parts: vec![MessagePart::text("(message)")],
                item_id: None,
            });
            Box::new(Awaiting {
                messages: messages.collect(),
                turn: turns.pop().expect("it is the last one"),
                waiting: *waiting,
                model: ground().model,
            })
        });
        for turn in &mut turns {
            if turn.status == TurnStatus::InProgress {
                turn.status = TurnStatus::Interrupted;
            }
        }
        self.thread = Thread::new(ThreadSetup {
            turns,
            history: self.disk.history.clone(),
            last_seq: self.disk.last_seq,
            awaiting,
            ..render::setup(true)
        });
        vec!["(restart)".to_owned()]
    }

    fn now(&self) -> Now {
        Now {
            mono: self.elapsed,
            wall_ms: START_MS + i64::try_from(self.elapsed.as_millis()).expect("a short scenario"),
        }
    }

    /// What the shell does: ends the core, keeps the turns before the revert as the
    /// rollout would, goes on with a core made of them.
    fn rewind(&mut self, from: &RevertFrom, quietly: bool) -> Vec<String> {
        let first = match self.thread.plan_revert(from) {
            Ok(first) => first.unwrap_or_default(),
            Err(refusal) => return vec![format!("refused: {refusal}")],
        };
        let close = self.command(Command::Close);
        let mut lines = self.handle(close);
        lines.push("(reload)".to_owned());
        let turns = self.thread.turns().iter().map(|turn| Turn::clone(turn));
        let rewound = Rewound {
            turns: turns.take_while(|turn| turn.id != first).collect(),
            history: Vec::new(),
            token_usage: None,
            last_seq: 0,
        };
        self.thread = self.thread.rewound(rewound);
        let reverted = self.command(Command::Reverted { quietly });
        lines.extend(self.handle(reverted));
        lines
    }

    fn handle(&mut self, input: Input) -> Vec<String> {
        let actions = self.thread.handle(self.now(), &self.ids, input);
        for action in &actions {
            self.disk.take(action);
            if let Some((generation, turn)) = render::model_start(action) {
                self.generation = generation;
                self.turn = Some(turn);
            }
            if let Action::StartShell {
                context, item_id, ..
            } = action
            {
                self.turn = Some(Arc::clone(&context.turn_id));
                self.shells.push(item_id.clone());
            }
        }
        actions.iter().map(render::action).collect()
    }

    fn command(&mut self, command: Command) -> Input {
        self.replies += 1;
        Input::Command {
            reply: ReplyTo(self.replies),
            command,
        }
    }

    fn model(&self, event: ModelEvent) -> Input {
        Input::Model {
            generation: self.generation,
            event,
        }
    }

    fn tool(&self, event: ToolEvent) -> Input {
        Input::Tool {
            turn_id: self.turn.clone().expect("a turn ran before a tool spoke"),
            event,
        }
    }

    fn input(&mut self, line: &str) -> Input {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb {
            "start" => self.command(Command::Start {
                connection: connection(rest),
                with_usage: false,
            }),
            "resume" => {
                let (who, how) = rest.split_once(' ').unwrap_or((rest, ""));
                self.command(Command::Resume(ResumeRequest {
                    connection: connection(who),
                    with_turns: how.is_empty(),
                    replay_after: how
                        .strip_prefix("after ")
                        .map(|seq| seq.parse().expect("a number")),
                    observe: how == "observing",
                    page: how.strip_prefix("last ").map(|count| TurnWindow {
                        count: count.parse().expect("a number of turns"),
                        newest_first: true,
                        items: TurnItemsView::Summary,
                    }),
                }))
            }
            "unsubscribe" => self.command(Command::Unsubscribe(connection(rest))),
            "gone" => Input::ConnectionClosed(connection(rest)),
            "turn" => self.command(Command::StartTurn(Box::new(turn(rest, None)))),
            "turn-as" => {
                let (model, text) = rest.split_once(' ').expect("turn-as MODEL TEXT");
                self.command(Command::StartTurn(Box::new(turn(text, Some(model)))))
            }
            "steer" => {
                let (id, text) = rest.split_once(' ').unwrap_or((rest, ""));
                let expected_turn_id = self.turn_named(id);
                self.command(Command::Steer {
                    expected_turn_id,
                    message: message(text),
                })
            }
            "steer-much" => {
                let (id, size) = rest.split_once(' ').expect("steer-much TURN MIB");
                let mib: usize = size.parse().expect("a number of MiB");
                let expected_turn_id = self.turn_named(id);
                self.command(Command::Steer {
                    expected_turn_id,
                    message: message(&"x".repeat(mib * 1024 * 1024)),
                })
            }
            "interrupt" => {
                let turn_id = self.turn_named(rest);
                self.command(Command::Interrupt { turn_id })
            }
            "view" => self.command(Command::View { turns: true }),
            "name" => self.command(Command::SetName(rest.to_owned())),
            "close" => self.command(Command::Close),
            "timer" => Input::TimerFired,
            "room" => Input::RoomNeeded,
            "unload" => self.command(Command::Unload {
                force: rest == "by force",
            }),
            "rollout-failed" => Input::RolloutFailed {
                reason: rest.to_owned(),
            },
            "model" => self.model_event(rest),
            "late-model" => match self.model_event(rest) {
                Input::Model { generation, event } => Input::Model {
                    generation: generation - 1,
                    event,
                },
                other => other,
            },
            "answer" => {
                let (id, json) = rest.split_once(' ').expect("answer REQUEST JSON");
                Input::Answer {
                    id: id.parse().expect("a request's number"),
                    answer: serde_json::from_str::<Box<RawValue>>(json)
                        .map(|json| SharedJson(json.into()))
                        .map_err(|_not_json| json.to_owned()),
                }
            }
            "tool" => self.tool_event(rest),
            "goal" => self.command(Command::SetGoal(Box::new(goal_patch(rest)))),
            "shell" => self.command(Command::Shell(Box::new(ShellRequest {
                command: rest.to_owned(),
                time: Duration::from_secs(60),
                ground: ground(),
            }))),
            "get-goal" => self.command(Command::GetGoal),
            "clear-goal" => self.command(Command::ClearGoal),
            "queue" => self.command(Command::Enqueue(Box::new(queued("", rest)))),
            "queue-list" => self.command(Command::ListQueue),
            "queue-change" => {
                let (id, text) = rest.split_once(' ').unwrap_or((rest, ""));
                self.command(Command::UpdateQueued(Box::new(queued(id, text))))
            }
            "queue-drop" => self.command(Command::Dequeue {
                id: rest.to_owned(),
            }),
            "queue-order" => self.command(Command::ReorderQueue {
                ids: rest.split_whitespace().map(str::to_owned).collect(),
            }),
            "queue-start" => self.command(Command::StartQueued {
                id: Some(rest.to_owned()).filter(|id| !id.is_empty()),
            }),
            "prepared" => Input::Prepared(Box::new(ground())),
            "keep-failed" => Input::KeepFailed {
                reason: rest.to_owned(),
            },
            _ => panic!("unknown input: {line}"),
        }
    }

    /// `-` is the running turn, anything else is taken literally.
    fn turn_named(&self, id: &str) -> String {
        match id {
            "-" => self.turn.as_deref().expect("a turn ran").to_owned(),
            other => other.to_owned(),
        }
    }

    fn model_event(&self, line: &str) -> Input {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let (id, text) = rest.split_once(' ').unwrap_or((rest, ""));
        let event = match verb {
            "begins" => ModelEvent::ItemAdded(said(id, "")),
            "says" => ModelEvent::TextDelta {
                item_id: id.to_owned(),
                delta: text.to_owned(),
            },
            "writes" => ModelEvent::CallInput {
                call_id: id.to_owned(),
                name: "apply_patch".to_owned(),
                delta: text.replace("\\n", "\n"),
            },
            "said" => ModelEvent::ItemDone(said(id, text)),
            "calls" => ModelEvent::ItemDone(call(id, text)),
            "calls-tool" => {
                let (name, arguments) = text.split_once(' ').expect("TOOL ARGUMENTS");
                ModelEvent::ItemDone(function_call(id, name, arguments.to_owned()))
            }
            "completed" => completed(None),
            "completed-wants-more" => completed(Some(false)),
            "retries" => ModelEvent::Retrying {
                attempt: 1,
                max: 2,
                failure: failure("cut"),
            },
            "failed" => ModelEvent::Failed(failure(rest)),
            "limited" => ModelEvent::Failed(ModelFailure {
                info: CodexErrorInfo::UsageLimitExceeded,
                ..failure(rest)
            }),
            _ => panic!("unknown model event: {line}"),
        };
        self.model(event)
    }

    fn tool_event(&self, line: &str) -> Input {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let (id, text) = rest.split_once(' ').unwrap_or((rest, ""));
        let id = match id.strip_prefix('$') {
            Some(number) => {
                let number: usize = number.parse().expect("the number of a command");
                &*self.shells[number - 1]
            }
            None => id,
        };
        let event = match verb {
            "started" => ToolEvent::ItemStarted(command(id, text, None)),
            "prints" => ToolEvent::OutputDelta {
                item_id: id.to_owned(),
                delta: text.to_owned(),
            },
            "ended" => ToolEvent::ItemCompleted(command(id, "sh", Some(text))),
            "answers" => ToolEvent::Finished(ToolOutput {
                call_id: id.to_owned(),
                custom: false,
                output: text.into(),
            }),
            "asks" => ToolEvent::Ask(Box::new(question(id, text))),
            "cancels" => ToolEvent::TurnCancelled,
            "diff" => ToolEvent::TurnDiff {
                diff: rest.to_owned(),
            },
            _ => panic!("unknown tool event: {line}"),
        };
        self.tool(event)
    }
}

fn connection(text: &str) -> ConnectionId {
    ConnectionId(text.trim().parse().expect("a connection number"))
}

pub(crate) fn message(text: &str) -> UserMessage {
    if text.is_empty() {
        return UserMessage {
            client_id: None,
            content: Vec::new(),
            parts: Vec::new(),
            item_id: None,
        };
    }
    UserMessage {
        client_id: None,
        content: vec![UserInput::Text {
            text: text.to_owned(),
            text_elements: Vec::new(),
        }],
        parts: vec![MessagePart::text(text)],
        item_id: None,
    }
}

pub(crate) fn turn(text: &str, model: Option<&str>) -> TurnRequest {
    TurnRequest {
        message: message(text),
        settings: SettingsPatch {
            model: model.map(str::to_owned),
            ..SettingsPatch::default()
        },
        output_schema: None,
        ground: ground(),
    }
}

pub(crate) fn ground() -> Ground {
    Ground {
        context: vec![ContextPart {
            key: "environment",
            role: ContextRole::User,
            text: "<environment_context/>".into(),
        }],
        model: ModelFacts {
            context_window: Some(1000),
            parallel_tool_calls: true,
            streams_patches: true,
            verbosity: None,
            warning: None,
        },
    }
}

/// What waits in the queue, with the text as the client's id too.
pub(crate) fn queued(id: &str, text: &str) -> Queued {
    let message = message(text);
    Queued {
        submission: QueuedSubmission {
            id: id.to_owned(),
            input: message.content,
            client_user_message_id: text.to_owned(),
            responsesapi_client_metadata: None,
        },
        parts: message.parts,
    }
}

/// `OBJECTIVE`, `budget N OBJECTIVE`, `status STATUS` or `budget N`.
fn goal_patch(text: &str) -> GoalPatch {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    match word {
        "status" => GoalPatch {
            status: serde_json::from_value(rest.into()).expect("a status"),
            ..GoalPatch::default()
        },
        "budget" => {
            let (budget, objective) = rest.split_once(' ').unwrap_or((rest, ""));
            GoalPatch {
                objective: Some(objective.to_owned()).filter(|text| !text.is_empty()),
                token_budget: Some(budget.parse().ok()),
                ..GoalPatch::default()
            }
        }
        _ => GoalPatch {
            objective: Some(text.to_owned()),
            ..GoalPatch::default()
        },
    }
}

fn history(json: serde_json::Value) -> HistoryItem {
    let raw = RawValue::from_string(json.to_string()).expect("JSON text");
    HistoryItem::from_raw(raw).expect("a history item")
}

pub(crate) fn said(id: &str, text: &str) -> OutputItem {
    OutputItem {
        history: history(serde_json::json!({
            "type": "message", "id": id, "role": "assistant",
            "content": [{"type": "output_text", "text": text}],
        })),
        kind: OutputKind::Message {
            id: id.to_owned(),
            text: text.to_owned(),
            phase: None,
        },
    }
}

pub(crate) fn call(id: &str, command: &str) -> OutputItem {
    let arguments = serde_json::json!({ "cmd": command }).to_string();
    function_call(id, "exec_command", arguments)
}

fn function_call(id: &str, name: &str, arguments: String) -> OutputItem {
    OutputItem {
        history: history(serde_json::json!({
            "type": "function_call", "call_id": id, "name": name, "arguments": arguments,
        })),
        kind: OutputKind::Call(ToolCall {
            call_id: id.to_owned(),
            name: name.to_owned(),
            namespace: None,
            payload: ToolPayload::Function { arguments },
        }),
    }
}

pub(crate) fn command(id: &str, text: &str, ended: Option<&str>) -> ThreadItem {
    ThreadItem::new(
        id,
        ItemKind::CommandExecution(CommandExecutionItem {
            plugin_id: None,
            script_path: None,
            command: text.to_owned(),
            cwd: "/w".to_owned(),
            process_id: Some("1".to_owned()),
            source: CommandExecutionSource::UnifiedExecStartup,
            status: match ended {
                None => CommandExecutionStatus::InProgress,
                Some("0") => CommandExecutionStatus::Completed,
                Some(_) => CommandExecutionStatus::Failed,
            },
            command_actions: Vec::new(),
            aggregated_output: None,
            exit_code: ended.and_then(|code| code.parse().ok()),
            duration_ms: None,
        }),
    )
}

/// `ID approval`: a command waits for approval, its key is the length of the id;
/// `ID input`: a question to the user.
pub(crate) fn question(id: &str, what: &str) -> ToolAsk {
    let common = serde_json::json!({
        "threadId": thread_id().to_string(), "turnId": "", "itemId": id,
        "startedAtMs": 0, "questions": [], "isBlocking": true,
    });
    let method = match what {
        "approval" => "item/commandExecution/requestApproval",
        "input" => "item/tool/requestUserInput",
        _ => panic!("unknown question: {what}"),
    };
    let params = serde_json::value::to_raw_value(&common).expect("plain data");
    let request = ServerRequestParams::parse(method, &params)
        .expect("a known request")
        .expect("its params");
    ToolAsk {
        key: AskKey(id.len() as u64),
        call_id: id.to_owned(),
        item: (what == "approval").then(|| command(id, "sh", None)),
        request,
    }
}

pub(crate) fn completed(end_turn: Option<bool>) -> ModelEvent {
    ModelEvent::Completed {
        response_id: "resp".to_owned(),
        usage: Some(TokenUsageBreakdown {
            total_tokens: 12,
            input_tokens: 10,
            output_tokens: 2,
            ..TokenUsageBreakdown::ZERO
        }),
        end_turn,
    }
}

pub(crate) fn failure(message: &str) -> ModelFailure {
    ModelFailure {
        message: message.to_owned(),
        info: CodexErrorInfo::Other,
        details: None,
    }
}

/// The id of the thread in every scenario.
pub(crate) fn thread_id() -> ThreadId {
    "01900000-0000-7000-8000-000000000000"
        .parse()
        .expect("a UUID")
}
