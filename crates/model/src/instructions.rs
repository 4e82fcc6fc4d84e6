//! The base instructions: what a model is told before anything else.

/// Who the model is, how it works and which tools it has, unless the configuration
/// or a client says otherwise. In our own words.
#[must_use]
pub fn base_instructions() -> &'static str {
    include_str!("instructions.md")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duty_is_spelt_out() {
        let text = base_instructions();
        for word in [
            "loomd",
            "AGENTS.md",
            "exec_command",
            "write_stdin",
            "apply_patch",
            "update_plan",
            "view_image",
            "*** Begin Patch",
            "sandbox",
            "final",
        ] {
            assert!(text.contains(word), "{word} is missing");
        }
        assert!(text.len() < 24 * 1024, "they are part of every request");
    }
}
