//! Response headers → what is known of rate limits.
//!
//! The host names limits by header families: `x-codex-*` for the ordinary one and
//! `x-codex-<limit>-*` for others; `x-codex-active-limit` says which one counted.
//! Without any header a snapshot still comes out, with nothing but its id.

use loomd_protocol::{CreditsSnapshot, RateLimitReachedType, RateLimitSnapshot, RateLimitWindow};
use reqwest::header::HeaderMap;

/// The id of the limit that has no name of its own.
const ORDINARY: &str = "codex";

/// What the headers of one response say.
pub(crate) fn rate_limits(headers: &HeaderMap) -> RateLimitSnapshot {
    let id = active_limit(headers);
    let family = Family { headers, id: &id };
    RateLimitSnapshot {
        limit_name: text(headers, &family.header("limit-name")).map(str::to_owned),
        primary: family.window("primary"),
        secondary: family.window("secondary"),
        credits: credits(headers),
        rate_limit_reached_type: text(headers, "x-codex-rate-limit-reached-type")
            .and_then(reached_type),
        limit_id: Some(id),
        ..RateLimitSnapshot::default()
    }
}

/// The limit's id in lower case with underscores, as clients see it.
fn active_limit(headers: &HeaderMap) -> String {
    match text(headers, "x-codex-active-limit") {
        Some(id) => id.to_ascii_lowercase().replace('-', "_"),
        None => ORDINARY.to_owned(),
    }
}

struct Family<'a> {
    headers: &'a HeaderMap,
    id: &'a str,
}

impl Family<'_> {
    fn header(&self, tail: &str) -> String {
        format!("x-{}-{tail}", self.id.replace('_', "-"))
    }

    /// A window of which nothing is used and nothing else is known is none.
    fn window(&self, which: &str) -> Option<RateLimitWindow> {
        let value = |tail: &str| text(self.headers, &self.header(&format!("{which}-{tail}")));
        let used: f64 = value("used-percent")?.parse().ok()?;
        if !used.is_finite() {
            return None;
        }
        let window_duration_mins = value("window-minutes").and_then(|text| text.parse().ok());
        let resets_at = value("reset-at").and_then(|text| text.parse().ok());
        if used == 0.0
            && window_duration_mins.is_none_or(|mins: i64| mins == 0)
            && resets_at.is_none()
        {
            return None;
        }
        Some(RateLimitWindow {
            used_percent: round(used),
            window_duration_mins,
            resets_at,
        })
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "casts of floats saturate, which is right for a percentage"
)]
fn round(percent: f64) -> i32 {
    percent.round() as i32
}

fn credits(headers: &HeaderMap) -> Option<CreditsSnapshot> {
    Some(CreditsSnapshot {
        has_credits: flag(headers, "x-codex-credits-has-credits")?,
        unlimited: flag(headers, "x-codex-credits-unlimited")?,
        balance: text(headers, "x-codex-credits-balance").map(str::to_owned),
    })
}

fn flag(headers: &HeaderMap, name: &str) -> Option<bool> {
    match text(headers, name)?.to_ascii_lowercase().as_str() {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

fn reached_type(text: &str) -> Option<RateLimitReachedType> {
    serde_json::from_value(text.into()).ok()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let value = headers.get(name)?.to_str().ok()?.trim();
    (!value.is_empty()).then_some(value)
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    fn limits(headers: &[(&'static str, &'static str)]) -> RateLimitSnapshot {
        let headers = headers
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect();
        rate_limits(&headers)
    }

    fn window(used_percent: i32, mins: Option<i64>, resets_at: Option<i64>) -> RateLimitWindow {
        RateLimitWindow {
            used_percent,
            window_duration_mins: mins,
            resets_at,
        }
    }

    #[test]
    fn without_headers_only_the_id_is_known() {
        let expected = RateLimitSnapshot {
            limit_id: Some("codex".to_owned()),
            ..RateLimitSnapshot::default()
        };
        assert_eq!(limits(&[]), expected);
    }

    #[test]
    fn windows_round_their_percentage() {
        let limits = limits(&[
            ("x-codex-primary-used-percent", "12.5"),
            ("x-codex-primary-window-minutes", "300"),
            ("x-codex-primary-reset-at", "1800000000"),
            ("x-codex-secondary-used-percent", "99.4"),
            ("x-codex-rate-limit-reached-type", "rate_limit_reached"),
            ("x-codex-limit-name", "Nm"),
        ]);
        assert_eq!(
            limits.primary,
            Some(window(13, Some(300), Some(1_800_000_000)))
        );
        assert_eq!(limits.secondary, Some(window(99, None, None)));
        assert_eq!(
            limits.rate_limit_reached_type,
            Some(RateLimitReachedType::RateLimitReached)
        );
        assert_eq!(limits.limit_name.as_deref(), Some("Nm"));
    }

    #[test]
    fn values_that_say_nothing_are_left_out() {
        let limits = limits(&[
            ("x-codex-primary-used-percent", "abc"),
            ("x-codex-secondary-used-percent", "0"),
            ("x-codex-credits-has-credits", "yes"),
            ("x-codex-credits-unlimited", "true"),
            ("x-codex-rate-limit-reached-type", "new_kind"),
        ]);
        assert_eq!((limits.primary, limits.secondary), (None, None));
        assert_eq!(
            (limits.credits, limits.rate_limit_reached_type),
            (None, None)
        );
    }

    #[test]
    fn the_active_limits_family_counts() {
        let limits = limits(&[
            ("x-codex-active-limit", "codex_other"),
            ("x-codex-primary-used-percent", "10"),
            ("x-codex-other-primary-used-percent", "50"),
            ("x-codex-other-limit-name", "Other"),
            ("x-codex-credits-has-credits", "True"),
            ("x-codex-credits-unlimited", "0"),
            ("x-codex-credits-balance", "9.5"),
        ]);
        assert_eq!(limits.limit_id.as_deref(), Some("codex_other"));
        assert_eq!(limits.limit_name.as_deref(), Some("Other"));
        assert_eq!(limits.primary, Some(window(50, None, None)));
        let credits = CreditsSnapshot {
            has_credits: true,
            unlimited: false,
            balance: Some("9.5".to_owned()),
        };
        assert_eq!(limits.credits, Some(credits));
    }
}
