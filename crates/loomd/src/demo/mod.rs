//! `loomd demo`: the main job from end to end, on a machine with no network and no key.
//!
//! A server and a client in this process, a real thread in a folder of its own, real
//! commands and a real patch, with the offline model in the place of a real one. Then a
//! second server reads the thread back from the disk and goes on with it. Everything
//! shown is taken from what the servers say; what must be so is checked, and decides
//! the exit code.

mod ledger;
mod script;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Args;
use loomd_config::Environment;
use loomd_protocol::{
    ThreadList, ThreadResume, ThreadResumeParams, ThreadStart, ThreadStartParams, ThreadTurnsList,
    ThreadTurnsListParams, TokenUsageBreakdown, Turn, TurnItemsView, TurnStart, TurnStartParams,
    TurnStatus, UserInput,
};
use loomd_server::{Server, ServerOptions};
use serde_json::json;

use crate::client::{Client, Heard};
use crate::console::{Console, Paint, Style};
use crate::exec::{empty_turn, every_thread};
use crate::process;
use crate::transcript::Transcript;
use ledger::{Costs, Counter};
use script::Scene;

/// What the servers know this command as.
const CLIENT_NAME: &str = "loomd_demo";

/// Pause between the pieces of an answer, so that one sees it stream. Milliseconds.
const PACE_MS: u64 = 25;

/// Folders tried for one that does not exist yet.
const FOLDERS_MAX: u32 = 100;

const CONFIG: &str = "\
# Made by `loomd demo`.
model = \"offline\"
model_provider = \"offline\"
approval_policy = \"never\"
sandbox_mode = \"danger-full-access\"
";

/// Flags of `loomd demo`.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// The folder to work in, which must not exist yet; by default one below the
    /// temporary folder
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,

    /// Do not slow the answer down for the eye
    #[arg(long)]
    fast: bool,
}

/// Where the demo happens.
struct Stage {
    home: PathBuf,
    work: PathBuf,
    environment: Environment,
    pace_ms: u64,
}

/// The demo on its way.
struct Show {
    stage: Stage,
    style: Style,
    /// What turned out not to be so.
    failures: Vec<String>,
}

type Out = Console<io::Stdout>;

/// Runs `loomd demo`. The exit code is 0 only when everything worked.
pub(crate) fn run(args: &DemoArgs, environment: Environment) -> anyhow::Result<ExitCode> {
    let style = Style::for_stream(&io::stdout(), &environment);
    let stage = Stage::set(args, environment)?;
    let mut show = Show {
        stage,
        style,
        failures: Vec::new(),
    };
    process::block_on(show.run())
}

impl Stage {
    fn set(args: &DemoArgs, environment: Environment) -> anyhow::Result<Self> {
        let folder = match &args.dir {
            Some(dir) => {
                let dir = environment.absolute(dir);
                fs::create_dir(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
                dir
            }
            None => temporary(&environment)?,
        };
        let stage = Self {
            home: folder.join("home"),
            work: folder.join("work"),
            environment,
            pace_ms: if args.fast { 0 } else { PACE_MS },
        };
        for folder in [&stage.home, &stage.work] {
            fs::create_dir(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let config = stage.home.join("config.toml");
        fs::write(&config, CONFIG).with_context(|| format!("cannot write {}", config.display()))?;
        Ok(stage)
    }

    fn server(&self) -> Arc<Server> {
        Server::new(ServerOptions::new(
            self.home.clone(),
            self.environment.clone(),
        ))
    }
}

/// A new folder below the temporary one.
fn temporary(environment: &Environment) -> anyhow::Result<PathBuf> {
    let parent = Path::new(environment.var("TMPDIR").unwrap_or("/tmp"));
    let process = std::process::id();
    for attempt in 0..FOLDERS_MAX {
        let folder = parent.join(format!("loomd-demo-{process}-{attempt}"));
        match fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot make {}", folder.display()));
            }
        }
    }
    bail!("every folder loomd-demo-* of {} is taken", parent.display())
}

impl Show {
    async fn run(&mut self) -> anyhow::Result<ExitCode> {
        let mut out = Console::new(io::stdout(), self.style);
        self.introduce(&mut out)?;
        let (thread_id, first, tokens) = self.first_act().await?;
        let second = self.second_act(&thread_id, &first, tokens).await?;

        let mut out = Console::new(io::stdout(), self.style);
        heading(&mut out, "What it cost")?;
        ledger::table(&mut out, &[first, second])?;
        if let Some(memory) = memory_peak_kib() {
            let text = format!(
                "{}.{} MiB at most, servers and client in one process",
                memory / 1024,
                memory % 1024 * 10 / 1024
            );
            note(&mut out, "memory", &text)?;
        }
        note(
            &mut out,
            "",
            "Tokens are what the offline model reports; it is a script, and free.",
        )?;
        self.leave(&mut out)
    }

    fn introduce(&self, out: &mut Out) -> anyhow::Result<()> {
        heading(out, "loomd demo")?;
        out.label("", Paint::Dim)?;
        out.flow(
            "A server and a client in this process. The model is the offline one: it needs \
             no network and no key, and follows a script that travels with the prompt. \
             Threads, commands, patches and files are real.",
        )?;
        out.end_line()?;
        note(out, "home", &self.stage.home.display().to_string())?;
        note(out, "work", &self.stage.work.display().to_string())?;
        Ok(())
    }

    /// A new thread with one turn.
    async fn first_act(&mut self) -> anyhow::Result<(String, Costs, TokenUsageBreakdown)> {
        let server = self.stage.server();
        let mut client = Client::connect(&server, CLIENT_NAME).await?;
        let params = ThreadStartParams {
            cwd: Some(self.stage.work.display().to_string()),
            ..ThreadStartParams::default()
        };
        let started = client.request::<ThreadStart>(&params).await?;
        let mut out = Console::new(io::stdout(), self.style);
        heading(&mut out, "A thread, and a turn in it")?;
        note(&mut out, "thread", &started.thread.id)?;
        let scene = script::work(self.stage.pace_ms);
        let thread_id = started.thread.id;
        let (costs, tokens) = self
            .play(&mut client, &thread_id, &scene, TokenUsageBreakdown::ZERO)
            .await?;
        client.close().await;
        server.shutdown().await;
        self.check(
            costs.output.contains(script::GREETING),
            "the patched script did not greet by name",
        );
        self.check(
            costs.files_changed == 1,
            "the patch did not change one file",
        );
        self.check(costs.commands_failed == 0, "a command failed");
        Ok((thread_id, costs, tokens))
    }

    /// Another server finds the thread on the disk and goes on with it.
    async fn second_act(
        &mut self,
        thread_id: &str,
        first: &Costs,
        tokens: TokenUsageBreakdown,
    ) -> anyhow::Result<Costs> {
        let mut out = Console::new(io::stdout(), self.style);
        heading(&mut out, "That server is gone; another one reads the disk")?;
        let server = self.stage.server();
        let mut client = Client::connect(&server, CLIENT_NAME).await?;
        let listed = client.request::<ThreadList>(&every_thread()).await?.data;
        let listed = listed.iter().find(|thread| thread.id == thread_id);
        self.check(listed.is_some(), "the thread is not in the list");
        if let Some(thread) = listed {
            let first_line = thread.preview.lines().next().unwrap_or_default();
            note(&mut out, "list", &format!("1 thread: \"{first_line}\""))?;
        }
        let mut params: ThreadResumeParams = serde_json::from_value(json!({"threadId": thread_id}))
            .expect("every other member of thread/resume may be absent");
        params.exclude_turns = true;
        client.request::<ThreadResume>(&params).await?;
        let turns = stored_turns(&mut client, thread_id).await?;
        let items: Vec<&String> = turns
            .iter()
            .flat_map(|turn| turn.items.iter().map(|item| &item.id))
            .collect();
        let text = format!(
            "{} of the {} items that were streamed are in the history",
            first.items.iter().filter(|id| items.contains(id)).count(),
            first.items.len()
        );
        note(&mut out, "resume", &text)?;
        self.check(
            turns.len() == 1 && first.items.iter().all(|id| items.contains(&id)),
            "the history from the disk is not what was streamed",
        );
        let scene = script::again(self.stage.pace_ms);
        let (costs, _) = self.play(&mut client, thread_id, &scene, tokens).await?;
        client.close().await;
        server.shutdown().await;
        let file = self.stage.work.join(script::FILE);
        let content = fs::read_to_string(&file).unwrap_or_default();
        self.check(
            !content.is_empty() && costs.output == content,
            "the second turn did not read the file that the first one left",
        );
        Ok(costs)
    }

    /// One turn, shown and counted.
    async fn play(
        &mut self,
        client: &mut Client,
        thread_id: &str,
        scene: &Scene,
        before: TokenUsageBreakdown,
    ) -> anyhow::Result<(Costs, TokenUsageBreakdown)> {
        let console = Console::new(io::stdout(), self.style);
        let cwd = self.stage.work.clone();
        let mut transcript = Transcript::new(console, thread_id.to_owned(), cwd);
        transcript.user(scene.prompt)?;
        let params = TurnStartParams {
            input: vec![UserInput::Text {
                text: scene.text(),
                text_elements: Vec::new(),
            }],
            ..empty_turn(thread_id)
        };
        let turn = client.request::<TurnStart>(&params).await?.turn;
        let mut counter = Counter::new(turn.id, before);
        loop {
            let heard = client.next().await?;
            counter.count(&heard);
            transcript.show(&heard)?;
            if let Heard::TurnCompleted(ended) = &heard
                && ended.thread_id == thread_id
            {
                let completed = ended.turn.status == TurnStatus::Completed;
                self.check(completed, "a turn did not complete");
                return Ok(counter.ended(&ended.turn));
            }
        }
    }

    fn check(&mut self, holds: bool, otherwise: &str) {
        if !holds {
            self.failures.push(otherwise.to_owned());
        }
    }

    fn leave(&self, out: &mut Out) -> anyhow::Result<ExitCode> {
        if !self.failures.is_empty() {
            heading(out, "Something is wrong")?;
            for failure in &self.failures {
                out.label("wrong", Paint::Red)?;
                out.flow(failure)?;
                out.end_line()?;
            }
            return Ok(ExitCode::FAILURE);
        }
        let home = self.stage.home.display();
        heading(out, "Where to go from here")?;
        out.label("try", Paint::Cyan)?;
        for line in [
            format!("export LOOMD_HOME={home}"),
            "loomd threads".to_owned(),
            "loomd exec --skip-git-repo-check resume --last --all \"hello\"".to_owned(),
            "loomd app-server --listen ws://127.0.0.1:4500".to_owned(),
        ] {
            out.kept(&line, None)?;
        }
        note(
            out,
            "files",
            &format!(
                "The thread is a file below {home}/sessions. Remove it all with rm -r {}",
                self.stage
                    .home
                    .parent()
                    .unwrap_or(&self.stage.home)
                    .display()
            ),
        )?;
        note(
            out,
            "real",
            "For a real model, name one in ~/.codex/config.toml (loomd doctor says whether \
             it can be used) and start your editor or SDK with loomd app-server.",
        )?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The turns that the server has read back, with all of their items.
async fn stored_turns(client: &mut Client, thread_id: &str) -> anyhow::Result<Vec<Arc<Turn>>> {
    let mut params: ThreadTurnsListParams = serde_json::from_value(json!({"threadId": thread_id}))
        .expect("every other member of thread/turns/list may be absent");
    params.items_view = Some(TurnItemsView::Full);
    Ok(client.request::<ThreadTurnsList>(&params).await?.data)
}

fn heading(out: &mut Console<impl Write>, text: &str) -> io::Result<()> {
    let style = out.style;
    out.line("")?;
    out.line(&style.paint(Paint::Bold, text))?;
    out.line(&style.paint(Paint::Dim, &"-".repeat(text.chars().count())))
}

fn note(out: &mut Console<impl Write>, label: &str, text: &str) -> io::Result<()> {
    out.label(label, Paint::Cyan)?;
    out.flow(text)?;
    out.end_line()
}

/// The most memory this process has held, in KiB; known on Linux only.
fn memory_peak_kib() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}
