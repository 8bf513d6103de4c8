//! Decodes the items of a client's conversation.
use serde_json::value::RawValue;

use super::super::wire::{ItemIn, ToolIn};
use super::content;
use crate::protocol::Dialect;
use crate::protocol::hub::args::Args;
use crate::protocol::hub::block::{
    Block, CallKind, Foreign, Hosted, Reasoning, Segment, SegmentKind, Text, ToolCall, ToolResult,
};
use crate::protocol::hub::error::RequestFault;
use crate::protocol::hub::names::tool_name;
use crate::protocol::hub::opaque::{self, Opaque, OpaqueKind, Vendor};
use crate::protocol::hub::read::{Path, Str, is_array, is_string};
use crate::protocol::hub::request::{Role, Turn};

/// A decoded conversation.
#[derive(Debug, Default)]
pub struct Conversation<'a> {
    pub turns: Vec<Turn>,
    /// Tools that were declared in the middle of the conversation, unparsed.
    pub tools: Vec<&'a RawValue>,
    /// Tools that a tool search has found, unparsed.
    pub found: Vec<&'a RawValue>,
}

/// Decodes a bare string or a list of items.
pub fn conversation<'a>(
    input: &'a RawValue,
    path: &Path<'_>,
) -> Result<Conversation<'a>, RequestFault> {
    let mut conversation = Conversation::default();
    if is_string(input) {
        let blocks = content::blocks(input, path)?;
        conversation.push(Role::User, blocks);
        return Ok(conversation);
    }
    let items: Vec<&RawValue> = path.read(input)?;
    for (index, raw) in items.into_iter().enumerate() {
        let path = path.index(index);
        let item: ItemIn<'_> = path.read(raw)?;
        conversation.item(raw, &item, &path)?;
    }
    Ok(conversation)
}

impl<'a> Conversation<'a> {
    fn item(
        &mut self,
        raw: &'a RawValue,
        item: &ItemIn<'a>,
        path: &Path<'_>,
    ) -> Result<(), RequestFault> {
        match item.kind.as_deref().unwrap_or("message") {
            "message" => {
                let role = match item.role.as_deref() {
                    Some("assistant") => Role::Assistant,
                    Some("developer" | "system") => Role::System,
                    _ => Role::User,
                };
                let blocks = match item.content {
                    Some(content) => content::blocks(content, &path.field("content"))?,
                    None => Vec::new(),
                };
                self.push(role, blocks);
            }
            "reasoning" => self.push(
                Role::Assistant,
                vec![Block::Reasoning(reasoning(item, path)?)],
            ),
            "function_call" | "custom_tool_call" => {
                self.push(Role::Assistant, vec![Block::ToolCall(call(item, path)?)]);
            }
            "function_call_output"
            | "custom_tool_call_output"
            | "local_shell_call_output"
            | "shell_call_output"
            | "apply_patch_call_output" => {
                self.push(Role::User, vec![Block::ToolResult(result(item, path)?)]);
            }
            kind @ ("local_shell_call" | "shell_call" | "apply_patch_call") => {
                let call = client_call(kind, item, path)?;
                self.push(Role::Assistant, vec![Block::ToolCall(call)]);
            }
            "tool_search_call" => {
                let call = ToolCall {
                    args: Args::new(item.arguments.map(RawValue::get).unwrap_or_default()),
                    ..client_call("tool_search_call", item, path)?
                };
                self.push(Role::Assistant, vec![Block::ToolCall(call)]);
            }
            "tool_search_output" => {
                let found: Vec<&RawValue> = match item.tools {
                    Some(tools) => path.field("tools").read(tools)?,
                    None => Vec::new(),
                };
                let mut names = Vec::new();
                for raw in &found {
                    names_of(raw, None, &mut names);
                }
                self.found.extend(found);
                let result = ToolResult {
                    call_id: need(item.call_id.as_ref().or(item.id.as_ref()), path, "call_id")?,
                    blocks: names.into_iter().map(Block::ToolReference).collect(),
                    is_error: false,
                    cache: None,
                };
                self.push(Role::User, vec![Block::ToolResult(result)]);
            }
            "additional_tools" => {
                if let Some(tools) = item.tools {
                    self.tools
                        .extend(path.field("tools").read::<Vec<&RawValue>>(tools)?);
                }
            }
            kind => {
                if let Some((_, reason)) = REFUSED.iter().find(|(refused, _)| *refused == kind) {
                    return Err(path.fault(*reason));
                }
                let foreign = Foreign {
                    dialect: Dialect::OpenaiResponses,
                    kind: kind.to_owned(),
                    raw: raw.to_owned(),
                };
                self.push(Role::Assistant, vec![Block::Foreign(foreign)]);
            }
        }
        Ok(())
    }

    /// Adds blocks. Consecutive blocks of the assistant are one turn; every other message is a turn of its own.
    fn push(&mut self, role: Role, mut blocks: Vec<Block>) {
        match self.turns.last_mut() {
            Some(last) if role == Role::Assistant && last.role == role => {
                last.blocks.append(&mut blocks);
            }
            _ if blocks.is_empty() => {}
            _ => self.turns.push(Turn {
                role,
                blocks,
                name: None,
            }),
        }
    }
}

/// A reasoning item with its state: one of Weir's envelopes, or OpenAI's own state, which is tied to the item's id.
pub fn reasoning(item: &ItemIn<'_>, path: &Path<'_>) -> Result<Reasoning, RequestFault> {
    let segment = |kind, text: &Str<'_>| Segment {
        kind,
        text: text.to_owned(),
    };
    let mut visible: Vec<Segment> = item
        .summary
        .iter()
        .filter_map(|part| Some(segment(SegmentKind::Summary, part.text.as_ref()?)))
        .collect();
    if let Some(content) = item.content {
        let parts = content::parts(content, &path.field("content"))?;
        visible.extend(
            parts
                .iter()
                .filter_map(|part| Some(segment(SegmentKind::Raw, part.text.as_ref()?))),
        );
    }
    let id = item
        .id
        .as_ref()
        .map(crate::protocol::hub::read::Str::to_owned);
    let state = item
        .encrypted_content
        .as_ref()
        .filter(|state| !state.is_empty());
    let opaque = state.map(|state| {
        opaque::unseal(state).unwrap_or_else(|| Opaque {
            item_id: id.clone().unwrap_or_default(),
            ..Opaque::native(Vendor::Openai, OpaqueKind::Encrypted, &**state)
        })
    });
    Ok(Reasoning {
        visible,
        opaque,
        id,
    })
}

/// A call of one of the client's tools.
pub fn call(item: &ItemIn<'_>, path: &Path<'_>) -> Result<ToolCall, RequestFault> {
    let is_freeform = item.kind.as_deref() == Some("custom_tool_call");
    let args = match (is_freeform, item.arguments) {
        (true, _) => item
            .input
            .as_ref()
            .map(crate::protocol::hub::read::Str::to_owned)
            .unwrap_or_default(),
        (false, Some(arguments)) if is_string(arguments) => path
            .field("arguments")
            .read::<Str<'_>>(arguments)?
            .to_owned(),
        // Some servers write the arguments as an object instead of a string.
        (false, Some(arguments)) => arguments.get().to_owned(),
        (false, None) => String::new(),
    };
    Ok(ToolCall {
        id: need(item.call_id.as_ref().or(item.id.as_ref()), path, "call_id")?,
        name: need(item.name.as_ref(), path, "name")?,
        namespace: item
            .namespace
            .as_ref()
            .map(crate::protocol::hub::read::Str::to_owned),
        args: Args::new(args),
        kind: if is_freeform {
            CallKind::Freeform
        } else {
            CallKind::Function
        },
        opaque: None,
        cache: None,
    })
}

/// The names of the functions in a declaration, as the model knows them; a namespace has several.
fn names_of(raw: &RawValue, namespace: Option<&str>, names: &mut Vec<String>) {
    let Ok(tool) = serde_json::from_str::<ToolIn<'_>>(raw.get()) else {
        return;
    };
    let Some(name) = tool.name else {
        return;
    };
    if &*tool.kind == "namespace" {
        for raw in tool.tools {
            names_of(raw, Some(&name), names);
        }
    } else {
        names.push(tool_name(namespace, &name).into_owned());
    }
}

/// A call of a tool that OpenAI defines and the client runs; for other models it is a function with that name.
fn client_call(kind: &str, item: &ItemIn<'_>, path: &Path<'_>) -> Result<ToolCall, RequestFault> {
    Ok(ToolCall {
        id: need(item.call_id.as_ref().or(item.id.as_ref()), path, "call_id")?,
        name: kind.trim_end_matches("_call").to_owned(),
        namespace: None,
        args: Args::new(item.action.map(RawValue::get).unwrap_or_default()),
        kind: CallKind::Function,
        opaque: None,
        cache: None,
    })
}

fn result(item: &ItemIn<'_>, path: &Path<'_>) -> Result<ToolResult, RequestFault> {
    // The output of a local shell names its call in `id`.
    let id = item.call_id.as_ref().or(item.id.as_ref());
    Ok(ToolResult {
        call_id: need(id, path, "call_id")?,
        blocks: match item.output {
            // The output of a shell, one entry per command, is passed on unparsed.
            Some(output)
                if is_array(output) && item.kind.as_deref() == Some("shell_call_output") =>
            {
                vec![Block::Text(Text::plain(output.get()))]
            }
            Some(output) => content::blocks(output, &path.field("output"))?,
            None => Vec::new(),
        },
        is_error: false,
        cache: None,
    })
}

fn need(value: Option<&Str<'_>>, path: &Path<'_>, name: &str) -> Result<String, RequestFault> {
    value
        .map(crate::protocol::hub::read::Str::to_owned)
        .ok_or_else(|| path.field(name).fault("field required"))
}

/// The hosted tool of this type.
pub const fn hosted(kind: &str) -> Hosted {
    match kind.as_bytes() {
        b"code_interpreter" => Hosted::CodeExecution,
        b"computer" | b"computer_use" | b"computer_use_preview" => Hosted::Computer,
        b"file_search" => Hosted::FileSearch,
        b"image_generation" => Hosted::ImageGeneration,
        b"mcp" => Hosted::Mcp,
        b"tool_search" => Hosted::ToolSearch,
        b"web_search"
        | b"web_search_2025_08_26"
        | b"web_search_preview"
        | b"web_search_preview_2025_03_11" => Hosted::WebSearch,
        _ => Hosted::Other,
    }
}

/// Items that only OpenAI's servers understand, and without which the conversation would be a different one.
const REFUSED: &[(&str, &str)] = &[
    (
        "compaction",
        "only OpenAI can read its compaction of a conversation; send the items themselves, or start anew with a summary",
    ),
    (
        "compaction_summary",
        "only OpenAI can read its compaction of a conversation; send the items themselves, or start anew with a summary",
    ),
    ("compaction_trigger", "compaction needs an OpenAI upstream"),
    ("computer_call", "computer use needs an OpenAI upstream"),
    (
        "computer_call_output",
        "computer use needs an OpenAI upstream",
    ),
    (
        "item_reference",
        "this item is not kept here, or no longer; send the item itself, with `\"store\": false`",
    ),
    ("program", "programmatic tool calls need an OpenAI upstream"),
    (
        "program_output",
        "programmatic tool calls need an OpenAI upstream",
    ),
];
