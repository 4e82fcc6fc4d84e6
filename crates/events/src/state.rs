//! What a thread keeps beside its history.

use loomd_protocol::{GitInfo, QueuedSubmission, ThreadGoal, ThreadGoalStatus};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::WaitingTurn;

/// What a thread keeps on disk that is not history: it can change without a turn, and
/// a revert does not take it back.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct StoredState {
    /// What it works towards by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub goal: Option<Goal>,
    /// What waits to become a turn, the next one first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub queue: Vec<QueuedSubmission>,
    /// What a client said of the repository; takes the place of what the rollout says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git: Option<GitInfo>,
    /// A choice of the client's that it reads back, and that means nothing here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub daybreak: Option<bool>,
    /// A client took the thread out of what is remembered between threads.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub memory_disabled: bool,
    /// The running turn, while it waits for answers. What is not understood counts as
    /// nothing: then the turn is one that a restart has interrupted.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "if_understood"
    )]
    pub waiting: Option<Box<WaitingTurn>>,
}

fn if_understood<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Box<WaitingTurn>>, D::Error> {
    // By way of its text: a request keeps its params as text, which a value cannot give.
    let value = Value::deserialize(deserializer)?;
    Ok(serde_json::from_str(&value.to_string()).ok())
}

/// A goal with what it has used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Goal {
    /// A UUID; another goal of the thread has another one.
    pub id: String,
    /// 1 to 4000 characters.
    pub objective: String,
    /// Whether the thread works towards it.
    pub status: ThreadGoalStatus,
    /// Tokens it may use, at least 1.
    pub token_budget: Option<i64>,
    /// Tokens of the responses that began while it was active: input that was not
    /// cached, and output.
    pub tokens_used: i64,
    /// How long turns ran while it was active, milliseconds.
    pub time_used_ms: u64,
    /// When it was set, Unix milliseconds.
    pub created_ms: i64,
    /// When a client, the model or a limit changed it last, Unix milliseconds.
    pub updated_ms: i64,
}

impl Goal {
    /// As clients see it.
    #[must_use]
    pub fn shown(&self, thread_id: String) -> ThreadGoal {
        ThreadGoal {
            thread_id,
            objective: self.objective.clone(),
            status: self.status,
            token_budget: self.token_budget,
            tokens_used: self.tokens_used,
            time_used_seconds: i64::try_from(self.time_used_ms / 1000).unwrap_or(i64::MAX),
            created_at: self.created_ms.div_euclid(1000),
            updated_at: self.updated_ms.div_euclid(1000),
        }
    }

    /// Whether the budget is used up.
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        self.token_budget
            .is_some_and(|budget| self.tokens_used >= budget)
    }
}
