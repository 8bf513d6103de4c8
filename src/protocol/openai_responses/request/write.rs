//! Encodes the conversation as items for an upstream.
use std::borrow::Cow;

use super::super::wire::{ItemOut, OutputOut, PartOut};
use super::parts::{Parts, input_text, takes_breakpoints};
use crate::protocol::hub::block::{Block, CallKind, Reasoning, Text, ToolCall};
use crate::protocol::hub::carry;
use crate::protocol::hub::error::{Losses, RequestFault};
use crate::protocol::hub::history::{self, Answer, INTERRUPTED, Step};
use crate::protocol::hub::names::{self, FREEFORM_FIELD};
use crate::protocol::hub::opaque::{Opaque, Vendor};
use crate::protocol::hub::plain;
use crate::protocol::hub::request::Request;
use crate::protocol::hub::target::Target;

/// Encodes the turns of `request`, after its system text if that cannot be `instructions`.
pub fn items<'a>(
    request: &'a Request,
    target: &Target<'a>,
    losses: &mut Losses,
) -> Result<Vec<ItemOut<'a>>, RequestFault> {
    let mut writer = Writer {
        parts: Parts { target, losses },
        items: Vec::with_capacity(request.turns.len() + 1),
    };
    if has_breakpoints(request, target) {
        writer.message("developer", request.system.iter().map(Part::Text))?;
    }
    for step in history::settle(&request.turns) {
        match step {
            Step::Assistant(blocks) => writer.assistant(&blocks),
            Step::Results(answers) => {
                for answer in answers {
                    writer.result(&answer)?;
                }
            }
            Step::System(blocks) if target.takes_system_anywhere() => {
                writer.message("developer", blocks.into_iter().map(Part::Block))?;
            }
            Step::System(blocks) => writer.message("user", blocks.into_iter().map(Part::Note))?,
            Step::User(blocks) => writer.message("user", blocks.into_iter().map(Part::Block))?,
        }
    }
    let mut items = writer.items;
    if items.is_empty() {
        return Err(carry::nothing_left(request));
    }
    keep_last_breakpoints(&mut items);
    Ok(items)
}

/// The system text as one string. Cache breakpoints would be lost in a string, so a text with breakpoints becomes a
/// message.
pub fn instructions<'a>(
    request: &'a Request,
    target: &Target<'_>,
    losses: &mut Losses,
) -> Option<Cow<'a, str>> {
    if has_breakpoints(request, target) {
        return None;
    }
    if request.system.iter().any(|text| text.cache.is_some()) {
        losses.omit("cache_control");
    }
    let (first, rest) = request.system.split_first()?;
    Some(
        rest.iter()
            .fold(Cow::Borrowed(first.text.as_str()), |all, text| {
                Cow::Owned(format!("{all}\n\n{}", text.text))
            }),
    )
}

fn has_breakpoints(request: &Request, target: &Target<'_>) -> bool {
    takes_breakpoints(target) && request.system.iter().any(|text| text.cache.is_some())
}

enum Part<'a> {
    Block(&'a Block),
    Note(&'a Block),
    Text(&'a Text),
}

/// Encodes one conversation.
pub struct Writer<'a, 'w> {
    parts: Parts<'a, 'w>,
    items: Vec<ItemOut<'a>>,
}

impl<'a> Writer<'a, '_> {
    fn message(
        &mut self,
        role: &'static str,
        from: impl Iterator<Item = Part<'a>>,
    ) -> Result<(), RequestFault> {
        let mut content = Vec::new();
        for part in from {
            match part {
                Part::Text(text) => content.push(self.parts.text(text)),
                Part::Block(block) => self.parts.part(block, &mut content)?,
                Part::Note(block) => content.push(input_text(plain::note(block))),
            }
        }
        if let Some(ItemOut::Message {
            role: "user",
            content: said,
        }) = self.items.last_mut()
            && role == "user"
            && !self.parts.target.takes_system_anywhere()
        {
            // Templates require alternating roles.
            said.append(&mut content);
        }
        if !content.is_empty() {
            self.items.push(ItemOut::Message { role, content });
        }
        Ok(())
    }

    fn assistant(&mut self, blocks: &[&'a Block]) {
        let mut content = Vec::new();
        for (index, block) in blocks.iter().enumerate() {
            match block {
                Block::Text(text) => {
                    if text.cache.is_some() {
                        self.parts.losses.omit("cache_control");
                    }
                    content.push(PartOut::OutputText {
                        text: Cow::Borrowed(&text.text),
                        annotations: &[],
                    });
                }
                Block::Refusal(refusal) => content.push(PartOut::Refusal { refusal }),
                Block::Reasoning(reasoning) => {
                    self.said(&mut content);
                    let followed = blocks
                        .get(index + 1..)
                        .is_some_and(|rest| rest.iter().any(|block| is_shown(block)));
                    self.reasoning(reasoning, followed);
                }
                Block::ToolCall(call) if !matches!(call.kind, CallKind::Server(_)) => {
                    self.said(&mut content);
                    let item = self.call(call);
                    self.items.push(item);
                }
                Block::ToolCall(_) | Block::ServerToolResult(_) => {
                    self.parts.losses.name("server_tool_use");
                }
                Block::Foreign(foreign) => match plain::compaction(foreign) {
                    Some(note) => content.push(PartOut::OutputText {
                        text: Cow::Owned(note),
                        annotations: &[],
                    }),
                    None => self.parts.losses.name("assistant_content"),
                },
                _ => self.parts.losses.name("assistant_content"),
            }
        }
        self.said(&mut content);
    }

    /// Ends the assistant's message, if one has begun.
    fn said(&mut self, content: &mut Vec<PartOut<'a>>) {
        if !content.is_empty() {
            self.items.push(ItemOut::Message {
                role: "assistant",
                content: std::mem::take(content),
            });
        }
    }

    /// Encodes reasoning. State is sent back only to the vendor that it came from, and only in front of the item that
    /// it led to: the vendor refuses it alone.
    fn reasoning(&mut self, reasoning: &'a Reasoning, followed: bool) {
        let opaque = reasoning.opaque.as_ref();
        let ours = |opaque: &&Opaque| {
            followed && opaque.vendor == Vendor::Openai && opaque.is_for(self.parts.target)
        };
        let Some(opaque) = opaque.filter(ours) else {
            self.parts.losses.omit("thinking");
            return;
        };
        self.items.push(ItemOut::Reasoning {
            id: &opaque.item_id,
            summary: reasoning
                .visible
                .iter()
                .filter(|segment| !segment.text.is_empty())
                .map(|segment| PartOut::SummaryText {
                    text: &segment.text,
                })
                .collect(),
            encrypted_content: &opaque.payload,
        });
    }

    fn call(&self, call: &'a ToolCall) -> ItemOut<'a> {
        let call_id = names::tool_id(&call.id, self.parts.target.quirks.tool_ids);
        let name = names::tool_name(call.namespace.as_deref(), &call.name);
        match call.kind {
            CallKind::Freeform if self.parts.target.takes_freeform() => ItemOut::CustomToolCall {
                call_id,
                name,
                input: &call.args.raw,
            },
            CallKind::Freeform => ItemOut::FunctionCall {
                call_id,
                name,
                arguments: Cow::Owned(
                    serde_json::json!({ FREEFORM_FIELD: call.args.raw }).to_string(),
                ),
            },
            CallKind::Function | CallKind::Server(_) => ItemOut::FunctionCall {
                call_id,
                name,
                arguments: call.args.object(),
            },
        }
    }

    fn result(&mut self, answer: &Answer<'a>) -> Result<(), RequestFault> {
        let call_id = names::tool_id(&answer.call.id, self.parts.target.quirks.tool_ids);
        let output = match answer.result {
            Some(result) => self.parts.output(result)?,
            None => OutputOut::Text(INTERRUPTED.to_owned()),
        };
        let is_freeform =
            answer.call.kind == CallKind::Freeform && self.parts.target.takes_freeform();
        self.items.push(if is_freeform {
            ItemOut::CustomToolCallOutput { call_id, output }
        } else {
            ItemOut::FunctionCallOutput { call_id, output }
        });
        Ok(())
    }
}

/// Whether the block becomes an item. Reasoning needs an item that follows it.
fn is_shown(block: &Block) -> bool {
    match block {
        Block::Text(_) | Block::Refusal(_) => true,
        Block::ToolCall(call) => !matches!(call.kind, CallKind::Server(_)),
        _ => false,
    }
}

/// If there are more breakpoints than the provider accepts, keeps the last ones, which cover the most.
fn keep_last_breakpoints(items: &mut [ItemOut<'_>]) {
    let contents = items.iter_mut().rev().filter_map(|item| match item {
        ItemOut::Message { content, .. } => Some(content),
        ItemOut::FunctionCallOutput {
            output: OutputOut::Parts(parts),
            ..
        }
        | ItemOut::CustomToolCallOutput {
            output: OutputOut::Parts(parts),
            ..
        } => Some(parts),
        _ => None,
    });
    let marks = contents
        .flat_map(|parts| parts.iter_mut().rev())
        .filter_map(|part| match part {
            PartOut::InputFile {
                prompt_cache_breakpoint,
                ..
            }
            | PartOut::InputImage {
                prompt_cache_breakpoint,
                ..
            }
            | PartOut::InputText {
                prompt_cache_breakpoint,
                ..
            } if prompt_cache_breakpoint.is_some() => Some(prompt_cache_breakpoint),
            _ => None,
        });
    for mark in marks.skip(MOST_BREAKPOINTS) {
        *mark = None;
    }
}

/// Most cache breakpoints that OpenAI accepts.
const MOST_BREAKPOINTS: usize = 4;
