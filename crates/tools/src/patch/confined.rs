//! Writes the files of a plan from inside the sandbox.
//!
//! The check before it goes by names, and names can change meaning until the write. So the
//! writing itself is done by a process that could not write anything else: the sandbox's
//! helper, which is sent the plan and answers as [`disk::write`] does.

use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Arc;

use loomd_sandbox::{Guard, Job, STATUS_BYTES_MAX, Task, What, verdict};
use serde::{Deserialize, Serialize};

use super::disk;
use super::plan::Plan;
use crate::confine::Confinement;
use crate::exec::{launch, sandbox_error};

/// The name by which the helper knows the task.
const NAME: &str = "write-files";

/// The task for the helper.
pub(crate) const TASK: Task = (NAME, task);

/// Bytes of an answer that are read.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// What the helper is to do with a plan.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum Order {
    Write,
    PutBack,
}

/// What came of an order that was sent.
type Sent = Result<Result<(), String>, Lost>;

/// Why there is no answer.
struct Lost {
    error: io::Error,
    /// Whether the helper may have begun.
    begun: bool,
}

/// Carries out a plan, confined.
///
/// # Errors
/// The text for the model, when a step failed; then the files are as before, unless the text
/// says otherwise.
pub(crate) async fn write(plan: Plan, confinement: Confinement) -> Result<Plan, String> {
    let plan = Arc::new(plan);
    let lost = match send(Order::Write, Arc::clone(&plan), confinement.clone()).await {
        Ok(Ok(())) => return Ok(Arc::unwrap_or_clone(plan)),
        Ok(Err(text)) => return Err(text),
        Err(lost) => lost,
    };
    // It was killed, who knows where: memory ran out, or somebody did.
    let end = if lost.begun {
        match send(Order::PutBack, plan, confinement).await {
            Ok(Ok(())) => "No file was changed.".to_owned(),
            Ok(Err(text)) => text,
            Err(_) => "The files may be changed in part.".to_owned(),
        }
    } else {
        "No file was changed.".to_owned()
    };
    Err(format!("apply_patch failed: {}\n{end}", lost.error))
}

async fn send(order: Order, plan: Arc<Plan>, confinement: Confinement) -> Sent {
    let unbegun = |error| Lost {
        error,
        begun: false,
    };
    let (child, guard, status) = start(confinement).await.map_err(unbegun)?;
    let talk = move || talk(child, guard, status, order, &plan);
    tokio::task::spawn_blocking(talk)
        .await
        .map_err(io::Error::other)
        .map_err(|error| Lost { error, begun: true })?
}

/// Starts the helper.
async fn start(confinement: Confinement) -> io::Result<(Child, Guard, Option<io::PipeReader>)> {
    let prepare = move || {
        let job = Job {
            what: What::Task(NAME),
            folder: Path::new("/"),
            terminal: false,
        };
        confinement.command(&job)
    };
    let mut confined = tokio::task::spawn_blocking(prepare)
        .await
        .map_err(io::Error::other)?
        .map_err(sandbox_error)?;
    confined
        .command
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let child = launch(confined.command).await?;
    let (mut guard, status) = (confined.guard, confined.status);
    guard.started();
    Ok((child, guard, status))
}

/// Gives the helper its order and reads its answer.
fn talk(
    mut child: Child,
    guard: Guard,
    status: Option<io::PipeReader>,
    order: Order,
    plan: &Plan,
) -> Sent {
    let mut begun = false;
    let answer = (|| {
        if let Some(status) = status {
            let mut told = Vec::new();
            status.take(STATUS_BYTES_MAX).read_to_end(&mut told)?;
            verdict(&told).map_err(sandbox_error)?;
        }
        if let Some(mut input) = child.stdin.take() {
            let order = serde_json::to_vec(&(order, plan))?;
            begun = true;
            input.write_all(&order)?;
        }
        let mut answer = Vec::new();
        if let Some(output) = child.stdout.take() {
            output.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
        }
        Ok(serde_json::from_slice(&answer)?)
    })();
    // Its streams are closed; it has nothing to wait for.
    let _ = child.wait();
    drop(guard);
    answer.map_err(|error| Lost { error, begun })
}

/// Runs inside the sandbox: reads an order, carries it out, answers.
fn task() -> u8 {
    let done = serde_json::from_reader::<_, (Order, Plan)>(io::stdin().lock())
        .map_err(|error| format!("the plan cannot be read: {error}"))
        .and_then(|(order, plan)| match order {
            Order::Write => disk::write(&plan),
            Order::PutBack => {
                disk::put_back(&plan).map_err(|lost| format!("{lost} changes could not be undone."))
            }
        });
    let answer = serde_json::to_vec(&done).unwrap_or_default();
    let mut output = io::stdout().lock();
    // The helper ends without any of the usual last steps, so nothing else would flush.
    let written = output.write_all(&answer).and_then(|()| output.flush());
    u8::from(written.is_err())
}
