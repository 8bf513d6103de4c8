//! What all events of one answer have in common: sequence numbers, ids, and the answer so far.
use bytes::BytesMut;
use serde::Serialize;
use serde_json::value::RawValue;

use super::super::wire::{
    EchoOut, ErrorOut, EventOut, IncompleteOut, InputDetailsOut, LifecycleOut, OutputDetailsOut,
    ResponseOut, UsageOut,
};
use crate::protocol::Dialect;
use crate::protocol::error::{self, WireError};
use crate::protocol::hub;
use crate::protocol::hub::context::Context;
use crate::protocol::hub::error::Losses;
use crate::protocol::hub::request::Tier;
use crate::protocol::hub::response::{Spent, Stop};

/// Writes the events of one answer.
#[derive(Debug)]
pub struct Writer {
    pub context: Context,
    id: String,
    sequence: u64,
    /// The complete items.
    output: Vec<Box<RawValue>>,
    /// The usage that was stated so far.
    pub spent: Option<Spent>,
    pub stop: Stop,
    /// Whether the model's refusal was written as content.
    pub refused: bool,
    /// Bytes of content, for an estimate if the upstream states no usage.
    pub bytes: usize,
    pub losses: Losses,
}

impl Writer {
    pub fn new(context: Context) -> Self {
        Self {
            id: context.stamp.id("resp_", 0),
            context,
            sequence: 0,
            output: Vec::new(),
            spent: None,
            stop: Stop::End,
            refused: false,
            bytes: 0,
            losses: Losses::default(),
        }
    }

    /// The position of the next item.
    pub fn next_index(&self) -> usize {
        self.output.len()
    }

    /// An id for the next item.
    pub fn item_id(&self, prefix: &str) -> String {
        self.context.stamp.id(prefix, self.next_index())
    }

    /// Writes `response.created` and `response.in_progress`.
    pub fn open(&mut self, out: &mut BytesMut) {
        self.lifecycle(out, "response.created", "in_progress", None);
        self.progress(out);
    }

    /// Writes a keep-alive: this is the only event without content.
    pub fn progress(&mut self, out: &mut BytesMut) {
        self.lifecycle(out, "response.in_progress", "in_progress", None);
    }

    /// Writes the end that `stop` requires.
    pub fn close(&mut self, out: &mut BytesMut) {
        let status = self.status();
        let kind = match status {
            "incomplete" => "response.incomplete",
            _ => "response.completed",
        };
        self.lifecycle(out, kind, status, None);
    }

    pub fn fail(&mut self, out: &mut BytesMut, error: &WireError) {
        self.lifecycle(out, "response.failed", "failed", Some(error));
    }

    /// Writes one event about an item.
    pub fn event(&mut self, out: &mut BytesMut, kind: &str, event: &EventOut<'_>) {
        self.frame(out, kind, event);
    }

    /// Writes a piece of the text of the open message. Most of a stream consists of these events, so their JSON is
    /// assembled by hand.
    pub fn text_delta(
        &mut self,
        out: &mut BytesMut,
        item_id: &str,
        content_index: usize,
        delta: &str,
    ) {
        head(out, "response.output_text.delta", self.sequence);
        self.sequence += 1;
        hub::write::raw(out, ",\"item_id\":\"");
        // Weir made this id of letters and digits, so it needs no escapes.
        hub::write::raw(out, item_id);
        hub::write::raw(out, "\",\"output_index\":");
        hub::write::number(out, self.next_index());
        hub::write::raw(out, ",\"content_index\":");
        hub::write::number(out, content_index);
        hub::write::raw(out, ",\"delta\":");
        hub::write::string(out, delta);
        hub::write::raw(out, ",\"logprobs\":[]}\n\n");
    }

    /// Writes the head of an item.
    pub fn added(&mut self, out: &mut BytesMut, item: &impl Serialize) {
        let raw = raw(item);
        let event = EventOut {
            output_index: self.next_index(),
            item: Some(&raw),
            ..EventOut::default()
        };
        self.frame(out, "response.output_item.added", &event);
    }

    /// Writes the complete item and adds it to the answer.
    pub fn done(&mut self, out: &mut BytesMut, item: &impl Serialize) {
        let raw = raw(item);
        let event = EventOut {
            output_index: self.next_index(),
            item: Some(&raw),
            ..EventOut::default()
        };
        self.frame(out, "response.output_item.done", &event);
        self.output.push(raw);
    }

    /// The whole answer.
    pub fn answer(&self) -> Vec<u8> {
        let response = self.response(self.status(), None);
        hub::write::to_vec(&response)
    }

    fn status(&self) -> &'static str {
        match self.stop {
            Stop::MaxTokens | Stop::ContextFull => "incomplete",
            Stop::Refusal(_) if !self.refused => "incomplete",
            _ => "completed",
        }
    }

    fn lifecycle(
        &mut self,
        out: &mut BytesMut,
        kind: &str,
        status: &'static str,
        error: Option<&WireError>,
    ) {
        let response = self.response(status, error);
        write(out, kind, self.sequence, &LifecycleOut { response });
        self.sequence += 1;
    }

    fn frame(&mut self, out: &mut BytesMut, kind: &str, event: &EventOut<'_>) {
        write(out, kind, self.sequence, event);
        self.sequence += 1;
    }

    fn response<'a>(
        &'a self,
        status: &'static str,
        error: Option<&'a WireError>,
    ) -> ResponseOut<'a> {
        let over = status != "in_progress";
        let spent = match (over, error) {
            (false, _) => None,
            // The usage of a failed answer is only written if it is known.
            (true, Some(_)) => self.spent,
            (true, None) => Some(self.context.spent(self.spent, self.bytes)),
        };
        ResponseOut {
            id: &self.id,
            object: "response",
            created_at: self.context.stamp.created,
            status,
            background: false,
            error: error.map(|error| ErrorOut {
                code: code(error),
                message: &error.message,
            }),
            incomplete_details: (status == "incomplete").then_some(IncompleteOut {
                reason: match self.stop {
                    Stop::Refusal(_) => "content_filter",
                    _ => "max_output_tokens",
                },
            }),
            instructions: None,
            model: &self.context.model,
            output: if over { &self.output } else { &[] },
            previous_response_id: None,
            store: self.context.stamp.stored,
            service_tier: spent.and_then(|spent| spent.tier).map(tier),
            tools: [],
            echo: EchoOut(&self.context.reply.echo),
            usage: spent.as_ref().map(usage),
        }
    }
}

/// A value as JSON that is used more than once. Wire structs always serialize; any other value would become `null`.
pub fn raw(value: &impl Serialize) -> Box<RawValue> {
    let printed = serde_json::value::to_raw_value(value);
    debug_assert!(printed.is_ok(), "wire structs serialize: {printed:?}");
    printed.unwrap_or_default()
}

fn write(out: &mut BytesMut, kind: &str, sequence: u64, rest: &impl Serialize) {
    head(out, kind, sequence);
    let brace = out.len();
    hub::write::value(out, rest);
    // The members of `rest` follow the first two members.
    if let Some(brace) = out.get_mut(brace) {
        *brace = b',';
    }
    hub::write::raw(out, "\n\n");
}

/// Writes the event up to its first two members.
fn head(out: &mut BytesMut, kind: &str, sequence: u64) {
    hub::write::raw(out, "event: ");
    hub::write::raw(out, kind);
    hub::write::raw(out, "\ndata: {\"type\":\"");
    hub::write::raw(out, kind);
    hub::write::raw(out, "\",\"sequence_number\":");
    hub::write::raw(out, itoa::Buffer::new().format(sequence));
}

/// The error code, by which clients decide; if the table has none, the general code for a failure.
fn code(error: &WireError) -> &str {
    error
        .code
        .as_deref()
        .or(error::row(Dialect::OpenaiResponses, error.kind).code)
        .unwrap_or("server_error")
}

fn usage(spent: &Spent) -> UsageOut {
    let usage = &spent.usage;
    UsageOut {
        input_tokens: usage.prompt(),
        input_tokens_details: InputDetailsOut {
            cached_tokens: usage.cache_read,
            cache_write_tokens: usage.cache_write_5m.saturating_add(usage.cache_write_1h),
        },
        output_tokens: usage.output,
        output_tokens_details: OutputDetailsOut {
            reasoning_tokens: usage.reasoning,
        },
        total_tokens: usage.total(),
    }
}

const fn tier(tier: Tier) -> &'static str {
    match tier {
        Tier::Auto => "auto",
        Tier::Fast | Tier::Priority => "priority",
        Tier::Flex => "flex",
        Tier::Scale => "scale",
        Tier::Standard => "default",
    }
}
