//! Writing JSON piece by piece into a buffer: what a stream does for every delta.
use bytes::{BufMut as _, BytesMut};
use serde::Serialize;

/// Writes `text` as it is.
pub fn raw(out: &mut BytesMut, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

/// Writes `text` as a JSON string, quotes included.
pub fn string(out: &mut BytesMut, text: &str) {
    value(out, text);
}

/// Writes a number.
pub fn number(out: &mut BytesMut, number: usize) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Writes any value as JSON.
pub fn value(out: &mut BytesMut, value: &(impl Serialize + ?Sized)) {
    serde_json::to_writer(out.writer(), value)
        .expect("invariant: strings, numbers and the structs of the wire modules always serialize, and memory takes them");
}
