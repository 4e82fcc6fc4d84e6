//! The arguments of `exec_command` and `write_stdin`, with their bounds.

use std::time::Duration;

use serde::Deserialize;
use serde::de::IgnoredAny;

/// How long a call waits for its command by default.
const EXEC_YIELD: u64 = 10_000;
/// How long a write waits for an answer by default.
const WRITE_YIELD: u64 = 250;
/// No call waits less, ms.
const YIELD_MIN: u64 = 250;
/// No call but an empty poll waits longer, ms.
const YIELD_MAX: u64 = 30_000;
/// An empty poll waits at least this long, ms, and so by default.
const POLL_MIN: u64 = 5_000;
/// An empty poll waits at most this long, ms.
const POLL_MAX: u64 = 300_000;
/// Tokens of output that a call gets by default.
const OUTPUT_TOKENS: usize = 10_000;

/// Arguments of `exec_command`.
#[derive(Debug, Deserialize)]
pub(crate) struct ExecParams {
    /// The shell command.
    pub(crate) cmd: String,
    /// Working folder, relative to the turn's; empty for the turn's own.
    #[serde(default)]
    pub(crate) workdir: Option<String>,
    /// The shell, by name or path.
    #[serde(default)]
    pub(crate) shell: Option<String>,
    /// Whether it is a login shell.
    #[serde(default)]
    login: Option<bool>,
    /// Whether the command gets a terminal.
    #[serde(default)]
    tty: Option<bool>,
    #[serde(default)]
    yield_time_ms: Option<u64>,
    #[serde(default)]
    max_output_tokens: Option<usize>,
    #[serde(default)]
    sandbox_permissions: Option<SandboxPermissions>,
    /// What the command should be allowed inside the sandbox; only looked at whether it is
    /// there.
    #[serde(default)]
    additional_permissions: Option<IgnoredAny>,
    /// What the model says why; the user reads it.
    #[serde(default)]
    pub(crate) justification: Option<String>,
    /// The prefix that the model would like to have allowed for good.
    #[serde(default)]
    pub(crate) prefix_rule: Option<Vec<String>>,
}

/// What the model asks of the sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SandboxPermissions {
    /// Whatever is set.
    UseDefault,
    /// To run outside it.
    RequireEscalated,
    /// To run with more inside it.
    WithAdditionalPermissions,
}

impl ExecParams {
    /// Whether the command should run outside the sandbox.
    pub(crate) fn escalates(&self) -> bool {
        self.sandbox_permissions == Some(SandboxPermissions::RequireEscalated)
    }

    /// Whether it should have more inside the sandbox.
    pub(crate) fn wants_more_inside(&self) -> bool {
        self.additional_permissions.is_some()
            || self.sandbox_permissions == Some(SandboxPermissions::WithAdditionalPermissions)
    }

    pub(crate) fn login(&self) -> bool {
        self.login.unwrap_or(true)
    }

    pub(crate) fn tty(&self) -> bool {
        self.tty.unwrap_or(false)
    }

    /// How long the call waits.
    pub(crate) fn patience(&self) -> Duration {
        let asked = self.yield_time_ms.unwrap_or(EXEC_YIELD);
        Duration::from_millis(asked.clamp(YIELD_MIN, YIELD_MAX))
    }

    pub(crate) fn output_tokens(&self) -> usize {
        self.max_output_tokens.unwrap_or(OUTPUT_TOKENS)
    }
}

/// Arguments of `write_stdin`.
#[derive(Debug, Deserialize)]
pub(crate) struct WriteParams {
    /// The session.
    pub(crate) session_id: i32,
    /// What to write; empty to look only.
    #[serde(default)]
    chars: Option<String>,
    #[serde(default)]
    yield_time_ms: Option<u64>,
    #[serde(default)]
    max_output_tokens: Option<usize>,
}

impl WriteParams {
    pub(crate) fn chars(&self) -> &str {
        self.chars.as_deref().unwrap_or_default()
    }

    /// How long the call waits.
    pub(crate) fn patience(&self) -> Duration {
        let ms = if self.chars().is_empty() {
            self.yield_time_ms
                .unwrap_or(POLL_MIN)
                .clamp(POLL_MIN, POLL_MAX)
        } else {
            self.yield_time_ms
                .unwrap_or(WRITE_YIELD)
                .clamp(YIELD_MIN, YIELD_MAX)
        };
        Duration::from_millis(ms)
    }

    pub(crate) fn output_tokens(&self) -> usize {
        self.max_output_tokens.unwrap_or(OUTPUT_TOKENS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exec(arguments: &str) -> Result<ExecParams, String> {
        serde_json::from_str(arguments).map_err(|error| error.to_string())
    }

    #[test]
    fn waits_are_clamped() {
        let exec_ms = |ms: &str| {
            exec(&format!(r#"{{"cmd":"x"{ms}}}"#))
                .expect("arguments")
                .patience()
                .as_millis()
        };
        assert_eq!(exec_ms(""), 10_000);
        assert_eq!(exec_ms(r#","yield_time_ms":1"#), 250);
        assert_eq!(exec_ms(r#","yield_time_ms":99999999"#), 30_000);
        let write_ms = |rest: &str| {
            serde_json::from_str::<WriteParams>(&format!(r#"{{"session_id":1{rest}}}"#))
                .expect("arguments")
                .patience()
                .as_millis()
        };
        assert_eq!(write_ms(""), 5_000);
        assert_eq!(write_ms(r#","yield_time_ms":1"#), 5_000);
        assert_eq!(write_ms(r#","yield_time_ms":999999"#), 300_000);
        assert_eq!(write_ms(r#","chars":"x""#), 250);
        assert_eq!(write_ms(r#","chars":"x","yield_time_ms":40000"#), 30_000);
    }

    #[test]
    fn bad_arguments_are_named_as_the_reference_names_them() {
        let error = |arguments: &str| exec(arguments).expect_err("bad");
        assert_eq!(
            error(r#"{"command": "nope"}"#),
            "missing field `cmd` at line 1 column 19"
        );
        assert_eq!(
            error(r#"{"cmd": "x", "yield_time_ms": -1}"#),
            "invalid value: integer `-1`, expected u64 at line 1 column 32"
        );
        assert_eq!(error("{bad"), "key must be a string at line 1 column 2");
        assert_eq!(
            error(r#"{"cmd": "echo x", "sandbox_permissions": "bogus"}"#),
            "unknown variant `bogus`, expected one of `use_default`, `require_escalated`, `with_additional_permissions` at line 1 column 48"
        );
    }

    #[test]
    fn a_wish_for_more_inside_is_seen_in_either_form() {
        for arguments in [
            r#"{"cmd":"x","sandbox_permissions":"with_additional_permissions"}"#,
            r#"{"cmd":"x","additional_permissions":{"network":{"enabled":true}}}"#,
        ] {
            assert!(exec(arguments).expect("arguments").wants_more_inside());
        }
    }

    #[test]
    fn null_stands_for_the_default() {
        let params = exec(r#"{"cmd":"x","workdir":null,"login":null,"tty":null,"extra":1}"#)
            .expect("arguments");
        assert!(params.login() && !params.tty() && params.workdir.is_none());
        let params =
            exec(r#"{"cmd":"x","sandbox_permissions":null,"additional_permissions":null}"#)
                .expect("arguments");
        assert!(!params.escalates() && !params.wants_more_inside());
    }
}
