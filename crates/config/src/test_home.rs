//! A throw-away folder with a home in it, for the tests of this crate.

use std::path::PathBuf;

use toml::Value;

use crate::environment::Environment;
use crate::loader::Loader;

pub(crate) struct TestHome {
    folder: tempfile::TempDir,
}

impl TestHome {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a temporary folder can be made"),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file, making its folders.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        let parent = path.parent().expect("a file lies in a folder");
        std::fs::create_dir_all(parent).expect("folders can be made");
        std::fs::write(&path, text).expect("files can be written");
        path
    }

    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(&path).expect("folders can be made");
        path
    }

    /// Makes `name` look like the top of a git work tree.
    pub(crate) fn repository(&self, name: &str) -> PathBuf {
        self.write(&format!("{name}/.git/HEAD"), "ref: refs/heads/main\n");
        self.path(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("the file is there")
    }

    pub(crate) fn environment(&self) -> Environment {
        Environment {
            vars: [].into(),
            home_dir: Some(self.path("user")),
            current_dir: self.folder.path().to_owned(),
        }
    }

    /// A loader whose home is `home/` and whose system file is `etc/config.toml`.
    pub(crate) fn loader(&self) -> Loader {
        self.loader_with(&[])
    }

    pub(crate) fn loader_with(&self, overrides: &[(&str, Value)]) -> Loader {
        let overrides = overrides
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.clone()))
            .collect();
        Loader::new(self.path("home"), overrides, self.environment())
            .with_system_file(self.path("etc/config.toml"))
    }

    /// `text` with this folder's path written as `$T`.
    pub(crate) fn hide(&self, text: &str) -> String {
        text.replace(&self.folder.path().display().to_string(), "$T")
    }
}

pub(crate) fn no_request() -> serde_json::Map<String, serde_json::Value> {
    serde_json::Map::new()
}
