//! Encodes the hub's events as the chunks of this dialect.
use bytes::BytesMut;

use super::super::Delivery;
use super::writer::Writer;
use crate::protocol::error::WireError;
use crate::protocol::hub::args::Args;
use crate::protocol::hub::context::Context;
use crate::protocol::hub::error::{Losses, Violation};
use crate::protocol::hub::event::Event;
use crate::protocol::hub::response::Stop;
use crate::protocol::hub::sequence::Sequencer;

/// Encodes one answer for a client.
#[derive(Debug)]
pub struct Encoder {
    row: Sequencer,
    state: State,
    writer: Writer,
}

#[derive(Debug, Default)]
enum State {
    Calling(Call),
    /// A call with broken arguments was left out. This is legitimate only if the answer was cut off here, which the
    /// stop shows.
    Cut,
    Ended,
    #[default]
    Open,
}

/// A call that is not complete yet.
#[derive(Debug)]
struct Call {
    slot: usize,
    id: String,
    name: String,
    args: Args,
}

impl Encoder {
    /// An encoder for a stream to a client.
    pub fn new(context: Context) -> Self {
        let delivery = if context.reply.array {
            Delivery::Array
        } else {
            Delivery::Events
        };
        Self::with(context, delivery)
    }

    /// An encoder for a whole answer.
    pub fn whole(context: Context) -> Self {
        Self::with(context, Delivery::Whole)
    }

    fn with(context: Context, delivery: Delivery) -> Self {
        Self {
            row: Sequencer::default(),
            state: State::Open,
            writer: Writer::new(context, delivery),
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
            (_, Event::Error(error)) => Ok(fail(&error, writer, out)),
            (_, Event::End) => {
                writer.close(out);
                Ok(Self::Ended)
            }
            // No keep-alive works with all of Google's SDKs: a comment breaks one, a blank line another.
            (state, Event::Ping | Event::Repair(_)) => Ok(state),
            (state, Event::Start(start)) => {
                writer.spent = start.spent().or(writer.spent);
                Ok(state)
            }
            (state, Event::Usage(spent)) => {
                writer.spent = Some(*spent);
                Ok(state)
            }
            (Self::Open, Event::ToolStart { slot, id, name, .. }) => Ok(Self::Calling(Call {
                slot,
                id: id.into_owned(),
                name: name.into_owned(),
                args: Args::default(),
            })),
            (Self::Calling(call), Event::ToolArgs { fragment, .. })
                if call.args.raw.len() + fragment.len() > MOST_ARGS =>
            {
                Err(Violation::new(
                    "call_too_long",
                    "the arguments of a call are too long to be told whole",
                ))
            }
            (Self::Calling(mut call), Event::ToolArgs { slot, fragment }) if slot == call.slot => {
                writer.bytes += fragment.len();
                call.args.raw.push_str(&fragment);
                Ok(Self::Calling(call))
            }
            (Self::Calling(call), Event::ToolEnd { slot }) if slot == call.slot => {
                if !call.args.is_whole() {
                    writer.losses.name("cut_call");
                    return Ok(Self::Cut);
                }
                writer.call(&call.id, &call.name, &call.args, out);
                Ok(Self::Open)
            }
            (Self::Cut, Event::Stop(stop)) => {
                content(Event::Stop(stop), writer, out);
                Ok(Self::Open)
            }
            (Self::Cut, _) => Err(Violation::bad_arguments()),
            (state, event) => {
                content(event, writer, out);
                Ok(state)
            }
        }
    }
}

fn content(event: Event<'_>, writer: &mut Writer, out: &mut BytesMut) {
    match event {
        Event::TextDelta(text) | Event::RefusalDelta(text) if !text.is_empty() => {
            writer.bytes += text.len();
            writer.text(&text, false, out);
        }
        Event::ReasoningDelta { text, .. } if !text.is_empty() => {
            writer.bytes += text.len();
            if writer.context.reply.include_thoughts {
                writer.text(&text, true, out);
            }
        }
        Event::ReasoningPart if writer.context.reply.include_thoughts => {
            writer.text("\n\n", true, out);
        }
        // The state is put on the next part: clients that drop thoughts keep calls and text.
        Event::ReasoningEnd(opaque) => writer.state = opaque.or(writer.state.take()),
        Event::Citation(citation) => writer.cite(citation),
        Event::ServerCall(_) | Event::ServerResult(_) | Event::Foreign(_) => {
            writer.losses.name("answer_content");
        }
        Event::Stop(stop) => {
            // If nothing was written before the refusal, its explanation becomes the text.
            if let Stop::Refusal(refusal) = &stop
                && let Some(explanation) = &refusal.explanation
                && writer.bytes == 0
            {
                writer.text(explanation, false, out);
            }
            writer.stop = stop;
        }
        _ => {}
    }
}

fn fail(error: &WireError, writer: &mut Writer, out: &mut BytesMut) -> State {
    writer.fail(error, out);
    State::Ended
}

/// Most bytes of the arguments of one call, which are held until they are complete. Some arguments contain whole files.
const MOST_ARGS: usize = 16 << 20;
