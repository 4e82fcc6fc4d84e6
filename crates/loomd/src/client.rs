//! A client of the server within this process.
//!
//! It speaks the same protocol as a client over a wire, so what these commands can do
//! any client can. One request is under way at a time; what else the server says
//! meanwhile is kept in order for [`Client::next`].
//!
//! Deliberately absent: answers to the server's requests. These commands run without
//! a person to ask, so each request is refused, which the server takes for a "no".

use std::collections::VecDeque;
use std::sync::Arc;

use loomd_protocol::{
    AgentMessageDeltaNotification, ClientInfo, CommandExecutionOutputDeltaNotification,
    ConfigWarningNotification, DeprecationNoticeNotification, ErrorNotification, Initialize,
    InitializeCapabilities, InitializeParams, ItemCompletedNotification, ItemStartedNotification,
    Method, ModelReroutedNotification, ThreadTokenUsageUpdatedNotification,
    TurnCompletedNotification, TurnDiffUpdatedNotification, TurnPlanUpdatedNotification,
    TurnStartedNotification, WarningNotification,
};
use loomd_rpc::{Incoming, MemoryClient, RequestId, RpcError, encode_error, memory, parse};
use loomd_server::{PROTOCOL_VERSION, Server, ServerService};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

/// The code that answers a request which this client does not serve.
const NOT_SUPPORTED: i64 = -32601;

/// Why the server did not answer as asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// The server refused.
    #[error("{method}: {} (code {})", error.message, error.code)]
    Refused {
        /// What was asked.
        method: &'static str,
        /// The refusal.
        error: RpcError,
    },
    /// The answer is not of the form it should have.
    #[error("the answer to {method} cannot be read")]
    Unreadable {
        /// What was asked.
        method: &'static str,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// The connection ended.
    #[error("the server has gone away")]
    Gone,
}

/// What the server said by itself, as far as these commands care.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Heard {
    TurnStarted(TurnStartedNotification),
    TurnCompleted(TurnCompletedNotification),
    ItemStarted(ItemStartedNotification),
    ItemCompleted(ItemCompletedNotification),
    MessageDelta(AgentMessageDeltaNotification),
    OutputDelta(CommandExecutionOutputDeltaNotification),
    PlanUpdated(TurnPlanUpdatedNotification),
    DiffUpdated(TurnDiffUpdatedNotification),
    TokenUsage(ThreadTokenUsageUpdatedNotification),
    Error(ErrorNotification),
    Warning(WarningNotification),
    ConfigWarning(ConfigWarningNotification),
    DeprecationNotice(DeprecationNoticeNotification),
    Rerouted(ModelReroutedNotification),
    /// A request to the client, which was refused.
    Asked {
        method: String,
    },
    /// Something else.
    Other,
}

impl Heard {
    /// Reads a notification. One whose params cannot be read counts as something else.
    pub(crate) fn parse(method: &str, params: Option<&RawValue>) -> Self {
        let Some(params) = params else {
            return Self::Other;
        };
        match method {
            "turn/started" => read(params, Self::TurnStarted),
            "turn/completed" => read(params, Self::TurnCompleted),
            "item/started" => read(params, Self::ItemStarted),
            "item/completed" => read(params, Self::ItemCompleted),
            "item/agentMessage/delta" => read(params, Self::MessageDelta),
            "item/commandExecution/outputDelta" => read(params, Self::OutputDelta),
            "turn/plan/updated" => read(params, Self::PlanUpdated),
            "turn/diff/updated" => read(params, Self::DiffUpdated),
            "thread/tokenUsage/updated" => read(params, Self::TokenUsage),
            "error" => read(params, Self::Error),
            "warning" => read(params, Self::Warning),
            "configWarning" => read(params, Self::ConfigWarning),
            "deprecationNotice" => read(params, Self::DeprecationNotice),
            "model/rerouted" => read(params, Self::Rerouted),
            _ => Self::Other,
        }
    }
}

fn read<T: DeserializeOwned>(params: &RawValue, wrap: fn(T) -> Heard) -> Heard {
    match serde_json::from_str(params.get()) {
        Ok(payload) => wrap(payload),
        Err(error) => {
            tracing::error!(%error, "a notification cannot be read");
            Heard::Other
        }
    }
}

/// A connection to a server of this process.
#[derive(Debug)]
pub(crate) struct Client {
    connection: MemoryClient,
    next_id: i64,
    /// What was heard while an answer was waited for. Bounded by the connection's own
    /// queue: nobody sends while nobody reads.
    heard: VecDeque<Heard>,
}

impl Client {
    /// Connects as `name` and shakes hands. Must be called within a runtime.
    ///
    /// # Errors
    /// The server refused.
    pub(crate) async fn connect(server: &Arc<Server>, name: &str) -> Result<Self, ClientError> {
        let service = Arc::new(ServerService(Arc::clone(server)));
        let mut client = Self {
            connection: memory(service),
            next_id: 0,
            heard: VecDeque::new(),
        };
        let params = InitializeParams {
            client_info: ClientInfo {
                name: name.to_owned(),
                title: None,
                version: PROTOCOL_VERSION.to_owned(),
            },
            capabilities: Some(InitializeCapabilities {
                experimental_api: true,
                ..InitializeCapabilities::default()
            }),
        };
        client.request::<Initialize>(&params).await?;
        client
            .send(r#"{"method":"initialized"}"#.to_owned())
            .await?;
        Ok(client)
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// The server refused, or it is gone.
    pub(crate) async fn request<M: Method>(
        &mut self,
        params: &M::Params,
    ) -> Result<M::Response, ClientError> {
        let id = self.ask(M::NAME, params).await?;
        loop {
            let frame = self.connection.recv().await.ok_or(ClientError::Gone)?;
            match parse(&frame) {
                Ok(Incoming::Response {
                    id: answered,
                    result,
                }) if answered == id => {
                    return serde_json::from_str(result.get()).map_err(|source| {
                        ClientError::Unreadable {
                            method: M::NAME,
                            source,
                        }
                    });
                }
                Ok(Incoming::Error {
                    id: answered,
                    error,
                }) if answered == id => {
                    return Err(ClientError::Refused {
                        method: M::NAME,
                        error,
                    });
                }
                Ok(incoming) => {
                    if let Some(heard) = self.sort(incoming).await? {
                        self.heard.push_back(heard);
                    }
                }
                Err(why) => tracing::error!("a frame of the server was dropped: {why}"),
            }
        }
    }

    /// Asks for something whose answer does not matter; it is thrown away when it comes.
    ///
    /// # Errors
    /// The server is gone.
    pub(crate) async fn request_and_forget<M: Method>(
        &mut self,
        params: &M::Params,
    ) -> Result<(), ClientError> {
        self.ask(M::NAME, params).await.map(|_| ())
    }

    /// What the server says next. Dropping the future loses nothing, save that a
    /// request of the server may stay unanswered while 64 of our frames wait.
    ///
    /// # Errors
    /// The server is gone.
    pub(crate) async fn next(&mut self) -> Result<Heard, ClientError> {
        loop {
            if let Some(heard) = self.heard.pop_front() {
                return Ok(heard);
            }
            let frame = self.connection.recv().await.ok_or(ClientError::Gone)?;
            match parse(&frame) {
                Ok(incoming) => {
                    if let Some(heard) = self.sort(incoming).await? {
                        return Ok(heard);
                    }
                }
                Err(why) => tracing::error!("a frame of the server was dropped: {why}"),
            }
        }
    }

    /// Ends the connection and waits until the server has taken note.
    pub(crate) async fn close(self) {
        self.connection.close().await;
    }

    async fn ask(
        &mut self,
        method: &'static str,
        params: &impl Serialize,
    ) -> Result<RequestId, ClientError> {
        #[derive(Serialize)]
        struct Wire<'a, P> {
            method: &'static str,
            id: &'a RequestId,
            params: &'a P,
        }
        let id = RequestId::Integer(self.next_id);
        self.next_id += 1;
        let wire = Wire {
            method,
            id: &id,
            params,
        };
        let frame = serde_json::to_string(&wire)
            .map_err(|source| ClientError::Unreadable { method, source })?;
        self.send(frame).await?;
        Ok(id)
    }

    async fn send(&self, frame: String) -> Result<(), ClientError> {
        self.connection
            .send(frame)
            .await
            .map_err(|_closed| ClientError::Gone)
    }

    /// `None` for the answer to a forgotten request.
    async fn sort(&mut self, incoming: Incoming) -> Result<Option<Heard>, ClientError> {
        match incoming {
            Incoming::Notification { method, params } => {
                Ok(Some(Heard::parse(&method, params.as_deref())))
            }
            Incoming::Request { id, method, .. } => {
                let error = RpcError::new(NOT_SUPPORTED, format!("{method} is not supported here"));
                self.send(encode_error(&id, &error).as_str().to_owned())
                    .await?;
                Ok(Some(Heard::Asked { method }))
            }
            Incoming::Response { .. } => Ok(None),
            Incoming::Error { error, .. } => {
                tracing::debug!(%error, "a forgotten request was refused");
                Ok(None)
            }
        }
    }
}
