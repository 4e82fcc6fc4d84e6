//! The run: a server of its own, one thread, one turn.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use loomd_protocol::{
    AbsolutePathBuf, SandboxMode, ThreadFork, ThreadForkParams, ThreadList, ThreadListCwdFilter,
    ThreadListParams, ThreadResume, ThreadResumeParams, ThreadSortKey, ThreadSourceKind,
    ThreadStart, ThreadStartParams, TurnInterrupt, TurnInterruptParams, TurnStart, TurnStartParams,
    UserInput,
};
use loomd_server::{Server, ServerOptions};
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use super::output::{APPROVAL, Opened, Output};
use super::translate::Outcome;
use crate::client::{Client, Heard};
use crate::signals::{Signal, Signals};

/// What the server knows this command as; rollouts name it as their originator.
const CLIENT_NAME: &str = "codex_exec";

/// How long a turn may take to end after it was interrupted.
const INTERRUPT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the server may take to end.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// Threads looked through for one of a given name.
const NAMED_THREADS_MAX: u32 = 100;

/// Which thread to work in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    New,
    /// By id or name.
    Resume(String),
    /// By id or name.
    Fork(String),
    /// The one that was used last, in this folder or anywhere.
    Latest {
        anywhere: bool,
    },
}

/// What to do; every path is absolute.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) target: Target,
    pub(super) prompt: String,
    pub(super) images: Vec<PathBuf>,
    pub(super) output_schema: Option<Value>,
    pub(super) sandbox: Option<SandboxMode>,
    pub(super) model: Option<String>,
    pub(super) cwd: PathBuf,
    pub(super) add_dirs: Vec<PathBuf>,
    pub(super) ephemeral: bool,
    pub(super) thread_source: Option<String>,
}

/// Does the job. The exit code is 0 when the turn completed.
pub(super) async fn run(
    options: ServerOptions,
    job: Job,
    mut output: Output,
) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::listen().context("cannot listen for signals")?;
    let server = Server::new(options);
    let work = async {
        let mut client = Client::connect(&server, CLIENT_NAME).await?;
        let opened = open(&mut client, &job).await?;
        let thread_id = opened.thread_id.clone();
        output.opened(opened, &job.prompt)?;
        let ended = turn(&mut client, &mut signals, &thread_id, &job, &mut output).await;
        client.close().await;
        ended
    };
    let ended = work.await;
    if timeout(SHUTDOWN_TIMEOUT, server.shutdown()).await.is_err() {
        tracing::warn!("threads did not end in time");
    }
    Ok(match ended? {
        (Outcome::Completed, None) => ExitCode::SUCCESS,
        (Outcome::Completed | Outcome::Failed | Outcome::Interrupted, signal) => match signal {
            // The reference ends with 1 on SIGINT, and by the signal on the others.
            None | Some(Signal::Interrupt) => ExitCode::FAILURE,
            Some(signal @ (Signal::Terminate | Signal::Hangup)) => {
                ExitCode::from(signal.exit_code())
            }
        },
    })
}

/// Starts the turn and shows it to its end, which a signal brings about early.
async fn turn(
    client: &mut Client,
    signals: &mut Signals,
    thread_id: &str,
    job: &Job,
    output: &mut Output,
) -> anyhow::Result<(Outcome, Option<Signal>)> {
    let params = turn_params(thread_id, job);
    let turn = client.request::<TurnStart>(&params).await?.turn;
    loop {
        tokio::select! {
            biased;
            signal = signals.next() => {
                let params = TurnInterruptParams {
                    thread_id: thread_id.to_owned(),
                    turn_id: turn.id.clone(),
                };
                client.request_and_forget::<TurnInterrupt>(&params).await?;
                let ending = async {
                    loop {
                        if let Some(outcome) = next(client, thread_id, output).await? {
                            return anyhow::Ok(outcome);
                        }
                    }
                };
                let outcome = tokio::select! {
                    biased;
                    ended = timeout(INTERRUPT_TIMEOUT, ending) => {
                        ended.unwrap_or(Ok(Outcome::Interrupted))?
                    }
                    _second = signals.next() => Outcome::Interrupted,
                };
                return Ok((outcome, Some(signal)));
            }
            outcome = next(client, thread_id, output) => {
                if let Some(outcome) = outcome? {
                    return Ok((outcome, None));
                }
            }
        }
    }
}

/// Shows the next thing heard; says how the turn ended if it did.
async fn next(
    client: &mut Client,
    thread_id: &str,
    output: &mut Output,
) -> anyhow::Result<Option<Outcome>> {
    let heard = client.next().await?;
    output.heard(&heard)?;
    if let Heard::TurnCompleted(ended) = &heard
        && ended.thread_id == thread_id
        && let Some(outcome) = Outcome::of(&ended.turn)
    {
        output.ended(&ended.turn, outcome)?;
        return Ok(Some(outcome));
    }
    Ok(None)
}

fn turn_params(thread_id: &str, job: &Job) -> TurnStartParams {
    let images = job.images.iter().map(|path| UserInput::LocalImage {
        detail: None,
        path: path.display().to_string(),
    });
    let text = UserInput::Text {
        text: job.prompt.clone(),
        text_elements: Vec::new(),
    };
    TurnStartParams {
        input: images.chain([text]).collect(),
        output_schema: job.output_schema.clone(),
        ..empty_turn(thread_id)
    }
}

/// A turn that sets nothing.
pub(crate) fn empty_turn(thread_id: &str) -> TurnStartParams {
    serde_json::from_value(json!({"threadId": thread_id, "input": []}))
        .expect("every other member of turn/start may be absent")
}

async fn open(client: &mut Client, job: &Job) -> anyhow::Result<Opened> {
    match &job.target {
        Target::New => Ok(client.request::<ThreadStart>(&start(job)).await?.into()),
        Target::Resume(wanted) => {
            let id = find(client, wanted).await?;
            resume(client, job, id).await
        }
        Target::Latest { anywhere } => {
            let cwd = (!anywhere).then_some(&job.cwd);
            match latest(client, cwd).await? {
                Some(id) => resume(client, job, id).await,
                None => bail!("there is no thread to resume yet"),
            }
        }
        Target::Fork(wanted) => {
            let id = find(client, wanted).await?;
            fork(client, job, id).await
        }
    }
}

fn start(job: &Job) -> ThreadStartParams {
    ThreadStartParams {
        model: job.model.clone(),
        cwd: Some(job.cwd.display().to_string()),
        approval_policy: Some(APPROVAL.0),
        approvals_reviewer: Some(APPROVAL.1),
        sandbox: job.sandbox,
        runtime_workspace_roots: roots(job),
        config: config(job),
        ephemeral: job.ephemeral.then_some(true),
        thread_source: Some(
            job.thread_source
                .clone()
                .unwrap_or_else(|| "user".to_owned()),
        ),
        ..ThreadStartParams::default()
    }
}

async fn resume(client: &mut Client, job: &Job, id: String) -> anyhow::Result<Opened> {
    let mut params: ThreadResumeParams = serde_json::from_value(json!({"threadId": id}))
        .expect("every other member of thread/resume may be absent");
    params.model = job.model.clone();
    params.cwd = Some(job.cwd.display().to_string());
    params.approval_policy = Some(APPROVAL.0);
    params.sandbox = job.sandbox;
    params.runtime_workspace_roots = roots(job);
    params.config = config(job);
    params.exclude_turns = true;
    let response = client.request::<ThreadResume>(&params).await?;
    Ok(Opened {
        thread_id: response.thread.id,
        cwd: response.cwd.into_path_buf(),
        model: response.model,
        provider: response.model_provider,
        sandbox: response.sandbox,
        effort: response.reasoning_effort,
    })
}

async fn fork(client: &mut Client, job: &Job, id: String) -> anyhow::Result<Opened> {
    let mut params: ThreadForkParams = serde_json::from_value(json!({"threadId": id}))
        .expect("every other member of thread/fork may be absent");
    params.model = job.model.clone();
    params.cwd = Some(job.cwd.display().to_string());
    params.approval_policy = Some(APPROVAL.0);
    params.sandbox = job.sandbox;
    params.runtime_workspace_roots = roots(job);
    params.config = config(job);
    params.ephemeral = job.ephemeral;
    params.thread_source = job.thread_source.clone();
    params.exclude_turns = true;
    let response = client.request::<ThreadFork>(&params).await?;
    Ok(Opened {
        thread_id: response.thread.id,
        cwd: response.cwd.into_path_buf(),
        model: response.model,
        provider: response.model_provider,
        sandbox: response.sandbox,
        effort: response.reasoning_effort,
    })
}

/// Where work goes on, when there is more than the working folder.
fn roots(job: &Job) -> Option<Vec<AbsolutePathBuf>> {
    if job.add_dirs.is_empty() {
        return None;
    }
    let folders = std::iter::once(&job.cwd).chain(&job.add_dirs);
    Some(
        folders
            .filter_map(|folder| AbsolutePathBuf::new(folder.display().to_string()))
            .collect(),
    )
}

/// Further folders are writable, in a sandbox that lets the working folder be written.
fn config(job: &Job) -> Option<Map<String, Value>> {
    if job.add_dirs.is_empty() {
        return None;
    }
    let folders: Vec<String> = job
        .add_dirs
        .iter()
        .map(|folder| folder.display().to_string())
        .collect();
    let mut config = Map::new();
    config.insert(
        "sandbox_workspace_write.writable_roots".to_owned(),
        json!(folders),
    );
    Some(config)
}

/// The id that was given, or that of the latest thread with the name that was given.
async fn find(client: &mut Client, wanted: &str) -> anyhow::Result<String> {
    if wanted.parse::<loomd_base::ThreadId>().is_ok() {
        return Ok(wanted.to_owned());
    }
    let params = ThreadListParams {
        search_term: Some(wanted.to_owned()),
        limit: Some(NAMED_THREADS_MAX),
        ..every_thread()
    };
    let threads = client.request::<ThreadList>(&params).await?.data;
    let named = threads
        .into_iter()
        .find(|thread| thread.name.as_deref() == Some(wanted));
    match named {
        Some(thread) => Ok(thread.id),
        None => bail!("there is no thread with the id or name `{wanted}`"),
    }
}

async fn latest(client: &mut Client, cwd: Option<&PathBuf>) -> anyhow::Result<Option<String>> {
    let params = ThreadListParams {
        limit: Some(1),
        cwd: cwd.map(|cwd| ThreadListCwdFilter::One(cwd.display().to_string())),
        ..every_thread()
    };
    let threads = client.request::<ThreadList>(&params).await?.data;
    Ok(threads.into_iter().next().map(|thread| thread.id))
}

/// Threads of any provider that a user started, latest first.
pub(crate) fn every_thread() -> ThreadListParams {
    ThreadListParams {
        sort_key: Some(ThreadSortKey::UpdatedAt),
        model_providers: Some(Vec::new()),
        source_kinds: Some(vec![
            ThreadSourceKind::Cli,
            ThreadSourceKind::Vscode,
            ThreadSourceKind::Exec,
            ThreadSourceKind::AppServer,
        ]),
        ..ThreadListParams::default()
    }
}
