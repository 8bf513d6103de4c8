//! OpenAI's legacy text completions, `POST /v1/completions`.
use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::beat::Beat;
use super::fault::Failure;
use super::frames::{Frames, Framing, write_json};
use super::generation_request::{Choice, GenerationRequest, Tail, lenient, read};
use super::openai_chat::{finish_reason, stops, usage};
use super::plan::Plan;

/// Reads a request body.
pub(super) fn parse(body: &[u8]) -> Result<GenerationRequest<'_>, Failure> {
    let request: Request<'_> = read(body)?;
    let prompts = match lenient::<String>(request.prompt) {
        Some(prompt) => vec![prompt],
        None => lenient(request.prompt).unwrap_or_default(),
    };
    let include_usage = request
        .stream_options
        .and_then(|options| options.include_usage);
    Ok(GenerationRequest {
        model: request.model,
        stream: request.stream.unwrap_or(false).then_some(Framing::Sse),
        tail: Tail::of(prompts),
        rounds: 0,
        tools: Vec::new(),
        choice: Choice::Auto,
        reasoning: None,
        max_output: request.max_tokens,
        stops: stops(request.stop),
        schema: None,
        include_usage: include_usage.unwrap_or(false),
        cached: false,
        legacy: false,
    })
}

/// A whole completion.
pub(super) fn whole(plan: &Plan) -> Bytes {
    let text = plan.text().unwrap_or_default();
    let mut completion = chunk(plan, &text, Some(finish_reason(plan)));
    if let Some(members) = completion.as_object_mut() {
        members.insert("usage".to_owned(), json!(usage_value(plan)));
    }
    let mut out = Vec::with_capacity(512);
    write_json(&mut out, &completion);
    out.into()
}

/// Writes the events of one beat of a stream.
pub(super) fn write(plan: &Plan, beat: Beat<'_>, out: &mut Frames) {
    match beat {
        Beat::Start | Beat::Open(..) | Beat::Close(..) => {}
        Beat::Piece(_, _, text) => out.json(None, &chunk(plan, text, None)),
        Beat::Finish => {
            out.json(None, &chunk(plan, "", Some(finish_reason(plan))));
            if plan.include_usage {
                let mut last = chunk(plan, "", None);
                if let Some(members) = last.as_object_mut() {
                    members.insert("choices".to_owned(), json!([]));
                    members.insert("usage".to_owned(), usage_value(plan));
                }
                out.json(None, &last);
            }
        }
        Beat::End => out.frame(None, |buffer| buffer.extend_from_slice(b"[DONE]")),
    }
}

fn chunk(plan: &Plan, text: &str, finish: Option<&str>) -> Value {
    json!({
        "id": format!("cmpl-{}", plan.id),
        "object": "text_completion",
        "created": plan.created,
        "model": plan.model,
        "choices": [{"text": text, "index": 0, "logprobs": null, "finish_reason": finish}],
    })
}

fn usage_value(plan: &Plan) -> Value {
    serde_json::to_value(usage(&plan.usage)).unwrap_or_default()
}

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    model: Cow<'a, str>,
    #[serde(borrow)]
    prompt: Option<&'a RawValue>,
    max_tokens: Option<u64>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    #[serde(borrow)]
    stop: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct StreamOptions {
    include_usage: Option<bool>,
}
