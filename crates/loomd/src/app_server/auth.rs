//! The `--ws-auth` flags: how WebSocket clients prove who they are.
//!
//! Which flags go together is decided here, in the words of the reference; what a
//! token must look like is decided where it is checked.

use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use clap::{Args, ValueEnum};
use loomd_config::Environment;

/// Bytes that a shared secret has at least: those of the HMAC's hash.
const SHARED_SECRET_BYTES_MIN: usize = 32;

/// Hexadecimal digits of a SHA-256 digest.
const SHA256_DIGITS: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// One token, known to server and clients
    CapabilityToken,
    /// A JWT signed with a shared secret (HS256)
    SignedBearerToken,
}

/// The flags as given.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "WebSocket authentication")]
pub(super) struct AuthFlags {
    /// What clients prove themselves with; needed on any address but loopback
    #[arg(long, value_name = "MODE", hide_short_help = true)]
    ws_auth: Option<Mode>,

    /// capability-token: the file that holds the token
    #[arg(long, value_name = "PATH", hide_short_help = true)]
    ws_token_file: Option<PathBuf>,

    /// capability-token: the token's SHA-256 digest, in place of the file
    #[arg(long, value_name = "HEX", hide_short_help = true)]
    ws_token_sha256: Option<String>,

    /// signed-bearer-token: the file that holds the secret, at least 32 bytes
    #[arg(long, value_name = "PATH", hide_short_help = true)]
    ws_shared_secret_file: Option<PathBuf>,

    /// signed-bearer-token: what `iss` must be
    #[arg(long, value_name = "ISSUER", hide_short_help = true)]
    ws_issuer: Option<String>,

    /// signed-bearer-token: what `aud` must be or hold
    #[arg(long, value_name = "AUDIENCE", hide_short_help = true)]
    ws_audience: Option<String>,

    /// signed-bearer-token: how far clocks may differ; 30 by default
    #[arg(long, value_name = "SECONDS", hide_short_help = true)]
    ws_max_clock_skew_seconds: Option<u64>,
}

/// What clients must show.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Tokens {
    /// Nothing.
    None,
    /// A token, given by the file that holds it or by its digest.
    Capability,
    /// A signed token.
    Signed,
}

impl AuthFlags {
    /// Checks that the flags fit together and that what they name can be used.
    ///
    /// # Errors
    /// They do not, in the words of the reference.
    pub(super) fn check(&self, environment: &Environment) -> anyhow::Result<Tokens> {
        let capability_flags = self.ws_token_file.is_some() || self.ws_token_sha256.is_some();
        let signed_flags = self.ws_shared_secret_file.is_some()
            || self.ws_issuer.is_some()
            || self.ws_audience.is_some()
            || self.ws_max_clock_skew_seconds.is_some();
        match self.ws_auth {
            None => {
                ensure!(
                    !capability_flags && !signed_flags,
                    "websocket auth flags require `--ws-auth capability-token` or `--ws-auth signed-bearer-token`"
                );
                Ok(Tokens::None)
            }
            Some(Mode::CapabilityToken) => {
                ensure!(
                    !signed_flags,
                    "`--ws-shared-secret-file`, `--ws-issuer`, `--ws-audience`, and `--ws-max-clock-skew-seconds` require `--ws-auth signed-bearer-token`"
                );
                self.check_capability(environment)?;
                Ok(Tokens::Capability)
            }
            Some(Mode::SignedBearerToken) => {
                ensure!(
                    !capability_flags,
                    "`--ws-token-file` and `--ws-token-sha256` require `--ws-auth capability-token`, not `signed-bearer-token`"
                );
                self.check_signed(environment)?;
                Ok(Tokens::Signed)
            }
        }
    }

    fn check_capability(&self, environment: &Environment) -> anyhow::Result<()> {
        match (&self.ws_token_file, &self.ws_token_sha256) {
            (Some(_), Some(_)) => {
                bail!("`--ws-token-file` and `--ws-token-sha256` are mutually exclusive")
            }
            (None, None) => bail!(
                "`--ws-token-file` or `--ws-token-sha256` is required when `--ws-auth capability-token` is set"
            ),
            (None, Some(digest)) => {
                let digest = digest.trim();
                ensure!(
                    digest.len() == SHA256_DIGITS && digest.bytes().all(|b| b.is_ascii_hexdigit()),
                    "--ws-token-sha256 must be a 64-character hex SHA-256 digest"
                );
            }
            (Some(file), None) => {
                let path = environment.absolute(file);
                let token = read(&path)?;
                ensure!(
                    !token.is_empty(),
                    "websocket auth secret {} must not be empty",
                    path.display()
                );
            }
        }
        Ok(())
    }

    fn check_signed(&self, environment: &Environment) -> anyhow::Result<()> {
        let Some(file) = &self.ws_shared_secret_file else {
            bail!(
                "`--ws-shared-secret-file` is required when `--ws-auth signed-bearer-token` is set"
            );
        };
        let path = environment.absolute(file);
        let secret = read(&path)?;
        ensure!(
            secret.len() >= SHARED_SECRET_BYTES_MIN,
            "signed websocket bearer secret {} must be at least {SHARED_SECRET_BYTES_MIN} bytes",
            path.display()
        );
        Ok(())
    }
}

fn read(path: &std::path::Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("failed to read websocket auth secret {}", path.display()))?;
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use clap::Parser;
    use expect_test::expect;

    use super::*;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        flags: AuthFlags,
    }

    fn check(words: &str, folder: &std::path::Path) -> anyhow::Result<Tokens> {
        let environment = Environment {
            vars: std::collections::BTreeMap::new(),
            home_dir: None,
            current_dir: folder.to_owned(),
        };
        let words = std::iter::once("loomd").chain(words.split_whitespace());
        Flags::try_parse_from(words)
            .unwrap()
            .flags
            .check(&environment)
    }

    #[test]
    fn flags_that_do_not_fit_together_are_refused_in_the_words_of_the_reference() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("short"), "too short\n").unwrap();
        std::fs::write(folder.path().join("empty"), " \n").unwrap();
        let mut shown = String::new();
        for words in [
            "--ws-token-file t",
            "--ws-issuer x",
            "--ws-auth capability-token",
            "--ws-auth capability-token --ws-token-file t --ws-token-sha256 aa",
            "--ws-auth capability-token --ws-token-sha256 aa",
            "--ws-auth capability-token --ws-issuer x --ws-token-sha256 aa",
            "--ws-auth capability-token --ws-token-file missing",
            "--ws-auth capability-token --ws-token-file empty",
            "--ws-auth signed-bearer-token",
            "--ws-auth signed-bearer-token --ws-token-file t",
            "--ws-auth signed-bearer-token --ws-shared-secret-file short",
        ] {
            writeln!(shown, "{}", check(words, folder.path()).unwrap_err()).unwrap();
        }
        let shown = shown.replace(&folder.path().display().to_string(), "FOLDER");
        expect![[r#"
            websocket auth flags require `--ws-auth capability-token` or `--ws-auth signed-bearer-token`
            websocket auth flags require `--ws-auth capability-token` or `--ws-auth signed-bearer-token`
            `--ws-token-file` or `--ws-token-sha256` is required when `--ws-auth capability-token` is set
            `--ws-token-file` and `--ws-token-sha256` are mutually exclusive
            --ws-token-sha256 must be a 64-character hex SHA-256 digest
            `--ws-shared-secret-file`, `--ws-issuer`, `--ws-audience`, and `--ws-max-clock-skew-seconds` require `--ws-auth signed-bearer-token`
            failed to read websocket auth secret FOLDER/missing
            websocket auth secret FOLDER/empty must not be empty
            `--ws-shared-secret-file` is required when `--ws-auth signed-bearer-token` is set
            `--ws-token-file` and `--ws-token-sha256` require `--ws-auth capability-token`, not `signed-bearer-token`
            signed websocket bearer secret FOLDER/short must be at least 32 bytes
        "#]]
        .assert_eq(&shown);
    }

    #[test]
    fn flags_that_fit_together_are_accepted() {
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("secret");
        std::fs::write(&secret, format!("{}\n", "s".repeat(32))).unwrap();
        let digest = "0a".repeat(32);
        for (words, tokens) in [
            (String::new(), Tokens::None),
            (
                format!("--ws-auth capability-token --ws-token-sha256 {digest}"),
                Tokens::Capability,
            ),
            (
                "--ws-auth capability-token --ws-token-file secret".to_owned(),
                Tokens::Capability,
            ),
            (
                "--ws-auth signed-bearer-token --ws-shared-secret-file secret --ws-issuer x"
                    .to_owned(),
                Tokens::Signed,
            ),
        ] {
            assert_eq!(check(&words, folder.path()).unwrap(), tokens, "{words}");
        }
    }
}
