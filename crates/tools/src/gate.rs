//! The seam for approvals and sandboxes: asked before a command or patch runs.
//!
//! What stands here today is what needs no client and no sandbox: the refusals of the
//! approval policy `never`. Under every other policy, and in every sandbox policy, a
//! call runs as under full access: there is no sandbox yet, and nobody is asked. The
//! capability that brings them makes these functions answer "ask" and "run inside",
//! and turns the callers' `match` into the places that do so.

use loomd_events::ToolContext;
use loomd_protocol::AskForApproval;

use crate::exec::params::SandboxPermissions;
use crate::exec::words::rough_commands;

/// What may happen with a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It runs, unsandboxed.
    Run,
    /// It does not run; the model reads this text.
    Refuse(String),
}

/// A command that wants to run.
pub(crate) struct CommandRequest<'a> {
    /// What the model wrote.
    pub(crate) script: &'a str,
    /// The whole command line, quoted.
    pub(crate) command_line: &'a str,
    /// What it asks of the sandbox.
    pub(crate) permissions: SandboxPermissions,
}

/// Judges a command. The texts are the reference's (seen on 0.169.0).
pub(crate) fn judge_command(context: &ToolContext, request: &CommandRequest<'_>) -> Verdict {
    match context.approval_policy {
        AskForApproval::Never => {}
        AskForApproval::Untrusted | AskForApproval::OnRequest | AskForApproval::Granular { .. } => {
            return Verdict::Run;
        }
    }
    match request.permissions {
        SandboxPermissions::UseDefault => {}
        SandboxPermissions::RequireEscalated | SandboxPermissions::WithAdditionalPermissions => {
            return Verdict::Refuse(
                "approval policy is Never; reject command — you cannot ask for escalated \
                 permissions if the approval policy is Never"
                    .to_owned(),
            );
        }
    }
    if forces_removal(request.script) {
        let reason = format!(
            "`{}` rejected: rm -f style commands are not permitted. Use a safer approach",
            request.command_line
        );
        return Verdict::Refuse(crate::exec::rejected(&reason));
    }
    Verdict::Run
}

/// Judges a patch. Where it may write is a matter of the sandbox, which is not there
/// yet.
pub(crate) fn judge_patch(_context: &ToolContext) -> Verdict {
    Verdict::Run
}

/// Whether a script calls `rm` with `-f` in any spelling, also behind `sudo`.
fn forces_removal(script: &str) -> bool {
    rough_commands(script).iter().any(|words| {
        let mut words = words
            .iter()
            .map(String::as_str)
            .skip_while(|word| *word == "sudo" || word.contains('='));
        let is_rm = words
            .next()
            .is_some_and(|name| name.rsplit('/').next() == Some("rm"));
        is_rm
            && words.take_while(|word| *word != "--").any(|word| {
                word == "--force"
                    || (word.starts_with('-') && !word.starts_with("--") && word.contains('f'))
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sees_a_forced_removal_in_any_spelling() {
        for script in [
            "rm -rf x",
            "rm -fr x",
            "rm -r -f x",
            "true && rm -f x",
            "sudo rm -f x",
            "rm x -f",
            "rm -vrf x",
            "/bin/rm -f x",
            "rm -f $HOME/x",
            "X=1 rm -f x",
            "rm -f x > /dev/null",
            "rm --force x",
        ] {
            assert!(forces_removal(script), "{script}");
        }
        for script in [
            "rm x",
            "rm -r x",
            "rm -- -f",
            "echo rm -f",
            "find . -name x | xargs rm -f",
            "format -f",
            "",
        ] {
            assert!(!forces_removal(script), "{script}");
        }
    }
}
