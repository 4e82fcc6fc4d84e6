//! The seam for approvals and sandboxes: asked before a command or patch runs.
//!
//! There is no sandbox and nobody can be asked yet, so whatever would need one of them
//! is refused with a text that says so: a call runs only where the policy says that it
//! may run unconfined and unasked. Never the other way round. The capability that
//! brings them makes these functions answer "ask" and "run inside", and turns the
//! callers' `match` into the places that do so.

use loomd_events::ToolContext;
use loomd_protocol::{AskForApproval, SandboxPolicy};

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

/// Judges a command. The texts for the policy `never` are the reference's (seen on
/// 0.169.0).
pub(crate) fn judge_command(context: &ToolContext, request: &CommandRequest<'_>) -> Verdict {
    if let Some(text) = needs_a_sandbox(context) {
        return Verdict::Refuse(text);
    }
    let asks = match context.approval_policy {
        AskForApproval::Never => false,
        AskForApproval::OnRequest | AskForApproval::Granular { .. } => true,
        AskForApproval::Untrusted => {
            return Verdict::Refuse(cannot_ask("every command under the policy `untrusted`"));
        }
    };
    match request.permissions {
        SandboxPermissions::UseDefault => {}
        SandboxPermissions::RequireEscalated | SandboxPermissions::WithAdditionalPermissions => {
            return Verdict::Refuse(if asks {
                cannot_ask("a command with other permissions")
            } else {
                "approval policy is Never; reject command — you cannot ask for escalated \
                 permissions if the approval policy is Never"
                    .to_owned()
            });
        }
    }
    if forces_removal(request.script) {
        let reason = format!(
            "`{}` rejected: rm -f style commands are not permitted. Use a safer approach",
            request.command_line
        );
        return Verdict::Refuse(if asks {
            cannot_ask("a forced removal")
        } else {
            crate::exec::rejected(&reason)
        });
    }
    Verdict::Run
}

/// Judges a patch.
pub(crate) fn judge_patch(context: &ToolContext) -> Verdict {
    if let Some(text) = needs_a_sandbox(context) {
        return Verdict::Refuse(text);
    }
    match context.approval_policy {
        AskForApproval::Never | AskForApproval::OnRequest | AskForApproval::Granular { .. } => {
            Verdict::Run
        }
        AskForApproval::Untrusted => {
            Verdict::Refuse(cannot_ask("every patch under the policy `untrusted`"))
        }
    }
}

/// The refusal of a call that its policy wants confined.
fn needs_a_sandbox(context: &ToolContext) -> Option<String> {
    let mode = match context.sandbox_policy {
        SandboxPolicy::DangerFullAccess | SandboxPolicy::ExternalSandbox { .. } => return None,
        SandboxPolicy::ReadOnly { .. } => "read-only",
        SandboxPolicy::WorkspaceWrite { .. } => "workspace-write",
    };
    Some(format!(
        "refused: the sandbox policy is `{mode}`, and this server cannot confine commands or \
         patches yet, so it runs none. Tell the user: if this machine may be changed freely (a \
         container or a virtual machine), start the thread with the sandbox `danger-full-access`"
    ))
}

/// The refusal of a call that the user would have to be asked about.
fn cannot_ask(what: &str) -> String {
    format!(
        "refused: the user has to be asked about {what}, and this server cannot ask yet. Use \
         another way, or tell the user what to run"
    )
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
    use std::path::PathBuf;

    use loomd_base::ThreadId;

    use super::*;

    fn context(approval_policy: AskForApproval, sandbox_policy: SandboxPolicy) -> ToolContext {
        let id: ThreadId = "01900000-0000-7000-8000-000000000000"
            .parse()
            .expect("a UUID");
        ToolContext {
            thread_id: id,
            session_id: id,
            turn_id: "turn".into(),
            cwd: PathBuf::from("/"),
            approval_policy,
            sandbox_policy,
        }
    }

    fn runs(context: &ToolContext, script: &str) -> bool {
        let request = CommandRequest {
            script,
            command_line: script,
            permissions: SandboxPermissions::UseDefault,
        };
        judge_command(context, &request) == Verdict::Run
    }

    #[test]
    fn nothing_runs_where_a_sandbox_or_an_approval_is_wanted() {
        let full = || SandboxPolicy::DangerFullAccess;
        let read_only = SandboxPolicy::ReadOnly {
            network_access: false,
        };
        for (approval, sandbox, command, patch) in [
            (AskForApproval::Never, full(), true, true),
            (AskForApproval::OnRequest, full(), true, true),
            (AskForApproval::Untrusted, full(), false, false),
            (AskForApproval::Never, read_only.clone(), false, false),
            (AskForApproval::OnRequest, read_only, false, false),
        ] {
            let context = context(approval, sandbox);
            assert_eq!(runs(&context, "ls"), command, "{context:?}");
            assert_eq!(judge_patch(&context) == Verdict::Run, patch, "{context:?}");
            assert!(!runs(&context, "rm -rf x"), "{context:?}");
        }
    }

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
