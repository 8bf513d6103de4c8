//! The time to wait before a retry, from a field or from the message.
use std::time::Duration;

use serde_json::Value;

use super::details;

/// A delay from a field of its own.
pub(super) fn stated(error: &Value) -> Option<Duration> {
    let retry_info = details(error).find_map(|detail| match detail.get("retryDelay")? {
        Value::String(text) => delay(text).map(|(wait, _)| wait),
        object => object.get("seconds")?.as_f64().and_then(positive),
    });
    let plain = ["resets_in_seconds", "retry_after", "retry_after_seconds"]
        .iter()
        .find_map(|name| error.get(*name)?.as_f64());
    retry_info.or_else(|| positive(plain?))
}

/// The delay in "Please try again in 1.5s", "Please retry in 37.2s", "Please retry after 20 seconds", and the words
/// that state it.
pub fn wait_in_words(message: &str) -> Option<(Duration, &str)> {
    let lower = message.to_ascii_lowercase();
    DELAY_PHRASES.iter().find_map(|phrase| {
        let at = lower.find(phrase)?;
        let (wait, rest) = delay(lower.get(at + phrase.len()..)?)?;
        Some((wait, message.get(at..lower.len() - rest.len())?))
    })
}

/// The delay in headers of the vendor that an aggregator repeats in its error: `metadata.headers` of `OpenRouter`. In
/// seconds from now, or as Unix time in seconds or milliseconds.
///
/// Source: <https://openrouter.ai/docs/api/reference/limits>, and its answers to spent free requests.
pub(super) fn in_headers(error: &Value) -> Option<Stated> {
    let headers = error.get("metadata")?.get("headers")?.as_object()?;
    let waits = headers.iter().take(MAX_HEADERS).filter(|(name, _)| {
        let known = |known: &&str| name.eq_ignore_ascii_case(known);
        RESET_HEADERS.iter().any(known)
    });
    let mut stated = waits.filter_map(|(_, value)| match value {
        Value::Number(number) => Stated::of(number.as_f64()?),
        Value::String(text) => match text.trim().parse::<f64>() {
            Ok(number) => Stated::of(number),
            Err(_) => delay(text).map(|(wait, _)| Stated::In(wait)),
        },
        _ => None,
    });
    stated.next_back()
}

/// A time to retry, as a number can state it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Stated {
    In(Duration),
    /// Unix time in seconds.
    At(u64),
}

impl Stated {
    fn of(number: f64) -> Option<Self> {
        match number {
            n if n >= UNIX_MILLIS_FROM => Some(Self::At((n / 1e3) as u64)),
            n if n >= UNIX_SECONDS_FROM => Some(Self::At(n as u64)),
            n if n > 0.0 => positive(n).map(Self::In),
            _ => None,
        }
    }
}

/// Parses `6m0s`, `120ms`, `1.5s`, `20 seconds`: a sequence of numbers with units. Also returns the rest of the text.
fn delay(text: &str) -> Option<(Duration, &str)> {
    let mut total = None;
    let mut rest = text.trim_start();
    let mut end = rest;
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
        end = after.get(letters..)?;
        rest = end.trim_start();
    }
    Some((positive(total?)?, end))
}

/// The number of seconds in a unit.
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

/// The words before a delay in vendors' messages, in lower case.
const DELAY_PHRASES: [&str; 4] = [
    "try again in ",
    "retry in ",
    "retry after ",
    "try again after ",
];

/// The headers that state a delay, in lower case.
const RESET_HEADERS: [&str; 2] = ["retry-after", "x-ratelimit-reset"];

/// Most headers that are looked at.
const MAX_HEADERS: usize = 64;

/// A number from here on is Unix time (2001), in seconds or in milliseconds.
const UNIX_SECONDS_FROM: f64 = 1e9;
const UNIX_MILLIS_FROM: f64 = 1e12;

/// The longest delay that is accepted, in seconds: a year.
const MAX_DELAY: f64 = 31_536_000.0;
