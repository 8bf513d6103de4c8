//! Reads Responses requests.
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
    let (tail, rounds) = if let Some(text) = lenient::<String>(request.input) {
        (Tail::of(vec![text]), 0)
    } else {
        let items: Vec<Item<'_>> = lenient(request.input).unwrap_or_default();
        Tail::read(&items, Item::speaker, Item::add)
    };
    let encrypted = request
        .include
        .unwrap_or_default()
        .iter()
        .any(|member| member == "reasoning.encrypted_content");
    let reasoning = lenient::<WireReasoning<'_>>(request.reasoning).filter(|reasoning| {
        reasoning.effort.as_deref() != Some("none")
            && (reasoning.effort.is_some() || reasoning.summary.is_some())
    });
    let schema = lenient::<TextConfig<'_>>(request.text)
        .and_then(|text| text.format)
        .and_then(|format| format.schema);
    Ok(GenerationRequest {
        model: request.model,
        stream: request.stream.unwrap_or(false).then_some(Framing::Sse),
        tail,
        rounds,
        tools: tools(request.tools),
        choice: choice(request.tool_choice),
        reasoning: reasoning.map(|reasoning| Reasoning {
            visible: reasoning.summary.is_some(),
            opaque: encrypted,
        }),
        max_output: request.max_output_tokens,
        stops: Vec::new(),
        schema,
        include_usage: true,
        cached: false,
        legacy: false,
    })
}

fn tools(raw: Option<&RawValue>) -> Vec<Tool<'_>> {
    let mut tools = Vec::new();
    for tool in lenient::<Vec<WireTool<'_>>>(raw).unwrap_or_default() {
        let nested = lenient::<Vec<WireTool<'_>>>(tool.tools).unwrap_or_default();
        for inner in nested {
            let namespace = tool.name.clone();
            tools.extend(inner.client_side(namespace));
        }
        tools.extend(tool.client_side(None));
    }
    tools
}

fn choice(raw: Option<&RawValue>) -> Choice<'_> {
    match raw.map_or("", RawValue::get) {
        r#""required""# => Choice::Any,
        r#""none""# => Choice::None,
        _ => {
            let choice = lenient::<WireTool<'_>>(raw);
            let name = choice.filter(|choice| choice.kind == "function" || choice.kind == "custom");
            name.and_then(|choice| choice.name)
                .map_or(Choice::Auto, Choice::Named)
        }
    }
}

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    model: Cow<'a, str>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
    max_output_tokens: Option<u64>,
    stream: Option<bool>,
    include: Option<Vec<String>>,
    #[serde(borrow)]
    reasoning: Option<&'a RawValue>,
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    tools: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_choice: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    role: Cow<'a, str>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    output: Option<&'a RawValue>,
}

impl Item<'_> {
    fn speaker(&self) -> Speaker {
        match (self.kind.as_ref(), self.role.as_ref()) {
            ("" | "message", "assistant")
            | ("function_call" | "custom_tool_call" | "reasoning", _) => Speaker::Model,
            ("" | "message", "user") | ("function_call_output" | "custom_tool_call_output", _) => {
                Speaker::User
            }
            _ => Speaker::Other,
        }
    }

    fn add(tail: &mut Tail, item: &Self) {
        if item.kind.ends_with("_output") {
            tail.add_result(result_text(item.output));
        } else if let Some(content) = item.content {
            tail.add_text(content);
        }
    }
}

#[derive(Deserialize)]
struct WireReasoning<'a> {
    #[serde(borrow)]
    effort: Option<Cow<'a, str>>,
    #[serde(borrow)]
    summary: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct TextConfig<'a> {
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
    #[serde(borrow, default, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    parameters: Option<&'a RawValue>,
    /// The members of a namespace.
    #[serde(borrow)]
    tools: Option<&'a RawValue>,
}

impl<'a> WireTool<'a> {
    /// The tool, if it is the client that runs it.
    fn client_side(self, namespace: Option<Cow<'a, str>>) -> Option<Tool<'a>> {
        let freeform = match self.kind.as_ref() {
            "custom" => true,
            "function" => false,
            _ => return None,
        };
        Some(Tool {
            name: self.name?,
            schema: self.parameters,
            freeform,
            namespace,
        })
    }
}
