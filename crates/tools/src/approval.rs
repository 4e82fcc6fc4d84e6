//! Asking the user about a command or a patch.
//!
//! Only a clear "yes" runs anything: an error, or an answer that is none, counts as a
//! refusal.

use loomd_events::{AskOutcome, ToolEvent};
use loomd_protocol::{
    CommandExecutionApprovalDecision, CommandExecutionApprovalKind,
    CommandExecutionRequestApprovalParams, CommandExecutionStatus, FileChangeApprovalDecision,
    FileChangeRequestApprovalParams, ItemKind, PatchApplyStatus, ServerRequestParams,
    ServerRequestResponse, ThreadItem,
};

use crate::call::Call;

/// The only environment there is, as the reference names it.
pub(crate) const LOCAL_ENVIRONMENT: &str = "local";

/// What the model is told when a question got no proper answer. Text of the reference.
pub(crate) const FAILED: &str = "approval request failed";

/// What the user decided.
pub(crate) enum Decision {
    /// It runs.
    Run,
    /// It runs, and the user need not be asked about the same again.
    RunAlways,
    /// It runs, and so does from now on whatever begins with these words.
    RunAndAllow(Vec<String>),
    /// It does not run; the item has ended, and the model is to be told.
    Declined,
    /// The same, as the answer was none; the model is to be told [`FAILED`].
    Failed,
    /// It does not run, the item has ended, and nobody waits for an answer: the turn is
    /// over or will be.
    TurnEnds,
}

/// What is asked about a command.
pub(crate) struct CommandQuestion {
    /// Its item, which begins with the question.
    pub(crate) item: ThreadItem,
    /// Why it is asked, as the user reads it.
    pub(crate) reason: Option<String>,
    /// The first words that could be allowed for good.
    pub(crate) proposal: Option<Vec<String>>,
}

/// Asks about a command.
pub(crate) async fn ask_command(call: &Call, question: CommandQuestion) -> Decision {
    let CommandQuestion {
        item,
        reason,
        proposal,
    } = question;
    let ItemKind::CommandExecution(command) = &item.kind else {
        return Decision::Declined;
    };
    // In the order of display; as in the reference other decisions are taken too.
    let mut decisions = vec![CommandExecutionApprovalDecision::Accept];
    if let Some(prefix) = &proposal {
        decisions.push(
            CommandExecutionApprovalDecision::AcceptWithExecpolicyAmendment {
                execpolicy_amendment: prefix.clone(),
            },
        );
    }
    decisions.push(CommandExecutionApprovalDecision::Cancel);
    let request = ServerRequestParams::CommandExecutionRequestApproval(
        CommandExecutionRequestApprovalParams {
            kind: CommandExecutionApprovalKind::Command,
            thread_id: call.context.thread_id.to_string(),
            turn_id: call.context.turn_id.to_string(),
            item_id: item.id().to_owned(),
            started_at_ms: call.shared().clock.now().wall_ms,
            approval_id: None,
            environment_id: Some(LOCAL_ENVIRONMENT.to_owned()),
            reason,
            network_approval_context: None,
            command: Some(command.command.clone()),
            cwd: Some(command.cwd.clone()),
            command_actions: Some(command.command_actions.clone()),
            additional_permissions: None,
            proposed_execpolicy_amendment: proposal,
            proposed_network_policy_amendments: None,
            available_decisions: Some(decisions),
        },
    );
    settle(call, item, request).await
}

/// Asks about a patch, whose item begins with the question.
pub(crate) async fn ask_patch(call: &Call, item: ThreadItem) -> Decision {
    let request = ServerRequestParams::FileChangeRequestApproval(FileChangeRequestApprovalParams {
        thread_id: call.context.thread_id.to_string(),
        turn_id: call.context.turn_id.to_string(),
        item_id: item.id().to_owned(),
        started_at_ms: call.shared().clock.now().wall_ms,
        reason: None,
        grant_root: None,
    });
    settle(call, item, request).await
}

async fn settle(call: &Call, item: ThreadItem, request: ServerRequestParams) -> Decision {
    let Some(outcome) = call.ask(Some(item.clone()), request).await else {
        // The turn is over, and its thread has ended the item.
        return Decision::TurnEnds;
    };
    let ending = match judge(outcome) {
        Ok(decision) => return decision,
        Err(ending) => ending,
    };
    let (declined, decision) = match ending {
        Ending::Declined => (true, Decision::Declined),
        // As in the reference, where a patch has no such ending.
        Ending::Failed => (
            matches!(item.kind, ItemKind::FileChange(_)),
            Decision::Failed,
        ),
        Ending::Cancelled => (true, Decision::TurnEnds),
    };
    let ended = ended(item, declined);
    call.sink().send(ToolEvent::ItemCompleted(ended)).await;
    if let Decision::TurnEnds = decision {
        call.cancel_turn().await;
    }
    decision
}

/// How something ends that does not run.
enum Ending {
    Declined,
    Failed,
    Cancelled,
}

fn judge(outcome: AskOutcome) -> Result<Decision, Ending> {
    use CommandExecutionApprovalDecision as Command;
    use FileChangeApprovalDecision as Patch;
    let response = match outcome {
        AskOutcome::Answered(response) => response,
        AskOutcome::Failed { reason } => {
            tracing::warn!(reason, "an approval was answered with an error; refused");
            return Err(Ending::Failed);
        }
    };
    if let ServerRequestResponse::CommandExecutionRequestApproval(answer) = response {
        return match answer.decision {
            Command::Accept => Ok(Decision::Run),
            // The client may send another prefix than the one proposed.
            Command::AcceptWithExecpolicyAmendment {
                execpolicy_amendment,
            } => Ok(Decision::RunAndAllow(execpolicy_amendment)),
            Command::AcceptForSession => Ok(Decision::RunAlways),
            Command::Decline => Err(Ending::Declined),
            Command::Cancel => Err(Ending::Cancelled),
            Command::ApplyNetworkPolicyAmendment { .. } => Err(Ending::Failed),
        };
    }
    let ServerRequestResponse::FileChangeRequestApproval(answer) = response else {
        return Err(Ending::Failed);
    };
    match answer.decision {
        Patch::Accept => Ok(Decision::Run),
        Patch::AcceptForSession => Ok(Decision::RunAlways),
        Patch::Decline => Err(Ending::Declined),
        Patch::Cancel => Err(Ending::Cancelled),
    }
}

/// The item as it ends without having run.
pub(crate) fn ended(mut item: ThreadItem, declined: bool) -> ThreadItem {
    if declined {
        item.set_declined();
    } else if let ItemKind::CommandExecution(command) = &mut item.kind {
        command.status = CommandExecutionStatus::Failed;
    } else if let ItemKind::FileChange(change) = &mut item.kind {
        change.status = PatchApplyStatus::Failed;
    }
    item
}
