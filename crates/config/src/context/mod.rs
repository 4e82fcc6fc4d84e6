//! Texts that tell a model where it works, beside the user's words.
//!
//! Pure functions of values; date and time zone come in. The tags around the texts
//! are the reference's, since hosts and readers of rollouts know them; the words
//! inside are ours.
//!
//! A thread sends every text on its first turn and after that only those that
//! changed, in the "later" form where one exists. What was sent before is never
//! rewritten, so that a host can keep its cache.

mod environment;
mod permissions;

pub use environment::{
    Access, EnvironmentContext, FilePlace, Filesystem, PROTECTED, environment_block,
    environment_difference, filesystem,
};
pub use permissions::{Permissions, permissions_block};

use std::path::Path;

use crate::agents_md::AgentsMd;

/// Whether AGENTS.md text is told for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Telling {
    /// The model has heard none before.
    First,
    /// It takes the place of what the model heard before.
    Instead,
}

/// The user message part with the AGENTS.md text for work in `cwd`; none where there
/// is nothing to tell. An earlier text that is gone is told as such.
///
/// The header names the folder only where a part of the text is about the project.
#[must_use]
pub fn agents_md_part(agents_md: &AgentsMd, cwd: &Path, telling: Telling) -> Option<String> {
    let text = match (agents_md.text.as_deref(), telling) {
        (Some(text), Telling::First) => text.to_owned(),
        (Some(text), Telling::Instead) => {
            format!("What follows takes the place of all earlier AGENTS.md instructions.\n\n{text}")
        }
        (None, Telling::Instead) => {
            "The earlier AGENTS.md instructions no longer apply; there are none now.".to_owned()
        }
        (None, Telling::First) => return None,
    };
    let place = if agents_md.has_project_text {
        format!(" for {}", cwd.display())
    } else {
        String::new()
    };
    Some(format!(
        "# AGENTS.md instructions{place}\n\n<INSTRUCTIONS>\n{text}\n</INSTRUCTIONS>"
    ))
}

/// The developer message part for a thread that goes on with another model;
/// `base_instructions` are those of the new one.
#[must_use]
pub fn model_switch(base_instructions: &str) -> String {
    format!(
        "<model_switch>\nUntil here another model answered. Go on from its work, under these instructions:\n\n\
         {base_instructions}\n</model_switch>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: Option<&str>, has_project_text: bool) -> AgentsMd {
        AgentsMd {
            text: text.map(str::to_owned),
            sources: Vec::new(),
            has_project_text,
        }
    }

    #[test]
    fn the_header_names_the_folder_when_the_project_says_something() {
        let part =
            |project| agents_md_part(&found(Some("T"), project), Path::new("/p"), Telling::First);
        assert_eq!(
            part(true).as_deref(),
            Some("# AGENTS.md instructions for /p\n\n<INSTRUCTIONS>\nT\n</INSTRUCTIONS>")
        );
        assert_eq!(
            part(false).as_deref(),
            Some("# AGENTS.md instructions\n\n<INSTRUCTIONS>\nT\n</INSTRUCTIONS>")
        );
    }

    #[test]
    fn a_changed_or_vanished_text_says_that_it_replaces() {
        let part = |text, telling| agents_md_part(&found(text, false), Path::new("/p"), telling);
        let changed = part(Some("T"), Telling::Instead).expect("there is something to tell");
        assert!(changed.contains("takes the place of all earlier"));
        assert!(changed.ends_with("\n\nT\n</INSTRUCTIONS>"));
        let gone = part(None, Telling::Instead).expect("there is something to tell");
        assert!(gone.contains("no longer apply"));
        assert_eq!(part(None, Telling::First), None);
    }
}
