//! From layers to a snapshot.
//!
//! Order, uppermost first: command line and request, project `.codex` folders
//! (nearest first, trusted ones only), profile, user file, system file, built-in.
//! One load looks at each file once; unchanged files are not read again.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde_json::Value as Json;
use toml::{Table, Value};

use crate::environment::Environment;
use crate::error::{ConfigError, ConfigWarning};
use crate::file_cache::{FileCache, TextFile};
use crate::layer::{Content, Layer, LayerSource};
use crate::overrides::session_table;
use crate::project::{Project, ProjectTrust};
use crate::schema::ConfigToml;
use crate::snapshot::{self, Config};
use crate::unknown;
use crate::value::merge;
use crate::words::TrustLevel;

/// The machine's file.
const SYSTEM_FILE: &str = "/etc/codex/config.toml";
/// Name of a configuration file in a home or `.codex` folder.
pub(crate) const CONFIG_FILE: &str = "config.toml";
/// Name of a project's own folder.
const PROJECT_FOLDER: &str = ".codex";
const CONFIG_FILE_PURPOSE: &str = "config file";

/// Reads, merges and writes the configuration of one home folder.
///
/// It is cheap to ask again: files that did not change are neither read nor parsed.
/// All methods do small blocking file operations.
pub struct Loader {
    pub(crate) home: PathBuf,
    pub(crate) environment: Environment,
    /// `-c` overrides in their order; later ones win.
    command_line: Vec<(String, Value)>,
    profile: Option<String>,
    system_file: PathBuf,
    files: FileCache,
    /// Held while the user's file is read, changed and written back; guards no data.
    pub(crate) writing: Mutex<()>,
}

/// The layers of one load, lowest first.
pub(crate) struct Stack {
    pub(crate) layers: Vec<Layer>,
    /// What the layers that count say together, with absolute paths.
    pub(crate) merged: Table,
    pub(crate) project: Option<Project>,
    pub(crate) trust: Option<TrustLevel>,
}

/// Shows the home alone: overrides and variables may hold keys.
impl fmt::Debug for Loader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loader")
            .field("home", &self.home)
            .finish_non_exhaustive()
    }
}

impl Loader {
    /// A loader for `home` (absolute). `command_line` holds the `-c` overrides as
    /// [`crate::parse_override`] gives them.
    #[must_use]
    pub fn new(
        home: PathBuf,
        command_line: Vec<(String, Value)>,
        environment: Environment,
    ) -> Self {
        Self {
            home,
            environment,
            command_line,
            profile: None,
            system_file: PathBuf::from(SYSTEM_FILE),
            files: FileCache::default(),
            writing: Mutex::new(()),
        }
    }

    /// Chooses a profile, as `--profile` does; it wins over the files' `profile`.
    #[must_use]
    pub fn with_profile(mut self, name: String) -> Self {
        self.profile = Some(name);
        self
    }

    /// Reads the machine's layer from another file than `/etc/codex/config.toml`.
    #[must_use]
    pub fn with_system_file(mut self, file: PathBuf) -> Self {
        self.system_file = file;
        self
    }

    /// The home folder.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// The process environment this loader works with.
    #[must_use]
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// The user's file, whether it exists or not.
    #[must_use]
    pub fn user_file(&self) -> PathBuf {
        self.home.join(CONFIG_FILE)
    }

    /// The configuration for work in `cwd` (relative ones count from the process's
    /// folder; none leaves project layers out), under the overrides of a request:
    /// `thread/start.config`, whose keys may be dotted or nested.
    ///
    /// # Errors
    /// A layer that counts is broken, or what the layers say together cannot be used.
    pub fn load(
        &self,
        cwd: Option<&Path>,
        request: &serde_json::Map<String, Json>,
    ) -> Result<Arc<Config>, ConfigError> {
        let stack = self.stack(cwd, request)?;
        let typed = typed(&stack)?;
        snapshot::build(self, stack, typed).map(Arc::new)
    }

    /// The configuration of a program whose files say nothing: what a server goes on
    /// with when [`Loader::load`] fails at start.
    #[must_use]
    pub fn defaults(&self) -> Arc<Config> {
        let stack = Stack {
            layers: Vec::new(),
            merged: Table::new(),
            project: None,
            trust: None,
        };
        let config = snapshot::build(self, stack, ConfigToml::default())
            .expect("built-in defaults name a built-in provider and no files");
        Arc::new(config)
    }

    /// What a client should be told about the configuration for work in `cwd` (none:
    /// the process's folder): that it is broken and defaults are used, which settings
    /// are ignored and why. Empty when all is well.
    #[must_use]
    pub fn warnings(&self, cwd: Option<&Path>) -> Vec<ConfigWarning> {
        let cwd = cwd.unwrap_or(&self.environment.current_dir);
        let stack = match self.stack(Some(cwd), &serde_json::Map::new()) {
            Ok(stack) => stack,
            Err(error) => return vec![error.to_warning()],
        };
        let ignored = unknown::warnings(&stack.layers);
        let built = typed(&stack).and_then(|typed| snapshot::build(self, stack, typed));
        let broken = built.err().map(|error| error.to_warning());
        broken.into_iter().chain(ignored).collect()
    }

    /// Whether the user trusts the project of `cwd`, and which folder that is about.
    ///
    /// # Errors
    /// The configuration cannot be read.
    pub fn project_trust(&self, cwd: &Path) -> Result<ProjectTrust, ConfigError> {
        let stack = self.stack(Some(cwd), &serde_json::Map::new())?;
        let folder = match &stack.project {
            Some(project) => project.trust_folder().to_owned(),
            None => self.environment.absolute(cwd),
        };
        Ok(ProjectTrust {
            folder,
            level: stack.trust,
        })
    }

    /// A text file the configuration names.
    pub(crate) fn text(
        &self,
        path: &Path,
        what: &'static str,
    ) -> Result<Arc<TextFile>, ConfigError> {
        self.files
            .get(path, what)?
            .ok_or_else(|| ConfigError::Unreadable {
                what,
                path: path.to_owned(),
                message: "No such file or directory (os error 2)".to_owned(),
            })
    }

    pub(crate) fn stack(
        &self,
        cwd: Option<&Path>,
        request: &serde_json::Map<String, Json>,
    ) -> Result<Stack, ConfigError> {
        let cwd = cwd.map(|cwd| self.environment.absolute(cwd));
        let session = self.session_layer(cwd.as_deref(), request)?;
        let system = |file| LayerSource::System { file };
        let mut layers = vec![
            self.file_layer(self.system_file.clone(), system)?,
            self.user_layer()?,
        ];
        let mut merged = Table::new();
        for layer in &layers {
            merge(&mut merged, &layer.content.resolved);
        }
        for layer in self.profile_layers(&session, &merged)? {
            merge(&mut merged, &layer.content.resolved);
            layers.push(layer);
        }

        let mut outer = merged.clone();
        merge(&mut outer, &session.content.resolved);
        let project = cwd.map(|cwd| Project::find(&cwd, &root_markers(&outer)));
        let trust = project
            .as_ref()
            .and_then(|project| project.trust_of(&project.cwd, &outer));
        if let Some(project) = &project {
            for layer in self.project_layers(project, &outer)? {
                if layer.counts() {
                    merge(&mut merged, &layer.content.resolved);
                }
                layers.push(layer);
            }
        }
        merge(&mut merged, &session.content.resolved);
        layers.push(session);
        Ok(Stack {
            layers,
            merged,
            project,
            trust,
        })
    }

    fn session_layer(
        &self,
        cwd: Option<&Path>,
        request: &serde_json::Map<String, Json>,
    ) -> Result<Layer, ConfigError> {
        let table = session_table(&self.command_line, request)?;
        let folder = cwd.unwrap_or(&self.environment.current_dir);
        Ok(Layer {
            source: LayerSource::SessionFlags,
            content: Arc::new(Content::new(table, folder, &self.environment)),
            file: None,
            disabled: None,
        })
    }

    /// The layer of the user's file.
    pub(crate) fn user_layer(&self) -> Result<Layer, ConfigError> {
        self.file_layer(self.user_file(), |file| LayerSource::User {
            file,
            profile: None,
        })
    }

    /// The layer of one of the files outside projects; a missing file says nothing.
    fn file_layer(
        &self,
        path: PathBuf,
        source: impl FnOnce(PathBuf) -> LayerSource,
    ) -> Result<Layer, ConfigError> {
        let folder = path.parent().unwrap_or(Path::new("/"));
        let make = |table| Content::new(table, folder, &self.environment);
        let file = self.files.get(&path, CONFIG_FILE_PURPOSE)?;
        let content = match &file {
            Some(file) => file.content(make)?,
            None => Arc::new(make(Table::new())),
        };
        Ok(Layer {
            source: source(path),
            content,
            file,
            disabled: None,
        })
    }

    /// `[profiles.NAME]` of the files below, then `NAME.config.toml` in the home.
    fn profile_layers(&self, session: &Layer, below: &Table) -> Result<Vec<Layer>, ConfigError> {
        let named = |table: &Table| Some(table.get("profile")?.as_str()?.to_owned());
        let chosen = named(&session.content.resolved)
            .or_else(|| self.profile.clone())
            .or_else(|| named(below));
        let Some(name) = chosen else {
            return Ok(Vec::new());
        };
        let mut layers = Vec::new();
        let table = below
            .get("profiles")
            .and_then(|profiles| profiles.get(&name));
        if let Some(Value::Table(table)) = table {
            let content = Content::new(table.clone(), &self.home, &self.environment);
            layers.push(Layer {
                source: LayerSource::User {
                    file: self.user_file(),
                    profile: Some(name.clone()),
                },
                content: Arc::new(content),
                file: None,
                disabled: None,
            });
        }
        // The name comes from requests too, so it must not lead out of the home.
        let plain = !name.is_empty()
            && name
                .chars()
                .all(|c| c.is_alphanumeric() || matches!(c, '-' | '_'));
        if plain {
            let path = self.home.join(format!("{name}.{CONFIG_FILE}"));
            let layer = self.file_layer(path, |file| LayerSource::User {
                file,
                profile: Some(name.clone()),
            })?;
            if layer.file.is_some() {
                layers.push(layer);
            }
        }
        if layers.is_empty() {
            return Err(ConfigError::UnknownProfile(name));
        }
        Ok(layers)
    }

    /// A layer for each `.codex` folder of the project, also where it holds no file:
    /// such a folder may hold skills, rules and hooks.
    fn project_layers(&self, project: &Project, outer: &Table) -> Result<Vec<Layer>, ConfigError> {
        let mut layers = Vec::new();
        for folder in project.folders() {
            let own = folder.join(PROJECT_FOLDER);
            if own == self.home || !own.is_dir() {
                continue;
            }
            let disabled = match project.trust_of(&folder, outer) {
                Some(TrustLevel::Trusted) => None,
                Some(TrustLevel::Untrusted) => Some(self.untrusted_reason(project, &folder)),
                None => Some(self.unknown_trust_reason(project, &folder)),
            };
            layers.push(self.project_layer(own, disabled)?);
        }
        Ok(layers)
    }

    fn project_layer(
        &self,
        folder: PathBuf,
        disabled: Option<String>,
    ) -> Result<Layer, ConfigError> {
        let make = |table| Content::of_project(table, &folder, &self.environment);
        let read = || -> Result<_, ConfigError> {
            let file = self
                .files
                .get(&folder.join(CONFIG_FILE), CONFIG_FILE_PURPOSE)?;
            match file {
                Some(file) => Ok((file.content(make)?, Some(file))),
                None => Ok((Arc::new(make(Table::new())), None)),
            }
        };
        let (content, file) = match (read(), &disabled) {
            (Ok(read), _) => read,
            // A layer that does not count must not stop anything.
            (Err(_), Some(_)) => (Arc::new(make(Table::new())), None),
            (Err(error), None) => return Err(error),
        };
        Ok(Layer {
            source: LayerSource::Project {
                dot_codex_folder: folder,
            },
            content,
            file,
            disabled,
        })
    }

    fn unknown_trust_reason(&self, project: &Project, folder: &Path) -> String {
        format!(
            "{} is not a trusted project, so its configuration, hooks and rules are not used. To trust it, add it \
             under [projects] with trust_level = \"trusted\" in {}.",
            project.folder_to_trust(folder).display(),
            self.user_file().display()
        )
    }

    fn untrusted_reason(&self, project: &Project, folder: &Path) -> String {
        format!(
            "{} is marked as untrusted, so its configuration, hooks and rules are not used. To change that, set its \
             trust_level under [projects] in {}.",
            project.folder_to_trust(folder).display(),
            self.user_file().display()
        )
    }
}

fn root_markers(config: &Table) -> Vec<String> {
    let Some(Value::Array(markers)) = config.get("project_root_markers") else {
        return vec![snapshot::ROOT_MARKER_DEFAULT.to_owned()];
    };
    markers
        .iter()
        .filter_map(|marker| marker.as_str().map(str::to_owned))
        .collect()
}

/// What the layers say together, with types. An error is looked for in the files, so
/// that it can name a place; otherwise it names the key.
pub(crate) fn typed(stack: &Stack) -> Result<ConfigToml, ConfigError> {
    let error = match stack.merged.clone().try_into::<ConfigToml>() {
        Ok(typed) => return Ok(typed),
        Err(error) => error,
    };
    let place = stack
        .layers
        .iter()
        .rev()
        .filter(|layer| layer.counts())
        .filter_map(|layer| layer.file.as_ref())
        .find_map(|file| {
            let error = toml::from_str::<ConfigToml>(&file.text).err()?;
            Some(ConfigError::in_file(&file.path, &file.text, &error))
        });
    Err(place.unwrap_or_else(|| ConfigError::Value(error.to_string())))
}

#[cfg(test)]
mod tests;
