//! Same dialect on both sides: the bytes stay as they are, and a tap reads along.
//!
//! The relay forwards whole frames, which it holds until the answer commits. The tap tells when that is, whether the
//! answer is complete, what it used and what went wrong. It examines a frame only as far as necessary: deltas of text,
//! which are most of a stream, are never parsed. Each dialect has one reader, which knows the meaning of its frames;
//! `Phase` is what the readers have in common.
//!
//! ```text
//! Opening ──content──► Content ──finish reason──► Finished ──terminal marker──► Complete
//!    └───────┬───────────┴──────────────┬────────────┴────────────┬────────────────┘
//!            └──────────────────── error event ──────────────────►└► Failed
//! ```
//!
//! Content after a finish reason leads back to `Content`: some vendors state a reason in every event. At the end of the
//! stream, `Finished` and `Complete` are a whole answer; `Opening` and `Content` are a truncated one.
use bytes::Bytes;

use super::Dialect;
use super::error::{self, ParsedError, WireError};
use super::hub::usage::Stated;
use super::json::Pieces;
use super::sse::{Cut, Frame, Frames, TooLong};
use super::written::Written;

mod answer;
mod anthropic;
mod content;
mod elements;
mod front;
mod gemini;
mod hosted;
mod openai_chat;
mod openai_responses;
mod peek;
mod phase;
mod plain;
mod product;
mod state;
mod unasked;
mod video;
pub use answer::{
    Answer, read_answer, tier_near_end, tier_near_start, usage_near_end, usage_near_start,
    written_in,
};
use content::Marks;
pub(in crate::protocol) use elements::Elements;
pub use hosted::is_visit;
use phase::Phase;
pub use product::{Fields, Product};
pub use state::{MARK, mark};
use unasked::Hider;
pub use video::{State as VideoState, Video};

/// Reads a stream that passes through, without changing it.
#[derive(Debug)]
pub struct Tap {
    splitter: Splitter,
    reader: Reader,
    facts: Facts,
    /// What hides the usage that only Weir requested, if that is so.
    hider: Option<Hider>,
}

/// The end of an answer, as the answer itself states it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Terminal {
    /// The dialect's terminal marker.
    Complete,
    /// An error event, which is forwarded to the client unchanged.
    Failed,
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Ending {
    /// The whole answer has come.
    Complete,
    /// An error event has come.
    Failed,
    /// Neither has come: the client must be told with [`Tap::terminal_error`].
    Truncated,
}

/// What to do when the upstream's stream has ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finish {
    /// How the stream ended.
    pub ending: Ending,
    /// Bytes still to be forwarded: a last frame whose blank line is missing, completed by that line. Half a frame is
    /// dropped.
    pub rest: Bytes,
}

impl Tap {
    /// A tap for a stream of server-sent events.
    pub fn new(dialect: Dialect) -> Self {
        Self {
            splitter: Splitter::Events(Frames::with_limit(MAX_ANSWER_FRAME)),
            reader: match dialect {
                Dialect::Anthropic => Reader::Anthropic(anthropic::Reader::default()),
                Dialect::Gemini => Reader::Gemini(gemini::Reader::default()),
                Dialect::OpenaiChat => Reader::Chat(openai_chat::Reader::default()),
                Dialect::OpenaiResponses => Reader::Responses(openai_responses::Reader::new()),
            },
            facts: Facts::default(),
            hider: None,
        }
    }

    /// A tap for a Chat stream whose usage only Weir requested: the client gets the stream that it would get without
    /// that request.
    #[must_use]
    pub fn hiding_usage(mut self) -> Self {
        self.hider = Some(Hider::default());
        self
    }

    /// A tap for Gemini's stream without `alt=sse`: one JSON array whose elements arrive one by one.
    pub fn json_array() -> Self {
        Self {
            splitter: Splitter::Elements(Elements::new(MAX_ANSWER_FRAME)),
            ..Self::new(Dialect::Gemini)
        }
    }

    /// Reads the next bytes; returns how many of them complete frames.
    pub fn push(&mut self, chunk: &[u8]) -> Result<Cut, TooLong> {
        let (reader, facts) = (&mut self.reader, &mut self.facts);
        match &mut self.splitter {
            Splitter::Events(frames) => frames.push(chunk, |frame| reader.on(&frame, facts)),
            Splitter::Elements(elements) => {
                elements.push(chunk, |element| reader.on(&Frame::bare(element), facts))
            }
        }
    }

    /// Reads the next bytes; returns the bytes that may be forwarded: whole frames, including held parts of them.
    pub fn relay(&mut self, chunk: &Bytes) -> Result<Pieces, TooLong> {
        let (reader, facts) = (&mut self.reader, &mut self.facts);
        let pieces = match &mut self.splitter {
            Splitter::Events(frames) => frames.relay(chunk, |frame| reader.on(&frame, facts)),
            Splitter::Elements(elements) => {
                elements.relay(chunk, |element| reader.on(&Frame::bare(element), facts))
            }
        }?;
        Ok(self.shown(pieces))
    }

    fn shown(&mut self, pieces: Pieces) -> Pieces {
        match &mut self.hider {
            Some(hider) => hider.hidden(pieces, MAX_ANSWER_FRAME),
            None => pieces,
        }
    }

    /// The upstream's stream has ended, cleanly or not.
    pub fn finish(&mut self) -> Finish {
        let (reader, facts) = (&mut self.reader, &mut self.facts);
        let rest = match &mut self.splitter {
            Splitter::Events(frames) => {
                let mut whole = false;
                frames.finish(|frame| {
                    whole = peek::is_whole(&frame);
                    if whole {
                        reader.on(&frame, facts);
                    }
                });
                let held = frames.take_held();
                if whole {
                    peek::closed(held)
                } else {
                    Bytes::new()
                }
            }
            Splitter::Elements(elements) => {
                if !elements.is_closed() {
                    facts.phase = facts.phase.cut_off();
                }
                Bytes::new()
            }
        };
        let ending = facts.phase.ending();
        Finish {
            ending,
            rest: self.shown(Pieces::from(rest)).to_bytes(),
        }
    }

    /// What the model wrote so far.
    pub fn written(&self) -> Written {
        self.facts.written
    }

    /// Whether the answer has begun: an event that opens or carries content has come, or the regular end.
    pub fn committed(&self) -> bool {
        !matches!(
            self.facts.phase,
            Phase::Opening | Phase::Failed { committed: false }
        )
    }

    /// How the answer has ended, if it states so. More bytes may follow, such as usage, so read on to the end of the
    /// stream. A Chat answer that ends without `[DONE]` does not state its end: see [`Tap::finish`].
    pub fn terminal(&self) -> Option<Terminal> {
        match self.facts.phase {
            Phase::Complete => Some(Terminal::Complete),
            Phase::Failed { .. } => Some(Terminal::Failed),
            Phase::Opening | Phase::Content | Phase::Finished => None,
        }
    }

    /// Whether the model has finished, so that at most usage and the terminal marker follow.
    pub fn finished(&self) -> bool {
        matches!(self.facts.phase, Phase::Finished)
    }

    /// The error event, if there was one.
    pub fn error(&self) -> Option<&ParsedError> {
        self.facts.error.as_ref()
    }

    /// The usage stated so far.
    pub fn usage(&self) -> Option<Stated> {
        match &self.reader {
            Reader::Anthropic(reader) => reader.usage(),
            Reader::Chat(reader) => reader.usage(),
            Reader::Gemini(reader) => reader.usage(),
            Reader::Responses(reader) => reader.usage(),
        }
    }

    /// Whether [`Tap::usage`] is the usage of the whole answer.
    pub fn usage_final(&self) -> bool {
        let over = matches!(self.facts.phase, Phase::Finished | Phase::Complete);
        match &self.reader {
            Reader::Anthropic(reader) => reader.usage_final(),
            Reader::Chat(reader) => over && reader.usage().is_some(),
            Reader::Gemini(reader) => over && reader.usage().is_some(),
            Reader::Responses(reader) => over && reader.usage().is_some(),
        }
    }

    /// The upstream's name of the model.
    pub fn model(&self) -> Option<&str> {
        self.facts.model.as_deref()
    }

    /// The upstream's name of the service tier.
    pub fn service_tier(&self) -> Option<&str> {
        self.facts.service_tier.as_deref()
    }

    /// The id of a response to which a later request can refer (`previous_response_id`).
    pub fn response_id(&self) -> Option<&str> {
        match &self.reader {
            Reader::Responses(reader) => reader.id(),
            Reader::Anthropic(_) | Reader::Chat(_) | Reader::Gemini(_) => None,
        }
    }

    /// The names of further objects of the answer that exist only at its account, once the answer is complete.
    pub fn state(&self) -> &[String] {
        match &self.reader {
            Reader::Responses(reader) => reader.state(),
            Reader::Anthropic(_) | Reader::Chat(_) | Reader::Gemini(_) => &[],
        }
    }

    /// Whether the response is still being generated in the background; `None` = the stream has not stated it.
    pub fn pending(&self) -> Option<bool> {
        match &self.reader {
            Reader::Responses(reader) => reader.pending(),
            Reader::Anthropic(_) | Reader::Chat(_) | Reader::Gemini(_) => None,
        }
    }

    /// The keep-alive to send while the upstream is silent. It may only be sent between the bytes that [`Tap::relay`]
    /// returns.
    pub fn ping(&self) -> &'static [u8] {
        match &self.splitter {
            Splitter::Events(_) => ping(self.dialect()),
            Splitter::Elements(_) => b"",
        }
    }

    /// The dialect's last event for a stream that has begun and cannot be completed. Nothing may follow it: a `[DONE]`
    /// or `message_stop` would make half an answer look complete.
    pub fn terminal_error(&self, error: &WireError) -> Bytes {
        match (&self.splitter, &self.reader) {
            (Splitter::Elements(elements), _) => elements.terminal_error(error),
            (_, Reader::Anthropic(_)) => anthropic::terminal_error(error),
            (_, Reader::Chat(_)) => openai_chat::terminal_error(error),
            (_, Reader::Gemini(_)) => gemini::terminal_error(error),
            (_, Reader::Responses(reader)) => reader.terminal_error(error, self.model()),
        }
    }

    /// Whether the stream is a JSON array instead of events.
    pub fn is_array(&self) -> bool {
        matches!(self.splitter, Splitter::Elements(_))
    }

    fn dialect(&self) -> Dialect {
        self.reader.dialect()
    }
}

/// The keep-alive for a client of this dialect.
///
/// Anthropic has an event for it. In the two dialects of `OpenAI` a comment serves. Gemini clients get nothing:
/// google-genai for Python takes a comment for the start of a JSON error, `@google/generative-ai` and
/// google-generativeai fail on a blank line, and an empty chunk remains in the histories of others.
pub const fn ping(dialect: Dialect) -> &'static [u8] {
    match dialect {
        Dialect::Anthropic => b"event: ping\ndata: {\"type\": \"ping\"}\n\n",
        Dialect::OpenaiChat | Dialect::OpenaiResponses => b": keep-alive\n\n",
        Dialect::Gemini => b"",
    }
}

#[derive(Debug)]
enum Splitter {
    Elements(Elements),
    Events(Frames),
}

#[derive(Debug)]
enum Reader {
    Anthropic(anthropic::Reader),
    Chat(openai_chat::Reader),
    Gemini(gemini::Reader),
    Responses(openai_responses::Reader),
}

impl Reader {
    const fn dialect(&self) -> Dialect {
        match self {
            Self::Anthropic(_) => Dialect::Anthropic,
            Self::Chat(_) => Dialect::OpenaiChat,
            Self::Gemini(_) => Dialect::Gemini,
            Self::Responses(_) => Dialect::OpenaiResponses,
        }
    }

    fn on(&mut self, frame: &Frame<'_>, facts: &mut Facts) {
        if let Some(error) = error::plain_event(frame.event, &frame.data) {
            return facts.fail(error);
        }
        let marks = if frame.is_silent() {
            Marks::default()
        } else {
            content::frame(self.dialect(), frame, &mut facts.written)
        };
        match self {
            Self::Anthropic(reader) => reader.on(frame, facts),
            Self::Chat(reader) => reader.on(frame, marks, facts),
            Self::Gemini(reader) => reader.on(frame, marks, facts),
            Self::Responses(reader) => reader.on(frame, facts),
        }
    }
}

/// What every reader finds out.
#[derive(Debug, Default)]
struct Facts {
    phase: Phase,
    error: Option<ParsedError>,
    model: Option<String>,
    service_tier: Option<String>,
    written: Written,
}

impl Facts {
    fn fail(&mut self, error: ParsedError) {
        self.phase = self.phase.failed();
        self.error.get_or_insert(error);
    }

    /// Keeps the first model and the last tier: the first event states the requested tier, not the granted one. An
    /// empty model name (Azure's first chunk) is ignored.
    fn name(&mut self, model: Option<&str>, service_tier: Option<&str>) {
        if let (None, Some(model)) = (&self.model, model.filter(|name| !name.is_empty())) {
            self.model = Some(model.to_owned());
        }
        if let Some(tier) = service_tier {
            self.service_tier = Some(tier.to_owned());
        }
    }
}

/// Longest frame of an answer, in bytes. A frame with a generated image reaches 20 MB (4K, base64). Requests, in which
/// such an image may be sent back, have the same limit.
pub const MAX_ANSWER_FRAME: usize = 32 << 20;

#[cfg(test)]
mod tests;
