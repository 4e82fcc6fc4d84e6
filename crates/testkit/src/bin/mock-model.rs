//! `mock-model [--port N] [--log FILE]`: the mock of the Responses API as a program.
//!
//! It prints its port on its first line and serves until it is ended.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use loomd_testkit::mock_model::MockResponses;

const USAGE: &str = "usage: mock-model [--port N] [--log FILE]";

#[derive(Default)]
struct Arguments {
    port: u16,
    log: Option<PathBuf>,
}

fn arguments() -> Result<Arguments, String> {
    let mut arguments = Arguments::default();
    let mut words = std::env::args_os().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(USAGE);
        match word.to_str() {
            Some("--port") => {
                let port = value()?;
                arguments.port = port
                    .to_str()
                    .and_then(|text| text.parse().ok())
                    .ok_or_else(|| format!("{} is not a port", port.display()))?;
            }
            Some("--log") => arguments.log = Some(value()?.into()),
            Some(_) | None => return Err(USAGE.to_owned()),
        }
    }
    Ok(arguments)
}

async fn run() -> Result<(), String> {
    let arguments = arguments()?;
    let mock = MockResponses::bind(arguments.port, arguments.log.as_deref())
        .await
        .map_err(|error| error.to_string())?;
    writeln!(std::io::stdout(), "{}", mock.port()).map_err(|error| error.to_string())?;
    mock.run().await;
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            // Nowhere else to say it; a closed stderr changes nothing.
            let _unsaid = writeln!(std::io::stderr(), "{message}");
            ExitCode::FAILURE
        }
    }
}
