//! Whether a command or a patch runs, inside the sandbox or outside, or is asked for. Pure.
//!
//! Which of them is the reference's decision table, seen on 0.169.0. `docs/approvals.md`
//! shows it to people.

use loomd_events::ToolContext;
use loomd_execpolicy::NEVER_ASKED;
use loomd_protocol::{AskForApproval, SandboxPolicy};

/// Why a command is refused that a rule wants asked for, where a granular policy does not
/// let it be asked. Text of the reference.
const RULES_NOT_ASKED: &str =
    "approval required by policy rule, but AskForApproval::Granular.rules is false";

/// What may happen with a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It runs.
    Run(Place),
    /// It runs if the user says so.
    Ask(Place, Why),
    /// It does not run; the reason, as the model reads it.
    Refuse(Refusal),
}

/// Where a call runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Place {
    /// Where the policy says: in the sandbox, if it wants one.
    Inside,
    /// Outside of it.
    Outside,
}

/// What makes a call one that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Why {
    /// The policy, the model's wish, or what the call does.
    Policy,
    /// A rule; the question as the user reads it.
    Rule(String),
}

/// Why a call is refused without asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// A text that is the whole answer.
    Text(String),
    /// The reason for a rejection in the form of a program that did not start.
    Rejected(String),
}

/// What the rules say about a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Nothing.
    Silent,
    /// It runs, outside the sandbox.
    Allow,
    /// The user is asked; the question.
    Prompt(String),
    /// It does not run; the reason.
    Forbid(String),
}

/// A command that wants to run.
pub(crate) struct CommandRequest<'a> {
    /// The whole command line, quoted.
    pub(crate) command_line: &'a str,
    /// Whether it wants to run outside the sandbox.
    pub(crate) escalates: bool,
    /// What the rules say.
    pub(crate) rule: Rule,
    /// Whether it destroys in a way that is always asked for.
    pub(crate) is_dangerous: bool,
}

/// Judges a command.
pub(crate) fn judge_command(context: &ToolContext, request: CommandRequest<'_>) -> Verdict {
    let policy = &context.approval_policy;
    let line = request.command_line;
    let place = match request.escalates {
        true => Place::Outside,
        false => Place::Inside,
    };
    if request.escalates
        && let Some(text) = refuses_escalation(policy)
    {
        return Verdict::Refuse(Refusal::Text(text.to_owned()));
    }
    match request.rule {
        Rule::Silent => {}
        Rule::Allow => return Verdict::Run(Place::Outside),
        Rule::Forbid(reason) => return rejected(reason),
        Rule::Prompt(question) => {
            return match policy {
                AskForApproval::OnRequest
                | AskForApproval::Untrusted
                | AskForApproval::Granular { rules: true, .. } => {
                    Verdict::Ask(place, Why::Rule(question))
                }
                AskForApproval::Never => rejected(NEVER_ASKED.to_owned()),
                AskForApproval::Granular { .. } => rejected(RULES_NOT_ASKED.to_owned()),
            };
        }
    }
    if *policy == AskForApproval::Untrusted {
        return Verdict::Ask(place, Why::Policy);
    }
    if request.escalates && is_confined(context) {
        return Verdict::Ask(Place::Outside, Why::Policy);
    }
    if !request.is_dangerous {
        return Verdict::Run(Place::Inside);
    }
    if *policy == AskForApproval::Never {
        return rejected(format!(
            "`{line}` rejected: rm -f style commands are not permitted. Use a safer approach"
        ));
    }
    Verdict::Ask(Place::Inside, Why::Policy)
}

/// Why the wish to leave the sandbox, or for more inside it, is refused whatever the rules
/// say, if it is.
pub(crate) fn refuses_escalation(policy: &AskForApproval) -> Option<&'static str> {
    match policy {
        AskForApproval::Never => Some(
            "approval policy is Never; reject command — you cannot ask for escalated permissions \
             if the approval policy is Never",
        ),
        AskForApproval::Granular {
            sandbox_approval: false,
            ..
        } => Some(
            "refused: the granular approval policy of this thread does not allow a command to \
             leave the sandbox",
        ),
        AskForApproval::OnRequest | AskForApproval::Granular { .. } | AskForApproval::Untrusted => {
            None
        }
    }
}

/// What a patch would write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Only what the sandbox lets be written.
    Inside,
    /// Something else too.
    Outside,
}

/// Judges a patch.
pub(crate) fn judge_patch(context: &ToolContext, reach: Reach) -> Verdict {
    let place = match reach {
        Reach::Inside => Place::Inside,
        Reach::Outside => Place::Outside,
    };
    match (&context.approval_policy, place) {
        (AskForApproval::Untrusted, place) => Verdict::Ask(place, Why::Policy),
        (_, Place::Inside) => Verdict::Run(Place::Inside),
        (
            AskForApproval::OnRequest
            | AskForApproval::Granular {
                sandbox_approval: true,
                ..
            },
            Place::Outside,
        ) => Verdict::Ask(Place::Outside, Why::Policy),
        (AskForApproval::Never | AskForApproval::Granular { .. }, Place::Outside) => {
            let what = match context.sandbox_policy {
                SandboxPolicy::ReadOnly { .. } => "writing is blocked by read-only sandbox",
                SandboxPolicy::WorkspaceWrite { .. }
                | SandboxPolicy::DangerFullAccess
                | SandboxPolicy::ExternalSandbox { .. } => "writing outside of the project",
            };
            Verdict::Refuse(Refusal::Text(format!(
                "patch rejected: {what}; rejected by user approval settings"
            )))
        }
    }
}

fn is_confined(context: &ToolContext) -> bool {
    match context.sandbox_policy {
        SandboxPolicy::DangerFullAccess | SandboxPolicy::ExternalSandbox { .. } => false,
        SandboxPolicy::ReadOnly { .. } | SandboxPolicy::WorkspaceWrite { .. } => true,
    }
}

fn rejected(reason: String) -> Verdict {
    Verdict::Refuse(Refusal::Rejected(reason))
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
            file_rules: None,
        }
    }

    fn granular(sandbox_approval: bool, rules: bool) -> AskForApproval {
        AskForApproval::Granular {
            sandbox_approval,
            rules,
            skill_approval: false,
            request_permissions: false,
            mcp_elicitations: false,
        }
    }

    fn word(verdict: Verdict) -> &'static str {
        match verdict {
            Verdict::Run(Place::Inside) => "run",
            Verdict::Run(Place::Outside) => "free",
            Verdict::Ask(Place::Inside, _) => "ask",
            Verdict::Ask(Place::Outside, _) => "ask free",
            Verdict::Refuse(_) => "refuse",
        }
    }

    fn command(
        context: &ToolContext,
        rule: Rule,
        escalates: bool,
        is_dangerous: bool,
    ) -> &'static str {
        let request = CommandRequest {
            command_line: "x",
            escalates,
            rule,
            is_dangerous,
        };
        word(judge_command(context, request))
    }

    fn policies() -> [(AskForApproval, &'static str); 5] {
        [
            (AskForApproval::OnRequest, "on-request"),
            (AskForApproval::Never, "never"),
            (AskForApproval::Untrusted, "untrusted"),
            (granular(false, false), "granular, all false"),
            (granular(true, true), "granular, all true"),
        ]
    }

    #[test]
    fn without_a_rule_the_table_decides() {
        // Columns: plain, dangerous, escalated, patch inside, patch outside.
        let confined = [
            ["run", "ask", "ask free", "run", "ask free"],
            ["run", "refuse", "refuse", "run", "refuse"],
            ["ask", "ask", "ask free", "ask", "ask free"],
            ["run", "ask", "refuse", "run", "refuse"],
            ["run", "ask", "ask free", "run", "ask free"],
        ];
        for sandbox in [
            SandboxPolicy::ReadOnly {
                network_access: false,
            },
            SandboxPolicy::WorkspaceWrite {
                network_access: false,
                writable_roots: Vec::new(),
                exclude_tmpdir_env_var: false,
                exclude_slash_tmp: false,
            },
        ] {
            for ((policy, name), expected) in policies().into_iter().zip(confined) {
                let context = context(policy, sandbox.clone());
                let verdicts = [
                    command(&context, Rule::Silent, false, false),
                    command(&context, Rule::Silent, false, true),
                    command(&context, Rule::Silent, true, false),
                    word(judge_patch(&context, Reach::Inside)),
                    word(judge_patch(&context, Reach::Outside)),
                ];
                assert_eq!(verdicts, expected, "{name}");
            }
        }
        let full = [
            ["run", "ask", "run", "run"],
            ["run", "refuse", "refuse", "run"],
            ["ask", "ask", "ask free", "ask"],
            ["run", "ask", "refuse", "run"],
            ["run", "ask", "run", "run"],
        ];
        for ((policy, name), expected) in policies().into_iter().zip(full) {
            let context = context(policy, SandboxPolicy::DangerFullAccess);
            let verdicts = [
                command(&context, Rule::Silent, false, false),
                command(&context, Rule::Silent, false, true),
                command(&context, Rule::Silent, true, false),
                word(judge_patch(&context, Reach::Inside)),
            ];
            assert_eq!(verdicts, expected, "full access, {name}");
        }
    }

    #[test]
    fn a_refused_patch_is_told_what_holds_it() {
        let workspace = SandboxPolicy::WorkspaceWrite {
            network_access: false,
            writable_roots: Vec::new(),
            exclude_tmpdir_env_var: false,
            exclude_slash_tmp: false,
        };
        let read_only = SandboxPolicy::ReadOnly {
            network_access: false,
        };
        for (sandbox, what) in [
            (workspace, "writing outside of the project"),
            (read_only, "writing is blocked by read-only sandbox"),
        ] {
            let context = context(AskForApproval::Never, sandbox);
            let text = format!("patch rejected: {what}; rejected by user approval settings");
            let expected = Verdict::Refuse(Refusal::Text(text));
            assert_eq!(judge_patch(&context, Reach::Outside), expected);
        }
    }

    #[test]
    fn a_rule_comes_before_the_table() {
        let read_only = || SandboxPolicy::ReadOnly {
            network_access: false,
        };
        // Columns: allow, allow for an escalated one, prompt, prompt for an escalated one,
        // forbid.
        for ((policy, name), expected) in policies().into_iter().zip([
            ["free", "free", "ask", "ask free", "refuse"],
            ["free", "refuse", "refuse", "refuse", "refuse"],
            ["free", "free", "ask", "ask free", "refuse"],
            ["free", "refuse", "refuse", "refuse", "refuse"],
            ["free", "free", "ask", "ask free", "refuse"],
        ]) {
            let context = context(policy, read_only());
            let verdicts = [
                command(&context, Rule::Allow, false, true),
                command(&context, Rule::Allow, true, false),
                command(&context, Rule::Prompt(String::new()), false, false),
                command(&context, Rule::Prompt(String::new()), true, false),
                command(&context, Rule::Forbid(String::new()), false, false),
            ];
            assert_eq!(verdicts, expected, "{name}");
        }
    }

    /// The page shows these tables; whoever changes a verdict sees here what to write there.
    #[test]
    fn the_page_about_approvals_shows_these_tables() {
        const PAGE: &str = include_str!("../../../docs/approvals.md");
        let in_words = |verdict: &&str| match *verdict {
            "run" => "runs",
            "free" => "runs outside",
            "ask" => "asked",
            "ask free" => "asked, then outside",
            _ => "refused",
        };
        let rule = Rule::Silent;
        let ask = Rule::Prompt(String::new());
        let forbid = Rule::Forbid(String::new());
        let read_only = SandboxPolicy::ReadOnly {
            network_access: false,
        };
        for (policy, name) in policies() {
            let confined = context(policy.clone(), read_only.clone());
            let full = context(policy, SandboxPolicy::DangerFullAccess);
            let patch = |context, reach| word(judge_patch(context, reach));
            let rows = [
                vec![
                    command(&confined, rule.clone(), false, false),
                    command(&confined, rule.clone(), false, true),
                    command(&confined, rule.clone(), true, false),
                    patch(&confined, Reach::Inside),
                    patch(&confined, Reach::Outside),
                ],
                vec![
                    command(&full, rule.clone(), false, false),
                    command(&full, rule.clone(), false, true),
                    command(&full, rule.clone(), true, false),
                    patch(&full, Reach::Inside),
                ],
                vec![
                    command(&confined, Rule::Allow, false, false),
                    command(&confined, ask.clone(), false, false),
                    command(&confined, ask.clone(), true, false),
                    command(&confined, forbid.clone(), false, false),
                ],
            ];
            let shown: Vec<&str> = PAGE
                .lines()
                .filter(|line| line.starts_with(&format!("| {name} |")))
                .collect();
            let expected = rows.map(|row| {
                let cells: Vec<&str> = row.iter().map(in_words).collect();
                format!("| {name} | {} |", cells.join(" | "))
            });
            assert_eq!(shown, expected, "docs/approvals.md");
        }
    }
}
