//! Times as the admin plane writes them.
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// RFC 3339 in UTC, to the second.
pub(super) fn timestamp(at: SystemTime) -> String {
    let seconds = at
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(seconds)
        .map(|at| at.to_string())
        .unwrap_or_default()
}

/// The time `wait` after `wall`.
pub(super) fn timestamp_in(wall: SystemTime, wait: Duration) -> String {
    wall.checked_add(wait).map(timestamp).unwrap_or_default()
}

/// The time `since` before `wall`.
pub(super) fn timestamp_ago(wall: SystemTime, since: Duration) -> String {
    wall.checked_sub(since).map(timestamp).unwrap_or_default()
}

/// RFC 3339 in UTC, to the millisecond.
pub(super) fn precise(at: SystemTime) -> String {
    let milliseconds = at
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis());
    let milliseconds = i64::try_from(milliseconds).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(milliseconds)
        .map(|at| format!("{at:.3}"))
        .unwrap_or_default()
}
