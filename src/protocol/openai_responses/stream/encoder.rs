//! Encodes the hub's events as the events of this dialect.
use bytes::BytesMut;

use super::items::{self, Begun, Call, Thought};
use super::message::Message;
use super::writer::Writer;
use crate::protocol::hub::block::{CallKind, Hosted};
use crate::protocol::hub::context::Context;
use crate::protocol::hub::error::{Losses, Violation};
use crate::protocol::hub::event::Event;
use crate::protocol::hub::response::Stop;
use crate::protocol::hub::sequence::Sequencer;

/// Encodes one stream for a client.
#[derive(Debug)]
pub struct Encoder {
    row: Sequencer,
    state: State,
    writer: Writer,
}

#[derive(Debug, Default)]
enum State {
    /// Nothing has been written.
    Before,
    /// No item is open.
    #[default]
    Between,
    Call(Call),
    /// A call with broken arguments. This is legitimate only if the answer was cut off here, which the stop shows.
    Cut(Call),
    Ended,
    Message(Message),
    Reasoning(Thought),
}

impl Encoder {
    /// An encoder for the answer to one request.
    pub fn new(context: Context) -> Self {
        Self {
            row: Sequencer::default(),
            state: State::Before,
            writer: Writer::new(context),
        }
    }

    /// Writes what follows from the next event. Events come in the order of the
    /// [`Grammar`](crate::protocol::hub::grammar::Grammar).
    pub fn on(&mut self, event: Event<'_>, out: &mut BytesMut) -> Result<(), Violation> {
        let Self { row, state, writer } = self;
        row.on(event, |event| {
            *state = std::mem::take(state).on(event, writer, out)?;
            Ok(())
        })
    }

    /// What could not be expressed to the client.
    pub fn losses(&self) -> &Losses {
        &self.writer.losses
    }

    /// The whole answer, for a client that did not request a stream.
    pub fn into_answer(self) -> Vec<u8> {
        self.writer.answer()
    }
}

impl State {
    fn on(
        self,
        event: Event<'_>,
        writer: &mut Writer,
        out: &mut BytesMut,
    ) -> Result<Self, Violation> {
        match (self, event) {
            (Self::Ended, _) => Ok(Self::Ended),
            (state, Event::Start(start)) => {
                writer.spent = start.spent().or(writer.spent);
                Ok(state.begin(writer, out))
            }
            (state, Event::Usage(spent)) => {
                writer.spent = Some(*spent);
                Ok(state)
            }
            (Self::Before, Event::Ping) => Ok(Self::Before),
            (state, Event::Ping) => {
                writer.progress(out);
                Ok(state)
            }
            (state, Event::Error(error)) => {
                state.begin(writer, out);
                writer.fail(out, &error);
                Ok(Self::Ended)
            }
            (state, event) => state.content(event, writer, out),
        }
    }

    fn begin(self, writer: &mut Writer, out: &mut BytesMut) -> Self {
        match self {
            Self::Before => {
                writer.open(out);
                Self::Between
            }
            state => state,
        }
    }

    fn content(
        self,
        event: Event<'_>,
        writer: &mut Writer,
        out: &mut BytesMut,
    ) -> Result<Self, Violation> {
        if writer.bytes > MOST_BYTES {
            return Err(Violation::new(
                "answer_too_long",
                "the answer is longer than can be told again at its end",
            ));
        }
        match (self, event) {
            (state, Event::Stop(stop)) => Ok(state.stop(stop, writer, out)),
            (state, Event::End) => {
                state.close("completed", writer, out);
                writer.close(out);
                Ok(Self::Ended)
            }
            (Self::Cut(_), _) => Err(Violation::bad_arguments()),
            (state, Event::TextDelta(text)) if !text.is_empty() => {
                writer.bytes += text.len();
                let mut message = state.message(writer, out);
                message.text(&text, writer, out);
                Ok(Self::Message(message))
            }
            (state, Event::RefusalDelta(text)) if !text.is_empty() => {
                writer.bytes += text.len();
                writer.refused = true;
                let mut message = state.message(writer, out);
                message.refusal(&text, writer, out);
                Ok(Self::Message(message))
            }
            (Self::Message(mut message), Event::Citation(citation)) => {
                message.cite(&citation, writer, out);
                Ok(Self::Message(message))
            }
            (Self::Message(mut message), Event::TextEnd) => {
                message.end_block();
                Ok(Self::Message(message))
            }
            (state, Event::ReasoningDelta { text, .. }) if !text.is_empty() => {
                writer.bytes += text.len();
                let mut thought = state.thought(writer, out);
                thought.text(&text, writer, out);
                Ok(Self::Reasoning(thought))
            }
            (Self::Reasoning(mut thought), Event::ReasoningPart) => {
                thought.end_part(writer, out);
                Ok(Self::Reasoning(thought))
            }
            (state, Event::ReasoningEnd(opaque)) => {
                // Reasoning without visible text and without state is left out.
                if opaque.is_none() && !matches!(state, Self::Reasoning(_)) {
                    return Ok(state);
                }
                state.thought(writer, out).close(opaque, writer, out);
                Ok(Self::Between)
            }
            (
                state,
                Event::ToolStart {
                    slot,
                    id,
                    namespace,
                    name,
                    kind,
                },
            ) => {
                state.close("completed", writer, out);
                let begun = Begun {
                    call_id: id.into_owned(),
                    namespace,
                    name: name.into_owned(),
                    is_freeform: kind == CallKind::Freeform,
                };
                Ok(Self::Call(Call::open(slot, begun, writer, out)))
            }
            (Self::Call(mut call), Event::ToolArgs { slot, fragment }) if slot == call.slot => {
                if !fragment.is_empty() {
                    writer.bytes += fragment.len();
                    call.args(&fragment, writer, out);
                }
                Ok(Self::Call(call))
            }
            (Self::Call(call), Event::ToolEnd { slot }) if slot == call.slot => {
                if !call.is_whole() {
                    return Ok(Self::Cut(call));
                }
                call.close("completed", writer, out);
                Ok(Self::Between)
            }
            (state, Event::ServerCall(call))
                if call.kind == CallKind::Server(Hosted::WebSearch) =>
            {
                state.close("completed", writer, out);
                items::web_search(&call, writer, out);
                Ok(Self::Between)
            }
            (state, Event::ServerCall(_) | Event::ServerResult(_) | Event::Foreign(_)) => {
                writer.losses.name("answer_content");
                Ok(state)
            }
            // Empty deltas, and ends of blocks where none is open.
            (state, _) => Ok(state),
        }
    }

    fn stop(self, stop: Stop, writer: &mut Writer, out: &mut BytesMut) -> Self {
        let state = match &stop {
            Stop::Refusal(refusal) if !writer.refused => match &refusal.explanation {
                Some(explanation) => {
                    writer.refused = true;
                    let mut message = self.message(writer, out);
                    message.refusal(explanation, writer, out);
                    Self::Message(message)
                }
                None => self,
            },
            _ => self,
        };
        let cut = matches!(stop, Stop::MaxTokens | Stop::ContextFull);
        state.close(if cut { "incomplete" } else { "completed" }, writer, out);
        writer.stop = stop;
        Self::Between
    }

    fn message(self, writer: &mut Writer, out: &mut BytesMut) -> Message {
        match self {
            Self::Message(message) => message,
            state => {
                state.close("completed", writer, out);
                Message::open(writer, out)
            }
        }
    }

    fn thought(self, writer: &mut Writer, out: &mut BytesMut) -> Thought {
        match self {
            Self::Reasoning(thought) => thought,
            state => {
                state.close("completed", writer, out);
                Thought::open(writer, out)
            }
        }
    }

    /// Closes the open item.
    fn close(self, status: &'static str, writer: &mut Writer, out: &mut BytesMut) {
        match self {
            Self::Call(call) => call.close(status, writer, out),
            Self::Cut(call) => call.close("incomplete", writer, out),
            Self::Message(message) => message.close(status, writer, out),
            Self::Reasoning(thought) => thought.close(None, writer, out),
            Self::Before | Self::Between | Self::Ended => {}
        }
    }
}

/// Most bytes of one answer. The whole answer is kept, because the last event repeats it. Real answers have at most one
/// MiB.
const MOST_BYTES: usize = 64 << 20;
