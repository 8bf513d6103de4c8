//! Tools and the tool choice in the form of this dialect.
use std::borrow::Cow;

use serde_json::value::RawValue;

use super::super::wire::{CacheOut, HostedOut, RequestOut, ToolChoiceOut, ToolOut};
use crate::protocol::hub::block::{Block, Hosted};
use crate::protocol::hub::error::{Losses, RequestFault};
use crate::protocol::hub::names::{self, FREEFORM_FIELD};
use crate::protocol::hub::request::{Function, Request, Tool, ToolChoice};
use crate::protocol::hub::schema;
use crate::protocol::hub::target::Target;
use crate::protocol::models::Traits;

/// Declares the tools of `request`.
pub fn tools<'a>(
    request: &'a Request,
    losses: &mut Losses,
    out: &mut RequestOut<'a>,
) -> Result<(), RequestFault> {
    for (index, tool) in request.tools.iter().enumerate() {
        if let Some(ToolChoice::Allowed { names, .. }) = &request.tool_choice
            && !names.iter().any(|name| name == tool.name())
        {
            continue;
        }
        let path = format!("tools.{index}");
        match tool {
            Tool::Function(function) => out.tools.push(self::function(function, &path, losses)?),
            Tool::Freeform(tool) => {
                if tool.format.is_some() {
                    losses.name("tools.format");
                }
                let hint = tool
                    .format
                    .as_deref()
                    .map_or("the whole input", RawValue::get);
                let schema = serde_json::json!({
                    "type": "object",
                    "properties": { FREEFORM_FIELD: { "type": "string", "description": hint } },
                    "required": [FREEFORM_FIELD],
                });
                out.tools.push(ToolOut::Custom {
                    name: names::tool_name(None, &tool.name),
                    description: tool.description.as_deref(),
                    input_schema: Cow::Owned(raw(schema.to_string())?),
                    strict: None,
                    cache_control: None,
                });
            }
            Tool::Hosted(tool) if tool.kind == Hosted::WebSearch => {
                out.tools.push(ToolOut::Hosted(HostedOut {
                    kind: "web_search_20250305",
                    name: "web_search",
                }));
            }
            Tool::Hosted(tool) => {
                let forced = matches!(&request.tool_choice, Some(ToolChoice::Named(name)) if *name == tool.name);
                if forced || request.tools.len() == 1 {
                    let message = format!(
                        "`{}` is run by its provider, and this upstream cannot run it",
                        tool.name
                    );
                    return Err(RequestFault::new(path, message));
                }
                losses.name("hosted_tools");
            }
        }
    }
    if out.tools.is_empty() {
        declare_used(request, out)?;
    }
    Ok(())
}

fn function<'a>(
    function: &'a Function,
    path: &str,
    losses: &mut Losses,
) -> Result<ToolOut<'a>, RequestFault> {
    let strict = match (function.strict, function.schema.as_deref()) {
        (Some(true), Some(schema)) if schema::suits_openai_strict(schema) => Some(true),
        (Some(true), _) => {
            losses.name("tools.strict");
            None
        }
        _ => None,
    };
    Ok(ToolOut::Custom {
        name: names::tool_name(function.namespace.as_deref(), &function.name),
        description: function.description.as_deref(),
        input_schema: match function.schema.as_deref() {
            Some(schema) => schema::object(schema, path)?,
            None => Cow::Owned(raw(NO_PARAMETERS.to_owned())?),
        },
        strict,
        cache_control: function.cache.map(CacheOut::of),
    })
}

/// Tools that are called in the history must be declared, even if no tool is offered any more.
fn declare_used<'a>(request: &'a Request, out: &mut RequestOut<'a>) -> Result<(), RequestFault> {
    let mut declared: Vec<Cow<'a, str>> = Vec::new();
    for block in request.blocks() {
        let Block::ToolCall(call) = block else {
            continue;
        };
        let name = names::tool_name(call.namespace.as_deref(), &call.name);
        if declared.contains(&name) {
            continue;
        }
        out.tools.push(ToolOut::Custom {
            name: name.clone(),
            description: None,
            input_schema: Cow::Owned(raw(NO_PARAMETERS.to_owned())?),
            strict: None,
            cache_control: None,
        });
        declared.push(name);
    }
    if !declared.is_empty() {
        out.tool_choice = Some(ToolChoiceOut {
            kind: "none",
            name: None,
            disable_parallel_tool_use: None,
        });
    }
    Ok(())
}

/// Sets which tools may or must be called.
pub fn tool_choice<'a>(
    request: &'a Request,
    target: &Target<'_>,
    losses: &mut Losses,
    out: &mut RequestOut<'a>,
) -> Result<(), RequestFault> {
    if out.tools.is_empty() || out.tool_choice.is_some() {
        return Ok(());
    }
    let (kind, name) = match &request.tool_choice {
        None => (None, None),
        Some(
            ToolChoice::Auto
            | ToolChoice::Allowed {
                required: false, ..
            },
        ) => (Some("auto"), None),
        Some(ToolChoice::Any | ToolChoice::Allowed { required: true, .. }) => (Some("any"), None),
        Some(ToolChoice::None) => (Some("none"), None),
        Some(ToolChoice::Named(name)) => (Some("tool"), Some(named(request, name))),
    };
    if matches!(kind, Some("any" | "tool")) && !target.capabilities.traits.has(Traits::FORCED_TOOLS)
    {
        let message = format!(
            "`{}` cannot be forced to call a tool; use `auto`",
            target.model
        );
        return Err(RequestFault::new("tool_choice", message).of_model());
    }
    let alone = (request.parallel_tools == Some(false) && kind != Some("none")).then_some(true);
    if kind.is_some() || alone.is_some() {
        out.tool_choice = Some(ToolChoiceOut {
            kind: kind.unwrap_or("auto"),
            name,
            disable_parallel_tool_use: alone,
        });
    }
    if request.parallel_tools == Some(false) && kind == Some("none") {
        losses.omit("parallel_tool_calls");
    }
    Ok(())
}

fn named<'a>(request: &Request, name: &'a str) -> Cow<'a, str> {
    let tool = request.tools.iter().find(|tool| tool.name() == name);
    let namespace = match tool {
        Some(Tool::Function(function)) => function.namespace.as_deref(),
        Some(Tool::Hosted(tool)) if tool.kind == Hosted::WebSearch => {
            return Cow::Borrowed("web_search");
        }
        _ => None,
    };
    names::tool_name(namespace, name)
}

fn raw(json: String) -> Result<Box<RawValue>, RequestFault> {
    RawValue::from_string(json).map_err(|error| RequestFault::new("tools", error.to_string()))
}

/// The schema of a tool without parameters: this dialect requires one.
const NO_PARAMETERS: &str = r#"{"type":"object","properties":{}}"#;
