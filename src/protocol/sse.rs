//! Server-sent events: splits bytes into frames, and writes frames.
//!
//! Incremental and bounded; it knows nothing of JSON or of any dialect. A frame's bytes end with its blank line, so
//! that a relay that forwards whole frames can insert its own frame between any two of them.
//! Spec: <https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream>
use std::borrow::Cow;
use std::fmt;

use bytes::{Bytes, BytesMut};
use memchr::memchr2;

use super::json::Pieces;

/// Splits a byte stream into frames, however the bytes are divided into chunks.
#[derive(Debug)]
pub struct Frames {
    /// The incomplete frame, whose blank line has not come. At most `limit` bytes.
    held: BytesMut,
    limit: usize,
    line: Line,
    /// Whether anything besides a byte order mark has come.
    begun: bool,
}

/// One frame: the bytes between two blank lines.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Frame<'a> {
    /// The value of the last `event` field.
    pub event: Option<&'a [u8]>,
    /// The values of the `data` fields, joined by LF; empty if there are none.
    pub data: Cow<'a, [u8]>,
    /// The unchanged bytes of the frame, including its blank line.
    pub raw: &'a [u8],
}

/// How much of one chunk completes frames.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Cut {
    /// The number of bytes at the start of this chunk that complete frames; the other bytes begin an incomplete frame.
    pub complete: usize,
}

/// A frame is longer than the limit: a fault or an attack. The stream cannot be read further.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TooLong {
    /// The limit in bytes.
    pub limit: usize,
}

impl Frames {
    /// A splitter for frames of at most [`MAX_FRAME`] bytes.
    pub fn new() -> Self {
        Self::with_limit(MAX_FRAME)
    }

    /// A splitter for frames of at most `limit` bytes.
    pub fn with_limit(limit: usize) -> Self {
        Self {
            held: BytesMut::new(),
            limit,
            line: Line::Start,
            begun: false,
        }
    }

    /// Takes the next bytes and emits every frame that they complete. A frame that is completely in `chunk` is not
    /// copied. How the stream is divided into chunks changes neither the frames nor the sum of `complete`.
    pub fn push(&mut self, chunk: &[u8], on: impl FnMut(Frame<'_>)) -> Result<Cut, TooLong> {
        let (_, complete) = self.advance(chunk, on)?;
        Ok(Cut { complete })
    }

    /// The same as [`Frames::push`], but returns the bytes of the completed frames, including those held from earlier
    /// chunks: a relay may forward these now. Together with [`Frames::take_held`] at the end, they are the whole
    /// stream.
    pub fn relay(&mut self, chunk: &Bytes, on: impl FnMut(Frame<'_>)) -> Result<Pieces, TooLong> {
        let (joined, complete) = self.advance(chunk, on)?;
        let mut pieces = Pieces::default();
        let from = joined.as_ref().map_or(0, |joined| joined.from_chunk);
        if let Some(joined) = joined {
            pieces.push(joined.bytes);
        }
        pieces.push(chunk.slice(from..complete));
        Ok(pieces)
    }

    /// The stream has ended: emits a last frame without its blank line, if there is one. The specification drops such a
    /// frame, but some servers omit the last line end, so the caller decides.
    pub fn finish(&mut self, mut on: impl FnMut(Frame<'_>)) {
        let content = self.without_mark(&self.held);
        if !is_blank(content) {
            on(Frame {
                raw: &self.held,
                ..Frame::parse(content)
            });
        }
    }

    /// Removes and returns the bytes of the incomplete frame.
    pub fn take_held(&mut self) -> Bytes {
        self.line = Line::Start;
        self.held.split().freeze()
    }

    /// The number of held bytes of an incomplete frame.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    fn advance(
        &mut self,
        chunk: &[u8],
        mut on: impl FnMut(Frame<'_>),
    ) -> Result<(Option<Joined>, usize), TooLong> {
        let mut joined = None;
        // The start of the current frame in `chunk`. Held bytes belong in front of it only while `joined` is `None`.
        let mut start = 0;
        let mut at = 0;
        while let Some(end) = self.line.next_line(chunk, &mut at) {
            match end {
                LineEnd::Text => {}
                LineEnd::StrayFeed => {
                    if self.held.is_empty() && start + 1 == at {
                        start = at;
                    }
                }
                LineEnd::Blank => {
                    let part = chunk.get(start..at).unwrap_or_default();
                    if self.held.is_empty() {
                        self.show(part, &mut on)?;
                    } else {
                        self.hold(part)?;
                        let whole = self.held.split().freeze();
                        self.show(&whole, &mut on)?;
                        joined = Some(Joined {
                            bytes: whole,
                            from_chunk: at,
                        });
                    }
                    start = at;
                }
            }
        }
        self.hold(chunk.get(start..).unwrap_or_default())?;
        Ok((joined, start))
    }

    fn hold(&mut self, part: &[u8]) -> Result<(), TooLong> {
        if self.held.len() + part.len() > self.limit {
            return Err(TooLong { limit: self.limit });
        }
        self.held.extend_from_slice(part);
        Ok(())
    }

    fn without_mark<'a>(&self, raw: &'a [u8]) -> &'a [u8] {
        if self.begun {
            return raw;
        }
        raw.strip_prefix(BYTE_ORDER_MARK).unwrap_or(raw)
    }

    fn show(&mut self, raw: &[u8], on: &mut impl FnMut(Frame<'_>)) -> Result<(), TooLong> {
        if raw.len() > self.limit {
            return Err(TooLong { limit: self.limit });
        }
        let content = self.without_mark(raw);
        self.begun = true;
        if !is_blank(content) {
            on(Frame {
                raw,
                ..Frame::parse(content)
            });
        }
        Ok(())
    }
}

impl Default for Frames {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a> Frame<'a> {
    /// Parses the fields of one frame.
    pub fn parse(raw: &'a [u8]) -> Self {
        let mut frame = Self {
            event: None,
            data: Cow::Borrowed(&[]),
            raw,
        };
        let mut has_data = false;
        let mut rest = raw;
        while !rest.is_empty() {
            let end = memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
            let line = rest.get(..end).unwrap_or_default();
            rest = rest.get(end + 1..).unwrap_or_default();
            if let Some(value) = field(line, b"data") {
                if has_data {
                    let data = frame.data.to_mut();
                    data.push(b'\n');
                    data.extend_from_slice(value);
                } else {
                    frame.data = Cow::Borrowed(value);
                    has_data = true;
                }
            } else if let Some(value) = field(line, b"event") {
                frame.event = Some(value);
            }
        }
        frame
    }

    /// A frame for data that came without the framing of an event stream.
    pub fn bare(data: &'a [u8]) -> Self {
        Self {
            event: None,
            data: Cow::Borrowed(data),
            raw: data,
        }
    }

    /// The bytes of the frame with other data: its lines stand where the first line of the data stood.
    pub fn with_data(&self, data: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.raw.len());
        let mut data = Some(data);
        let mut rest = self.raw;
        while !rest.is_empty() {
            let end = memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
            let length = if rest
                .get(end..)
                .is_some_and(|rest| rest.starts_with(b"\r\n"))
            {
                end + 2
            } else {
                rest.len().min(end + 1)
            };
            let (line, after) = rest.split_at(length);
            let (text, ending) = line.split_at(end);
            if field(text, b"data").is_none() {
                out.extend_from_slice(line);
            } else if let Some(data) = data.take() {
                for text in data.split(|byte| *byte == b'\n') {
                    out.extend_from_slice(b"data: ");
                    out.extend_from_slice(text);
                    out.extend_from_slice(ending);
                }
            }
            rest = after;
        }
        out
    }

    /// Whether it has no data: a comment, an `id`, a `retry`.
    pub fn is_silent(&self) -> bool {
        self.data.is_empty()
    }
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "an event of the stream is longer than {} bytes",
            self.limit
        )
    }
}

impl std::error::Error for TooLong {}

/// Writes one frame. `data` is split into `data:` lines at its line ends.
pub fn write(out: &mut BytesMut, event: Option<&str>, data: &[u8]) {
    if let Some(event) = event {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(event.as_bytes());
        out.extend_from_slice(b"\n");
    }
    let mut rest = data;
    loop {
        let end = memchr2(b'\n', b'\r', rest);
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(rest.get(..end.unwrap_or(rest.len())).unwrap_or_default());
        out.extend_from_slice(b"\n");
        let Some(end) = end else { break };
        let after = rest.get(end..).unwrap_or_default();
        let skip = if after.starts_with(b"\r\n") { 2 } else { 1 };
        rest = after.get(skip..).unwrap_or_default();
    }
    out.extend_from_slice(b"\n");
}

/// Bytes held from earlier chunks, followed by the first `from_chunk` bytes of this one: one or more complete frames.
struct Joined {
    bytes: Bytes,
    from_chunk: usize,
}

/// The position of the reader within a line.
///
/// ```text
/// Start ── LF ──► Start (blank)      Start ── CR ──► Return (blank)      Start ── other ──► Text
/// Text  ── LF ──► Start              Text  ── CR ──► Return
/// Return ─ LF ──► Start (belongs to the CR)          Return ─ else ─► as Start
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Line {
    Return,
    Start,
    Text,
}

enum LineEnd {
    Blank,
    StrayFeed,
    Text,
}

impl Line {
    /// Reads to the next line end of `chunk` from `at` on, or to its end (`None`).
    fn next_line(&mut self, chunk: &[u8], at: &mut usize) -> Option<LineEnd> {
        let rest = chunk.get(*at..)?;
        let first = *rest.first()?;
        if *self == Self::Return {
            *self = Self::Start;
            if first == b'\n' {
                *at += 1;
                return Some(LineEnd::StrayFeed);
            }
        }
        let Some(hop) = memchr2(b'\n', b'\r', rest) else {
            *self = Self::Text;
            *at = chunk.len();
            return None;
        };
        let blank = hop == 0 && *self == Self::Start;
        *at += hop + 1;
        *self = match rest.get(hop) {
            Some(b'\r') => Self::Return,
            _ => Self::Start,
        };
        Some(if blank { LineEnd::Blank } else { LineEnd::Text })
    }
}

/// The value of `line` if its field is `name`. One space after the colon is not part of the value; without a colon, the
/// value is empty.
fn field<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let rest = line.strip_prefix(name)?;
    match rest.split_first() {
        None => Some(rest),
        Some((b':', value)) => Some(value.strip_prefix(b" ").unwrap_or(value)),
        Some(_) => None,
    }
}

fn is_blank(raw: &[u8]) -> bool {
    raw.iter().all(|byte| matches!(byte, b'\n' | b'\r'))
}

/// Longest frame that is held, in bytes. Frames of text stay below 64 KiB; a longer frame than one MiB is a fault or an
/// attack.
pub const MAX_FRAME: usize = 1 << 20;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

#[cfg(test)]
mod tests;
