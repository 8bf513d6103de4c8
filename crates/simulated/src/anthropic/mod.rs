//! Anthropic Messages: reads its requests, writes its answers and its streams.
//!
//! <https://platform.claude.com/docs/en/build-with-claude/streaming>
mod request;

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::beat::Beat;
use super::fault::Failure;
use super::frames::{Frames, write_json};
use super::ids::{id, opaque};
use super::plan::{Block, Plan, Stop};
use crate::dialect::Dialect;
use crate::usage::Usage;

pub(super) use self::request::parse;

/// A whole message.
pub(super) fn whole(plan: &Plan) -> Bytes {
    let content: Vec<_> = plan
        .blocks
        .iter()
        .enumerate()
        .map(|(index, block)| Content::new(plan, index, block, true))
        .collect();
    let message = envelope(plan, content, Some(&plan.stop));
    let mut out = Vec::with_capacity(1024);
    write_json(&mut out, &message);
    out.into()
}

/// Writes the events of one beat of a stream.
pub(super) fn write(plan: &Plan, beat: Beat<'_>, out: &mut Frames) {
    match beat {
        Beat::Start => {
            let message = envelope(plan, Vec::new(), None);
            out.json(
                Some("message_start"),
                &Start {
                    kind: "message_start",
                    message,
                },
            );
        }
        Beat::Open(index, block) => {
            let content_block = Content::new(plan, index, block, false);
            let event = BlockStart {
                kind: "content_block_start",
                index,
                content_block,
            };
            out.json(Some("content_block_start"), &event);
            if index == 0 {
                out.filler(PING);
            }
            if matches!(block, Block::Call(_)) {
                delta(index, &Delta::InputJson { partial_json: "" }, out);
            }
        }
        Beat::Piece(index, block, text) => {
            let piece = match block {
                Block::Call(_) => Delta::InputJson { partial_json: text },
                Block::Reasoning { .. } => Delta::Thinking { thinking: text },
                Block::Refusal(_) | Block::Text(_) => Delta::Text { text },
            };
            delta(index, &piece, out);
        }
        Beat::Close(index, block) => {
            if matches!(block, Block::Reasoning { .. }) {
                let signature = signature(plan, index);
                delta(
                    index,
                    &Delta::Signature {
                        signature: &signature,
                    },
                    out,
                );
            }
            let event = BlockStop {
                kind: "content_block_stop",
                index,
            };
            out.json(Some("content_block_stop"), &event);
        }
        Beat::Finish => {
            let (stop_reason, stop_sequence, stop_details) = stop_members(&plan.stop);
            let usage = &plan.usage;
            let event = json!({
                "type": "message_delta",
                "delta": {"stop_reason": stop_reason, "stop_sequence": stop_sequence, "stop_details": stop_details},
                "usage": {
                    "input_tokens": usage.input,
                    "cache_creation_input_tokens": usage.cache_write_5m + usage.cache_write_1h,
                    "cache_read_input_tokens": usage.cache_read,
                    "output_tokens": usage.output,
                    "output_tokens_details": {"thinking_tokens": usage.reasoning},
                },
            });
            out.json(Some("message_delta"), &event);
        }
        Beat::End => out.json(Some("message_stop"), &json!({"type": "message_stop"})),
    }
}

/// The error event.
pub(super) fn fail(plan: &Plan, failure: &Failure, out: &mut Frames) {
    let request_id = format!("req_{}", plan.id);
    out.json(
        Some("error"),
        &failure.body(Dialect::Anthropic, 200, &request_id),
    );
}

fn delta(index: usize, delta: &Delta<'_>, out: &mut Frames) {
    let event = BlockDelta {
        kind: "content_block_delta",
        index,
        delta,
    };
    out.json(Some("content_block_delta"), &event);
}

fn envelope<'a>(plan: &'a Plan, content: Vec<Content<'a>>, stop: Option<&'a Stop>) -> Envelope<'a> {
    let (stop_reason, stop_sequence, stop_details) = stop.map_or((None, None, None), stop_members);
    let mut usage = WireUsage::new(&plan.usage);
    if stop.is_none() {
        usage.output_tokens = 1;
        usage.output_tokens_details = None;
    }
    Envelope {
        id: format!("msg_{}", plan.id),
        kind: "message",
        role: "assistant",
        model: &plan.model,
        content,
        stop_reason,
        stop_sequence,
        stop_details,
        usage,
    }
}

fn stop_members(stop: &Stop) -> (Option<&'static str>, Option<&str>, Option<Value>) {
    match stop {
        Stop::Calls => (Some("tool_use"), None, None),
        Stop::End => (Some("end_turn"), None, None),
        Stop::Length => (Some("max_tokens"), None, None),
        Stop::Refusal => {
            let details =
                json!({"type": "refusal", "category": null, "explanation": "Simulated refusal."});
            (Some("refusal"), None, Some(details))
        }
        Stop::Sequence(sequence) => (Some("stop_sequence"), Some(sequence), None),
    }
}

fn signature(plan: &Plan, index: usize) -> String {
    opaque("Er", plan.number, index as u64)
}

#[derive(Serialize)]
struct Envelope<'a> {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    role: &'static str,
    model: &'a str,
    content: Vec<Content<'a>>,
    stop_reason: Option<&'static str>,
    stop_sequence: Option<&'a str>,
    stop_details: Option<Value>,
    usage: WireUsage,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Content<'a> {
    Text {
        text: &'a str,
    },
    Thinking {
        thinking: &'a str,
        signature: String,
    },
    ToolUse {
        id: String,
        name: &'a str,
        input: Option<&'a RawValue>,
    },
}

impl<'a> Content<'a> {
    /// The block as it is at its end, or (`whole` false) as it begins in a stream.
    fn new(plan: &Plan, index: usize, block: &'a Block, whole: bool) -> Self {
        let body = if whole { block.body() } else { "" };
        match block {
            Block::Call(call) => Self::ToolUse {
                id: id("toolu_", plan.number, index as u64),
                name: &call.name,
                input: serde_json::from_str(if body.is_empty() { "{}" } else { body }).ok(),
            },
            Block::Reasoning { .. } => Self::Thinking {
                thinking: body,
                signature: if whole {
                    signature(plan, index)
                } else {
                    String::new()
                },
            },
            Block::Refusal(_) | Block::Text(_) => Self::Text { text: body },
        }
    }
}

#[derive(Serialize)]
struct WireUsage {
    input_tokens: u64,
    cache_creation_input_tokens: u64,
    cache_read_input_tokens: u64,
    cache_creation: CacheCreation,
    output_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens_details: Option<OutputDetails>,
    service_tier: &'static str,
}

impl WireUsage {
    fn new(usage: &Usage) -> Self {
        Self {
            input_tokens: usage.input,
            cache_creation_input_tokens: usage.cache_write_5m + usage.cache_write_1h,
            cache_read_input_tokens: usage.cache_read,
            cache_creation: CacheCreation {
                ephemeral_5m_input_tokens: usage.cache_write_5m,
                ephemeral_1h_input_tokens: usage.cache_write_1h,
            },
            output_tokens: usage.output,
            output_tokens_details: Some(OutputDetails {
                thinking_tokens: usage.reasoning,
            }),
            service_tier: "standard",
        }
    }
}

#[derive(Serialize)]
struct CacheCreation {
    ephemeral_5m_input_tokens: u64,
    ephemeral_1h_input_tokens: u64,
}

#[derive(Serialize)]
struct OutputDetails {
    thinking_tokens: u64,
}

#[derive(Serialize)]
struct Start<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    message: Envelope<'a>,
}

#[derive(Serialize)]
struct BlockStart<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    index: usize,
    content_block: Content<'a>,
}

#[derive(Serialize)]
struct BlockDelta<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    index: usize,
    delta: &'a Delta<'a>,
}

#[derive(Serialize)]
struct BlockStop {
    #[serde(rename = "type")]
    kind: &'static str,
    index: usize,
}

#[derive(Serialize)]
#[serde(tag = "type")]
enum Delta<'a> {
    #[serde(rename = "input_json_delta")]
    InputJson { partial_json: &'a str },
    #[serde(rename = "signature_delta")]
    Signature { signature: &'a str },
    #[serde(rename = "text_delta")]
    Text { text: &'a str },
    #[serde(rename = "thinking_delta")]
    Thinking { thinking: &'a str },
}

/// The keep-alive of this dialect.
pub(super) const PING: &[u8] = b"event: ping\ndata: {\"type\": \"ping\"}\n\n";
