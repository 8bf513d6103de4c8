//! Same dialect on both sides: the bytes stay as they are, a tap reads along.
//!
//! The relay forwards whole frames, held until the answer commits; the tap says when that is, whether the answer is
//! complete, what it used and what went wrong. It looks at a frame only as far as it must: the bulk, deltas of text, is
//! never parsed. What a frame means is the business of one reader per dialect; `Phase` is what they have in common.
//!
//! ```text
//! Opening ──content──► Content ──finish reason──► Finished ──terminal marker──► Complete
//!    └───────┬───────────┴──────────────┬────────────┴────────────┬────────────────┘
//!            └──────────────────── error event ──────────────────►└► Failed
//! ```
//!
//! What says more after its finish reason is in `Content` again: some vendors state a reason in every event.
//! At the end of the stream, `Finished` and `Complete` are a whole answer; `Opening` and `Content` are a truncated one.
use bytes::Bytes;

use super::Dialect;
use super::error::{ParsedError, WireError};
use super::hub::usage::Stated;
use super::json::Pieces;
use super::sse::{Cut, Frame, Frames, TooLong};
use super::written::Written;

mod answer;
mod anthropic;
mod content;
mod elements;
mod gemini;
mod openai_chat;
mod openai_responses;
mod peek;
mod phase;
mod plain;
mod state;
mod trade;
mod unasked;
mod video;
pub use answer::{Answer, read_answer, tier_near_end, usage_near_end, written_in};
pub(in crate::protocol) use elements::Elements;
use phase::Phase;
pub use state::{MARK, mark};
pub use trade::{Fields, Trade};
pub use video::{State as VideoState, Video};

/// Reads a stream that passes through, without changing it.
#[derive(Debug)]
pub struct Tap {
    splitter: Splitter,
    reader: Reader,
    facts: Facts,
    /// Whether usage is kept from the client, which did not ask for it.
    hides_usage: bool,
}

/// How an answer ended by what it said itself.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Terminal {
    /// The dialect's terminal marker.
    Complete,
    /// An error event, which the client gets to see as it came.
    Failed,
}

/// How a stream ended, once it has.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Ending {
    /// The whole answer.
    Complete,
    /// An error event.
    Failed,
    /// Neither: the client must be told, with [`Tap::terminal_error`].
    Truncated,
}

/// What is to be done when the upstream's stream has ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finish {
    /// How it ended.
    pub ending: Ending,
    /// Bytes still to be forwarded: a last frame whose blank line is missing, with that line. Half a frame is dropped.
    pub rest: Bytes,
}

impl Tap {
    /// A tap for a stream of server-sent events.
    pub fn new(dialect: Dialect) -> Self {
        Self {
            splitter: Splitter::Events(Frames::with_limit(MAX_ANSWER_FRAME)),
            reader: match dialect {
                Dialect::Anthropic => Reader::Anthropic(anthropic::Reader::default()),
                Dialect::Gemini => Reader::Gemini(gemini::Reader::new()),
                Dialect::OpenaiChat => Reader::Chat(openai_chat::Reader::new()),
                Dialect::OpenaiResponses => Reader::Responses(openai_responses::Reader::new()),
            },
            facts: Facts::default(),
            hides_usage: false,
        }
    }

    /// Of a stream of Chat whose usage only Weir asked for: what the client gets is as if nobody had.
    #[must_use]
    pub fn hiding_usage(mut self) -> Self {
        self.hides_usage = true;
        self
    }

    /// A tap for Gemini's other stream, without `alt=sse`: one JSON array whose elements arrive one by one.
    pub fn json_array() -> Self {
        Self {
            splitter: Splitter::Elements(Elements::new(MAX_ANSWER_FRAME)),
            ..Self::new(Dialect::Gemini)
        }
    }

    /// Reads the next bytes; says how many of them complete frames.
    pub fn push(&mut self, chunk: &[u8]) -> Result<Cut, TooLong> {
        let (reader, facts) = (&mut self.reader, &mut self.facts);
        match &mut self.splitter {
            Splitter::Events(frames) => frames.push(chunk, |frame| reader.on(&frame, facts)),
            Splitter::Elements(elements) => {
                elements.push(chunk, |element| reader.on(&Frame::bare(element), facts))
            }
        }
    }

    /// Reads the next bytes; gives those that may be forwarded: whole frames, what was held of them included.
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

    fn shown(&self, pieces: Pieces) -> Pieces {
        if self.hides_usage {
            unasked::hidden(pieces, MAX_ANSWER_FRAME)
        } else {
            pieces
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
        Finish {
            ending: facts.phase.ending(),
            rest: self.shown(Pieces::from(rest)).to_bytes(),
        }
    }

    /// What the model wrote so far.
    pub fn written(&self) -> Written {
        self.facts.written
    }

    /// Whether the answer has begun: an event that opens or carries content has been seen, or its regular end.
    pub fn committed(&self) -> bool {
        !matches!(
            self.facts.phase,
            Phase::Opening | Phase::Failed { committed: false }
        )
    }

    /// Whether the answer has said that it is over. More bytes may follow (usage, say), so read on to the end of the
    /// stream. A Chat answer that ends without `[DONE]` never says so: see [`Tap::finish`].
    pub fn terminal(&self) -> Option<Terminal> {
        match self.facts.phase {
            Phase::Complete => Some(Terminal::Complete),
            Phase::Failed { .. } => Some(Terminal::Failed),
            Phase::Opening | Phase::Content | Phase::Finished => None,
        }
    }

    /// Whether the model has finished, so that only usage and the terminal marker may follow, if the upstream sends
    /// any.
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

    /// Whether [`Tap::usage`] is that of the whole answer.
    pub fn usage_final(&self) -> bool {
        let over = matches!(self.facts.phase, Phase::Finished | Phase::Complete);
        match &self.reader {
            Reader::Anthropic(reader) => reader.usage_final(),
            Reader::Chat(reader) => over && reader.usage().is_some(),
            Reader::Gemini(reader) => over && reader.usage().is_some(),
            Reader::Responses(reader) => over && reader.usage().is_some(),
        }
    }

    /// The model as the upstream names it.
    pub fn model(&self) -> Option<&str> {
        self.facts.model.as_deref()
    }

    /// The service tier as the upstream names it.
    pub fn service_tier(&self) -> Option<&str> {
        self.facts.service_tier.as_deref()
    }

    /// The id of a response that a later request can continue (`previous_response_id`).
    pub fn response_id(&self) -> Option<&str> {
        match &self.reader {
            Reader::Responses(reader) => reader.id(),
            Reader::Anthropic(_) | Reader::Chat(_) | Reader::Gemini(_) => None,
        }
    }

    /// What else of it lives at the account that made it, once it is whole.
    pub fn state(&self) -> &[String] {
        match &self.reader {
            Reader::Responses(reader) => reader.state(),
            Reader::Anthropic(_) | Reader::Chat(_) | Reader::Gemini(_) => &[],
        }
    }

    /// Whether the response is still being made, in the background; `None` = the stream has not said so.
    pub fn pending(&self) -> Option<bool> {
        match &self.reader {
            Reader::Responses(reader) => reader.pending(),
            Reader::Anthropic(_) | Reader::Chat(_) | Reader::Gemini(_) => None,
        }
    }

    /// What to send to the client while the upstream is silent. Only between the bytes that [`Tap::relay`] gives.
    pub fn ping(&self) -> &'static [u8] {
        match &self.splitter {
            Splitter::Events(_) => ping(self.dialect()),
            Splitter::Elements(_) => b"",
        }
    }

    /// The dialect's last event for a stream that has begun and cannot be finished. Nothing follows it: a `[DONE]` or
    /// `message_stop` would make half an answer look whole.
    pub fn terminal_error(&self, error: &WireError) -> Bytes {
        match (&self.splitter, &self.reader) {
            (Splitter::Elements(elements), _) => elements.terminal_error(error),
            (_, Reader::Anthropic(_)) => anthropic::terminal_error(error),
            (_, Reader::Chat(_)) => openai_chat::terminal_error(error),
            (_, Reader::Gemini(_)) => gemini::terminal_error(error),
            (_, Reader::Responses(reader)) => reader.terminal_error(error, self.model()),
        }
    }

    /// Whether it reads a JSON array instead of events.
    pub fn is_array(&self) -> bool {
        matches!(self.splitter, Splitter::Elements(_))
    }

    fn dialect(&self) -> Dialect {
        self.reader.dialect()
    }
}

/// What keeps a connection to a client of this dialect alive while nothing is to be said.
///
/// Anthropic has an event for it. A comment does for the two of `OpenAI`. Gemini clients get nothing: google-genai for Python
/// takes a comment for the start of a JSON error, `@google/generative-ai` and google-generativeai fail on a blank line, and an
/// empty chunk stays in the histories of others.
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
        if !frame.is_silent() {
            content::frame(self.dialect(), frame, &mut facts.written);
        }
        match self {
            Self::Anthropic(reader) => reader.on(frame, facts),
            Self::Chat(reader) => reader.on(frame, facts),
            Self::Gemini(reader) => reader.on(frame, facts),
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

    /// Keeps the first model and the last tier: the tier of the first event is the one asked for, not the one given.
    /// An empty name (Azure's first chunk) is none.
    fn name(&mut self, model: Option<&str>, service_tier: Option<&str>) {
        if let (None, Some(model)) = (&self.model, model.filter(|name| !name.is_empty())) {
            self.model = Some(model.to_owned());
        }
        if let Some(tier) = service_tier {
            self.service_tier = Some(tier.to_owned());
        }
    }
}

/// Longest frame of an answer, in bytes. A frame with a generated image reaches 20 MB (4K, base64); the request that
/// brings such an image back has the same limit.
pub const MAX_ANSWER_FRAME: usize = 32 << 20;
