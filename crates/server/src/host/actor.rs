//! The actor of one loaded thread: one task that owns everything the thread owns.
//!
//! The loop waits for the first of: mail, tool events, model events, the timer, in
//! this order of preference. What comes becomes an input of the pure core, and the
//! core's actions are performed in order by [`super::effects`]. Nothing else touches
//! the core, so an order of inputs is an order of events.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use loomd_base::ThreadId;
use loomd_config::Config;
use loomd_events::{ModelEvent, ModelFailure};
use loomd_model::Model;
use loomd_protocol::{
    CodexErrorInfo, ServerNotification, ThreadClosedNotification, ThreadStatus,
    ThreadStatusChangedNotification,
};
use loomd_thread::{Command, Input, ReplyTo, Thread};
use loomd_tools::{Toolbox, TurnEvent};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::fanout::Fanout;
use super::launch::ModelIdentity;
use super::recorder::Recorder;
use super::registry::{Mail, Responder, Shared};
use super::reload::Reload;
use crate::Server;
use crate::errors::ApiError;
use crate::surroundings::Surroundings;

/// Model events taken from a stream at a time; a longer burst is handled in turns so
/// that mail gets its chance in between.
const MODEL_BATCH: usize = 64;
/// Tool events taken at a time.
const TOOL_BATCH: usize = 64;
/// Tool events that may wait for the actor; the tool waits when it is reached.
pub(crate) const TOOL_QUEUE: usize = 256;
/// How long the end of a thread's tools may take before the thread is dropped anyway.
const SHUTDOWN_MAX: Duration = Duration::from_secs(10);

/// How long an ended command's item may take to complete.
const LAST_WORDS_MAX: Duration = Duration::from_secs(1);

/// A model stream that the core listens to.
pub(super) struct Stream {
    pub(super) generation: u64,
    pub(super) events: mpsc::Receiver<ModelEvent>,
    pub(super) cancel: CancellationToken,
}

/// Why the loop ends.
pub(super) enum Ending {
    /// Idle and unwatched for long enough.
    Unload,
    /// Archive, delete or shutdown; the responder waits for the end.
    Close(Responder),
    /// It could not be rebuilt; whoever asked for that knows why.
    Lost,
    /// Nobody can reach the thread any more: the process ends.
    Abandoned,
}

/// One loaded thread.
pub(crate) struct Actor {
    pub(super) server: Arc<Server>,
    pub(super) id: ThreadId,
    pub(super) core: Thread,
    pub(super) shared: Arc<Shared>,
    pub(super) mail: mpsc::Receiver<Box<Mail>>,
    pub(super) toolbox: Toolbox,
    pub(super) tool_events: mpsc::Receiver<TurnEvent>,
    pub(super) model: Arc<dyn Model>,
    pub(super) identity: ModelIdentity,
    pub(super) surroundings: Surroundings,
    /// What the thread was made with.
    pub(super) config: Arc<Config>,
    pub(super) stream: Option<Stream>,
    pub(super) recorder: Recorder,
    pub(super) fanout: Fanout,
    pub(super) replies: BTreeMap<ReplyTo, Responder>,
    pub(super) next_reply: u64,
    pub(super) timer: Option<Instant>,
    /// The core waits for what a turn starts from.
    pub(super) prepare: bool,
    /// Why what the thread keeps beside its history could not be written.
    pub(super) not_kept: Option<String>,
    /// Set by mail that wants the thread rebuilt; done before anything else.
    pub(super) reload: Option<Reload>,
    pub(super) ending: Option<Ending>,
}

/// What woke the actor.
enum Woke {
    Mail(Option<Box<Mail>>),
    Tools,
    Model,
    Timer,
}

impl Actor {
    /// Runs until the thread is unloaded or closed.
    pub(crate) async fn run(mut self: Box<Self>) {
        let mut tool_batch = Vec::new();
        let mut model_batch = Vec::new();
        while self.ending.is_none() {
            let woke = tokio::select! {
                biased;
                mail = self.mail.recv() => Woke::Mail(mail),
                _ = self.tool_events.recv_many(&mut tool_batch, TOOL_BATCH) => Woke::Tools,
                () = next_model(&mut self.stream, &mut model_batch) => Woke::Model,
                () = sleep_until(self.timer) => Woke::Timer,
            };
            match woke {
                Woke::Mail(Some(mail)) => self.on_mail(*mail),
                Woke::Mail(None) => self.ending = Some(Ending::Abandoned),
                Woke::Tools => self.on_tools(&mut tool_batch),
                Woke::Model => self.on_model(&mut model_batch),
                Woke::Timer => {
                    self.timer = None;
                    self.feed([Input::TimerFired]);
                }
            }
            if self.core.is_quiet() {
                // An idle thread keeps no room for bursts.
                tool_batch = Vec::new();
                model_batch = Vec::new();
            }
            if let Some(reload) = self.reload.take() {
                Box::pin(self.rebuild(reload)).await;
            }
        }
        Box::pin(self.end()).await;
    }

    fn on_mail(&mut self, mail: Mail) {
        match mail {
            Mail::Command {
                mut command,
                responder,
            } => {
                if let Err(error) = self
                    .surroundings
                    .look_up(self.core.settings(), &mut command)
                {
                    return responder.answer(Err(error));
                }
                if let Command::StartTurn(request) = &mut *command {
                    self.surroundings.fill(&self.core, request);
                } else if let Command::Shell(request) = &mut *command {
                    request.ground = self
                        .surroundings
                        .ground(self.core.settings(), self.core.file_rules());
                }
                let reply = self.promise(responder);
                let command = *command;
                self.feed([Input::Command { reply, command }]);
            }
            Mail::Resume {
                request,
                overrides,
                responder,
            } => self.on_resume(*request, overrides, responder),
            Mail::Revert { from, responder } => self.on_revert(&from, responder),
            Mail::Tools(look) => look(&self.toolbox),
            Mail::Answer { id, answer } => self.feed([Input::Answer { id, answer }]),
            Mail::ConnectionClosed(connection) => self.feed([Input::ConnectionClosed(connection)]),
            Mail::MakeRoom => self.feed([Input::RoomNeeded]),
            Mail::Close { responder } => {
                let reply = self.promise(Responder::new(|_closing| {}));
                let command = Command::Close;
                self.feed([Input::Command { reply, command }]);
                self.ending = Some(Ending::Close(responder));
            }
        }
    }

    pub(super) fn promise(&mut self, responder: Responder) -> ReplyTo {
        self.next_reply += 1;
        let reply = ReplyTo(self.next_reply);
        self.replies.insert(reply, responder);
        reply
    }

    fn on_tools(&mut self, batch: &mut Vec<TurnEvent>) {
        let inputs = batch.drain(..).map(|(turn_id, event)| Input::Tool {
            turn_id,
            event: *event,
        });
        let inputs: Vec<Input> = inputs.collect();
        self.feed(inputs);
    }

    fn on_model(&mut self, batch: &mut Vec<ModelEvent>) {
        let Some(generation) = self.stream.as_ref().map(|stream| stream.generation) else {
            batch.clear();
            return;
        };
        if batch.is_empty() {
            // The stream's task is gone without a word: it panicked.
            self.stream = None;
            batch.push(ModelEvent::Failed(ModelFailure {
                message: "the model stream ended unexpectedly inside the server".to_owned(),
                info: CodexErrorInfo::InternalServerError,
                details: None,
            }));
        } else if batch.iter().any(is_end) {
            self.stream = None;
        }
        let inputs: Vec<Input> = batch
            .drain(..)
            .map(|event| Input::Model { generation, event })
            .collect();
        self.feed(inputs);
    }

    /// Hands inputs to the core and performs what it wants.
    pub(super) fn feed(&mut self, inputs: impl IntoIterator<Item = Input>) {
        let mut actions = Vec::new();
        for input in inputs {
            let now = self.server.clock.now();
            actions.extend(self.core.handle(now, &*self.server.ids, input));
        }
        self.perform(actions);
    }

    /// Ends what the thread owns, answers what still waits, and leaves the registry.
    async fn end(mut self: Box<Self>) {
        self.shared.set_closing();
        let ending = self.ending.take();
        if let Some(stream) = self.stream.take() {
            stream.cancel.cancel();
        }
        self.end_tools(Meanwhile::Refuse).await;
        self.recorder.finish(self.core.is_materialized());
        self.server.registry.remove(self.id, &self.shared);
        self.mail.close();
        while let Ok(mail) = self.mail.try_recv() {
            refuse(self.id, *mail);
        }
        self.shared.set_status(ThreadStatus::NotLoaded);
        let now_ms = self.server.clock.now().wall_ms;
        let thread_id = self.id.to_string();
        let gone = ServerNotification::ThreadStatusChanged(ThreadStatusChangedNotification {
            thread_id: thread_id.clone(),
            status: ThreadStatus::NotLoaded,
        });
        match ending {
            // Of what no client was told to be loaded none need hear that it is not.
            Some(Ending::Unload) if !self.core.is_announced() => {}
            Some(Ending::Close(responder)) if !self.core.is_announced() => {
                responder.answer(Ok(loomd_thread::Reply::Done));
            }
            Some(Ending::Unload) => {
                self.fanout.to_everyone(&gone, now_ms);
                let closed =
                    ServerNotification::ThreadClosed(ThreadClosedNotification { thread_id });
                self.fanout.to_everyone(&closed, now_ms);
            }
            Some(Ending::Close(responder)) => {
                self.fanout.to_everyone(&gone, now_ms);
                responder.answer(Ok(loomd_thread::Reply::Done));
            }
            Some(Ending::Lost | Ending::Abandoned) | None => {}
        }
    }

    /// Waits for the tools' end. Their last words become history as ever: the items
    /// of what they ran end with what they did.
    pub(super) async fn end_tools(&mut self, meanwhile: Meanwhile) {
        let deadline = Instant::now() + SHUTDOWN_MAX;
        let shutdown = self.toolbox.shutdown();
        tokio::pin!(shutdown);
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                biased;
                _ = self.tool_events.recv_many(&mut batch, TOOL_BATCH) => self.on_tools(&mut batch),
                () = &mut shutdown => break,
                () = tokio::time::sleep_until(deadline) => {
                    tracing::warn!(thread = %self.id, "tools did not end in time; dropped");
                    break;
                }
                Some(mail) = self.mail.recv(), if meanwhile == Meanwhile::Refuse => {
                    refuse(self.id, *mail);
                }
            }
        }
        self.last_words(&mut batch).await;
    }

    /// Hears out tools whose commands are gone, as long as items wait for them.
    async fn last_words(&mut self, batch: &mut Vec<TurnEvent>) {
        let deadline = Instant::now() + LAST_WORDS_MAX;
        while self.core.has_open_items() {
            tokio::select! {
                biased;
                count = self.tool_events.recv_many(batch, TOOL_BATCH) => {
                    if count == 0 {
                        break;
                    }
                    self.on_tools(batch);
                }
                () = tokio::time::sleep_until(deadline) => break,
            }
        }
    }
}

/// What happens to mail that comes while the tools end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meanwhile {
    /// It is refused at once.
    Refuse,
    /// It waits; the thread goes on with it.
    Keep,
}

fn refuse(id: ThreadId, mail: Mail) {
    mail.refuse(ApiError::closing(&id.to_string()));
}

fn is_end(event: &ModelEvent) -> bool {
    matches!(event, ModelEvent::Completed { .. } | ModelEvent::Failed(_))
}

async fn next_model(stream: &mut Option<Stream>, batch: &mut Vec<ModelEvent>) {
    match stream {
        Some(stream) => {
            stream.events.recv_many(batch, MODEL_BATCH).await;
        }
        None => std::future::pending().await,
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The size of what a function's future holds, without making one.
    fn future_size<A, F: Future>(_: impl FnOnce(A) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn an_idle_actor_takes_a_few_kilobytes() {
        let (task, actor) = (future_size(Actor::run), size_of::<Actor>());
        assert!(task < 1024, "task {task}");
        assert!(actor < 4 * 1024, "actor {actor}");
    }
}
