//! Layered configuration, and the facts that depend on the home folder.
//!
//! The binary reads the process environment once, builds a [`Loader`] from it and
//! hands that to the server. [`Loader::load`] answers an immutable [`Config`]: a
//! thread takes one when it starts and never sees it change. Beside it live the
//! other things read from the home folder (`auth.json`, `installation_id`,
//! AGENTS.md files), the models that can be picked and the texts that tell a
//! model where it works.
//!
//! Invariants:
//! - Nothing here asks the process for its environment, time or working folder;
//!   they come in through [`Environment`] or as arguments.
//! - A file that cannot be read or understood is an error with its place, never a
//!   panic and never an exit; the caller decides to go on with defaults.
//! - Secrets are held in [`auth::Secret`], which no debug output shows.
//!
//! Deliberately absent: protocol types (our enums serialise to the same words, so
//! the server can map them), file watching, managed requirements, and the
//! enforcement of anything read here.

mod agents_md;
pub mod auth;
pub mod catalog;
pub mod context;
mod edit;
mod environment;
mod error;
mod file_cache;
mod installation;
mod keys;
mod layer;
mod loader;
mod overrides;
mod permissions;
mod project;
mod provider;
mod read;
mod rule_folders;
mod schema;
mod snapshot;
mod unknown;
mod value;
mod words;
mod write;

#[cfg(test)]
mod test_home;

pub use agents_md::{AgentsMd, agents_md};
pub use environment::{Environment, find_home};
pub use error::{ConfigError, ConfigWarning, ReadError, TextPosition, TextRange};
pub use installation::installation_id;
pub use layer::{LayerInfo, LayerSource};
pub use loader::Loader;
pub use overrides::{OverrideError, parse_override};
pub use permissions::{
    ActiveProfile, FileRule, FileRules, PermissionProfile, RuleAccess, RulePlace,
};
pub use project::ProjectTrust;
pub use provider::{OFFLINE, ProviderAuthCommand, ProviderConfig};
pub use read::{ConfigRead, LayerMetadata, ReadLayer};
pub use snapshot::{
    AgentLimits, Config, ContextSwitches, History, SandboxWorkspaceWrite, ShellEnvironmentPolicy,
};
pub use words::{
    ApprovalPolicy, ApprovalsReviewer, AutoCompactScope, EnvironmentInherit, GranularApproval,
    HistoryPersistence, ReasoningSummary, SandboxMode, TrustLevel, Verbosity, WebSearchMode,
};
pub use write::{Edit, MergeStrategy, Overridden, WriteError, WriteOutcome, WriteStatus};
