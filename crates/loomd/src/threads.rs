//! `loomd threads`: what is stored in the home folder.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use loomd_base::{Clock, SystemClock};
use loomd_config::{Environment, find_home};
use loomd_protocol::{SessionSource, Thread, ThreadList, ThreadListCwdFilter, ThreadListParams};
use loomd_server::{Server, ServerOptions};

use crate::client::Client;
use crate::console::{Paint, Style, fit};
use crate::exec::every_thread;
use crate::process;
use crate::settings::SettingFlags;

/// What the server knows this command as.
const CLIENT_NAME: &str = "loomd_threads";

/// Threads asked for at once, the server's own limit.
const PAGE: u32 = 100;

/// Columns of the text of a thread, so that a row with its 36 of id fits in 80.
const TEXT_COLUMNS: usize = 28;

const EXAMPLES: &str = "\
Examples:
  loomd threads                    the latest 20
  loomd threads --here             those of this folder
  loomd threads --search parser    those with the word in their name or first message
  loomd threads --json -n 1000     one JSON object a line, as `thread/list` gives them
  loomd exec resume ID \"go on\"     go on with one";

/// Flags of `loomd threads`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ThreadsArgs {
    /// How many to list, the latest first
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    limit: u32,

    /// Only those whose name or first message holds this text
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,

    /// Only those that worked in this folder
    #[arg(long)]
    here: bool,

    /// Those that were archived, in place of the others
    #[arg(long)]
    archived: bool,

    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

/// Runs `loomd threads`.
pub(crate) fn run(
    args: &ThreadsArgs,
    settings: &SettingFlags,
    environment: Environment,
) -> anyhow::Result<ExitCode> {
    let style = Style::for_stream(&io::stdout(), &environment);
    let home = find_home(&environment);
    let mut options = ServerOptions::new(home.clone(), environment);
    options.overrides = settings.settings()?;
    let threads = process::block_on(list(options, args))?;
    let mut out = io::stdout().lock();
    let written = if args.json {
        write_json(&mut out, &threads)
    } else {
        let now = SystemClock::new().now().wall_s();
        write_table(&mut out, &threads, style, now, &home)
    };
    written.context("cannot write to standard output")?;
    Ok(ExitCode::SUCCESS)
}

async fn list(options: ServerOptions, args: &ThreadsArgs) -> anyhow::Result<Vec<Thread>> {
    let cwd = args.here.then(|| {
        let cwd = options.environment.current_dir.display().to_string();
        ThreadListCwdFilter::One(cwd)
    });
    let server = Server::new(options);
    let mut client = Client::connect(&server, CLIENT_NAME).await?;
    let mut params = ThreadListParams {
        archived: args.archived.then_some(true),
        search_term: args.search.clone(),
        cwd,
        ..every_thread()
    };
    let mut threads = Vec::new();
    let wanted = usize::try_from(args.limit).unwrap_or(usize::MAX);
    while threads.len() < wanted {
        let left = u32::try_from(wanted - threads.len()).unwrap_or(PAGE);
        params.limit = Some(left.min(PAGE));
        let page = client.request::<ThreadList>(&params).await?;
        threads.extend(page.data);
        params.cursor = page.next_cursor;
        if params.cursor.is_none() {
            break;
        }
    }
    client.close().await;
    server.shutdown().await;
    threads.truncate(wanted);
    Ok(threads)
}

fn write_json(out: &mut impl Write, threads: &[Thread]) -> io::Result<()> {
    for thread in threads {
        serde_json::to_writer(&mut *out, thread)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

fn write_table(
    out: &mut impl Write,
    threads: &[Thread],
    style: Style,
    now_s: i64,
    home: &Path,
) -> io::Result<()> {
    if threads.is_empty() {
        return writeln!(out, "No threads in {}.", home.display());
    }
    for thread in threads {
        let text = thread.name.as_deref().unwrap_or(&thread.preview);
        let text = match text.lines().find(|line| !line.trim().is_empty()) {
            Some(line) => fit(line.trim(), TEXT_COLUMNS),
            None => "(no message)".to_owned(),
        };
        writeln!(
            out,
            "{}  {:>8}  {text}",
            style.paint(Paint::Dim, &thread.id),
            age(now_s - thread.updated_at),
        )?;
    }
    let last = threads.iter().map(|thread| source(&thread.source));
    let mut sources: Vec<&str> = last.collect();
    sources.sort_unstable();
    sources.dedup();
    let summary = format!(
        "{} from {}, in {}",
        if threads.len() == 1 {
            "1 thread".to_owned()
        } else {
            format!("{} threads", threads.len())
        },
        sources.join(", "),
        home.display()
    );
    writeln!(out, "{}", style.paint(Paint::Dim, &summary))
}

fn source(source: &SessionSource) -> &str {
    match source {
        SessionSource::Cli => "the terminal UI",
        SessionSource::Vscode => "app-server clients",
        SessionSource::Exec => "exec",
        SessionSource::AppServer => "the app server",
        SessionSource::Custom(name) => name,
        SessionSource::SubAgent(_) => "agents",
        SessionSource::Unknown => "elsewhere",
    }
}

/// How long ago, in the largest unit that says something.
fn age(seconds: i64) -> String {
    match seconds {
        ..60 => "just now".to_owned(),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h", seconds / 3600),
        86_400.. => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_told_in_the_largest_unit() {
        let shown = [-5, 59, 60, 3599, 3600, 86_399, 86_400 * 400].map(age);
        let expected = [
            "just now", "just now", "1 min", "59 min", "1 h", "23 h", "400 d",
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn an_empty_home_is_no_error() {
        let mut out = Vec::new();
        let home = Path::new("/h");
        write_table(&mut out, &[], Style::PLAIN, 0, home).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "No threads in /h.\n");
    }
}
