//! A server in this process, in a home folder of its own, on the offline model.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use loomd_base::SystemIds;
use loomd_config::Environment;
use loomd_model::{Model, OfflineModel};
use loomd_sandbox::Sandbox;
use loomd_server::{ModelOrder, Models, Server, ServerOptions};

use crate::TestClient;
use crate::helper::helper;

/// A server under test with its folders. Dropping it removes them.
pub struct TestServer {
    /// The server.
    pub server: Arc<Server>,
    folder: tempfile::TempDir,
    model: Arc<OfflineModel>,
}

/// Gives every thread the one offline model whose gates the test opens.
struct OneModel(Arc<OfflineModel>);

impl Models for OneModel {
    fn model(&self, _order: &ModelOrder<'_>) -> Arc<dyn Model> {
        Arc::clone(&self.0) as Arc<dyn Model>
    }
}

impl TestServer {
    /// A server on the offline model with full access, in fresh folders.
    #[must_use]
    pub fn new() -> Self {
        Self::with_config("")
    }

    /// The same with more lines of `config.toml`.
    #[must_use]
    pub fn with_config(more: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for name in ["home", "work"] {
            std::fs::create_dir(folder.path().join(name)).expect("a folder in it");
        }
        let config = format!(
            "model = \"offline\"\nmodel_provider = \"offline\"\napproval_policy = \"never\"\n\
             sandbox_mode = \"danger-full-access\"\n{more}\n"
        );
        std::fs::write(folder.path().join("home/config.toml"), config).expect("a config file");
        let model = Arc::new(OfflineModel::new(Arc::new(SystemIds::default())));
        let server = start(folder.path(), &model);
        Self {
            server,
            folder,
            model,
        }
    }

    /// Another server on the same folders, as after a restart.
    pub fn restart(&mut self) {
        self.server = start(self.folder.path(), &self.model);
    }

    /// Opens a gate of the offline model's script.
    pub fn open_gate(&self, name: &str) {
        self.model.open_gate(name);
    }

    /// The home folder.
    #[must_use]
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// A folder to work in.
    #[must_use]
    pub fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// A client that has initialised.
    pub async fn client(&self) -> TestClient {
        TestClient::connect(&self.server).await
    }

    /// A client that has not.
    #[must_use]
    pub fn bare_client(&self) -> TestClient {
        TestClient::bare(&self.server)
    }
}

impl Default for TestServer {
    fn default() -> Self {
        Self::new()
    }
}

fn start(folder: &Path, model: &Arc<OfflineModel>) -> Arc<Server> {
    let environment = Environment {
        // Whoever runs the tests may be logged in, and have a shell that takes its time to
        // start; the tests are not and have none.
        vars: std::env::vars()
            .filter(|(name, _)| !name.starts_with("CODEX_") && !name.starts_with("OPENAI_"))
            .filter(|(name, _)| name != "HOME")
            .chain([("HOME".to_owned(), folder.display().to_string())])
            .collect(),
        home_dir: Some(folder.to_owned()),
        current_dir: folder.join("work"),
    };
    let mut options = ServerOptions::new(folder.join("home"), environment);
    options.sandbox = Some(Arc::new(Sandbox::with_helper(
        helper(),
        Arc::clone(&options.clock),
    )));
    options.models = Some(Arc::new(OneModel(Arc::clone(model))));
    Server::new(options)
}
