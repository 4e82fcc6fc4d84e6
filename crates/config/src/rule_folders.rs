//! Where rules about commands stand, beside those of the user.

use std::path::PathBuf;

use crate::snapshot::Config;
use crate::words::TrustLevel;

/// The machine's configuration folder.
const OF_THE_MACHINE: &str = "/etc/codex";

impl Config {
    /// The configuration folders whose rules count beside those of the home folder: the
    /// machine's, and those of a trusted project, from its top down to the working folder.
    #[must_use]
    pub fn rule_folders(&self) -> Vec<PathBuf> {
        let mut folders = vec![PathBuf::from(OF_THE_MACHINE)];
        let is_trusted = self
            .trust
            .as_ref()
            .is_some_and(|trust| trust.level == Some(TrustLevel::Trusted));
        let (Some(cwd), true) = (&self.cwd, is_trusted) else {
            return folders;
        };
        let top = self.project_root.as_ref().unwrap_or(cwd);
        let below: Vec<PathBuf> = cwd
            .ancestors()
            .take_while(|folder| folder.starts_with(top))
            .map(|folder| folder.join(".codex"))
            .collect();
        folders.extend(below.into_iter().rev());
        folders
    }
}
