//! An answer whose head does not announce the requested shape: a stream where a whole answer was requested, or the
//! reverse.
//!
//! A head may be wrong: if the body begins like the requested shape, the answer continues as if the head had said so.
//! Otherwise it is held to its end and converted to the requested shape.
use bytes::{Bytes, BytesMut};

use crate::pool::Fault;
use crate::protocol::Dialect;
use crate::protocol::reshape;

/// The held part of such an answer.
#[derive(Debug)]
pub(super) struct Misshapen<T> {
    wants_stream: bool,
    held: BytesMut,
    /// Whether it is certain that the answer does not have the requested shape.
    is_sure: bool,
    /// The translator that continues, if the client speaks another dialect.
    then: Option<T>,
}

/// What the bytes so far look like.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Look {
    /// The requested shape.
    AsAsked,
    /// Another shape, or too few bytes to decide.
    Other,
    /// Another shape, and too long to be held.
    TooLong,
}

impl<T> Misshapen<T> {
    pub(super) fn new(wants_stream: bool, then: Option<T>) -> Self {
        Self {
            wants_stream,
            held: BytesMut::new(),
            is_sure: false,
            then,
        }
    }

    /// Whether a stream was requested.
    pub(super) fn wants_stream(&self) -> bool {
        self.wants_stream
    }

    /// The translator that continues.
    pub(super) fn then(&self) -> Option<&T> {
        self.then.as_ref()
    }

    /// Adds bytes.
    pub(super) fn push(&mut self, chunk: &Bytes) -> Look {
        self.held.extend_from_slice(chunk);
        if !self.is_sure {
            match begins_a_stream(&self.held) {
                Some(stream) if stream == self.wants_stream => return Look::AsAsked,
                Some(_) => self.is_sure = true,
                None => {}
            }
        }
        if self.held.len() > LONGEST {
            Look::TooLong
        } else {
            Look::Other
        }
    }

    /// The bytes so far.
    pub(super) fn held(&self) -> &[u8] {
        &self.held
    }

    /// The held bytes, and the translator that continues.
    pub(super) fn take(&mut self) -> (Bytes, Option<T>) {
        (self.held.split().freeze(), self.then.take())
    }

    /// At the end: the held answer in the requested shape; `None` when it cannot be converted.
    pub(super) fn reshaped(&self, dialect: Dialect) -> Option<Bytes> {
        if self.wants_stream {
            reshape::as_stream(dialect, &self.held)
        } else {
            reshape::as_whole(dialect, &self.held)
        }
    }

    /// The fault that the shape amounts to.
    pub(super) fn fault(&self) -> Fault {
        if self.wants_stream {
            Fault::NotAStream
        } else {
            Fault::UnaskedStream
        }
    }
}

/// Whether the bytes begin an event stream or something else; `None` = too few bytes.
fn begins_a_stream(bytes: &[u8]) -> Option<bool> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let bytes = bytes.trim_ascii_start();
    match bytes.first()? {
        b'{' | b'[' | b'<' => Some(false),
        b':' => Some(true),
        _ if bytes.len() < FIELD => None,
        _ => {
            let mut fields = ["data:", "event", "id:", "retry"].iter();
            Some(fields.any(|field| bytes.starts_with(field.as_bytes())))
        }
    }
}

/// The bytes that are needed to recognize a field of an event.
const FIELD: usize = 5;

/// The most bytes of an answer that is converted.
const LONGEST: usize = 8 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell_what_it_is() {
        for (bytes, stream) in [
            (&b"data: {}"[..], Some(true)),
            (b"\n\nevent: x", Some(true)),
            (b": ping", Some(true)),
            (b"\xef\xbb\xbfid: 7", Some(true)),
            (b" {\"a\":1}", Some(false)),
            (b"[{", Some(false)),
            (b"<!doctype html>", Some(false)),
            (b"upstream request timeout", Some(false)),
            (b"dat", None),
            (b"", None),
        ] {
            assert_eq!(begins_a_stream(bytes), stream, "{bytes:?}");
        }
    }
}
