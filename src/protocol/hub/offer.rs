//! Which tools of a request a target is offered, and in which form.
use std::collections::HashSet;

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::block::{Block, Hosted};
use super::error::{Losses, RequestFault};
use super::names::FREEFORM_FIELD;
use super::request::{Freeform, Function, HostedTool, Request, Tool, ToolChoice};

/// One tool, and its position among the declarations.
#[derive(Debug)]
pub struct Offer<'a> {
    pub index: usize,
    pub tool: Offered<'a>,
}

/// The form in which a tool is offered.
#[derive(Debug)]
pub enum Offered<'a> {
    /// A tool with free text as input; the target has such tools.
    Freeform(&'a Freeform),
    Function(&'a Function),
    /// A tool that the target runs.
    Hosted(&'a HostedTool),
    /// A function that the client did not declare as a function.
    Made {
        name: &'a str,
        description: Option<&'a str>,
        schema: Value,
    },
}

/// What a target supports besides functions.
#[derive(Clone, Copy, Debug)]
pub struct Skills<'a> {
    pub freeform: bool,
    /// A choice among some of the tools.
    pub choice_of_some: bool,
    pub hosted: &'a [Hosted],
}

/// The tools of `request` that a target with these skills is offered. Deferred tools are offered once the conversation
/// has loaded them. Hosted tools that the target cannot run are left out if they are optional, because agents always
/// offer web search; one that the request requires is refused, because leaving it out would answer a search without
/// searching.
pub fn offers<'a>(
    request: &'a Request,
    skills: Skills<'_>,
    losses: &mut Losses,
) -> Result<Vec<Offer<'a>>, RequestFault> {
    let loaded = loaded(request);
    // A tool search by the provider would find nothing at this target, so all deferred tools are offered.
    let searched = request
        .tools
        .iter()
        .any(|tool| matches!(tool, Tool::Hosted(tool) if tool.kind == Hosted::ToolSearch));
    let allowed = match &request.tool_choice {
        Some(ToolChoice::Allowed { names, .. }) if !skills.choice_of_some => Some(names),
        _ => None,
    };
    let mut offers = Vec::with_capacity(request.tools.len());
    for (index, tool) in request.tools.iter().enumerate() {
        if allowed.is_some_and(|names| !names.iter().any(|name| name == tool.name())) {
            continue;
        }
        let tool = match tool {
            Tool::Function(function)
                if function.deferred && !searched && !loaded.contains(function.name.as_str()) =>
            {
                losses.omit("deferred_tools");
                continue;
            }
            Tool::Function(function) => Offered::Function(function),
            Tool::Freeform(tool) if skills.freeform => Offered::Freeform(tool),
            Tool::Freeform(tool) => wrapped(tool, losses),
            Tool::Hosted(tool) if skills.hosted.contains(&tool.kind) => Offered::Hosted(tool),
            Tool::Hosted(tool) => match client_executed(tool) {
                Some(tool) => tool,
                None if is_wanted(request, tool) => {
                    let message = format!(
                        "`{}` is run by its provider, and this upstream cannot run it; route it to one that can",
                        tool.name
                    );
                    return Err(RequestFault::new(format!("tools.{index}"), message));
                }
                None => {
                    losses.name("hosted_tools");
                    continue;
                }
            },
        };
        offers.push(Offer { index, tool });
    }
    Ok(offers)
}

/// The names of the deferred tools that the conversation has loaded.
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

fn is_wanted(request: &Request, tool: &HostedTool) -> bool {
    request.tools.len() == 1
        || matches!(&request.tool_choice, Some(ToolChoice::Named(name)) if *name == tool.name)
}

/// A freeform tool as a function with one string. Its grammar cannot be enforced; the description states it.
fn wrapped<'a>(tool: &'a Freeform, losses: &mut Losses) -> Offered<'a> {
    if tool.format.is_some() {
        losses.name("tools.format");
    }
    let hint = tool
        .format
        .as_deref()
        .map_or("the whole input", RawValue::get);
    Offered::Made {
        name: &tool.name,
        description: tool.description.as_deref(),
        schema: json!({
            "type": "object",
            "properties": { FREEFORM_FIELD: { "type": "string", "description": hint } },
            "required": [FREEFORM_FIELD],
        }),
    }
}

/// Tools that Anthropic defines and the client runs. For any other model they become functions with this schema.
fn client_executed(tool: &HostedTool) -> Option<Offered<'_>> {
    let (description, schema) = match tool.kind {
        Hosted::Bash => (
            "Run a command in a persistent bash session.",
            json!({
                "type": "object",
                "properties": {
                    "command": { "type": "string", "description": "The command to run." },
                    "restart": { "type": "boolean", "description": "Restart the session instead." },
                },
            }),
        ),
        Hosted::TextEditor => (
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
        ),
        Hosted::Memory => (
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
        ),
        _ => return None,
    };
    Some(Offered::Made {
        name: &tool.name,
        description: Some(description),
        schema,
    })
}
