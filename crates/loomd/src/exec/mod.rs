//! `loomd exec`: one turn without a person to ask.
//!
//! The flags and the JSONL are those of `codex exec` as the official TypeScript SDK
//! and other programs use them, so a program that runs that command can run this one.

mod args;
mod event;
mod items;
mod output;
mod prompt;
mod run;
mod translate;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use loomd_config::{Environment, find_home};
use loomd_protocol::SessionSource;
use loomd_server::ServerOptions;
use serde_json::Value;

pub(crate) use args::ExecArgs;
pub(crate) use run::{empty_turn, every_thread};
pub(crate) use translate::error_message;

use crate::process;
use crate::settings::SettingFlags;
use output::Output;
use run::{Job, Target};

/// Runs `loomd exec`.
pub(crate) fn run(
    args: ExecArgs,
    outer: &SettingFlags,
    environment: Environment,
) -> anyhow::Result<ExitCode> {
    let wanted = args.wanted(outer)?;
    let common = wanted.common;
    let cwd = working_folder(common.cwd.as_deref(), &environment)?;
    // Standard input is read before anything can fail: a program that writes a prompt
    // into a pipe that nobody reads is ended by it.
    let prompt = match wanted.target {
        Target::New => prompt::read(wanted.prompt.as_deref())?,
        Target::Latest { .. } | Target::Resume(_) | Target::Fork(_) => {
            prompt::read_alone(wanted.prompt)?
        }
    };
    if !common.skip_git_repo_check && !common.dangerously_bypass_approvals_and_sandbox {
        require_repository(&cwd)?;
    }
    let absolute = |paths: &[PathBuf]| {
        paths
            .iter()
            .map(|path| environment.absolute(path))
            .collect()
    };
    let job = Job {
        target: wanted.target,
        prompt,
        images: absolute(&wanted.images),
        output_schema: common.output_schema.as_deref().map(schema).transpose()?,
        sandbox: common.sandbox(),
        add_dirs: absolute(&common.add_dirs),
        model: common.model,
        ephemeral: common.ephemeral,
        thread_source: common.thread_source,
        cwd,
    };
    let output = Output::new(
        common.json,
        common.color,
        common.output_last_message,
        &environment,
    );
    let mut options = ServerOptions::new(find_home(&environment), environment);
    options.overrides = wanted.settings;
    options.source = SessionSource::Exec;
    process::block_on(run::run(options, job, output))
}

fn working_folder(cd: Option<&Path>, environment: &Environment) -> anyhow::Result<PathBuf> {
    let cwd = cd.map_or_else(
        || environment.current_dir.clone(),
        |cd| environment.absolute(cd),
    );
    if !cwd.is_dir() {
        bail!("there is no folder {}", cwd.display());
    }
    Ok(cwd)
}

/// Nobody watches what is changed, so it should be where it can be undone.
fn require_repository(cwd: &Path) -> anyhow::Result<()> {
    // An empty folder of that name may only hold the place of one in a sandbox.
    let is_repository = |folder: &Path| {
        let git = folder.join(".git");
        git.is_file() || git.join("HEAD").exists()
    };
    if !cwd.ancestors().any(is_repository) {
        bail!(
            "{} is not inside a Git repository, where changes could be undone; \
             --skip-git-repo-check works there all the same",
            cwd.display()
        );
    }
    Ok(())
}

fn schema(path: &Path) -> anyhow::Result<Value> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("failed to read output schema file {}", path.display()))?;
    serde_json::from_str(&text)
        .with_context(|| format!("output schema file {} is not valid JSON", path.display()))
}
