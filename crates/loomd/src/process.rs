//! This process: its environment, its runtime, how its errors are shown.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::future::Future;
use std::num::NonZero;
use std::path::PathBuf;

use anyhow::Context;
use loomd_base::tasks::{Kind, spawn};
use loomd_config::Environment;
use tokio::runtime::{Builder, Runtime};

/// Threads that run tasks. A server of one user is idle nearly always, and waits for
/// models and commands when it is not.
const WORKERS_MAX: usize = 4;

/// Threads for work that waits for a disk. They come when needed and go when idle;
/// further work waits for one.
const BLOCKING_THREADS_MAX: usize = 64;

/// Reads what the process was started with. This is the only place that asks for it.
///
/// # Errors
/// There is no working folder (it was removed).
pub(crate) fn environment() -> anyhow::Result<Environment> {
    let vars: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let home_dir = vars
        .get("HOME")
        .filter(|home| !home.is_empty())
        .map(PathBuf::from)
        .or_else(std::env::home_dir);
    let current_dir = std::env::current_dir().context("cannot tell the working folder")?;
    Ok(Environment {
        vars,
        home_dir,
        current_dir,
    })
}

/// Runs `main` on a runtime of its own and gives back what it gives.
///
/// Returns as soon as `main` does: tasks are dropped, and a thread that still waits
/// in a read of standard input is left to the end of the process.
///
/// # Errors
/// The runtime cannot be made, or the error of `main`.
pub(crate) fn block_on<T>(main: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = runtime().context("cannot start the runtime")?;
    let outcome = runtime.block_on(async {
        spawn(Kind::Background, reap_orphans());
        main.await
    });
    runtime.shutdown_background();
    outcome
}

fn runtime() -> std::io::Result<Runtime> {
    let workers = std::thread::available_parallelism().map_or(1, NonZero::get);
    Builder::new_multi_thread()
        .worker_threads(workers.min(WORKERS_MAX))
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .enable_all()
        .build()
}

/// Reaps what commands leave behind, for as long as the runtime lives.
async fn reap_orphans() {
    if let Err(error) = loomd_server::reap_orphans().await {
        tracing::debug!(%error, "orphans of commands go to the first process of the machine");
    }
}

/// Whether the error is that nobody reads our output any more.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    })
}

/// An error with its causes, for a person: `Error: WHAT`, then one cause a line.
pub(crate) fn error_text(error: &anyhow::Error) -> String {
    let mut text = format!("Error: {error}");
    let mut causes = error.chain().skip(1).peekable();
    if causes.peek().is_some() {
        text.push_str("\n\nCaused by:");
    }
    for cause in causes {
        write!(text, "\n    {cause}").expect("writing to a string cannot fail");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_shown_with_its_causes() {
        let cause = std::io::Error::from(std::io::ErrorKind::NotFound);
        let error = anyhow::Error::new(cause).context("cannot read x");
        assert_eq!(
            error_text(&error),
            "Error: cannot read x\n\nCaused by:\n    entity not found"
        );
        assert_eq!(error_text(&anyhow::anyhow!("plain")), "Error: plain");
    }
}
