//! Logs on standard error: standard output belongs to the protocol and to answers.

use loomd_config::Environment;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// Sets up logging for the process. `RUST_LOG` says what is shown, errors alone
/// without it; a part of it that cannot be read is ignored. `LOG_FORMAT=json` writes
/// one JSON object a line.
pub(crate) fn start(environment: &Environment) {
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::ERROR.into())
        .parse_lossy(environment.var("RUST_LOG").unwrap_or_default());
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let started = match environment.var("LOG_FORMAT") {
        Some("json") => builder.json().try_init(),
        Some(_) | None => builder.with_ansi(false).try_init(),
    };
    // Only a test that set one up before can have been faster.
    if let Err(error) = started {
        tracing::debug!(%error, "logging was set up before");
    }
}
