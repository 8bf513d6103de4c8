//! The text of a stream in other pieces: one character, word or sentence in an event, or all of a message.
//!
//! Works on the events that a client is about to get, whichever way they came, and only on deltas that carry plain text
//! and nothing else. Everything else passes as it is and in its place: before an event that is no text of the same block,
//! the text that is still held goes out. Pings pass without that.
//!
//! ```text
//! delta "Hel" ┐
//! delta "lo. Wo" ├─ by sentence ─►  delta "Hello. " │ delta "World" │ end of the block
//! delta "rld" ┘
//! end of the block
//! ```
//!
//! A piece is written as a copy of the delta that brought the last of its text, with another text in it, so that ids,
//! indices and whatever a vendor adds stay. The role that a Chat delta may say goes out before its text, in an event of its
//! own, and is not repeated. The events of the Responses API are numbered anew.
mod delta;
mod units;

use bytes::{Bytes, BytesMut};

use super::Dialect;
use super::json::{object, quote};
use super::passthrough::Elements;
use super::sse::{self, Frame, Frames};
use delta::{Delta, Seen};
use units::Units;

/// What one event shall hold.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unit {
    /// A character as a reader sees it: an extended grapheme cluster of Unicode.
    Character,
    /// The text of a block, up to 64 KiB.
    Message,
    /// A sentence with the white space behind it; so does a line.
    Sentence,
    /// A word with the white space behind it; in scripts without spaces one character.
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
    /// The last delta whose text is held, or was the last to go out.
    template: Option<Template>,
    /// The block whose role was the last to be said.
    opened: Option<Vec<u8>>,
    /// The number of the next event, in the dialect that numbers them.
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
    /// What a piece takes beside its text, bytes.
    fn overhead(&self) -> usize {
        let event = self.event.as_ref().map_or(0, String::len);
        (self.data.len() + event).saturating_sub(self.delta.at.len()) + FRAMING
    }
}

/// How much of a JSON array has been written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Array {
    /// Not even its bracket.
    Empty,
    Begun,
    Closed,
    /// The answer is one object and no array.
    Bare,
}

impl Regroup {
    /// For a stream of server-sent events in `dialect`. Frames arrive whole and are bounded by who reads the upstream.
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

    /// For Gemini's other stream, one JSON array.
    pub fn json_array(unit: Unit) -> Self {
        let mut regroup = Self::new(Dialect::Gemini, unit);
        regroup.splitter = Splitter::Elements(Elements::new(usize::MAX));
        regroup.writer.array = Some(Array::Empty);
        regroup
    }

    /// The next bytes of the stream; [`Regroup::take`] gives what may go out.
    pub fn push(&mut self, chunk: &[u8]) {
        let writer = &mut self.writer;
        match &mut self.splitter {
            Splitter::Events(frames) => {
                // Without a limit no frame is too long.
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

    /// A keep-alive that goes between two events and past the text that is held.
    pub fn ping(&mut self, ping: Bytes) -> Bytes {
        if self.writer.dialect != Dialect::OpenaiResponses {
            return ping;
        }
        let _ = Frames::new().push(&ping, |frame| self.writer.pass(&frame));
        self.take()
    }

    /// The stream is over, however it ended: nothing is held back any more.
    pub fn finish(&mut self) {
        self.writer.flush();
        if let Splitter::Events(frames) = &mut self.splitter {
            self.writer.out.extend_from_slice(&frames.take_held());
        }
    }

    /// What may go out now.
    pub fn take(&mut self) -> Bytes {
        self.writer.out.split().freeze()
    }
}

impl Writer {
    fn on(&mut self, frame: &Frame<'_>) {
        match delta::read(self.dialect, frame) {
            Seen::Aside => self.pass(frame),
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
            // There is no delta of this block that does not close it.
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

    /// Sends the role that a delta says, once for its block; gives the delta without it.
    fn opened(&mut self, template: Template) -> Template {
        let Some(object_at) = &template.delta.role_in else {
            return template;
        };
        if self.opened.as_ref() != Some(&template.delta.slot) {
            if template.delta.closing {
                // It goes out last, whole, and can say the role itself.
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
            Seen::Aside | Seen::Other | Seen::Role(_) => template,
        }
    }

    /// Sends the text that is held.
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

    /// An event as it came, but for its number.
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

    /// The event with the number that it has now, if that is another one.
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

/// A JSON string. What some readers of lines take for the end of one is escaped: Google's SDK breaks the event there.
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

/// What the pieces of one event may take beside their text, bytes: what is left of a text that would take more goes out as
/// one. Far beyond what a model says in one event.
const MAX_WRITTEN: usize = 8 << 20;

/// Bytes of an event beside its name and its data.
const FRAMING: usize = 32;
