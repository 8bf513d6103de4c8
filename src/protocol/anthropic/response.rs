//! Whole answers in this dialect: decodes an upstream's answer, encodes an answer for a client.
use std::borrow::Cow;

use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::request::Reader;
use super::search;
use super::wire::{
    BlockOut, CacheCreationOut, CitationOut, MessageOutIn, OutputDetailsOut, ServerToolUseOut,
    StopDetails, UsageIn, UsageOut,
};
use crate::protocol::hub::block::{Block, CallKind, Citation, Hosted, Reasoning, Text};
use crate::protocol::hub::context::Context;
use crate::protocol::hub::error::{Losses, Violation};
use crate::protocol::hub::names::{self, FREEFORM_FIELD};
use crate::protocol::hub::opaque::{self, Opaque, Vendor};
use crate::protocol::hub::read::{Path, without_position};
use crate::protocol::hub::request::Tier;
use crate::protocol::hub::response::{Calls, Refusal, Response, Spent, Stop};
use crate::protocol::hub::target::ToolIds;
use crate::protocol::hub::usage::Stated;
use crate::protocol::hub::write::to_vec;

/// Reads an upstream's answer.
pub fn decode(body: &[u8]) -> Result<Response, Violation> {
    let message: MessageOutIn<'_> = serde_json::from_slice(body)
        .map_err(|error| Violation::unreadable(without_position(&error)))?;
    let mut blocks = Vec::with_capacity(message.content.len());
    for (index, raw) in message.content.iter().enumerate() {
        let path = Path::top("content");
        let block = Reader::new()
            .block(raw, &path.index(index))
            .map_err(Violation::unreadable)?;
        blocks.extend(block);
    }
    let Some(reason) = &message.stop_reason else {
        return Err(Violation::unreadable("the answer has no stop_reason"));
    };
    let sequence = message.stop_sequence.map(|sequence| sequence.to_owned());
    let stop = stop(reason, sequence, message.stop_details.as_ref());
    Ok(Response {
        id: message.id.map(|id| id.to_owned()),
        model: message.model.map(|model| model.to_owned()),
        stop: stop.given(Calls::among(&blocks)),
        blocks,
        spent: message.usage.map(|usage| spent(&usage)),
    })
}

/// Writes the answer for a client.
pub fn encode(response: &Response, context: &Context, losses: &mut Losses) -> Vec<u8> {
    let blocks: Vec<BlockOut<'_>> = response
        .blocks
        .iter()
        .filter_map(|block| self::block(block, context, losses))
        .collect();
    let bytes = response.blocks.iter().map(Block::written).sum();
    let message = Message {
        id: context.stamp.id("msg_", 0),
        kind: "message",
        role: "assistant",
        model: &context.model,
        content: blocks,
        stop_reason: stop_reason(&response.stop),
        stop_sequence: stop_sequence(&response.stop),
        stop_details: stop_details(&response.stop),
        usage: usage(&context.spent(response.spent, bytes)),
    };
    to_vec(&message)
}

#[derive(Serialize)]
struct Message<'a> {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    role: &'static str,
    model: &'a str,
    content: Vec<BlockOut<'a>>,
    stop_reason: &'static str,
    stop_sequence: Option<&'a str>,
    stop_details: Option<StopDetailsOut<'a>>,
    usage: UsageOut,
}

#[derive(Debug, Serialize)]
pub(super) struct StopDetailsOut<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    category: Option<&'a str>,
    explanation: Option<&'a str>,
}

/// The hub's stop for the upstream's `stop_reason`.
pub(super) fn stop(
    reason: &str,
    sequence: Option<String>,
    details: Option<&StopDetails<'_>>,
) -> Stop {
    let own = |text: &Option<crate::protocol::hub::read::Str<'_>>| {
        text.as_ref().map(super::super::hub::read::Str::to_owned)
    };
    match reason.to_ascii_lowercase().as_str() {
        // Compatible servers use the reasons of Chat Completions here.
        "max_tokens" | "length" => Stop::MaxTokens,
        "model_context_window_exceeded" => Stop::ContextFull,
        "refusal" | "content_filter" => Stop::Refusal(Refusal {
            category: details.and_then(|details| own(&details.category)),
            explanation: details.and_then(|details| own(&details.explanation)),
        }),
        "pause_turn" => Stop::Pause,
        "tool_use" | "tool_calls" | "function_call" => Stop::ToolUse,
        "stop_sequence" => Stop::Sequence(sequence),
        // `end_turn`, `compaction` and unknown future reasons: the content is there.
        _ => Stop::End,
    }
}

/// The `stop_reason` of this dialect.
pub(super) const fn stop_reason(stop: &Stop) -> &'static str {
    match stop {
        Stop::ContextFull => "model_context_window_exceeded",
        // Which string matched is unknown, but `stop_sequence` would have to name it.
        Stop::End | Stop::Sequence(None) => "end_turn",
        Stop::MaxTokens => "max_tokens",
        Stop::Pause => "pause_turn",
        Stop::Refusal(_) => "refusal",
        Stop::Sequence(Some(_)) => "stop_sequence",
        Stop::ToolUse => "tool_use",
    }
}

pub(super) fn stop_sequence(stop: &Stop) -> Option<&str> {
    match stop {
        Stop::Sequence(sequence) => sequence.as_deref(),
        _ => None,
    }
}

pub(super) fn stop_details(stop: &Stop) -> Option<StopDetailsOut<'_>> {
    match stop {
        Stop::Refusal(refusal) => Some(StopDetailsOut {
            kind: "refusal",
            category: refusal.category.as_deref(),
            explanation: refusal.explanation.as_deref(),
        }),
        _ => None,
    }
}

/// The usage that the upstream states.
pub(super) fn spent(usage: &UsageIn) -> Spent {
    let stated = Stated::from(usage.counts);
    Spent {
        usage: stated.usage,
        extras: stated.extras,
        web_searches: stated.extras.tools.web_searches,
        tier: match usage.service_tier {
            Some("standard") => Some(Tier::Standard),
            Some("priority") => Some(Tier::Priority),
            _ => None,
        },
    }
}

/// The usage in the form of this dialect.
pub(super) fn usage(spent: &Spent) -> UsageOut {
    let usage = &spent.usage;
    UsageOut {
        input_tokens: usage.input,
        cache_creation_input_tokens: usage.cache_write_5m.saturating_add(usage.cache_write_1h),
        cache_read_input_tokens: usage.cache_read,
        cache_creation: CacheCreationOut {
            ephemeral_5m_input_tokens: usage.cache_write_5m,
            ephemeral_1h_input_tokens: usage.cache_write_1h,
        },
        output_tokens: usage.output,
        output_tokens_details: (usage.reasoning > 0).then_some(OutputDetailsOut {
            thinking_tokens: usage.reasoning,
        }),
        server_tool_use: (spent.web_searches > 0).then_some(ServerToolUseOut {
            web_search_requests: spent.web_searches,
        }),
        service_tier: match spent.tier {
            Some(Tier::Priority | Tier::Fast) => Some("priority"),
            Some(Tier::Standard) => Some("standard"),
            _ => None,
        },
    }
}

fn block<'a>(block: &'a Block, context: &Context, losses: &mut Losses) -> Option<BlockOut<'a>> {
    match block {
        Block::Text(text) if text.text.is_empty() => None,
        Block::Text(text) => Some(self::text(text, context)),
        Block::Refusal(text) => Some(plain(text)),
        Block::Reasoning(reasoning) => thinking(reasoning, context),
        Block::ToolCall(call) if !matches!(call.kind, CallKind::Server(_)) => {
            Some(BlockOut::ToolUse {
                id: names::tool_id(&call.id, TOOL_IDS),
                name: Cow::Borrowed(&call.name),
                input: object(match call.kind {
                    CallKind::Freeform => {
                        Cow::Owned(json!({ FREEFORM_FIELD: call.args.raw }).to_string())
                    }
                    CallKind::Function | CallKind::Server(_) => call.args.object(),
                }),
                cache_control: None,
            })
        }
        Block::ToolCall(call) if search::is_search(call) => Some(BlockOut::ServerToolUse {
            id: search::id(&call.id),
            name: search::NAME,
            input: object(search::input(call)),
        }),
        Block::ServerToolResult(result) if result.kind == Hosted::WebSearch => {
            Some(BlockOut::WebSearchToolResult {
                tool_use_id: search::id(&result.call_id),
                content: search::pages(result, context),
            })
        }
        _ => {
            losses.name("answer_content");
            None
        }
    }
}

fn text<'a>(text: &'a Text, context: &Context) -> BlockOut<'a> {
    BlockOut::Text {
        text: Cow::Borrowed(&text.text),
        citations: text
            .citations
            .iter()
            .filter_map(|citation| self::citation(citation, context))
            .collect(),
        cache_control: None,
    }
}

const fn plain(text: &str) -> BlockOut<'_> {
    BlockOut::Text {
        text: Cow::Borrowed(text),
        citations: Vec::new(),
        cache_control: None,
    }
}

/// The citation in the form of a web search's. The `encrypted_index` that Anthropic requires is an envelope that names
/// the vendor.
pub(super) fn citation<'a>(citation: &'a Citation, context: &Context) -> Option<CitationOut<'a>> {
    match citation {
        Citation::Url {
            url,
            title,
            cited_text,
            index,
        } => Some(CitationOut {
            kind: "web_search_result_location",
            url,
            title,
            cited_text,
            encrypted_index: match index {
                Some(index) => Cow::Borrowed(index),
                None => Cow::Owned(opaque::seal(&context.origin.mark())),
            },
        }),
        Citation::Foreign(_) => None,
    }
}

fn thinking<'a>(reasoning: &'a Reasoning, context: &Context) -> Option<BlockOut<'a>> {
    let text = reasoning.text();
    match &reasoning.opaque {
        None if text.is_empty() => None,
        Some(opaque) if text.is_empty() && opaque.vendor != Vendor::Gemini => {
            Some(BlockOut::RedactedThinking {
                data: Cow::Owned(envelope(opaque.clone(), context)),
            })
        }
        opaque => Some(BlockOut::Thinking {
            thinking: Cow::Owned(text),
            signature: Cow::Owned(match opaque {
                Some(opaque) => envelope(opaque.clone(), context),
                None => opaque::seal(&context.origin.mark()),
            }),
        }),
    }
}

/// Seals foreign state for a field that clients of this dialect send back unchanged.
pub(super) fn envelope(opaque: Opaque, context: &Context) -> String {
    opaque::seal(&context.origin.stamp(opaque))
}

/// The arguments as a JSON object.
pub(super) fn object(args: Cow<'_, str>) -> Cow<'_, RawValue> {
    let empty = || Cow::Owned(RawValue::from_string("{}".to_owned()).unwrap_or_default());
    match args {
        Cow::Borrowed(args) => {
            serde_json::from_str::<&RawValue>(args).map_or_else(|_| empty(), Cow::Borrowed)
        }
        Cow::Owned(args) => RawValue::from_string(args).map_or_else(|_| empty(), Cow::Owned),
    }
}

/// The form of ids that clients of this dialect send back.
pub(super) const TOOL_IDS: ToolIds = ToolIds::AtMost(64);
