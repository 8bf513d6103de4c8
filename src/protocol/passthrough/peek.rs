//! Examines a frame without parsing it.
//!
//! Inside a JSON string every quote is escaped, so a match of `"name"` with its quotes is never text that quotes JSON.
//! It may still be in a nested object or be a value; the caller parses the frame and decides.
use std::borrow::Cow;

use bytes::{BufMut, Bytes, BytesMut};
use memchr::memmem::Finder;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer};

use super::Facts;
use crate::protocol::json::loose;
use crate::protocol::sse::Frame;
use crate::protocol::{Dialect, error, json};

/// The `type` of an event. Almost always it is the first member; else it is searched for.
pub(super) fn type_of(data: &[u8]) -> Option<Cow<'_, str>> {
    first_type(data).map(Cow::Borrowed).or_else(|| {
        let members = json::look(data).ok()?;
        members.string(data, "type")
    })
}

fn first_type(data: &[u8]) -> Option<&str> {
    let rest = data.strip_prefix(b"{")?.trim_ascii_start();
    let rest = rest.strip_prefix(b"\"type\"")?.trim_ascii_start();
    let rest = rest.strip_prefix(b":")?.trim_ascii_start();
    let name = rest.strip_prefix(b"\"")?;
    let end = memchr::memchr2(b'"', b'\\', name)?;
    if name.get(end) != Some(&b'"') {
        return None;
    }
    std::str::from_utf8(name.get(..end)?).ok()
}

/// A member name to search for. It is prepared once per stream: the preparation costs more than most searches.
#[derive(Clone, Debug)]
pub(super) struct Needle {
    /// On the heap, because a finder is large and a reader has several.
    finder: Box<Finder<'static>>,
    len: usize,
}

impl Needle {
    /// `name` includes its quotes.
    pub(super) fn new(name: &'static str) -> Self {
        Self {
            finder: Box::new(Finder::new(name)),
            len: name.len(),
        }
    }

    /// The data behind the first `"name":`.
    pub(super) fn after<'a>(&self, data: &'a [u8]) -> Option<&'a [u8]> {
        let at = self.finder.find(data)? + self.len;
        let rest = data.get(at..)?.trim_ascii_start();
        Some(rest.strip_prefix(b":")?.trim_ascii_start())
    }
}

/// Reads `data`, or if that is not possible, the same data [repaired](loose::plain).
pub(super) fn or_repaired<R>(data: &[u8], mut read: impl FnMut(&[u8]) -> Option<R>) -> Option<R> {
    read(data).or_else(|| {
        if data.len() > MOST_REPAIRED {
            return None;
        }
        read(&loose::plain(data)?)
    })
}

/// Longest data that is repaired by way of a document, in bytes: a document takes a multiple of it.
const MOST_REPAIRED: usize = 1 << 20;

/// Records a JSON error in a frame without data: some servers write it into the stream without the framing of an event.
pub(super) fn bare_error(dialect: Dialect, frame: &Frame<'_>, facts: &mut Facts) {
    if frame.raw.trim_ascii_start().starts_with(b"{")
        && let Some(error) = error::parse_event(dialect, frame.raw)
    {
        facts.fail(error);
    }
}

/// The whole number at the start of `value`.
pub(super) fn number(value: &[u8]) -> Option<u64> {
    let digits = value
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    std::str::from_utf8(value.get(..digits)?).ok()?.parse().ok()
}

/// Whether a frame without its blank line is complete, or at least harmless.
pub(super) fn is_whole(frame: &Frame<'_>) -> bool {
    let data = frame.data.trim_ascii();
    if data.is_empty() {
        return frame.event.is_none() && is_json(frame.raw);
    }
    data == DONE || is_json(data)
}

fn is_json(data: &[u8]) -> bool {
    json::look(data).is_ok()
}

/// The frame with its blank line. A bare JSON error, which is not an event, stays as it is.
pub(super) fn closed(held: Bytes) -> Bytes {
    if held.trim_ascii_start().starts_with(b"{") {
        return held;
    }
    let mut out = BytesMut::with_capacity(held.len() + 2);
    let ended = matches!(held.last(), Some(b'\n' | b'\r'));
    out.put(held);
    out.put_slice(if ended { b"\n" } else { b"\n\n" });
    out.freeze()
}

/// A text in a frame; it is copied only if it has escapes.
#[derive(Debug, Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub Cow<'a, str>);

/// A value; `None` if it has an unexpected form: one odd field must not hide the others.
pub(super) fn lenient<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let raw = <&serde_json::value::RawValue>::deserialize(deserializer)?;
    Ok(serde_json::from_str(raw.get()).ok())
}

/// A usage, which is an object; any other value states none.
pub(super) fn usage<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let raw = <&serde_json::value::RawValue>::deserialize(deserializer)?;
    Ok(read_usage(raw.get().as_bytes()))
}

/// The usage that `value` is, also if it has a member twice; `None` = it is not an object.
pub(super) fn read_usage<T: DeserializeOwned>(value: &[u8]) -> Option<T> {
    if !value.trim_ascii_start().starts_with(b"{") {
        return None;
    }
    or_repaired(value, |value| object(value))
}

/// The object that `value` is; `None` = it is another value.
pub(super) fn object<'a, T: Deserialize<'a>>(value: &'a [u8]) -> Option<T> {
    // Without this look a list would be read as the members of the object, one after the other.
    let is_object = value.trim_ascii_start().starts_with(b"{");
    is_object.then(|| serde_json::from_slice(value).ok())?
}

/// Choices or candidates that have been seen, by index.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Choices {
    seen: u128,
    finished: u128,
}

impl Choices {
    /// Records a frame of a choice. A choice that has finished and then has more content, as with servers that state a
    /// reason in every chunk, is open again.
    pub(super) fn see(&mut self, index: usize, finished: bool, says: bool) {
        let bit = 1_u128 << index.min(MOST_CHOICES - 1);
        self.seen |= bit;
        if finished {
            self.finished |= bit;
        } else if says {
            self.finished &= !bit;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.seen == 0
    }

    /// Whether every choice that has begun is finished.
    pub(super) fn all_finished(&self) -> bool {
        self.seen != 0 && self.seen == self.finished
    }
}

/// As many choices as are told apart; vendors allow 128 at most.
const MOST_CHOICES: usize = 128;

pub(super) const DONE: &[u8] = b"[DONE]";
