//! What the calls of one toolbox share.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use loomd_base::{Clock, IdSource, ThreadId};
use loomd_events::ToolContext;
use loomd_execpolicy::RuleStore;
use loomd_sandbox::Sandbox;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::confine::{Confinement, Site, bounds, bounds_outside};
use crate::exec::env::ShellEnvironment;
use crate::exec::tag::Owner;
use crate::exec::text::OutputLimit;
use crate::gate::Place;
use crate::patch::Patcher;
use crate::registry::Registry;
use crate::sink::{Sink, TurnEvent};

/// The state behind a toolbox.
pub(crate) struct Shared {
    /// The thread, as commands see it.
    pub(crate) thread_id: ThreadId,
    /// The root thread, as commands see it.
    pub(crate) session_id: ThreadId,
    /// The version that commands see.
    pub(crate) version: Arc<str>,
    /// The user's shell.
    pub(crate) shell: PathBuf,
    /// What commands inherit.
    pub(crate) environment: Arc<ShellEnvironment>,
    /// How much output the model gets at most.
    pub(crate) output_limit: OutputLimit,
    /// The server's home folder.
    pub(crate) home: Arc<Path>,
    /// Confines what must be confined.
    pub(crate) sandbox: Arc<Sandbox>,
    /// The rules about commands.
    pub(crate) rules: Arc<RuleStore>,
    /// Folders beside the user's whose rules count too.
    pub(crate) rule_folders: Arc<[PathBuf]>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn IdSource>,
    /// Patches and the diff of the turn.
    pub(crate) patcher: Patcher,
    /// Cancelled at shutdown: nobody waits for events any more.
    pub(crate) closed: CancellationToken,
    /// Whose commands they are.
    pub(crate) owner: Owner,
    registry: Mutex<Registry>,
    events: mpsc::Sender<TurnEvent>,
}

impl Shared {
    pub(crate) fn new(options: crate::ToolboxOptions, events: mpsc::Sender<TurnEvent>) -> Self {
        Self {
            thread_id: options.thread_id,
            session_id: options.session_id,
            version: options.version,
            shell: options.shell,
            environment: options.environment,
            output_limit: options.model_output_limit,
            home: options.home,
            sandbox: options.sandbox,
            rules: options.rules,
            rule_folders: options.rule_folders,
            patcher: Patcher::new(Arc::clone(&options.clock)),
            clock: options.clock,
            ids: options.ids,
            closed: CancellationToken::new(),
            owner: Owner::default(),
            registry: Mutex::new(Registry::default()),
            events,
        }
    }

    /// What confines a call that runs in this place, with what the user granted by now;
    /// nothing if it is not confined.
    pub(crate) fn confinement(&self, context: &ToolContext, place: Place) -> Option<Confinement> {
        let site = Site {
            folder: &context.cwd,
            temporary: self.environment.variable("TMPDIR"),
            home: &self.home,
        };
        let (policy, rules) = (&context.sandbox_policy, context.file_rules.as_deref());
        let bounds = match place {
            Place::Inside => {
                let grants = self.registry().grants(&context.turn_id);
                bounds(policy, rules, grants, site)?
            }
            Place::Outside => bounds_outside(policy, rules, site)?,
        };
        Some(Confinement {
            sandbox: Arc::clone(&self.sandbox),
            bounds,
        })
    }

    /// The calls and commands. Held for a moment only.
    pub(crate) fn registry(&self) -> MutexGuard<'_, Registry> {
        // No operation leaves the maps half changed.
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the events of a turn go.
    pub(crate) fn sink(&self, turn_id: Arc<str>) -> Sink {
        Sink::new(turn_id, self.events.clone())
    }

    /// A random number.
    pub(crate) fn random(&self) -> u64 {
        // The lower half of a random UUID has 62 random bits at its end.
        self.ids.v4().as_u64_pair().1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_toolbox_takes_less_than_a_kilobyte() {
        assert!(size_of::<Shared>() < 1024, "{}", size_of::<Shared>());
    }
}
