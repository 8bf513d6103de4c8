//! Reads Messages requests.
use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::fault::Failure;
use crate::frames::Framing;
use crate::generation_request::{
    Choice, GenerationRequest, Part, Parts, Reasoning, Speaker, Tail, Tool, invalid, lenient,
    parts, read, result_text,
};

/// Reads a request body.
pub(crate) fn parse<'a>(
    body: &'a [u8],
    version: &str,
    counting: bool,
) -> Result<GenerationRequest<'a>, Failure> {
    let request: Request<'a> = read(body)?;
    if request.max_tokens.is_none() && !counting {
        return Err(invalid("max_tokens: Field required"));
    }
    let sampling =
        request.temperature.is_some() || request.top_p.is_some() || request.top_k.is_some();
    if version >= WITHOUT_SAMPLING && sampling {
        return Err(invalid(
            "`temperature`, `top_p` and `top_k` are not supported in this API version",
        ));
    }
    let (tail, rounds) = Tail::read(&request.messages, Message::speaker, Message::add);
    let schema = lenient::<OutputConfig<'a>>(request.output_config)
        .and_then(|config| config.format)
        .and_then(|format| format.schema);
    let cached = memchr::memmem::find(body, b"\"cache_control\"").is_some();
    Ok(GenerationRequest {
        model: request.model,
        stream: request.stream.unwrap_or(false).then_some(Framing::Sse),
        tail,
        rounds,
        choice: choice(request.tool_choice),
        tools: tools(request.tools),
        reasoning: reasoning(request.thinking),
        max_output: request.max_tokens,
        stops: request.stop_sequences.unwrap_or_default(),
        schema,
        include_usage: true,
        cached,
        legacy: false,
    })
}

fn reasoning(raw: Option<&RawValue>) -> Option<Reasoning> {
    let thinking = lenient::<Thinking<'_>>(raw)?;
    (thinking.kind != "disabled").then(|| Reasoning {
        visible: thinking.display != "omitted",
        opaque: true,
    })
}

fn tools(raw: Option<&RawValue>) -> Vec<Tool<'_>> {
    let tools = lenient::<Vec<WireTool<'_>>>(raw).unwrap_or_default();
    // A tool without a schema is run by the vendor, not by the client.
    tools
        .into_iter()
        .filter(|tool| tool.input_schema.is_some())
        .map(|tool| Tool {
            name: tool.name,
            schema: tool.input_schema,
            freeform: false,
            namespace: None,
        })
        .collect()
}

fn choice(raw: Option<&RawValue>) -> Choice<'_> {
    match lenient::<WireChoice<'_>>(raw) {
        Some(WireChoice {
            kind,
            name: Some(name),
        }) if kind == "tool" => Choice::Named(name),
        Some(choice) if choice.kind == "any" => Choice::Any,
        Some(choice) if choice.kind == "none" => Choice::None,
        _ => Choice::Auto,
    }
}

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    model: Cow<'a, str>,
    #[serde(borrow)]
    messages: Vec<Message<'a>>,
    max_tokens: Option<u64>,
    stream: Option<bool>,
    stop_sequences: Option<Vec<String>>,
    temperature: Option<f64>,
    top_p: Option<f64>,
    top_k: Option<f64>,
    #[serde(borrow)]
    thinking: Option<&'a RawValue>,
    #[serde(borrow)]
    tools: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_choice: Option<&'a RawValue>,
    #[serde(borrow)]
    output_config: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    role: Cow<'a, str>,
    #[serde(borrow)]
    content: &'a RawValue,
}

impl Message<'_> {
    fn speaker(&self) -> Speaker {
        match self.role.as_ref() {
            "assistant" => Speaker::Model,
            "user" => Speaker::User,
            _ => Speaker::Other,
        }
    }

    fn add(tail: &mut Tail, message: &Self) {
        match parts(message.content) {
            Parts::Text(text) => tail.add_plain(Some(text)),
            Parts::Neither => {}
            Parts::Array(parts) => {
                for Part {
                    kind,
                    text,
                    content,
                } in parts
                {
                    if kind == "tool_result" {
                        tail.add_result(result_text(content));
                    }
                    tail.add_plain(text);
                }
            }
        }
    }
}

#[derive(Deserialize)]
struct Thinking<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    display: Cow<'a, str>,
}

#[derive(Deserialize)]
struct OutputConfig<'a> {
    #[serde(borrow)]
    format: Option<Format<'a>>,
}

#[derive(Deserialize)]
struct Format<'a> {
    #[serde(borrow)]
    schema: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct WireTool<'a> {
    #[serde(borrow, default)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    input_schema: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct WireChoice<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
}

/// From this version of the API on, sampling parameters are refused.
const WITHOUT_SAMPLING: &str = "2026-10-21";
