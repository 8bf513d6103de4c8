//! Regroups the text of a stream: one character, word or sentence per event, or a whole message.
//!
//! It works on the events for the client, whether they were translated or not, and only on deltas that carry plain text
//! and nothing else. All other events pass unchanged and in their place: before an event that is not text of the same
//! block, the held text is sent. Pings pass at once.
//!
//! ```text
//! delta "Hel" ┐
//! delta "lo. Wo" ├─ by sentence ─►  delta "Hello. " │ delta "World" │ end of the block
//! delta "rld" ┘
//! end of the block
//! ```
//!
//! A piece is written as a copy of the delta that brought the last of its text, with another text in it, so that ids,
//! indices and vendors' additions remain. The role that a Chat delta may have is sent before its text, in an event of
//! its own, and is not repeated. The events of the Responses API are renumbered.
mod delta;
mod units;

use bytes::{Bytes, BytesMut};

use super::Dialect;
use super::json::{object, quote};
use super::passthrough::Elements;
use super::sse::{self, Frame, Frames};
use delta::{Delta, Seen};
use units::Units;

/// The text of one event.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unit {
    /// A character as a reader sees it: an extended grapheme cluster of Unicode.
    Character,
    /// The text of a block, up to 64 KiB.
    Message,
    /// A sentence, or a line, with the white space behind it.
    Sentence,
    /// A word with the white space behind it; in scripts without spaces, one character.
    Word,
}

impl Unit {
    /// The name used in YAML and docs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Character => "character",
            Self::Message => "message",
            Self::Sentence => "sentence",
            Self::Word => "word",
        }
    }
}

/// Regroups one stream.
#[derive(Debug)]
pub struct Regroup {
    splitter: Splitter,
    writer: Writer,
}

#[derive(Debug)]
enum Splitter {
    Elements(Elements),
    Events(Frames),
}

/// What is held, and what is written.
#[derive(Debug)]
struct Writer {
    dialect: Dialect,
    units: Units,
    /// The delta whose text is held, or was sent last.
    template: Option<Template>,
    /// The block whose role was sent last.
    opened: Option<Vec<u8>>,
    /// The number of the next event, in the dialect with numbers.
    next: Option<u64>,
    array: Option<Array>,
    out: BytesMut,
}

/// A delta in which the text can be replaced.
#[derive(Debug)]
struct Template {
    delta: Delta,
    event: Option<String>,
    data: Bytes,
}

impl Template {
    /// The bytes of a piece besides its text.
    fn overhead(&self) -> usize {
        let event = self.event.as_ref().map_or(0, String::len);
        (self.data.len() + event).saturating_sub(self.delta.at.len()) + FRAMING
    }
}

/// How much of a JSON array has been written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Array {
    /// Nothing, not even its bracket.
    Empty,
    Begun,
    Closed,
    /// The answer is one object instead of an array.
    Bare,
}

impl Regroup {
    /// For a stream of server-sent events in `dialect`. Frames arrive complete, and the reader of the upstream limits
    /// their length.
    pub fn new(dialect: Dialect, unit: Unit) -> Self {
        Self {
            splitter: Splitter::Events(Frames::with_limit(usize::MAX)),
            writer: Writer {
                dialect,
                units: Units::new(unit),
                template: None,
                opened: None,
                next: None,
                array: None,
                out: BytesMut::new(),
            },
        }
    }

    /// For Gemini's stream without `alt=sse`, one JSON array.
    pub fn json_array(unit: Unit) -> Self {
        let mut regroup = Self::new(Dialect::Gemini, unit);
        regroup.splitter = Splitter::Elements(Elements::new(usize::MAX));
        regroup.writer.array = Some(Array::Empty);
        regroup
    }

    /// Adds the next bytes of the stream; [`Regroup::take`] returns what may be sent.
    pub fn push(&mut self, chunk: &[u8]) {
        let writer = &mut self.writer;
        match &mut self.splitter {
            Splitter::Events(frames) => {
                // Without a limit, no frame is too long.
                let _ = frames.push(chunk, |frame| writer.on(&frame));
            }
            Splitter::Elements(elements) => {
                let mut found = Vec::new();
                let _ = elements.push(chunk, |element| found.push(Bytes::copy_from_slice(element)));
                if elements.is_bare() {
                    writer.array = Some(Array::Bare);
                }
                for element in found {
                    writer.on(&Frame::bare(&element));
                }
                if elements.is_closed() {
                    writer.close();
                }
            }
        }
    }

    /// A keep-alive to send between two events. It does not wait for the held text.
    pub fn ping(&mut self, ping: Bytes) -> Bytes {
        if self.writer.dialect != Dialect::OpenaiResponses {
            return ping;
        }
        let _ = Frames::new().push(&ping, |frame| self.writer.pass(&frame));
        self.take()
    }

    /// The stream has ended in any way: nothing is held back any more.
    pub fn finish(&mut self) {
        self.writer.flush();
        if let Splitter::Events(frames) = &mut self.splitter {
            self.writer.out.extend_from_slice(&frames.take_held());
        }
    }

    /// The bytes that may be sent now.
    pub fn take(&mut self) -> Bytes {
        self.writer.out.split().freeze()
    }
}

impl Writer {
    fn on(&mut self, frame: &Frame<'_>) {
        match delta::read(self.dialect, frame) {
            Seen::KeepAlive => self.pass(frame),
            Seen::Other => {
                self.flush();
                self.pass(frame);
            }
            Seen::Role(slot) => {
                self.flush();
                self.pass(frame);
                self.opened = Some(slot);
            }
            Seen::Text(delta) => self.on_text(delta, frame),
        }
    }

    fn on_text(&mut self, delta: Delta, frame: &Frame<'_>) {
        let same = self
            .template
            .as_ref()
            .is_some_and(|template| template.delta.slot == delta.slot);
        if !same {
            self.flush();
        }
        if delta.closing && !same {
            // There is no earlier delta of this block that does not also close it.
            return self.pass(frame);
        }
        let text = delta.text.clone();
        let closing = delta.closing;
        let new = self.opened(Template {
            delta,
            event: frame
                .event
                .map(|event| String::from_utf8_lossy(event).into_owned()),
            data: Bytes::copy_from_slice(&frame.data),
        });
        let most = MAX_WRITTEN / new.overhead();
        let mut units: Vec<String> = Vec::new();
        self.units.push(&text, |unit| {
            let full = units.len() >= most;
            match units.last_mut() {
                Some(last) if full => last.push_str(unit),
                _ => units.push(unit.to_owned()),
            }
        });
        let open = if closing { self.template.take() } else { None };
        for unit in &units {
            self.write_piece(open.as_ref().unwrap_or(&new), unit);
        }
        if closing {
            let rest = self.units.take();
            self.write_piece(&new, &rest);
        } else {
            self.template = Some(new);
        }
    }

    /// Sends the role of a delta, once per block; returns the delta without the role.
    fn opened(&mut self, template: Template) -> Template {
        let Some(object_at) = &template.delta.role_in else {
            return template;
        };
        if self.opened.as_ref() != Some(&template.delta.slot) {
            if template.delta.closing {
                // This delta is sent last and as a whole, and can carry the role itself.
                return template;
            }
            self.opened = Some(template.delta.slot.clone());
            self.write_piece(&template, "");
        }
        let Some(data) = delta::without_role(&template.data, object_at) else {
            return template;
        };
        match delta::read(self.dialect, &Frame::bare(&data)) {
            Seen::Text(delta) => Template {
                delta,
                event: template.event,
                data,
            },
            Seen::KeepAlive | Seen::Other | Seen::Role(_) => template,
        }
    }

    /// Sends the held text.
    fn flush(&mut self) {
        let text = self.units.take();
        if let Some(template) = self.template.take()
            && !text.is_empty()
        {
            self.write_piece(&template, &text);
        }
    }

    fn write_piece(&mut self, template: &Template, text: &str) {
        let data = &template.data;
        let at = &template.delta.at;
        let piece = [
            data.get(..at.start).unwrap_or_default(),
            &quoted(text),
            data.get(at.end..).unwrap_or_default(),
        ]
        .concat();
        let piece = self.numbered(&piece).unwrap_or(piece);
        self.write(template.event.as_deref(), &piece);
    }

    /// Passes an event on unchanged, except for its number.
    fn pass(&mut self, frame: &Frame<'_>) {
        match self.numbered(&frame.data) {
            Some(data) => {
                let event = frame.event.map(String::from_utf8_lossy);
                self.write(event.as_deref(), &data);
            }
            None if self.array.is_some() => self.write(None, &frame.data),
            None => {
                self.out.extend_from_slice(frame.raw);
                if frame.raw.ends_with(b"\r") {
                    // A frame ends with the first byte of its last line end.
                    self.out.extend_from_slice(b"\n");
                }
            }
        }
    }

    fn write(&mut self, event: Option<&str>, data: &[u8]) {
        let before: &[u8] = match self.array {
            None => return sse::write(&mut self.out, event, data),
            Some(Array::Empty) => b"[",
            Some(Array::Begun) => b",\n",
            Some(Array::Closed | Array::Bare) => b"",
        };
        self.out.extend_from_slice(before);
        self.out.extend_from_slice(data);
        if self.array == Some(Array::Empty) {
            self.array = Some(Array::Begun);
        }
    }

    /// The array has ended.
    fn close(&mut self) {
        self.flush();
        let end: &[u8] = match self.array {
            Some(Array::Empty) => b"[]",
            Some(Array::Begun) => b"]",
            _ => return,
        };
        self.out.extend_from_slice(end);
        self.array = Some(Array::Closed);
    }

    /// The event with its new number, if the number changes.
    fn numbered(&mut self, data: &[u8]) -> Option<Vec<u8>> {
        if self.dialect != Dialect::OpenaiResponses {
            return None;
        }
        let members = object(data)?;
        let stated = members.integer(data, NUMBER)?;
        let span = members.span(data, NUMBER)?;
        let number = self.next.unwrap_or(stated);
        self.next = Some(number.saturating_add(1));
        if number == stated {
            return None;
        }
        let number = number.to_string();
        let (before, after) = (data.get(..span.start)?, data.get(span.end..)?);
        Some([before, number.as_bytes(), after].concat())
    }
}

/// A JSON string. The characters that Google's SDK takes for line ends are escaped, because it would split the event
/// there.
fn quoted(text: &str) -> Bytes {
    let plain = quote(text);
    if !text.contains(['\u{85}', '\u{2028}', '\u{2029}']) {
        return plain;
    }
    let plain = String::from_utf8_lossy(&plain);
    let escaped = plain
        .replace('\u{85}', "\\u0085")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029");
    escaped.into()
}

const NUMBER: &str = "sequence_number";

/// Most bytes that the pieces of one event may need besides their text. If more would be needed, the rest of the text
/// is sent as one piece. This is far more than one event of a model needs.
const MAX_WRITTEN: usize = 8 << 20;

/// Bytes of an event besides its name and its data.
const FRAMING: usize = 32;
