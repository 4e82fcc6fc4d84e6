//! The other `event_msg` payloads: turns beginning and ending, tokens, rollbacks.

use loomd_protocol::{
    CodexErrorInfo, NonSteerableTurnKind, ThreadTokenUsage, TokenUsageBreakdown, TurnError,
};
use serde::{Deserialize, Serialize};

/// A turn begins.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct TaskStarted {
    pub(crate) turn_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) root_turn_id: Option<String>,
    /// Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) started_at: Option<i64>,
    #[serde(default)]
    pub(crate) model_context_window: Option<i64>,
    #[serde(default, skip_deserializing)]
    pub(crate) collaboration_mode_kind: &'static str,
}

/// A turn ended by itself, well or not.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct TaskComplete {
    pub(crate) turn_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) root_turn_id: Option<String>,
    #[serde(default)]
    pub(crate) last_agent_message: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<DiskError>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) started_at: Option<i64>,
    #[serde(default)]
    pub(crate) completed_at: Option<i64>,
    #[serde(default)]
    pub(crate) duration_ms: Option<i64>,
}

/// A turn was ended from outside.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct TurnAborted {
    #[serde(default)]
    pub(crate) turn_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) root_turn_id: Option<String>,
    #[serde(default)]
    pub(crate) reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) started_at: Option<i64>,
    #[serde(default)]
    pub(crate) completed_at: Option<i64>,
    #[serde(default)]
    pub(crate) duration_ms: Option<i64>,
}

/// Why a turn failed.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct DiskError {
    message: String,
    #[serde(default)]
    codex_error_info: Option<DiskErrorInfo>,
    /// loomd's own; the reference does not store it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    additional_details: Option<String>,
}

impl DiskError {
    pub(crate) fn of(error: &TurnError) -> Self {
        Self {
            message: error.message.clone(),
            codex_error_info: error.codex_error_info.as_ref().map(DiskErrorInfo::of),
            additional_details: error.additional_details.clone(),
        }
    }

    pub(crate) fn into_error(self) -> TurnError {
        TurnError {
            message: self.message,
            codex_error_info: self.codex_error_info.map(DiskErrorInfo::into_info),
            additional_details: self.additional_details,
            misalignment: None,
        }
    }
}

/// The class of an error, in snake_case; a class of another version reads as `other`.
#[derive(Debug, PartialEq, Serialize)]
#[serde(transparent)]
struct DiskErrorInfo(DiskErrorKind);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum DiskErrorKind {
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
    HttpConnectionFailed { http_status_code: Option<u16> },
    ResponseStreamConnectionFailed { http_status_code: Option<u16> },
    InternalServerError,
    Unauthorized,
    BadRequest,
    ThreadRollbackFailed,
    SandboxError,
    ResponseStreamDisconnected { http_status_code: Option<u16> },
    ResponseTooManyFailedAttempts { http_status_code: Option<u16> },
    ActiveTurnNotSteerable { turn_kind: TurnKind },
    Other,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum TurnKind {
    Review,
    Compact,
}

impl<'de> Deserialize<'de> for DiskErrorInfo {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<serde_json::value::RawValue>::deserialize(deserializer)?;
        let kind = serde_json::from_str(raw.get()).unwrap_or(DiskErrorKind::Other);
        Ok(Self(kind))
    }
}

impl DiskErrorInfo {
    fn of(info: &CodexErrorInfo) -> Self {
        use CodexErrorInfo as Wire;
        use DiskErrorKind as Disk;
        Self(match *info {
            Wire::ContextWindowExceeded => Disk::ContextWindowExceeded,
            Wire::SessionBudgetExceeded => Disk::SessionBudgetExceeded,
            Wire::UsageLimitExceeded => Disk::UsageLimitExceeded,
            Wire::RateLimitExceeded => Disk::RateLimitExceeded,
            Wire::FlexUnavailable => Disk::FlexUnavailable,
            Wire::ServerOverloaded => Disk::ServerOverloaded,
            Wire::ModelNotFound => Disk::ModelNotFound,
            Wire::PolicyCapacityUnavailable => Disk::PolicyCapacityUnavailable,
            Wire::InferenceHookDenied => Disk::InferenceHookDenied,
            Wire::CyberPolicy => Disk::CyberPolicy,
            Wire::MisalignmentPolicyViolation => Disk::MisalignmentPolicyViolation,
            Wire::TooManyDenials => Disk::TooManyDenials,
            Wire::HttpConnectionFailed { http_status_code } => {
                Disk::HttpConnectionFailed { http_status_code }
            }
            Wire::ResponseStreamConnectionFailed { http_status_code } => {
                Disk::ResponseStreamConnectionFailed { http_status_code }
            }
            Wire::InternalServerError => Disk::InternalServerError,
            Wire::Unauthorized => Disk::Unauthorized,
            Wire::BadRequest => Disk::BadRequest,
            Wire::ThreadRollbackFailed => Disk::ThreadRollbackFailed,
            Wire::SandboxError => Disk::SandboxError,
            Wire::ResponseStreamDisconnected { http_status_code } => {
                Disk::ResponseStreamDisconnected { http_status_code }
            }
            Wire::ResponseTooManyFailedAttempts { http_status_code } => {
                Disk::ResponseTooManyFailedAttempts { http_status_code }
            }
            Wire::ActiveTurnNotSteerable { turn_kind } => Disk::ActiveTurnNotSteerable {
                turn_kind: match turn_kind {
                    NonSteerableTurnKind::Review => TurnKind::Review,
                    NonSteerableTurnKind::Compact => TurnKind::Compact,
                },
            },
            Wire::Other => Disk::Other,
        })
    }

    fn into_info(self) -> CodexErrorInfo {
        use CodexErrorInfo as Wire;
        use DiskErrorKind as Disk;
        match self.0 {
            Disk::ContextWindowExceeded => Wire::ContextWindowExceeded,
            Disk::SessionBudgetExceeded => Wire::SessionBudgetExceeded,
            Disk::UsageLimitExceeded => Wire::UsageLimitExceeded,
            Disk::RateLimitExceeded => Wire::RateLimitExceeded,
            Disk::FlexUnavailable => Wire::FlexUnavailable,
            Disk::ServerOverloaded => Wire::ServerOverloaded,
            Disk::ModelNotFound => Wire::ModelNotFound,
            Disk::PolicyCapacityUnavailable => Wire::PolicyCapacityUnavailable,
            Disk::InferenceHookDenied => Wire::InferenceHookDenied,
            Disk::CyberPolicy => Wire::CyberPolicy,
            Disk::MisalignmentPolicyViolation => Wire::MisalignmentPolicyViolation,
            Disk::TooManyDenials => Wire::TooManyDenials,
            Disk::HttpConnectionFailed { http_status_code } => {
                Wire::HttpConnectionFailed { http_status_code }
            }
            Disk::ResponseStreamConnectionFailed { http_status_code } => {
                Wire::ResponseStreamConnectionFailed { http_status_code }
            }
            Disk::InternalServerError => Wire::InternalServerError,
            Disk::Unauthorized => Wire::Unauthorized,
            Disk::BadRequest => Wire::BadRequest,
            Disk::ThreadRollbackFailed => Wire::ThreadRollbackFailed,
            Disk::SandboxError => Wire::SandboxError,
            Disk::ResponseStreamDisconnected { http_status_code } => {
                Wire::ResponseStreamDisconnected { http_status_code }
            }
            Disk::ResponseTooManyFailedAttempts { http_status_code } => {
                Wire::ResponseTooManyFailedAttempts { http_status_code }
            }
            Disk::ActiveTurnNotSteerable { turn_kind } => Wire::ActiveTurnNotSteerable {
                turn_kind: match turn_kind {
                    TurnKind::Review => NonSteerableTurnKind::Review,
                    TurnKind::Compact => NonSteerableTurnKind::Compact,
                },
            },
            Disk::Other => Wire::Other,
        }
    }
}

/// The tokens used so far.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TokenCount {
    #[serde(default)]
    pub(crate) info: Option<TokenInfo>,
    /// Rate limits are not kept: they are the account's, not the thread's.
    #[serde(skip_deserializing)]
    pub(crate) rate_limits: (),
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TokenInfo {
    total_token_usage: Usage,
    last_token_usage: Usage,
    #[serde(default)]
    model_context_window: Option<i64>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Usage {
    #[serde(default)]
    input_tokens: i64,
    #[serde(default)]
    cached_input_tokens: i64,
    #[serde(default)]
    cache_write_input_tokens: i64,
    #[serde(default)]
    output_tokens: i64,
    #[serde(default)]
    reasoning_output_tokens: i64,
    #[serde(default)]
    total_tokens: i64,
}

impl Usage {
    fn of(usage: &TokenUsageBreakdown) -> Self {
        Self {
            input_tokens: usage.input_tokens,
            cached_input_tokens: usage.cached_input_tokens,
            cache_write_input_tokens: usage.cache_write_input_tokens,
            output_tokens: usage.output_tokens,
            reasoning_output_tokens: usage.reasoning_output_tokens,
            total_tokens: usage.total_tokens,
        }
    }

    fn into_breakdown(self) -> TokenUsageBreakdown {
        TokenUsageBreakdown {
            total_tokens: self.total_tokens,
            input_tokens: self.input_tokens,
            cached_input_tokens: self.cached_input_tokens,
            cache_write_input_tokens: self.cache_write_input_tokens,
            output_tokens: self.output_tokens,
            reasoning_output_tokens: self.reasoning_output_tokens,
        }
    }
}

impl TokenCount {
    pub(crate) fn of(usage: Option<&ThreadTokenUsage>) -> Self {
        Self {
            info: usage.map(|usage| TokenInfo {
                total_token_usage: Usage::of(&usage.total),
                last_token_usage: Usage::of(&usage.last),
                model_context_window: usage.model_context_window,
            }),
            rate_limits: (),
        }
    }
}

impl TokenInfo {
    pub(crate) fn into_usage(self) -> ThreadTokenUsage {
        ThreadTokenUsage {
            total: self.total_token_usage.into_breakdown(),
            last: self.last_token_usage.into_breakdown(),
            model_context_window: self.model_context_window,
        }
    }
}

/// The last turns are taken back.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RolledBack {
    /// How many of them the user began.
    #[serde(default)]
    pub(crate) num_turns: usize,
    /// loomd's own: the first turn that is taken back, also where no user began it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) before_turn_id: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stores_error_classes_as_the_reference_does() {
        let error = TurnError {
            message: "m".to_owned(),
            codex_error_info: Some(CodexErrorInfo::HttpConnectionFailed {
                http_status_code: Some(401),
            }),
            additional_details: None,
            misalignment: None,
        };
        let json = serde_json::to_string(&DiskError::of(&error)).unwrap();
        assert_eq!(
            json,
            r#"{"message":"m","codex_error_info":{"http_connection_failed":{"http_status_code":401}}}"#
        );
        let read: DiskError = serde_json::from_str(&json).unwrap();
        assert_eq!(read.into_error(), error);
    }

    #[test]
    fn reads_a_class_of_another_version_as_other() {
        let json = r#"{"message":"m","codex_error_info":{"brand_new":{"x":[1]}}}"#;
        let read: DiskError = serde_json::from_str(json).unwrap();
        assert_eq!(
            read.into_error().codex_error_info,
            Some(CodexErrorInfo::Other)
        );
    }
}
