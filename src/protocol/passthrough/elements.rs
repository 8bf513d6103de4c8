//! Splits one JSON array that arrives incrementally into its elements: Gemini's stream without server-sent events.
//!
//! Checks only where elements begin and end; the content of an element is parsed when it is complete.
use bytes::{Bytes, BytesMut};
use memchr::memchr2;

use crate::protocol::Dialect;
use crate::protocol::error::{WireError, encode};
use crate::protocol::json::Pieces;
use crate::protocol::sse::{Cut, TooLong};

/// Splits an array, however its bytes are divided into chunks.
#[derive(Debug)]
pub(in crate::protocol) struct Elements {
    /// The incomplete element. At most `limit` bytes.
    held: BytesMut,
    limit: usize,
    place: Place,
}

/// The position of the reader.
///
/// ```text
/// Before ── [ ──► First ── { ──► Inside ── } (outermost) ──► Behind ── , ──► Next ── { ──► Inside
/// Before ── { ──► Inside (an answer that is not an array)    Behind, First ── ] ──► Closed
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    Before,
    Behind {
        array: bool,
    },
    Closed,
    First,
    Inside {
        array: bool,
        depth: usize,
        text: Text,
    },
    Next,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Text {
    Escape,
    Inside,
    Outside,
}

impl Elements {
    pub(in crate::protocol) fn new(limit: usize) -> Self {
        Self {
            held: BytesMut::new(),
            limit,
            place: Place::Before,
        }
    }

    /// The same as [`crate::protocol::sse::Frames::push`]; bytes between elements count as complete.
    pub(in crate::protocol) fn push(
        &mut self,
        chunk: &[u8],
        on: impl FnMut(&[u8]),
    ) -> Result<Cut, TooLong> {
        let (_, _, complete) = self.advance(chunk, on)?;
        Ok(Cut { complete })
    }

    /// The same as [`crate::protocol::sse::Frames::relay`].
    pub(in crate::protocol) fn relay(
        &mut self,
        chunk: &Bytes,
        on: impl FnMut(&[u8]),
    ) -> Result<Pieces, TooLong> {
        let (joined, from, complete) = self.advance(chunk, on)?;
        let mut pieces = Pieces::default();
        pieces.push(joined);
        pieces.push(chunk.slice(from..complete));
        Ok(pieces)
    }

    /// Whether the array has ended.
    pub(in crate::protocol) fn is_closed(&self) -> bool {
        matches!(self.place, Place::Closed | Place::Behind { array: false })
    }

    /// Whether the answer is one object instead of an array.
    pub(in crate::protocol) fn is_bare(&self) -> bool {
        matches!(
            self.place,
            Place::Behind { array: false } | Place::Inside { array: false, .. }
        )
    }

    /// The error as a last element, and the end of the array.
    pub(in crate::protocol) fn terminal_error(&self, error: &WireError) -> Bytes {
        let (before, after) = match self.place {
            Place::Before => ("[", "]"),
            Place::Behind { array: true } => (",", "]"),
            // The held part of a broken element is never sent; the comma before it has been.
            Place::First | Place::Inside { array: true, .. } | Place::Next => ("", "]"),
            // The answer has ended, or never was an array.
            Place::Behind { array: false } | Place::Closed => return Bytes::new(),
            Place::Inside { array: false, .. } => ("", ""),
        };
        let body = encode(Dialect::Gemini, error);
        let mut out = BytesMut::with_capacity(body.len() + 2);
        out.extend_from_slice(before.as_bytes());
        out.extend_from_slice(&body);
        out.extend_from_slice(after.as_bytes());
        out.freeze()
    }

    /// Returns the bytes of the element that began in an earlier chunk, how much of this chunk belongs to it, and how
    /// much of this chunk is complete.
    fn advance(
        &mut self,
        chunk: &[u8],
        mut on: impl FnMut(&[u8]),
    ) -> Result<(Bytes, usize, usize), TooLong> {
        let mut joined = Bytes::new();
        let mut joined_to = 0;
        let mut start = 0;
        let mut at = 0;
        while at < chunk.len() {
            let inside = matches!(self.place, Place::Inside { .. });
            if !inside {
                start = at;
            }
            at = self.step(chunk, at);
            let ended = inside && !matches!(self.place, Place::Inside { .. });
            if !ended {
                continue;
            }
            let part = chunk.get(start..at).unwrap_or_default();
            if self.held.is_empty() {
                if part.len() > self.limit {
                    return Err(TooLong { limit: self.limit });
                }
                on(part);
            } else {
                self.hold(part)?;
                joined = self.held.split().freeze();
                joined_to = at;
                on(&joined);
            }
            start = at;
        }
        if matches!(self.place, Place::Inside { .. }) {
            self.hold(chunk.get(start..).unwrap_or_default())?;
            return Ok((joined, joined_to, start));
        }
        Ok((joined, joined_to, chunk.len()))
    }

    /// Reads one byte, or a whole run of a string's bytes; returns the offset behind it.
    fn step(&mut self, chunk: &[u8], at: usize) -> usize {
        let byte = chunk.get(at).copied().unwrap_or_default();
        let opened = |array| Place::Inside {
            array,
            depth: 1,
            text: Text::Outside,
        };
        self.place = match (self.place, byte) {
            (Place::Before, b'[') => Place::First,
            (Place::Before, b'{') => opened(false),
            (Place::First | Place::Next, b'{') => opened(true),
            (Place::First | Place::Behind { array: true }, b']') => Place::Closed,
            (Place::Behind { array: true }, b',') => Place::Next,
            (Place::Inside { array, depth, text }, _) => {
                return self.step_inside(chunk, at, array, depth, text);
            }
            (other, _) => other,
        };
        at + 1
    }

    fn step_inside(
        &mut self,
        chunk: &[u8],
        at: usize,
        array: bool,
        depth: usize,
        text: Text,
    ) -> usize {
        let inside = |depth, text| Place::Inside { array, depth, text };
        let rest = chunk.get(at..).unwrap_or_default();
        let (place, read) = match text {
            Text::Escape => (inside(depth, Text::Inside), 1),
            Text::Inside => match memchr2(b'"', b'\\', rest) {
                None => (inside(depth, Text::Inside), rest.len()),
                Some(hop) if rest.get(hop) == Some(&b'"') => {
                    (inside(depth, Text::Outside), hop + 1)
                }
                Some(hop) => (inside(depth, Text::Escape), hop + 1),
            },
            Text::Outside => match rest.first() {
                Some(b'"') => (inside(depth, Text::Inside), 1),
                Some(b'{' | b'[') => (inside(depth.saturating_add(1), text), 1),
                Some(b'}' | b']') if depth == 1 => (Place::Behind { array }, 1),
                Some(b'}' | b']') => (inside(depth - 1, text), 1),
                _ => (inside(depth, text), 1),
            },
        };
        self.place = place;
        at + read
    }

    fn hold(&mut self, part: &[u8]) -> Result<(), TooLong> {
        if self.held.len() + part.len() > self.limit {
            return Err(TooLong { limit: self.limit });
        }
        self.held.extend_from_slice(part);
        Ok(())
    }
}
