//! Writes the events of a stream.
use bytes::BytesMut;

use super::super::response::{TOOL_IDS, envelope, stop_details, stop_reason, stop_sequence, usage};
use super::super::search;
use super::super::wire::{CitationOut, UsageOut};
use crate::protocol::hub::block::{ServerToolResult, ToolCall};
use crate::protocol::hub::context::Context;
use crate::protocol::hub::error::Losses;
use crate::protocol::hub::event::Start;
use crate::protocol::hub::names;
use crate::protocol::hub::opaque::Opaque;
use crate::protocol::hub::response::{Spent, Stop};
use crate::protocol::hub::write::{number, raw, string, value};

/// What has been written so far.
#[derive(Debug, Default)]
pub struct Tally {
    /// The number of closed blocks, which is the index of the open block or of the next one.
    pub blocks: usize,
    /// Bytes that the model wrote.
    pub written: usize,
    pub spent: Option<Spent>,
    pub losses: Losses,
}

/// Writes events and updates the tally.
#[derive(Debug)]
pub struct Writer<'a> {
    pub context: &'a Context,
    pub tally: &'a mut Tally,
    pub out: &'a mut BytesMut,
}

impl Writer<'_> {
    /// Writes the head.
    pub fn message_start(&mut self, start: &Start<'_>) {
        self.tally.spent = start.spent();
        raw(
            self.out,
            "event: message_start\ndata: {\"type\":\"message_start\",\"message\":",
        );
        value(
            self.out,
            &MessageStart {
                id: self.context.stamp.id("msg_", 0),
                kind: "message",
                role: "assistant",
                model: &self.context.model,
                content: [],
                stop_reason: None,
                stop_sequence: None,
                stop_details: None,
                usage: usage(&self.context.spent(start.spent(), 0)),
            },
        );
        raw(self.out, "}\n\n");
    }

    /// Writes the stop reason with the usage, and the end.
    pub fn message_stop(&mut self, stop: &Stop) {
        raw(
            self.out,
            "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":",
        );
        string(self.out, stop_reason(stop));
        raw(self.out, ",\"stop_sequence\":");
        value(self.out, &stop_sequence(stop));
        raw(self.out, ",\"stop_details\":");
        value(self.out, &stop_details(stop));
        raw(self.out, "},\"usage\":");
        value(
            self.out,
            &usage(&self.context.spent(self.tally.spent, self.tally.written)),
        );
        raw(
            self.out,
            "}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
        );
    }

    /// Writes the start of a block up to its type, including the closing quote.
    pub fn block_start(&mut self, kind: &str) {
        raw(
            self.out,
            "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":",
        );
        number(self.out, self.tally.blocks);
        raw(self.out, ",\"content_block\":{\"type\":\"");
        raw(self.out, kind);
        raw(self.out, "\"");
    }

    /// Closes the open block.
    pub fn block_stop(&mut self) {
        raw(
            self.out,
            "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":",
        );
        number(self.out, self.tally.blocks);
        raw(self.out, "}\n\n");
        self.tally.blocks += 1;
    }

    /// Opens a tool call.
    pub fn tool_start(&mut self, id: &str, name: &str) {
        self.block_start("tool_use");
        raw(self.out, ",\"id\":");
        string(self.out, &names::tool_id(id, TOOL_IDS));
        raw(self.out, ",\"name\":");
        string(self.out, name);
        raw(self.out, ",\"input\":{}}}\n\n");
    }

    /// Writes a whole block of thinking without visible text.
    pub fn redacted_thinking(&mut self, opaque: Opaque) {
        self.block_start("redacted_thinking");
        raw(self.out, ",\"data\":");
        string(self.out, &envelope(opaque, self.context));
        raw(self.out, "}}\n\n");
        self.block_stop();
    }

    /// Writes a whole search that another provider ran.
    pub fn search(&mut self, call: &ToolCall) {
        self.block_start("server_tool_use");
        raw(self.out, ",\"id\":");
        string(self.out, &search::id(&call.id));
        raw(self.out, ",\"name\":");
        string(self.out, search::NAME);
        raw(self.out, ",\"input\":{}}}\n\n");
        self.delta("input_json_delta", "partial_json", &search::input(call));
        self.block_stop();
    }

    /// Writes the whole result of a search.
    pub fn found(&mut self, result: &ServerToolResult) {
        self.block_start("web_search_tool_result");
        raw(self.out, ",\"tool_use_id\":");
        string(self.out, &search::id(&result.call_id));
        raw(self.out, ",\"content\":");
        value(self.out, &search::pages(result, self.context));
        raw(self.out, "}}\n\n");
        self.block_stop();
    }

    /// Writes a citation of the open text block.
    pub fn citation(&mut self, citation: &CitationOut<'_>) {
        self.delta_head("citations_delta", "citation");
        value(self.out, citation);
        raw(self.out, "}}\n\n");
    }

    /// Writes the signature of the open thinking block.
    pub fn signature(&mut self, signature: &str) {
        self.delta_head("signature_delta", "signature");
        string(self.out, signature);
        raw(self.out, "}}\n\n");
    }

    /// Writes a piece of the arguments of the open call.
    pub fn input_json(&mut self, fragment: &str) {
        self.delta("input_json_delta", "partial_json", fragment);
    }

    /// Writes a piece of the model's output.
    pub fn delta(&mut self, kind: &str, member: &str, text: &str) {
        self.tally.written += text.len();
        self.delta_head(kind, member);
        string(self.out, text);
        raw(self.out, "}}\n\n");
    }

    fn delta_head(&mut self, kind: &str, member: &str) {
        raw(
            self.out,
            "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":",
        );
        number(self.out, self.tally.blocks);
        raw(self.out, ",\"delta\":{\"type\":\"");
        raw(self.out, kind);
        raw(self.out, "\",\"");
        raw(self.out, member);
        raw(self.out, "\":");
    }
}

#[derive(serde::Serialize)]
struct MessageStart<'a> {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    role: &'static str,
    model: &'a str,
    content: [(); 0],
    stop_reason: Option<()>,
    stop_sequence: Option<()>,
    stop_details: Option<()>,
    usage: UsageOut,
}
