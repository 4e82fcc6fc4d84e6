//! One item of a thread → what the JSONL events tell of it.

use loomd_protocol::{
    CollabAgentStatus, CollabAgentTool, CollabAgentToolCallItem, CollabAgentToolCallStatus,
    CommandExecutionItem, CommandExecutionStatus, FileChangeItem, ItemKind, McpToolCallItem,
    McpToolCallStatus, PatchApplyStatus, PatchChangeKind, WebSearchAction, WebSearchItem,
};
use serde_json::{Value, json};

use super::event::{AgentState, Change, ChangeKind, Details, Failure, McpResult, Status};

/// What is told of an item, and when.
pub(super) enum Told {
    /// When it starts and when it completes.
    Throughout(Details),
    /// When it has completed.
    AtTheEnd(Details),
    /// Never: the events have no form for it.
    Never,
}

pub(super) fn told(kind: &ItemKind) -> Told {
    match kind {
        ItemKind::AgentMessage(message) => Told::AtTheEnd(Details::AgentMessage {
            text: message.text.clone(),
        }),
        ItemKind::Reasoning { summary, .. } if summary.is_empty() => Told::Never,
        ItemKind::Reasoning { summary, .. } => Told::AtTheEnd(Details::Reasoning {
            text: summary.join("\n"),
        }),
        ItemKind::CommandExecution(command) => Told::Throughout(self::command(command)),
        ItemKind::FileChange(change) => Told::Throughout(file_change(change)),
        ItemKind::McpToolCall(call) => Told::Throughout(mcp_call(call)),
        ItemKind::CollabAgentToolCall(call) => Told::Throughout(collab_call(call)),
        ItemKind::WebSearch(search) => Told::Throughout(web_search(search)),
        ItemKind::UserMessage(_)
        | ItemKind::HookPrompt { .. }
        | ItemKind::FunctionCallOutput(_)
        | ItemKind::Plan { .. }
        | ItemKind::DynamicToolCall(_)
        | ItemKind::SubAgentActivity(_)
        | ItemKind::ImageView { .. }
        | ItemKind::Sleep { .. }
        | ItemKind::ImageGeneration(_)
        | ItemKind::EnteredReviewMode { .. }
        | ItemKind::ExitedReviewMode { .. }
        | ItemKind::ContextCompaction => Told::Never,
    }
}

fn command(item: &CommandExecutionItem) -> Details {
    Details::CommandExecution {
        command: item.command.clone(),
        aggregated_output: item.aggregated_output.clone().unwrap_or_default(),
        exit_code: item.exit_code,
        status: match item.status {
            CommandExecutionStatus::InProgress => Status::InProgress,
            CommandExecutionStatus::Completed => Status::Completed,
            CommandExecutionStatus::Failed | CommandExecutionStatus::Declined => Status::Failed,
        },
    }
}

fn file_change(item: &FileChangeItem) -> Details {
    let changes = item.changes.iter().map(|change| Change {
        path: change.path.clone(),
        kind: match change.kind {
            PatchChangeKind::Add => ChangeKind::Add,
            PatchChangeKind::Delete => ChangeKind::Delete,
            PatchChangeKind::Update { .. } => ChangeKind::Update,
        },
    });
    Details::FileChange {
        changes: changes.collect(),
        status: match item.status {
            PatchApplyStatus::InProgress => Status::InProgress,
            PatchApplyStatus::Completed => Status::Completed,
            PatchApplyStatus::Failed | PatchApplyStatus::Declined => Status::Failed,
        },
    }
}

fn mcp_call(item: &McpToolCallItem) -> Details {
    Details::McpToolCall {
        server: item.server.clone(),
        tool: item.tool.clone(),
        arguments: item.arguments.clone(),
        result: item.result.as_ref().map(|result| McpResult {
            content: result.content.clone(),
            meta: result.meta.clone(),
            structured_content: result.structured_content.clone(),
        }),
        error: item.error.as_ref().map(|error| Failure {
            message: error.message.clone(),
        }),
        status: match item.status {
            McpToolCallStatus::InProgress => Status::InProgress,
            McpToolCallStatus::Completed => Status::Completed,
            McpToolCallStatus::Failed => Status::Failed,
        },
    }
}

fn collab_call(item: &CollabAgentToolCallItem) -> Details {
    let states = item.agents_states.iter().map(|(thread, state)| {
        let state = AgentState {
            status: agent_status(state.status),
            message: state.message.clone(),
        };
        (thread.clone(), state)
    });
    Details::CollabToolCall {
        tool: collab_tool(item.tool),
        sender_thread_id: item.sender_thread_id.clone(),
        receiver_thread_ids: item.receiver_thread_ids.clone(),
        prompt: item.prompt.clone(),
        agents_states: states.collect(),
        status: match item.status {
            CollabAgentToolCallStatus::InProgress => Status::InProgress,
            CollabAgentToolCallStatus::Completed => Status::Completed,
            CollabAgentToolCallStatus::Failed | CollabAgentToolCallStatus::Interrupted => {
                Status::Failed
            }
        },
    }
}

fn collab_tool(tool: CollabAgentTool) -> &'static str {
    match tool {
        CollabAgentTool::SpawnAgent => "spawn_agent",
        CollabAgentTool::SendInput => "send_input",
        CollabAgentTool::ResumeAgent => "resume_agent",
        CollabAgentTool::Wait => "wait",
        CollabAgentTool::CloseAgent => "close_agent",
        CollabAgentTool::SendMessage => "send_message",
        CollabAgentTool::FollowupTask => "followup_task",
        CollabAgentTool::InterruptAgent => "interrupt_agent",
        CollabAgentTool::ListAgents => "list_agents",
    }
}

fn agent_status(status: CollabAgentStatus) -> &'static str {
    match status {
        CollabAgentStatus::PendingInit => "pending_init",
        CollabAgentStatus::Running => "running",
        CollabAgentStatus::Interrupted => "interrupted",
        CollabAgentStatus::Completed => "completed",
        CollabAgentStatus::Errored => "errored",
        CollabAgentStatus::Shutdown => "shutdown",
        CollabAgentStatus::NotFound => "not_found",
    }
}

fn web_search(item: &WebSearchItem) -> Details {
    Details::WebSearch {
        query: item.query.clone(),
        action: item
            .action
            .as_ref()
            .map_or_else(|| json!({"type": "other"}), action),
    }
}

/// As the reference names them, without what is not known.
fn action(action: &WebSearchAction) -> Value {
    let mut told = match action {
        WebSearchAction::Search { query, queries } => {
            json!({"type": "search", "query": query, "queries": queries})
        }
        WebSearchAction::OpenPage { url } => json!({"type": "open_page", "url": url}),
        WebSearchAction::FindInPage { url, pattern } => {
            json!({"type": "find_in_page", "url": url, "pattern": pattern})
        }
        WebSearchAction::Other => json!({"type": "other"}),
    };
    if let Value::Object(members) = &mut told {
        members.retain(|_, value| !value.is_null());
    }
    told
}
