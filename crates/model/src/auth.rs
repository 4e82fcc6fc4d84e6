//! Credentials for a model host.
//!
//! An [`Auth`] is asked before each attempt and told when a host refuses what it
//! gave. Deliberately absent: login flows and credential files; whoever has them
//! hands the key in or implements [`Auth`].

use std::fmt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt, ready};
use loomd_events::ModelFailure;
use loomd_protocol::CodexErrorInfo;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::{Env, Provider};

/// Bytes of a program's output that can be a token; what follows is not read.
const TOKEN_BYTES_MAX: u64 = 64 * 1024;
/// Bytes of a failed program's complaint that are passed on.
const COMPLAINT_BYTES_MAX: u64 = 4 * 1024;

/// A text that is not printed by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the one place that sends it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What a request proves itself with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Credential {
    /// Sent as `authorization: Bearer …`.
    pub bearer: Option<Secret>,
    /// Sent as `chatgpt-account-id`.
    pub account_id: Option<String>,
}

/// Where credentials come from.
pub trait Auth: Send + Sync + 'static {
    /// The credential for the next request.
    ///
    /// # Errors
    /// When there should be one and cannot be had; the turn then fails with this.
    fn credential(&self) -> BoxFuture<'_, Result<Credential, ModelFailure>>;

    /// A host answered 401 to the last credential. `true` when a fresh one is worth
    /// one more request.
    fn refused(&self) -> BoxFuture<'_, bool> {
        ready(false).boxed()
    }
}

/// Requests prove nothing (local hosts, the offline model).
#[derive(Debug, Clone, Copy, Default)]
pub struct NoAuth;

impl Auth for NoAuth {
    fn credential(&self) -> BoxFuture<'_, Result<Credential, ModelFailure>> {
        ready(Ok(Credential::default())).boxed()
    }
}

/// `[model_providers.ID.auth]`: a program whose trimmed output is the bearer token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthCommand {
    /// Program.
    pub command: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// How long it may take; then it is killed with its process group.
    pub timeout: Duration,
    /// How long a token is used before the program runs again; zero means until a
    /// host refuses it.
    pub refresh_interval: Duration,
    /// Its working folder.
    pub cwd: Option<PathBuf>,
}

/// The credential that a [`Provider`]'s own data asks for.
pub struct ProviderAuth(Source);

enum Source {
    Fixed(Result<Credential, ModelFailure>),
    Command {
        command: AuthCommand,
        /// Held while the program runs, so that it runs once for many requests.
        token: Mutex<Option<Token>>,
    },
}

struct Token {
    bearer: Secret,
    since: Instant,
}

impl ProviderAuth {
    /// In this order: the provider's command, the variable `env_key`, the configured
    /// token, and `login_key` where the provider wants the user's login. A variable
    /// that is not set fails each request, not the construction.
    #[must_use]
    pub fn new(provider: &Provider, env: &Env, login_key: Option<Secret>) -> Arc<Self> {
        let bearer = |bearer: Option<Secret>| {
            Source::Fixed(Ok(Credential {
                bearer,
                account_id: None,
            }))
        };
        let source = if let Some(command) = &provider.auth {
            Source::Command {
                command: command.clone(),
                token: Mutex::new(None),
            }
        } else if let Some(name) = &provider.env_key {
            match env.var(name) {
                Some(key) => bearer(Some(Secret::new(key.trim()))),
                None => Source::Fixed(Err(missing_variable(
                    name,
                    provider.env_key_instructions.as_deref(),
                ))),
            }
        } else if provider.bearer_token.is_some() {
            bearer(provider.bearer_token.clone())
        } else if provider.requires_openai_auth {
            bearer(login_key)
        } else {
            bearer(None)
        };
        Arc::new(Self(source))
    }
}

impl Auth for ProviderAuth {
    fn credential(&self) -> BoxFuture<'_, Result<Credential, ModelFailure>> {
        match &self.0 {
            Source::Fixed(credential) => ready(credential.clone()).boxed(),
            Source::Command { command, token } => async move {
                let mut token = token.lock().await;
                let fresh = token.as_ref().filter(|token| {
                    command.refresh_interval.is_zero()
                        || token.since.elapsed() < command.refresh_interval
                });
                let bearer = match fresh {
                    Some(token) => token.bearer.clone(),
                    None => {
                        let bearer = command.run().await.map_err(failure)?;
                        let since = Instant::now();
                        token.insert(Token { bearer, since }).bearer.clone()
                    }
                };
                Ok(Credential {
                    bearer: Some(bearer),
                    account_id: None,
                })
            }
            .boxed(),
        }
    }

    fn refused(&self) -> BoxFuture<'_, bool> {
        match &self.0 {
            Source::Fixed(_) => ready(false).boxed(),
            Source::Command { token, .. } => async move {
                *token.lock().await = None;
                true
            }
            .boxed(),
        }
    }
}

impl AuthCommand {
    async fn run(&self) -> Result<Secret, String> {
        let mut command = Command::new(&self.command);
        command
            .args(&self.args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .process_group(0);
        if let Some(cwd) = &self.cwd {
            command.current_dir(cwd);
        }
        let mut child = command.spawn().map_err(|error| {
            format!(
                "provider auth command `{}` failed to start: {error}",
                self.command
            )
        })?;
        let group = Group(child.id().and_then(|id| Pid::from_raw(id.cast_signed())));
        let ended = tokio::time::timeout(self.timeout, finish(&mut child)).await;
        drop(group);
        let (status, output, complaint) = match ended {
            Err(_) => {
                return Err(format!(
                    "provider auth command `{}` timed out after {} ms",
                    self.command,
                    self.timeout.as_millis()
                ));
            }
            Ok(Err(error)) => {
                return Err(format!(
                    "provider auth command `{}` failed: {error}",
                    self.command
                ));
            }
            Ok(Ok(ended)) => ended,
        };
        if !status.success() {
            return Err(format!(
                "provider auth command `{}` exited with status {status}: {}",
                self.command,
                complaint.trim()
            ));
        }
        match output.trim() {
            "" => Err(format!(
                "provider auth command `{}` printed no token",
                self.command
            )),
            token => Ok(Secret::new(token)),
        }
    }
}

/// Ends the program and what it started, also when the request is cancelled.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            // Usually nothing is left of the group by now.
            let _gone = kill_process_group(pid, Signal::KILL);
        }
    }
}

async fn finish(child: &mut Child) -> std::io::Result<(ExitStatus, String, String)> {
    let output = read_some(child.stdout.take(), TOKEN_BYTES_MAX);
    let complaint = read_some(child.stderr.take(), COMPLAINT_BYTES_MAX);
    let (output, complaint) = tokio::join!(output, complaint);
    Ok((child.wait().await?, output?, complaint?))
}

async fn read_some(pipe: Option<impl AsyncRead + Unpin>, max: u64) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        pipe.take(max).read_to_end(&mut bytes).await?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn missing_variable(name: &str, instructions: Option<&str>) -> ModelFailure {
    let mut message = format!("Missing environment variable: `{name}`.");
    if let Some(instructions) = instructions {
        message.push(' ');
        message.push_str(instructions);
    }
    failure(message)
}

fn failure(message: String) -> ModelFailure {
    ModelFailure {
        message,
        info: CodexErrorInfo::Other,
        details: None,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn provider() -> Provider {
        Provider::new("p", "P", "http://h/v1")
    }

    async fn bearer(auth: &impl Auth) -> Result<Option<String>, String> {
        match auth.credential().await {
            Ok(credential) => Ok(credential.bearer.map(|secret| secret.reveal().to_owned())),
            Err(failure) => Err(failure.message),
        }
    }

    fn shell(script: &str, timeout: Duration) -> Arc<ProviderAuth> {
        let mut provider = provider();
        provider.auth = Some(AuthCommand {
            command: "sh".to_owned(),
            args: vec!["-c".to_owned(), script.to_owned()],
            timeout,
            refresh_interval: Duration::ZERO,
            cwd: Some("/".into()),
        });
        ProviderAuth::new(&provider, &Env::empty(), None)
    }

    #[tokio::test]
    async fn a_missing_variable_is_named_with_its_instructions() {
        let mut provider = provider();
        provider.env_key = Some("KEY".to_owned());
        let auth = ProviderAuth::new(&provider, &Env::empty(), None);
        let expected = "Missing environment variable: `KEY`.".to_owned();
        assert_eq!(bearer(&*auth).await, Err(expected));
        provider.env_key_instructions = Some("Get one.".to_owned());
        let auth = ProviderAuth::new(&provider, &Env::empty(), None);
        let expected = "Missing environment variable: `KEY`. Get one.".to_owned();
        assert_eq!(bearer(&*auth).await, Err(expected));
        let env = Env::new(|name| (name == "KEY").then(|| "k\n".to_owned()));
        let auth = ProviderAuth::new(&provider, &env, None);
        assert_eq!(bearer(&*auth).await, Ok(Some("k".to_owned())));
    }

    #[tokio::test]
    async fn the_login_is_used_only_where_the_provider_wants_it() {
        let login = || Some(Secret::new("login"));
        let auth = ProviderAuth::new(&provider(), &Env::empty(), login());
        assert_eq!(bearer(&*auth).await, Ok(None));
        let openai = Provider {
            requires_openai_auth: true,
            ..provider()
        };
        let auth = ProviderAuth::new(&openai, &Env::empty(), login());
        assert_eq!(bearer(&*auth).await, Ok(Some("login".to_owned())));
    }

    #[tokio::test]
    async fn a_commands_token_is_kept_until_a_host_refuses_it() {
        let auth = shell("echo \" t$$ \"", Duration::from_secs(60));
        let first = bearer(&*auth).await;
        assert!(matches!(&first, Ok(Some(token)) if token.starts_with('t')));
        assert_eq!(bearer(&*auth).await, first);
        assert!(auth.refused().await);
        assert_ne!(bearer(&*auth).await, first);
    }

    #[tokio::test]
    async fn a_failing_command_is_quoted() {
        let auth = shell("echo no >&2; exit 3", Duration::from_secs(60));
        let expected = "provider auth command `sh` exited with status exit status: 3: no";
        assert_eq!(bearer(&*auth).await, Err(expected.to_owned()));
        let auth = shell("true", Duration::from_secs(60));
        let expected = "provider auth command `sh` printed no token";
        assert_eq!(bearer(&*auth).await, Err(expected.to_owned()));
    }

    // A child process does not hold the paused clock, so the time is over at once.
    #[tokio::test(start_paused = true)]
    async fn a_hanging_command_is_given_up() {
        let auth = shell("sleep 600", Duration::from_secs(5));
        let expected = "provider auth command `sh` timed out after 5000 ms";
        assert_eq!(bearer(&*auth).await, Err(expected.to_owned()));
    }

    #[tokio::test]
    async fn a_cancelled_command_ends_with_what_it_started() {
        let folder = tempfile::tempdir().expect("a folder");
        let fifo = folder.path().join("alive");
        let made = Command::new("mkfifo").arg(&fifo).status().await;
        assert!(made.expect("mkfifo runs").success());
        let script = format!(
            "exec 3>'{}'; echo x >&3; sleep 600 & sleep 600",
            fifo.display()
        );
        let auth = shell(&script, Duration::from_secs(600));
        let (alive, started) = tokio::sync::oneshot::channel();
        let ended = tokio::task::spawn_blocking(move || {
            let mut fifo = std::fs::File::open(fifo).expect("the fifo opens");
            fifo.read_exact(&mut [0; 2]).expect("the command starts");
            alive.send(()).expect("the test waits");
            // Only the end of all who hold the other side ends this.
            fifo.read_to_end(&mut Vec::new())
        });
        tokio::select! {
            token = bearer(&*auth) => panic!("it cannot end by itself: {token:?}"),
            started = started => started.expect("the reader is alive"),
        }
        assert_eq!(ended.await.expect("no panic").expect("readable"), 0);
    }

    #[test]
    fn secrets_are_not_printed() {
        assert_eq!(format!("{:?}", Secret::new("abc")), "Secret(…)");
    }
}
