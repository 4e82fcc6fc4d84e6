//! Recognises a shell command that does nothing but call `apply_patch` with a
//! heredoc. Pure.
//!
//! Models without the tool (and some with it) patch through the shell, where no such
//! program exists. Recognised are `apply_patch <<'EOF'` … `EOF` (or `applypatch`,
//! any delimiter, quoted or not), alone or behind one `cd folder &&`. Anything more
//! is left to the shell, so that no part of a command is ever dropped.

/// What a recognised command asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PatchCommand {
    /// The folder of a leading `cd`.
    pub(crate) folder: Option<String>,
    /// The patch.
    pub(crate) patch: String,
}

/// The patch in `command`, if it is such a command.
pub(crate) fn recognise(command: &str) -> Option<PatchCommand> {
    let command = command.trim_start();
    let (line, rest) = command.split_once('\n')?;
    let (folder, call) = match leading_cd(line) {
        Some((folder, call)) => (Some(folder), call),
        None => (None, line),
    };
    let operands = ["apply_patch", "applypatch"]
        .iter()
        .find_map(|name| call.trim_start().strip_prefix(name))?;
    let delimiter = delimiter(operands.trim_start().strip_prefix("<<")?.trim())?;
    let mut patch = String::new();
    let mut lines = rest.split_inclusive('\n');
    for line in lines.by_ref() {
        if line.trim_end_matches(['\n', '\r']) == delimiter {
            let nothing_follows = lines.all(|line| line.trim().is_empty());
            return nothing_follows.then_some(PatchCommand { folder, patch });
        }
        patch.push_str(line);
    }
    None
}

/// Whether the command is the text of a patch itself, which no shell can run.
pub(crate) fn is_bare_patch(command: &str) -> bool {
    command.trim_start().starts_with("*** Begin Patch") && super::parse::parse(command).is_ok()
}

/// The folder and what follows `&&` in `cd folder && …`.
fn leading_cd(line: &str) -> Option<(String, &str)> {
    let rest = line.trim_start().strip_prefix("cd")?;
    if !rest.starts_with([' ', '\t']) {
        return None;
    }
    let (folder, call) = rest.split_once("&&")?;
    let mut words = shlex::split(folder)?;
    let folder = words.pop()?;
    // The shell would expand or split these; then it is the shell's to run.
    let plain = !folder.contains(['$', '`', '*', '?', '[', ';', '|', '&', '<', '>', '('])
        && !folder.starts_with(['~', '-']);
    (words.is_empty() && plain).then_some((folder, call))
}

/// The word behind `<<`, without its quotes.
fn delimiter(word: &str) -> Option<&str> {
    let bare = ['\'', '"']
        .iter()
        .find_map(|quote| word.strip_prefix(*quote)?.strip_suffix(*quote))
        .unwrap_or(word);
    let valid = !bare.is_empty() && bare.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    valid.then_some(bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patch(command: &str) -> Option<(Option<String>, String)> {
        recognise(command).map(|found| (found.folder, found.patch))
    }

    #[test]
    fn recognises_the_forms_that_models_use() {
        let plain = Some((None, "P\n".to_owned()));
        assert_eq!(patch("apply_patch <<'EOF'\nP\nEOF\n"), plain);
        assert_eq!(patch("  applypatch <<\"X_1\"\nP\nX_1"), plain);
        assert_eq!(patch("apply_patch<<EOF\nP\nEOF\n\n  \n"), plain);
        assert_eq!(
            patch("cd 'my dir' && apply_patch << 'EOF'\nP\nEOF"),
            Some((Some("my dir".into()), "P\n".into()))
        );
    }

    #[test]
    fn leaves_everything_else_to_the_shell() {
        for command in [
            "apply_patch <<'EOF'\nP\nEOF\necho more",
            "echo a; apply_patch <<'EOF'\nP\nEOF",
            "apply_patch <<'EOF' > log\nP\nEOF",
            "apply_patch '*** Begin Patch'",
            "apply_patch <<'EOF'\nP",
            "apply_patch_all <<'EOF'\nP\nEOF",
            "cd $HOME && apply_patch <<'EOF'\nP\nEOF",
            "cd a b && apply_patch <<'EOF'\nP\nEOF",
            "cd a; apply_patch <<'EOF'\nP\nEOF",
            "cd a || apply_patch <<'EOF'\nP\nEOF",
            "cat <<'EOF'\nP\nEOF",
            "",
        ] {
            assert_eq!(patch(command), None, "{command}");
        }
    }

    #[test]
    fn tells_a_patch_that_was_typed_as_a_command() {
        assert!(is_bare_patch(
            "*** Begin Patch\n*** Add File: a\n+x\n*** End Patch\n"
        ));
        assert!(!is_bare_patch("*** Begin Patch\nnonsense"));
        assert!(!is_bare_patch("ls"));
    }
}
