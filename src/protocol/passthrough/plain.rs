//! Numbers and texts that may be JSON values or fields of a form.
use std::borrow::Cow;

use crate::protocol::json;

/// The text of a JSON value, or of a field of a form.
pub(super) fn text(value: &[u8]) -> Cow<'_, str> {
    match value.trim_ascii() {
        text if text.starts_with(b"\"") => {
            json::string(text).unwrap_or_else(|| String::from_utf8_lossy(text))
        }
        text => String::from_utf8_lossy(text),
    }
}

/// A count; `None` = not a number, or negative or infinite.
pub(super) fn whole(value: &[u8]) -> Option<u64> {
    let count: f64 = text(value).parse().ok()?;
    (count.is_finite() && count >= 0.0).then(|| rounded(count * 1e3) / 1_000)
}

/// Seconds converted to milliseconds.
pub(super) fn millis(value: &[u8]) -> Option<u64> {
    let seconds: f64 = text(value).parse().ok()?;
    Some(rounded(seconds * 1e3))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float saturates, and a negative one becomes 0"
)]
fn rounded(value: f64) -> u64 {
    value.round() as u64
}
