//! The flags of `loomd exec`, and how they stand before and behind `resume`.

use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, Subcommand, ValueEnum};
use loomd_protocol::SandboxMode;

use super::run::Target;
use crate::settings::{Setting, SettingFlags};

const ABOUT: &str = "Do one task without asking back, and print the answer";

const LONG_ABOUT: &str = "\
Do one task without asking back, and print the model's last message on standard
output. What happens meanwhile is shown on standard error; with --json everything
is on standard output, one event a line.

There is nobody to ask, so what the sandbox or a rule does not allow is refused.
The exit code is 0 when the turn completed and 1 when it failed.";

const EXAMPLES: &str = "\
Examples:
  loomd exec --sandbox workspace-write \"fix the failing test\"
  git diff | loomd exec \"review this change\"
  loomd exec --json - < prompt.txt | jq -r .type
  loomd exec --output-schema answer.json -o answer.txt \"which crates are unused?\"
  loomd exec resume --last \"and now the other one\"";

// Flags of `loomd exec`.
#[derive(Debug, Args)]
#[command(about = ABOUT, long_about = LONG_ABOUT, after_help = EXAMPLES)]
pub(crate) struct ExecArgs {
    /// What to do; `-` or nothing reads it from standard input. Text that is piped in
    /// beside a prompt is put behind it
    prompt: Option<String>,

    #[command(flatten)]
    settings: SettingFlags,

    /// An image to show the model; may be repeated
    #[arg(short, long = "image", value_name = "FILE", value_delimiter = ',', num_args = 1..)]
    images: Vec<PathBuf>,

    #[command(flatten)]
    common: CommonFlags,

    #[command(subcommand)]
    command: Option<ExecCommand>,
}

/// Flags that may stand before or behind `resume`.
#[derive(Debug, Args)]
pub(super) struct CommonFlags {
    /// The model to ask
    #[arg(short, long, global = true, value_name = "MODEL")]
    pub(super) model: Option<String>,

    /// What commands of the model may do
    #[arg(short, long, global = true, value_name = "SANDBOX_MODE")]
    sandbox: Option<Sandbox>,

    /// Run commands without any sandbox. Only for machines that confine them otherwise
    #[arg(long, alias = "yolo", global = true, conflicts_with = "sandbox")]
    pub(super) dangerously_bypass_approvals_and_sandbox: bool,

    /// The older name of --sandbox workspace-write
    #[arg(long, global = true, hide = true, conflicts_with_all = ["sandbox", "dangerously_bypass_approvals_and_sandbox"])]
    full_auto: bool,

    /// The folder to work in
    #[arg(short = 'C', long = "cd", global = true, value_name = "DIR")]
    pub(super) cwd: Option<PathBuf>,

    /// A further folder that commands may write to; may be repeated
    #[arg(long = "add-dir", global = true, value_name = "DIR")]
    pub(super) add_dirs: Vec<PathBuf>,

    /// Work outside a Git repository too
    #[arg(long, global = true)]
    pub(super) skip_git_repo_check: bool,

    /// Keep nothing on disk
    #[arg(long, global = true)]
    pub(super) ephemeral: bool,

    /// Print events to standard output, one JSON object a line
    #[arg(long, alias = "experimental-json", global = true)]
    pub(super) json: bool,

    /// Write the model's last message to this file too
    #[arg(short, long, global = true, value_name = "FILE")]
    pub(super) output_last_message: Option<PathBuf>,

    /// A JSON Schema that the model's last message must follow
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) output_schema: Option<PathBuf>,

    /// When to use colours
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(super) color: Color,

    /// What the thread is for, as thread lists show it
    #[arg(long, global = true, value_name = "SOURCE", hide_short_help = true)]
    pub(super) thread_source: Option<String>,

    /// Use a model of this machine: the same as -c model_provider=ollama
    #[arg(long, global = true, hide_short_help = true)]
    oss: bool,

    /// With --oss: the program that runs it, ollama or lmstudio
    #[arg(
        long,
        global = true,
        value_name = "PROVIDER",
        default_value = "ollama",
        hide_short_help = true
    )]
    local_provider: String,

    /// Accepted for compatibility: it concerns the vendor's own service
    #[arg(long, global = true, hide = true, value_name = "PROGRAM")]
    cyber_access_program: Option<String>,
    /// Accepted for compatibility: there are no hooks to trust
    #[arg(long, global = true, hide = true)]
    dangerously_bypass_hook_trust: bool,
    /// Accepted for compatibility: no rule files are read
    #[arg(long, global = true, hide = true)]
    ignore_rules: bool,
}

#[derive(Debug, Subcommand)]
enum ExecCommand {
    /// Go on with a stored thread
    Resume(ResumeArgs),
    /// Start a new thread from a copy of a stored one
    Fork(ForkArgs),
}

#[derive(Debug, Args)]
struct ResumeArgs {
    /// The thread: its id or its name
    #[arg(value_name = "ID")]
    id: Option<String>,

    /// What to do; `-` or nothing reads it from standard input
    prompt: Option<String>,

    /// The latest thread of this folder; what would be the id is the prompt then
    #[arg(long)]
    last: bool,

    /// With --last: the latest of any folder
    #[arg(long)]
    all: bool,

    #[command(flatten)]
    more: MoreFlags,
}

#[derive(Debug, Args)]
struct ForkArgs {
    /// The thread: its id or its name
    #[arg(value_name = "ID")]
    id: String,

    /// What to do; `-` or nothing reads it from standard input
    prompt: Option<String>,

    #[command(flatten)]
    more: MoreFlags,
}

/// Flags that add up when they stand on both sides of `resume`.
#[derive(Debug, Default, Args)]
struct MoreFlags {
    #[command(flatten)]
    settings: SettingFlags,

    /// An image to show the model; may be repeated
    #[arg(short, long = "image", value_name = "FILE", value_delimiter = ',')]
    images: Vec<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Sandbox {
    /// Commands may read files, and write none
    ReadOnly,
    /// Commands may write below the working folder
    WorkspaceWrite,
    /// Commands may do what you may do
    DangerFullAccess,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    Always,
    Never,
    Auto,
}

impl CommonFlags {
    pub(super) fn sandbox(&self) -> Option<SandboxMode> {
        if self.dangerously_bypass_approvals_and_sandbox {
            return Some(SandboxMode::DangerFullAccess);
        }
        if self.full_auto {
            return Some(SandboxMode::WorkspaceWrite);
        }
        self.sandbox.map(|sandbox| match sandbox {
            Sandbox::ReadOnly => SandboxMode::ReadOnly,
            Sandbox::WorkspaceWrite => SandboxMode::WorkspaceWrite,
            Sandbox::DangerFullAccess => SandboxMode::DangerFullAccess,
        })
    }
}

/// What the flags say together.
pub(super) struct Wanted {
    pub(super) target: Target,
    /// The prompt's argument, which may be `-`.
    pub(super) prompt: Option<String>,
    pub(super) settings: Vec<Setting>,
    pub(super) images: Vec<PathBuf>,
    pub(super) common: CommonFlags,
}

impl ExecArgs {
    /// Puts together what stands before and behind the subcommands.
    ///
    /// # Errors
    /// A setting cannot be read, or `resume` does not say what.
    pub(super) fn wanted(self, outer: &SettingFlags) -> anyhow::Result<Wanted> {
        let mut settings = SettingFlags::merged(outer, &self.settings)?;
        if self.common.oss {
            let provider = toml::Value::String(self.common.local_provider.clone());
            settings.push(("model_provider".to_owned(), provider));
        }
        let mut images = self.images;
        let (target, prompt, more) = match self.command {
            None => (Target::New, self.prompt, MoreFlags::default()),
            Some(ExecCommand::Resume(resume)) => {
                let (target, prompt) = match (resume.last, resume.id, resume.prompt) {
                    (true, first, second) => {
                        let anywhere = resume.all;
                        (Target::Latest { anywhere }, second.or(first))
                    }
                    (false, Some(id), prompt) => (Target::Resume(id), prompt),
                    (false, None, _) => {
                        bail!("which thread? Give its id or its name, or --last for the latest")
                    }
                };
                (target, prompt, resume.more)
            }
            Some(ExecCommand::Fork(fork)) => (Target::Fork(fork.id), fork.prompt, fork.more),
        };
        settings.extend(more.settings.settings()?);
        images.extend(more.images);
        Ok(Wanted {
            target,
            prompt,
            settings,
            images,
            common: self.common,
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use std::path::Path;

    use super::*;
    use crate::cli::{Cli, Command};

    fn parse(words: &[&str]) -> ExecArgs {
        let words = ["loomd", "exec"].iter().chain(words);
        let Command::Exec(args) = Cli::try_parse_from(words).unwrap().command else {
            panic!("not exec");
        };
        *args
    }

    #[test]
    fn understands_the_command_line_of_the_typescript_sdk() {
        let args = parse(&[
            "--experimental-json",
            "--model",
            "m",
            "--thread-source",
            "t",
            "--sandbox",
            "workspace-write",
            "--cd",
            "/w",
            "--add-dir",
            "/a",
            "--add-dir",
            "/b",
            "--skip-git-repo-check",
            "--output-schema",
            "/s.json",
            "--config",
            "approval_policy=\"never\"",
            "resume",
            "01a20594-61d3-7ae0-aece-5cbedd813780",
            "--image",
            "/i.png",
            "--image",
            "/j.png",
        ]);
        assert!(args.common.json && args.common.skip_git_repo_check);
        assert_eq!(args.common.sandbox(), Some(SandboxMode::WorkspaceWrite));
        assert_eq!(args.common.add_dirs, [Path::new("/a"), Path::new("/b")]);
        let Some(ExecCommand::Resume(resume)) = args.command else {
            panic!("not resume");
        };
        assert_eq!(
            resume.id.as_deref(),
            Some("01a20594-61d3-7ae0-aece-5cbedd813780")
        );
        assert_eq!(resume.prompt, None);
        assert_eq!(
            resume.more.images,
            [Path::new("/i.png"), Path::new("/j.png")]
        );
    }

    #[test]
    fn understands_the_command_line_of_the_ai_sdk() {
        let args = parse(&[
            "--experimental-json",
            "-c",
            "approval_policy=never",
            "-c",
            "sandbox_mode=read-only",
            "-m",
            "m",
            "--output-last-message",
            "/o.txt",
            "--skip-git-repo-check",
            "-",
        ]);
        assert_eq!(args.prompt.as_deref(), Some("-"));
        assert_eq!(args.common.model.as_deref(), Some("m"));
        assert_eq!(
            args.common.output_last_message.as_deref(),
            Some(Path::new("/o.txt"))
        );
        assert_eq!(args.settings.settings().unwrap().len(), 2);
    }

    #[test]
    fn flags_may_stand_behind_resume() {
        let args = parse(&[
            "resume", "--last", "go on", "--json", "-c", "a=1", "-m", "n",
        ]);
        assert!(args.common.json);
        assert_eq!(args.common.model.as_deref(), Some("n"));
        let Some(ExecCommand::Resume(resume)) = args.command else {
            panic!("not resume");
        };
        assert!(resume.last);
        assert_eq!(resume.id.as_deref(), Some("go on"));
        assert_eq!(resume.more.settings.settings().unwrap().len(), 1);
    }

    #[test]
    fn bypassing_the_sandbox_and_choosing_one_exclude_each_other() {
        let words = ["loomd", "exec", "--yolo", "-s", "read-only", "hi"];
        assert!(Cli::try_parse_from(words).is_err());
        let args = parse(&["--dangerously-bypass-approvals-and-sandbox", "hi"]);
        assert_eq!(args.common.sandbox(), Some(SandboxMode::DangerFullAccess));
    }
}
