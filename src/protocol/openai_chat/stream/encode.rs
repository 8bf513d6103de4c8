//! Encodes a stream for a client of this dialect.
//!
//! ```text
//!          Start            Stop             End
//!  Fresh ─────────► Open ─────────► Stopped ─────────► Ended     finish chunk, usage chunk if asked for, [DONE]
//!        role chunk  │ ▲                                 ▲
//!                    └─┘ one chunk per delta             │ Error, from anywhere: an error chunk and nothing else
//! ```
//!
//! Clients concatenate strings and add numbers, so role, id, name and type are written only once. Calls may overlap
//! here, because each has its own index. The finish chunk is held back until the end, because an error after it would
//! come too late.
use bytes::BytesMut;

use super::super::error;
use super::super::response::{TOOL_IDS, details, explanation, finish_reason, tier, usage};
use super::chunks::Chunks;
use super::tally::{Call, Tally};
use crate::protocol::Dialect;
use crate::protocol::hub::block::{CallKind, Citation, Reasoning, Segment, SegmentKind};
use crate::protocol::hub::context::Context;
use crate::protocol::hub::error::{Losses, Violation};
use crate::protocol::hub::event::{Event, Start};
use crate::protocol::hub::names;
use crate::protocol::hub::opaque::Opaque;
use crate::protocol::hub::request::Shape;
use crate::protocol::hub::response::Stop;
use crate::protocol::hub::write::{number, raw, string, value};
use crate::protocol::passthrough;

/// Encodes one stream.
#[derive(Debug)]
pub struct Encoder {
    context: Context,
    state: State,
    tally: Tally,
    chunks: Chunks,
}

#[derive(Debug, Eq, PartialEq)]
enum State {
    Ended,
    Fresh,
    Open,
    Stopped(Stop),
}

impl Encoder {
    /// An encoder for one answer.
    pub fn new(context: Context) -> Self {
        Self {
            chunks: Chunks::new(&context),
            context,
            state: State::Fresh,
            tally: Tally::default(),
        }
    }

    /// Writes what follows from one event. Events come in the order of the
    /// [`Grammar`](crate::protocol::hub::grammar::Grammar).
    pub fn on(&mut self, event: Event<'_>, out: &mut BytesMut) -> Result<(), Violation> {
        let old = std::mem::replace(&mut self.state, State::Ended);
        self.state = self.step(old, event, out);
        Ok(())
    }

    /// What could not be expressed to the client.
    pub fn losses(&self) -> &Losses {
        &self.tally.losses
    }

    fn step(&mut self, state: State, event: Event<'_>, out: &mut BytesMut) -> State {
        match (state, event) {
            (State::Ended, _) => State::Ended,
            (_, Event::Error(said)) => {
                error::event(&said, out);
                State::Ended
            }
            (State::Fresh, Event::Ping) => State::Fresh,
            (_, Event::Start(start)) => {
                self.start(&start, out);
                State::Open
            }
            (state, Event::Ping) => {
                out.extend_from_slice(passthrough::ping(Dialect::OpenaiChat));
                state
            }
            (state, Event::Usage(spent)) => {
                self.tally.spent = Some(*spent);
                state
            }
            (State::Stopped(stop), Event::End) => {
                self.end(&stop, out);
                State::Ended
            }
            (_, Event::Stop(stop)) => State::Stopped(stop),
            (_, Event::End) => {
                self.end(&Stop::End, out);
                State::Ended
            }
            (state, event) => {
                self.content(event, out);
                state
            }
        }
    }

    /// Handles the events between the head and the stop.
    fn content(&mut self, event: Event<'_>, out: &mut BytesMut) {
        match event {
            Event::TextDelta(text) => {
                self.tally.chars += text.chars().count();
                self.text("content", &text, out);
            }
            Event::TextEnd => self.tally.end_text(),
            Event::RefusalDelta(text) => self.text("refusal", &text, out),
            Event::Citation(Citation::Foreign(_)) => self.tally.losses.name("citations"),
            Event::Citation(citation) => self.tally.citations.push(citation),
            Event::ReasoningDelta { text, .. } => self.thought(&text, out),
            Event::ReasoningPart if !self.tally.thought.is_empty() => self.thought("\n\n", out),
            Event::ReasoningEnd(opaque) => self.reasoning_end(opaque, out),
            Event::ToolStart {
                slot,
                id,
                name,
                kind,
                ..
            } => self.tool_start(slot, &id, &name, kind, out),
            Event::ToolArgs { slot, fragment } if !fragment.is_empty() => {
                self.tool_args(slot, &fragment, out);
            }
            Event::ToolEnd { slot } => {
                // Clients parse the arguments, and an empty string is not JSON.
                if self
                    .tally
                    .calls
                    .iter()
                    .any(|call| call.slot == slot && !call.args && !call.freeform)
                {
                    self.tool_args(slot, "{}", out);
                }
            }
            Event::ServerCall(_) | Event::ServerResult(_) => {
                self.tally.losses.omit("server_tool_use");
            }
            Event::Foreign(_) => self.tally.losses.name("answer_content"),
            Event::ReasoningPart
            | Event::ToolArgs { .. }
            | Event::Start(_)
            | Event::Ping
            | Event::Repair(_)
            | Event::Usage(_)
            | Event::Stop(_)
            | Event::Error(_)
            | Event::End => {}
        }
    }

    fn start(&mut self, start: &Start<'_>, out: &mut BytesMut) {
        self.tally.spent = start.spent();
        if self.context.reply.shape != Shape::TextCompletion {
            self.chunks.delta(out, |out| {
                raw(out, "\"role\":\"assistant\",\"content\":\"\"");
            });
        }
    }

    fn text(&mut self, member: &str, text: &str, out: &mut BytesMut) {
        if text.is_empty() {
            return;
        }
        self.tally.written += text.len();
        if self.context.reply.shape == Shape::TextCompletion {
            self.chunks.choice(out, |out| {
                raw(out, "\"text\":");
                string(out, text);
                raw(out, ",\"index\":0,\"logprobs\":null,\"finish_reason\":null");
            });
            return;
        }
        self.chunks.delta(out, |out| {
            raw(out, "\"");
            raw(out, member);
            raw(out, "\":");
            string(out, text);
        });
    }

    fn thought(&mut self, text: &str, out: &mut BytesMut) {
        if text.is_empty() {
            return;
        }
        if self.context.reply.shape != Shape::Modern {
            self.tally.written += text.len();
            self.tally.losses.omit("thinking");
            return;
        }
        if self.tally.thought.is_empty() && self.tally.thoughts > 0 {
            self.text("reasoning_content", "\n\n", out);
        }
        if self.tally.thought.len() + text.len() <= MOST_THOUGHT {
            self.tally.thought.push_str(text);
        } else {
            self.tally.thought_cut = true;
        }
        self.text("reasoning_content", text, out);
    }

    /// A reasoning block has ended. Its state is written for clients that send `reasoning_details` back. Each entry has
    /// its own index, because clients merge entries with the same index.
    fn reasoning_end(&mut self, opaque: Option<Opaque>, out: &mut BytesMut) {
        let text = std::mem::take(&mut self.tally.thought);
        let cut = std::mem::take(&mut self.tally.thought_cut);
        self.tally.thoughts += usize::from(!text.is_empty());
        if cut {
            // A signature over an incomplete text is useless.
            self.tally.losses.name("thinking");
            return;
        }
        if self.context.reply.shape != Shape::Modern {
            return;
        }
        let reasoning = Reasoning {
            visible: vec![Segment {
                kind: SegmentKind::Raw,
                text,
            }],
            opaque,
            id: None,
        };
        let Some(details) = details(&reasoning, self.tally.details, &self.context) else {
            return;
        };
        self.tally.details += 1;
        self.chunks.delta(out, |out| {
            raw(out, "\"reasoning_details\":");
            value(out, &[details]);
        });
    }

    fn tool_start(
        &mut self,
        slot: usize,
        id: &str,
        name: &str,
        kind: CallKind,
        out: &mut BytesMut,
    ) {
        let legacy = self.context.reply.shape != Shape::Modern;
        if legacy && !self.tally.calls.is_empty() {
            // The legacy form has room for only one call.
            self.tally.losses.name("parallel_tool_calls");
            return;
        }
        let index = self.tally.calls.len();
        let freeform = kind == CallKind::Freeform;
        self.tally.calls.push(Call {
            slot,
            freeform,
            args: false,
        });
        self.chunks.delta(out, |out| {
            if legacy {
                raw(out, "\"function_call\":{\"name\":");
                string(out, name);
                raw(out, ",\"arguments\":\"\"}");
                return;
            }
            raw(out, "\"tool_calls\":[{\"index\":");
            number(out, index);
            raw(out, ",\"id\":");
            string(out, &names::tool_id(id, TOOL_IDS));
            raw(
                out,
                if freeform {
                    ",\"type\":\"custom\",\"custom\":{\"name\":"
                } else {
                    ",\"type\":\"function\",\"function\":{\"name\":"
                },
            );
            string(out, name);
            raw(
                out,
                if freeform {
                    ",\"input\":\"\"}}]"
                } else {
                    ",\"arguments\":\"\"}}]"
                },
            );
        });
    }

    fn tool_args(&mut self, slot: usize, fragment: &str, out: &mut BytesMut) {
        let Some(index) = self.tally.calls.iter().position(|call| call.slot == slot) else {
            return;
        };
        let mut freeform = false;
        if let Some(call) = self.tally.calls.get_mut(index) {
            call.args = true;
            freeform = call.freeform;
        }
        self.tally.written += fragment.len();
        let legacy = self.context.reply.shape != Shape::Modern;
        self.chunks.delta(out, |out| {
            if legacy {
                raw(out, "\"function_call\":{\"arguments\":");
                string(out, fragment);
                raw(out, "}");
                return;
            }
            raw(out, "\"tool_calls\":[{\"index\":");
            number(out, index);
            raw(
                out,
                if freeform {
                    ",\"custom\":{\"input\":"
                } else {
                    ",\"function\":{\"arguments\":"
                },
            );
            string(out, fragment);
            raw(out, "}}]");
        });
    }

    fn end(&mut self, stop: &Stop, out: &mut BytesMut) {
        self.tally.end_text();
        if *stop == Stop::Pause {
            self.tally.losses.name("pause_turn");
        }
        let shape = self.context.reply.shape;
        let reason = finish_reason(stop, shape);
        if let Some(explanation) = explanation(stop).filter(|_| shape != Shape::TextCompletion) {
            self.text("refusal", explanation, out);
        }
        if shape == Shape::TextCompletion {
            self.chunks.choice(out, |out| {
                raw(
                    out,
                    "\"text\":\"\",\"index\":0,\"logprobs\":null,\"finish_reason\":",
                );
                string(out, reason);
            });
        } else {
            let annotations = std::mem::take(&mut self.tally.annotations);
            self.chunks.choice(out, |out| {
                raw(out, "\"index\":0,\"delta\":{");
                if !annotations.is_empty() {
                    raw(out, "\"annotations\":");
                    value(out, &annotations);
                }
                raw(out, "},\"logprobs\":null,\"finish_reason\":");
                string(out, reason);
            });
        }
        if self.context.reply.include_usage {
            let spent = self.context.spent(self.tally.spent, self.tally.written);
            let tier = tier(&spent).filter(|_| shape != Shape::TextCompletion);
            self.chunks.usage(out, &usage(&spent), tier);
        }
        raw(out, "data: [DONE]\n\n");
    }
}

/// Most bytes of one reasoning block that are kept for its signature.
const MOST_THOUGHT: usize = 4 << 20;
