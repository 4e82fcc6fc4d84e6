//! Lets a command in: by the rules, the policy, what was granted before, and the user.

use std::path::Path;
use std::sync::Arc;

use loomd_execpolicy::{Asked, CommandLine, Judgement, Ruling};
use loomd_protocol::{AskForApproval, CommandExecutionSource};

use super::item::CommandItem;
use super::params::ExecParams;
use super::{REJECTED_BY_USER, rejected};
use crate::approval::{self, CommandQuestion, Decision};
use crate::call::Call;
use crate::gate::{self, CommandRequest, Place, Refusal, Rule, Verdict, Why};

/// What became of a command that wanted to run.
pub(super) enum Admission {
    /// It runs.
    Runs(Place),
    /// It does not; the model reads this.
    Refused(String),
    /// It does not, and nobody waits for an answer.
    TurnEnds,
}

/// A command that wants to run.
pub(super) struct Applicant<'a> {
    pub(super) params: &'a ExecParams,
    /// Shell, flag, script.
    pub(super) argv: &'a [String; 3],
    /// The same as one quoted line.
    pub(super) line: &'a str,
    pub(super) folder: &'a Path,
}

/// Decides about a command, asking the user where that is for the user to say.
pub(super) async fn admit(call: &Call, applicant: &Applicant<'_>) -> Admission {
    let judgement = judgement(call, applicant).await;
    let escalates = applicant.params.escalates();
    let request = CommandRequest {
        command_line: applicant.line,
        escalates,
        rule: rule(&judgement.ruling, applicant.line),
        is_dangerous: judgement.forces_removal(),
    };
    let (place, why) = match gate::judge_command(&call.context, request) {
        // One that was asked about before a restart gets its answer, whatever the rules
        // say by now.
        Verdict::Run(place) if call.has_answer() => (place, Why::Policy),
        Verdict::Run(place) => return Admission::Runs(place),
        Verdict::Refuse(Refusal::Text(text)) => return Admission::Refused(text),
        Verdict::Refuse(Refusal::Rejected(reason)) => {
            return Admission::Refused(rejected(&reason));
        }
        Verdict::Ask(place, why) => (place, why),
    };
    let shared = call.shared();
    let (line, folder) = (applicant.line, applicant.folder);
    if !call.has_answer() && shared.registry().is_granted(line, folder, place) {
        return Admission::Runs(place);
    }
    let now = shared.clock.now();
    let source = CommandExecutionSource::UnifiedExecStartup;
    let item = CommandItem::new(call.id(), line, &applicant.params.cmd, folder, now, source);
    let everything = escalates || call.context.approval_policy == AskForApproval::Untrusted;
    let asked = if everything {
        Asked::ForAll
    } else {
        Asked::ForRemovals
    };
    let question = CommandQuestion {
        item: item.asked(),
        reason: match why {
            Why::Policy => applicant.params.justification.clone(),
            Why::Rule(question) => Some(question),
        },
        proposal: judgement
            .proposal(applicant.params.prefix_rule.as_deref(), asked)
            .filter(|_| lets_be_allowed(&call.context.approval_policy)),
    };
    match approval::ask_command(call, question).await {
        Decision::Run => Admission::Runs(place),
        Decision::RunAlways => {
            shared.registry().grant(line, folder, place);
            Admission::Runs(place)
        }
        Decision::RunAndAllow(prefix) => {
            amend(call, prefix).await;
            Admission::Runs(place)
        }
        Decision::Declined => Admission::Refused(rejected(REJECTED_BY_USER)),
        Decision::Failed => Admission::Refused(rejected(approval::FAILED)),
        Decision::TurnEnds => Admission::TurnEnds,
    }
}

/// Whether a rule is proposed. As in the reference, none is where nothing may leave the
/// sandbox: what a rule allows does.
fn lets_be_allowed(policy: &AskForApproval) -> bool {
    !matches!(
        policy,
        AskForApproval::Granular {
            sandbox_approval: false,
            ..
        }
    )
}

/// What the rules say of a command.
async fn judgement(call: &Call, applicant: &Applicant<'_>) -> Judgement {
    let rules = Arc::clone(&call.shared().rules);
    let line = CommandLine::new(applicant.argv);
    let folders = call.shared().rule_folders.clone();
    let judged = tokio::task::spawn_blocking(move || rules.rules(&folders).judge(&line));
    judged.await.unwrap_or_else(|_| {
        // The rules could not be read; nothing may be loosened then.
        loomd_execpolicy::Rules::default().judge(&CommandLine::new(applicant.argv))
    })
}

fn rule(ruling: &Ruling, line: &str) -> Rule {
    match ruling {
        Ruling::Open => Rule::Silent,
        Ruling::Allowed => Rule::Allow,
        Ruling::Forbidden(cause) => Rule::Forbid(cause.refusal(line)),
        Ruling::Prompt(cause) => Rule::Prompt(cause.question(line)),
    }
}

/// Adds a rule that the user chose. The command runs in any case: the user said so.
async fn amend(call: &Call, prefix: Vec<String>) {
    let rules = Arc::clone(&call.shared().rules);
    let shown = prefix.join(" ");
    let added = tokio::task::spawn_blocking(move || rules.allow(&prefix)).await;
    match added {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => {
            tracing::warn!(%error, prefix = shown, "a rule could not be added");
        }
        Err(error) => tracing::warn!(%error, prefix = shown, "a rule could not be added"),
    }
}
