//! Tools that are added or removed in the middle of a conversation: `tool_addition` and `tool_removal` in system
//! messages. Other dialects have one tool list for the whole conversation, so the list that holds at its end is
//! declared.
use serde::Deserialize;
use serde_json::value::RawValue;

use super::decode_tools::tools;
use crate::protocol::hub::block::Block;
use crate::protocol::hub::error::{RequestFault, Verdict};
use crate::protocol::hub::read::{Path, Str};
use crate::protocol::hub::request::{Extra, Request, Role, Tool};

/// Removes the changes from the turns and applies them to the tools.
pub fn apply(request: &mut Request) -> Result<(), RequestFault> {
    let mut changes = Vec::new();
    for turn in request
        .turns
        .iter_mut()
        .filter(|turn| turn.role == Role::System)
    {
        let mut kept = Vec::with_capacity(turn.blocks.len());
        for block in std::mem::take(&mut turn.blocks) {
            match block {
                Block::Foreign(change)
                    if matches!(change.kind.as_str(), "tool_addition" | "tool_removal") =>
                {
                    changes.push(change);
                }
                block => kept.push(block),
            }
        }
        turn.blocks = kept;
    }
    for change in changes {
        if !one(&mut request.tools, &change.kind, &change.raw)? {
            // The change is about tools of an MCP server that the provider calls.
            request.extras.push(Extra {
                name: "tool_changes",
                value: change.raw,
                verdict: Verdict::Name,
            });
        }
    }
    request.turns.retain(|turn| !turn.blocks.is_empty());
    Ok(())
}

/// Applies one change; `false` = the change concerns something unknown.
fn one(all: &mut Vec<Tool>, kind: &str, raw: &RawValue) -> Result<bool, RequestFault> {
    let path = Path::top("messages");
    let change: ChangeIn<'_> = path.read(raw)?;
    let defined = match change.tool.definition {
        Some(definition) => {
            let list = RawValue::from_string(format!("[{}]", definition.get()))
                .map_err(|error| path.fault(error.to_string()))?;
            tools(&list, &path)?
        }
        None => Vec::new(),
    };
    let names: Vec<String> = match (&*change.tool.kind, change.tool.name) {
        ("tool_reference", Some(name)) => vec![name.to_owned()],
        ("tool_definition", _) => defined.iter().map(|tool| tool.name().to_owned()).collect(),
        _ => return Ok(false),
    };
    let is_meant = |tool: &Tool| names.iter().any(|name| name == tool.name());
    if kind == "tool_removal" {
        all.retain(|tool| !is_meant(tool));
        return Ok(true);
    }
    if !defined.is_empty() {
        all.retain(|tool| !is_meant(tool));
        all.extend(defined);
    }
    for tool in all.iter_mut().filter(|tool| is_meant(tool)) {
        if let Tool::Function(function) = tool {
            function.deferred = false;
        }
    }
    Ok(true)
}

#[derive(Deserialize)]
struct ChangeIn<'a> {
    #[serde(borrow)]
    tool: ChangedIn<'a>,
}

#[derive(Deserialize)]
struct ChangedIn<'a> {
    #[serde(borrow, rename = "type")]
    kind: Str<'a>,
    #[serde(borrow)]
    name: Option<Str<'a>>,
    #[serde(borrow)]
    definition: Option<&'a RawValue>,
}
