//! Small conveniences on wire types that rules need in more than one crate.

use crate::{CodexErrorInfo, ReasoningSummary, TokenUsageBreakdown, TurnError};

impl TokenUsageBreakdown {
    /// No tokens.
    pub const ZERO: Self = Self {
        total_tokens: 0,
        input_tokens: 0,
        cached_input_tokens: 0,
        cache_write_input_tokens: 0,
        output_tokens: 0,
        reasoning_output_tokens: 0,
    };

    /// Adds another response's tokens, kind by kind. Sums stop at the largest number.
    pub fn add(&mut self, other: &Self) {
        let add = |a: &mut i64, b: i64| *a = a.saturating_add(b);
        add(&mut self.total_tokens, other.total_tokens);
        add(&mut self.input_tokens, other.input_tokens);
        add(&mut self.cached_input_tokens, other.cached_input_tokens);
        add(
            &mut self.cache_write_input_tokens,
            other.cache_write_input_tokens,
        );
        add(&mut self.output_tokens, other.output_tokens);
        add(
            &mut self.reasoning_output_tokens,
            other.reasoning_output_tokens,
        );
    }
}

impl TurnError {
    /// An error with a message and nothing else.
    pub fn message(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            codex_error_info: None,
            additional_details: None,
            misalignment: None,
        }
    }
}

impl CodexErrorInfo {
    /// The HTTP status that the class carries, if it does.
    pub fn http_status_code(&self) -> Option<u16> {
        match self {
            Self::HttpConnectionFailed { http_status_code }
            | Self::ResponseStreamConnectionFailed { http_status_code }
            | Self::ResponseStreamDisconnected { http_status_code }
            | Self::ResponseTooManyFailedAttempts { http_status_code } => *http_status_code,
            Self::ContextWindowExceeded
            | Self::SessionBudgetExceeded
            | Self::UsageLimitExceeded
            | Self::RateLimitExceeded
            | Self::FlexUnavailable
            | Self::ServerOverloaded
            | Self::ModelNotFound
            | Self::PolicyCapacityUnavailable
            | Self::InferenceHookDenied
            | Self::CyberPolicy
            | Self::MisalignmentPolicyViolation
            | Self::TooManyDenials
            | Self::InternalServerError
            | Self::Unauthorized
            | Self::BadRequest
            | Self::ThreadRollbackFailed
            | Self::SandboxError
            | Self::ActiveTurnNotSteerable { .. }
            | Self::Other => None,
        }
    }
}

impl ReasoningSummary {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Concise => "concise",
            Self::Detailed => "detailed",
            Self::None => "none",
        }
    }
}
