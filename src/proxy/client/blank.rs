//! Finds the end of the head of a request.
use memchr::memchr;

/// How much of the blank line at the end of a head has been seen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Blank {
    /// Nothing: the last byte was inside a line.
    No,
    /// The end of a line.
    Line,
    /// The end of a line, and a carriage return.
    Return,
}

impl Blank {
    /// The state after these bytes; `None` when they contain the blank line.
    pub(super) fn after(mut self, bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        while let [byte, tail @ ..] = rest {
            if self == Self::No {
                // Only the end of the line matters, so the rest of it is skipped.
                let Some(end) = memchr(b'\n', rest) else {
                    break;
                };
                rest = &rest[end + 1..];
                self = Self::Line;
                continue;
            }
            self = match (byte, self) {
                (b'\n', _) => return None,
                (b'\r', Self::Line) => Self::Return,
                _ => Self::No,
            };
            rest = tail;
        }
        Some(self)
    }
}
