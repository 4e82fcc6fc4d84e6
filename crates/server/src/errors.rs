//! Every error that a client can get, with its JSON-RPC code and text.
//!
//! The codes follow the reference: nearly everything is -32600, methods without an
//! implementation are -32601, limits checked inside a handler are -32602, failures
//! of the machine are -32603.

use loomd_rpc::RpcError;
use loomd_thread::Refusal;

const INVALID_REQUEST: i64 = -32600;
const NOT_SUPPORTED: i64 = -32601;
const INVALID_PARAMS: i64 = -32602;
const INTERNAL: i64 = -32603;
const OVERLOADED: i64 = -32001;

/// Characters of text that one turn may be given.
pub(crate) const INPUT_CHARS_MAX: usize = 1_048_576;

/// Why a request is not answered with a result.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ApiError {
    code: i64,
    message: String,
    data: Option<serde_json::Value>,
}

pub(crate) type ApiResult<T> = Result<T, ApiError>;

impl ApiError {
    fn new(code: i64, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            data: None,
        }
    }

    /// A request that cannot be served as it is.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(INVALID_REQUEST, message)
    }

    pub(crate) fn invalid_params(message: impl Into<String>) -> Self {
        Self::new(INVALID_PARAMS, message)
    }

    /// A method that exists but is not built.
    pub(crate) fn not_supported(method: &str) -> Self {
        Self::new(NOT_SUPPORTED, format!("{method} is not supported yet"))
    }

    /// A method that the reference has not built either; its own words.
    pub(crate) fn not_implemented(method: &str) -> Self {
        Self::new(NOT_SUPPORTED, format!("{method} is not implemented yet"))
    }

    /// Something of the machine failed.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(INTERNAL, message)
    }

    /// A queue is full; the client may try again.
    pub(crate) fn overloaded() -> Self {
        Self::new(OVERLOADED, "Server overloaded; retry later.")
    }

    pub(crate) fn thread_not_found(id: &str) -> Self {
        Self::invalid(format!("thread not found: {id}"))
    }

    pub(crate) fn no_rollout(id: &str) -> Self {
        Self::invalid(format!("no rollout found for thread id {id}"))
    }

    pub(crate) fn resume_closing(id: &str) -> Self {
        Self::invalid(format!(
            "thread {id} is closing; retry thread/resume after the thread is closed"
        ))
    }

    /// The same for a resume: of a thread that goes, or is gone since it was found, the
    /// client is told to try again.
    pub(crate) fn for_resume(self, id: &str) -> Self {
        if self == Self::closing(id) || self == Self::thread_not_found(id) {
            return Self::resume_closing(id);
        }
        self
    }

    pub(crate) fn closing(id: &str) -> Self {
        Self::invalid(format!(
            "thread {id} is closing; retry after the thread is closed"
        ))
    }

    pub(crate) fn input_too_long(actual_chars: usize) -> Self {
        Self {
            code: INVALID_PARAMS,
            message: format!("Input exceeds the maximum length of {INPUT_CHARS_MAX} characters."),
            data: Some(serde_json::json!({
                "input_error_code": "input_too_large",
                "max_chars": INPUT_CHARS_MAX,
                "actual_chars": actual_chars,
            })),
        }
    }

    pub(crate) fn with_data(mut self, data: serde_json::Value) -> Self {
        self.data = Some(data);
        self
    }

    pub(crate) fn into_rpc(self) -> RpcError {
        RpcError {
            code: self.code,
            message: self.message,
            data: self.data,
        }
    }
}

/// The core answered a command with another command's kind of answer.
pub(crate) fn wrong_reply() -> ApiError {
    ApiError::internal("the thread gave an answer of another kind")
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::TooManySteers { .. } | Refusal::Storage { .. } => {
                Self::internal(refusal.to_string())
            }
            Refusal::NoTurnsToList => Self::new(NOT_SUPPORTED, refusal.to_string()),
            Refusal::ReadStateConflict { ref current } => Self::invalid(refusal.to_string())
                .with_data(serde_json::json!({
                    "reason": "readStateConflict",
                    "readState": current,
                })),
            Refusal::NoTurnToSteer
            | Refusal::SteerMismatch { .. }
            | Refusal::EmptyExpectedTurn
            | Refusal::EmptyInput
            | Refusal::NoTurnToInterrupt
            | Refusal::InterruptMismatch { .. }
            | Refusal::EmptyName
            | Refusal::NoRollout { .. }
            | Refusal::NoSuchTurn { .. }
            | Refusal::EphemeralRevert
            | Refusal::LegacyRevert
            | Refusal::EmptyRollback
            | Refusal::RollbackWithoutRollout
            | Refusal::RollbackInTurn
            | Refusal::EphemeralGoal { .. }
            | Refusal::EmptyObjective
            | Refusal::LongObjective { .. }
            | Refusal::BudgetNotPositive
            | Refusal::NoGoal { .. }
            | Refusal::EphemeralQueue { .. }
            | Refusal::EmptyQueued
            | Refusal::QueueFull { .. }
            | Refusal::NotQueued { .. }
            | Refusal::QueueOrder
            | Refusal::QueueEmpty
            | Refusal::TurnActive
            | Refusal::QueueNotResumed
            | Refusal::TooManyShells { .. }
            | Refusal::Closing { .. }
            | Refusal::EphemeralMetadata { .. }
            | Refusal::UnloadActive { .. }
            | Refusal::UnloadWatched { .. }
            | Refusal::UnloadLoses { .. } => Self::invalid(refusal.to_string()),
        }
    }
}
