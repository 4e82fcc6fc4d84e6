//! The thread: owns everything, and only decides who gets the input.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use loomd_base::{ConnectionId, IdSource, Now, ThreadId};
use loomd_events::{FileRules, HistoryItem, Sequenced, ThreadEvent};
use loomd_protocol::{
    ServerNotification, ThreadReadState, ThreadSettings, ThreadStatus,
    ThreadStatusChangedNotification, ThreadTokenUsage, Turn, TurnDiffUpdatedNotification,
};

use crate::ops::ask::OpenAsk;
use crate::ops::wait::Awaiting;
use crate::turn::ActiveTurn;
use crate::{Action, Audience, Command, ContextPart, Input, Kept, Refusal, Reply, ReplyTo};

/// Steers that may wait for the model in one turn; one more is refused.
pub const QUEUED_STEERS_MAX: usize = 64;

/// How long a thread stays loaded that no client has been told of.
const UNSEEN_DELAY: Duration = Duration::from_secs(10);

/// Whether a thread is new or comes from its rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Just made; clients learn its status from the answer.
    Fresh,
    /// Just made from another thread's history: like a fresh one, but with a rollout.
    Fork,
    /// Loaded from disk; clients are told that it is now idle.
    Stored,
}

/// What a thread is made of when it is loaded.
#[derive(Debug)]
pub struct ThreadSetup {
    /// Its id.
    pub id: ThreadId,
    /// The root thread's id (its own for a root).
    pub session_id: ThreadId,
    /// New or stored.
    pub origin: Origin,
    /// What clients see of it; `turns` stays empty in here.
    pub info: loomd_protocol::Thread,
    /// Its settings.
    pub settings: ThreadSettings,
    /// What commands may touch of files, where that is more than the settings say.
    pub file_rules: Option<Arc<FileRules>>,
    /// The base instructions as the first entry of each request.
    pub base_instructions: HistoryItem,
    /// Its turns, oldest first.
    pub turns: Vec<Turn>,
    /// The model's history.
    pub history: Vec<HistoryItem>,
    /// Tokens so far and the turn that reported them last.
    pub token_usage: Option<(String, ThreadTokenUsage)>,
    /// Number of the last event.
    pub last_seq: u64,
    /// The read state's first revision, a fresh UUID.
    pub read_revision: String,
    /// How long it stays loaded while nobody watches and nothing runs; `None` for ever.
    pub unload_delay: Option<Duration>,
    /// The same while commands of it run in the background, if that is longer.
    pub background_delay: Duration,
    /// What it keeps beside its history.
    pub kept: Kept,
    /// The turn that it goes on with.
    pub awaiting: Option<Box<Awaiting>>,
}

/// A loaded thread.
#[derive(Debug)]
pub struct Thread {
    pub(crate) id: ThreadId,
    pub(crate) session_id: ThreadId,
    pub(crate) info: loomd_protocol::Thread,
    pub(crate) settings: Arc<ThreadSettings>,
    /// What commands may touch of files, where that is more than the settings say.
    pub(crate) file_rules: Option<Arc<FileRules>>,
    pub(crate) base_instructions: HistoryItem,
    /// Turns that have ended. A background command may still change an old one.
    pub(crate) turns: Vec<Arc<Turn>>,
    pub(crate) history: Vec<HistoryItem>,
    /// The context parts that the model has been told.
    pub(crate) told: Vec<ContextPart>,
    pub(crate) token_usage: Option<(String, ThreadTokenUsage)>,
    pub(crate) active: Option<ActiveTurn>,
    /// Started items that have not completed, with the time they started. Outlives
    /// turns, because background commands do.
    pub(crate) open_items: BTreeMap<String, i64>,
    /// Questions to the clients that are open, by the id of the request.
    pub(crate) asks: BTreeMap<i64, OpenAsk>,
    pub(crate) subscribers: BTreeSet<ConnectionId>,
    /// Subscribers that do not keep the thread loaded.
    pub(crate) observers: BTreeSet<ConnectionId>,
    /// What the user has not read. Kept in memory only: a thread that is loaded counts
    /// as read.
    pub(crate) read_state: ThreadReadState,
    /// The last turn ended with an error.
    pub(crate) failed: bool,
    /// The status that clients were told last; `None` before the first telling.
    announced: Option<ThreadStatus>,
    /// What is on disk beside the history.
    pub(crate) kept: Box<Kept>,
    /// The turn that it goes on with, until the first input.
    pub(crate) awaiting: Option<Box<Awaiting>>,
    /// What the running turn waits for may have changed in this input.
    pub(crate) waiting_changed: bool,
    /// The user stopped the last turn: none begins by itself.
    pub(crate) held: bool,
    /// [`Action::Prepare`] is under way.
    pub(crate) preparing: bool,
    /// Who wants a turn of what waits, and of which.
    pub(crate) start_asked: Option<(ReplyTo, Option<String>)>,
    /// No error holds the goal up.
    pub(crate) goal_may_retry: bool,
    /// Turns in a row that the goal brought and in which nothing was done.
    pub(crate) idle_continuations: u32,
    /// What the next resume is told first.
    pub(crate) notice: Option<String>,
    /// A thread without a turn has no rollout yet.
    pub(crate) materialized: bool,
    /// No more commands are taken.
    pub(crate) closing: bool,
    pub(crate) seq: u64,
    pub(crate) generation: u64,
    pub(crate) unload_delay: Option<Duration>,
    pub(crate) background_delay: Duration,
    /// When the thread was last watched or active, while it is neither.
    idle_since: Option<Duration>,
    out: Vec<Action>,
}

/// What an input is handled with: the time and where ids come from.
#[derive(Clone, Copy)]
pub(crate) struct Cx<'a> {
    pub(crate) now: Now,
    pub(crate) ids: &'a dyn IdSource,
}

impl Thread {
    /// A thread that is loaded now.
    #[must_use]
    pub fn new(setup: ThreadSetup) -> Self {
        let mut thread = Self {
            id: setup.id,
            session_id: setup.session_id,
            announced: match setup.origin {
                Origin::Fresh | Origin::Fork => Some(ThreadStatus::Idle),
                Origin::Stored => None,
            },
            materialized: match setup.origin {
                Origin::Fresh => false,
                Origin::Fork | Origin::Stored => true,
            },
            info: setup.info,
            settings: Arc::new(setup.settings),
            file_rules: setup.file_rules,
            base_instructions: setup.base_instructions,
            turns: setup.turns.into_iter().map(Arc::new).collect(),
            history: setup.history,
            told: Vec::new(),
            token_usage: setup.token_usage,
            active: None,
            open_items: BTreeMap::new(),
            asks: BTreeMap::new(),
            subscribers: BTreeSet::new(),
            observers: BTreeSet::new(),
            read_state: ThreadReadState {
                first_unread: None,
                revision: setup.read_revision,
            },
            failed: false,
            notice: None,
            closing: false,
            seq: setup.last_seq,
            generation: 0,
            unload_delay: setup.unload_delay,
            background_delay: setup.background_delay,
            idle_since: None,
            kept: Box::new(setup.kept),
            awaiting: setup.awaiting,
            waiting_changed: false,
            held: false,
            preparing: false,
            start_asked: None,
            goal_may_retry: true,
            idle_continuations: 0,
            out: Vec::new(),
        };
        thread.drop_started();
        thread.show_goal_as_preview();
        thread.show_metadata();
        thread
    }

    /// Takes one input and returns what is to be done, in order.
    pub fn handle(&mut self, now: Now, ids: &dyn IdSource, input: Input) -> Vec<Action> {
        let cx = Cx { now, ids };
        self.take_up_turn(cx);
        match input {
            Input::Command { reply, command } => self.on_command(cx, reply, command),
            Input::Model { generation, event } => self.on_model(cx, generation, event),
            Input::Tool { turn_id, event } => self.on_tool(cx, &turn_id, event),
            Input::Answer { id, answer } => self.on_answer(id, answer),
            Input::ConnectionClosed(connection) => {
                self.unsubscribe(connection);
            }
            Input::TimerFired => self.on_timer(cx),
            Input::RoomNeeded => self.on_room_needed(),
            Input::Prepared(ground) => self.on_prepared(cx, *ground),
            Input::KeepFailed { reason } => self.on_keep_failed(cx, &reason),
            Input::RolloutFailed { reason } => self.on_rollout_failed(cx, &reason),
        }
        self.keep_waiting();
        self.track_idleness(cx);
        std::mem::take(&mut self.out)
    }

    fn on_command(&mut self, cx: Cx<'_>, reply: ReplyTo, command: Command) {
        if self.closing {
            let refusal = Refusal::Closing {
                thread_id: self.id.to_string(),
            };
            return self.refuse(reply, refusal);
        }
        match command {
            Command::Start {
                connection,
                with_usage,
            } => self.on_start(reply, connection, with_usage),
            Command::UpdateReadState {
                expected_revision,
                operation,
            } => self.on_update_read_state(cx, reply, &expected_revision, operation),
            Command::Resume(request) => self.on_resume(reply, request),
            Command::Unsubscribe(connection) => self.on_unsubscribe(reply, connection),
            Command::StartTurn(request) => self.on_start_turn(cx, reply, *request),
            Command::Steer {
                expected_turn_id,
                message,
            } => self.on_steer(cx, reply, &expected_turn_id, message),
            Command::Interrupt { turn_id } => self.on_interrupt(cx, reply, &turn_id),
            Command::View { turns } => {
                let view = if turns {
                    self.view()
                } else {
                    self.view_within(None)
                };
                self.reply(reply, Reply::View(Box::new(view)));
            }
            Command::SetName(name) => self.on_set_name(reply, &name),
            Command::UpdateSettings(patch) => self.on_update_settings(cx, reply, *patch),
            Command::UpdateMetadata(patch) => self.on_update_metadata(reply, *patch),
            Command::SetMemoryMode { disabled } => self.on_set_memory_mode(reply, disabled),
            Command::SetGoal(patch) => self.on_set_goal(cx, reply, *patch),
            Command::GetGoal => self.on_get_goal(reply),
            Command::ClearGoal => self.on_clear_goal(reply),
            Command::Enqueue(queued) => self.on_enqueue(cx, reply, *queued),
            Command::ListQueue => self.on_list_queue(reply),
            Command::UpdateQueued(update) => self.on_update_queued(reply, *update),
            Command::Dequeue { id } => self.on_dequeue(reply, &id),
            Command::ReorderQueue { ids } => self.on_reorder_queue(reply, &ids),
            Command::StartQueued { id } => self.on_start_queued(reply, id),
            Command::Shell(request) => self.on_shell(cx, reply, *request),
            Command::Inject(items) => self.on_inject(cx, reply, items),
            Command::Reverted { quietly } => self.on_reverted(cx, reply, quietly),
            Command::Unload { force } => self.on_unload(reply, force),
            Command::Close => self.on_close(cx, reply),
        }
    }

    // What the operations share.

    pub(crate) fn act(&mut self, action: Action) {
        self.out.push(action);
    }

    /// Wants something done before all that this input has led to.
    pub(crate) fn act_first(&mut self, action: Action) {
        self.out.insert(0, action);
    }

    pub(crate) fn reply(&mut self, to: ReplyTo, reply: Reply) {
        self.act(Action::Reply {
            to,
            result: Box::new(Ok(reply)),
        });
    }

    pub(crate) fn refuse(&mut self, to: ReplyTo, refusal: Refusal) {
        self.act(Action::Reply {
            to,
            result: Box::new(Err(refusal)),
        });
    }

    pub(crate) fn event(&mut self, cx: Cx<'_>, event: ThreadEvent) {
        self.seq += 1;
        let sequenced = Sequenced {
            seq: self.seq,
            at_ms: cx.now.wall_ms,
            event,
        };
        self.act(Action::Event(sequenced));
    }

    pub(crate) fn notify(&mut self, to: Audience, notification: ServerNotification) {
        self.act(Action::Notify {
            to,
            notification: Box::new(notification),
        });
    }

    pub(crate) fn wire_id(&self) -> String {
        self.info.id.clone()
    }

    pub(crate) fn next_generation(&mut self) -> u64 {
        self.generation += 1;
        self.generation
    }

    pub(crate) fn set_closing(&mut self) {
        self.closing = true;
    }

    /// Adds an entry to the model's history and records it.
    pub(crate) fn remember(&mut self, cx: Cx<'_>, turn_id: Option<Arc<str>>, item: HistoryItem) {
        self.history.push(item.clone());
        self.event(cx, ThreadEvent::HistoryAppended { turn_id, item });
    }

    /// The whole input of a model request.
    pub(crate) fn model_input(&self) -> Vec<Arc<serde_json::value::RawValue>> {
        std::iter::once(&self.base_instructions)
            .chain(&self.history)
            .map(|item| Arc::clone(&item.json))
            .collect()
    }

    /// The status as it follows from the state.
    #[must_use]
    pub fn status(&self) -> ThreadStatus {
        if self.active.is_some() {
            ThreadStatus::Active {
                active_flags: self.active_flags(),
            }
        } else if self.failed {
            ThreadStatus::SystemError
        } else {
            ThreadStatus::Idle
        }
    }

    /// The status that clients are shown: a thread that was loaded for a request and that
    /// none has resumed is not loaded to them.
    #[must_use]
    pub fn shown_status(&self) -> ThreadStatus {
        if self.is_announced() {
            self.status()
        } else {
            ThreadStatus::NotLoaded
        }
    }

    /// Tells everyone the status if it is not what they were told last.
    pub(crate) fn announce_status(&mut self) {
        let status = self.status();
        if self.announced.as_ref() == Some(&status) {
            return;
        }
        self.announced = Some(status.clone());
        self.info.status = status.clone();
        let thread_id = self.wire_id();
        self.notify(
            Audience::Everyone,
            ServerNotification::ThreadStatusChanged(ThreadStatusChangedNotification {
                thread_id,
                status,
            }),
        );
    }

    /// Something to say to the client that resumes the thread next.
    #[must_use]
    pub fn with_notice(mut self, notice: Option<String>) -> Self {
        self.notice = notice;
        self
    }

    /// Whether clients were told of the thread since it was loaded.
    #[must_use]
    pub fn is_announced(&self) -> bool {
        self.announced.is_some()
    }

    /// Counts the status as told, where clients need not hear of it.
    pub(crate) fn assume_announced(&mut self) {
        self.announced = Some(self.status());
    }

    pub(crate) fn subscribe(&mut self, connection: ConnectionId) {
        let observed = self.observers.remove(&connection);
        if self.subscribers.insert(connection) || observed {
            self.act(Action::Subscribe {
                connection,
                observes: false,
            });
        }
    }

    /// Like [`Thread::subscribe`], for a connection that does not count as a watcher.
    pub(crate) fn observe(&mut self, connection: ConnectionId) {
        self.subscribers.insert(connection);
        if self.observers.insert(connection) {
            self.act(Action::Subscribe {
                connection,
                observes: true,
            });
        }
    }

    /// Whether a connection watches the thread that is not a mere observer.
    pub(crate) fn is_watched(&self) -> bool {
        self.subscribers.len() > self.observers.len()
    }

    pub(crate) fn is_subscribed(&self, connection: ConnectionId) -> bool {
        self.subscribers.contains(&connection)
    }

    /// Whether the connection was subscribed.
    pub(crate) fn unsubscribe(&mut self, connection: ConnectionId) -> bool {
        self.observers.remove(&connection);
        let was = self.subscribers.remove(&connection);
        if was {
            self.act(Action::Unsubscribe(connection));
        }
        was
    }

    /// What lists show of the thread: everything but its turns.
    #[must_use]
    pub fn summary(&self) -> loomd_protocol::Thread {
        let mut thread = self.info.clone();
        thread.status = self.shown_status();
        thread
    }

    /// The thread's id.
    #[must_use]
    pub fn id(&self) -> ThreadId {
        self.id
    }

    /// The root thread's id.
    #[must_use]
    pub fn session_id(&self) -> ThreadId {
        self.session_id
    }

    /// The number of its newest event.
    #[must_use]
    pub fn last_seq(&self) -> u64 {
        self.seq
    }

    /// What commands may touch of files, where that is more than the settings say.
    #[must_use]
    pub fn file_rules(&self) -> Option<&Arc<FileRules>> {
        self.file_rules.as_ref()
    }

    /// The settings as they stand.
    #[must_use]
    pub fn settings(&self) -> &ThreadSettings {
        &self.settings
    }

    /// Its turns that have ended, oldest first.
    #[must_use]
    pub fn turns(&self) -> &[Arc<Turn>] {
        &self.turns
    }

    /// Whether items have begun that did not complete.
    #[must_use]
    pub fn has_open_items(&self) -> bool {
        !self.open_items.is_empty()
    }

    /// Whether the thread keeps nothing on disk.
    #[must_use]
    pub fn is_ephemeral(&self) -> bool {
        self.info.ephemeral
    }

    /// Whether the thread has, or from now on has, a rollout.
    #[must_use]
    pub fn is_materialized(&self) -> bool {
        self.materialized
    }

    /// Whether nothing runs: no turn, and no command in the background.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.active.is_none() && self.open_items.is_empty() && !self.preparing
    }

    /// Repeats the turn's diff, as the reference does after each step.
    pub(crate) fn repeat_diff(&mut self, cx: Cx<'_>) {
        let Some(active) = &self.active else { return };
        // That everything was undone is told once.
        let Some(diff) = active.diff.clone().filter(|diff| !diff.is_empty()) else {
            return;
        };
        let notification = TurnDiffUpdatedNotification {
            thread_id: self.wire_id(),
            turn_id: active.turn.id.clone(),
            diff,
        };
        self.event(cx, ThreadEvent::TurnDiff(notification));
    }

    // Idle unloading.

    /// Keeps the unload clock: it runs while nobody watches and nothing is active,
    /// and starts anew whenever that was interrupted.
    fn track_idleness(&mut self, cx: Cx<'_>) {
        match (self.is_unneeded(), self.idle_since, self.delay()) {
            (true, None, Some(delay)) => {
                self.idle_since = Some(cx.now.mono);
                self.act(Action::SetTimer(Some(cx.now.mono.saturating_add(delay))));
            }
            (false, Some(_), _) => {
                self.idle_since = None;
                self.act(Action::SetTimer(None));
            }
            (true, Some(_), _) | (true, None, None) | (false, None, _) => {}
        }
    }

    /// How long it stays loaded from when it was last needed. Commands in the background
    /// have a clock of their own, so that freeing the memory does not end them. What was
    /// loaded for a request that watches nothing stays a moment, in case that its client
    /// does what comes next.
    fn delay(&self) -> Option<Duration> {
        if !self.is_announced() {
            return Some(self.unload_delay.unwrap_or(UNSEEN_DELAY).min(UNSEEN_DELAY));
        }
        if self.open_items.is_empty() {
            return self.unload_delay;
        }
        Some(self.unload_delay?.max(self.background_delay))
    }

    /// A command in the background has ended; behind the last one the thread is as if it
    /// had just been used.
    pub(crate) fn command_ended(&mut self) {
        if self.active.is_none() && self.open_items.is_empty() {
            self.touch();
        }
    }

    /// Restarts the unload clock at this input, for subscriptions that come and go.
    pub(crate) fn touch(&mut self) {
        self.idle_since = None;
    }

    fn on_timer(&mut self, cx: Cx<'_>) {
        let (Some(since), Some(delay)) = (self.idle_since, self.delay()) else {
            return;
        };
        // A timer that was set before the last activity is early; the next one follows.
        if cx.now.mono < since.saturating_add(delay) {
            let deadline = since.saturating_add(delay);
            return self.act(Action::SetTimer(Some(deadline)));
        }
        self.unload();
    }

    /// Somebody may have come, or a turn begun, since room was asked for.
    fn on_room_needed(&mut self) {
        if self.may_make_room() {
            self.unload();
        }
    }

    /// Whether it may be unloaded before its time: nobody needs it, and nothing of it runs
    /// in the background.
    #[must_use]
    pub fn may_make_room(&self) -> bool {
        self.is_unneeded() && self.active.is_none() && self.open_items.is_empty()
    }

    pub(crate) fn unload(&mut self) {
        self.closing = true;
        self.idle_since = None;
        self.act(Action::Unload);
    }

    /// Whether nobody watches and nothing is active: what the unload clock runs on. A turn
    /// that waits since before the server was started, in a thread that no client was told
    /// of, waits on disk as well.
    #[must_use]
    pub fn is_unneeded(&self) -> bool {
        let is_idle = self.active.is_none() || !self.is_announced();
        !self.is_watched() && is_idle && !self.preparing && !self.closing
    }
}
