//! Times as rollouts write them: RFC 3339, UTC, milliseconds, `Z`.

use jiff::Timestamp;

/// `2026-11-22T23:17:13.810Z` for Unix milliseconds; a time outside the calendar
/// becomes 1970.
pub(crate) fn rfc3339_ms(ms: i64) -> String {
    let time = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH);
    format!("{time:.3}")
}

/// Unix milliseconds of an RFC 3339 time with any offset and precision.
pub(crate) fn parse_ms(text: &str) -> Option<i64> {
    text.parse::<Timestamp>()
        .ok()
        .map(Timestamp::as_millisecond)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_it_reads() {
        for ms in [0, 1_795_389_433_810, 1_795_389_433_000, -1] {
            assert_eq!(parse_ms(&rfc3339_ms(ms)), Some(ms));
        }
        assert_eq!(rfc3339_ms(1_795_389_433_000), "2026-11-22T23:17:13.000Z");
        assert_eq!(rfc3339_ms(i64::MAX), "1970-01-01T00:00:00.000Z");
        assert_eq!(
            parse_ms("2026-11-22T23:17:16.25425756Z"),
            Some(1_795_389_436_254)
        );
        assert_eq!(parse_ms("yesterday"), None);
    }
}
