//! An answer whose head does not promise what was asked for: a stream where a whole answer was asked for, or the reverse.
//!
//! Heads lie: what begins like what was asked for is that after all, and goes on as if the head had said so. What does
//! not is held to its end and told again in the right shape.
use bytes::{Bytes, BytesMut};

use crate::pool::Fault;
use crate::protocol::Dialect;
use crate::protocol::reshape;

/// What is held of it.
#[derive(Debug)]
pub(super) struct Misshapen<T> {
    wants_stream: bool,
    held: BytesMut,
    /// Whether it is known that it is not what was asked for.
    is_sure: bool,
    /// What goes on with it, where it is for a client of another dialect.
    then: Option<T>,
}

/// What the bytes so far look like.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Look {
    /// What was asked for.
    AsAsked,
    /// Something else, or too little to tell.
    Other,
    /// Something else, and too long to be held.
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

    /// Whether a stream was asked for.
    pub(super) fn wants_stream(&self) -> bool {
        self.wants_stream
    }

    /// What goes on with it.
    pub(super) fn then(&self) -> Option<&T> {
        self.then.as_ref()
    }

    /// The next bytes.
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

    /// What came so far.
    pub(super) fn held(&self) -> &[u8] {
        &self.held
    }

    /// What was held, and what goes on with it.
    pub(super) fn take(&mut self) -> (Bytes, Option<T>) {
        (self.held.split().freeze(), self.then.take())
    }

    /// At its end: what was held in the shape that was asked for; `None` when it cannot be told in it.
    pub(super) fn reshaped(&self, dialect: Dialect) -> Option<Bytes> {
        if self.wants_stream {
            reshape::as_stream(dialect, &self.held)
        } else {
            reshape::as_whole(dialect, &self.held)
        }
    }

    /// What it is instead.
    pub(super) fn fault(&self) -> Fault {
        if self.wants_stream {
            Fault::NotAStream
        } else {
            Fault::UnaskedStream
        }
    }
}

/// Whether events begin here, or something else; `None` = too early to tell.
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

/// Bytes that tell a field of an event from anything else.
const FIELD: usize = 5;

/// Longest answer that is told again in another shape, bytes.
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
