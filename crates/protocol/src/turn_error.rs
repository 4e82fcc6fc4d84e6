//! Errors of a turn, and the notification `error`. JSON-RPC errors are not here:
//! they belong to the crate `rpc`.

use serde::{Deserialize, Serialize};

/// Why a turn failed or a request to the model is being repeated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TurnError {
    pub message: String,
    pub codex_error_info: Option<CodexErrorInfo>,
    /// The cause behind `message`.
    pub additional_details: Option<String>,
    pub misalignment: Option<MisalignmentErrorDetails>,
}

/// The class of an error, for clients that react to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum CodexErrorInfo {
    ContextWindowExceeded,
    SessionBudgetExceeded,
    UsageLimitExceeded,
    RateLimitExceeded,
    FlexUnavailable,
    ServerOverloaded,
    ModelNotFound,
    PolicyCapacityUnavailable,
    InferenceHookDenied,
    CyberPolicy,
    MisalignmentPolicyViolation,
    TooManyDenials,
    /// No connection to the model, or it answered with a status that is not retried.
    HttpConnectionFailed {
        http_status_code: Option<u16>,
    },
    /// The stream of an answer could not be opened.
    ResponseStreamConnectionFailed {
        http_status_code: Option<u16>,
    },
    InternalServerError,
    Unauthorized,
    BadRequest,
    ThreadRollbackFailed,
    SandboxError,
    /// The stream of an answer broke before its end.
    ResponseStreamDisconnected {
        http_status_code: Option<u16>,
    },
    /// Every retry failed.
    ResponseTooManyFailedAttempts {
        http_status_code: Option<u16>,
    },
    /// Input came for a turn that takes none.
    ActiveTurnNotSteerable {
        turn_kind: NonSteerableTurnKind,
    },
    Other,
}

/// Turns that take no further input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum NonSteerableTurnKind {
    Review,
    Compact,
}

/// Details of a refusal by the vendor's safety checks.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct MisalignmentErrorDetails {
    pub error_type: Option<String>,
    pub detailed_explanation: Option<String>,
    pub steer: Option<MisalignmentSteer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub review_target: Option<String>,
}

/// Payload of `error`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ErrorNotification {
    pub error: TurnError,
    /// Whether the request is repeated; such errors do not change the status.
    pub will_retry: bool,
    pub thread_id: String,
    pub turn_id: String,
}

/// What was said to the model about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MisalignmentSteer {
    pub message: String,
}
