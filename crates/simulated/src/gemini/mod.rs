//! Gemini generateContent: reads its requests, writes its answers and its streams.
//!
//! <https://ai.google.dev/api/generate-content>
mod request;

use std::fmt::Write as _;

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};

use super::beat::Beat;
use super::fault::Failure;
use super::frames::{Frames, write_json};
use super::ids::{id, opaque};
use super::plan::{Block, Call, Plan, Stop};
use crate::dialect::Dialect;
use crate::usage::Usage;

pub(super) use self::request::{counted, parse};

/// A whole response.
pub(super) fn whole(plan: &Plan) -> Bytes {
    let mut parts: Vec<Part<'_>> = Vec::new();
    for block in &plan.blocks {
        match block {
            Block::Call(call) => parts.push(Part::call(plan, call)),
            Block::Reasoning { text, .. } if text.is_empty() => {}
            Block::Reasoning { text, .. } => parts.push(Part::thought(text)),
            Block::Refusal(text) | Block::Text(text) => parts.push(Part::text(text)),
        }
    }
    if let (Some(signature), Some(part)) = (text_signature(plan), parts.last_mut()) {
        part.thought_signature = Some(signature);
    }
    let mut out = Vec::with_capacity(1024);
    write_chunk(&mut out, &chunk(plan, parts, true));
    out.into()
}

/// Writes the events of one beat of a stream.
pub(super) fn write(plan: &Plan, beat: Beat<'_>, out: &mut Frames) {
    let parts = match beat {
        Beat::Piece(_, Block::Reasoning { .. }, text) => vec![Part::thought(text)],
        Beat::Piece(_, Block::Refusal(_) | Block::Text(_), text) => vec![Part::text(text)],
        // Calls arrive whole.
        Beat::Close(_, Block::Call(call)) => vec![Part::call(plan, call)],
        Beat::End => {
            let mut part = Part::text("");
            part.thought_signature = text_signature(plan);
            vec![part]
        }
        _ => return,
    };
    let last = matches!(beat, Beat::End);
    out.frame(None, |buffer| {
        write_chunk(buffer, &chunk(plan, parts, last));
    });
}

/// The error that ends a stream.
pub(super) fn fail(failure: &Failure, out: &mut Frames) {
    let status = failure.fault.status(Dialect::Gemini);
    out.json(None, &failure.body(Dialect::Gemini, status, ""));
}

/// The answer of `:countTokens`.
pub(super) fn count(total: u64) -> Value {
    json!({
        "totalTokens": total,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": total}],
    })
}

/// Writes JSON without the line separators at which Google's SDK cuts lines even inside strings.
fn write_chunk(buffer: &mut Vec<u8>, value: &impl Serialize) {
    let start = buffer.len();
    write_json(buffer, value);
    let written = buffer.get(start..).unwrap_or_default();
    if memchr::memchr2(0xC2, 0xE2, written).is_none() {
        return;
    }
    let text = String::from_utf8_lossy(written);
    if text.contains(SEPARATORS) {
        let mut escaped = String::with_capacity(text.len() + 16);
        for c in text.chars() {
            if SEPARATORS.contains(&c) {
                let _ = write!(escaped, "\\u{:04x}", u32::from(c));
            } else {
                escaped.push(c);
            }
        }
        buffer.truncate(start);
        buffer.extend_from_slice(escaped.as_bytes());
    }
}

fn chunk<'a>(plan: &'a Plan, parts: Vec<Part<'a>>, last: bool) -> Chunk<'a> {
    let finish_reason = last.then_some(match plan.stop {
        Stop::Calls | Stop::End | Stop::Sequence(_) => "STOP",
        Stop::Length => "MAX_TOKENS",
        Stop::Refusal => "SAFETY",
    });
    Chunk {
        candidates: [Candidate {
            content: Content {
                role: "model",
                parts,
            },
            finish_reason,
            index: 0,
        }],
        usage_metadata: WireUsage::new(&plan.usage, last),
        model_version: &plan.model,
        response_id: &plan.id,
    }
}

/// Where there is no call to carry it, the signature sits on the last part.
fn text_signature(plan: &Plan) -> Option<String> {
    let reasons = plan
        .blocks
        .iter()
        .any(|block| matches!(block, Block::Reasoning { .. }));
    (reasons && plan.calls().next().is_none()).then(|| opaque("Cs", plan.number, 0))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Chunk<'a> {
    candidates: [Candidate<'a>; 1],
    usage_metadata: WireUsage,
    model_version: &'a str,
    response_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Candidate<'a> {
    content: Content<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finish_reason: Option<&'static str>,
    index: u64,
}

#[derive(Serialize)]
struct Content<'a> {
    role: &'static str,
    parts: Vec<Part<'a>>,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Part<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thought: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_call: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thought_signature: Option<String>,
}

impl<'a> Part<'a> {
    fn text(text: &'a str) -> Self {
        Self {
            text: Some(text),
            ..Self::default()
        }
    }

    fn thought(text: &'a str) -> Self {
        Self {
            text: Some(text),
            thought: Some(true),
            ..Self::default()
        }
    }

    fn call(plan: &Plan, call: &Call) -> Self {
        let args: Value = serde_json::from_str(&call.arguments).unwrap_or_else(|_| json!({}));
        let id = id("", plan.number, call.slot as u64 + 1);
        Self {
            function_call: Some(json!({"id": id, "name": call.name, "args": args})),
            // Of parallel calls only the first has one.
            thought_signature: (call.slot == 0).then(|| opaque("Cs", plan.number, 0)),
            ..Self::default()
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "Google's names")]
struct WireUsage {
    prompt_token_count: u64,
    #[serde(skip_serializing_if = "is_zero")]
    cached_content_token_count: u64,
    /// Absent until the answer is whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    candidates_token_count: Option<u64>,
    #[serde(skip_serializing_if = "is_zero")]
    thoughts_token_count: u64,
    total_token_count: u64,
}

impl WireUsage {
    fn new(usage: &Usage, last: bool) -> Self {
        let thoughts = if last { usage.reasoning } else { 0 };
        Self {
            prompt_token_count: usage.prompt(),
            cached_content_token_count: usage.cache_read,
            candidates_token_count: last.then(|| usage.output.saturating_sub(usage.reasoning)),
            thoughts_token_count: thoughts,
            total_token_count: if last { usage.total() } else { usage.prompt() },
        }
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// U+2028, U+2029 and NEL.
const SEPARATORS: [char; 3] = ['\u{2028}', '\u{2029}', '\u{85}'];
