//! Approvals and the seam for sandboxes: asked before a command or patch runs.
//!
//! There is no sandbox yet, so whatever would need one is refused with a text that says
//! so: a call runs only where the policy says that it may run unconfined. Never the
//! other way round. The capability that brings sandboxes makes these functions answer
//! "run inside", and turns the callers' `match` into the places that do so.

use loomd_events::ToolContext;
use loomd_protocol::{AskForApproval, SandboxPolicy};

use crate::exec::params::SandboxPermissions;
use crate::exec::words::rough_commands;

/// What may happen with a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It runs, unsandboxed.
    Run,
    /// The user decides.
    Ask,
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
    match (&context.approval_policy, request.permissions) {
        (AskForApproval::Untrusted, _) => return Verdict::Ask,
        (_, SandboxPermissions::UseDefault) => {}
        // Nothing is confined here, so there is nothing to escape from.
        (AskForApproval::OnRequest, _) => {}
        (AskForApproval::Never, _) => {
            return Verdict::Refuse(
                "approval policy is Never; reject command — you cannot ask for escalated \
                 permissions if the approval policy is Never"
                    .to_owned(),
            );
        }
        (AskForApproval::Granular { .. }, _) => {
            return Verdict::Refuse(
                "refused: the granular approval policy of this thread does not allow a command to \
                 ask for other permissions"
                    .to_owned(),
            );
        }
    }
    if !forces_removal(request.script) {
        return Verdict::Run;
    }
    if context.approval_policy == AskForApproval::Never {
        let reason = format!(
            "`{}` rejected: rm -f style commands are not permitted. Use a safer approach",
            request.command_line
        );
        return Verdict::Refuse(crate::exec::rejected(&reason));
    }
    Verdict::Ask
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
        AskForApproval::Untrusted => Verdict::Ask,
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

    fn judged(context: &ToolContext, script: &str) -> Verdict {
        let request = CommandRequest {
            script,
            command_line: script,
            permissions: SandboxPermissions::UseDefault,
        };
        judge_command(context, &request)
    }

    #[test]
    fn nothing_runs_unasked_or_unconfined_that_may_not() {
        let full = || SandboxPolicy::DangerFullAccess;
        let read_only = || SandboxPolicy::ReadOnly {
            network_access: false,
        };
        let kind = |verdict: Verdict| match verdict {
            Verdict::Run => "run",
            Verdict::Ask => "ask",
            Verdict::Refuse(_) => "refuse",
        };
        // Columns: a plain command, a forced removal, a patch.
        for (approval, sandbox, expected) in [
            (AskForApproval::Never, full(), ["run", "refuse", "run"]),
            (AskForApproval::OnRequest, full(), ["run", "ask", "run"]),
            (AskForApproval::Untrusted, full(), ["ask", "ask", "ask"]),
            (AskForApproval::Never, read_only(), ["refuse"; 3]),
            (AskForApproval::OnRequest, read_only(), ["refuse"; 3]),
            (AskForApproval::Untrusted, read_only(), ["refuse"; 3]),
        ] {
            let context = context(approval, sandbox);
            let verdicts = [
                judged(&context, "ls"),
                judged(&context, "rm -rf x"),
                judge_patch(&context),
            ];
            assert_eq!(verdicts.map(kind), expected, "{context:?}");
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
