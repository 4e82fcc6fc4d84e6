//! The permissions block: what commands may do, and how to ask for more.

use std::fmt::Write as _;
use std::path::PathBuf;

use crate::words::{ApprovalPolicy, ApprovalsReviewer, GranularApproval, SandboxMode};

const OPEN: &str = "<permissions instructions>\n";
const CLOSE: &str = "</permissions instructions>";
/// Approved prefixes told to the model; further ones are left out, which costs no
/// more than an approval that would not have been needed.
const PREFIXES_MAX: usize = 100;

/// What the block tells.
#[derive(Debug, Clone, Copy)]
pub struct Permissions<'a> {
    /// The sandbox.
    pub sandbox: SandboxMode,
    /// Whether commands in it reach the network.
    pub network: bool,
    /// Whether a permission profile has rules about files that the mode cannot tell.
    pub has_file_rules: bool,
    /// Folders that may be written beside the working folder.
    pub writable_roots: &'a [PathBuf],
    /// When the user is asked.
    pub approval: ApprovalPolicy,
    /// Who is asked.
    pub reviewer: ApprovalsReviewer,
    /// Command prefixes that run outside the sandbox without asking.
    pub approved_prefixes: &'a [Vec<String>],
}

/// The developer message part about permissions, in its tag.
#[must_use]
pub fn permissions_block(permissions: &Permissions<'_>) -> String {
    let mut text = OPEN.to_owned();
    sandbox(permissions, &mut text);
    approvals(permissions, &mut text);
    prefixes(permissions.approved_prefixes, &mut text);
    text.push_str(CLOSE);
    text
}

fn sandbox(permissions: &Permissions<'_>, text: &mut String) {
    let allows = match permissions.sandbox {
        SandboxMode::ReadOnly | SandboxMode::WorkspaceWrite if permissions.has_file_rules => {
            "a permission profile says which files commands may read and write; its rules stand in the environment \
             context, and the one for the innermost folder decides. What no rule is about cannot be read. What is \
             denied stays so outside the sandbox too, so never ask for it"
        }
        SandboxMode::ReadOnly => "commands may read every file and write none",
        SandboxMode::WorkspaceWrite => {
            "commands may read every file, and write below the working folder, in temporary folders and in the \
             writable roots below, if there are any; `.git`, `.codex`, `.agents` and `.aws` in each stay read-only"
        }
        SandboxMode::DangerFullAccess => {
            "commands run without a sandbox and may read and write every file of the user"
        }
    };
    let _ = writeln!(
        text,
        "`sandbox_mode` is `{}`: {allows}.",
        permissions.sandbox.as_str()
    );
    if permissions.sandbox == SandboxMode::WorkspaceWrite
        && !permissions.has_file_rules
        && !permissions.writable_roots.is_empty()
    {
        text.push_str("Writable roots:\n");
        for root in permissions.writable_roots {
            let _ = writeln!(text, "- `{}`", root.display());
        }
    }
    let network = permissions.network || permissions.sandbox == SandboxMode::DangerFullAccess;
    text.push_str(if network {
        "The network can be reached.\n"
    } else {
        "The network cannot be reached from inside the sandbox.\n"
    });
}

const NO_ESCALATION: &str = "Do not set `sandbox_permissions`: such a command is refused without anybody being asked. If something \
     cannot be done within these limits, do what can be done and say what is missing.\n";

fn approvals(permissions: &Permissions<'_>, text: &mut String) {
    match permissions.approval {
        ApprovalPolicy::Never => {
            text.push_str("`approval_policy` is `never`. ");
            text.push_str(NO_ESCALATION);
        }
        ApprovalPolicy::Untrusted => {
            text.push_str(
                "`approval_policy` is `untrusted`: the user is asked before every command that is not plainly \
                 harmless, and you cannot ask to leave the sandbox. ",
            );
            text.push_str(NO_ESCALATION);
        }
        ApprovalPolicy::OnRequest => {
            text.push_str("`approval_policy` is `on-request`. ");
            escalation(permissions, text);
        }
        ApprovalPolicy::Granular(kinds) => {
            granular(kinds, text);
            if kinds.sandbox_approval {
                escalation(permissions, text);
            } else {
                text.push_str(NO_ESCALATION);
            }
        }
    }
}

fn granular(kinds: GranularApproval, text: &mut String) {
    let asked = [
        (kinds.sandbox_approval, "leaving the sandbox"),
        (kinds.rules, "commands for which a rule says to ask"),
        (kinds.skill_approval, "use of skills"),
        (kinds.request_permissions, "requests for permissions"),
        (kinds.mcp_elicitations, "questions of MCP servers"),
    ];
    let names = |wanted: bool| {
        let names: Vec<_> = asked
            .iter()
            .filter(|(asked, _)| *asked == wanted)
            .map(|(_, name)| *name)
            .collect();
        if names.is_empty() {
            "nothing".to_owned()
        } else {
            names.join(", ")
        }
    };
    let _ = writeln!(
        text,
        "`approval_policy` is granular. Put to the user: {}. Refused at once: {}.",
        names(true),
        names(false)
    );
}

fn escalation(permissions: &Permissions<'_>, text: &mut String) {
    if permissions.sandbox == SandboxMode::DangerFullAccess {
        text.push_str(
            "There is no sandbox to leave, so never set `sandbox_permissions`. Commands that destroy data may still \
             be put to the user.\n",
        );
        return;
    }
    let who = match permissions.reviewer {
        ApprovalsReviewer::User => "the user",
        ApprovalsReviewer::AutoReview => "an automatic reviewer",
    };
    let _ = write!(
        text,
        "To run a command outside the sandbox, call the command tool with `sandbox_permissions` set to \
         `require_escalated` and a short question for {who} in `justification`; the call itself asks, so do not ask \
         in a message first. Where the same kind of command will come up again, add a `prefix_rule` that names its \
         first words narrowly; never one that covers a shell, an interpreter or a deleting command.\n\
         Ask when:\n\
         - the task needs a write outside the folders above, the network, or a program with windows;\n\
         - a command that matters failed in the sandbox, and the failure looks like the sandbox's doing: run it \
         again this way;\n\
         - you are about to destroy data in a way the user did not ask for.\n\
         Otherwise stay inside: most work needs no approval. A command line is judged piece by piece, split at \
         pipes, `&&`, `||` and `;`; one with redirections, substitutions or variables matches no rule. When a \
         request is declined, do not look for a way around it.\n"
    );
}

fn prefixes(prefixes: &[Vec<String>], text: &mut String) {
    if prefixes.is_empty() {
        return;
    }
    text.push_str("Commands with these first words run outside the sandbox without asking:\n");
    for prefix in prefixes.iter().take(PREFIXES_MAX) {
        let words = serde_json::Value::from(prefix.clone());
        let _ = writeln!(text, "- {words}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(sandbox: SandboxMode, approval: ApprovalPolicy, expected: &Expect) {
        let block = permissions_block(&Permissions {
            sandbox,
            network: false,
            has_file_rules: false,
            writable_roots: &[],
            approval,
            reviewer: ApprovalsReviewer::User,
            approved_prefixes: &[],
        });
        expected.assert_eq(&block);
    }

    #[test]
    fn nobody_is_asked_under_never() {
        check(
            SandboxMode::ReadOnly,
            ApprovalPolicy::Never,
            &expect![[r#"
                <permissions instructions>
                `sandbox_mode` is `read-only`: commands may read every file and write none.
                The network cannot be reached from inside the sandbox.
                `approval_policy` is `never`. Do not set `sandbox_permissions`: such a command is refused without anybody being asked. If something cannot be done within these limits, do what can be done and say what is missing.
                </permissions instructions>"#]],
        );
    }

    #[test]
    fn a_profile_with_rules_is_told_by_its_rules() {
        let block = permissions_block(&Permissions {
            sandbox: SandboxMode::WorkspaceWrite,
            network: false,
            has_file_rules: true,
            writable_roots: &[PathBuf::from("/data")],
            approval: ApprovalPolicy::Never,
            reviewer: ApprovalsReviewer::User,
            approved_prefixes: &[],
        });
        assert!(
            block.contains("`workspace-write`: a permission profile says"),
            "{block}"
        );
        assert!(
            !block.contains("/data") && !block.contains("every file"),
            "{block}"
        );
    }

    #[test]
    fn full_access_has_no_sandbox_to_leave() {
        check(
            SandboxMode::DangerFullAccess,
            ApprovalPolicy::OnRequest,
            &expect![[r#"
                <permissions instructions>
                `sandbox_mode` is `danger-full-access`: commands run without a sandbox and may read and write every file of the user.
                The network can be reached.
                `approval_policy` is `on-request`. There is no sandbox to leave, so never set `sandbox_permissions`. Commands that destroy data may still be put to the user.
                </permissions instructions>"#]],
        );
    }

    #[test]
    fn on_request_tells_how_to_ask() {
        let roots = [PathBuf::from("/data")];
        let prefixes = [vec!["cargo".to_owned(), "test".to_owned()]];
        let block = permissions_block(&Permissions {
            sandbox: SandboxMode::WorkspaceWrite,
            network: true,
            has_file_rules: false,
            writable_roots: &roots,
            approval: ApprovalPolicy::OnRequest,
            reviewer: ApprovalsReviewer::AutoReview,
            approved_prefixes: &prefixes,
        });
        for part in [
            "`sandbox_mode` is `workspace-write`",
            "- `/data`\n",
            "The network can be reached.",
            "`require_escalated`",
            "an automatic reviewer",
            "- [\"cargo\",\"test\"]\n",
        ] {
            assert!(block.contains(part), "{part} is missing in {block}");
        }
    }

    #[test]
    fn granular_without_sandbox_approval_forbids_asking() {
        let kinds = GranularApproval {
            sandbox_approval: false,
            rules: true,
            skill_approval: false,
            request_permissions: false,
            mcp_elicitations: true,
        };
        check(
            SandboxMode::WorkspaceWrite,
            ApprovalPolicy::Granular(kinds),
            &expect![[r#"
                <permissions instructions>
                `sandbox_mode` is `workspace-write`: commands may read every file, and write below the working folder, in temporary folders and in the writable roots below, if there are any; `.git`, `.codex`, `.agents` and `.aws` in each stay read-only.
                The network cannot be reached from inside the sandbox.
                `approval_policy` is granular. Put to the user: commands for which a rule says to ask, questions of MCP servers. Refused at once: leaving the sandbox, use of skills, requests for permissions.
                Do not set `sandbox_permissions`: such a command is refused without anybody being asked. If something cannot be done within these limits, do what can be done and say what is missing.
                </permissions instructions>"#]],
        );
    }

    #[test]
    fn the_list_of_prefixes_is_bounded() {
        let many = vec![vec!["a".to_owned()]; PREFIXES_MAX + 5];
        let block = permissions_block(&Permissions {
            sandbox: SandboxMode::ReadOnly,
            network: false,
            has_file_rules: false,
            writable_roots: &[],
            approval: ApprovalPolicy::OnRequest,
            reviewer: ApprovalsReviewer::User,
            approved_prefixes: &many,
        });
        assert_eq!(block.matches("- [\"a\"]").count(), PREFIXES_MAX);
    }
}
