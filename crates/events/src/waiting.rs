//! A turn that waits for answers, as it is written down before the questions are asked: all
//! that the next server needs to ask again and to go on.

use std::path::PathBuf;
use std::sync::Arc;

use loomd_protocol::{
    AskForApproval, SandboxPolicy, ServerRequestParams, ThreadItem, ThreadTokenUsage, UserInput,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::{FileRules, ToolCall};

/// A turn that waits for clients and for nothing else that a restart would lose.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WaitingTurn {
    /// The turn.
    pub turn_id: String,
    /// Absolute working folder of the turn.
    pub cwd: PathBuf,
    /// When the user must be asked.
    pub approval_policy: AskForApproval,
    /// What a command may touch.
    pub sandbox_policy: SandboxPolicy,
    /// What it may touch of files, where that is more than the policy says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_rules: Option<FileRules>,
    /// The user may be asked by the model itself.
    #[serde(default)]
    pub plan_mode: bool,
    /// JSON text of the schema of the final answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<String>,
    /// The goal brought it, not a message.
    #[serde(default)]
    pub for_goal: bool,
    /// The calls of its last response whose outputs are not in the rollout, in the order
    /// that the model made them.
    pub calls: Vec<WaitingCall>,
    /// The tokens so far, if the last response reported some and clients were not told yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<ThreadTokenUsage>,
    /// Messages of the user's that wait for the next request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<WaitingMessage>,
}

/// A message that waits for the next request to the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WaitingMessage {
    /// The client's own id of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// As the client sent it.
    pub content: Vec<UserInput>,
}

/// A call without an output in the rollout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WaitingCall {
    /// The call.
    pub call: ToolCall,
    /// How far it had come.
    pub progress: CallProgress,
}

/// How far a call had come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CallProgress {
    /// It did nothing yet but ask.
    #[serde(rename_all = "camelCase")]
    Asked {
        /// The item that waits with it, as it began.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        item: Option<Box<ThreadItem>>,
        /// What it asked.
        #[serde(serialize_with = "write_request", deserialize_with = "read_request")]
        request: Arc<ServerRequestParams>,
    },
    /// It ran, and ends with the server.
    Running,
    /// It has ended, behind one that has not.
    #[serde(rename_all = "camelCase")]
    Done {
        /// JSON text of the output: a string, or a list of parts.
        output: Value,
    },
}

impl WaitingTurn {
    /// The calls that wait for an answer, with their items.
    pub fn asked(&self) -> impl Iterator<Item = (&ToolCall, Option<&ThreadItem>)> {
        self.calls.iter().filter_map(|call| match &call.progress {
            CallProgress::Asked { item, .. } => Some((&call.call, item.as_deref())),
            CallProgress::Running | CallProgress::Done { .. } => None,
        })
    }
}

/// A request with its name, which its params alone do not tell.
#[derive(Serialize, Deserialize)]
struct Named {
    method: String,
    params: Box<RawValue>,
}

fn write_request<S: Serializer>(
    request: &Arc<ServerRequestParams>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let named = Named {
        method: request.method().to_owned(),
        params: serde_json::value::to_raw_value(&**request).map_err(ser::Error::custom)?,
    };
    named.serialize(serializer)
}

fn read_request<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Arc<ServerRequestParams>, D::Error> {
    let named = Named::deserialize(deserializer)?;
    match ServerRequestParams::parse(&named.method, &named.params) {
        Some(Ok(request)) => Ok(Arc::new(request)),
        Some(Err(error)) => Err(de::Error::custom(error)),
        None => {
            let unknown = format!("unknown request `{}`", named.method);
            Err(de::Error::custom(unknown))
        }
    }
}
