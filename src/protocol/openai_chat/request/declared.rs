//! Decodes tools and the tool choice in the forms that clients use: nested as in Chat, flat as in Responses, or as
//! functions.
use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::wire::{CacheControlIn, FunctionIn, ToolIn};
use crate::protocol::Dialect;
use crate::protocol::hub::block::{Hosted, Ttl};
use crate::protocol::hub::error::RequestFault;
use crate::protocol::hub::read::{Path, Str, is_string};
use crate::protocol::hub::request::{Freeform, Function, HostedTool, Tool, ToolChoice};

/// Reads `tools`.
pub fn tools(value: &RawValue, path: &Path<'_>) -> Result<Vec<Tool>, RequestFault> {
    let values: Vec<&RawValue> = path.read(value)?;
    let mut tools = Vec::with_capacity(values.len());
    for (index, raw) in values.into_iter().enumerate() {
        let path = path.index(index);
        let tool: ToolIn<'_> = path.read(raw)?;
        let cache = tool.cache_control.as_ref().map(ttl);
        tools.push(match tool.kind.as_deref().unwrap_or("function") {
            "function" => Tool::Function(Function {
                cache,
                ..function(tool.function.unwrap_or(raw), &path)?
            }),
            "custom" => {
                let custom: FunctionIn<'_> = path.read(tool.custom.unwrap_or(raw))?;
                Tool::Freeform(Freeform {
                    name: name(custom.name, &path)?,
                    description: custom.description.map(|text| text.to_owned()),
                    format: custom.format.map(flat),
                })
            }
            kind => Tool::Hosted(HostedTool {
                kind: hosted(kind),
                name: tool
                    .name
                    .map_or_else(|| kind.to_owned(), |name| name.to_owned()),
                dialect: Dialect::OpenaiChat,
                raw: raw.to_owned(),
            }),
        });
    }
    Ok(tools)
}

/// The format of a freeform tool in the form of Responses: Chat nests the grammar one level deeper.
fn flat(format: &RawValue) -> Box<RawValue> {
    let nested: Option<NestedIn<'_>> = serde_json::from_str(format.get()).ok();
    let flat = nested
        .and_then(|format| format.grammar)
        .and_then(|grammar| {
            let members = grammar.get().trim().strip_prefix('{')?;
            RawValue::from_string(format!(r#"{{"type":"grammar",{members}"#)).ok()
        });
    flat.unwrap_or_else(|| format.to_owned())
}

/// A format with a grammar in it.
#[derive(Deserialize)]
struct NestedIn<'a> {
    #[serde(borrow)]
    grammar: Option<&'a RawValue>,
}

/// Reads `functions`.
pub fn functions(value: &RawValue, path: &Path<'_>) -> Result<Vec<Tool>, RequestFault> {
    let values: Vec<&RawValue> = path.read(value)?;
    values
        .into_iter()
        .enumerate()
        .map(|(index, raw)| Ok(Tool::Function(function(raw, &path.index(index))?)))
        .collect()
}

/// The web search that `web_search_options` turns on.
pub fn web_search(value: &RawValue) -> Tool {
    Tool::Hosted(HostedTool {
        kind: Hosted::WebSearch,
        name: "web_search".to_owned(),
        dialect: Dialect::OpenaiChat,
        raw: value.to_owned(),
    })
}

/// Reads `tool_choice` or `function_call`.
pub fn choice(value: &RawValue, path: &Path<'_>) -> Result<ToolChoice, RequestFault> {
    if is_string(value) {
        let mode: Str<'_> = path.read(value)?;
        return match &*mode {
            "auto" => Ok(ToolChoice::Auto),
            "none" => Ok(ToolChoice::None),
            "required" | "any" => Ok(ToolChoice::Any),
            mode => Err(path.fault(format!(
                "`{mode}` is not supported; use `auto`, `none`, `required` or a tool"
            ))),
        };
    }
    let choice: ChoiceIn<'_> = path.read(value)?;
    if let Some(allowed) = choice.allowed_tools {
        let names = allowed
            .tools
            .into_iter()
            .filter_map(ChoiceIn::into_name)
            .collect();
        return Ok(ToolChoice::Allowed {
            required: allowed.mode.as_deref() == Some("required"),
            names,
        });
    }
    choice
        .into_name()
        .map(ToolChoice::Named)
        .ok_or_else(|| path.fault("the name of the tool is missing"))
}

#[derive(Deserialize)]
struct ChoiceIn<'a> {
    #[serde(borrow)]
    function: Option<NameIn<'a>>,
    #[serde(borrow)]
    custom: Option<NameIn<'a>>,
    #[serde(borrow)]
    name: Option<Str<'a>>,
    #[serde(borrow)]
    allowed_tools: Option<AllowedIn<'a>>,
}

#[derive(Deserialize)]
struct NameIn<'a> {
    #[serde(borrow)]
    name: Str<'a>,
}

#[derive(Deserialize)]
struct AllowedIn<'a> {
    #[serde(borrow)]
    mode: Option<Str<'a>>,
    #[serde(borrow)]
    tools: Vec<ChoiceIn<'a>>,
}

impl ChoiceIn<'_> {
    fn into_name(self) -> Option<String> {
        let nested = self.function.or(self.custom).map(|named| named.name);
        nested.or(self.name).map(|name| name.to_owned())
    }
}

fn function(raw: &RawValue, path: &Path<'_>) -> Result<Function, RequestFault> {
    let function: FunctionIn<'_> = path.read(raw)?;
    Ok(Function {
        name: name(function.name, path)?,
        description: function.description.map(|text| text.to_owned()),
        schema: function.parameters.map(ToOwned::to_owned),
        strict: function.strict,
        ..Function::default()
    })
}

fn name(name: Option<Str<'_>>, path: &Path<'_>) -> Result<String, RequestFault> {
    match name {
        Some(name) if !name.is_empty() => Ok(name.to_owned()),
        _ => Err(path.field("function.name").fault("field required")),
    }
}

fn hosted(kind: &str) -> Hosted {
    match kind {
        kind if kind.starts_with("web_search") => Hosted::WebSearch,
        "file_search" => Hosted::FileSearch,
        "code_interpreter" => Hosted::CodeExecution,
        "image_generation" => Hosted::ImageGeneration,
        "mcp" => Hosted::Mcp,
        _ => Hosted::Other,
    }
}

/// The lifetime of a marked part, in the terms of either vendor.
pub(super) fn ttl(control: &CacheControlIn<'_>) -> Ttl {
    match control.ttl.as_deref() {
        Some("5m" | "30m") => Ttl::Short,
        Some("1h" | "12h" | "24h") => Ttl::Long,
        _ => Ttl::Default,
    }
}
