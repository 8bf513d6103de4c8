//! Reads Chat Completions requests.
use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::fault::Failure;
use crate::frames::Framing;
use crate::generation_request::{
    Choice, GenerationRequest, Reasoning, Speaker, Tail, Tool, lenient, read, result_text,
};

/// Reads a request body.
pub(crate) fn parse(body: &[u8]) -> Result<GenerationRequest<'_>, Failure> {
    let request: Request<'_> = read(body)?;
    let (tail, rounds) = Tail::read(&request.messages, Message::speaker, Message::add);
    let legacy = request.functions.is_some();
    let schema = lenient::<Format<'_>>(request.response_format)
        .and_then(|format| format.json_schema)
        .and_then(|format| format.schema);
    let effort = request.reasoning_effort.as_deref().unwrap_or("none") != "none";
    let enabled = lenient::<Thinking<'_>>(request.thinking)
        .is_some_and(|thinking| thinking.kind == "enabled");
    let reasons = effort || enabled || request.enable_thinking.unwrap_or(false);
    Ok(GenerationRequest {
        model: request.model,
        stream: request.stream.unwrap_or(false).then_some(Framing::Sse),
        tail,
        rounds,
        tools: if legacy {
            functions(request.functions)
        } else {
            tools(request.tools)
        },
        choice: choice(request.tool_choice.or(request.function_call)),
        reasoning: reasons.then_some(Reasoning {
            visible: true,
            opaque: false,
        }),
        max_output: request.max_completion_tokens.or(request.max_tokens),
        stops: stops(request.stop),
        schema,
        include_usage: request
            .stream_options
            .and_then(|options| options.include_usage)
            .unwrap_or(false),
        cached: false,
        legacy,
    })
}

/// `stop`: a string or an array of strings.
pub(crate) fn stops(raw: Option<&RawValue>) -> Vec<String> {
    match lenient::<String>(raw) {
        Some(stop) => vec![stop],
        None => lenient(raw).unwrap_or_default(),
    }
}

fn tools(raw: Option<&RawValue>) -> Vec<Tool<'_>> {
    let tools = lenient::<Vec<WireTool<'_>>>(raw).unwrap_or_default();
    tools
        .into_iter()
        .filter_map(|tool| {
            let freeform = tool.custom.is_some();
            let function = tool.custom.or(tool.function)?;
            Some(Tool {
                name: function.name,
                schema: function.parameters,
                freeform,
                namespace: None,
            })
        })
        .collect()
}

fn functions(raw: Option<&RawValue>) -> Vec<Tool<'_>> {
    let functions = lenient::<Vec<Function<'_>>>(raw).unwrap_or_default();
    functions
        .into_iter()
        .map(|function| Tool {
            name: function.name,
            schema: function.parameters,
            freeform: false,
            namespace: None,
        })
        .collect()
}

fn choice(raw: Option<&RawValue>) -> Choice<'_> {
    match raw.map_or("", RawValue::get) {
        r#""required""# => Choice::Any,
        r#""none""# => Choice::None,
        _ => {
            let choice = lenient::<WireChoice<'_>>(raw);
            let name = choice.and_then(|choice| {
                choice
                    .name
                    .or(choice.function.or(choice.custom).map(|one| one.name))
            });
            name.map_or(Choice::Auto, Choice::Named)
        }
    }
}

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    model: Cow<'a, str>,
    #[serde(borrow)]
    messages: Vec<Message<'a>>,
    max_tokens: Option<u64>,
    max_completion_tokens: Option<u64>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    #[serde(borrow)]
    stop: Option<&'a RawValue>,
    #[serde(borrow)]
    reasoning_effort: Option<Cow<'a, str>>,
    #[serde(borrow)]
    thinking: Option<&'a RawValue>,
    enable_thinking: Option<bool>,
    #[serde(borrow)]
    tools: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_choice: Option<&'a RawValue>,
    #[serde(borrow)]
    functions: Option<&'a RawValue>,
    #[serde(borrow)]
    function_call: Option<&'a RawValue>,
    #[serde(borrow)]
    response_format: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct StreamOptions {
    include_usage: Option<bool>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    role: Cow<'a, str>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

impl Message<'_> {
    fn speaker(&self) -> Speaker {
        match self.role.as_ref() {
            "assistant" => Speaker::Model,
            "function" | "tool" | "user" => Speaker::User,
            _ => Speaker::Other,
        }
    }

    fn add(tail: &mut Tail, message: &Self) {
        if message.role == "user" {
            if let Some(content) = message.content {
                tail.add_text(content);
            }
        } else {
            tail.add_result(result_text(message.content));
        }
    }
}

#[derive(Deserialize)]
struct Thinking<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Format<'a> {
    #[serde(borrow)]
    json_schema: Option<NamedSchema<'a>>,
}

#[derive(Deserialize)]
struct NamedSchema<'a> {
    #[serde(borrow)]
    schema: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct WireTool<'a> {
    #[serde(borrow)]
    function: Option<Function<'a>>,
    #[serde(borrow)]
    custom: Option<Function<'a>>,
}

#[derive(Deserialize)]
struct WireChoice<'a> {
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    function: Option<Function<'a>>,
    #[serde(borrow)]
    custom: Option<Function<'a>>,
}

#[derive(Deserialize)]
struct Function<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    parameters: Option<&'a RawValue>,
}
