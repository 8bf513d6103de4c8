//! OpenAI Chat Completions: reads its requests, writes its answers and its streams.
//!
//! <https://platform.openai.com/docs/api-reference/chat-streaming>
mod request;

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};

use super::beat::Beat;
use super::fault::Failure;
use super::frames::{Frames, write_json};
use super::ids::id;
use super::plan::{Block, Call, Plan, Stop};
use crate::dialect::Dialect;
use crate::usage::Usage;

pub(super) use self::request::{parse, stops};

/// A whole completion.
pub(super) fn whole(plan: &Plan) -> Bytes {
    let (mut reasoning, mut refusal) = (None, None);
    for block in &plan.blocks {
        match block {
            Block::Reasoning { text, .. } => reasoning = Some(text.as_str()),
            Block::Refusal(text) => refusal = Some(text.as_str()),
            Block::Call(_) | Block::Text(_) => {}
        }
    }
    let calls: Vec<_> = plan.calls().map(|call| whole_call(plan, call)).collect();
    let (tool_calls, function_call) = match calls.first() {
        Some(first) if plan.legacy => (None, first.get("function").cloned()),
        Some(_) => (Some(calls), None),
        None => (None, None),
    };
    let completion = Completion {
        id: format!("chatcmpl-{}", plan.id),
        object: "chat.completion",
        created: plan.created,
        model: &plan.model,
        choices: [Choice0 {
            index: 0,
            message: Some(WholeMessage {
                role: "assistant",
                content: plan.text(),
                refusal,
                reasoning_content: reasoning,
                tool_calls,
                function_call,
            }),
            logprobs: (),
            finish_reason: finish_reason(plan),
        }],
        usage: WireUsage::new(&plan.usage),
        service_tier: "default",
        system_fingerprint: FINGERPRINT,
    };
    let mut out = Vec::with_capacity(1024);
    write_json(&mut out, &completion);
    out.into()
}

/// What the stream remembers: what all its chunks begin with.
#[derive(Debug)]
pub(super) struct Writer {
    head: String,
    /// `,"usage":null` where the last chunk will have one.
    no_usage: &'static str,
}

impl Writer {
    pub(super) fn new(plan: &Plan) -> Self {
        let head = json!({
            "id": format!("chatcmpl-{}", plan.id),
            "object": "chat.completion.chunk",
            "created": plan.created,
            "model": plan.model,
            "service_tier": "default",
            "system_fingerprint": FINGERPRINT,
        });
        let mut head = head.to_string();
        // Left open, for each chunk to go on.
        head.pop();
        Self {
            head,
            no_usage: if plan.include_usage {
                r#","usage":null"#
            } else {
                ""
            },
        }
    }

    pub(super) fn write(&mut self, plan: &Plan, beat: Beat<'_>, out: &mut Frames) {
        match beat {
            Beat::Start => self.delta(
                &json!({"role": "assistant", "content": "", "refusal": null}),
                out,
            ),
            Beat::Open(_, Block::Call(call)) => self.delta(&opening(plan, call), out),
            Beat::Open(..) | Beat::Close(..) => {}
            Beat::Piece(_, block, text) => match block {
                Block::Call(call) if plan.legacy => {
                    self.delta(&json!({"function_call": {"arguments": text}}), out);
                }
                Block::Call(call) => {
                    let field = if call.freeform { "input" } else { "arguments" };
                    let kind = if call.freeform { "custom" } else { "function" };
                    self.delta(
                        &json!({"tool_calls": [{"index": call.slot, kind: {field: text}}]}),
                        out,
                    );
                }
                Block::Reasoning { .. } => self.delta(&Delta::Reasoning(text), out),
                Block::Refusal(_) => self.delta(&Delta::Refusal(text), out),
                Block::Text(_) => self.delta(&Delta::Content(text), out),
            },
            Beat::Finish => {
                self.chunk(&json!({}), Some(finish_reason(plan)), out);
                if plan.include_usage {
                    out.frame(None, |buffer| {
                        buffer.extend_from_slice(self.head.as_bytes());
                        buffer.extend_from_slice(br#","choices":[],"usage":"#);
                        write_json(buffer, &WireUsage::new(&plan.usage));
                        buffer.extend_from_slice(b"}");
                    });
                }
            }
            Beat::End => out.frame(None, |buffer| buffer.extend_from_slice(b"[DONE]")),
        }
    }

    fn delta(&self, delta: &impl Serialize, out: &mut Frames) {
        self.chunk(delta, None, out);
    }

    fn chunk(&self, delta: &impl Serialize, finish: Option<&str>, out: &mut Frames) {
        out.frame(None, |buffer| {
            buffer.extend_from_slice(self.head.as_bytes());
            buffer.extend_from_slice(br#","choices":[{"index":0,"delta":"#);
            write_json(buffer, delta);
            buffer.extend_from_slice(br#","logprobs":null,"finish_reason":"#);
            write_json(buffer, &finish);
            buffer.extend_from_slice(b"}]");
            buffer.extend_from_slice(self.no_usage.as_bytes());
            buffer.extend_from_slice(b"}");
        });
    }
}

/// The error that a stream of this dialect knows: data with a top-level `error`.
pub(super) fn fail(failure: &Failure, out: &mut Frames) {
    out.json(None, &failure.body(Dialect::OpenaiChat, 200, ""));
}

/// The usage object of Chat and of text completions.
pub(super) fn usage(usage: &Usage) -> impl Serialize {
    WireUsage::new(usage)
}

pub(super) fn finish_reason(plan: &Plan) -> &'static str {
    match plan.stop {
        Stop::Calls if plan.legacy => "function_call",
        Stop::Calls => "tool_calls",
        Stop::End | Stop::Refusal | Stop::Sequence(_) => "stop",
        Stop::Length => "length",
    }
}

fn whole_call(plan: &Plan, call: &Call) -> Value {
    let id = call_id(plan, call);
    if call.freeform {
        return json!({"id": id, "type": "custom", "custom": {"name": call.name, "input": call.arguments}});
    }
    json!({"id": id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}})
}

/// The first fragment of a call: the only one with its id, type and name, which accumulators concatenate.
fn opening(plan: &Plan, call: &Call) -> Value {
    if plan.legacy {
        return json!({"function_call": {"name": call.name, "arguments": ""}});
    }
    let id = call_id(plan, call);
    if call.freeform {
        return json!({"tool_calls": [{"index": call.slot, "id": id, "type": "custom",
                                      "custom": {"name": call.name, "input": ""}}]});
    }
    json!({"tool_calls": [{"index": call.slot, "id": id, "type": "function",
                           "function": {"name": call.name, "arguments": ""}}]})
}

fn call_id(plan: &Plan, call: &Call) -> String {
    id("call_", plan.number, call.slot as u64)
}

#[derive(Serialize)]
struct Completion<'a> {
    id: String,
    object: &'static str,
    created: i64,
    model: &'a str,
    choices: [Choice0<'a>; 1],
    usage: WireUsage,
    service_tier: &'static str,
    system_fingerprint: &'static str,
}

#[derive(Serialize)]
struct Choice0<'a> {
    index: usize,
    message: Option<WholeMessage<'a>>,
    logprobs: (),
    finish_reason: &'static str,
}

#[derive(Serialize)]
struct WholeMessage<'a> {
    role: &'static str,
    content: Option<String>,
    refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<Vec<Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_call: Option<Value>,
}

#[derive(Serialize)]
enum Delta<'a> {
    #[serde(rename = "content")]
    Content(&'a str),
    #[serde(rename = "reasoning_content")]
    Reasoning(&'a str),
    #[serde(rename = "refusal")]
    Refusal(&'a str),
}

#[derive(Serialize)]
struct WireUsage {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    prompt_tokens_details: PromptDetails,
    completion_tokens_details: CompletionDetails,
}

#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "OpenAI's names")]
struct PromptDetails {
    cached_tokens: u64,
    cache_write_tokens: u64,
    audio_tokens: u64,
}

#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "OpenAI's names")]
struct CompletionDetails {
    reasoning_tokens: u64,
    audio_tokens: u64,
    accepted_prediction_tokens: u64,
    rejected_prediction_tokens: u64,
}

impl WireUsage {
    fn new(usage: &Usage) -> Self {
        Self {
            prompt_tokens: usage.prompt(),
            completion_tokens: usage.output,
            total_tokens: usage.total(),
            prompt_tokens_details: PromptDetails {
                cached_tokens: usage.cache_read,
                cache_write_tokens: usage.cache_write_5m + usage.cache_write_1h,
                audio_tokens: 0,
            },
            completion_tokens_details: CompletionDetails {
                reasoning_tokens: usage.reasoning,
                audio_tokens: 0,
                accepted_prediction_tokens: 0,
                rejected_prediction_tokens: 0,
            },
        }
    }
}

const FINGERPRINT: &str = "fp_simulated";
