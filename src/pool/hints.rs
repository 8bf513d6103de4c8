//! When an upstream says it will serve again: every vendor's notation of a time, read as a duration from now.
//!
//! Known notations: `retry-after` in seconds or as a date, `retry-after-ms`, `6m0s`, RFC 3339, Unix time. A value that
//! cannot be read, is zero or lies in the past is ignored: a bench of no length would let requests hammer an account
//! that has just refused.
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// The wait in `retry-after` or `retry-after-ms`; the longer one if both are present.
pub fn retry_after(headers: &HeaderMap, wall: SystemTime) -> Option<Duration> {
    let seconds = headers
        .get_all(http::header::RETRY_AFTER)
        .iter()
        .filter_map(|value| moment(value.to_str().ok()?, wall))
        .max();
    let millis = headers
        .get_all(RETRY_AFTER_MS)
        .iter()
        .filter_map(|value| positive(value.to_str().ok()?.trim().parse::<f64>().ok()? / 1e3))
        .max();
    seconds.max(millis)
}

/// A time in any of the known notations, as a duration from `wall`.
pub fn moment(text: &str, wall: SystemTime) -> Option<Duration> {
    let text = text.trim();
    if let Ok(number) = text.parse::<f64>() {
        return match number {
            n if n >= UNIX_MILLIS_FROM => {
                from_now(Duration::try_from_secs_f64(n / 1e3).ok()?, wall)
            }
            n if n >= UNIX_SECONDS_FROM => from_now(Duration::try_from_secs_f64(n).ok()?, wall),
            n => positive(n),
        };
    }
    span(text).or_else(|| date(text, wall))
}

/// A duration as Go and OpenAI write it: `6m0s`, `1h2m3.5s`, `120ms`. `None` unless the whole text is a duration.
pub fn span(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total = 0.0;
    while !rest.is_empty() {
        let unit_at = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(unit_at);
        let unit_end = tail
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(tail.len());
        let (unit, after) = tail.split_at(unit_end);
        let unit = match unit.trim() {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            _ => return None,
        };
        total += number.parse::<f64>().ok()? * unit;
        rest = after;
    }
    positive(total)
}

/// The time until the next midnight in California, when Gemini resets its daily quotas.
pub fn until_midnight_pacific(wall: SystemTime) -> Option<Duration> {
    let zone = TimeZone::posix(PACIFIC).ok()?;
    let now = Timestamp::try_from(wall).ok()?.to_zoned(zone);
    let midnight = now.tomorrow().ok()?.start_of_day().ok()?;
    from_now(unix(midnight.timestamp())?, wall)
}

/// The time until this Unix time, in seconds.
pub fn until_unix(seconds: u64, wall: SystemTime) -> Option<Duration> {
    from_now(Duration::from_secs(seconds), wall)
}

/// The part of the message from which [`regained`] reads the date.
pub fn regain_words(message: &str) -> Option<&str> {
    let said = message.get(message.find(REGAIN)?..)?;
    said.get(..said.find(" UTC")?)
}

/// The time until the date in `You will regain access on 2026-01-01 at 00:00 UTC.`, Anthropic's message for a spent
/// budget.
pub fn regained(message: &str, wall: SystemTime) -> Option<Duration> {
    let at = message.find(REGAIN)? + REGAIN.len();
    let said = message.get(at..)?.trim_start();
    let end = said.find(" UTC")?;
    let date = DateTime::strptime("%Y-%m-%d at %H:%M", said.get(..end)?).ok()?;
    from_now(unix(date.to_zoned(TimeZone::UTC).ok()?.timestamp())?, wall)
}

/// A positive number of seconds as a duration, at most [`LONGEST`]; `None` for zero and below.
pub fn positive(seconds: f64) -> Option<Duration> {
    if seconds > 0.0 {
        Some(Duration::try_from_secs_f64(seconds).map_or(LONGEST, |span| span.min(LONGEST)))
    } else {
        None
    }
}

/// A date in RFC 3339 or in one of the three date forms of HTTP.
fn date(text: &str, wall: SystemTime) -> Option<Duration> {
    let stamp = text
        .parse::<Timestamp>()
        .ok()
        .or_else(|| {
            jiff::fmt::rfc2822::parse(text)
                .ok()
                .map(|zoned| zoned.timestamp())
        })
        .or_else(|| {
            OBSOLETE_DATES
                .iter()
                .find_map(|format| DateTime::strptime(format, text).ok())
                .and_then(|date| date.to_zoned(TimeZone::UTC).ok())
                .map(|zoned| zoned.timestamp())
        })?;
    from_now(unix(stamp)?, wall)
}

fn unix(stamp: Timestamp) -> Option<Duration> {
    Duration::try_from(stamp.as_duration()).ok()
}

fn from_now(since_epoch: Duration, wall: SystemTime) -> Option<Duration> {
    let now = wall.duration_since(UNIX_EPOCH).ok()?;
    positive(since_epoch.checked_sub(now)?.as_secs_f64())
}

/// A wait in milliseconds. Several vendors send it beside `retry-after`, which has no fractions.
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");
/// The longest wait that is believed. It exceeds the longest quota window of any vendor (a month) and still ends if a
/// vendor states an absurd value.
pub const LONGEST: Duration = Duration::from_hours(32 * 24);
/// A number from here on is Unix time in seconds (from 2001 on), not a wait of thirty years.
const UNIX_SECONDS_FROM: f64 = 1e9;
/// A number from here on is Unix time in milliseconds.
const UNIX_MILLIS_FROM: f64 = 1e12;
/// The rule for the time zone of California, so that no time zone database is needed.
const PACIFIC: &str = "PST8PDT,M3.2.0,M11.1.0";
/// The words before the date in Anthropic's message.
const REGAIN: &str = "regain access on ";
/// The date forms of RFC 850 and asctime; RFC 9110 still requires recipients to understand them.
const OBSOLETE_DATES: [&str; 2] = ["%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wall() -> SystemTime {
        SystemTime::from("2026-11-10T12:00:00Z".parse::<Timestamp>().unwrap())
    }

    fn check(text: &str, seconds: impl Into<Option<f64>>) {
        let expected = seconds.into().map(Duration::from_secs_f64);
        let found = moment(text, wall());
        let close = match (found, expected) {
            (Some(found), Some(expected)) => found.abs_diff(expected) < Duration::from_micros(1),
            (None, None) => true,
            _ => false,
        };
        assert!(close, "{text}: {found:?}, expected {expected:?}");
    }

    #[test]
    fn every_notation_of_a_moment_is_read() {
        check("7", 7.0);
        check(" 1.5 ", 1.5);
        check("7999", 7999.0);
        check("6m0s", 360.0);
        check("120ms", 0.12);
        check("1h2m3.5s", 3723.5);
        check("2m59.56s", 179.56);
        check("17µs", 0.000_017);
        check("1d", 86_400.0);
        check("Tue, 10 Nov 2026 12:00:30 GMT", 30.0);
        check("Tuesday, 10-Nov-26 12:00:30 GMT", 30.0);
        check("Tue Nov 10 12:00:30 2026", 30.0);
        check("2026-11-10T12:01:00Z", 60.0);
        check("2026-11-10T13:01:00.5+01:00", 60.5);
        check("1794312060", 60.0);
        check("1794312060500", 60.5);
    }

    #[test]
    fn what_says_nothing_is_no_hint() {
        for text in [
            "",
            "0",
            "-5",
            "soon",
            "NaN",
            "5 parsecs",
            "1x",
            "m",
            "..s",
            "Tue, 10 Nov 2020 12:00:30 GMT",
            "1700000000",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn absurd_values_are_capped_and_a_month_is_not() {
        check("2592000", 2_592_000.0);
        check("99999999", LONGEST.as_secs_f64());
        check("1e300", None);
        check("inf", None);
        check("999999999999h", LONGEST.as_secs_f64());
    }

    proptest! {
        #[test]
        fn no_text_is_a_fault(text in "\\PC{0,40}|[0-9.smhdZT:+-]{0,40}") {
            for found in [moment(&text, wall()), span(&text), regained(&format!("{REGAIN}{text}"), wall())] {
                prop_assert!(found.is_none_or(|wait| !wait.is_zero() && wait <= LONGEST));
            }
        }
    }

    #[test]
    fn milliseconds_and_seconds_together_take_the_later() {
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", "1".parse().unwrap());
        headers.insert("retry-after-ms", "1500".parse().unwrap());
        assert_eq!(
            retry_after(&headers, wall()),
            Some(Duration::from_millis(1500))
        );
        headers.insert("retry-after", "2".parse().unwrap());
        assert_eq!(retry_after(&headers, wall()), Some(Duration::from_secs(2)));
        headers.insert("retry-after-ms", "x".parse().unwrap());
        assert_eq!(retry_after(&headers, wall()), Some(Duration::from_secs(2)));
    }

    #[test]
    fn a_pacific_day_ends_at_eight_in_winter_and_at_seven_in_summer() {
        let hours = |text: &str| {
            let wall = SystemTime::from(text.parse::<Timestamp>().unwrap());
            until_midnight_pacific(wall).unwrap().as_secs() / 3600
        };
        assert_eq!(hours("2026-11-10T12:00:00Z"), 20);
        assert_eq!(hours("2026-07-10T12:00:00Z"), 19);
    }

    #[test]
    fn the_date_in_anthropics_message_is_read() {
        let message = "You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC.";
        assert_eq!(
            regained(message, wall()),
            Some(Duration::from_hours(20 * 24 + 12))
        );
        assert_eq!(regained("You will regain access on Monday", wall()), None);
    }
}
