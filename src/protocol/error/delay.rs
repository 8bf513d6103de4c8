//! When to come back: in a field, or in prose.
use std::time::Duration;

use serde_json::Value;

use super::details;

/// A delay that stands in a field of its own.
pub(super) fn stated(error: &Value) -> Option<Duration> {
    let retry_info = details(error).find_map(|detail| match detail.get("retryDelay")? {
        Value::String(text) => delay(text),
        object => object.get("seconds")?.as_f64().and_then(positive),
    });
    let plain = ["resets_in_seconds", "retry_after", "retry_after_seconds"]
        .iter()
        .find_map(|name| error.get(*name)?.as_f64());
    retry_info.or_else(|| positive(plain?))
}

/// "Please try again in 1.5s", "Please retry in 37.2s", "Please retry after 20 seconds".
pub(super) fn in_words(message: &str) -> Option<Duration> {
    let lower = message.to_ascii_lowercase();
    DELAY_PHRASES.iter().find_map(|phrase| {
        let at = lower.find(phrase)? + phrase.len();
        delay(lower.get(at..)?)
    })
}

/// `6m0s`, `120ms`, `1.5s`, `20 seconds`: a sequence of numbers with units, up to the first thing that is neither.
fn delay(text: &str) -> Option<Duration> {
    let mut total = None;
    let mut rest = text.trim_start();
    loop {
        let digits = rest
            .find(|char: char| !char.is_ascii_digit() && char != '.')
            .unwrap_or(rest.len());
        let Ok(number) = rest.get(..digits)?.parse::<f64>() else {
            break;
        };
        let after = rest.get(digits..)?.trim_start();
        let letters = after
            .find(|char: char| !char.is_ascii_alphabetic())
            .unwrap_or(after.len());
        let Some(unit) = unit(after.get(..letters)?) else {
            break;
        };
        total = Some(total.unwrap_or(0.0) + number * unit);
        rest = after.get(letters..)?.trim_start();
    }
    positive(total?)
}

/// How many seconds a unit has.
fn unit(name: &str) -> Option<f64> {
    match name {
        "ms" | "millisecond" | "milliseconds" => Some(0.001),
        "s" | "sec" | "secs" | "second" | "seconds" => Some(1.0),
        "m" | "min" | "mins" | "minute" | "minutes" => Some(60.0),
        "h" | "hour" | "hours" => Some(3600.0),
        "d" | "day" | "days" => Some(86_400.0),
        _ => None,
    }
}

fn positive(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds.min(MAX_DELAY)).ok()
}

/// How vendors introduce a delay in prose, in lower case.
const DELAY_PHRASES: [&str; 4] = [
    "try again in ",
    "retry in ",
    "retry after ",
    "try again after ",
];

/// Longest delay believed, in seconds: a year.
const MAX_DELAY: f64 = 31_536_000.0;
