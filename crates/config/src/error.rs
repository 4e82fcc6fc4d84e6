//! What can be wrong with a configuration, and where.
//!
//! Texts follow the reference where clients may show or compare them; lines and
//! columns count from one, columns in characters.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// A place in a text file; both figures count from one, the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct TextPosition {
    /// Line, from one.
    pub line: usize,
    /// Character within the line, from one.
    pub column: usize,
}

/// A stretch of a text file; `end` is its last character.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct TextRange {
    /// First character.
    pub start: TextPosition,
    /// Last character.
    pub end: TextPosition,
}

impl TextRange {
    /// The range of `span`, a byte range of `text`. An empty span is one character.
    pub(crate) fn of(text: &str, span: std::ops::Range<usize>) -> Self {
        let last = if span.end > span.start {
            span.end - 1
        } else {
            span.start
        };
        Self {
            start: position(text, span.start),
            end: position(text, last),
        }
    }
}

fn position(text: &str, at: usize) -> TextPosition {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let before = &text[..at];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    TextPosition {
        line: before.bytes().filter(|byte| *byte == b'\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
    }
}

/// Why no configuration could be made. Server answers put `failed to load
/// configuration: ` before the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A file is no TOML, or a value in it has the wrong type; edit that place.
    #[error("{}{}: {message}", path.display(), At(range))]
    File {
        /// The file.
        path: PathBuf,
        /// Where in the file, if known.
        range: Option<TextRange>,
        /// What is wrong there.
        message: String,
    },
    /// A value that came from an override is wrong; the text names the key.
    #[error("{0}")]
    Value(String),
    /// A file could not be read at all.
    #[error("failed to read {what} {}: {message}", path.display())]
    Unreadable {
        /// What the file is for.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The operating system's text.
        message: String,
    },
    /// `model_provider` names no provider, built in or configured.
    #[error("Model provider `{0}` not found")]
    UnknownProvider(String),
    /// `profile` names neither a `[profiles.NAME]` table nor a `NAME.config.toml`.
    #[error("config profile `{0}` not found")]
    UnknownProfile(String),
    /// `default_permissions` cannot be used; the text says why.
    #[error("{0}")]
    Permissions(String),
}

struct At<'a>(&'a Option<TextRange>);

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(range) => write!(f, ":{}:{}", range.start.line, range.start.column),
            None => Ok(()),
        }
    }
}

impl ConfigError {
    /// An error of the TOML reader in `text`, the contents of `path`.
    pub(crate) fn in_file(path: &Path, text: &str, error: &toml::de::Error) -> Self {
        Self::File {
            path: path.to_owned(),
            range: error.span().map(|span| TextRange::of(text, span)),
            message: error.message().to_owned(),
        }
    }

    /// The notice a client gets when the program goes on with defaults.
    #[must_use]
    pub fn to_warning(&self) -> ConfigWarning {
        let (path, range) = match self {
            Self::File { path, range, .. } => (Some(path.clone()), *range),
            Self::Unreadable { path, .. } => (Some(path.clone()), None),
            Self::Value(_)
            | Self::UnknownProvider(_)
            | Self::UnknownProfile(_)
            | Self::Permissions(_) => (None, None),
        };
        ConfigWarning {
            summary: "Invalid configuration; using defaults.".to_owned(),
            details: Some(self.to_string()),
            path,
            range,
        }
    }
}

/// Why `config/read` could not be answered (JSON-RPC code -32603).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// A file is no TOML or could not be read.
    #[error("failed to read configuration layers: {0}")]
    Layers(ConfigError),
    /// A value has the wrong type.
    #[error("invalid configuration: {0}")]
    Invalid(String),
}

/// A notice about the configuration that does not stop the program; the server
/// sends it as `configWarning`, where `path` and `range` are left out when absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConfigWarning {
    /// One line for a person.
    pub summary: String,
    /// More, if there is more to say.
    pub details: Option<String>,
    /// The file it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// The place in that file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<TextRange>,
}

impl ConfigWarning {
    pub(crate) fn plain(summary: String) -> Self {
        Self {
            summary,
            details: None,
            path: None,
            range: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_the_end_is_the_last_one() {
        let text = "a = 1\né = \"xy\"\n";
        let start = text.find("\"xy\"").expect("the text holds it");
        let range = TextRange::of(text, start..start + 4);
        assert_eq!((range.start.line, range.start.column), (2, 5));
        assert_eq!((range.end.line, range.end.column), (2, 8));
    }

    #[test]
    fn a_span_behind_the_text_is_its_end() {
        let range = TextRange::of("ab", 9..12);
        assert_eq!((range.start.line, range.start.column), (1, 3));
    }
}
