//! Writes the files of a plan from inside the sandbox.
//!
//! The check before it goes by names, and names can change meaning until the write. So the
//! writing itself is done by a process that could not write anything else: the sandbox's
//! helper, which is sent the plan and answers as [`disk::write`] does.

use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::process::Stdio;

use loomd_sandbox::{Job, STATUS_BYTES_MAX, Task, What, verdict};

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

/// Carries out a plan, confined.
///
/// # Errors
/// The text for the model, when a step failed; then the files are as before.
pub(crate) async fn write(plan: Plan, confinement: Confinement) -> Result<Plan, String> {
    match send(plan, confinement).await {
        Ok((plan, answer)) => answer.map(|()| plan),
        Err(error) => Err(format!("apply_patch failed: {error}\nNo file was changed.")),
    }
}

async fn send(plan: Plan, confinement: Confinement) -> io::Result<(Plan, Result<(), String>)> {
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
    let mut child = launch(confined.command).await?;
    let (mut guard, status) = (confined.guard, confined.status);
    guard.started();
    let talk = move || {
        let answer = (|| {
            if let Some(status) = status {
                let mut told = Vec::new();
                status.take(STATUS_BYTES_MAX).read_to_end(&mut told)?;
                verdict(&told).map_err(sandbox_error)?;
            }
            if let Some(mut input) = child.stdin.take() {
                input.write_all(&serde_json::to_vec(&plan)?)?;
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
        answer.map(|answer| (plan, answer))
    };
    tokio::task::spawn_blocking(talk)
        .await
        .map_err(io::Error::other)?
}

/// Runs inside the sandbox: reads a plan, carries it out, answers.
fn task() -> u8 {
    let done = serde_json::from_reader::<_, Plan>(io::stdin().lock())
        .map_err(|error| format!("the plan cannot be read: {error}"))
        .and_then(|plan| disk::write(&plan));
    let answer = serde_json::to_vec(&done).unwrap_or_default();
    let mut output = io::stdout().lock();
    // The helper ends without any of the usual last steps, so nothing else would flush.
    let written = output.write_all(&answer).and_then(|()| output.flush());
    u8::from(written.is_err())
}
