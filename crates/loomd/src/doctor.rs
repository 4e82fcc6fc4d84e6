//! `loomd doctor`: is everything in place?
//!
//! Each check looks at the thing itself and says what it saw; nothing is repaired and
//! nothing is sent anywhere.

use std::fs::{self, File};
use std::io::{self, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use loomd_base::SystemClock;
use loomd_config::auth::{CodexApiKey, bearer_token, stored_login};
use loomd_config::{Config, Environment, Loader, SandboxMode, find_home};
use loomd_execpolicy::{RuleError, RuleStore};
use loomd_rollout::layout;
use loomd_rpc::default_socket_path;
use loomd_sandbox::{Error as SandboxError, Sandbox};

use crate::console::{Console, Paint, Style};
use crate::settings::SettingFlags;

/// The file that is made to see whether the home folder can be written to.
const PROBE: &str = ".loomd-doctor";

/// Flags of `loomd doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Only what is not in order
    #[arg(short, long)]
    quiet: bool,
}

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Good,
    /// It works, but somebody should look.
    Doubtful,
    /// Something cannot work like this.
    Bad,
}

/// One check.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    verdict: Verdict,
    subject: &'static str,
    text: String,
}

impl Finding {
    fn new(verdict: Verdict, subject: &'static str, text: impl Into<String>) -> Self {
        Self {
            verdict,
            subject,
            text: text.into(),
        }
    }
}

/// Runs `loomd doctor`. The exit code is 1 when something cannot work.
pub(crate) fn run(
    args: &DoctorArgs,
    settings: &SettingFlags,
    environment: &Environment,
) -> anyhow::Result<ExitCode> {
    let stdout = io::stdout();
    let style = Style::for_stream(&stdout, environment);
    let overrides = settings.settings()?;
    let findings = examine(environment, overrides);
    let mut console = Console::new(stdout.lock(), style);
    show(&mut console, &findings, args.quiet).context("cannot write to standard output")?;
    let bad = findings.iter().any(|f| f.verdict == Verdict::Bad);
    Ok(ExitCode::from(u8::from(bad)))
}

fn show(console: &mut Console<impl Write>, findings: &[Finding], quiet: bool) -> io::Result<()> {
    for finding in findings {
        let (word, paint) = match finding.verdict {
            Verdict::Good if quiet => continue,
            Verdict::Good => ("ok", Paint::Green),
            Verdict::Doubtful => ("look", Paint::Yellow),
            Verdict::Bad => ("wrong", Paint::Red),
        };
        console.label(word, paint)?;
        console.flow(&format!("{}: {}", finding.subject, finding.text))?;
        console.end_line()?;
    }
    Ok(())
}

fn examine(environment: &Environment, overrides: Vec<(String, toml::Value)>) -> Vec<Finding> {
    let home = find_home(environment);
    let mut findings = vec![
        Finding::new(
            Verdict::Good,
            "version",
            format!(
                "loomd {}, protocol {}",
                loomd_server::VERSION,
                loomd_server::PROTOCOL_VERSION
            ),
        ),
        home_folder(&home),
    ];
    let loader = Loader::new(home.clone(), overrides, environment.clone());
    findings.extend(configuration(&loader, &environment.current_dir));
    let request = serde_json::Map::new();
    if let Ok(config) = loader.load(Some(&environment.current_dir), &request) {
        findings.push(provider(&config, environment));
        let try_out = || Sandbox::new(Arc::new(SystemClock::new())).try_out();
        findings.push(sandbox(config.sandbox_mode, try_out));
        findings.extend(rules(&home, &config.rule_folders()));
    }
    findings.push(socket(&default_socket_path(&home)));
    findings.extend(rollouts(&home));
    findings
}

fn home_folder(home: &Path) -> Finding {
    const SUBJECT: &str = "home";
    let shown = home.display();
    if !home.exists() {
        let text = format!("{shown} does not exist yet; it is made when first needed");
        return Finding::new(Verdict::Good, SUBJECT, text);
    }
    let probe = home.join(PROBE);
    let written = fs::write(&probe, "").and_then(|()| fs::remove_file(&probe));
    match written {
        Ok(()) => Finding::new(Verdict::Good, SUBJECT, format!("{shown} can be written to")),
        Err(error) => Finding::new(
            Verdict::Bad,
            SUBJECT,
            format!("{shown} cannot be written to: {error}"),
        ),
    }
}

fn configuration(loader: &Loader, cwd: &Path) -> Vec<Finding> {
    const SUBJECT: &str = "config";
    let warnings = loader.warnings(Some(cwd));
    if warnings.is_empty() {
        let file = loader.user_file();
        let text = if file.exists() {
            format!("{} is in order", file.display())
        } else {
            format!("there is no {}; defaults apply", file.display())
        };
        return vec![Finding::new(Verdict::Good, SUBJECT, text)];
    }
    let broken = loader.load(Some(cwd), &serde_json::Map::new()).is_err();
    warnings
        .into_iter()
        .map(|warning| {
            let text = match warning.details {
                Some(details) => format!("{}\n{details}", warning.summary),
                None => warning.summary,
            };
            let verdict = if broken {
                Verdict::Bad
            } else {
                Verdict::Doubtful
            };
            Finding::new(verdict, SUBJECT, text)
        })
        .collect()
}

fn provider(config: &Config, environment: &Environment) -> Finding {
    const SUBJECT: &str = "provider";
    let provider = config.provider();
    let model = config.model.as_deref().unwrap_or("its default model");
    let place = provider
        .base_url
        .as_deref()
        .map_or_else(String::new, |url| format!(" at {url}"));
    let chosen = format!(
        "{model} by {} ({}){place}",
        config.model_provider, provider.name
    );
    if provider.auth.is_some() {
        let text = format!("{chosen}; its token comes from a command");
        return Finding::new(Verdict::Good, SUBJECT, text);
    }
    let stored = match stored_login(&config.home) {
        Ok(stored) => stored,
        Err(error) => {
            return Finding::new(Verdict::Bad, SUBJECT, format!("{chosen}; login: {error}"));
        }
    };
    match bearer_token(provider, environment, stored.as_ref(), CodexApiKey::Counts) {
        Ok(Some(_)) => Finding::new(Verdict::Good, SUBJECT, format!("{chosen}; a key is there")),
        Ok(None) if provider.requires_openai_auth => Finding::new(
            Verdict::Doubtful,
            SUBJECT,
            format!("{chosen}; it needs a key, and there is none: set OPENAI_API_KEY"),
        ),
        Ok(None) => Finding::new(Verdict::Good, SUBJECT, format!("{chosen}; it needs no key")),
        Err(error) => Finding::new(Verdict::Bad, SUBJECT, format!("{chosen}; {error}")),
    }
}

/// What commands of the model may do, and whether this machine can hold them to it.
fn sandbox(mode: SandboxMode, try_out: impl FnOnce() -> Result<(), SandboxError>) -> Finding {
    const SUBJECT: &str = "sandbox";
    let mode = match mode {
        SandboxMode::DangerFullAccess => {
            let text = "danger-full-access: commands of the model may do what you may do";
            return Finding::new(Verdict::Good, SUBJECT, text);
        }
        SandboxMode::ReadOnly => "read-only: commands of the model may read and not write",
        SandboxMode::WorkspaceWrite => {
            "workspace-write: commands of the model may write the folder they work in and \
             temporary files"
        }
    };
    match try_out() {
        Ok(()) => {
            let text = format!("{mode}; this machine can hold them to it");
            Finding::new(Verdict::Good, SUBJECT, text)
        }
        Err(error) => {
            let text = format!("{mode}; none of them will run here: {error}");
            Finding::new(Verdict::Bad, SUBJECT, text)
        }
    }
}

/// The rules about commands; a fault in one file takes away what all of them allow.
fn rules(home: &Path, folders: &[PathBuf]) -> Vec<Finding> {
    const SUBJECT: &str = "rules";
    let rules = RuleStore::new(home).rules(folders);
    if rules.errors().is_empty() {
        let text = match rules.len() {
            0 => "none are written".to_owned(),
            count => format!("{count} about commands"),
        };
        return vec![Finding::new(Verdict::Good, SUBJECT, text)];
    }
    let text = |error: &RuleError| format!("{error}; until this is mended no rule allows anything");
    let findings = rules.errors().iter();
    findings
        .map(|error| Finding::new(Verdict::Doubtful, SUBJECT, text(error)))
        .collect()
}

fn socket(path: &Path) -> Finding {
    const SUBJECT: &str = "server";
    let shown = path.display();
    match UnixStream::connect(path) {
        Ok(_) => Finding::new(Verdict::Good, SUBJECT, format!("one listens at {shown}")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Finding::new(Verdict::Good, SUBJECT, format!("none listens at {shown}"))
        }
        Err(error) => Finding::new(
            Verdict::Doubtful,
            SUBJECT,
            format!("{shown} is there, but no server answers ({error}); the next one replaces it"),
        ),
    }
}

/// Reads every stored thread from its first line to its last.
fn rollouts(home: &Path) -> Vec<Finding> {
    const SUBJECT: &str = "threads";
    let files = match layout::scan(home) {
        Ok(files) => files,
        Err(error) => {
            let text = format!("the folder of stored threads cannot be read: {error}");
            return vec![Finding::new(Verdict::Bad, SUBJECT, text)];
        }
    };
    let mut count = 0u64;
    let mut bytes = 0u64;
    let mut findings = Vec::new();
    for file in files {
        count += 1;
        bytes = bytes.saturating_add(file.size);
        if let Some(text) = damage(&file.path) {
            let text = format!("{}: {text}", file.path.display());
            findings.push(Finding::new(Verdict::Doubtful, SUBJECT, text));
        }
    }
    let text = match (count, findings.len()) {
        (0, _) => "none are stored".to_owned(),
        (_, 0) => format!("{count} stored, {} KiB, all of them whole", bytes / 1024),
        (_, torn) => format!("{count} stored, {} KiB, {torn} with damage", bytes / 1024),
    };
    findings.insert(0, Finding::new(Verdict::Good, SUBJECT, text));
    findings
}

/// What of a rollout is lost; none when all of it can be read.
fn damage(path: &PathBuf) -> Option<String> {
    let read = File::open(path).and_then(|file| loomd_rollout::decode(BufReader::new(file)));
    match read {
        Err(error) => Some(format!("cannot be read: {error}")),
        Ok(None) => Some("does not say whose thread it is".to_owned()),
        Ok(Some((_, report))) => {
            let lost = report.malformed + report.too_long + report.items_dropped;
            (lost > 0).then(|| {
                format!(
                    "{} of {} lines cannot be used; the rest can",
                    lost,
                    report.lines + report.malformed + report.too_long
                )
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn environment(home: &Path) -> Environment {
        let home = home.display().to_string();
        Environment {
            vars: BTreeMap::from([("LOOMD_HOME".to_owned(), home)]),
            home_dir: None,
            current_dir: PathBuf::from("/"),
        }
    }

    fn verdicts(findings: &[Finding]) -> Vec<(&'static str, Verdict)> {
        findings.iter().map(|f| (f.subject, f.verdict)).collect()
    }

    #[test]
    fn a_home_with_the_offline_model_and_no_sandbox_is_in_order() {
        let home = tempfile::tempdir().unwrap();
        fs::write(
            home.path().join("config.toml"),
            "model_provider = \"offline\"\nsandbox_mode = \"danger-full-access\"\n",
        )
        .unwrap();
        let findings = examine(&environment(home.path()), Vec::new());
        let expected = [
            "version", "home", "config", "provider", "sandbox", "rules", "server", "threads",
        ]
        .map(|subject| (subject, Verdict::Good));
        assert_eq!(verdicts(&findings), expected, "{findings:?}");
        assert!(!home.path().join(PROBE).exists());
    }

    #[test]
    fn a_broken_configuration_is_wrong_and_names_the_place() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("config.toml"), "model = [\n").unwrap();
        let findings = examine(&environment(home.path()), Vec::new());
        let config = findings.iter().find(|f| f.subject == "config").unwrap();
        assert_eq!(config.verdict, Verdict::Bad);
        assert!(config.text.contains("config.toml:1:"), "{}", config.text);
    }

    #[test]
    fn a_machine_that_cannot_confine_is_wrong_where_it_has_to() {
        let refuses = || Err(SandboxError::Unavailable("no namespaces".to_owned()));
        let found = sandbox(SandboxMode::ReadOnly, refuses);
        assert_eq!(found.verdict, Verdict::Bad);
        assert!(
            found.text.ends_with("cannot be set up: no namespaces"),
            "{}",
            found.text
        );
        let found = sandbox(SandboxMode::DangerFullAccess, refuses);
        assert_eq!(found.verdict, Verdict::Good);
        let found = sandbox(SandboxMode::WorkspaceWrite, || Ok(()));
        assert_eq!(found.verdict, Verdict::Good);
    }

    #[test]
    fn a_rules_file_with_a_fault_is_named_with_the_place() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("rules");
        fs::create_dir(&folder).unwrap();
        let file = folder.join("own.rules");
        fs::write(&file, "prefix_rule(pattern=[\"x\"], decision=\"allow\")\n").unwrap();
        let found = rules(home.path(), &[]);
        assert_eq!(found[0].text, "1 about commands");
        fs::write(&file, "prefix_rule(\n").unwrap();
        let found = rules(home.path(), &[]);
        assert_eq!(found[0].verdict, Verdict::Doubtful);
        assert!(found[0].text.contains("own.rules:"), "{}", found[0].text);
    }

    #[test]
    fn a_torn_rollout_is_found() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("sessions/2026/11/22");
        fs::create_dir_all(&folder).unwrap();
        let name = "rollout-2026-11-22T10-00-00-01a2059e-86ba-7820-adf1-61cf5705405f.jsonl";
        fs::write(folder.join(name), "{\"timestamp\":\"2026").unwrap();
        let findings = rollouts(home.path());
        assert_eq!(findings.len(), 2, "{findings:?}");
        assert_eq!(findings[1].verdict, Verdict::Doubtful);
    }
}
