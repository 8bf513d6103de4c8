//! Writes JSON piece by piece into a buffer, as a stream does for every delta.
use bytes::{BufMut as _, BytesMut};
use serde::Serialize;

/// Writes `text` unchanged.
pub fn raw(out: &mut BytesMut, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

/// Writes `text` as a JSON string with its quotes.
pub fn string(out: &mut BytesMut, text: &str) {
    value(out, text);
}

/// Writes a number.
pub fn number(out: &mut BytesMut, number: usize) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Writes any value as JSON. The structs of the wire modules and strings always serialize; any other value would be
/// left out.
pub fn value(out: &mut BytesMut, value: &(impl Serialize + ?Sized)) {
    let written = serde_json::to_writer(out.writer(), value);
    debug_assert!(written.is_ok(), "wire structs serialize: {written:?}");
}

/// Any value as JSON, in a buffer with an initial capacity of `bytes`, because a buffer that grows is copied each time.
pub fn to_sized_vec(value: &impl Serialize, bytes: usize) -> Result<Vec<u8>, serde_json::Error> {
    let mut out = Vec::with_capacity(bytes);
    serde_json::to_writer(&mut out, value)?;
    Ok(out)
}

/// Any value as JSON; like [`value`], it cannot fail for the structs of the wire modules.
pub fn to_vec(value: &impl Serialize) -> Vec<u8> {
    let written = serde_json::to_vec(value);
    debug_assert!(written.is_ok(), "wire structs serialize: {written:?}");
    written.unwrap_or_default()
}
