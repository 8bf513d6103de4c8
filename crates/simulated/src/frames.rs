//! Events on their way out, framed as server-sent events or as the members of one JSON array.
use bytes::Bytes;
use serde::Serialize;

/// How events are separated.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Framing {
    /// Gemini without `alt=sse`: one JSON array, written bit by bit.
    Array,
    /// `event:` and `data:` lines.
    Sse,
}

/// A buffer of whole events, which remembers where each one ends.
#[derive(Debug)]
pub(super) struct Frames {
    framing: Framing,
    buffer: Vec<u8>,
    ends: Vec<usize>,
    opened: bool,
}

impl Frames {
    pub(super) fn new(framing: Framing) -> Self {
        Self {
            framing,
            buffer: Vec::new(),
            ends: Vec::new(),
            opened: false,
        }
    }

    /// Events in the buffer.
    pub(super) fn count(&self) -> u64 {
        self.ends.len() as u64
    }

    /// Bytes in the buffer.
    pub(super) fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Adds an event whose data is the JSON of `data`.
    pub(super) fn json(&mut self, event: Option<&str>, data: &impl Serialize) {
        self.frame(event, |buffer| write_json(buffer, data));
    }

    /// Adds an event whose data `write` appends.
    pub(super) fn frame(&mut self, event: Option<&str>, write: impl FnOnce(&mut Vec<u8>)) {
        match self.framing {
            Framing::Sse => {
                if let Some(event) = event {
                    for part in ["event: ", event, "\n"] {
                        self.buffer.extend_from_slice(part.as_bytes());
                    }
                }
                self.buffer.extend_from_slice(b"data: ");
                write(&mut self.buffer);
                self.buffer.extend_from_slice(b"\n\n");
            }
            Framing::Array => {
                let opening: &[u8] = if self.opened { b",\r\n" } else { b"[" };
                self.buffer.extend_from_slice(opening);
                write(&mut self.buffer);
            }
        }
        self.opened = true;
        self.ends.push(self.buffer.len());
    }

    /// Adds bytes that are no event: a comment, a blank line. An array has no room for them.
    pub(super) fn filler(&mut self, bytes: &[u8]) {
        if self.framing == Framing::Sse {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// Ends the body in good order.
    pub(super) fn close(&mut self) {
        if self.framing == Framing::Array {
            self.buffer
                .extend_from_slice(if self.opened { b"]" } else { b"[]" });
        }
    }

    /// Keeps only the first `count` events.
    pub(super) fn truncate(&mut self, count: u64) {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        if count < self.ends.len() {
            let end = count.checked_sub(1).and_then(|last| self.ends.get(last));
            self.buffer.truncate(end.copied().unwrap_or(0));
            self.ends.truncate(count);
        }
    }

    /// Takes what is there to be sent.
    pub(super) fn take(&mut self) -> Bytes {
        self.ends.clear();
        // The next lot is about as long as this one.
        let next = Vec::with_capacity(self.buffer.len() + self.buffer.len() / 8);
        std::mem::replace(&mut self.buffer, next).into()
    }
}

/// Appends `value` as JSON.
pub(super) fn write_json(buffer: &mut Vec<u8>, value: &impl Serialize) {
    // Writing to memory fails only for maps with keys that are no strings; there are none here.
    let _ = serde_json::to_writer(buffer, value);
}
