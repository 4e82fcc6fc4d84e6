//! Paths on the wire. An [`AbsolutePathBuf`] is checked while it is read, so
//! that a handler never has to ask; every other path is a plain `String`,
//! because the reference accepts relative and missing paths there.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// A path as text, taken as it comes: possibly relative, possibly a path of
/// another operating system.
pub type LegacyAppPathString = String;

/// An absolute path.
///
/// Reading a relative one fails with the text of the reference, seen on
/// 0.169.0: `AbsolutePathBuf deserialized without a base path`. What is no text at all is
/// "expected path string", as there.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct AbsolutePathBuf(String);

impl AbsolutePathBuf {
    /// `None` when `path` is relative.
    pub fn new(path: impl Into<String>) -> Option<Self> {
        let path = path.into();
        Path::new(&path).is_absolute().then_some(Self(path))
    }

    /// The path as it stands on the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path for use with the file system.
    pub fn as_path(&self) -> &Path {
        Path::new(&self.0)
    }

    /// Gives the text away.
    pub fn into_string(self) -> String {
        self.0
    }

    /// The path for use with the file system, owned.
    pub fn into_path_buf(self) -> PathBuf {
        PathBuf::from(self.0)
    }
}

impl AsRef<Path> for AbsolutePathBuf {
    fn as_ref(&self) -> &Path {
        self.as_path()
    }
}

impl fmt::Display for AbsolutePathBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for AbsolutePathBuf {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let path = PathBuf::deserialize(deserializer)?;
        let text = path.into_os_string().into_string();
        text.ok()
            .and_then(Self::new)
            .ok_or_else(|| D::Error::custom("AbsolutePathBuf deserialized without a base path"))
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for AbsolutePathBuf {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "AbsolutePathBuf".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string" })
    }
}
