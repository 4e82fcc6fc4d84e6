//! From an assembled thread to a running actor.

use std::path::Path;
use std::sync::Arc;

use loomd_base::tasks::{Kind, spawn};
use loomd_base::{Care, ThreadId};
use loomd_config::{Config, EnvironmentInherit, ShellEnvironmentPolicy};
use loomd_events::{StoredState, WaitingTurn};
use loomd_model::{Model, ModelRequest, RequestIdentity};
use loomd_protocol::Turn;
use loomd_rollout::Cut;
use loomd_rollout::layout::Found;
use loomd_thread::{Awaiting, Kept, ModelFacts, ModelStart, Origin, Queued, Thread, UserMessage};
use loomd_tools::{
    EnvironmentPolicy, Inherit, Offer, OutputLimit, ShellEnvironment, Toolbox, ToolboxOptions,
    TurnEvent,
};
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use super::actor::{Actor, TOOL_QUEUE};
use super::fanout::Fanout;
use super::recorder::Recorder;
use super::registry::{Handle, Lookup, Mail, Shared};
use super::residency::Budget;
use crate::assemble::{self, Assembly, Overrides};
use crate::errors::{ApiError, ApiResult};
use crate::surroundings::Surroundings;
use crate::{PROTOCOL_VERSION, Server, ids, user_input};

/// How a thread comes to be loaded.
pub(crate) enum Launch {
    /// It is new.
    Fresh(Box<Assembly>),
    /// It lies on disk.
    Stored(Box<Overrides>, Found),
    /// It begins with another thread's history, or a part of it.
    Forked(Box<Overrides>, Found, ForkKind),
}

/// What kind of fork is wanted.
pub(crate) struct ForkKind {
    /// How much of the source it begins with.
    pub(crate) cut: Cut,
    /// It keeps nothing on disk.
    pub(crate) ephemeral: bool,
}

impl Launch {
    /// Makes sure that the thread's actor runs, and gives its handle. If somebody else
    /// was faster, theirs is the thread and this launch is void.
    pub(crate) fn run(self, server: &Arc<Server>, id: ThreadId) -> Handle {
        let (handle, mail) = match server.registry.get_or_insert(id) {
            Lookup::Present(handle) => return handle,
            Lookup::Vacant(handle, mail) => (handle, mail),
        };
        let server = Arc::clone(server);
        let shared = Arc::clone(&handle.shared);
        spawn(Kind::ThreadActor, async move {
            let guard = Entry {
                server: Arc::clone(&server),
                id,
                shared: Arc::clone(&shared),
            };
            match self.load(&server, id).await {
                Ok((assembly, recorder)) => {
                    server.registry.keep_within(Budget::of(&assembly.config));
                    let actor = new_actor(server, assembly, recorder, shared, mail);
                    // A task of its own, so that a loaded thread does not keep the room
                    // that loading took.
                    spawn(Kind::ThreadActor, async move {
                        actor.run().await;
                        drop(guard);
                    });
                }
                Err(error) => {
                    server.registry.remove(id, &shared);
                    refuse_all(mail, &error).await;
                }
            }
        });
        handle
    }

    async fn load(self, server: &Arc<Server>, id: ThreadId) -> ApiResult<(Assembly, Recorder)> {
        match self {
            Self::Fresh(assembly) => {
                let recorder = Recorder::fresh(server, &assembly);
                Ok((*assembly, recorder))
            }
            Self::Stored(overrides, found) => {
                let server = Arc::clone(server);
                crate::blocking(move || load_stored(&server, id, *overrides, &found.path)).await?
            }
            Self::Forked(overrides, source, kind) => {
                let server = Arc::clone(server);
                crate::blocking(move || load_forked(&server, id, *overrides, &source, &kind))
                    .await?
            }
        }
    }
}

/// Whether a command for a thread reaches one.
pub(crate) enum Awake {
    /// It is loaded, or loading.
    Yes,
    /// It is archived.
    Archived,
    /// There is none on disk.
    NotThere,
}

/// Loads a stored thread for a command that works on such as well. No client is told of
/// it, and unless one resumes it, it is soon unloaded.
pub(crate) async fn wake(server: &Arc<Server>, id: ThreadId) -> ApiResult<Awake> {
    if server.registry.get(id).is_some() {
        return Ok(Awake::Yes);
    }
    Ok(match ids::locate(server, id).await? {
        None => Awake::NotThere,
        Some(found) if found.archived => Awake::Archived,
        Some(found) => {
            Launch::Stored(Box::default(), found).run(server, id);
            Awake::Yes
        }
    })
}

pub(super) fn load_stored(
    server: &Arc<Server>,
    id: ThreadId,
    overrides: Overrides,
    path: &Path,
) -> ApiResult<(Assembly, Recorder)> {
    let now_ms = server.clock.now().wall_ms;
    let (mut state, damage) = stored_state(server, id)?;
    let waiting = state.waiting.take();
    let (writer, mut snapshot) =
        loomd_rollout::Writer::open_waiting(path, now_ms, waiting.as_deref())
            .map_err(|error| ApiError::invalid(error.to_string()))?;
    let open_turn = snapshot.open_turn.take();
    let name = server.library.name(id);
    let mut assembly = assemble::stored(server, overrides, path, name, snapshot)?;
    assembly.notice = assembly.notice.or(damage);
    if waiting.is_some() && open_turn.is_none() {
        // That turn is over, or cannot go on.
        loomd_rollout::write_state(&server.home, id, &state, Care::QUICK)
            .map_err(|error| ApiError::internal(error.to_string()))?;
    }
    assembly.setup.kept = kept(state);
    assembly.setup.awaiting = open_turn.zip(waiting).map(awaiting);
    let recorder = Recorder::stored(server, &assembly, writer);
    Ok((assembly, recorder))
}

/// What the thread keeps beside its rollout. What is not understood is put aside, and
/// the next client that resumes the thread is told.
fn stored_state(server: &Server, id: ThreadId) -> ApiResult<(StoredState, Option<String>)> {
    let internal = |error: loomd_rollout::Error| ApiError::internal(error.to_string());
    match loomd_rollout::read_state(&server.home, id) {
        Ok(state) => Ok((state, None)),
        Err(error @ loomd_rollout::Error::State { .. }) => {
            let aside = loomd_rollout::set_state_aside(&server.home, id).map_err(internal)?;
            let notice = format!(
                "The goal and the queue of this thread are lost: {error}. The file is now {}.",
                aside.display()
            );
            tracing::error!(thread = %id, notice);
            Ok((StoredState::default(), Some(notice)))
        }
        Err(error) => Err(internal(error)),
    }
}

/// In the core's form: what waits with its files read.
fn kept(state: StoredState) -> Kept {
    let runtime = tokio::runtime::Handle::current();
    let queue = state.queue.into_iter().map(|submission| Queued {
        parts: runtime.block_on(user_input::parts(&submission.input)),
        submission,
    });
    Kept {
        goal: state.goal,
        queue: queue.collect(),
        git: state.git,
        daybreak: state.daybreak,
        memory_disabled: state.memory_disabled,
        waiting: None,
    }
}

/// In the core's form: the messages with their files read.
fn awaiting((turn, waiting): (Turn, Box<WaitingTurn>)) -> Box<Awaiting> {
    let runtime = tokio::runtime::Handle::current();
    let messages = waiting.messages.iter().map(|message| UserMessage {
        client_id: message.client_id.clone(),
        parts: runtime.block_on(user_input::parts(&message.content)),
        content: message.content.clone(),
        item_id: None,
    });
    Box::new(Awaiting {
        messages: messages.collect(),
        turn,
        waiting: *waiting,
        model: ModelFacts::default(),
    })
}

fn load_forked(
    server: &Arc<Server>,
    id: ThreadId,
    overrides: Overrides,
    source: &Found,
    kind: &ForkKind,
) -> ApiResult<(Assembly, Recorder)> {
    let unreadable = |error: loomd_rollout::Error| ApiError::invalid(error.to_string());
    let summary = loomd_rollout::read_meta(&source.path).map_err(unreadable)?;
    let name = server.library.name(summary.meta.id);
    let meta = assemble::fork_meta(server, id, summary.meta);
    let fork = loomd_rollout::Fork {
        source: &source.path,
        cut: &kind.cut,
        meta: &meta,
    };
    let refused = |error: loomd_rollout::Error| {
        if let loomd_rollout::Error::TurnInProgress(turn) = &error {
            return ApiError::invalid(format!(
                "lastTurnId '{turn}' identifies an in-progress turn"
            ));
        }
        unreadable(error)
    };
    if kind.ephemeral {
        let snapshot = loomd_rollout::fork_in_memory(&fork).map_err(refused)?;
        let mut assembly = assemble::stored(server, overrides, &source.path, None, snapshot)?;
        assembly.setup.origin = Origin::Fork;
        assembly.setup.info.path = None;
        assembly.setup.info.ephemeral = true;
        assembly.notice = None;
        assembly.ephemeral = true;
        let recorder = Recorder::fresh(server, &assembly);
        return Ok((assembly, recorder));
    }
    let (writer, snapshot) = loomd_rollout::Writer::fork(&server.home, &fork).map_err(refused)?;
    let path = writer.path().to_owned();
    let mut assembly = assemble::stored(server, overrides, &path, name.clone(), snapshot)?;
    // Clients learn its status from the answer, as with any thread that was just made.
    assembly.setup.origin = Origin::Fork;
    assembly.notice = None;
    if let Some(name) = name {
        let now_ms = server.clock.now().wall_ms;
        server.library.set_name(id, &name, now_ms)?;
    }
    let recorder = Recorder::stored(server, &assembly, writer);
    Ok((assembly, recorder))
}

/// Takes the thread out of the registry whatever way its task ends, a panic included.
struct Entry {
    server: Arc<Server>,
    id: ThreadId,
    shared: Arc<Shared>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.server.registry.remove(self.id, &self.shared);
        self.server.note_freed();
    }
}

async fn refuse_all(mut mail: mpsc::Receiver<Box<Mail>>, error: &ApiError) {
    mail.close();
    while let Some(mail) = mail.recv().await {
        mail.refuse(error.clone());
    }
}

/// What an actor is made of when it is launched, and again when it is rebuilt with
/// other settings.
pub(super) struct Body {
    pub(super) core: Thread,
    pub(super) tools: Tools,
    pub(super) model: Arc<dyn Model>,
    pub(super) identity: ModelIdentity,
    pub(super) surroundings: Surroundings,
    pub(super) recorder: Recorder,
    pub(super) config: Arc<Config>,
}

/// A toolbox and where its events come from.
pub(super) struct Tools {
    pub(super) toolbox: Toolbox,
    pub(super) events: mpsc::Receiver<TurnEvent>,
}

impl Tools {
    pub(super) fn new(server: &Server, core: &Thread, config: &Config) -> Self {
        let (sender, events) = mpsc::channel(TOOL_QUEUE);
        let toolbox = Toolbox::new(toolbox_options(server, core, config), sender);
        Self { toolbox, events }
    }
}

impl Body {
    pub(super) fn new(server: &Arc<Server>, mut assembly: Assembly, recorder: Recorder) -> Self {
        let config = assembly.config;
        let surroundings = Surroundings::new(
            Arc::clone(server),
            Arc::clone(&config),
            assembly.developer_instructions,
        );
        if let Some(awaiting) = &mut assembly.setup.awaiting {
            awaiting.model = surroundings
                .ground(&assembly.setup.settings, assembly.setup.file_rules.as_ref())
                .model;
        }
        let model = server.models.model(&crate::ModelOrder {
            provider_id: &config.model_provider,
            provider: config.provider(),
            home: &server.home,
        });
        let identity = ModelIdentity {
            thread_id: assembly.setup.id.to_string(),
            session_id: assembly.setup.session_id.to_string(),
            installation_id: crate::api::catalog::installation_id(server),
            server: Arc::clone(server),
        };
        let core = Thread::new(assembly.setup).with_notice(assembly.notice);
        Self {
            tools: Tools::new(server, &core, &config),
            core,
            model,
            identity,
            surroundings,
            recorder,
            config,
        }
    }
}

fn new_actor(
    server: Arc<Server>,
    assembly: Assembly,
    recorder: Recorder,
    shared: Arc<Shared>,
    mail: mpsc::Receiver<Box<Mail>>,
) -> Box<Actor> {
    let id = assembly.setup.id;
    let body = Body::new(&server, assembly, recorder);
    Box::new(Actor {
        id,
        fanout: Fanout::new(Arc::clone(&server.peers), id.to_string()),
        core: body.core,
        shared,
        mail,
        toolbox: body.tools.toolbox,
        tool_events: body.tools.events,
        model: body.model,
        identity: body.identity,
        surroundings: body.surroundings,
        config: body.config,
        stream: None,
        recorder: body.recorder,
        replies: std::collections::BTreeMap::new(),
        next_reply: 0,
        timer: None,
        prepare: false,
        not_kept: None,
        reload: None,
        ending: None,
        server,
    })
}

fn toolbox_options(server: &Server, core: &Thread, config: &Config) -> ToolboxOptions {
    let metadata = loomd_config::catalog::metadata(&core.settings().model);
    let limit = config.tool_output_token_limit.map_or_else(
        || OutputLimit::Bytes(usize::try_from(metadata.output_bytes).unwrap_or(usize::MAX)),
        |tokens| OutputLimit::Tokens(usize::try_from(tokens).unwrap_or(usize::MAX)),
    );
    ToolboxOptions {
        thread_id: core.id(),
        session_id: core.session_id(),
        version: PROTOCOL_VERSION.into(),
        shell: server.environment.var("SHELL").unwrap_or("/bin/sh").into(),
        environment: server
            .in_common
            .environments
            .share(Arc::new(shell_environment(
                server,
                &config.shell_environment_policy,
            ))),
        model_output_limit: limit,
        offer: Offer {
            commands: config.feature("shell_tool").unwrap_or(true),
            user_input: config
                .tool("experimental_request_user_input")
                .unwrap_or(true),
            update_plan: config.tool("update_plan").unwrap_or(true),
            request_permissions: config
                .feature("request_permissions_tool")
                .unwrap_or_default(),
            view_image: metadata.images && config.feature("view_image").unwrap_or(true),
            goals: !core.is_ephemeral() && config.feature("goals").unwrap_or(true),
            ..Offer::all()
        },
        home: server.home.as_path().into(),
        sandbox: Arc::clone(&server.sandbox),
        rules: Arc::clone(&server.rules),
        rule_folders: config.rule_folders().into(),
        clock: Arc::clone(&server.clock),
        ids: Arc::clone(&server.ids),
    }
}

fn shell_environment(server: &Server, policy: &ShellEnvironmentPolicy) -> ShellEnvironment {
    let vars = &server.environment.vars;
    let inherited = vars.iter().map(|(name, value)| (name.into(), value.into()));
    ShellEnvironment::new(inherited, &environment_policy(policy))
}

/// The configured policy as the runner of commands has it.
pub(crate) fn environment_policy(policy: &ShellEnvironmentPolicy) -> EnvironmentPolicy {
    EnvironmentPolicy {
        inherit: match policy.inherit {
            EnvironmentInherit::All => Inherit::All,
            EnvironmentInherit::Core => Inherit::Core,
            EnvironmentInherit::None => Inherit::None,
        },
        ignore_default_excludes: policy.ignore_default_excludes,
        exclude: policy.exclude.clone(),
        set: policy.set.clone(),
        include_only: policy.include_only.clone(),
    }
}

/// What a provider is told about who asks.
pub(super) struct ModelIdentity {
    thread_id: String,
    session_id: String,
    installation_id: String,
    server: Arc<Server>,
}

impl ModelIdentity {
    /// The request that the core wants, with everything it does not know.
    pub(super) fn request(&self, start: ModelStart, tools: Arc<RawValue>) -> ModelRequest {
        let settings = start.settings;
        ModelRequest {
            model: settings.model.clone(),
            input: start.input,
            tools,
            parallel_tool_calls: start.model.parallel_tool_calls,
            effort: settings.effort.clone(),
            summary: settings.summary.map(|mode| mode.as_str().to_owned()),
            verbosity: start.model.verbosity,
            service_tier: settings.service_tier.clone(),
            output_schema: start.output_schema.map(|schema| schema.0),
            prompt_cache_key: self.thread_id.clone(),
            identity: RequestIdentity {
                session_id: self.session_id.clone(),
                thread_id: self.thread_id.clone(),
                turn_id: start.turn_id.to_string(),
                installation_id: self.installation_id.clone(),
                originator: self.server.user_agent.originator(),
                user_agent: self.server.user_agent.text(),
                turn_started_ms: Some(start.turn_started_ms),
                sandbox: "none".to_owned(),
                sandbox_mode: assemble::policy_word(&settings.sandbox_policy).to_owned(),
                ..RequestIdentity::default()
            },
        }
    }
}
