//! Times and durations as people write them. What says no zone is in UTC, as all times are shown.

use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ZonedDateTime};

use crate::error::{Error, Result};

/// The moment that `text` names, in nanoseconds since 1970: a date, a time, with a zone or without,
/// `now`, `yesterday`, `2 days ago`.
pub fn parse(text: &str, now: i64) -> Result<i64> {
    let text = text.trim();
    let moment = match text {
        "now" => Some(zoned(now)?),
        "yesterday" => zoned(now)?.checked_sub(Span::new().days(1)).ok(),
        _ => absolute(text).or_else(|| ago(text, now)),
    };
    let refuse = || {
        let examples = "2026-11-01, 2026-11-01T12:00, 2026-11-01T12:00:30+01:00, yesterday";
        Error::invalid(format!("'{text}' is no time ({examples}, 2 days ago)"))
    };
    i64::try_from(moment.ok_or_else(refuse)?.timestamp().as_nanosecond()).map_err(|_| refuse())
}

/// The moment that lies a duration such as `30d`, `8w` or `1y 6mo` before `now`.
pub fn before(duration: &str, now: i64) -> Result<i64> {
    let refuse = || {
        let examples = "12h, 30d, 8w, 6mo, 1y 6mo; m are minutes";
        Error::invalid(format!("'{duration}' is no duration ({examples})"))
    };
    let span: Span = duration.trim().parse().map_err(|_| refuse())?;
    if span.is_negative() {
        return Err(refuse());
    }
    let moment = zoned(now)?.checked_sub(span).map_err(|_| refuse())?;
    i64::try_from(moment.timestamp().as_nanosecond()).map_err(|_| refuse())
}

/// How long `text` says: a number of ms, s, m, h, d or w; without a unit, seconds.
pub fn duration(text: &str) -> Result<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let milliseconds = match unit {
        "ms" => Some(1),
        "" | "s" => Some(1000),
        "m" | "min" => Some(60_000),
        "h" => Some(3_600_000),
        "d" => Some(24 * 3_600_000),
        "w" => Some(7 * 24 * 3_600_000),
        _ => None,
    };
    let number = number.parse::<u64>().ok();
    let took = number.zip(milliseconds).and_then(|(number, unit)| number.checked_mul(unit));
    let refuse =
        || Error::invalid(format!("'{text}' is not a duration such as 500ms, 30s, 10m, 2h or 1d"));
    took.map(Duration::from_millis).ok_or_else(refuse)
}

fn zoned(nanoseconds: i64) -> Result<ZonedDateTime> {
    let moment = Timestamp::from_nanosecond(nanoseconds.into());
    let moment = moment.map_err(|_| Error::invalid("the clock is beyond all calendars"))?;
    Ok(moment.to_zoned_datetime(TimeZone::UTC))
}

fn absolute(text: &str) -> Option<ZonedDateTime> {
    if let Ok(zoned) = text.parse::<ZonedDateTime>() {
        return Some(zoned);
    }
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(moment.to_zoned_datetime(TimeZone::UTC));
    }
    // Digits alone are a number, or what a hash begins with.
    let civil = text.contains('-').then(|| text.parse::<DateTime>().ok()).flatten()?;
    civil.to_zoned_datetime(TimeZone::UTC).ok()
}

fn ago(text: &str, now: i64) -> Option<ZonedDateTime> {
    let span: Span = text.strip_suffix("ago").and_then(|_| text.parse().ok())?;
    zoned(now).ok()?.checked_add(span).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;
    const DAY: i64 = 24 * 3600 * SECOND;
    /// 2026-11-29T12:00:00Z.
    const NOW: i64 = 1_795_953_600 * SECOND;

    #[test]
    fn times_are_read_as_people_write_them() {
        for (text, moment) in [
            ("now", NOW),
            ("yesterday", NOW - DAY),
            ("2 days ago", NOW - 2 * DAY),
            ("90 minutes ago", NOW - 5400 * SECOND),
            ("1 year ago", NOW - 365 * DAY),
            ("2026-11-29T12:00", NOW),
            ("2026-11-29 12:00:00", NOW),
            ("2026-11-29T13:00+01:00", NOW),
            ("2026-11-29T13:00[Europe/Berlin]", NOW),
            ("2026-11-29T12:00:00Z", NOW),
            ("2026-11-29", NOW - DAY / 2),
        ] {
            assert_eq!(parse(text, NOW).unwrap(), moment, "{text}");
        }
        for text in ["", "nightly", "20261129", "5", "ago", "2026-13-01", "2 days", "9999999y ago"]
        {
            assert!(parse(text, NOW).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, len) in [("0d", 0), ("30d", 30 * DAY), ("2w", 14 * DAY), ("1h 30m", DAY / 16)] {
            assert_eq!(before(text, NOW).unwrap(), NOW - len, "{text}");
        }
        for text in ["", "30", "d", "-1d", "1 day ago", "99999y"] {
            assert!(before(text, NOW).is_err(), "{text}");
        }
    }
}
