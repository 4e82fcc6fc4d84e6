//! Why an attempt broke, and what is to be done about it.
//!
//! One table for HTTP statuses, one for `response.failed`. Classes are the ones that
//! clients of the reference match (observed on 0.169.0). Messages that clients are
//! known to show or match are kept; longer advice is in our own words. Deliberately
//! absent: waiting, which is the engine's.

use std::time::Duration;

use loomd_events::ModelFailure;
use loomd_protocol::CodexErrorInfo;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde::Deserialize;

/// A host's wish for a pause is followed up to this.
const ASKED_DELAY_MAX: Duration = Duration::from_secs(120);
/// Bytes of an error body that are shown; the rest is cut.
const SHOWN_BODY_BYTES_MAX: usize = 16 * 1024;

const CONTEXT_WINDOW: &str = "This thread ran out of room in the model's context window. Start a new thread or \
     clear earlier history before trying again.";
const INVALID_IMAGE: &str = "Invalid image in your last message. Please remove it and try again.";
const NOT_INCLUDED: &str =
    "The plan of this account does not include this use of the model. Upgrade the plan to go on.";
const QUOTA: &str = "Quota exceeded. Check your plan and billing details.";
const OVERLOADED: &str = "Selected model is at capacity. Please try a different model.";
const HIGH_DEMAND: &str =
    "The model provider is experiencing high demand, which may cause temporary errors.";
const CYBER: &str = "This request has been flagged for possible cybersecurity risk.";
const UNEXPLAINED: &str = "response.failed event received";

/// An attempt that came to nothing.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Broken {
    /// What is reported when no further attempt is made.
    pub(crate) failure: ModelFailure,
    pub(crate) retry: Retry,
    /// The headers of the refusal say which limit was hit.
    pub(crate) tells_limits: bool,
}

/// What is to be done about a broken attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retry {
    /// Another attempt cannot help.
    Never,
    /// One of the stream retries may help.
    Stream {
        /// The status that the host answered, where it is told.
        status: Option<u16>,
        /// The pause that the host asked for.
        delay: Option<Duration>,
    },
    /// The host was not reached at all.
    Network,
}

impl Broken {
    fn never(info: CodexErrorInfo, message: impl Into<String>) -> Self {
        Self {
            failure: ModelFailure {
                message: message.into(),
                info,
                details: None,
            },
            retry: Retry::Never,
            tells_limits: false,
        }
    }

    fn retried(mut self, status: Option<u16>, delay: Option<Duration>) -> Self {
        self.retry = Retry::Stream { status, delay };
        self
    }

    /// The failure as it is told while another attempt is made.
    pub(crate) fn while_retrying(&self) -> ModelFailure {
        let http_status_code = match self.retry {
            Retry::Stream { status, .. } => status,
            Retry::Never | Retry::Network => None,
        };
        ModelFailure {
            info: CodexErrorInfo::ResponseStreamDisconnected { http_status_code },
            ..self.failure.clone()
        }
    }
}

impl From<ModelFailure> for Broken {
    /// A failure on our own side of the connection; another attempt cannot help.
    fn from(failure: ModelFailure) -> Self {
        Self {
            failure,
            retry: Retry::Never,
            tells_limits: false,
        }
    }
}

/// A fault of the configuration; nothing was sent.
pub(crate) fn never(message: String) -> Broken {
    Broken::never(CodexErrorInfo::Other, message)
}

/// The stream ended early, was silent too long or could not be read.
pub(crate) fn disconnected(cause: impl std::fmt::Display) -> Broken {
    let message = format!("stream disconnected before completion: {cause}");
    Broken::never(CodexErrorInfo::Other, message).retried(None, None)
}

/// No connection to the host.
pub(crate) fn unreachable(cause: impl std::fmt::Display) -> Broken {
    let info = CodexErrorInfo::HttpConnectionFailed {
        http_status_code: None,
    };
    Broken {
        retry: Retry::Network,
        ..Broken::never(info, format!("Connection failed: {cause}"))
    }
}

/// `response.incomplete`. The token limit would be reached again, so only other
/// reasons are worth another attempt.
pub(crate) fn incomplete(reason: &str) -> Broken {
    let message = format!("Incomplete response returned, reason: {reason}");
    match reason {
        "content_filter" => disconnected(message),
        _ => Broken::never(CodexErrorInfo::Other, message),
    }
}

/// The error object of an HTTP body or a failed response.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct ApiError {
    #[serde(default)]
    code: Option<String>,
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    plan_type: Option<String>,
    /// Unix seconds.
    #[serde(default)]
    resets_at: Option<i64>,
}

#[derive(Deserialize)]
struct ErrorBody {
    error: ApiError,
}

/// `response.failed`, with the response's error object where it has one.
pub(crate) fn failed(error: Option<ApiError>) -> Broken {
    let Some(error) = error else {
        return disconnected(UNEXPLAINED);
    };
    let message = error.message.unwrap_or_default();
    match error.code.as_deref().unwrap_or_default() {
        "context_length_exceeded" => context_window(),
        "insufficient_quota" => Broken::never(CodexErrorInfo::UsageLimitExceeded, QUOTA),
        "usage_not_included" => Broken::never(CodexErrorInfo::UsageLimitExceeded, NOT_INCLUDED),
        "rate_limit_exceeded" | "slow_down" => slow_down(&message),
        "invalid_prompt" | "bio_policy" => Broken::never(CodexErrorInfo::Other, message),
        "server_is_overloaded" => Broken::never(CodexErrorInfo::ServerOverloaded, OVERLOADED),
        "cyber_policy" => cyber(Some(message)),
        _ if message.is_empty() => disconnected(UNEXPLAINED),
        _ => disconnected(message),
    }
}

/// An answer whose status is not a success. `url` is shown as it is given.
pub(crate) fn refused(status: StatusCode, headers: &HeaderMap, body: &str, url: &str) -> Broken {
    let error = serde_json::from_str::<ErrorBody>(body)
        .map(|body| body.error)
        .unwrap_or_default();
    let code = error.code.as_deref().unwrap_or_default();
    match (status.as_u16(), code) {
        (400, _) if body.contains("image data you provided does not represent a valid image") => {
            Broken::never(CodexErrorInfo::BadRequest, INVALID_IMAGE)
        }
        (400, "context_length_exceeded") => context_window(),
        (400, "cyber_policy") => cyber(error.message),
        (400 | 404, "model_not_found") => {
            let message = error.message.unwrap_or_else(|| shown(body));
            Broken::never(CodexErrorInfo::ModelNotFound, message)
        }
        (400, _) => Broken::never(CodexErrorInfo::Other, shown(body)),
        (429, _) => too_many(headers, &error),
        (500, _) => {
            Broken::never(CodexErrorInfo::InternalServerError, HIGH_DEMAND).retried(None, None)
        }
        (503, "server_is_overloaded") => {
            Broken::never(CodexErrorInfo::ServerOverloaded, OVERLOADED)
        }
        (503, "slow_down") => slow_down(&error.message.unwrap_or_default()),
        _ => unexpected(
            status,
            headers,
            error.message.as_deref().unwrap_or(body),
            url,
        ),
    }
}

fn context_window() -> Broken {
    Broken::never(CodexErrorInfo::ContextWindowExceeded, CONTEXT_WINDOW)
}

fn cyber(message: Option<String>) -> Broken {
    let message = message.filter(|text| !text.trim().is_empty());
    Broken::never(
        CodexErrorInfo::CyberPolicy,
        message.unwrap_or_else(|| CYBER.to_owned()),
    )
}

fn slow_down(message: &str) -> Broken {
    Broken::never(
        CodexErrorInfo::RateLimitExceeded,
        format!("rate limit exceeded: {message}"),
    )
    .retried(None, delay_in(message))
}

fn too_many(headers: &HeaderMap, error: &ApiError) -> Broken {
    match error.kind.as_deref() {
        Some("usage_limit_reached") => Broken {
            tells_limits: true,
            ..Broken::never(CodexErrorInfo::UsageLimitExceeded, usage_limit(error))
        },
        Some("usage_not_included") => {
            Broken::never(CodexErrorInfo::UsageLimitExceeded, NOT_INCLUDED)
        }
        _ => {
            let status = StatusCode::TOO_MANY_REQUESTS;
            let info = CodexErrorInfo::ResponseTooManyFailedAttempts {
                http_status_code: Some(status.as_u16()),
            };
            Broken::never(info, format!("exceeded retry limit, last status: {status}"))
                .retried(Some(status.as_u16()), retry_after(headers))
        }
    }
}

fn usage_limit(error: &ApiError) -> String {
    let plan = match error.plan_type.as_deref() {
        Some(plan) => format!("You have hit the usage limit of your plan ({plan})."),
        None => "You have hit your usage limit.".to_owned(),
    };
    let resets = error
        .resets_at
        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    match resets {
        Some(time) => format!(
            "{plan} Try again at {}.",
            time.strftime("%Y-%m-%d %H:%M UTC")
        ),
        None => format!("{plan} Try again later."),
    }
}

fn unexpected(status: StatusCode, headers: &HeaderMap, said: &str, url: &str) -> Broken {
    let mut message = format!("unexpected status {status}: {}, url: {url}", shown(said));
    for (name, label) in [
        ("cf-ray", "cf-ray"),
        ("x-request-id", "request id"),
        ("x-openai-authorization-error", "auth error"),
    ] {
        if let Some(value) = headers.get(name).and_then(|value| value.to_str().ok()) {
            message.push_str(&format!(", {label}: {value}"));
        }
    }
    let status = Some(status.as_u16());
    let info = CodexErrorInfo::HttpConnectionFailed {
        http_status_code: status,
    };
    Broken::never(info, message).retried(status, None)
}

fn shown(body: &str) -> String {
    if body.len() <= SHOWN_BODY_BYTES_MAX {
        return body.to_owned();
    }
    format!(
        "{}…",
        &body[..body.floor_char_boundary(SHOWN_BODY_BYTES_MAX)]
    )
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: f64 = headers
        .get("retry-after")?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()?;
    asked(seconds)
}

/// The pause named in a text such as "Please try again in 1.2s" or "… in 100ms".
fn delay_in(message: &str) -> Option<Duration> {
    let lower = message.to_ascii_lowercase();
    let (_, rest) = lower.split_once("try again in")?;
    let rest = rest.trim_start();
    let digits = rest
        .find(|ch: char| !ch.is_ascii_digit() && ch != '.')
        .unwrap_or(rest.len());
    let number: f64 = rest[..digits].trim_end_matches('.').parse().ok()?;
    let unit = rest[digits..].trim_start();
    if unit.starts_with("ms") || unit.starts_with("milli") {
        asked(number / 1000.0)
    } else if unit.starts_with('s') {
        asked(number)
    } else {
        None
    }
}

fn asked(seconds: f64) -> Option<Duration> {
    let delay = Duration::try_from_secs_f64(seconds).ok()?;
    Some(delay.min(ASKED_DELAY_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEVER: Retry = Retry::Never;

    fn stream(status: Option<u16>) -> Retry {
        Retry::Stream {
            status,
            delay: None,
        }
    }

    fn answer(status: u16, body: &str) -> Broken {
        let status = StatusCode::from_u16(status).expect("a status");
        refused(status, &HeaderMap::new(), body, "http://h/v1/responses")
    }

    fn event(code: &str, message: &str) -> Broken {
        let error = serde_json::json!({"code": code, "message": message});
        failed(Some(
            serde_json::from_value(error).expect("an error object"),
        ))
    }

    #[test]
    fn each_status_has_its_class_and_retry() {
        use CodexErrorInfo as Info;
        let connection = |code| Info::HttpConnectionFailed {
            http_status_code: Some(code),
        };
        let too_many = Info::ResponseTooManyFailedAttempts {
            http_status_code: Some(429),
        };
        for (status, error, info, retry) in [
            (400, r#"{"message":"bad"}"#, Info::Other, NEVER),
            (
                400,
                r#"{"code":"context_length_exceeded"}"#,
                Info::ContextWindowExceeded,
                NEVER,
            ),
            (
                400,
                r#"{"code":"cyber_policy","message":"m"}"#,
                Info::CyberPolicy,
                NEVER,
            ),
            (
                401,
                r#"{"message":"no"}"#,
                connection(401),
                stream(Some(401)),
            ),
            (
                404,
                r#"{"code":"model_not_found","message":"m"}"#,
                Info::ModelNotFound,
                NEVER,
            ),
            (413, "{}", connection(413), stream(Some(413))),
            (
                429,
                r#"{"type":"usage_limit_reached"}"#,
                Info::UsageLimitExceeded,
                NEVER,
            ),
            (
                429,
                r#"{"type":"usage_not_included"}"#,
                Info::UsageLimitExceeded,
                NEVER,
            ),
            (429, r#"{"type":"rate"}"#, too_many, stream(Some(429))),
            (500, "{}", Info::InternalServerError, stream(None)),
            (502, "{}", connection(502), stream(Some(502))),
            (
                503,
                r#"{"code":"server_is_overloaded"}"#,
                Info::ServerOverloaded,
                NEVER,
            ),
            (
                503,
                r#"{"code":"slow_down","message":"m"}"#,
                Info::RateLimitExceeded,
                stream(None),
            ),
        ] {
            let broken = answer(status, &format!(r#"{{"error":{error}}}"#));
            assert_eq!(
                (broken.failure.info, broken.retry),
                (info, retry),
                "{status} {error}"
            );
        }
    }

    #[test]
    fn each_failed_code_has_its_class_and_retry() {
        use CodexErrorInfo as Info;
        for (code, info, retry) in [
            (
                "context_length_exceeded",
                Info::ContextWindowExceeded,
                NEVER,
            ),
            ("insufficient_quota", Info::UsageLimitExceeded, NEVER),
            ("usage_not_included", Info::UsageLimitExceeded, NEVER),
            ("rate_limit_exceeded", Info::RateLimitExceeded, stream(None)),
            ("slow_down", Info::RateLimitExceeded, stream(None)),
            ("invalid_prompt", Info::Other, NEVER),
            ("bio_policy", Info::Other, NEVER),
            ("server_is_overloaded", Info::ServerOverloaded, NEVER),
            ("cyber_policy", Info::CyberPolicy, NEVER),
            ("server_error", Info::Other, stream(None)),
            ("", Info::Other, stream(None)),
        ] {
            let broken = event(code, "m");
            assert_eq!((broken.failure.info, broken.retry), (info, retry), "{code}");
        }
    }

    #[test]
    fn messages_are_the_ones_clients_see() {
        assert_eq!(answer(400, "\"plain\"").failure.message, "\"plain\"");
        let image = r#"{"error":{"message":"The image data you provided does not represent a valid image"}}"#;
        assert_eq!(answer(400, image).failure.message, INVALID_IMAGE);
        assert_eq!(
            answer(404, r#"{"x":1}"#).failure.message,
            r#"unexpected status 404 Not Found: {"x":1}, url: http://h/v1/responses"#
        );
        assert_eq!(
            answer(429, "{}").failure.message,
            "exceeded retry limit, last status: 429 Too Many Requests"
        );
        assert_eq!(event("cyber_policy", "").failure.message, CYBER);
        assert_eq!(
            event("rate_limit_exceeded", "m").failure.message,
            "rate limit exceeded: m"
        );
        assert_eq!(
            event("zzz", "m").failure.message,
            "stream disconnected before completion: m"
        );
        assert_eq!(
            failed(None).failure.message,
            "stream disconnected before completion: response.failed event received"
        );
    }

    #[test]
    fn support_ids_of_the_host_are_passed_on() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("x-request-id", "r"),
            ("cf-ray", "c"),
            ("x-openai-authorization-error", "missing"),
        ] {
            headers.insert(name, reqwest::header::HeaderValue::from_static(value));
        }
        let broken = refused(StatusCode::FORBIDDEN, &headers, "no", "U");
        assert_eq!(
            broken.failure.message,
            "unexpected status 403 Forbidden: no, url: U, cf-ray: c, request id: r, auth error: missing"
        );
    }

    #[test]
    fn a_usage_limit_says_when_it_ends() {
        let body =
            r#"{"error":{"type":"usage_limit_reached","plan_type":"plus","resets_at":1800000000}}"#;
        let broken = answer(429, body);
        assert_eq!(
            broken.failure.message,
            "You have hit the usage limit of your plan (plus). Try again at 2027-01-15 08:00 UTC."
        );
        assert!(broken.tells_limits);
        let body = r#"{"error":{"type":"usage_limit_reached","resets_at":9223372036854775807}}"#;
        assert_eq!(
            answer(429, body).failure.message,
            "You have hit your usage limit. Try again later."
        );
    }

    #[test]
    fn pauses_are_read_and_capped() {
        let ms = Duration::from_millis;
        assert_eq!(delay_in("Please try again in 1.2s."), Some(ms(1200)));
        assert_eq!(delay_in("Try again in 100ms"), Some(ms(100)));
        assert_eq!(delay_in("try again in 2. seconds"), Some(ms(2000)));
        assert_eq!(delay_in("try again in 9999999999999999999999s"), None);
        assert_eq!(delay_in("try again in 5000s"), Some(ASKED_DELAY_MAX));
        assert_eq!(delay_in("try again in 3 hours"), None);
        assert_eq!(delay_in("try again later"), None);
    }

    #[test]
    fn only_a_filtered_incomplete_response_is_tried_again() {
        let filtered = incomplete("content_filter");
        assert_eq!(filtered.retry, stream(None));
        assert_eq!(
            filtered.failure.message,
            "stream disconnected before completion: Incomplete response returned, reason: content_filter"
        );
        let cut = incomplete("max_output_tokens");
        assert_eq!(cut.retry, NEVER);
        assert_eq!(
            cut.failure.message,
            "Incomplete response returned, reason: max_output_tokens"
        );
    }

    #[test]
    fn a_long_body_is_cut_at_a_character() {
        let long = "é".repeat(SHOWN_BODY_BYTES_MAX);
        let text = shown(&long);
        assert!(text.ends_with('…') && text.len() <= SHOWN_BODY_BYTES_MAX + '…'.len_utf8());
    }
}
