//! The text that says who is talking: in `initialize`, and to model providers.
//!
//! Its form is the reference's, because clients and providers parse it:
//! `ORIGINATOR/VERSION (OS; ARCH) TERMINAL (NAME; CLIENTVERSION)`. VERSION is the
//! version of the protocol; loomd's own stands at the end.

use std::sync::{OnceLock, PoisonError, RwLock};

use loomd_config::Environment;

use crate::{PROTOCOL_VERSION, VERSION};

/// Names that never become the originator: helpers that speak for someone else.
const NEVER_ORIGINATOR: [&str; 2] = ["codex_app_server_daemon", "codex-backend"];
const DEFAULT_ORIGINATOR: &str = "loomd";

/// The process-wide parts of the user agent.
pub(crate) struct UserAgent {
    override_originator: Option<String>,
    terminal: String,
    os: OnceLock<String>,
    /// Set by the first client that initialises.
    originator: OnceLock<String>,
    /// Follows the latest client.
    suffix: RwLock<String>,
}

impl UserAgent {
    pub(crate) fn new(environment: &Environment) -> Self {
        Self {
            override_originator: environment
                .var("CODEX_INTERNAL_ORIGINATOR_OVERRIDE")
                .map(str::to_owned),
            terminal: header_safe(environment.var("TERM").unwrap_or("unknown")),
            os: OnceLock::new(),
            originator: OnceLock::new(),
            suffix: RwLock::new(String::new()),
        }
    }

    /// A client has told its name.
    pub(crate) fn on_client(&self, name: &str, version: &str) {
        if !NEVER_ORIGINATOR.contains(&name) {
            let _first = self.originator.get_or_init(|| name.to_owned());
        }
        *self.suffix.write().unwrap_or_else(PoisonError::into_inner) =
            format!(" ({name}; {version})");
    }

    pub(crate) fn originator(&self) -> String {
        self.override_originator
            .as_ref()
            .or_else(|| self.originator.get())
            .cloned()
            .unwrap_or_else(|| DEFAULT_ORIGINATOR.to_owned())
    }

    pub(crate) fn text(&self) -> String {
        let os = self.os.get_or_init(operating_system);
        let suffix = self.suffix.read().unwrap_or_else(PoisonError::into_inner);
        format!(
            "{}/{PROTOCOL_VERSION} ({os}; {}) {}{suffix} loomd/{VERSION}",
            self.originator(),
            std::env::consts::ARCH,
            self.terminal,
        )
    }
}

/// Whether a client's name may stand in an HTTP header.
pub(crate) fn is_header_value(name: &str) -> bool {
    name.bytes()
        .all(|byte| byte == b'\t' || (byte >= 0x20 && byte != 0x7f))
}

fn header_safe(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_ascii_graphic() { c } else { '_' })
        .collect()
}

/// Name and version of the operating system, as its own file says.
fn operating_system() -> String {
    let text = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let field = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
            .map(|value| value.trim_matches('"').to_owned())
    };
    let id = field("ID").unwrap_or_else(|| std::env::consts::OS.to_owned());
    let version = field("VERSION_ID").unwrap_or_else(|| "unknown".to_owned());
    header_safe_words(&format!("{id} {version}"))
}

fn header_safe_words(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_ascii_graphic() || c == ' ' {
                c
            } else {
                '_'
            }
        })
        .collect()
}
