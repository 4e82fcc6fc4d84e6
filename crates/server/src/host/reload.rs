//! A thread that is rebuilt from its rollout in place: after a revert, and for a resume
//! that changes settings.
//!
//! The actor stays: the registry's entry, the mailbox, the subscribers and the event
//! numbers are the same before and after, and mail that comes meanwhile waits. What
//! ends is what hangs on the core: the turn, the model stream, the tools, the writer.
//! If the thread cannot be rebuilt the actor ends, and everything that waits is
//! answered.

use std::path::PathBuf;
use std::sync::Arc;

use loomd_protocol::{ServerNotification, ThreadStatus, ThreadStatusChangedNotification};
use loomd_rollout::Writer;
use loomd_thread::{Command, Input, ResumeRequest, RevertFrom, Rewound};

use super::actor::{Actor, Ending, Meanwhile};
use super::launch::{Body, Tools, load_stored};
use super::registry::Responder;
use crate::assemble::Overrides;
use crate::errors::{ApiError, ApiResult};

/// What the thread is rebuilt for.
pub(super) struct Reload {
    why: Why,
    responder: Responder,
}

enum Why {
    /// A resume with other settings.
    Override(Box<Overrides>, ResumeRequest),
    /// Turns from this one on are taken back; `None` takes back nothing.
    Revert {
        before_turn_id: Option<String>,
        /// A rollback, which tells no status changes.
        quietly: bool,
    },
}

impl Actor {
    /// A resume: overrides count only if nobody watches and nothing runs, and they
    /// say something new.
    pub(super) fn on_resume(
        &mut self,
        request: ResumeRequest,
        overrides: Box<Overrides>,
        responder: Responder,
    ) {
        let counts = self.core.may_be_overridden()
            && self.recorder.path().is_some()
            && overrides.differ(&self.server, self.core.settings());
        if counts {
            let why = Why::Override(overrides, request);
            self.reload = Some(Reload { why, responder });
        } else {
            let command = self.resume_command(request);
            self.command(command, responder);
        }
    }

    /// A client that has the thread up to an event is sent what followed, if all of that
    /// is still known; else it is told where the thread stands, like any other.
    fn resume_command(&self, mut request: ResumeRequest) -> Command {
        let newest = self.core.last_seq();
        request.replay_after = request
            .replay_after
            .filter(|after| self.fanout.can_replay(*after, newest));
        // What it replays needs no turns beside it.
        request.with_turns &= request.replay_after.is_none();
        Command::Resume(request)
    }

    pub(super) fn on_revert(&mut self, from: &RevertFrom, responder: Responder) {
        let quietly = matches!(from, RevertFrom::Last(_));
        match self.core.plan_revert(from) {
            Ok(before_turn_id) => {
                let why = Why::Revert {
                    before_turn_id,
                    quietly,
                };
                self.reload = Some(Reload { why, responder });
            }
            Err(refusal) => responder.answer(Err(refusal.into())),
        }
    }

    fn command(&mut self, command: Command, responder: Responder) {
        let reply = self.promise(responder);
        self.feed([Input::Command { reply, command }]);
    }

    /// Rebuilds the thread, then answers whoever asked for it.
    pub(super) async fn rebuild(&mut self, reload: Reload) {
        let Reload { why, responder } = reload;
        self.stop().await;
        let path = self.recorder.path();
        self.recorder.finish(true);
        if !matches!(why, Why::Revert { quietly: true, .. }) {
            self.announce_not_loaded();
        }
        let Some(path) = path else {
            let error = ApiError::no_rollout(&self.id.to_string());
            return self.lose(responder, error);
        };
        let (rebuilt, command) = match why {
            Why::Override(overrides, request) => {
                let rebuilt = self.override_settings(path, *overrides).await;
                (rebuilt, self.resume_command(request))
            }
            Why::Revert {
                before_turn_id,
                quietly,
            } => {
                let rebuilt = self.rewind(path, before_turn_id).await;
                (rebuilt, Command::Reverted { quietly })
            }
        };
        match rebuilt {
            Ok(()) => self.command(command, responder),
            Err(error) => self.lose(responder, error),
        }
    }

    /// Ends what runs: the turn as interrupted, the stream, the tools.
    async fn stop(&mut self) {
        self.command(Command::Close, Responder::new(|_closing| {}));
        if let Some(stream) = self.stream.take() {
            stream.cancel.cancel();
        }
        self.end_tools(Meanwhile::Keep).await;
        self.timer = None;
    }

    fn announce_not_loaded(&self) {
        self.shared.set_status(ThreadStatus::NotLoaded);
        let gone = ServerNotification::ThreadStatusChanged(ThreadStatusChangedNotification {
            thread_id: self.id.to_string(),
            status: ThreadStatus::NotLoaded,
        });
        let now_ms = self.server.clock.now().wall_ms;
        self.fanout.to_everyone(&gone, now_ms);
    }

    async fn override_settings(&mut self, path: PathBuf, overrides: Overrides) -> ApiResult<()> {
        let server = Arc::clone(&self.server);
        let id = self.id;
        let (assembly, recorder) =
            crate::blocking(move || load_stored(&server, id, overrides, &path)).await??;
        let body = Body::new(&self.server, assembly, recorder);
        let earlier = std::mem::replace(&mut self.core, body.core);
        self.core.succeed(&earlier);
        self.take_tools(body.tools);
        self.model = body.model;
        self.identity = body.identity;
        self.surroundings = body.surroundings;
        self.config = body.config;
        self.recorder = body.recorder;
        Ok(())
    }

    async fn rewind(&mut self, path: PathBuf, before_turn_id: Option<String>) -> ApiResult<()> {
        let now_ms = self.server.clock.now().wall_ms;
        let opened = crate::blocking(move || match before_turn_id {
            Some(turn_id) => Writer::revert(&path, &turn_id, now_ms),
            None => Writer::open(&path, now_ms),
        });
        let (writer, snapshot) = opened
            .await?
            .map_err(|error| ApiError::internal(format!("failed to revert: {error}")))?;
        self.core = self.core.rewound(Rewound {
            turns: snapshot.turns,
            history: snapshot.history,
            token_usage: snapshot.token_usage,
            last_seq: snapshot.last_seq,
        });
        self.fanout.forget_log(self.core.last_seq());
        self.take_tools(Tools::new(&self.server, &self.core, &self.config));
        self.recorder.reopened(writer);
        Ok(())
    }

    fn take_tools(&mut self, tools: Tools) {
        self.toolbox = tools.toolbox;
        self.tool_events = tools.events;
    }

    /// The thread cannot go on.
    fn lose(&mut self, responder: Responder, error: ApiError) {
        tracing::error!(thread = %self.id, ?error, "thread not rebuilt; dropped");
        responder.answer(Err(error));
        self.ending = Some(Ending::Lost);
    }
}
