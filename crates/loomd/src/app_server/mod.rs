//! `loomd app-server`: what clients of `codex app-server` start instead of it.

mod auth;
mod proxy;
mod schema;
mod serve;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::{Args, Subcommand};
use loomd_config::{Environment, find_home};
use loomd_rpc::Listen;
use loomd_server::ServerOptions;

use crate::process;
use crate::settings::SettingFlags;

const ABOUT: &str = "Serve clients: on stdio, a Unix socket or a WebSocket";

const LONG_ABOUT: &str = "\
Serve clients. Without --listen there is one client, on standard input and output,
and the program ends with it: that is how editors and SDKs start it. With --listen
it serves any number of clients until it is told to end.

Messages are JSON-RPC 2.0 without its header: one document a line on stdio, one per
text message over WebSocket, which is also what is spoken on a Unix socket.";

const EXAMPLES: &str = "\
Examples:
  loomd app-server
      one client on stdin and stdout; ends when stdin does
  loomd app-server --listen unix://
      the local socket, where `codex` and `loomd app-server proxy` find it
  loomd app-server --listen ws://127.0.0.1:4500
      WebSocket on this machine; GET /healthz and /readyz answer 200
  loomd app-server --listen unix:///run/agents/loomd.sock -c model_provider=offline
      a socket of your own, with one setting changed

SIGTERM, SIGINT or SIGHUP ends a socket server once no turn runs; a second SIGTERM
or SIGINT ends it at once.";

// Flags of `loomd app-server`.
#[derive(Debug, Args)]
#[command(about = ABOUT, long_about = LONG_ABOUT, after_help = EXAMPLES)]
pub(crate) struct AppServerArgs {
    #[command(flatten)]
    settings: SettingFlags,

    /// Where to take connections: stdio://, unix://, unix://PATH, ws://IP:PORT or off
    #[arg(long, value_name = "URL", default_value = "stdio://")]
    listen: Listen,

    /// The same as --listen stdio://
    #[arg(long, conflicts_with = "listen")]
    stdio: bool,

    #[command(flatten)]
    auth: auth::AuthFlags,

    #[command(flatten)]
    ignored: IgnoredFlags,

    #[command(subcommand)]
    command: Option<AppServerCommand>,
}

/// Flags that clients of the reference pass and that change nothing here.
#[derive(Debug, Args)]
struct IgnoredFlags {
    /// Analytics never leave this machine unless config.toml says so
    #[arg(long, hide = true)]
    analytics_default_enabled: bool,
    /// The client that started the server; each connection tells its own
    #[arg(long, hide = true, value_name = "JSON")]
    startup_client_info: Option<String>,
    /// What new threads are marked with by the older reference
    #[arg(long, hide = true, value_name = "SOURCE")]
    session_source: Option<String>,
}

#[derive(Debug, Subcommand)]
enum AppServerCommand {
    /// Connect stdin and stdout to the server on the local socket, byte by byte
    Proxy(proxy::ProxyArgs),
    /// Write the JSON Schema of the protocol
    GenerateJsonSchema(schema::SchemaArgs),
    /// Write the TypeScript types of the protocol
    GenerateTs(schema::TypeScriptArgs),
}

/// Runs `loomd app-server`.
pub(crate) fn run(
    args: AppServerArgs,
    outer: &SettingFlags,
    environment: Environment,
) -> anyhow::Result<ExitCode> {
    let overrides = SettingFlags::merged(outer, &args.settings)?;
    let home = find_home(&environment);
    match args.command {
        Some(AppServerCommand::Proxy(args)) => return proxy::run(&args, &environment, &home),
        Some(AppServerCommand::GenerateJsonSchema(args)) => return schema::json(&args),
        Some(AppServerCommand::GenerateTs(args)) => return schema::typescript(&args),
        None => {}
    }
    let tokens = args.auth.check(&environment)?;
    let listen = match args.listen {
        Listen::Off => bail!("no transport configured; use --listen or enable remote control"),
        Listen::Unix(Some(path)) => Listen::Unix(Some(environment.absolute(&path))),
        listen @ (Listen::Unix(None) | Listen::Stdio | Listen::WebSocket(_)) => listen,
    };
    let mut options = ServerOptions::new(PathBuf::new(), environment);
    options.home = home;
    options.overrides = overrides;
    process::block_on(serve::run(options, listen, tokens))
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use clap::error::ErrorKind;

    use super::*;
    use crate::cli::{Cli, Command};

    fn parse(words: &str) -> Result<AppServerArgs, clap::Error> {
        let words = std::iter::once("loomd").chain(words.split_whitespace());
        let Command::AppServer(args) = Cli::try_parse_from(words)?.command else {
            panic!("not the app server");
        };
        Ok(*args)
    }

    #[test]
    fn understands_every_command_line_that_clients_use() {
        for words in [
            "app-server",
            "app-server --listen stdio://",
            "app-server --stdio",
            "--config k=v app-server --listen stdio://",
            "app-server -c web_search=\"live\"",
            "app-server --analytics-default-enabled",
            "-c a=1 --enable x app-server --disable y --strict-config",
            "app-server --session-source vscode",
        ] {
            let args = parse(words).unwrap_or_else(|error| panic!("{words}: {error}"));
            assert_eq!(args.listen, Listen::Stdio, "{words}");
        }
        let args = parse("app-server --listen unix://a.sock").unwrap();
        assert_eq!(args.listen, Listen::Unix(Some("a.sock".into())));
    }

    #[test]
    fn refuses_a_listen_url_in_the_words_of_the_reference() {
        let error = parse("app-server --listen http://x").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ValueValidation);
        assert_eq!(error.exit_code(), 2);
        let text = error.to_string();
        let expected = "error: invalid value 'http://x' for '--listen <URL>': unsupported --listen URL `http://x`; expected `stdio://`, `unix://`, `unix://PATH`, `ws://IP:PORT`, or `off`\n";
        assert!(text.starts_with(expected), "{text}");
        let text = parse("app-server --listen ws://localhost:1")
            .unwrap_err()
            .to_string();
        let expected = "error: invalid value 'ws://localhost:1' for '--listen <URL>': invalid websocket --listen URL `ws://localhost:1`; expected `ws://IP:PORT`\n";
        assert!(text.starts_with(expected), "{text}");
    }

    #[test]
    fn stdio_and_listen_exclude_each_other() {
        let error = parse("app-server --stdio --listen off").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ArgumentConflict);
    }
}
