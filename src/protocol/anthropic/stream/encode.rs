//! Encodes a stream for a client of this dialect.
//!
//! ```text
//!            Start               delta, ToolStart            Stop            Usage
//!  Fresh ─────────────► Between ──────────────────► Text  ────────► Stopped ◄─────┐
//!        message_start     ▲     content_block_start  │                │ ─────────┘
//!                          │                          │                │ End
//!                          └────────────────────── Thinking            ▼
//!                             content_block_stop      │              Ended   message_delta, message_stop
//!                             (another kind, TextEnd, │                ▲
//!                              ReasoningEnd, ToolEnd) Tool             │
//!                                                                      │ Error, from anywhere: `error` and nothing else
//! ```
//!
//! One block is open at a time: the [`Sequencer`] has put overlapping calls one after the other. `Stop` is held back
//! until the usage is known, because both are in one `message_delta`.
use bytes::BytesMut;
use serde_json::json;

use super::super::error;
use super::super::response::{citation, envelope};
use super::super::search;
use super::writer::{Tally, Writer};
use crate::protocol::Dialect;
use crate::protocol::hub::block::{CallKind, Hosted};
use crate::protocol::hub::context::Context;
use crate::protocol::hub::error::{Losses, Violation};
use crate::protocol::hub::event::Event;
use crate::protocol::hub::names::FREEFORM_FIELD;
use crate::protocol::hub::opaque::{self, Opaque, Vendor};
use crate::protocol::hub::response::Stop;
use crate::protocol::hub::sequence::Sequencer;
use crate::protocol::hub::write::raw;
use crate::protocol::passthrough;

/// Encodes one stream.
#[derive(Debug)]
pub struct Encoder {
    context: Context,
    sequencer: Sequencer,
    state: State,
    tally: Tally,
}

/// The state of the arguments of the open call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Arguments {
    /// Free text of which nothing is written yet: it becomes the only string of an object.
    Freeform,
    FreeformBegun,
    Json,
    JsonBegun,
}

/// What has been written last, and so what may follow.
#[derive(Debug)]
enum State {
    /// No block is open. White space is held back until text follows that makes it a block: models write blank lines
    /// before calls.
    Between {
        blank: String,
    },
    Ended,
    /// Nothing has been written.
    Fresh,
    Stopped(Stop),
    Text,
    /// `shown`: whether any thinking was written.
    Thinking {
        shown: bool,
    },
    Tool(Arguments),
}

impl Encoder {
    /// An encoder for one answer.
    pub fn new(context: Context) -> Self {
        Self {
            context,
            sequencer: Sequencer::default(),
            state: State::Fresh,
            tally: Tally::default(),
        }
    }

    /// Writes what follows from one event. Events come in the order of the
    /// [`Grammar`](crate::protocol::hub::grammar::Grammar).
    pub fn on(&mut self, event: Event<'_>, out: &mut BytesMut) -> Result<(), Violation> {
        let mut writer = Writer {
            context: &self.context,
            tally: &mut self.tally,
            out,
        };
        let state = &mut self.state;
        self.sequencer.on(event, |event| {
            *state = std::mem::replace(state, State::Ended).on(event, &mut writer);
            Ok(())
        })
    }

    /// What could not be expressed to the client.
    pub fn losses(&self) -> &Losses {
        &self.tally.losses
    }
}

impl State {
    fn on(self, event: Event<'_>, writer: &mut Writer<'_>) -> Self {
        match (self, event) {
            (Self::Ended, _) => Self::Ended,
            (_, Event::Error(said)) => {
                error::event(&said, writer.out);
                Self::Ended
            }
            (Self::Fresh, Event::Ping) => Self::Fresh,
            (_, Event::Start(start)) => {
                writer.message_start(&start);
                Self::between()
            }
            (state, Event::Ping) => {
                writer
                    .out
                    .extend_from_slice(passthrough::ping(Dialect::Anthropic));
                state
            }
            (state, Event::Usage(spent)) => {
                writer.tally.spent = Some(*spent);
                state
            }

            (Self::Stopped(stop), Event::End) => {
                writer.message_stop(&stop);
                Self::Ended
            }
            (state, Event::Stop(stop)) => {
                state.close(None, writer);
                Self::Stopped(stop)
            }
            (state, Event::End) => {
                state.close(None, writer);
                writer.message_stop(&Stop::End);
                Self::Ended
            }
            (state, event) => state.content(event, writer),
        }
    }

    const fn between() -> Self {
        Self::Between {
            blank: String::new(),
        }
    }

    /// Handles the events between the head and the stop.
    fn content(self, event: Event<'_>, writer: &mut Writer<'_>) -> Self {
        match (self, event) {
            (state, Event::TextDelta(text) | Event::RefusalDelta(text)) => {
                state.text(&text, writer)
            }
            (state @ Self::Text, Event::TextEnd)
            | (state @ Self::Tool(_), Event::ToolEnd { .. }) => state.close(None, writer),
            (Self::Text, Event::Citation(said)) => {
                match citation(&said, writer.context) {
                    Some(citation) => writer.citation(&citation),
                    None => writer.tally.losses.name("citations"),
                }
                Self::Text
            }
            (state, Event::Citation(_)) => {
                writer.tally.losses.name("citations");
                state
            }

            (state, Event::ReasoningDelta { text, .. }) if text.is_empty() => state,
            (state, Event::ReasoningDelta { text, .. }) => {
                state.open_thinking(writer);
                writer.delta("thinking_delta", "thinking", &text);
                Self::Thinking { shown: true }
            }
            (state @ Self::Thinking { shown: true }, Event::ReasoningPart) => {
                writer.delta("thinking_delta", "thinking", "\n\n");
                state
            }
            (state @ Self::Thinking { .. }, Event::ReasoningEnd(opaque)) => {
                state.close(opaque, writer)
            }
            (state, Event::ReasoningEnd(Some(opaque))) if opaque.vendor == Vendor::Gemini => {
                let state = state.open_thinking(writer);
                state.close(Some(opaque), writer)
            }
            (state, Event::ReasoningEnd(Some(opaque))) => {
                state.close(None, writer);
                writer.redacted_thinking(opaque);
                Self::between()
            }

            (state, Event::ToolStart { id, name, kind, .. }) => {
                state.close(None, writer);
                writer.tool_start(&id, &name);
                Self::Tool(match kind {
                    CallKind::Freeform => Arguments::Freeform,
                    CallKind::Function | CallKind::Server(_) => Arguments::Json,
                })
            }
            (Self::Tool(arguments), Event::ToolArgs { fragment, .. }) if !fragment.is_empty() => {
                Self::Tool(arguments.write(&fragment, writer))
            }

            (state, Event::ServerCall(call)) if search::is_search(&call) => {
                let state = state.close(None, writer);
                writer.search(&call);
                state
            }
            (state, Event::ServerResult(result)) if result.kind == Hosted::WebSearch => {
                let state = state.close(None, writer);
                writer.found(&result);
                state
            }
            (state, Event::ServerCall(_) | Event::ServerResult(_) | Event::Foreign(_)) => {
                writer.tally.losses.name("answer_content");
                state
            }
            (state, _) => state,
        }
    }

    fn text(self, text: &str, writer: &mut Writer<'_>) -> Self {
        if let Self::Text = self {
            if !text.is_empty() {
                writer.delta("text_delta", "text", text);
            }
            return self;
        }
        let mut blank = match self {
            Self::Between { blank } => blank,
            state if text.is_empty() => return state,
            state => {
                state.close(None, writer);
                String::new()
            }
        };
        if text.trim().is_empty() {
            if blank.len() < MOST_BLANK {
                blank.push_str(text);
            }
            return Self::Between { blank };
        }
        writer.block_start("text");
        raw(writer.out, ",\"text\":\"\"}}\n\n");
        if !blank.is_empty() {
            writer.delta("text_delta", "text", &blank);
        }
        writer.delta("text_delta", "text", text);
        Self::Text
    }

    /// Makes sure that a thinking block is open.
    fn open_thinking(self, writer: &mut Writer<'_>) -> Self {
        if let Self::Thinking { .. } = self {
            return self;
        }
        self.close(None, writer);
        writer.block_start("thinking");
        raw(writer.out, ",\"thinking\":\"\",\"signature\":\"\"}}\n\n");
        Self::Thinking { shown: false }
    }

    /// Closes the open block, if any. A thinking block gets a signature: the upstream's state, or at least a mark of
    /// its vendor.
    fn close(self, opaque: Option<Opaque>, writer: &mut Writer<'_>) -> Self {
        match self {
            Self::Text => {}
            Self::Thinking { .. } => {
                let signature = match opaque {
                    Some(opaque) => envelope(opaque, writer.context),
                    None => opaque::seal(&writer.context.origin.mark()),
                };
                writer.signature(&signature);
            }
            Self::Tool(arguments) => arguments.close(writer),
            state => return state,
        }
        writer.block_stop();
        Self::between()
    }
}

impl Arguments {
    fn write(self, fragment: &str, writer: &mut Writer<'_>) -> Self {
        let quoted = match self {
            Self::Json | Self::JsonBegun => {
                writer.input_json(fragment);
                return Self::JsonBegun;
            }
            Self::Freeform | Self::FreeformBegun => json!(fragment).to_string(),
        };
        let inner = quoted.get(1..quoted.len() - 1).unwrap_or_default();
        if self == Self::Freeform {
            writer.input_json(&format!("{{\"{FREEFORM_FIELD}\":\"{inner}"));
        } else {
            writer.input_json(inner);
        }
        Self::FreeformBegun
    }

    fn close(self, writer: &mut Writer<'_>) {
        match self {
            Self::Freeform => writer.input_json(&format!("{{\"{FREEFORM_FIELD}\":\"\"}}")),
            Self::FreeformBegun => writer.input_json("\"}"),
            Self::Json => writer.input_json("{}"),
            Self::JsonBegun => {}
        }
    }
}

/// White space that is held back for text to follow, in bytes. More than that is not layout.
const MOST_BLANK: usize = 4096;
