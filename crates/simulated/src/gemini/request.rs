//! Reads generateContent requests.
//!
//! Google reads members in camel case and in snake case, and its own Python SDK sends either.
use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::fault::Failure;
use crate::frames::Framing;
use crate::generation_request::{
    Choice, GenerationRequest, Reasoning, Speaker, Tail, Tool, lenient, read,
};

/// The request whose tokens are asked for: it may be wrapped, and must then name its model.
pub(crate) fn counted(body: &[u8]) -> Result<&[u8], Failure> {
    let Some(wrapped) = read::<Counting<'_>>(body)?.generate_content_request else {
        return Ok(body);
    };
    let body = wrapped.get().as_bytes();
    read::<Named<'_>>(body)?;
    Ok(body)
}

/// Reads a request body; the model and the kind of answer are in the path and the query.
pub(crate) fn parse<'a>(
    body: &'a [u8],
    model: &'a str,
    stream: Option<Framing>,
) -> Result<GenerationRequest<'a>, Failure> {
    let request: Request<'a> = read(body)?;
    let (tail, rounds) = Tail::read(&request.contents, Content::speaker, Content::add);
    let config = request.generation_config.unwrap_or_default();
    Ok(GenerationRequest {
        model: Cow::Borrowed(model),
        stream,
        tail,
        rounds,
        tools: tools(request.tools),
        choice: choice(request.tool_config),
        reasoning: config.thinking_config.map(|thinking| Reasoning {
            visible: thinking.include_thoughts.unwrap_or(false),
            opaque: true,
        }),
        max_output: config.max_output_tokens,
        stops: config.stop_sequences.unwrap_or_default(),
        schema: config.response_json_schema.or(config.response_schema),
        include_usage: true,
        cached: false,
        legacy: false,
    })
}

fn tools(raw: Option<&RawValue>) -> Vec<Tool<'_>> {
    let groups = lenient::<Vec<Group<'_>>>(raw).unwrap_or_default();
    groups
        .into_iter()
        .flat_map(|group| group.function_declarations.unwrap_or_default())
        .map(|function| Tool {
            name: function.name,
            schema: function.parameters_json_schema.or(function.parameters),
            freeform: false,
            namespace: None,
        })
        .collect()
}

fn choice(raw: Option<&RawValue>) -> Choice<'_> {
    let config = lenient::<ToolConfig<'_>>(raw).and_then(|config| config.function_calling_config);
    let Some(config) = config else {
        return Choice::Auto;
    };
    match config.mode.as_ref() {
        "ANY" => match config
            .allowed_function_names
            .and_then(|mut names| names.pop())
        {
            Some(name) => Choice::Named(name),
            None => Choice::Any,
        },
        "NONE" => Choice::None,
        _ => Choice::Auto,
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Counting<'a> {
    #[serde(borrow, alias = "generate_content_request")]
    generate_content_request: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow, rename = "model")]
    _model: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    #[serde(borrow)]
    contents: Vec<Content<'a>>,
    #[serde(borrow, alias = "generation_config")]
    generation_config: Option<Generation<'a>>,
    #[serde(borrow)]
    tools: Option<&'a RawValue>,
    #[serde(borrow, alias = "tool_config")]
    tool_config: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Generation<'a> {
    #[serde(alias = "max_output_tokens")]
    max_output_tokens: Option<u64>,
    #[serde(alias = "stop_sequences")]
    stop_sequences: Option<Vec<String>>,
    #[serde(alias = "thinking_config")]
    thinking_config: Option<Thinking>,
    #[serde(borrow, alias = "response_schema")]
    response_schema: Option<&'a RawValue>,
    #[serde(borrow, alias = "response_json_schema")]
    response_json_schema: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Thinking {
    #[serde(alias = "include_thoughts")]
    include_thoughts: Option<bool>,
}

#[derive(Deserialize)]
struct Content<'a> {
    #[serde(borrow, default)]
    role: Cow<'a, str>,
    #[serde(borrow)]
    parts: Option<&'a RawValue>,
}

impl Content<'_> {
    fn speaker(&self) -> Speaker {
        match self.role.as_ref() {
            "model" => Speaker::Model,
            _ => Speaker::User,
        }
    }

    fn add(tail: &mut Tail, content: &Self) {
        for part in lenient::<Vec<Part<'_>>>(content.parts).unwrap_or_default() {
            tail.add_plain(part.text);
            if let Some(response) = part
                .function_response
                .and_then(|response| response.response)
            {
                tail.add_result(response.get().to_owned());
            }
        }
    }
}

#[derive(Deserialize)]
struct Part<'a> {
    text: Option<String>,
    #[serde(borrow, rename = "functionResponse", alias = "function_response")]
    function_response: Option<FunctionResponse<'a>>,
}

#[derive(Deserialize)]
struct FunctionResponse<'a> {
    #[serde(borrow)]
    response: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Group<'a> {
    #[serde(borrow, alias = "function_declarations")]
    function_declarations: Option<Vec<Function<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Function<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    parameters: Option<&'a RawValue>,
    #[serde(borrow, alias = "parameters_json_schema")]
    parameters_json_schema: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToolConfig<'a> {
    #[serde(borrow, alias = "function_calling_config")]
    function_calling_config: Option<Calling<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Calling<'a> {
    #[serde(borrow, default)]
    mode: Cow<'a, str>,
    #[serde(borrow, alias = "allowed_function_names")]
    allowed_function_names: Option<Vec<Cow<'a, str>>>,
}
