//! Tools and the choice among them, as Chat declares them.
use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::json;
use serde_json::value::RawValue;

use super::super::wire::{
    AllowedOut, ChoiceOut, CustomOut, EmptyOut, FunctionOut, NameOut, RequestOut, ToolOut,
};
use crate::protocol::hub::block::{Block, Hosted};
use crate::protocol::hub::error::{Losses, RequestFault};
use crate::protocol::hub::names::{self, FREEFORM_FIELD};
use crate::protocol::hub::request::{Function, HostedTool, Request, Tool, ToolChoice};
use crate::protocol::hub::schema;
use crate::protocol::hub::target::{Target, Vintage};

/// Declares the tools of `request` and says which of them may or must be called.
pub fn encode<'a>(
    request: &'a Request,
    target: &Target<'a>,
    losses: &mut Losses,
    out: &mut RequestOut<'a>,
) -> Result<(), RequestFault> {
    let loaded = loaded(request);
    // Whose search the provider would run finds nothing here: everything is offered.
    let searched = request
        .tools
        .iter()
        .any(|tool| matches!(tool, Tool::Hosted(tool) if tool.kind == Hosted::ToolSearch));
    let allowed = allowed(request, target);
    for (index, tool) in request.tools.iter().enumerate() {
        if allowed.is_some_and(|names| !names.iter().any(|name| name == tool.name())) {
            continue;
        }
        let path = format!("tools.{index}");
        match tool {
            Tool::Function(function)
                if function.deferred && !searched && !loaded.contains(function.name.as_str()) =>
            {
                losses.omit("deferred_tools");
            }
            Tool::Function(function) => out.tools.push(self::function(function, &path, losses)?),
            Tool::Freeform(tool) if target.takes_freeform() => out.tools.push(ToolOut::Custom {
                custom: CustomOut {
                    name: names::tool_name(None, &tool.name),
                    description: tool.description.as_deref(),
                    format: tool.format.as_deref(),
                },
            }),
            Tool::Freeform(tool) => {
                if tool.format.is_some() {
                    losses.name("tools.format");
                }
                let hint = tool
                    .format
                    .as_deref()
                    .map_or("the whole input", RawValue::get);
                out.tools.push(ToolOut::Function {
                    function: FunctionOut {
                        name: names::tool_name(None, &tool.name),
                        description: tool.description.as_deref().map(Cow::Borrowed),
                        parameters: raw(&json!({
                            "type": "object",
                            "properties": { FREEFORM_FIELD: { "type": "string", "description": hint } },
                            "required": [FREEFORM_FIELD],
                        })),
                        strict: None,
                    },
                });
            }
            Tool::Hosted(tool) => hosted(tool, request, target, losses, out, &path)?,
        }
    }
    choice(request, target, out);
    if target.quirks.vintage == Vintage::Functions {
        make_legacy(out, losses);
    }
    Ok(())
}

/// Names of deferred tools that the conversation has loaded.
fn loaded(request: &Request) -> HashSet<&str> {
    let results = request.blocks().filter_map(|block| match block {
        Block::ToolResult(result) => Some(&result.blocks),
        _ => None,
    });
    results
        .flatten()
        .filter_map(|block| match block {
            Block::ToolReference(name) => Some(name.as_str()),
            _ => None,
        })
        .collect()
}

/// The set that tools are filtered by where the target has no such choice.
fn allowed<'r>(request: &'r Request, target: &Target<'_>) -> Option<&'r [String]> {
    match &request.tool_choice {
        Some(ToolChoice::Allowed { names, .. }) if !target.quirks.openai_fields => Some(names),
        _ => None,
    }
}

fn function<'a>(
    function: &'a Function,
    path: &str,
    losses: &mut Losses,
) -> Result<ToolOut<'a>, RequestFault> {
    let schema = function.schema.as_deref();
    let strict = match (function.strict, schema) {
        (Some(true), Some(schema)) if schema::suits_openai_strict(schema) => Some(true),
        (Some(true), _) => {
            losses.name("tools.strict");
            None
        }
        _ => None,
    };
    if function.cache.is_some() {
        losses.omit("cache_control");
    }
    if function.examples.is_some() {
        losses.name("tools.input_examples");
    }
    Ok(ToolOut::Function {
        function: FunctionOut {
            name: names::tool_name(function.namespace.as_deref(), &function.name),
            description: function.description.as_deref().map(Cow::Borrowed),
            parameters: match schema {
                Some(schema) => Some(schema::portable(schema, path)?),
                None => None,
            },
            strict,
        },
    })
}

/// A tool of the vendor's own. Those that the client executes become functions; one that is merely offered beside others is left
/// out (agents always offer web search); one that is wanted is translated or refused, because leaving it out would answer a
/// search without searching.
fn hosted<'a>(
    tool: &'a HostedTool,
    request: &Request,
    target: &Target<'_>,
    losses: &mut Losses,
    out: &mut RequestOut<'a>,
    path: &str,
) -> Result<(), RequestFault> {
    if let Some((description, schema)) = client_executed(tool.kind) {
        out.tools.push(ToolOut::Function {
            function: FunctionOut {
                name: names::tool_name(None, &tool.name),
                description: Some(Cow::Borrowed(description)),
                parameters: raw(&schema),
                strict: None,
            },
        });
        return Ok(());
    }
    let wanted = request.tools.len() == 1
        || matches!(&request.tool_choice, Some(ToolChoice::Named(name)) if *name == tool.name);
    let searches = tool.kind == Hosted::WebSearch && target.model.contains("search");
    if searches {
        out.web_search_options = Some(EmptyOut {});
    } else if wanted {
        return Err(RequestFault::new(
            path,
            format!(
                "`{}` is run by its provider, and this upstream cannot run it; route it to one that can",
                tool.name
            ),
        ));
    } else {
        losses.name("hosted_tools");
    }
    Ok(())
}

/// Tools that Anthropic defines and the client runs: to any other model they are functions with this schema.
fn client_executed(kind: Hosted) -> Option<(&'static str, serde_json::Value)> {
    match kind {
        Hosted::Bash => Some((
            "Run a command in a persistent bash session.",
            json!({
                "type": "object",
                "properties": {
                    "command": { "type": "string", "description": "The command to run." },
                    "restart": { "type": "boolean", "description": "Restart the session instead." },
                },
            }),
        )),
        Hosted::TextEditor => Some((
            "View, create and edit text files.",
            json!({
                "type": "object",
                "properties": {
                    "command": { "type": "string", "enum": ["view", "create", "str_replace", "insert"] },
                    "path": { "type": "string" },
                    "file_text": { "type": "string", "description": "For `create`: the whole text." },
                    "old_str": { "type": "string", "description": "For `str_replace`: occurs exactly once." },
                    "new_str": { "type": "string", "description": "For `str_replace`." },
                    "insert_line": { "type": "integer", "description": "For `insert`: after this line; 0 = at the top." },
                    "insert_text": { "type": "string", "description": "For `insert`." },
                    "view_range": { "type": "array", "items": { "type": "integer" }, "description": "For `view`: first and last line." },
                },
                "required": ["command", "path"],
            }),
        )),
        Hosted::Memory => Some((
            "Keep notes in files under /memories.",
            json!({
                "type": "object",
                "properties": {
                    "command": { "type": "string", "enum": ["view", "create", "str_replace", "insert", "delete", "rename"] },
                    "path": { "type": "string" },
                    "file_text": { "type": "string" },
                    "old_str": { "type": "string" },
                    "new_str": { "type": "string" },
                    "insert_line": { "type": "integer" },
                    "insert_text": { "type": "string" },
                    "old_path": { "type": "string" },
                    "new_path": { "type": "string" },
                    "view_range": { "type": "array", "items": { "type": "integer" } },
                },
                "required": ["command"],
            }),
        )),
        _ => None,
    }
}

fn raw(value: &serde_json::Value) -> Option<Cow<'static, RawValue>> {
    serde_json::value::to_raw_value(value).ok().map(Cow::Owned)
}

/// A choice without tools is left out: OpenAI refuses it.
fn choice<'a>(request: &'a Request, target: &Target<'_>, out: &mut RequestOut<'a>) {
    if out.tools.is_empty() {
        return;
    }
    out.parallel_tool_calls = request.parallel_tools;
    out.tool_choice = request.tool_choice.as_ref().map(|choice| match choice {
        ToolChoice::Auto => ChoiceOut::Mode("auto"),
        ToolChoice::Any => ChoiceOut::Mode("required"),
        ToolChoice::None => ChoiceOut::Mode("none"),
        ToolChoice::Named(name) => named(request, target, name),
        ToolChoice::Allowed { required, names } => {
            let mode = if *required { "required" } else { "auto" };
            if target.quirks.openai_fields {
                let tools = names
                    .iter()
                    .map(|name| named(request, target, name))
                    .collect();
                ChoiceOut::Allowed {
                    kind: "allowed_tools",
                    allowed_tools: AllowedOut { mode, tools },
                }
            } else {
                ChoiceOut::Mode(mode)
            }
        }
    });
}

fn named<'a>(request: &'a Request, target: &Target<'_>, name: &'a str) -> ChoiceOut<'a> {
    let tool = request.tools.iter().find(|tool| tool.name() == name);
    let namespace = match tool {
        Some(Tool::Function(function)) => function.namespace.as_deref(),
        _ => None,
    };
    let name = NameOut {
        name: names::tool_name(namespace, name),
    };
    if matches!(tool, Some(Tool::Freeform(_))) && target.takes_freeform() {
        ChoiceOut::Custom {
            kind: "custom",
            custom: name,
        }
    } else {
        ChoiceOut::Function {
            kind: "function",
            function: name,
        }
    }
}

/// The same in the terms of before tools, which had one call at a time and could not be made to call whatever.
fn make_legacy(out: &mut RequestOut<'_>, losses: &mut Losses) {
    let tools = std::mem::take(&mut out.tools).into_iter();
    out.functions = tools
        .filter_map(|tool| match tool {
            ToolOut::Function { function } => Some(FunctionOut {
                strict: None,
                ..function
            }),
            ToolOut::Custom { .. } => None,
        })
        .collect();
    out.parallel_tool_calls = None;
    out.function_call = match out.tool_choice.take() {
        Some(ChoiceOut::Function { function, .. }) => Some(ChoiceOut::Name(function)),
        Some(ChoiceOut::Mode("required")) => {
            losses.name("tool_choice");
            Some(ChoiceOut::Mode("auto"))
        }
        Some(ChoiceOut::Mode(mode)) => Some(ChoiceOut::Mode(mode)),
        _ => None,
    };
}
