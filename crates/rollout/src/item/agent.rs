//! What threads do to each other: calls that start, steer or end agents, and what the
//! parent is told of them.

use std::collections::BTreeMap;

use loomd_protocol::{
    CollabAgentState, CollabAgentStatus, CollabAgentTool, CollabAgentToolCallItem,
    CollabAgentToolCallStatus, ItemKind, SubAgentActivityItem, SubAgentActivityKind, ThreadItem,
};
use serde::{Deserialize, Serialize};

/// A call that starts, steers or ends another agent.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Collab {
    id: String,
    tool: DiskCollabTool,
    status: DiskCollabStatus,
    sender_thread_id: String,
    #[serde(default)]
    receiver_thread_ids: Vec<String>,
    #[serde(default)]
    receiver_agents: Vec<Receiver>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prompt: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reasoning_effort: Option<String>,
    #[serde(default)]
    agents_states: BTreeMap<String, AgentState>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Receiver {
    thread_id: String,
    #[serde(default)]
    agent_nickname: Option<String>,
    #[serde(default)]
    agent_role: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum DiskCollabTool {
    SpawnAgent,
    SendInput,
    ResumeAgent,
    Wait,
    CloseAgent,
    SendMessage,
    FollowupTask,
    InterruptAgent,
    ListAgents,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum DiskCollabStatus {
    #[serde(alias = "inProgress")]
    InProgress,
    Completed,
    Failed,
    Interrupted,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum AgentState {
    PendingInit,
    Running,
    Interrupted,
    Completed(Option<String>),
    Errored(String),
    Shutdown,
    NotFound,
}

impl AgentState {
    fn of(state: &CollabAgentState) -> Self {
        match state.status {
            CollabAgentStatus::PendingInit => Self::PendingInit,
            CollabAgentStatus::Running => Self::Running,
            CollabAgentStatus::Interrupted => Self::Interrupted,
            CollabAgentStatus::Completed => Self::Completed(state.message.clone()),
            CollabAgentStatus::Errored => Self::Errored(state.message.clone().unwrap_or_default()),
            CollabAgentStatus::Shutdown => Self::Shutdown,
            CollabAgentStatus::NotFound => Self::NotFound,
        }
    }

    fn into_state(self) -> CollabAgentState {
        let (status, message) = match self {
            Self::PendingInit => (CollabAgentStatus::PendingInit, None),
            Self::Running => (CollabAgentStatus::Running, None),
            Self::Interrupted => (CollabAgentStatus::Interrupted, None),
            Self::Completed(message) => (CollabAgentStatus::Completed, message),
            Self::Errored(message) => (CollabAgentStatus::Errored, Some(message)),
            Self::Shutdown => (CollabAgentStatus::Shutdown, None),
            Self::NotFound => (CollabAgentStatus::NotFound, None),
        };
        CollabAgentState { status, message }
    }
}

impl Collab {
    pub(super) fn of(id: String, call: &CollabAgentToolCallItem) -> Self {
        let receiver = |thread_id: &String| Receiver {
            thread_id: thread_id.clone(),
            agent_nickname: None,
            agent_role: None,
        };
        let state = |(id, state): (&String, _)| (id.clone(), AgentState::of(state));
        Self {
            id,
            tool: match call.tool {
                CollabAgentTool::SpawnAgent => DiskCollabTool::SpawnAgent,
                CollabAgentTool::SendInput => DiskCollabTool::SendInput,
                CollabAgentTool::ResumeAgent => DiskCollabTool::ResumeAgent,
                CollabAgentTool::Wait => DiskCollabTool::Wait,
                CollabAgentTool::CloseAgent => DiskCollabTool::CloseAgent,
                CollabAgentTool::SendMessage => DiskCollabTool::SendMessage,
                CollabAgentTool::FollowupTask => DiskCollabTool::FollowupTask,
                CollabAgentTool::InterruptAgent => DiskCollabTool::InterruptAgent,
                CollabAgentTool::ListAgents => DiskCollabTool::ListAgents,
            },
            status: match call.status {
                CollabAgentToolCallStatus::Completed => DiskCollabStatus::Completed,
                CollabAgentToolCallStatus::InProgress | CollabAgentToolCallStatus::Failed => {
                    DiskCollabStatus::Failed
                }
                CollabAgentToolCallStatus::Interrupted => DiskCollabStatus::Interrupted,
            },
            sender_thread_id: call.sender_thread_id.clone(),
            receiver_thread_ids: call.receiver_thread_ids.clone(),
            receiver_agents: call.receiver_thread_ids.iter().map(receiver).collect(),
            prompt: call.prompt.clone(),
            model: call.model.clone(),
            reasoning_effort: call.reasoning_effort.clone(),
            agents_states: call.agents_states.iter().map(state).collect(),
        }
    }

    pub(super) fn into_item(self) -> ThreadItem {
        let state = |(id, state): (_, AgentState)| (id, state.into_state());
        ThreadItem::new(
            self.id,
            ItemKind::CollabAgentToolCall(CollabAgentToolCallItem {
                tool: match self.tool {
                    DiskCollabTool::SpawnAgent => CollabAgentTool::SpawnAgent,
                    DiskCollabTool::SendInput => CollabAgentTool::SendInput,
                    DiskCollabTool::ResumeAgent => CollabAgentTool::ResumeAgent,
                    DiskCollabTool::Wait => CollabAgentTool::Wait,
                    DiskCollabTool::CloseAgent => CollabAgentTool::CloseAgent,
                    DiskCollabTool::SendMessage => CollabAgentTool::SendMessage,
                    DiskCollabTool::FollowupTask => CollabAgentTool::FollowupTask,
                    DiskCollabTool::InterruptAgent => CollabAgentTool::InterruptAgent,
                    DiskCollabTool::ListAgents => CollabAgentTool::ListAgents,
                },
                status: match self.status {
                    DiskCollabStatus::Completed => CollabAgentToolCallStatus::Completed,
                    DiskCollabStatus::InProgress | DiskCollabStatus::Failed => {
                        CollabAgentToolCallStatus::Failed
                    }
                    DiskCollabStatus::Interrupted => CollabAgentToolCallStatus::Interrupted,
                },
                sender_thread_id: self.sender_thread_id,
                receiver_thread_ids: self.receiver_thread_ids,
                prompt: self.prompt,
                model: self.model,
                reasoning_effort: self.reasoning_effort,
                agents_states: self.agents_states.into_iter().map(state).collect(),
            }),
        )
    }
}

/// What a subagent did, as told to its parent.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SubAgentActivity {
    id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reasoning_effort: Option<String>,
    kind: SubAgentActivityKind,
    agent_thread_id: String,
    agent_path: String,
}

impl SubAgentActivity {
    pub(super) fn of(id: String, activity: &SubAgentActivityItem) -> Self {
        let activity = activity.clone();
        Self {
            id,
            model: activity.model,
            reasoning_effort: activity.reasoning_effort,
            kind: activity.kind,
            agent_thread_id: activity.agent_thread_id,
            agent_path: activity.agent_path,
        }
    }

    pub(super) fn into_item(self) -> ThreadItem {
        ThreadItem::new(
            self.id,
            ItemKind::SubAgentActivity(SubAgentActivityItem {
                model: self.model,
                reasoning_effort: self.reasoning_effort,
                kind: self.kind,
                agent_thread_id: self.agent_thread_id,
                agent_path: self.agent_path,
            }),
        )
    }
}
